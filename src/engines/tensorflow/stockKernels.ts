// The operations of per-example clipping composed from stock operations of TensorFlow.js.
import * as tf from "@tensorflow/tfjs-core";
import { type Kernels, MOST_OUTPUT, scaled, TOO_LONG, wholeScale } from "../../trainer/kernels.js";
import { filterGradientsBy, patches } from "./im2col.js";

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
