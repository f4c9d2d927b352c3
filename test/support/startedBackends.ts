// The TensorFlow.js backends that start here: WASM and plain JS everywhere, tfjs-node where somebody installed it.
import { BACKEND_NAMES, type BackendName, startBackend } from "../../src/backends/index.js";

export const STARTED_BACKENDS: readonly BackendName[] = await started();

async function started(): Promise<BackendName[]> {
  const found: BackendName[] = [];
  for (const name of BACKEND_NAMES) {
    try {
      await startBackend(name);
      found.push(name);
    } catch {
      // What is not installed has no contract to keep.
    }
  }
  return found;
}
