// Which engine computes the gradients: the WebGPU engine, or worker threads on a TensorFlow.js backend.
import {
  type BackendChoice,
  type BackendName,
  BackendUnavailableError,
  startBackend,
  type webgpu,
} from "../../backends/index.js";
import type { GradientEngine } from "./gradientEngine.js";
import { type EngineOptions, startThreads } from "./threads.js";
import { startWebGpu } from "./webgpu/engine.js";
import { hasKernels } from "./webgpu/units.js";

export interface StartOptions extends Omit<EngineOptions, "backend"> {
  readonly backend: BackendName | "auto";
  /** Of the WebGPU engine; the others compute in float32. */
  readonly precision?: webgpu.PrecisionName;
  readonly onWarning?: (message: string) => void;
}

/**
 * "auto" takes tfjs-node-gpu if it starts, then WebGPU on a hardware adapter if it has kernels for the network, then the other
 * TensorFlow.js backends in their order.
 */
export async function startEngine(options: StartOptions): Promise<GradientEngine> {
  const { backend: request, ...rest } = options;
  const { microBatch, ...others } = rest;
  // Its kernels have one best size: there is nothing to try.
  const forWebGpu = { ...others, ...(typeof microBatch === "number" ? { microBatch } : {}) };
  if (request === "webgpu") return startWebGpu(forWebGpu);
  let backend: BackendChoice;
  if (request === "auto" && hasKernels(rest.network)) {
    try {
      backend = await startBackend("tfjs-node-gpu");
    } catch {
      try {
        return await startWebGpu({ ...forWebGpu, hardwareOnly: true });
      } catch (error) {
        if (!(error instanceof BackendUnavailableError)) throw error;
        backend = await startBackend("auto");
        backend = { ...backend, reason: `${backend.reason}; webgpu: ${error.missing}` };
      }
    }
  } else backend = await startBackend(request);
  const native = backend.name === "tfjs-node" || backend.name === "tfjs-node-gpu";
  // The native backends use all cores themselves.
  return startThreads({ ...(native ? { workers: 1 } : {}), ...rest, backend });
}
