// Which engine computes the gradients: the WebGPU engine, or worker threads on a TensorFlow.js backend.
import { oneOf } from "../formats/argumentChecks.js";
import { ArgumentError, shown } from "../formats/argumentError.js";
import { viewsPerExample } from "../trainer/augmentation.js";
import type { BackendName } from "../trainer/backendNames.js";
import type { ClipRule, GradientEngine } from "../trainer/gradientEngine.js";
import { checkIsolation } from "./isolation.js";
import { BackendUnavailableError, currentKernels, startBackend } from "./tensorflow/startBackend.js";
import { defaultMicroBatch } from "./threads/microBatchSize.js";
import { type EngineOptions, startThreads } from "./threads/threads.js";
import { type DeviceEnvironment, MOST_DEVICES, startWebGpu } from "./webgpu/engine.js";
import * as webgpu from "./webgpu/index.js";
import { UnsupportedNetworkError, unitsOf } from "./webgpu/residualForm.js";

export interface StartOptions extends Omit<EngineOptions, "backend"> {
  readonly backend: BackendName | "auto";
  /** How the engine will be asked to clip. */
  readonly clip: ClipRule;
  /** Of the WebGPU engine; where another is taken an error: they compute in float32. */
  readonly precision?: webgpu.PrecisionName;
  /** Of the WebGPU engine, one process each; where another is taken an error. */
  readonly devices?: readonly DeviceEnvironment[];
  readonly onWarning?: (message: string) => void;
}

/**
 * "auto" takes WebGPU on a hardware adapter if it can do the run, then wasm, then cpu: the engines whose sensitivity is proven;
 * the choice's reason says what kept it from those before. A backend asked for by name is taken or an error.
 * Throws ArgumentError where an option is given that the engine taken would not carry out.
 */
export async function startEngine(options: StartOptions): Promise<GradientEngine> {
  const { backend: request, clip: _, precision, devices, workers, microBatch, ...common } = options;
  checkWebGpuOptions(options);
  const forWebGpu = {
    ...common,
    // Its kernels have one best size: there is nothing to try.
    ...(typeof microBatch === "number" && { microBatch }),
    ...(precision !== undefined && { precision }),
    ...(devices !== undefined && { devices }),
  };
  const unfit = unfitForWebGpu(options);
  if (request === "webgpu") {
    if (unfit) throw unfit.error;
    if (workers !== undefined)
      throw new ArgumentError("workers", "left out with backend webgpu, which has devices", `${workers}`);
    return startWebGpu(forWebGpu);
  }
  let why: string | undefined;
  if (request === "auto") {
    try {
      if (!unfit) {
        const engine = await startWebGpu({ ...forWebGpu, hardwareOnly: true });
        if (workers !== undefined) options.onWarning?.("webgpu was taken, which has no workers");
        return engine;
      }
      why = unfit.why;
    } catch (error) {
      why = error instanceof BackendUnavailableError ? error.missing : (error as Error).message;
    }
  }
  const other = request === "auto" ? `unless webgpu can train: ${why}` : `with backend ${request}`;
  if (devices !== undefined)
    throw new ArgumentError(
      "devices",
      `left out ${other}${request === "auto" ? "" : ": they are webgpu's"}`,
      shown(devices),
    );
  if (precision !== undefined)
    throw new ArgumentError(
      "precision",
      `left out ${other}${request === "auto" ? "" : ", which computes in float32"}`,
      precision,
    );
  let backend = await startBackend(request);
  if (why) backend = { ...backend, reason: `${backend.reason}; webgpu: ${why}` };
  const kernels = currentKernels();
  const views = viewsPerExample(common.augmentation);
  const most = defaultMicroBatch(common.network, views);
  checkIsolation(
    common.network,
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
  return startThreads({
    ...common,
    backend,
    // The native backends use all cores themselves.
    ...((native || workers !== undefined) && { workers: workers ?? 1 }),
    ...(microBatch !== undefined && { microBatch }),
  });
}

/** Throws ArgumentError, whatever engine is taken. */
function checkWebGpuOptions({ precision, devices }: StartOptions): void {
  if (precision !== undefined) oneOf("precision", precision, Object.keys(webgpu.PRECISIONS));
  if (devices === undefined) return;
  const settings = (value: unknown) =>
    typeof value === "object" &&
    value !== null &&
    Object.values(value).every((each) => typeof each === "string");
  if (
    !(
      Array.isArray(devices) &&
      devices.length >= 1 &&
      devices.length <= MOST_DEVICES &&
      devices.every(settings)
    )
  )
    throw new ArgumentError(
      "devices",
      `a list of 1 to ${MOST_DEVICES} objects of environment variables`,
      shown(devices),
    );
}

/** What keeps the WebGPU engine from a run, whatever the device: in words for the choice's reason, and as an error. */
function unfitForWebGpu({ network, data, clip }: StartOptions): { why: string; error: Error } | undefined {
  const other = (why: string) => ({
    why,
    error: new ArgumentError("backend", `another than webgpu, which ${why}`, "webgpu"),
  });
  if (network.spec.frozen) return other("trains all parameters, and some are frozen");
  if (clip.gamma !== undefined) return other("clips to a norm, and automatic clipping was asked for");
  if (![data.train, data.test].every(({ pixels }) => pixels instanceof Uint8Array))
    return other("takes images of bytes, and these are other numbers");
  try {
    unitsOf(network);
  } catch (error) {
    if (error instanceof UnsupportedNetworkError)
      return { why: `no kernels for ${network.spec.name}`, error };
    throw error;
  }
  return undefined;
}
