// The operations of per-example clipping that stock TensorFlow.js lacks: what layers ask of whatever computes.
import type * as tf from "@tensorflow/tfjs-core";

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
