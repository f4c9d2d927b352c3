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

/** Kernels over the running WASM backend; the stock ones if this build of it keeps its memory to itself. */
export function wasmKernels(): Kernels {
  const backend = tf.backend() as unknown as WasmBackend;
  const code = instantiateKernels(backend.wasm.asm?.memory);
  return code ? new KernelsInMemory(backend, code) : stockKernels;
}

class KernelsInMemory implements Kernels {
  constructor(
    private readonly backend: WasmBackend,
    private readonly code: WasmKernels,
  ) {}

  filterGradients(
    ...[x, dy, views, { kernelHeight, kernelWidth, stride }]: Parameters<Kernels["filterGradients"]>
  ) {
    return tf.tidy(() => {
      const [images, height, width, channels] = x.shape;
      const filters = dy.shape[3];
      const wide = padChannels(dy, 8);
      const padded = wide.shape[3];
      const n = images / views;
      const run = kernelWidth * channels;
      const out = this.output([n, kernelHeight * run, padded]);
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
            ...([kernelHeight, run, from, to] as const),
          );
      };
      const byFour = run - (run % 4);
      call("filterGradients4", 0, byFour);
      call("filterGradients1", byFour, run);
      const kept = padded === filters ? out : tf.slice(out, [0, 0, 0], [n, kernelHeight * run, filters]);
      return tf.reshape(kept, [n, kernelHeight * run * filters]) as tf.Tensor2D;
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

  inputGradient(...[dy, filter, inputShape, stride]: Parameters<Kernels["inputGradient"]>) {
    return tf.tidy(() => {
      const [images, ho, wo, filters] = dy.shape;
      const [kernelHeight, kernelWidth, channels] = filter.shape;
      const [, height, width] = inputShape;
      const patch = kernelHeight * kernelWidth * channels;
      // Plain untransposed products are the ones that this backend multiplies fast.
      const columns = tf.matMul(
        tf.reshape(dy, [images * ho * wo, filters]),
        tf.transpose(tf.reshape(filter, [patch, filters])),
      );
      const out = this.output(inputShape, 0);
      const rowBytes = width * channels * FLOAT_BYTES;
      this.code.addPatches(
        ...([this.address(columns), this.address(out), images, ho, wo, kernelHeight] as const),
        ...([kernelWidth * channels, height * rowBytes, rowBytes] as const),
        ...([stride * channels * FLOAT_BYTES, stride * rowBytes] as const),
      );
      return out as tf.Tensor4D;
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

  normalise = stockKernels.normalise;
  normaliseGradient = stockKernels.normaliseGradient;
  standardisedGradients = stockKernels.standardisedGradients;

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
