// The operations of per-example clipping that stock TensorFlow.js lacks, and their composition from stock operations.
import * as tf from "@tensorflow/tfjs-core";
import { filterGradientsBy, patches } from "./patches.js";

/** A convolution without padding: filter [kh, kw, C, P], the same stride both ways. */
export interface Convolution {
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly stride: number;
}

/** Rows above and below, columns left and right. */
export type Sides = readonly [top: number, bottom: number, left: number, right: number];

export interface StandardisedFilters {
  /** u = (w − m)·factor [D, P]: of length 1 in each channel unless the channel is held. */
  readonly unit: tf.Tensor2D;
  readonly factor: tf.Tensor1D;
  readonly projected: tf.Tensor1D;
}

/**
 * What per-example clipping asks of a backend beyond stock operations. Images are NHWC float32; an example is `views`
 * images in a row. Every method keeps examples apart: row n of a result depends on example n alone.
 */
export interface Kernels {
  /** Which code computes, for the record: within one variant, equal inputs give equal bits. */
  readonly variant: string;
  /**
   * Whether it is known that what a row of a result holds depends, to the bit, on that example alone: not on how many others
   * there are, on where it stands, or on what they hold.
   */
  readonly keepsExamplesApart: boolean;
  /**
   * Convolution of images already padded: x [m, H, W, C], filter [kh, kw, C, P], and bias [P] → [m, ho, wo, P], the same
   * stride both ways.
   */
  convolution(x: tf.Tensor4D, filter: tf.Tensor4D, stride: number, bias?: tf.Tensor1D): tf.Tensor4D;
  /**
   * Per-example gradient of a filter: x [n·views, H, W, C] (already padded), dy [n·views, ho, wo, P] →
   * [n, kh·kw·C·P], summed over the example's views and positions, and added to `into`, which may be overwritten.
   */
  filterGradients(
    x: tf.Tensor4D,
    dy: tf.Tensor4D,
    views: number,
    convolution: Convolution,
    into?: tf.Tensor2D,
  ): tf.Tensor2D;
  /** Σ over views and positions: dy [n·views, ho, wo, P] → [n, P], added to `into`, which may be overwritten. */
  positionSums(dy: tf.Tensor4D, views: number, into?: tf.Tensor2D): tf.Tensor2D;
  /**
   * Gradient of the image before padding: dy [m, ho, wo, P], filter [kh, kw, C, P] → imageShape [m, H, W, C]; `sides` is
   * the padding that the convolution saw.
   */
  inputGradient(
    dy: tf.Tensor4D,
    filter: tf.Tensor4D,
    imageShape: readonly [number, number, number, number],
    stride: number,
    sides: Sides,
  ): tf.Tensor4D;
  /** Maxima of windows of window × window pixels at every stride-th pixel, without padding. */
  maxPool(x: tf.Tensor4D, window: number, stride: number): tf.Tensor4D;
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
  /** dy where y > 0, else 0: the gradient of y = max(0, x). */
  reluGradient<T extends tf.Tensor>(y: T, dy: T): T;
  /**
   * x [m, positions, C], its channels in `groups` groups of neighbours: each image's group less its mean, divided by
   * √(variance + epsilon), times scale [C], plus offset [C]. Statistics [m, groups]: mean, and 1/√(variance + epsilon).
   */
  normalise(
    x: tf.Tensor3D,
    scale: tf.Tensor1D,
    offset: tf.Tensor1D,
    options: { readonly groups: number; readonly epsilon: number },
  ): { readonly output: tf.Tensor3D; readonly mean: tf.Tensor2D; readonly inverse: tf.Tensor2D };
  /**
   * From the gradient dy of normalise's output: those of scale and offset, one row for every `together` images, and that of x,
   * unless nobody needs it.
   */
  normaliseGradient(
    dy: tf.Tensor3D,
    x: tf.Tensor3D,
    statistics: { readonly mean: tf.Tensor2D; readonly inverse: tf.Tensor2D },
    scale: tf.Tensor1D,
    options: { readonly together: number; readonly needsInputGradient: boolean },
  ): { readonly scale: tf.Tensor2D; readonly offset: tf.Tensor2D; readonly input?: tf.Tensor3D };
  /**
   * Weight standardisation of kernel [D, P]: each channel's filter less its mean, times factor [P] = 1/√max(Σ(w − m)², least).
   * projected [P] is 1 where the factor moves with the weights, 0 where the least holds it.
   */
  standardise(kernel: tf.Tensor2D, leastSquares: number): StandardisedFilters;
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
  /** a [m, n] times b [n, p], plus bias [p]; transposed: b is given as [p, n]. */
  product(a: tf.Tensor2D, b: tf.Tensor2D, transposed?: boolean, bias?: tf.Tensor1D): tf.Tensor2D;
  /** share·(softmax(logits) − onehot(label)) of each row of logits [n, classes]; labels [n] are below classes. */
  crossEntropyGradient(logits: tf.Tensor2D, labels: ArrayLike<number>, share: number): tf.Tensor2D;
  tanh<T extends tf.Tensor>(x: T): T;
  /** dy · (1 − y²), y = tanh(x). */
  tanhGradient<T extends tf.Tensor>(y: T, dy: T): T;
  /** Σ_j rows[n, j]² for each n, rounded up: never below the true value. NaN or Infinity where a row is not finite. */
  squaredNorms(rows: tf.Tensor2D): Float64Array;
  /** A tensor of numbers from bytes, which `write` fills in: element i is `scaled(byte i, scaling, c)`, c = i modulo channels. */
  fromBytes<T extends tf.Tensor>(
    shape: readonly number[],
    scaling: ByteScaling,
    write: (bytes: Uint8Array) => void,
  ): T;
  /** A tensor whose numbers `write` fills in, where they are to lie if the backend's memory can be reached: nothing is copied. */
  filled<T extends tf.Tensor>(shape: readonly number[], write: (values: Float32Array) => void): T;
  /** `size` zeros to add to, in the backend's memory where its kernels can. */
  exactSum(size: number): ExactSum;
  /**
   * sum[j] += Σ_n trunc(factors[n]·rows[n, j]): each product is rounded to float64 and then towards zero to a whole number,
   * so what an example adds has at most the norm of factors[n]·rows[n, ·]·(1 + 2^-53), and whole numbers add exactly
   * below 2^53. Rows whose factor is 0 are not read: they may hold what is no number.
   */
  addRows(sum: ExactSum, rows: tf.Tensor2D, factors: Float64Array): void;
  /**
   * Rows x [n, inputs] as whole numbers of at most WHOLE_LARGEST: each row scaled until the largest is as large, and each number
   * rounded to the nearest. Call inside tf.tidy.
   */
  wholeRows(x: tf.Tensor2D): WholeRows;
  /**
   * sum[i·units + j] += unit·Σ_n x[n, i]·d[n, j], d[n, j] = trunc(weights[n]·slopes[n, j]), the product in float64; exactly. unit
   * is a power of two of at most 2^4. Where a weight is 0, nothing is added, whatever x and slopes hold. Throws RangeError where
   * a d is above MOST_OUTPUT: products with x must be at most 2^WHOLE_BITS.
   */
  addOuterProducts(
    sum: ExactSum,
    x: WholeRows,
    slopes: tf.Tensor2D,
    weights: Float64Array,
    unit: number,
  ): void;
}

/** Of each channel. */
export interface ByteScaling {
  readonly factor: Float32Array;
  readonly offset: Float32Array;
}

/** byte·factor + offset in float32, each of the two operations rounded, on every backend alike. */
export const scaled = (byte: number, { factor, offset }: ByteScaling, channel: number): number =>
  Math.fround(Math.fround(byte * factor[channel]) + offset[channel]);

/** Rows of whole numbers, as the kernels keep them. */
export interface WholeRows {
  /** What each row was multiplied by; 0 where its largest number is below 2^-100: it counts as zeros; NaN where one is not finite. */
  readonly scales: Float64Array;
  /** Of the whole numbers, exact; NaN where the scale is. */
  readonly squaredNorms: Float64Array;
  /** Of the kernels that made them: where the numbers are. */
  readonly place: tf.Tensor;
}

/** What the largest number of a row becomes: fifteen bits. */
export const WHOLE_LARGEST = 2 ** 15 - 1;
/** Bits of a product of whole numbers. */
export const WHOLE_BITS = 36;
/** Somewhat more than 2^WHOLE_BITS / WHOLE_LARGEST. */
export const MOST_OUTPUT = 2 ** 21 + 2 ** 7;
export const TOO_LONG = "an example's contribution would be longer than 1: no such sum is exact";
const LEAST_LARGEST = 2 ** -100;

/** The scale of a row with that largest magnitude. */
export const wholeScale = (largest: number): number =>
  largest < LEAST_LARGEST ? 0 : largest < Infinity ? Math.fround(WHOLE_LARGEST / largest) : Number.NaN;

/** Sums of whole numbers in float64: exact, in whatever order they are added, while they stay below 2^53. */
export interface ExactSum {
  /** To be read or added to at once: the next kernel may move the memory. */
  readonly values: Float64Array;
  dispose(): void;
}

/** Unit round-off of float32. */
export const FLOAT32_ROUND_OFF = 2 ** -24;

/** Stock operations only: runs on every TensorFlow.js backend that has them. */
export const stockKernels: Kernels = {
  variant: "tfjs",
  keepsExamplesApart: false,
  convolution: (x, filter, stride, bias) =>
    tf.fused.conv2d({ x, filter, strides: stride, pad: "valid", ...(bias && { bias }) }),
  filterGradients: filterGradientsBy(patches),
  positionSums(dy, views, into) {
    const [images, ho, wo, filters] = dy.shape;
    return tf.tidy(() => {
      const sums = tf.sum(tf.reshape(dy, [images / views, views * ho * wo, filters]), 1) as tf.Tensor2D;
      return into ? tf.add(into, sums) : sums;
    });
  },
  inputGradient(dy, filter, [images, height, width, channels], stride, sides) {
    const [top, bottom, left, right] = sides;
    const padded: [number, number, number, number] = [
      images,
      height + top + bottom,
      width + left + right,
      channels,
    ];
    return tf.tidy(() => {
      const whole = tf.conv2dTranspose(dy, filter, padded, stride, "valid");
      return tf.slice(whole, [0, top, left, 0], [images, height, width, channels]);
    });
  },
  maxPool: (x, window, stride) => tf.maxPool(x, window, stride, "valid"),
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
  reluGradient: (y, dy) => tf.tidy(() => tf.mul(dy, tf.cast(tf.greater(y, 0), "float32"))) as typeof y,
  normalise(x, scale, offset, { groups, epsilon }) {
    const [images, positions, channels] = x.shape;
    const grouped = tf.reshape(x, [images, positions, groups, channels / groups]);
    const { mean, variance } = tf.moments(grouped, [1, 3], true);
    const inverse = tf.rsqrt(tf.add(variance, epsilon));
    const normal = tf.reshape(tf.mul(tf.sub(grouped, mean), inverse), x.shape);
    return {
      output: tf.add(tf.mul(normal, scale), offset),
      mean: tf.reshape(mean, [images, groups]),
      inverse: tf.reshape(inverse, [images, groups]),
    };
  },
  normaliseGradient(dy, x, statistics, scale, { together, needsInputGradient }) {
    const [images, positions, channels] = x.shape;
    const groups = statistics.mean.shape[1];
    const grouped = (t: tf.Tensor) => tf.reshape(t, [images, positions, groups, channels / groups]);
    const [mean, inverse] = [statistics.mean, statistics.inverse].map((t) =>
      tf.reshape(t, [images, 1, groups, 1]),
    );
    const normal = tf.mul(tf.sub(grouped(x), mean), inverse);
    const added = (t: tf.Tensor) =>
      tf.sum(tf.reshape(t, [images / together, together * positions, channels]), 1) as tf.Tensor2D;
    const gradients = { scale: added(tf.mul(grouped(dy), normal)), offset: added(dy) };
    if (!needsInputGradient) return gradients;
    const d = grouped(tf.mul(dy, scale));
    const share = tf.mul(normal, tf.mean(tf.mul(d, normal), [1, 3], true));
    const centred = tf.sub(tf.sub(d, tf.mean(d, [1, 3], true)), share);
    return { ...gradients, input: tf.reshape(tf.mul(centred, inverse), [images, positions, channels]) };
  },
  standardise(kernel, leastSquares) {
    const centred = tf.sub(kernel, tf.mean(kernel, 0, true));
    const squares = tf.sum(tf.square(centred), 0) as tf.Tensor1D;
    const factor = tf.rsqrt(tf.maximum(squares, leastSquares)) as tf.Tensor1D;
    const projected = tf.cast(tf.greater(squares, leastSquares), "float32") as tf.Tensor1D;
    return { unit: tf.mul(centred, factor) as tf.Tensor2D, factor, projected };
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
  product: (a, b, transposed = false, bias) => {
    const product: tf.Tensor2D = tf.matMul(a, b, false, transposed);
    return bias ? tf.add<tf.Tensor2D>(product, bias) : product;
  },
  crossEntropyGradient(logits, labels, share) {
    const [rows, classes] = logits.shape;
    const target = new Float32Array(rows * classes);
    for (let row = 0; row < rows; row++) target[row * classes + labels[row]] = 1;
    return tf.tidy(() =>
      tf.mul<tf.Tensor2D>(tf.sub(tf.softmax(logits), tf.tensor2d(target, [rows, classes])), share),
    );
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
  fromBytes<T extends tf.Tensor>(...[shape, scaling, write]: Parameters<Kernels["fromBytes"]>): T {
    const bytes = new Uint8Array(shape.reduce((a, b) => a * b, 1));
    write(bytes);
    const channels = scaling.factor.length;
    return tf.tensor(
      Float32Array.from(bytes, (byte, i) => scaled(byte, scaling, i % channels)),
      [...shape],
    ) as T;
  },
  filled<T extends tf.Tensor>(shape: readonly number[], write: (values: Float32Array) => void) {
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
    write(values);
    return tf.tensor(values, [...shape]) as T;
  },
  exactSum: (size) => ({ values: new Float64Array(size), dispose() {} }),
  addRows({ values }, rows, factors) {
    const numbers = rows.dataSync() as Float32Array;
    const width = values.length;
    factors.forEach((factor, n) => {
      if (factor === 0) return;
      for (let j = 0, at = n * width; j < width; j++, at++) values[j] += Math.trunc(factor * numbers[at]);
    });
  },
  wholeRows(x) {
    const [n, inputs] = x.shape;
    const numbers = x.dataSync() as Float32Array;
    const whole = new Float32Array(n * inputs);
    const [scales, squaredNorms] = [new Float64Array(n), new Float64Array(n)];
    for (let row = 0; row < n; row++) {
      const own = numbers.subarray(row * inputs, (row + 1) * inputs);
      const scale = wholeScale(own.reduce((most, value) => Math.max(most, Math.abs(value)), 0));
      scales[row] = scale;
      for (let i = 0; i < inputs; i++) {
        // 1.5·2^23 leaves the nearest whole number, of two the even one.
        const value = Math.fround(Math.fround(Math.fround(scale * own[i]) + ROUNDING) - ROUNDING);
        whole[row * inputs + i] = value;
        squaredNorms[row] += value * value;
      }
    }
    return { scales, squaredNorms, place: tf.tensor2d(whole, [n, inputs]) };
  },
  addOuterProducts({ values }, { place }, slopes, weights, unit) {
    const whole = place.dataSync() as Float32Array;
    const [n, inputs] = place.shape as [number, number];
    const units = slopes.shape[1];
    const numbers = slopes.dataSync() as Float32Array;
    for (let row = 0; row < n; row++) {
      if (weights[row] === 0) continue;
      const own = Float64Array.from(numbers.subarray(row * units, (row + 1) * units), (value) =>
        Math.trunc(weights[row] * value),
      );
      if (!own.every((value) => Math.abs(value) <= MOST_OUTPUT)) throw new RangeError(TOO_LONG);
      for (let i = 0; i < inputs; i++) {
        const input = unit * whole[row * inputs + i];
        for (let j = 0; j < units; j++) values[i * units + j] += input * own[j];
      }
    }
  },
};

const ROUNDING = 1.5 * 2 ** 23;
