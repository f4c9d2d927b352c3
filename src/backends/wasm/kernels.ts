// The Kernels of the WASM backend: own SIMD code on the tensors where they lie in the backend's memory.
import * as tf from "@tensorflow/tfjs-core";
import { type Kernels, stockKernels } from "../kernels.js";
import { roundUp } from "./arithmetic.js";
import { instantiateKernels, type WasmKernels } from "./code.js";
import { Convolutions } from "./convolution.js";
import { FLOAT_BYTES, TensorMemory, type WasmBackend } from "./memory.js";
import { Normalisation } from "./normalisation.js";
import { bestVariant, type Variant } from "./variant.js";

/** Compiled once for each instance of the backend. */
const compiled = new WeakMap<WasmBackend, Map<Variant, Kernels>>();

/**
 * Kernels over the running WASM backend, of the fastest variant that this engine takes unless one is asked for; the stock ones
 * if this build of the backend keeps its memory to itself.
 */
export function wasmKernels(variant: Variant = bestVariant()): Kernels {
  const backend = tf.backend() as unknown as WasmBackend;
  const own = compiled.get(backend) ?? new Map<Variant, Kernels>();
  compiled.set(backend, own);
  let kernels = own.get(variant);
  if (!kernels) {
    const code = instantiateKernels(backend.wasm.asm?.memory, variant);
    kernels = code
      ? new KernelsInMemory(new TensorMemory(backend, code), code, variant)
      : { ...stockKernels, variant: "tfjs-wasm" };
    own.set(variant, kernels);
  }
  return kernels;
}

class KernelsInMemory implements Kernels {
  private readonly convolutions: Convolutions;
  private readonly normalisation: Normalisation;

  constructor(
    private readonly memory: TensorMemory,
    private readonly code: WasmKernels,
    readonly variant: Variant,
  ) {
    this.convolutions = new Convolutions(memory, code);
    this.normalisation = new Normalisation(memory, code);
  }

  convolution(...args: Parameters<Kernels["convolution"]>) {
    return this.convolutions.convolution(...args);
  }

  filterGradients(...args: Parameters<Kernels["filterGradients"]>) {
    return this.convolutions.filterGradients(...args);
  }

  inputGradient(...args: Parameters<Kernels["inputGradient"]>) {
    return this.convolutions.inputGradient(...args);
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
    return this.memory.pad(x, sides);
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

  standardise(...args: Parameters<Kernels["standardise"]>) {
    return this.normalisation.standardise(...args);
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
