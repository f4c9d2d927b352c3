// 2-D convolution: per-example gradients formed, summed and measured by book-keeping [Bu2023].

import * as tf from "@tensorflow/tfjs-core";
import { ArgumentError } from "../../formats/argumentError.js";
import type { Kernels, Sides } from "../kernels.js";
import {
  type Backward,
  type BackwardContext,
  type Forward,
  type Layer,
  ones,
  scaledNormal,
  zeros,
} from "./layer.js";
import { FormedGradients } from "./materialisedGradients.js";
import { checkImages } from "./shape.js";
import type { Conv2dOptions } from "./spec.js";
import { standardise } from "./standardise.js";

/**
 * [h, w, c] → [(h + padding − k)/stride + 1, …, filters], rounded down.
 *
 * The per-example gradient is formed always. Its product costs what the ordinary weight gradient costs; norm and
 * weighted sum read it twice, 2·D·p operations an example (D = k²c, p = filters). Norms from Gram matrices cost (K·T)²(D + p)
 * on top of the weight gradient (T positions, K views): measured, no faster but for maps of 2 × 2 (docs/math-clipping.md).
 */
export function conv2d(name: string, inputShape: readonly number[], options: Conv2dOptions): Layer {
  const { filters, kernelSize, stride = 1, groups = 1, weightStandardised = false, bias = true } = options;
  checkImages(name, inputShape);
  const [height, width, channels] = inputShape;
  const sides = sidesOf([height, width], options);
  const [outHeight, outWidth] = [height + sides[0] + sides[1], width + sides[2] + sides[3]].map(
    (side) => Math.floor((side - kernelSize) / stride) + 1,
  );
  if (!(outHeight >= 1 && outWidth >= 1))
    throw new ArgumentError(
      `kernelSize of ${name}`,
      `at most its input with the padding, ${height + sides[0] + sides[1]} x ${width + sides[2] + sides[3]}`,
      `${kernelSize}`,
    );
  if (!(channels % groups === 0 && filters % groups === 0))
    throw new ArgumentError(
      `groups of ${name}`,
      `a divisor of the ${channels} input channels and the ${filters} filters`,
      `${groups}`,
    );
  const fanIn = (kernelSize * kernelSize * channels) / groups;
  const convolution = { kernelHeight: kernelSize, kernelWidth: kernelSize, stride };
  const split = (x: tf.Tensor4D): tf.Tensor4D[] => (groups === 1 ? [x] : tf.split(x, groups, 3));
  const join = (parts: tf.Tensor4D[]): tf.Tensor4D => (groups === 1 ? parts[0] : tf.concat(parts, 3));
  /** The filter that convolves: the kernel itself, or its unit filters multiplied by the gain. */
  const filterOf = ([kernel, gain]: readonly tf.Tensor[], unit?: tf.Tensor): tf.Tensor4D =>
    tf.reshape(unit ? tf.mul(unit, gain) : kernel, kernel.shape as [number, number, number, number]);
  return {
    outputShape: [outHeight, outWidth, filters],
    multiplyAdds: outHeight * outWidth * fanIn * filters,
    parameters: [
      {
        name: `${name}/kernel`,
        shape: [kernelSize, kernelSize, channels / groups, filters],
        initialise: scaledNormal(fanIn),
      },
      ...(weightStandardised ? [{ name: `${name}/gain`, shape: [filters], initialise: ones }] : []),
      ...(bias ? [{ name: `${name}/bias`, shape: [filters], initialise: zeros }] : []),
    ],
    forward(input, parameters, kernels): Forward {
      const padded = kernels.pad(input as tf.Tensor4D, sides);
      const standard = weightStandardised ? standardise(parameters[0] as tf.Tensor4D, kernels) : undefined;
      const filter = split(filterOf(parameters, standard?.unit));
      const shift = parameters[parameters.length - 1];
      const shifts = bias && groups > 1 ? tf.split(shift, groups, 0) : [shift];
      const output = join(
        split(padded).map((x, g) =>
          kernels.convolution(x, filter[g], stride, bias ? (shifts[g] as tf.Tensor1D) : undefined),
        ),
      );
      const saved = standard ? [padded, standard.unit, standard.factor, standard.projected] : [padded];
      return { output, saved };
    },
    backward(outputGradient, [padded, ...standard], parameters, context): Backward {
      const { kernels, needsInputGradient } = context;
      const dy = outputGradient as tf.Tensor4D;
      const xs = split(padded as tf.Tensor4D);
      const dys = split(dy);
      const gradients = formedGradients(xs, dys, dy, parameters, standard, context);
      if (!needsInputGradient) return { gradients };
      const filter = split(filterOf(parameters, standard[0]));
      const image = [dy.shape[0], height, width, channels / groups] as const;
      return {
        gradients,
        inputGradient: join(
          dys.map((each, g) => kernels.inputGradient(each, filter[g], image, stride, sides)),
        ),
      };
    },
  };

  function formedGradients(
    xs: readonly tf.Tensor4D[],
    dys: readonly tf.Tensor4D[],
    dy: tf.Tensor4D,
    parameters: readonly tf.Tensor[],
    standard: readonly tf.Tensor[],
    { kernels, views, earlier, trained }: BackwardContext,
  ): readonly FormedGradients[] {
    if (!trained.includes(true)) return [];
    const before = (earlier?.pop() as FormedGradients | undefined)?.tensors;
    const shift = () => kernels.positionSums(dy, views, before?.[before.length - 1]);
    const biasTrained = bias && trained[trained.length - 1];
    // The filter's gradient is what costs: left out where neither kernel nor gain is trained.
    if (!trained.slice(0, weightStandardised ? 2 : 1).includes(true))
      return [new FormedGradients([shift()], kernels)];
    const byGroup = xs.map((x, g) =>
      kernels.filterGradients(x, dys[g], views, convolution, groups === 1 ? before?.[0] : undefined),
    );
    const rows = groups === 1 ? byGroup[0] : joined(byGroup, dy.shape[0] / views, before?.[0]);
    // Rows in name only, left out in the end: what the forward pass knows of the filters is not to be found again.
    // Of views that come in passes the first pass keeps it.
    const held =
      before?.slice(1, 1 + standard.length) ??
      standard.map((each) => tf.reshape(each, [-1, filters]) as tf.Tensor2D);
    const finish = ([filter, ...others]: readonly tf.Tensor2D[]) =>
      [
        ...(weightStandardised ? rawGradients(filter, others, parameters[1], kernels) : [filter]),
        ...others.slice(held.length),
      ].filter((_, index) => trained[index]);
    const all = [rows, ...held, ...(biasTrained ? [shift()] : [])];
    return [new FormedGradients(all, kernels, finish)];
  }

  /** The groups' gradients side by side, as the kernel has them. */
  function joined(parts: readonly tf.Tensor2D[], n: number, before?: tf.Tensor2D): tf.Tensor2D {
    const wide = parts.map((part) => tf.reshape(part, [n, fanIn, filters / groups]));
    const rows = tf.reshape(tf.concat(wide, 2), [n, fanIn * filters]) as tf.Tensor2D;
    return before ? tf.add(before, rows) : rows;
  }

  /** From gradients of the standardised filter to those of kernel and gain. */
  function rawGradients(
    rows: tf.Tensor2D,
    [unit, factor, projected]: readonly tf.Tensor2D[],
    gain: tf.Tensor,
    kernels: Kernels,
  ): tf.Tensor2D[] {
    const [factors, held] = [factor, projected].map((each) => tf.reshape(each, [filters]) as tf.Tensor1D);
    return kernels.standardisedGradients(rows, unit, tf.mul(factors, gain), held);
  }
}

/** Rows and columns of zeros around the image. */
function sidesOf(image: readonly number[], options: Conv2dOptions): Sides {
  const { kernelSize, stride = 1, padding = 0 } = options;
  if (padding === "same") {
    const [top, left] = image.map((side) =>
      Math.max(0, (Math.ceil(side / stride) - 1) * stride + kernelSize - side),
    );
    return [Math.floor(top / 2), Math.ceil(top / 2), Math.floor(left / 2), Math.ceil(left / 2)];
  }
  return [padding, padding, padding, padding];
}
