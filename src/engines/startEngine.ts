// Which engine computes the gradients: the WebGPU engine, or worker threads on a TensorFlow.js backend.
import { viewsPerExample } from "../trainer/augmentation.js";
import type { BackendName } from "../trainer/backendNames.js";
import type { ClipRule, GradientEngine } from "../trainer/gradientEngine.js";
import { checkIsolation } from "./isolation.js";
import { currentKernels, startBackend } from "./tensorflow/startBackend.js";
import { defaultMicroBatch } from "./threads/microBatchSize.js";
import { type EngineOptions, startThreads } from "./threads/threads.js";
import { type DeviceEnvironment, startWebGpu } from "./webgpu/engine.js";
import type * as webgpu from "./webgpu/index.js";
import { UnsupportedNetworkError, unitsOf } from "./webgpu/residualForm.js";

export interface StartOptions extends Omit<EngineOptions, "backend"> {
  readonly backend: BackendName | "auto";
  /** How the engine will be asked to clip. */
  readonly clip: ClipRule;
  /** Of the WebGPU engine; the others compute in float32. */
  readonly precision?: webgpu.PrecisionName;
  /** Of the WebGPU engine, one process each; with another backend an error. */
  readonly devices?: readonly DeviceEnvironment[];
  readonly onWarning?: (message: string) => void;
}

/**
 * "auto" takes WebGPU on a hardware adapter if it can do the run, then wasm, then cpu: the engines whose sensitivity is proven;
 * the choice's reason says what kept it from those before. A backend asked for by name is taken or an error.
 */
export async function startEngine(options: StartOptions): Promise<GradientEngine> {
  const { backend: request, clip: _, ...rest } = options;
  const { microBatch, ...others } = rest;
  // Its kernels have one best size: there is nothing to try.
  const forWebGpu = { ...others, ...(typeof microBatch === "number" ? { microBatch } : {}) };
  const unfit = unfitForWebGpu(options);
  if (request === "webgpu") {
    if (unfit) throw unfit;
    return startWebGpu(forWebGpu);
  }
  if (options.devices && request !== "auto")
    throw new RangeError(`devices must be left out with backend ${request}: they are webgpu's`);
  let why: string | undefined;
  if (request === "auto") {
    try {
      if (unfit) throw unfit;
      return await startWebGpu({ ...forWebGpu, hardwareOnly: true });
    } catch (error) {
      why =
        error instanceof UnsupportedNetworkError
          ? `no kernels for ${options.network.spec.name}`
          : (error as Error).message.replace(/^backend (must be .* which|webgpu cannot start:) /, "");
      if (options.devices) throw new RangeError(`devices must be left out unless webgpu can train: ${why}`);
    }
  }
  let backend = await startBackend(request);
  if (why) backend = { ...backend, reason: `${backend.reason}; webgpu: ${why}` };
  const kernels = currentKernels();
  const views = viewsPerExample(rest.augmentation);
  const most = defaultMicroBatch(rest.network, views);
  checkIsolation(
    rest.network,
    kernels,
    Math.min(2, views),
    typeof microBatch === "number" ? Math.min(microBatch, most) : most,
  );
  if (!kernels.keepsExamplesApart)
    backend = {
      ...backend,
      reason: `${backend.reason}; sensitivity not proven: TensorFlow does not promise equal bits wherever an example stands`,
    };
  const native = backend.name === "tfjs-node" || backend.name === "tfjs-node-gpu";
  // The native backends use all cores themselves.
  return startThreads({ ...(native ? { workers: 1 } : {}), ...rest, backend });
}

/** What keeps the WebGPU engine from a run, whatever the device. */
function unfitForWebGpu({ network, data, clip }: StartOptions): Error | undefined {
  const other = (why: string) => new RangeError(`backend must be another than webgpu, which ${why}`);
  if (network.spec.frozen) return other("trains all parameters, and some are frozen");
  if (clip.gamma !== undefined) return other("clips to a norm, and automatic clipping was asked for");
  if (![data.train, data.test].every(({ pixels }) => pixels instanceof Uint8Array))
    return other("takes images of bytes, and these are other numbers");
  try {
    unitsOf(network);
  } catch (error) {
    if (error instanceof UnsupportedNetworkError) return error;
    throw error;
  }
  return undefined;
}
