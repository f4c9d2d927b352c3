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

  output(shape: readonly number[], fill?: number): tf.Tensor {
    const tensor = tf.engine().makeTensorFromTensorInfo(this.backend.makeOutput(shape, "float32"));
    if (fill !== undefined) this.floats(tensor).fill(fill);
    return tensor;
  }

  /** The last elements, which fill no vector. */
  tail(out: tf.Tensor, from: number, value: (inputs: number[]) => number, ...inputs: tf.Tensor[]): void {
    const target = this.floats(out);
    const sources = inputs.map((input) => this.floats(input));
    for (let i = from; i < target.length; i++) target[i] = value(sources.map((source) => source[i]));
  }
}
