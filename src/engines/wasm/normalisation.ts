// Group normalisation and standardised weights of the WASM backend: sums over positions, channel by channel.
import * as tf from "@tensorflow/tfjs-core";
import type { Kernels } from "../../trainer/kernels.js";
import { stockKernels } from "../tensorflow/stockKernels.js";
import { upTo } from "./arithmetic.js";
import type { WasmKernels } from "./code.js";
import { FLOAT_BYTES, type TensorMemory } from "./memory.js";

export class Normalisation
  implements Pick<Kernels, "normalise" | "normaliseGradient" | "standardise" | "standardisedGradients">
{
  constructor(
    private readonly memory: TensorMemory,
    private readonly code: WasmKernels,
  ) {}

  normalise(...[x, scale, offset, { groups, epsilon }]: Parameters<Kernels["normalise"]>) {
    const [images, positions, channels] = x.shape;
    if (channels % 4 !== 0) return stockKernels.normalise(x, scale, offset, { groups, epsilon });
    const size = images * channels;
    const width = channels / groups;
    const count = positions * width;
    // Two passes: deviations are taken from the mean itself, not from a difference of large sums.
    const shift = this.memory.output([size], 0);
    const [sums, squares] = [this.memory.output([size]), this.memory.output([size])];
    const moments = () =>
      this.overChannels(
        "channelMoments",
        x,
        x,
        true,
        shift,
        this.memory.address(sums),
        this.memory.address(squares),
      );
    // The first pass wants sums alone.
    this.overChannels("channelSums", x, x, true, sums, 0);
    const byGroup = (values: Float32Array) => {
      const totals = new Float64Array(images * groups);
      values.forEach((value, i) => {
        totals[Math.floor(i / channels) * groups + Math.floor((i % channels) / width)] += value;
      });
      return totals;
    };
    const means = byGroup(this.memory.floats(sums)).map((total) => total / count);
    const groupOf = (i: number) => Math.floor(i / channels) * groups + Math.floor((i % channels) / width);
    const shifts = this.memory.floats(shift);
    for (let i = 0; i < size; i++) shifts[i] = means[groupOf(i)];
    moments();
    const inverses = byGroup(this.memory.floats(squares)).map(
      (total) => 1 / Math.sqrt(total / count + epsilon),
    );
    const [factor, constant, zero] = [
      this.memory.output([size]),
      this.memory.output([size]),
      this.memory.output([size], 0),
    ];
    const [factors, constants] = [this.memory.floats(factor), this.memory.floats(constant)];
    const [scales, offsets] = [this.memory.floats(scale), this.memory.floats(offset)];
    for (let i = 0; i < size; i++) {
      factors[i] = inverses[groupOf(i)] * scales[i % channels];
      constants[i] = offsets[i % channels] - means[groupOf(i)] * factors[i];
    }
    const output = this.memory.output(x.shape);
    this.affine(x, x, true, [factor, zero, constant], output);
    return {
      output: output as tf.Tensor3D,
      mean: tf.tensor2d(Float32Array.from(means), [images, groups]),
      inverse: tf.tensor2d(Float32Array.from(inverses), [images, groups]),
    };
  }

  normaliseGradient(...[dy, x, { mean, inverse }, scale, options]: Parameters<Kernels["normaliseGradient"]>) {
    const [images, positions, channels] = x.shape;
    if (channels % 4 !== 0) return stockKernels.normaliseGradient(dy, x, { mean, inverse }, scale, options);
    const { together, needsInputGradient } = options;
    const groups = mean.shape[1];
    const size = images * channels;
    const width = channels / groups;
    // Copies: views of the backend's memory end where an allocation makes it grow.
    const [means, inverses, scales] = [mean, inverse, scale].map((tensor) =>
      this.memory.floats(tensor).slice(),
    );
    const groupOf = (i: number) => Math.floor(i / channels) * groups + Math.floor((i % channels) / width);
    const shift = this.memory.output([size]);
    const shifts = this.memory.floats(shift);
    for (let i = 0; i < size; i++) shifts[i] = means[groupOf(i)];
    const [sum, product] = [this.memory.output([size]), this.memory.output([size])];
    const results = [product, sum].map((each) => this.memory.address(each));
    this.overChannels("channelProducts", x, dy, true, shift, ...results);
    const [sums, products] = [this.memory.floats(sum), this.memory.floats(product)];
    const rows = [0, 1].map(() => new Float32Array(size / together));
    const group = [0, 1].map(() => new Float64Array(images * groups));
    for (let i = 0; i < size; i++) {
      const g = groupOf(i);
      const along = products[i] * inverses[g];
      const row = Math.floor(i / (channels * together)) * channels + (i % channels);
      rows[0][row] += along;
      rows[1][row] += sums[i];
      group[0][g] += scales[i % channels] * along;
      group[1][g] += scales[i % channels] * sums[i];
    }
    const [scaleRows, offsetRows] = rows.map((values) => tf.tensor2d(values, [images / together, channels]));
    if (!needsInputGradient) return { scale: scaleRows, offset: offsetRows };
    // inverse·(d − mean(d) − normal·mean(d·normal)) with d = dy·scale, normal = (x − mean)·inverse.
    const coefficients = [0, 1, 2].map(() => this.memory.output([size]));
    const [ofDy, ofX, constant] = coefficients.map((tensor) => this.memory.floats(tensor));
    const count = positions * width;
    for (let i = 0; i < size; i++) {
      const g = groupOf(i);
      const slope = (-inverses[g] * inverses[g] * group[0][g]) / count;
      ofDy[i] = inverses[g] * scales[i % channels];
      ofX[i] = slope;
      constant[i] = (-inverses[g] * group[1][g]) / count - slope * means[g];
    }
    const input = this.memory.output(x.shape);
    this.affine(dy, x, true, coefficients, input);
    return { scale: scaleRows, offset: offsetRows, input: input as tf.Tensor3D };
  }

  standardise(...[kernel, leastSquares]: Parameters<Kernels["standardise"]>) {
    const [fanIn, filters] = kernel.shape;
    if (filters % 4 !== 0) return stockKernels.standardise(kernel, leastSquares);
    const x = tf.reshape(kernel, [1, fanIn, filters]) as tf.Tensor3D;
    const [shift, sum, squares, slope, zero, constant, factor, projected] = upTo(8).map(() =>
      this.memory.output([filters], 0),
    );
    const moments = () =>
      this.overChannels(
        "channelMoments",
        x,
        x,
        true,
        shift,
        this.memory.address(sum),
        this.memory.address(squares),
      );
    moments();
    const shifts = this.memory.floats(shift);
    this.memory.floats(sum).forEach((total, p) => {
      shifts[p] = total / fanIn;
    });
    moments();
    const [slopes, constants, factors, holds] = [slope, constant, factor, projected].map((each) =>
      this.memory.floats(each),
    );
    this.memory.floats(squares).forEach((total, p) => {
      factors[p] = 1 / Math.sqrt(Math.max(total, leastSquares));
      holds[p] = total > leastSquares ? 1 : 0;
      slopes[p] = factors[p];
      constants[p] = -shifts[p] * factors[p];
    });
    const unit = this.memory.output([fanIn, filters]);
    this.affine(x, x, true, [slope, zero, constant], unit);
    return {
      unit: unit as tf.Tensor2D,
      factor: factor as tf.Tensor1D,
      projected: projected as tf.Tensor1D,
    };
  }

  /** In place: `rows` is overwritten. */
  standardisedGradients(
    ...[rows, unit, slope, projected]: Parameters<Kernels["standardisedGradients"]>
  ): [tf.Tensor2D, tf.Tensor2D] {
    const [fanIn, filters] = unit.shape;
    if (filters % 4 !== 0) return stockKernels.standardisedGradients(rows, unit, slope, projected);
    const n = rows.shape[0];
    const product = this.memory.output([n, filters]);
    const factor = this.memory.output([3, filters]);
    const [factors, slopes, holds] = [factor, slope, projected].map((each) => this.memory.floats(each));
    for (let p = 0; p < filters; p++) {
      factors[p] = slopes[p];
      factors[filters + p] = -slopes[p] / fanIn;
      factors[2 * filters + p] = -slopes[p] * holds[p];
    }
    const call = (vectors: 4 | 1, from: number, to: number) => {
      if (to > from)
        this.code[`standardisedGradients${vectors}`](
          ...([rows, unit, product, factor].map((each) => this.memory.address(each)) as number[]),
          ...[n, fanIn, filters, from, to],
        );
    };
    const bySixteen = filters - (filters % 16);
    call(4, 0, bySixteen);
    call(1, bySixteen, filters);
    return [rows, product as tf.Tensor2D];
  }

  /** A channel kernel over x [images, positions, channels], sixteen channels at a time, then four. */
  private overChannels(
    kernel: "channelSums" | "channelMoments" | "channelProducts" | "channelAffine",
    x: tf.Tensor3D,
    y: tf.Tensor,
    yForEachImage: boolean,
    shift: tf.Tensor,
    ...more: number[]
  ): void {
    const [images, positions, channels] = x.shape;
    const yImageBytes = yForEachImage ? positions * channels * FLOAT_BYTES : 0;
    const bySixteen = channels - (channels % 16);
    const call = (width: 4 | 1, from: number, to: number) => {
      if (to > from)
        this.code[`${kernel}${width}`](
          ...([
            this.memory.address(x),
            this.memory.address(y),
            yImageBytes,
            images,
            positions,
            channels,
            from,
            to,
          ] as const),
          this.memory.address(shift),
          ...more,
        );
    };
    call(4, 0, bySixteen);
    call(1, bySixteen, channels);
  }

  /** out = a·x + b·y + d, coefficients [images, channels]; out may be x. */
  private affine(
    x: tf.Tensor3D,
    y: tf.Tensor,
    yForEachImage: boolean,
    [a, b, d]: readonly tf.Tensor[],
    out: tf.Tensor,
  ): void {
    const toOut = this.memory.address(out) - this.memory.address(x);
    this.overChannels(
      "channelAffine",
      x,
      y,
      yForEachImage,
      a,
      this.memory.address(b),
      this.memory.address(d),
      toOut,
    );
  }
}
