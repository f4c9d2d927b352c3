// Tensors where they lie in the memory of the WASM backend.
import * as tf from "@tensorflow/tfjs-core";
import type { Sides } from "../../trainer/kernels.js";
import type { WasmKernels } from "./code.js";

export const FLOAT_BYTES = 4;

/** The parts of TensorFlow.js's WASM backend that reach its memory. */
export interface WasmBackend {
  readonly wasm: { readonly asm?: { readonly memory?: unknown }; readonly HEAPU8: Uint8Array };
  readonly dataIdMap: { get(dataId: object): { readonly memoryOffset: number } };
  makeOutput(shape: readonly number[], dtype: "float32"): tf.TensorInfo;
}

/** Tables that are kept; a network has a few for each kind of its convolutions. */
const MOST_TABLES = 64;

export class TensorMemory {
  private readonly tables = new Map<string, Int32Array>();

  constructor(
    private readonly backend: WasmBackend,
    private readonly code: WasmKernels,
  ) {}

  /** Where a tensor lies, in bytes; good until the next allocation moves nothing (WASM memory grows in place). */
  address(tensor: tf.Tensor): number {
    return this.backend.dataIdMap.get(tensor.dataId).memoryOffset;
  }

  floats(tensor: tf.Tensor): Float32Array {
    return new Float32Array(this.backend.wasm.HEAPU8.buffer, this.address(tensor), tensor.size);
  }

  /** A tensor of 2·size float32 numbers as the float64 numbers that it has room for. */
  doubles(tensor: tf.Tensor): Float64Array {
    return new Float64Array(this.backend.wasm.HEAPU8.buffer, this.address(tensor), tensor.size / 2);
  }

  output(shape: readonly number[], fill?: number): tf.Tensor {
    const tensor = tf.engine().makeTensorFromTensorInfo(this.backend.makeOutput(shape, "float32"));
    if (fill !== undefined) this.floats(tensor).fill(fill);
    return tensor;
  }

  /** Whole numbers, such as a table of addresses: a tensor in name only. */
  integers(values: ArrayLike<number>): tf.Tensor {
    const tensor = this.output([values.length]);
    new Int32Array(this.backend.wasm.HEAPU8.buffer, this.address(tensor), values.length).set(values);
    return tensor;
  }

  /**
   * The first `count` numbers of the table of that name, which `make` computes; kept here, and made anew only where more are
   * asked for. What the table holds must follow from its name, and that of fewer images be the beginning of that of more.
   */
  table(name: string, count: number, make: () => Int32Array): tf.Tensor {
    let found = this.tables.get(name);
    if (!found || found.length < count) {
      if (this.tables.size >= MOST_TABLES) this.tables.clear();
      found = make();
      this.tables.set(name, found);
    }
    return this.integers(found.length === count ? found : found.subarray(0, count));
  }

  /** 0, bytes, 2·bytes, …: a table of rows that follow one another. */
  steps(count: number, bytes: number): tf.Tensor {
    const places = new Int32Array(count);
    for (let index = 0; index < count; index++) places[index] = index * bytes;
    return this.integers(places);
  }

  /**
   * Calls `vectors` with the addresses of inputs and out and with bytes, a multiple of 16, until all elements are done. The last
   * ones, which fill no vector, go through a place of their own, by the same arithmetic: an element's value does not
   * depend on where it stands.
   */
  elementwise(
    out: tf.Tensor,
    inputs: readonly tf.Tensor[],
    vectors: (addresses: readonly number[], bytes: number) => void,
  ): void {
    const rest = out.size % 4;
    const whole = out.size - rest;
    const tensors = [...inputs, out];
    vectors(
      tensors.map((tensor) => this.address(tensor)),
      whole * FLOAT_BYTES,
    );
    if (rest === 0) return;
    const places = tensors.map(() => this.output([4], 0));
    inputs.forEach((input, i) => {
      this.floats(places[i]).set(this.floats(input).subarray(whole));
    });
    vectors(
      places.map((place) => this.address(place)),
      4 * FLOAT_BYTES,
    );
    this.floats(out).set(this.floats(places[inputs.length]).subarray(0, rest), whole);
    for (const place of places) place.dispose();
  }

  /** x [images, H, W, C] with rows and columns of zeros around every image; the tensor itself if there are none. */
  pad(x: tf.Tensor4D, [top, bottom, left, right]: Sides): tf.Tensor4D {
    if (top + bottom + left + right === 0) return x;
    const [images, height, width, channels] = x.shape;
    const out = this.output([images, height + top + bottom, width + left + right, channels], 0);
    this.copyInner(x, this.address(x), out, this.address(out) + this.corner(out, top, left), [height, width]);
    return out as tf.Tensor4D;
  }

  /** The images without those rows and columns. */
  crop(x: tf.Tensor4D, [top, bottom, left, right]: Sides, shape: readonly number[]): tf.Tensor4D {
    if (top + bottom + left + right === 0) return x;
    const out = this.output(shape);
    const from = this.address(x) + this.corner(x, top, left);
    this.copyInner(x, from, out, this.address(out), [shape[1], shape[2]]);
    return out as tf.Tensor4D;
  }

  /** [batches, rows, columns] → [batches, columns, rows], rows and columns multiples of four. */
  transposed(x: tf.Tensor, [batches, rows, columns]: readonly [number, number, number]): tf.Tensor {
    const out = this.output([batches, columns, rows]);
    this.code.transpose(this.address(x), this.address(out), batches, rows, columns);
    return out;
  }

  private corner(x: tf.Tensor, top: number, left: number): number {
    return (top * x.shape[2]! + left) * x.shape[3]! * FLOAT_BYTES;
  }

  private copyInner(
    from: tf.Tensor,
    fromAddress: number,
    to: tf.Tensor,
    toAddress: number,
    [height, width]: readonly [number, number],
  ): void {
    const strides = [from, to].map(({ shape }) => shape[2]! * shape[3]! * FLOAT_BYTES);
    this.code.copyRows(
      ...([fromAddress, toAddress, from.shape[0], height, width * from.shape[3]!] as const),
      ...([from.shape[1]! * strides[0], strides[0], to.shape[1]! * strides[1], strides[1]] as const),
    );
  }
}

/** Zeros appended to the last axis up to a width; the tensor itself if it has that. */
export function padColumns<T extends tf.Tensor>(tensor: T, width: number): T {
  const missing = width - tensor.shape[tensor.rank - 1];
  if (missing === 0) return tensor;
  const sides = tensor.shape.map((_, axis): [number, number] => [0, axis === tensor.rank - 1 ? missing : 0]);
  return tf.pad(tensor, sides) as T;
}
