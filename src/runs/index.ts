// dpsgd/trainer: DP-SGD from a plan to weights and a ledger. Node only.
export { checkIsolation, MixedExamplesError } from "../engines/isolation.js";
export { OutOfMemoryError } from "../engines/outOfMemory.js";
export { BackendUnavailableError } from "../engines/tensorflow/startBackend.js";
export { findMicroBatch } from "../engines/threads/findMicroBatch.js";
export { defaultMicroBatch } from "../engines/threads/microBatchSize.js";
export {
  type EngineOptions,
  MOST_WORKERS,
  startThreads,
  WorkerFailedError,
} from "../engines/threads/threads.js";
export type { DeviceEnvironment } from "../engines/webgpu/engine.js";
export { epsilonSpent } from "../planner/epsilonSpent.js";
export {
  BACKEND_NAMES,
  type BackendChoice,
  type BackendName,
  ENGINE_NAMES,
} from "../trainer/backendNames.js";
export * from "../trainer/gradientEngine.js";
export { Network } from "../trainer/layers/network.js";
export * from "../trainer/layers/spec.js";
export * from "../trainer/models/index.js";
export * from "../trainer/models/matchWeights.js";
export * from "../trainer/random/index.js";
export * from "../trainer/safetensors.js";
export {
  OPTIMIZER_NAMES,
  type OptimizerName,
  type RunOptions,
  type RunSettings,
} from "../trainer/settings.js";
export type { FineTuning } from "../trainer/startingValues.js";
export type { EngineTimes, StepTimes } from "../trainer/stepTimes.js";
export * from "./canaries.js";
export { type Checkpoint, CheckpointError, CheckpointStore, decodeCheckpoint } from "./checkpoint.js";
export * from "./data/index.js";
export * from "./features/index.js";
export * from "./ledgerFile.js";
export * from "./models/layersModel.js";
export * from "./models/loadLayersModel.js";
export * from "./models/readWeights.js";
export * from "./paidSearch.js";
export * from "./recipes.js";
export { ROUNDING_EXAMPLES, type RoundingRun, trainWithRoundingCanary } from "./roundingCanary.js";
export { TrainingStoppedError } from "./run.js";
export * from "./runFolder.js";
export { RunBusyError } from "./runLock.js";
export * from "./secretSearch.js";
export * from "./train.js";
