// Tensors where they lie in the memory of the WASM backend.
import * as tf from "@tensorflow/tfjs-core";

export const FLOAT_BYTES = 4;

/** The parts of TensorFlow.js's WASM backend that reach its memory. */
export interface WasmBackend {
  readonly wasm: { readonly asm?: { readonly memory?: unknown }; readonly HEAPU8: Uint8Array };
  readonly dataIdMap: { get(dataId: object): { readonly memoryOffset: number } };
  makeOutput(shape: readonly number[], dtype: "float32"): tf.TensorInfo;
}

export class TensorMemory {
  constructor(private readonly backend: WasmBackend) {}

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
}
