// The TensorFlow.js backends that start here: WASM and plain JS everywhere, tfjs-node where somebody installed it.
import { startBackend } from "../../src/engines/tensorflow/startBackend.js";
import { BACKEND_NAMES, type BackendName } from "../../src/trainer/backendNames.js";

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
