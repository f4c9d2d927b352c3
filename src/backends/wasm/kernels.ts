// The Kernels of the WASM backend: own SIMD code on the tensors where they lie in the backend's memory.
import * as tf from "@tensorflow/tfjs-core";
import { type Kernels, stockKernels } from "../kernels.js";
import { instantiateKernels, type WasmKernels } from "./code.js";
import { Convolutions } from "./convolution.js";
import { FLOAT_BYTES, TensorMemory, type WasmBackend } from "./memory.js";
import { Normalisation } from "./normalisation.js";
import { Pooling } from "./poolingInMemory.js";
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
  private readonly pooling: Pooling;

  constructor(
    private readonly memory: TensorMemory,
    private readonly code: WasmKernels,
    readonly variant: Variant,
  ) {
    this.convolutions = new Convolutions(memory, code);
    this.normalisation = new Normalisation(memory, code);
    this.pooling = new Pooling(memory, code);
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

  product(...args: Parameters<Kernels["product"]>) {
    return this.convolutions.product(...args);
  }

  positionSums(...args: Parameters<Kernels["positionSums"]>) {
    return this.convolutions.positionSums(...args);
  }

  maxPool(...args: Parameters<Kernels["maxPool"]>) {
    return this.pooling.maxPool(...args);
  }

  maxPoolGradient(...args: Parameters<Kernels["maxPoolGradient"]>) {
    return this.pooling.maxPoolGradient(...args);
  }

  pad(...[x, sides]: Parameters<Kernels["pad"]>) {
    return this.memory.pad(x, sides);
  }

  reluGradient<T extends tf.Tensor>(y: T, dy: T): T {
    return this.memory.elementwise(this.code.reluGradient, y, dy);
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
    return this.memory.elementwise(this.code.tanh, x);
  }

  tanhGradient<T extends tf.Tensor>(y: T, dy: T): T {
    return this.memory.elementwise(this.code.tanhGradient, y, dy);
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
