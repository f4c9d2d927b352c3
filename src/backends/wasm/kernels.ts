// The Kernels of the WASM backend: own SIMD code on the tensors where they lie in the backend's memory.
import * as tf from "@tensorflow/tfjs-core";
import { type Kernels, stockKernels } from "../kernels.js";
import { instantiateKernels, type WasmKernels } from "./code.js";
import { FLOAT_BYTES, TensorMemory, type WasmBackend } from "./memory.js";
import { Normalisation } from "./normalisation.js";

const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;

/** Compiled once for each instance of the backend. */
const compiled = new WeakMap<WasmBackend, Kernels>();

/** Kernels over the running WASM backend; the stock ones if this build of it keeps its memory to itself. */
export function wasmKernels(): Kernels {
  const backend = tf.backend() as unknown as WasmBackend;
  let kernels = compiled.get(backend);
  if (!kernels) {
    const code = instantiateKernels(backend.wasm.asm?.memory);
    kernels = code ? new KernelsInMemory(new TensorMemory(backend), code) : stockKernels;
    compiled.set(backend, kernels);
  }
  return kernels;
}

class KernelsInMemory implements Kernels {
  private readonly normalisation: Normalisation;

  constructor(
    private readonly memory: TensorMemory,
    private readonly code: WasmKernels,
  ) {
    this.normalisation = new Normalisation(memory, code);
  }

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
      const out = adds ? into : this.memory.output([n, kernelHeight * run, padded]);
      const rowBytes = width * channels * FLOAT_BYTES;
      const call = (kernel: "filterGradients4" | "filterGradients1", from: number, to: number) => {
        if (to > from)
          this.code[kernel](
            ...([
              this.memory.address(x),
              this.memory.address(wide),
              this.memory.address(out),
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
      const out = this.memory.output(padded, 0) as tf.Tensor4D;
      const rowBytes = padded[2] * channels * FLOAT_BYTES;
      this.code.addPatches(
        ...([this.memory.address(columns), this.memory.address(out), images, ho, wo, kernelHeight] as const),
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
      const out = this.memory.output(wideX.shape, 0);
      const rowBytes = width * channels * FLOAT_BYTES;
      this.code.maxPoolGradient(
        ...([
          this.memory.address(wideX),
          this.memory.address(wideY),
          this.memory.address(wideDy),
          this.memory.address(out),
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
    const out = this.memory.output([images, height + top + bottom, width + left + right, channels], 0);
    const rowBytes = (width + left + right) * channels * FLOAT_BYTES;
    // Each image is one patch of `height` rows, put at (top, left): ten times as fast as the stock operation.
    const corner = this.memory.address(out) + top * rowBytes + left * channels * FLOAT_BYTES;
    this.code.addPatches(
      ...([this.memory.address(x), corner, images, 1, 1, height, width * channels] as const),
      ...([(height + top + bottom) * rowBytes, rowBytes, 0, 0] as const),
    );
    return out as tf.Tensor4D;
  }

  reluGradient<T extends tf.Tensor>(y: T, dy: T): T {
    const out = this.memory.output(y.shape);
    const whole = y.size - (y.size % 4);
    this.code.reluGradient(
      this.memory.address(y),
      this.memory.address(dy),
      this.memory.address(out),
      whole * FLOAT_BYTES,
    );
    this.memory.tail(out, whole, ([value, slope]) => (value > 0 ? slope : 0), y, dy);
    return out as T;
  }

  normalise(...args: Parameters<Kernels["normalise"]>) {
    return this.normalisation.normalise(...args);
  }

  normaliseGradient(...args: Parameters<Kernels["normaliseGradient"]>) {
    return this.normalisation.normaliseGradient(...args);
  }

  /** In place: `rows` is overwritten. */
  standardisedGradients(...args: Parameters<Kernels["standardisedGradients"]>) {
    return this.normalisation.standardisedGradients(...args);
  }

  tanh<T extends tf.Tensor>(x: T): T {
    const out = this.memory.output(x.shape);
    const whole = x.size - (x.size % 4);
    this.code.tanh(this.memory.address(x), this.memory.address(out), whole * FLOAT_BYTES);
    this.memory.tail(out, whole, (input) => Math.tanh(input[0]), x);
    return out as T;
  }

  tanhGradient<T extends tf.Tensor>(y: T, dy: T): T {
    const out = this.memory.output(y.shape);
    const whole = y.size - (y.size % 4);
    this.code.tanhGradient(
      this.memory.address(y),
      this.memory.address(dy),
      this.memory.address(out),
      whole * FLOAT_BYTES,
    );
    this.memory.tail(out, whole, ([value, slope]) => slope * (1 - value * value), y, dy);
    return out as T;
  }

  squaredNorms(rows: tf.Tensor2D): Float64Array {
    const [n, width] = rows.shape;
    const start = this.memory.address(rows);
    // Squares of float32 are exact in float64; the sum of m of them is short by at most a factor 1 − m·2^-53.
    const up = 1 + (width + 4) * 2 ** -52;
    return Float64Array.from({ length: n }, (_, i) => {
      return this.code.squaredNorm(start + i * width * FLOAT_BYTES, width) * up;
    });
  }

  weightedSum(rows: tf.Tensor2D, weights: tf.Tensor1D): tf.Tensor1D {
    const [n, width] = rows.shape;
    const out = this.memory.output([width]);
    this.code.weightedSum(
      this.memory.address(rows),
      this.memory.address(weights),
      this.memory.address(out),
      n,
      width,
    );
    return out as tf.Tensor1D;
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
