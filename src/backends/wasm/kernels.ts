// The Kernels of the WASM backend: own SIMD code on the tensors where they lie in the backend's memory.
import * as tf from "@tensorflow/tfjs-core";
import { type Kernels, stockKernels } from "../kernels.js";
import { instantiateKernels, type WasmKernels } from "./code.js";

/** The parts of TensorFlow.js's WASM backend that reach its memory. */
interface WasmBackend {
  readonly wasm: { readonly asm?: { readonly memory?: unknown }; readonly HEAPU8: Uint8Array };
  readonly dataIdMap: { get(dataId: object): { readonly memoryOffset: number } };
  makeOutput(shape: readonly number[], dtype: "float32"): tf.TensorInfo;
}

const FLOAT_BYTES = 4;
const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;

/** Compiled once for each instance of the backend. */
const compiled = new WeakMap<WasmBackend, Kernels>();

/** Kernels over the running WASM backend; the stock ones if this build of it keeps its memory to itself. */
export function wasmKernels(): Kernels {
  const backend = tf.backend() as unknown as WasmBackend;
  let kernels = compiled.get(backend);
  if (!kernels) {
    const code = instantiateKernels(backend.wasm.asm?.memory);
    kernels = code ? new KernelsInMemory(backend, code) : stockKernels;
    compiled.set(backend, kernels);
  }
  return kernels;
}

class KernelsInMemory implements Kernels {
  constructor(
    private readonly backend: WasmBackend,
    private readonly code: WasmKernels,
  ) {}

  filterGradients(
    ...[x, dy, views, { kernelHeight, kernelWidth, stride }, into]: Parameters<Kernels["filterGradients"]>
  ) {
    return tf.tidy((): tf.Tensor2D => {
      const [images, height, width, channels] = x.shape;
      const filters = dy.shape[3];
      const wide = padChannels(dy, 8);
      const padded = wide.shape[3];
      const n = images / views;
      const run = kernelWidth * channels;
      const adds = into !== undefined && padded === filters;
      const out = adds ? into : this.output([n, kernelHeight * run, padded]);
      const rowBytes = width * channels * FLOAT_BYTES;
      const call = (kernel: "filterGradients4" | "filterGradients1", from: number, to: number) => {
        if (to > from)
          this.code[kernel](
            ...([
              this.address(x),
              this.address(wide),
              this.address(out),
              n,
              views,
              dy.shape[1],
              dy.shape[2],
            ] as const),
            ...([
              padded,
              height * rowBytes,
              rowBytes,
              stride * channels * FLOAT_BYTES,
              stride * rowBytes,
            ] as const),
            ...([kernelHeight, run, from, to, adds ? 1 : 0] as const),
          );
      };
      const byFour = run - (run % 4);
      call("filterGradients4", 0, byFour);
      call("filterGradients1", byFour, run);
      if (adds) return into;
      const kept = padded === filters ? out : tf.slice(out, [0, 0, 0], [n, kernelHeight * run, filters]);
      const rows = tf.reshape(kept, [n, kernelHeight * run * filters]) as tf.Tensor2D;
      return (into ? tf.add(into, rows) : rows) as tf.Tensor2D;
    });
  }

  /** Plain untransposed products are the ones that this backend multiplies fast. */
  product(...[a, b, transposed]: Parameters<Kernels["product"]>): tf.Tensor2D {
    return tf.tidy(() => {
      const left = transposed === "first" ? (tf.transpose(a) as tf.Tensor2D) : a;
      const right = transposed === "second" ? (tf.transpose(b) as tf.Tensor2D) : b;
      return tf.matMul(left, right) as tf.Tensor2D;
    });
  }

  positionSums(...[dy, views]: Parameters<Kernels["positionSums"]>) {
    const [images, height, width] = dy.shape;
    return tf.tidy(() =>
      this.filterGradients(tf.ones([images, height, width, 1]), dy, views, {
        kernelHeight: 1,
        kernelWidth: 1,
        stride: 1,
      }),
    );
  }

  inputGradient(...[dy, filter, imageShape, stride, sides]: Parameters<Kernels["inputGradient"]>) {
    return tf.tidy(() => {
      const [images, ho, wo, filters] = dy.shape;
      const [kernelHeight, kernelWidth, channels] = filter.shape;
      const [, height, width] = imageShape;
      const [top, bottom, left, right] = sides;
      if (stride === 1 && Math.max(top, bottom) < kernelHeight && Math.max(left, right) < kernelWidth) {
        // With stride 1 it is a convolution of dy, padded, with the filter turned round.
        const turned = tf.transpose(tf.reverse(filter, [0, 1]), [0, 1, 3, 2]) as tf.Tensor4D;
        return tf.conv2d(dy, turned, 1, [
          [0, 0],
          [kernelHeight - 1 - top, kernelHeight - 1 - bottom],
          [kernelWidth - 1 - left, kernelWidth - 1 - right],
          [0, 0],
        ]);
      }
      const patch = kernelHeight * kernelWidth * channels;
      const columns = this.product(
        tf.reshape(dy, [images * ho * wo, filters]),
        tf.reshape(filter, [patch, filters]),
        "second",
      );
      const padded = [images, height + top + bottom, width + left + right, channels];
      const out = this.output(padded, 0) as tf.Tensor4D;
      const rowBytes = padded[2] * channels * FLOAT_BYTES;
      this.code.addPatches(
        ...([this.address(columns), this.address(out), images, ho, wo, kernelHeight] as const),
        ...([kernelWidth * channels, padded[1] * rowBytes, rowBytes] as const),
        ...([stride * channels * FLOAT_BYTES, stride * rowBytes] as const),
      );
      return top + bottom + left + right === 0 ? out : tf.slice(out, [0, top, left, 0], [...imageShape]);
    });
  }

  maxPoolGradient(...[x, y, dy, window, stride]: Parameters<Kernels["maxPoolGradient"]>) {
    return tf.tidy(() => {
      const [wideX, wideY, wideDy] = [x, y, dy].map((tensor) => padChannels(tensor, 4));
      const [images, height, width, channels] = wideX.shape;
      const out = this.output(wideX.shape, 0);
      const rowBytes = width * channels * FLOAT_BYTES;
      this.code.maxPoolGradient(
        ...([
          this.address(wideX),
          this.address(wideY),
          this.address(wideDy),
          this.address(out),
          images,
        ] as const),
        ...([dy.shape[1], dy.shape[2], channels, height * rowBytes, rowBytes] as const),
        ...([stride * channels * FLOAT_BYTES, stride * rowBytes, window] as const),
      );
      return (channels === x.shape[3] ? out : tf.slice(out, [0, 0, 0, 0], x.shape)) as tf.Tensor4D;
    });
  }

  pad(...[x, sides]: Parameters<Kernels["pad"]>) {
    const [top, bottom, left, right] = sides;
    if (top + bottom + left + right === 0) return x;
    const [images, height, width, channels] = x.shape;
    const out = this.output([images, height + top + bottom, width + left + right, channels], 0);
    const rowBytes = (width + left + right) * channels * FLOAT_BYTES;
    // Each image is one patch of `height` rows, put at (top, left): ten times as fast as the stock operation.
    const corner = this.address(out) + top * rowBytes + left * channels * FLOAT_BYTES;
    this.code.addPatches(
      ...([this.address(x), corner, images, 1, 1, height, width * channels] as const),
      ...([(height + top + bottom) * rowBytes, rowBytes, 0, 0] as const),
    );
    return out as tf.Tensor4D;
  }

  reluGradient<T extends tf.Tensor>(y: T, dy: T): T {
    const out = this.output(y.shape);
    const whole = y.size - (y.size % 4);
    this.code.reluGradient(this.address(y), this.address(dy), this.address(out), whole * FLOAT_BYTES);
    this.tail(out, whole, ([value, slope]) => (value > 0 ? slope : 0), y, dy);
    return out as T;
  }

  normalise(...[x, scale, offset, { groups, epsilon }]: Parameters<Kernels["normalise"]>) {
    const [images, positions, channels] = x.shape;
    if (channels % 4 !== 0) return stockKernels.normalise(x, scale, offset, { groups, epsilon });
    const size = images * channels;
    const width = channels / groups;
    const count = positions * width;
    // Two passes: deviations are taken from the mean itself, not from a difference of large sums.
    const shift = this.output([size], 0);
    const [sums, squares] = [this.output([size]), this.output([size])];
    const moments = () =>
      this.overChannels("channelMoments", x, x, true, shift, this.address(sums), this.address(squares));
    moments();
    const byGroup = (values: Float32Array) => {
      const totals = new Float64Array(images * groups);
      values.forEach((value, i) => {
        totals[Math.floor(i / channels) * groups + Math.floor((i % channels) / width)] += value;
      });
      return totals;
    };
    const means = byGroup(this.floats(sums)).map((total) => total / count);
    const groupOf = (i: number) => Math.floor(i / channels) * groups + Math.floor((i % channels) / width);
    const shifts = this.floats(shift);
    for (let i = 0; i < size; i++) shifts[i] = means[groupOf(i)];
    moments();
    const inverses = byGroup(this.floats(squares)).map((total) => 1 / Math.sqrt(total / count + epsilon));
    const [factor, constant, zero] = [this.output([size]), this.output([size]), this.output([size], 0)];
    const [factors, constants] = [this.floats(factor), this.floats(constant)];
    const [scales, offsets] = [this.floats(scale), this.floats(offset)];
    for (let i = 0; i < size; i++) {
      factors[i] = inverses[groupOf(i)] * scales[i % channels];
      constants[i] = offsets[i % channels] - means[groupOf(i)] * factors[i];
    }
    const output = this.output(x.shape);
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
    const [means, inverses, scales] = [mean, inverse, scale].map((tensor) => this.floats(tensor).slice());
    const groupOf = (i: number) => Math.floor(i / channels) * groups + Math.floor((i % channels) / width);
    const shift = this.output([size]);
    const shifts = this.floats(shift);
    for (let i = 0; i < size; i++) shifts[i] = means[groupOf(i)];
    const [sum, unused, product] = [this.output([size]), this.output([size]), this.output([size])];
    this.overChannels("channelMoments", dy, dy, true, shift, this.address(sum), this.address(unused));
    this.overChannels("channelProducts", x, dy, true, shift, this.address(product));
    const [sums, products] = [this.floats(sum), this.floats(product)];
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
    const coefficients = [0, 1, 2].map(() => this.output([size]));
    const [ofDy, ofX, constant] = coefficients.map((tensor) => this.floats(tensor));
    const count = positions * width;
    for (let i = 0; i < size; i++) {
      const g = groupOf(i);
      const slope = (-inverses[g] * inverses[g] * group[0][g]) / count;
      ofDy[i] = inverses[g] * scales[i % channels];
      ofX[i] = slope;
      constant[i] = (-inverses[g] * group[1][g]) / count - slope * means[g];
    }
    const input = this.output(x.shape);
    this.affine(dy, x, true, coefficients, input);
    return { scale: scaleRows, offset: offsetRows, input: input as tf.Tensor3D };
  }

  /** In place: `rows` is overwritten. */
  standardisedGradients(
    ...[rows, unit, slope, projected]: Parameters<Kernels["standardisedGradients"]>
  ): [tf.Tensor2D, tf.Tensor2D] {
    const [fanIn, filters] = unit.shape;
    if (filters % 4 !== 0) return stockKernels.standardisedGradients(rows, unit, slope, projected);
    const n = rows.shape[0];
    const size = n * filters;
    const each = tf.reshape(rows, [n, fanIn, filters]) as tf.Tensor3D;
    const zero = this.output([size], 0);
    const [sum, unused, product] = [this.output([size]), this.output([size]), this.output([n, filters])];
    this.overChannels("channelMoments", each, each, true, zero, this.address(sum), this.address(unused));
    this.overChannels("channelProducts", each, unit, false, zero, this.address(product));
    const coefficients = [0, 1, 2].map(() => this.output([size]));
    const [ofRows, ofUnit, constant] = coefficients.map((tensor) => this.floats(tensor));
    const [sums, products, slopes, holds] = [sum, product, slope, projected].map((t) => this.floats(t));
    for (let i = 0; i < size; i++) {
      const p = i % filters;
      ofRows[i] = slopes[p];
      ofUnit[i] = -slopes[p] * holds[p] * products[i];
      constant[i] = (-slopes[p] * sums[i]) / fanIn;
    }
    this.affine(each, unit, false, coefficients, each);
    return [rows, product as tf.Tensor2D];
  }

  tanh<T extends tf.Tensor>(x: T): T {
    const out = this.output(x.shape);
    const whole = x.size - (x.size % 4);
    this.code.tanh(this.address(x), this.address(out), whole * FLOAT_BYTES);
    this.tail(out, whole, (input) => Math.tanh(input[0]), x);
    return out as T;
  }

  tanhGradient<T extends tf.Tensor>(y: T, dy: T): T {
    const out = this.output(y.shape);
    const whole = y.size - (y.size % 4);
    this.code.tanhGradient(this.address(y), this.address(dy), this.address(out), whole * FLOAT_BYTES);
    this.tail(out, whole, ([value, slope]) => slope * (1 - value * value), y, dy);
    return out as T;
  }

  squaredNorms(rows: tf.Tensor2D): Float64Array {
    const [n, width] = rows.shape;
    const start = this.address(rows);
    // Squares of float32 are exact in float64; the sum of m of them is short by at most a factor 1 − m·2^-53.
    const up = 1 + (width + 4) * 2 ** -52;
    return Float64Array.from({ length: n }, (_, i) => {
      return this.code.squaredNorm(start + i * width * FLOAT_BYTES, width) * up;
    });
  }

  weightedSum(rows: tf.Tensor2D, weights: tf.Tensor1D): tf.Tensor1D {
    const [n, width] = rows.shape;
    const out = this.output([width]);
    this.code.weightedSum(this.address(rows), this.address(weights), this.address(out), n, width);
    return out as tf.Tensor1D;
  }

  /** A channel kernel over x [images, positions, channels], sixteen channels at a time, then four. */
  private overChannels(
    kernel: "channelMoments" | "channelProducts" | "channelAffine",
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
            this.address(x),
            this.address(y),
            yImageBytes,
            images,
            positions,
            channels,
            from,
            to,
          ] as const),
          this.address(shift),
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
    const toOut = this.address(out) - this.address(x);
    this.overChannels("channelAffine", x, y, yForEachImage, a, this.address(b), this.address(d), toOut);
  }

  /** Where a tensor lies, in bytes; good until the next allocation moves nothing (WASM memory grows in place). */
  private address(tensor: tf.Tensor): number {
    return this.backend.dataIdMap.get(tensor.dataId).memoryOffset;
  }

  private floats(tensor: tf.Tensor): Float32Array {
    return new Float32Array(this.backend.wasm.HEAPU8.buffer, this.address(tensor), tensor.size);
  }

  private output(shape: readonly number[], fill?: number): tf.Tensor {
    const tensor = tf.engine().makeTensorFromTensorInfo(this.backend.makeOutput(shape, "float32"));
    if (fill !== undefined) this.floats(tensor).fill(fill);
    return tensor;
  }

  /** The last elements, which fill no vector. */
  private tail(
    out: tf.Tensor,
    from: number,
    value: (inputs: number[]) => number,
    ...inputs: tf.Tensor[]
  ): void {
    const target = this.floats(out);
    const sources = inputs.map((input) => this.floats(input));
    for (let i = from; i < target.length; i++) target[i] = value(sources.map((source) => source[i]));
  }
}

/** Zero channels appended up to a multiple; the tensor itself if it has one. */
function padChannels(tensor: tf.Tensor4D, multiple: number): tf.Tensor4D {
  const missing = roundUp(tensor.shape[3], multiple) - tensor.shape[3];
  if (missing === 0) return tensor;
  return tf.pad(tensor, [
    [0, 0],
    [0, 0],
    [0, 0],
    [0, missing],
  ]);
}
