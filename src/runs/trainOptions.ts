// What train and resumeTraining may be told: every option known by name, and each of the right kind.
import { callable, flag, oneOf, text, whole } from "../formats/argumentChecks.js";
import { ArgumentError, shown } from "../formats/argumentError.js";
import { checkFields, type FieldsOf } from "../formats/knownFields.js";
import { ENGINE_NAMES } from "../trainer/backendNames.js";
import { RUN_FIELDS } from "../trainer/settings.js";
import type { ProcessOptions, ResumeOptions, TrainOptions } from "./train.js";

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
