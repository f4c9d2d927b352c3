// How a backend says that there is no memory left, and how to tell from any error that this is what it means.

/** Bytes that TensorFlow.js 4.22 lets the memory of its WASM backend grow to: 2^32 less a page. */
export const MOST_WASM_BYTES = 2 ** 32 - 2 ** 16;

/** No memory for a tensor: nothing was computed with it. */
export class OutOfMemoryError extends Error {
  override readonly name = "OutOfMemoryError";
}

/** As JavaScript engines, WebAssembly and libtensorflow say it. */
const SAID =
  /allocation failed|invalid (typed )?array (buffer )?length|memory access out of bounds|maximum memory size|out of memory|OOM when allocating/i;

/** Whether an error says that memory ran out. */
export function saysOutOfMemory(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  return (
    error instanceof OutOfMemoryError ||
    code === "ERR_WORKER_OUT_OF_MEMORY" ||
    code === "ERR_MEMORY_ALLOCATION_FAILED" ||
    SAID.test(error.message)
  );
}
