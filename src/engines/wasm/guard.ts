// A WASM backend that is full says so. TensorFlow.js takes malloc's null for an address and computes on, over other tensors.
import * as tf from "@tensorflow/tfjs-core";
import { MOST_WASM_BYTES, OutOfMemoryError } from "../outOfMemory.js";

/** Left to what TensorFlow.js's own kernels allocate inside: where that fails nobody is told, and results are wrong. */
const KERNELS_SHARE = 2 ** 27;
/** From this size on the share is looked after. */
const NEARLY_FULL = MOST_WASM_BYTES - 4 * KERNELS_SHARE;
const LARGE = 2 ** 16;

interface Allocator {
  _malloc(bytes: number): number;
  _free(address: number): void;
  readonly HEAPU8: Uint8Array;
}

const guarded = new WeakSet<Allocator>();

/** From now on a tensor that finds no room in the current WASM backend is an OutOfMemoryError, not address 0. */
export function guardMemory(): void {
  const { wasm } = tf.backend() as unknown as { readonly wasm: Allocator };
  if (guarded.has(wasm)) return;
  guarded.add(wasm);
  // Their first calls put the module's own functions in their places.
  wasm._free(wasm._malloc(16));
  const malloc = wasm._malloc;
  const full = (bytes: number) =>
    new OutOfMemoryError(`the memory of WASM is full: ${bytes} bytes more found no room`);
  wasm._malloc = (bytes) => {
    const address = malloc(bytes);
    if (address === 0 && bytes > 0) throw full(bytes);
    if (bytes >= LARGE && wasm.HEAPU8.length > NEARLY_FULL) {
      const share = malloc(KERNELS_SHARE);
      wasm._free(share === 0 ? address : share);
      if (share === 0) throw full(bytes);
    }
    return address;
  };
}
