// Trained numbers for each channel: scale, bias, and their pair in group and layer normalisation [WuHe2018] [Ba2016].

import * as tf from "@tensorflow/tfjs-core";
import { ArgumentError } from "../../formats/argumentError.js";
import { type Layer, ones, zeros } from "./layer.js";
import { asPositions, formed } from "./materialisedGradients.js";

const DEFAULT_EPSILON = 1e-5;
const last = (shape: readonly number[]): number => shape[shape.length - 1];

export function scale(name: string, inputShape: readonly number[]): Layer {
  return {
    outputShape: inputShape,
    multiplyAdds: 0,
    parameters: [{ name: `${name}/scale`, shape: [last(inputShape)], initialise: ones }],
    forward: (input, [factor]) => ({ output: tf.mul(input, factor), saved: [input] }),
    backward(dy, [input], [factor], context) {
      const { kernels, views, needsInputGradient } = context;
      const gradients = formed(context, () => [kernels.positionSums(asPositions(tf.mul(dy, input)), views)]);
      return needsInputGradient ? { gradients, inputGradient: tf.mul(dy, factor) } : { gradients };
    },
  };
}

export function bias(name: string, inputShape: readonly number[]): Layer {
  return {
    outputShape: inputShape,
    multiplyAdds: 0,
    parameters: [{ name: `${name}/bias`, shape: [last(inputShape)], initialise: zeros }],
    forward: (input, [shift]) => ({ output: tf.add(input, shift), saved: [] }),
    backward(dy, _, __, context) {
      const { kernels, views, needsInputGradient } = context;
      const gradients = formed(context, () => [kernels.positionSums(asPositions(dy), views)]);
      return needsInputGradient ? { gradients, inputGradient: dy } : { gradients };
    },
  };
}

/** Over the channels of a group and all positions of one image. */
export function groupNorm(
  name: string,
  inputShape: readonly number[],
  options: { readonly groups: number; readonly epsilon?: number },
): Layer {
  const { groups } = options;
  const channels = last(inputShape);
  if (!(channels % groups === 0))
    throw new ArgumentError(`groups of ${name}`, `a divisor of the ${channels} channels`, `${groups}`);
  return normalised(name, inputShape, groups, options.epsilon, (x) =>
    tf.reshape(x, [x.shape[0], -1, channels]),
  );
}

/** Over the last axis, position by position. */
export function layerNorm(
  name: string,
  inputShape: readonly number[],
  options: { readonly epsilon?: number },
): Layer {
  return normalised(name, inputShape, 1, options.epsilon, (x) => tf.reshape(x, [-1, 1, last(x.shape)]));
}

/** `regions` reshapes to [rows, positions, channels]: statistics are taken over a row's positions and a group's channels. */
function normalised(
  name: string,
  inputShape: readonly number[],
  groups: number,
  epsilon = DEFAULT_EPSILON,
  regions: (x: tf.Tensor) => tf.Tensor3D,
): Layer {
  const channels = last(inputShape);
  return {
    outputShape: inputShape,
    multiplyAdds: 0,
    parameters: [
      { name: `${name}/scale`, shape: [channels], initialise: ones },
      { name: `${name}/offset`, shape: [channels], initialise: zeros },
    ],
    forward(input, [factor, shift], kernels) {
      const vectors = [factor, shift] as [tf.Tensor1D, tf.Tensor1D];
      const { output, mean, inverse } = kernels.normalise(regions(input), ...vectors, { groups, epsilon });
      return { output: tf.reshape(output, input.shape), saved: [input, mean, inverse] };
    },
    backward(outputGradient, [input, mean, inverse], [factor], context) {
      const { kernels, views, needsInputGradient } = context;
      const x = regions(input);
      const {
        scale,
        offset,
        input: dx,
      } = kernels.normaliseGradient(
        regions(outputGradient),
        x,
        { mean: mean as tf.Tensor2D, inverse: inverse as tf.Tensor2D },
        factor as tf.Tensor1D,
        { together: (views * x.shape[0]) / input.shape[0], needsInputGradient },
      );
      const gradients = formed(context, () => [scale, offset]);
      return dx ? { gradients, inputGradient: tf.reshape(dx, input.shape) } : { gradients };
    },
  };
}
