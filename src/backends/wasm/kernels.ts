// The Kernels of the WASM backend: own SIMD code on the tensors where they lie in the backend's memory.
import * as tf from "@tensorflow/tfjs-core";
import { type ExactSum, type Kernels, stockKernels } from "../kernels.js";
import { instantiateKernels, type WasmKernels } from "./code.js";
import { FLOAT_BYTES, TensorMemory, type WasmBackend } from "./memory.js";
import { Normalisation } from "./normalisation.js";
import { BLOCK_BYTES, MOST_EXAMPLES } from "./outerProducts.js";
import { PANEL } from "./products.js";

const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;

const DOUBLE_BYTES = 8;

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

  product(...[a, b, transposed]: Parameters<Kernels["product"]>): tf.Tensor2D {
    return tf.tidy(() => {
      const [m, depth] = a.shape;
      const columns = b.shape[transposed ? 0 : 1];
      const panels = Math.ceil(columns / PANEL);
      const packed = this.memory.output([panels, depth, PANEL], 0);
      const out = this.memory.output([m, panels * PANEL]);
      const [from, to] = [this.memory.floats(b), this.memory.floats(packed)];
      const [perRow, perColumn] = transposed ? [1, depth] : [columns, 1];
      for (let column = 0; column < columns; column++) {
        const first = (column - (column % PANEL)) * depth + (column % PANEL);
        for (let k = 0; k < depth; k++) to[first + k * PANEL] = from[k * perRow + column * perColumn];
      }
      this.code.multiply(
        ...([this.memory.address(a), this.memory.address(packed), this.memory.address(out)] as const),
        ...([m, depth, panels] as const),
      );
      return (columns === panels * PANEL ? out : tf.slice(out, [0, 0], [m, columns])) as tf.Tensor2D;
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
        true,
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
    this.memory.elementwise(out, [y, dy], (at, bytes) => this.code.reluGradient(...at, bytes));
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
    this.memory.elementwise(out, [x], (at, bytes) => this.code.tanh(...at, bytes));
    return out as T;
  }

  tanhGradient<T extends tf.Tensor>(y: T, dy: T): T {
    const out = this.memory.output(y.shape);
    this.memory.elementwise(out, [y, dy], (at, bytes) => this.code.tanhGradient(...at, bytes));
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

  filled<T extends tf.Tensor>(shape: readonly number[], write: (values: Float32Array) => void): T {
    const tensor = this.memory.output(shape);
    write(this.memory.floats(tensor));
    return tensor as T;
  }

  exactSum(size: number): ExactSum {
    return new SumInMemory(this.memory, size);
  }

  addRows(sum: ExactSum, rows: tf.Tensor2D, factors: Float64Array): void {
    const [n, width] = rows.shape;
    tf.tidy(() => {
      const own = this.memory.output([2 * n]);
      this.memory.doubles(own).set(factors);
      // What may be no number stands in rows of its own: each run of rows between them is added by itself.
      for (let from = 0, to = 0; from < n; from = to + 1) {
        to = factors.indexOf(0, from);
        if (to === -1) to = n;
        this.code.addRows(
          ...([
            (sum as SumInMemory).address,
            this.memory.address(rows) + from * width * FLOAT_BYTES,
          ] as const),
          ...([this.memory.address(own) + from * DOUBLE_BYTES, to - from, width] as const),
        );
      }
    });
  }

  addOuterProducts(sum: ExactSum, x: tf.Tensor2D, inputScales: Float64Array, outputs: Float64Array): void {
    const [n, inputs] = x.shape;
    const units = outputs.length / n;
    const read = [...inputScales.keys()].filter((example) => inputScales[example] !== 0);
    tf.tidy(() => {
      const right = this.memory.output([2 * read.length * units]);
      const scales = this.memory.output([read.length]);
      const rows = this.memory.output([read.length]);
      const block = this.memory.output([BLOCK_BYTES / FLOAT_BYTES]);
      const from = this.memory.address(x);
      const rowAt = new Int32Array(this.memory.floats(rows).buffer, this.memory.address(rows), read.length);
      rowAt.set(read.map((example) => from + example * inputs * FLOAT_BYTES));
      this.memory.floats(scales).set(read.map((example) => inputScales[example]));
      const wide = this.memory.doubles(right);
      if (read.length === n) wide.set(outputs);
      else
        read.forEach((example, at) => {
          wide.set(outputs.subarray(example * units, (example + 1) * units), at * units);
        });
      const [sumAt, blockAt] = [(sum as SumInMemory).address, this.memory.address(block)];
      for (let first = 0; first < read.length; first += MOST_EXAMPLES)
        this.code.addOuterProducts(
          sumAt,
          this.memory.address(rows) + first * FLOAT_BYTES,
          this.memory.address(scales) + first * FLOAT_BYTES,
          this.memory.address(right) + first * units * DOUBLE_BYTES,
          blockAt,
          Math.min(MOST_EXAMPLES, read.length - first),
          inputs,
          units,
        );
    });
  }

  fromBytes<T extends tf.Tensor>(...[shape, tables, write]: Parameters<Kernels["fromBytes"]>): T {
    const out = this.memory.output(shape);
    tf.tidy(() => {
      const bytes = this.memory.output([Math.ceil(out.size / FLOAT_BYTES)]);
      const table = this.memory.output([256 * tables.length]);
      const at = this.memory.address(bytes);
      write(new Uint8Array(this.memory.floats(bytes).buffer, at, out.size));
      tables.forEach((own, c) => {
        this.memory.floats(table).set(own, 256 * c);
      });
      tables.forEach((_, c) => {
        this.code.lookUp(
          at + c,
          this.memory.address(table) + 256 * c * FLOAT_BYTES,
          this.memory.address(out) + c * FLOAT_BYTES,
          out.size - c,
          tables.length,
        );
      });
    });
    return out as T;
  }
}

/** Whole numbers in float64 where the kernels can add to them. */
class SumInMemory implements ExactSum {
  private readonly room: tf.Tensor;

  constructor(
    private readonly memory: TensorMemory,
    size: number,
  ) {
    // It outlives every tidy: it is as old as the step.
    this.room = tf.keep(memory.output([2 * size], 0));
  }

  get address(): number {
    return this.memory.address(this.room);
  }

  get values(): Float64Array {
    return this.memory.doubles(this.room);
  }

  dispose(): void {
    this.room.dispose();
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
