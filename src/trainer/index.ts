// dpsgd/trainer: DP-SGD from a plan to weights and a ledger. Node only.

export {
  BACKEND_NAMES,
  type BackendChoice,
  type BackendName,
  BackendUnavailableError,
  ENGINE_NAMES,
  OutOfMemoryError,
} from "../backends/index.js";
export { epsilonSpent } from "../planner/index.js";
export * from "./canaries.js";
export { type Checkpoint, CheckpointError, CheckpointStore, decodeCheckpoint } from "./checkpoint.js";
export * from "./data/index.js";
export { findMicroBatch } from "./engine/findMicroBatch.js";
export * from "./engine/gradientEngine.js";
export { checkIsolation, MixedExamplesError } from "./engine/isolation.js";
export { defaultMicroBatch } from "./engine/microBatchSize.js";
export {
  type EngineOptions,
  MOST_WORKERS,
  startThreads,
  WorkerFailedError,
} from "./engine/threads.js";
export type { DeviceEnvironment } from "./engine/webgpu/engine.js";
export * from "./features/index.js";
export { Network } from "./layers/network.js";
export * from "./layers/spec.js";
export * from "./ledgerFile.js";
export * from "./models/index.js";
export * from "./models/layersModel.js";
export * from "./models/loadLayersModel.js";
export * from "./models/weights.js";
export * from "./random/index.js";
export * from "./recipes.js";
export { ROUNDING_EXAMPLES, type RoundingRun, trainWithRoundingCanary } from "./roundingCanary.js";
export { TrainingStoppedError } from "./run.js";
export * from "./runFolder.js";
export { RunBusyError } from "./runLock.js";
export * from "./safetensors.js";
export { OPTIMIZER_NAMES, type OptimizerName, type RunOptions, type RunSettings } from "./settings.js";
export type { FineTuning } from "./startingValues.js";
export type { EngineTimes, StepTimes } from "./stepTimes.js";
export * from "./train.js";
