// What train and resumeTraining may be told: every option known by name, and each of the right kind.
import type { DeviceEnvironment } from "../engines/webgpu/engine.js";
import type { PrecisionName } from "../engines/webgpu/kernel.js";
import { callable, flag, oneOf, text, whole } from "../formats/argumentChecks.js";
import { ArgumentError, shown } from "../formats/argumentError.js";
import { checkFields, type FieldsOf } from "../formats/knownFields.js";
import type { BackendChoice, BackendName } from "../trainer/backendNames.js";
import { ENGINE_NAMES } from "../trainer/backendNames.js";
import type { Dataset } from "../trainer/data/dataset.js";
import type { RunOptions } from "../trainer/settings.js";
import { RUN_FIELDS } from "../trainer/settings.js";
import type { StepTimes } from "../trainer/stepTimes.js";

/** Options that belong to the process: a resumed run may have others. */
export interface ProcessOptions {
  /** Its training images are the private data, and as many as the plan says; its test images count as public. */
  readonly data: Dataset;
  /**
   * Default "auto": webgpu (on hardware, where it can do the run), wasm, cpu, the first that starts. On tfjs-node and
   * tfjs-node-gpu the sensitivity is not proven, and ledger and audit say so (docs/math-clipping.md).
   */
  readonly backend?: BackendName | "auto";
  /** Of the WebGPU engine, default "float16x2" (docs/gpu.md); given where another backend is taken, an error: they compute in float32. */
  readonly precision?: PrecisionName;
  /**
   * Of the WebGPU engine: one process for each entry, with these environment variables, which make its driver show it one
   * card (docs/gpu.md). Default: one process, on the first card. The sum is the same to the last bit with any number.
   */
  readonly devices?: readonly DeviceEnvironment[];
  /** Worker threads, 1 to MOST_WORKERS; with backend webgpu, which has none, an error. Default: one a core on wasm and cpu, one on the native backends (which use all cores themselves). */
  readonly workers?: number;
  /** Examples whose gradients are held at once, or "auto": the fastest found by trying. Memory and speed only. */
  readonly microBatch?: number | "auto";
  /**
   * File of the data set's budget over all runs (docs/budget.md): the plan is reserved there before anything is done, and refused
   * (BudgetExceededError) if it would exceed it; afterwards the run is charged for what its ledger shows.
   */
  readonly budget?: string;
  /** Steps between checkpoints, ≥ 1; default: a hundredth of the run. */
  readonly checkpointEvery?: number;
  /** Called once, when all is ready for the first step: which backend was taken, and why. */
  readonly onBackend?: (backend: BackendChoice) => void;
  readonly onProgress?: (progress: TrainProgress) => void;
  /**
   * Warnings for the operator, not to be published: that a gradient was not finite depends on private data.
   * Default: process.emitWarning.
   */
  readonly onWarning?: (message: string) => void;
  /** Where the time of each step went. Private, for measurements on data that are not: it depends on the batch drawn. */
  readonly onStepTimes?: (times: StepTimes) => void;
  /** Aborting stops after the step in hand and leaves a checkpoint: `resumeTraining` goes on. */
  readonly signal?: AbortSignal;
}

/** How a plan is trained, and where it goes. */
export interface TrainOptions extends RunOptions, ProcessOptions {
  /** Run folder: new or empty. */
  readonly out: string;
}

/** How a stopped run goes on. */
export interface ResumeOptions extends ProcessOptions {
  /**
   * Steps that are in the ledger but not in the weights, because the process died between them and its next checkpoint, are
   * spent. Default false: they count, and training ends that many updates early, within the plan's ε. True: they are done
   * again with fresh samples and noise, and ε is higher than planned.
   */
  readonly redoLostSteps?: boolean;
  /** Called when all is ready for the first step. */
  readonly onResume?: (found: ResumedFrom) => void;
}

/** Where a resumed run goes on. */
export interface ResumedFrom {
  /** In the ledger: spent. */
  readonly steps: number;
  /** How many of them are not in the weights. */
  readonly lost: number;
  /** Still to do. */
  readonly left: number;
}

/** Where a training stands. */
export interface TrainProgress {
  /** Steps in the ledger, lost ones included, and how many there will be. */
  readonly step: number;
  readonly steps: number;
  /** Since this process began: for a progress display, not to be published (it depends on the batches drawn). */
  readonly seconds: number;
  /** To the end, at the rate of this process so far. */
  readonly secondsLeft: number;
  /** Expected examples (steps × expected batch) a second: the drawn number is private. */
  readonly examplesPerSecond: number;
  /** The same times the views of each example. */
  readonly viewsPerSecond: number;
  /** The latest measurement, on the public test set, in [0, 1]; of the averaged weights if there is an average. */
  readonly testAccuracy: number | undefined;
  /** Of the weights after the last step, where the other is that of the average. */
  readonly testAccuracyLast: number | undefined;
}

/** What a training came to. */
export interface TrainResult {
  readonly out: string;
  /** In the ledger. */
  readonly steps: number;
  /** How many of them are not in the weights, see `redoLostSteps`; 0 unless a process died. */
  readonly lostSteps: number;
  /** Of the averaged weights if there is an average, else of the last ones; in [0, 1]. */
  readonly testAccuracy: number;
  /** Of the weights after the last step. */
  readonly testAccuracyLast: number;
  /** Of the averaged weights. */
  readonly testAccuracyAverage: number | undefined;
  readonly backend: BackendChoice;
  readonly workers: number;
  readonly parameters: number;
  /** From the start of this process's first step to the end, rounded up: finer times tell how many examples were drawn. */
  readonly seconds: number;
}

const PROCESS_FIELDS = {
  data: true,
  backend: true,
  precision: true,
  devices: true,
  workers: true,
  microBatch: true,
  budget: true,
  checkpointEvery: true,
  onBackend: true,
  onProgress: true,
  onWarning: true,
  onStepTimes: true,
  signal: true,
} satisfies FieldsOf<ProcessOptions>;

const TRAIN_FIELDS = {
  ...RUN_FIELDS,
  ...PROCESS_FIELDS,
  out: true,
} satisfies FieldsOf<TrainOptions>;
const RESUME_FIELDS = {
  ...PROCESS_FIELDS,
  redoLostSteps: true,
  onResume: true,
} satisfies FieldsOf<ResumeOptions>;

const PLANS = "the plan says it";
/** What other libraries have, and what is in its place here. */
const ELSEWHERE = {
  ...Object.fromEntries(
    ["noiseMultiplier", "epsilon", "delta", "batchSize", "steps", "epochs", "examples", "samplingRate"].map(
      (field) => [field, PLANS],
    ),
  ),
  weightDecay: "weights do not decay",
  nesterov: "momentum is the plain one",
  maxGradNorm: "did you mean clipNorm?",
  l2NormClip: "did you mean clipNorm?",
  lr: "did you mean learningRate?",
  seed: "did you mean seedInitialisation? sampling and noise cannot be seeded",
  poissonSampling: "sampling always is",
  shuffle: "batches are Poisson samples, always",
  gradientAccumulationSteps: "microBatch bounds the memory",
  loss: "it is the cross-entropy, always",
  lossFunction: "it is the cross-entropy, always",
  classWeights: "every example counts the same",
  validationData: "the test images of data are looked at",
} as const;

/** Throws ArgumentError. */
export function checkTrainOptions(options: TrainOptions): void {
  checkFields("train", options, TRAIN_FIELDS, { advice: ELSEWHERE });
  checkProcessOptions(options);
  text("out", options.out);
}

/** Throws ArgumentError. */
export function checkResumeOptions(options: ResumeOptions): void {
  const begun = Object.fromEntries(
    [...Object.keys(RUN_FIELDS), "out"].map((field) => [field, "the run goes on as it began"]),
  );
  checkFields("resumeTraining", options, RESUME_FIELDS, { advice: { ...ELSEWHERE, ...begun } });
  checkProcessOptions(options);
  if (options.redoLostSteps !== undefined) flag("redoLostSteps", options.redoLostSteps);
  if (options.onResume !== undefined) callable("onResume", options.onResume);
}

function checkProcessOptions(options: ProcessOptions): void {
  const { data, backend, checkpointEvery, signal } = options;
  if (!(typeof data === "object" && data !== null && data.train && data.test))
    throw new ArgumentError("data", "a data set with its train and test images", shown(data));
  if (backend !== undefined) oneOf("backend", backend, ["auto", ...ENGINE_NAMES]);
  if (options.budget !== undefined) text("budget", options.budget);
  if (checkpointEvery !== undefined) whole("checkpointEvery", checkpointEvery, 1);
  for (const field of ["onBackend", "onProgress", "onWarning", "onStepTimes"] as const)
    if (options[field] !== undefined) callable(field, options[field]);
  if (!(signal === undefined || signal instanceof AbortSignal))
    throw new ArgumentError("signal", "an AbortSignal", shown(signal));
}
