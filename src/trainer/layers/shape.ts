// Layers without parameters: activations, pooling, flattening.

import * as tf from "@tensorflow/tfjs-core";
import { ArgumentError } from "../../formats/argumentError.js";
import type { Layer } from "./layer.js";

const plain = { parameters: [], multiplyAdds: 0 } as const;

export function tanh(inputShape: readonly number[]): Layer {
  return {
    ...plain,
    outputShape: inputShape,
    forward(input, _, kernels) {
      const output = kernels.tanh(input);
      return { output, saved: [output] };
    },
    backward: (dy, [output], _, { kernels }) => ({ inputGradient: kernels.tanhGradient(output, dy) }),
  };
}

export function relu(inputShape: readonly number[]): Layer {
  return {
    ...plain,
    outputShape: inputShape,
    forward(input) {
      const output = tf.relu(input);
      return { output, saved: [output] };
    },
    backward: (dy, [output], _, { kernels }) => ({ inputGradient: kernels.reluGradient(output, dy) }),
  };
}

export function flatten(inputShape: readonly number[]): Layer {
  const size = inputShape.reduce((a, b) => a * b, 1);
  return {
    ...plain,
    outputShape: [size],
    forward: (input) => ({ output: tf.reshape(input, [-1, size]), saved: [] }),
    backward: (dy) => ({ inputGradient: tf.reshape(dy, [-1, ...inputShape]) }),
  };
}

/** Throws ArgumentError unless a layer's input is images. */
export function checkImages(name: string, inputShape: readonly number[]): void {
  if (inputShape.length !== 3)
    throw new ArgumentError(`input of ${name}`, "[height, width, channels]", `[${inputShape.join(", ")}]`);
}

/** Windows of size × size pixels at every stride-th pixel, none beyond the edge. */
function windows(
  name: string,
  inputShape: readonly number[],
  size: number,
  stride: number,
): [number, number, number] {
  checkImages(name, inputShape);
  const [height, width, channels] = inputShape;
  if (!(size <= height && size <= width))
    throw new ArgumentError(`size of ${name}`, `at most its input, ${height} x ${width}`, `${size}`);
  return [Math.floor((height - size) / stride) + 1, Math.floor((width - size) / stride) + 1, channels];
}

export function maxPool(name: string, inputShape: readonly number[], size: number, stride: number): Layer {
  return {
    ...plain,
    outputShape: windows(name, inputShape, size, stride),
    forward(input, _, kernels) {
      const output = kernels.maxPool(input as tf.Tensor4D, size, stride);
      return { output, saved: [input, output] };
    },
    backward: (dy, [input, output], _, { kernels }) => ({
      inputGradient: kernels.maxPoolGradient(
        ...([input, output, dy] as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D]),
        size,
        stride,
      ),
    }),
  };
}

/** Average over windows that do not overlap: size × size pixels at every size-th pixel. */
export function averagePool(name: string, inputShape: readonly number[], size: number): Layer {
  const outputShape = windows(name, inputShape, size, size);
  const [outHeight, outWidth, channels] = outputShape;
  return {
    ...plain,
    outputShape,
    forward: (input) => ({ output: tf.avgPool(input as tf.Tensor4D, size, size, "valid"), saved: [] }),
    backward(dy) {
      const share = tf.reshape(tf.mul(dy, 1 / (size * size)), [-1, outHeight, 1, outWidth, 1, channels]);
      // TensorFlow.js broadcasts up to rank 6; each output pixel's share goes to every pixel of its window.
      const spread = tf.reshape(tf.tile(share, [1, 1, size, 1, size, 1]), [
        -1,
        outHeight * size,
        outWidth * size,
        channels,
      ]);
      const [height, width] = inputShape;
      const rest: [number, number][] = [
        [0, height - outHeight * size],
        [0, width - outWidth * size],
      ];
      return { inputGradient: tf.pad(spread, [[0, 0], ...rest, [0, 0]]) };
    },
  };
}

/** The mean over all positions: [..., channels] → [channels]. */
export function globalAveragePool(inputShape: readonly number[]): Layer {
  const channels = inputShape[inputShape.length - 1];
  const positions = inputShape.slice(0, -1).reduce((a, b) => a * b, 1);
  return {
    ...plain,
    outputShape: [channels],
    forward: (input) => ({
      output: tf.mean(tf.reshape(input, [-1, positions, channels]), 1),
      saved: [],
    }),
    backward: (dy) => ({
      // A product with equal shares: several times as fast as a tile.
      inputGradient: tf.reshape(
        tf.mul(tf.reshape(dy, [-1, 1, channels]), tf.fill([1, positions, 1], 1 / positions)),
        [-1, ...inputShape],
      ),
    }),
  };
}
