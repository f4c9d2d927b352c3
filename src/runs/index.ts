// dpsgd/trainer: DP-SGD from a plan to weights and a ledger. Node only.

export { MixedExamplesError } from "../engines/isolation.js";
export { OutOfMemoryError } from "../engines/outOfMemory.js";
export { BackendUnavailableError } from "../engines/tensorflow/startBackend.js";
export type { DeviceEnvironment } from "../engines/webgpu/engine.js";
export type { PrecisionName } from "../engines/webgpu/kernel.js";
export { ArgumentError } from "../formats/argumentError.js";
export type * from "../formats/eventTypes.js";
export type { Guarantee } from "../formats/guarantee.js";
export type { Plan, PlanRequest } from "../formats/plan.js";
export type { BackendChoice, BackendName } from "../trainer/backendNames.js";
export { type Dataset, DatasetError, type LabelledImages, type Scaling } from "../trainer/data/dataset.js";
export type { DatasetOptions } from "../trainer/data/exampleSource.js";
export { type ExampleSource, readDataset } from "../trainer/data/exampleSource.js";
export { CIFAR_SCALING } from "../trainer/data/normalisation.js";
export type { ScatteringOptions } from "../trainer/features/frontEnd.js";
export { describeNetwork, type NetworkDescription } from "../trainer/layers/describeNetwork.js";
export type * from "../trainer/layers/spec.js";
export { WeightsError } from "../trainer/models/matchWeights.js";
export { decodeSafetensors, type NamedTensor } from "../trainer/safetensors.js";
export type { OptimizerName, RunOptions, RunSettings } from "../trainer/settings.js";
export type { FineTuning } from "../trainer/startingValues.js";
export type { EngineTimes, StepTimes } from "../trainer/stepTimes.js";
export type { CanaryMechanism, CanaryRun } from "./canaries.js";
export { type CanaryOptions, trainWithCanaries } from "./canaries.js";
export type { LoadOptions } from "./data/loadDataset.js";
export { loadDataset, openDataset } from "./data/loadDataset.js";
export { type FeatureOptions, scatteringFeatures } from "./features/extract.js";
export { hashLineNode, LedgerResumeError } from "./ledgerFile.js";
export {
  type ConvertedModel,
  fromLayersModel,
  type LayersModel,
  ModelConversionError,
} from "./models/layersModel.js";
export { loadLayersModel } from "./models/loadLayersModel.js";
export { readWeights } from "./models/readWeights.js";
export {
  type DrawnSettings,
  paidSearch,
  type SearchOptions,
  type SearchRanges,
  type SearchResult,
} from "./paidSearch.js";
export { TrainingStoppedError } from "./run.js";
export { RunFolderError, readRunFolder, type StoredRun } from "./runFolder.js";
export { RunBusyError } from "./runLock.js";
export { secretSearch, type Trial } from "./secretSearch.js";
export { resumeTraining, train } from "./train.js";
export type {
  ProcessOptions,
  ResumedFrom,
  ResumeOptions,
  TrainOptions,
  TrainProgress,
  TrainResult,
} from "./trainOptions.js";
