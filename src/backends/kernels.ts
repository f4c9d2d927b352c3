// The operations of per-example clipping that stock TensorFlow.js lacks, and their composition from stock operations.
import * as tf from "@tensorflow/tfjs-core";

/** A convolution without padding: filter [kh, kw, C, P], the same stride both ways. */
export interface Convolution {
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly stride: number;
}

/** Rows above and below, columns left and right. */
export type Sides = readonly [top: number, bottom: number, left: number, right: number];

/**
 * What per-example clipping asks of a backend beyond stock operations. Images are NHWC float32; an example is `views`
 * images in a row. Every method keeps examples apart: row n of a result depends on example n alone.
 */
export interface Kernels {
  /**
   * Per-example gradient of a filter: x [n·views, H, W, C] (already padded), dy [n·views, ho, wo, P] →
   * [n, kh·kw·C·P], summed over the example's views and positions.
   */
  filterGradients(x: tf.Tensor4D, dy: tf.Tensor4D, views: number, convolution: Convolution): tf.Tensor2D;
  /** Σ over views and positions: dy [n·views, ho, wo, P] → [n, P]. */
  positionSums(dy: tf.Tensor4D, views: number): tf.Tensor2D;
  /** Gradient of the (padded) input: dy [m, ho, wo, P], filter [kh, kw, C, P] → inputShape [m, H, W, C]. */
  inputGradient(
    dy: tf.Tensor4D,
    filter: tf.Tensor4D,
    inputShape: readonly [number, number, number, number],
    stride: number,
  ): tf.Tensor4D;
  /** Gradient of max pooling without padding; where a maximum is tied, the first place of the window takes it. */
  maxPoolGradient(
    x: tf.Tensor4D,
    y: tf.Tensor4D,
    dy: tf.Tensor4D,
    window: number,
    stride: number,
  ): tf.Tensor4D;
  /** Rows and columns of zeros around every image; the tensor itself if there are none. */
  pad(x: tf.Tensor4D, sides: Sides): tf.Tensor4D;
  /**
   * x [m, positions, 1, C], its channels in `groups` groups of neighbours: each image's group less its mean, divided by
   * √(variance + epsilon). `inverse` is 1/√(variance + epsilon) [m, groups].
   */
  normalise(
    x: tf.Tensor4D,
    groups: number,
    epsilon: number,
  ): { readonly normal: tf.Tensor4D; readonly inverse: tf.Tensor2D };
  /** The gradient of `normalise`'s input from that of its output, d. */
  normaliseGradient(normal: tf.Tensor4D, inverse: tf.Tensor2D, d: tf.Tensor4D): tf.Tensor4D;
  /**
   * Gradients of standardised filters, one an example, to those of the raw weights and gains: rows ĝ [n, D·P], unit u [D, P]
   * → slope·(ĝ − mean(ĝ) − projected·u·(u·ĝ)) [n, D·P] and u·ĝ [n, P], for each channel p. rows may be overwritten.
   */
  standardisedGradients(
    rows: tf.Tensor2D,
    unit: tf.Tensor2D,
    slope: tf.Tensor1D,
    projected: tf.Tensor1D,
  ): [tf.Tensor2D, tf.Tensor2D];
  tanh<T extends tf.Tensor>(x: T): T;
  /** dy · (1 − y²), y = tanh(x). */
  tanhGradient<T extends tf.Tensor>(y: T, dy: T): T;
  /** Σ_j rows[n, j]² for each n, rounded up: never below the true value. NaN or Infinity where a row is not finite. */
  squaredNorms(rows: tf.Tensor2D): Float64Array;
  /** Σ_n weights[n] · rows[n, ·]. */
  weightedSum(rows: tf.Tensor2D, weights: tf.Tensor1D): tf.Tensor1D;
}

/** Unit round-off of float32. */
export const FLOAT32_ROUND_OFF = 2 ** -24;

/** Stock operations only: runs on every TensorFlow.js backend that has them (plain JS, tfjs-node, tfjs-node-gpu). */
export const stockKernels: Kernels = {
  filterGradients(x, dy, views, { kernelHeight, kernelWidth, stride }) {
    return tf.tidy(() => {
      const [images, , , channels] = x.shape;
      const [, ho, wo, filters] = dy.shape;
      const n = images / views;
      const positions = views * ho * wo;
      const right = tf.reshape(dy, [n, positions, filters]);
      const taps: tf.Tensor[] = [];
      for (let ky = 0; ky < kernelHeight; ky++)
        for (let kx = 0; kx < kernelWidth; kx++) {
          const end = [images, ky + (ho - 1) * stride + 1, kx + (wo - 1) * stride + 1, channels];
          const seen = tf.stridedSlice(x, [0, ky, kx, 0], end, [1, stride, stride, 1]);
          taps.push(tf.matMul(tf.reshape(seen, [n, positions, channels]), right, true, false));
        }
      return tf.reshape(tf.concat(taps, 1), [n, kernelHeight * kernelWidth * channels * filters]);
    });
  },
  positionSums(dy, views) {
    const [images, ho, wo, filters] = dy.shape;
    return tf.tidy(() => tf.sum(tf.reshape(dy, [images / views, views * ho * wo, filters]), 1));
  },
  inputGradient(dy, filter, inputShape, stride) {
    return tf.conv2dTranspose(dy, filter, [...inputShape], stride, "valid");
  },
  maxPoolGradient(x, y, dy, window, stride) {
    return tf
      .engine()
      .runKernel(
        "MaxPoolGrad",
        { dy, input: x, output: y },
        { filterSize: window, strides: stride, pad: "valid" },
      ) as tf.Tensor4D;
  },
  pad(x, [top, bottom, left, right]) {
    if (top + bottom + left + right === 0) return x;
    return tf.pad(x, [
      [0, 0],
      [top, bottom],
      [left, right],
      [0, 0],
    ]);
  },
  normalise(x, groups, epsilon) {
    const grouped = inGroups(x, groups);
    const { mean, variance } = tf.moments(grouped, [1, 3], true);
    const inverse = tf.rsqrt(tf.add(variance, epsilon));
    return {
      normal: tf.reshape(tf.mul(tf.sub(grouped, mean), inverse), x.shape),
      inverse: tf.reshape(inverse, [x.shape[0], groups]),
    };
  },
  normaliseGradient(normal, inverse, d) {
    return tf.tidy(() => {
      const groups = inverse.shape[1];
      const [x, dx] = [normal, d].map((tensor) => inGroups(tensor, groups));
      const share = tf.mul(x, tf.mean(tf.mul(dx, x), [1, 3], true));
      const centred = tf.sub(tf.sub(dx, tf.mean(dx, [1, 3], true)), share);
      return tf.reshape(tf.mul(centred, tf.reshape(inverse, [-1, 1, groups, 1])), normal.shape);
    });
  },
  standardisedGradients(rows, unit, slope, projected) {
    return tf.tidy(() => {
      const [fanIn, filters] = unit.shape;
      const each = tf.reshape(rows, [-1, fanIn, filters]);
      const along = tf.sum(tf.mul(each, unit), 1, true);
      const centred = tf.sub(tf.sub(each, tf.mean(each, 1, true)), tf.mul(unit, tf.mul(along, projected)));
      return [
        tf.reshape(tf.mul(centred, slope), [-1, fanIn * filters]),
        tf.reshape(along, [-1, filters]),
      ] as [tf.Tensor2D, tf.Tensor2D];
    });
  },
  tanh: (x) => tf.tanh(x),
  tanhGradient: (y, dy) => tf.tidy(() => tf.mul(dy, tf.sub(1, tf.square(y)))) as typeof y,
  squaredNorms(rows) {
    const squares = tf.tidy(() => tf.sum(tf.square(rows), 1));
    const values = squares.dataSync();
    squares.dispose();
    // A sum of m squares in float32, in whatever order, is short by at most a factor 1 − (m + 1)u, plus underflow:
    // each square below 2^-126 may be flushed to zero.
    const width = rows.shape[1];
    const up = 1 / (1 - (width + 2) * FLOAT32_ROUND_OFF);
    return Float64Array.from(values, (value) => value * up + width * 2 ** -126);
  },
  weightedSum(rows, weights) {
    return tf.tidy(() => tf.reshape(tf.matMul(tf.reshape(weights, [1, -1]), rows), [-1]));
  },
};

function inGroups(x: tf.Tensor4D, groups: number): tf.Tensor4D {
  const [images, positions, , channels] = x.shape;
  return tf.reshape(x, [images, positions, groups, channels / groups]);
}
