// 2-D convolution with bias: per-example gradients formed, summed and measured by book-keeping [Bu2023].
import * as tf from "@tensorflow/tfjs-core";
import type { Kernels } from "../../backends/index.js";
import {
  type Backward,
  type ExampleGradients,
  type Forward,
  type Layer,
  scaledNormal,
  zeros,
} from "./layer.js";

export interface Conv2dOptions {
  /** Output channels. */
  readonly filters: number;
  /** Height and width of the filter, pixels. */
  readonly kernelSize: number;
  /** Pixels, the same both ways; default 1. */
  readonly stride?: number;
  /** Rows and columns of zeros on every side, pixels; default 0. */
  readonly padding?: number;
}

/**
 * [h, w, c] → [(h + 2·padding − k)/stride + 1, …, filters], rounded down.
 *
 * The per-example gradient is formed always. Its product costs what the ordinary weight gradient costs; norm and
 * weighted sum read it twice, 2·D·p operations an example (D = k²c, p = filters). Norms from Gram matrices would cost
 * (K·T)²(D + p) more on top of the weight gradient (T positions, K views): more, for every convolution with T ≥ 2 or so.
 */
export function conv2d(name: string, inputShape: readonly number[], options: Conv2dOptions): Layer {
  const { filters, kernelSize, stride = 1, padding = 0 } = options;
  if (inputShape.length !== 3)
    throw new RangeError(`${name}: conv2d needs [height, width, channels], got [${inputShape.join(", ")}]`);
  const [height, width, channels] = inputShape;
  const [outHeight, outWidth] = [height, width].map(
    (side) => Math.floor((side + 2 * padding - kernelSize) / stride) + 1,
  );
  if (!(outHeight >= 1 && outWidth >= 1))
    throw new RangeError(
      `${name}: a ${kernelSize} x ${kernelSize} filter does not fit ${height} x ${width} images`,
    );
  const fanIn = kernelSize * kernelSize * channels;
  return {
    outputShape: [outHeight, outWidth, filters],
    multiplyAdds: outHeight * outWidth * fanIn * filters,
    parameters: [
      {
        name: `${name}/kernel`,
        shape: [kernelSize, kernelSize, channels, filters],
        initialise: scaledNormal(fanIn),
      },
      { name: `${name}/bias`, shape: [filters], initialise: zeros },
    ],
    forward(input, [kernel, bias], kernels): Forward {
      const padded = kernels.pad(input as tf.Tensor4D, padding);
      const output = tf.conv2d(padded, kernel as tf.Tensor4D, stride, "valid");
      return { output: tf.add(output, bias), saved: [padded] };
    },
    backward(outputGradient, [padded], [kernel], { kernels, views, needsInputGradient }): Backward {
      const dy = outputGradient as tf.Tensor4D;
      const x = padded as tf.Tensor4D;
      const convolution = { kernelHeight: kernelSize, kernelWidth: kernelSize, stride };
      const gradients = new FormedGradients(
        [kernels.filterGradients(x, dy, views, convolution), kernels.positionSums(dy, views)],
        kernels,
      );
      if (!needsInputGradient) return { gradients };
      const whole = kernels.inputGradient(dy, kernel as tf.Tensor4D, x.shape, stride);
      const inputGradient = padding
        ? tf.slice(whole, [0, padding, padding, 0], [x.shape[0], height, width, channels])
        : whole;
      return { gradients, inputGradient };
    },
  };
}

/** One row an example for each parameter tensor: the norm is that of the very numbers that are added. */
class FormedGradients implements ExampleGradients {
  constructor(
    private readonly rows: readonly tf.Tensor2D[],
    private readonly kernels: Kernels,
  ) {}

  squaredNorms(): Float64Array {
    const [first, ...others] = this.rows.map((rows) => this.kernels.squaredNorms(rows));
    for (const other of others) for (let n = 0; n < first.length; n++) first[n] += other[n];
    return first;
  }

  weightedSums(weights: tf.Tensor1D): tf.Tensor1D[] {
    return this.rows.map((rows) => this.kernels.weightedSum(rows, weights));
  }
}
