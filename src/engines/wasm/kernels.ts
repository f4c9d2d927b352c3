// The Kernels of the WASM backend: own SIMD code on the tensors where they lie in the backend's memory.
import * as tf from "@tensorflow/tfjs-core";
import {
  type ExactSum,
  type Kernels,
  MOST_OUTPUT,
  TOO_LONG,
  type WholeRows,
  wholeScale,
} from "../../trainer/kernels.js";
import { stockKernels } from "../tensorflow/stockKernels.js";
import { roundUp } from "./arithmetic.js";
import { instantiateKernels, type WasmKernels } from "./code.js";
import { Convolutions } from "./convolution.js";
import { GROUP, MOST_PAIRS, SUMS_BYTES } from "./exactProducts.js";
import { STEP as BYTES_AT_ONCE } from "./lookUp.js";
import { FLOAT_BYTES, TensorMemory, type WasmBackend } from "./memory.js";
import { Normalisation } from "./normalisation.js";
import { Pooling } from "./poolingInMemory.js";
import { bestVariant, type Variant } from "./variant.js";
import { ROOM_BYTES } from "./wholeRows.js";

const DOUBLE_BYTES = 8;
const VECTOR = 4;
/** Rows that are added side by side, or as many as have few numbers: the memory is read ahead in a few places, not in hundreds. */
const ROWS_AT_ONCE = 8;
const FEW_NUMBERS = 2 ** 12;

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
  readonly keepsExamplesApart = true;
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

  standardise(...args: Parameters<Kernels["standardise"]>) {
    return this.normalisation.standardise(...args);
  }

  /** In place: `rows` is overwritten. */
  standardisedGradients(...args: Parameters<Kernels["standardisedGradients"]>) {
    return this.normalisation.standardisedGradients(...args);
  }

  crossEntropyGradient(logits: tf.Tensor2D, labels: ArrayLike<number>, share: number): tf.Tensor2D {
    const [n, classes] = logits.shape;
    // The last elements fill no vector: they have room to.
    const powers = this.memory.output([roundUp(n * classes, VECTOR)], 0);
    const own = this.memory.integers(labels);
    const factor = this.memory.output([1], share);
    const [from, to, labelsAt, factorAt] = [logits, powers, own, factor].map((each) =>
      this.memory.address(each),
    );
    this.code.lessLargest(from, to, n, classes);
    this.code.exponential(to, powers.size * FLOAT_BYTES);
    this.code.shareLessLabel(to, labelsAt, n, classes, factorAt);
    tf.dispose([own, factor]);
    return (
      powers.size === n * classes
        ? tf.reshape(powers, [n, classes])
        : tf.reshape(tf.slice(powers, [0], [n * classes]), [n, classes])
    ) as tf.Tensor2D;
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
    const room = this.memory.output([2 * n]);
    this.code.squaredNorms(this.memory.address(rows), n, width, this.memory.address(room));
    const squares = this.memory.doubles(room).slice();
    room.dispose();
    // Squares of float32 are exact in float64; the sum of m of them is short by at most a factor 1 − m·2^-53.
    const up = 1 + (width + 4) * 2 ** -52;
    for (let i = 0; i < n; i++) squares[i] *= up;
    return squares;
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
    const atOnce = Math.max(ROWS_AT_ONCE, Math.floor(FEW_NUMBERS / width));
    tf.tidy(() => {
      const own = this.memory.output([2 * n]);
      this.memory.doubles(own).set(factors);
      // What may be no number stands in rows of its own: each run of rows between them is added by itself.
      for (let from = 0, to = 0; from < n; from = to + 1) {
        to = factors.indexOf(0, from);
        if (to === -1) to = n;
        for (let first = from; first < to; first += atOnce)
          this.code.addRows(
            (sum as SumInMemory).address,
            this.memory.address(rows) + first * width * FLOAT_BYTES,
            this.memory.address(own) + first * DOUBLE_BYTES,
            Math.min(atOnce, to - first),
            width,
          );
      }
    });
  }

  wholeRows(x: tf.Tensor2D): WholeRows {
    const [n, inputs] = x.shape;
    const even = roundUp(n, 2);
    // Blocks of equal size, as near as may be: a short last one costs as much as a long one to add to the sum.
    const blocks = Math.ceil(even / 2 / MOST_PAIRS);
    const pairs = Math.ceil(even / 2 / blocks);
    const groups = Math.ceil(inputs / GROUP);
    const place = this.memory.output([blocks, groups, pairs, GROUP]);
    const largest = this.memory.output([even]);
    const squares = this.memory.output([2 * even]);
    const room = this.memory.output([ROOM_BYTES / FLOAT_BYTES]);
    this.code.wholeRows(
      ...[this.memory.address(x), n, inputs],
      ...[place, largest, squares, room].map((each) => this.memory.address(each)),
      pairs,
      groups,
    );
    const [scales, squaredNorms] = [new Float64Array(n), this.memory.doubles(squares).slice(0, n)];
    const largestOf = this.memory.floats(largest);
    for (let row = 0; row < n; row++) {
      const scale = wholeScale(largestOf[row]);
      scales[row] = scale;
      if (!(scale > 0)) squaredNorms[row] = scale;
    }
    tf.dispose([largest, squares, room]);
    return { scales, squaredNorms, place };
  }

  addOuterProducts(
    sum: ExactSum,
    { place }: WholeRows,
    slopes: tf.Tensor2D,
    weights: Float64Array,
    unit: number,
  ): void {
    const [n, units] = slopes.shape;
    const [blocks, groups, pairs] = place.shape as [number, number, number];
    const digits = this.memory.output([blocks, units, pairs, 2]);
    const own = this.memory.output([2, blocks, pairs, 2], 0);
    this.memory.doubles(own).set(weights);
    const room = this.memory.output([SUMS_BYTES / FLOAT_BYTES]);
    const [from, placeAt, digitsAt, ownAt, roomAt] = [slopes, place, digits, own, room].map((each) =>
      this.memory.address(each),
    );
    if (this.code.splitDigits(from, ownAt, digitsAt, n, units, blocks, pairs, MOST_OUTPUT))
      throw new RangeError(TOO_LONG);
    this.code.addOuterProducts(
      ...[(sum as SumInMemory).address, placeAt, digitsAt, roomAt],
      ...[blocks, pairs, (sum as SumInMemory).size / units, units, groups, unit],
    );
    tf.dispose([digits, own, room]);
  }

  fromBytes<T extends tf.Tensor>(...[shape, scaling, write]: Parameters<Kernels["fromBytes"]>): T {
    const out = this.memory.output(shape);
    const channels = scaling.factor.length;
    const [bytes, pattern, room] = [
      roundUp(out.size, BYTES_AT_ONCE) / FLOAT_BYTES,
      2 * BYTES_AT_ONCE * channels,
      BYTES_AT_ONCE,
    ].map((size) => this.memory.output([size]));
    const at = this.memory.address(bytes);
    write(new Uint8Array(this.memory.floats(bytes).buffer, at, out.size));
    const numbers = this.memory.floats(pattern);
    for (let i = 0; i < BYTES_AT_ONCE * channels; i++) {
      const place = i + BYTES_AT_ONCE * Math.floor(i / BYTES_AT_ONCE);
      numbers[place] = scaling.factor[i % channels];
      numbers[place + BYTES_AT_ONCE] = scaling.offset[i % channels];
    }
    const [to, patternAt, roomAt] = [out, pattern, room].map((each) => this.memory.address(each));
    this.code[channels === 1 ? "scaleBytesAlike" : "scaleBytes"](
      at,
      to,
      out.size,
      patternAt,
      channels,
      roomAt,
    );
    tf.dispose([bytes, pattern, room]);
    return out as T;
  }
}

/** Whole numbers in float64 where the kernels can add to them. */
class SumInMemory implements ExactSum {
  private readonly room: tf.Tensor;

  constructor(
    private readonly memory: TensorMemory,
    readonly size: number,
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
