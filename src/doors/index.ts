// dpsgd: the few things that most people need, in one import. It loads neither TensorFlow.js nor an engine until something trains.
import type { Plan } from "../formats/plan.js";
import type { StoredRun } from "../runs/runFolder.js";
import type { ResumeOptions, TrainOptions, TrainResult } from "../runs/trainOptions.js";
import type { Dataset } from "../trainer/data/dataset.js";

export type { StoredRun } from "../runs/runFolder.js";
export type { ResumeOptions, TrainOptions, TrainProgress, TrainResult } from "../runs/trainOptions.js";
export type { Dataset } from "../trainer/data/dataset.js";
export type { NetworkSpec } from "../trainer/layers/spec.js";
export * from "./browser.js";

/** Trains by DP-SGD as the plan says and leaves plan, ledger, weights and metrics in `options.out`: `train` of dpsgd/trainer. */
export async function train(plan: Plan, options: TrainOptions): Promise<TrainResult> {
  return (await trainer()).train(plan, options);
}

/** Goes on with the run that stopped in the folder `path`, from its newest checkpoint: `resumeTraining` of dpsgd/trainer. */
export async function resumeTraining(path: string, options: ResumeOptions): Promise<TrainResult> {
  return (await trainer()).resumeTraining(path, options);
}

/** A data set by name or path, as `openDataset` of dpsgd/trainer finds it: mnist, IDX, CIFAR, .npy and .npz files, images by class. */
export async function openDataset(name: string): Promise<Dataset> {
  return (await import("../runs/data/loadDataset.js")).openDataset(name);
}

/** What an audit needs of a run folder: `const { plan, ledgerText } = await readRunFolder("runs/first")`. */
export async function readRunFolder(path: string): Promise<StoredRun> {
  return (await import("../runs/runFolder.js")).readRunFolder(path);
}

/** The part that needs TensorFlow.js, which may not be installed beside an accountant. */
async function trainer(): Promise<typeof import("../runs/train.js")> {
  try {
    return await import("../runs/train.js");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const [, missing] = /Cannot find package '([^']+)'/.exec(message) ?? [];
    if (code !== "ERR_MODULE_NOT_FOUND" || missing === undefined) throw error;
    throw new Error(`training needs the package ${missing}: npm install ${missing}`);
  }
}

export type { DeviceEnvironment } from "../engines/webgpu/engine.js";
export type { PrecisionName } from "../engines/webgpu/kernel.js";
export type { ProcessOptions, ResumedFrom } from "../runs/trainOptions.js";
export type { BackendChoice, BackendName } from "../trainer/backendNames.js";
export type { LabelledImages, Scaling } from "../trainer/data/dataset.js";
export type { Conv2dOptions, DenseOptions, LayerSpec } from "../trainer/layers/spec.js";
export type { OptimizerName, RunOptions } from "../trainer/settings.js";
export type { FineTuning } from "../trainer/startingValues.js";
export type { StepTimes } from "../trainer/stepTimes.js";
