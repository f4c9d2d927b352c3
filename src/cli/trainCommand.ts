// dpsgd train: runs a plan and leaves a run folder with weights and ledger; goes on with one that stopped.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { AuditReport } from "../audit/index.js";
import { type Plan, PlanFormatError, planFromJson, roundedDown } from "../planner/index.js";
import {
  checkModelName,
  ENGINE_NAMES,
  type FineTuning,
  loadLayersModel,
  MODEL_NAMES,
  MOST_WORKERS,
  OPTIMIZER_NAMES,
  type ProcessOptions,
  type ResumedFrom,
  RUN_FILES,
  readWeights,
  resumeTraining,
  storedSettings,
  type TrainOptions,
  type TrainResult,
  train,
} from "../trainer/index.js";
import { auditFolder } from "./auditRuns.js";
import { BUDGET, withinBudget } from "./budgetRun.js";
import type { VerbHelp } from "./help.js";
import { DATA, FEATURE_CACHE, openData } from "./openData.js";
import {
  type Arguments,
  fileProblem,
  type Option,
  positive,
  readArguments,
  readChoice,
  readNumbers,
  readText,
  UsageError,
  whole,
} from "./options.js";
import { printJson, printRows, say, shellWord, tell } from "./print.js";
import { showProgress } from "./progress.js";
import { writeRunReport } from "./runReport.js";

export const BACKEND: Option = {
  name: "backend",
  value: "NAME",
  help: `auto (the first that starts), ${ENGINE_NAMES.join(", ")}`,
  otherwise: "auto",
};
const PRECISIONS = ["float16x2", "float16", "float32"] as const;
const PRECISION: Option = {
  name: "precision",
  value: "NAME",
  help: `of webgpu: ${PRECISIONS.join(", ")}; the other backends compute in float32`,
  otherwise: "float16x2",
};
export const WORKERS: Option = {
  name: "workers",
  value: "n",
  help: "threads",
  // The same words on every machine, whatever its number of cores.
  range: {
    allowed: "a whole number in [1, 16], or up to four a core",
    accepts: (value) => whole(1, MOST_WORKERS).accepts(value),
  },
  otherwise: "one a core",
};
const MODEL: Option = {
  name: "model",
  value: "NAME|FILE",
  help: `${MODEL_NAMES.join(", ")}, or the model.json of a TensorFlow.js layers model`,
};
const WEIGHTS: Option = {
  name: "weights",
  value: "FILE",
  help: "start from these: safetensors, or the model.json of a TensorFlow.js model",
};
const RESET: Option = {
  name: "reset",
  value: "NAMES",
  help: "with weights: parameters that start anew all the same; * stands for any text, commas between",
};
const FREEZE: Option = {
  name: "freeze",
  value: "NAMES",
  help: "with weights: parameters that are not trained; body stands for all but the last layer's",
};
const LEARNING_RATE: Option = {
  name: "learning-rate",
  value: "x",
  help: "per unit of mean clipped gradient; also over the step t of T, as in 2*(1-t/T)",
  range: positive,
  otherwise: "2",
};
const AUTO_S: Option = {
  name: "auto-s",
  value: "γ",
  help: "automatic clipping by g/(|g| + γ) in place of a clip norm",
  range: positive,
};
const OPTIMIZER: Option = {
  name: "optimizer",
  value: "NAME",
  help: `${OPTIMIZER_NAMES.join(", ")}; corrected: for the noise in the second moment`,
  otherwise: "sgd",
};
const OUT: Option = {
  name: "out",
  value: "DIR",
  help: "a new or empty folder for the run: plan.json, ledger.jsonl, weights, metrics",
};
const RESUME: Option = {
  name: "resume",
  value: "DIR",
  help: "instead of PLAN and --out: go on with the run that stopped in this folder, as it began",
};
const CHECKPOINT_EVERY: Option = {
  name: "checkpoint-every",
  value: "n",
  help: "steps between checkpoints, the most that a crash can lose",
  range: whole(1),
  otherwise: "a hundredth of the run",
};
const REDO: Option = {
  name: "redo-lost-steps",
  help: "with --resume: do steps again that are in the ledger but not in the weights; epsilon is then higher than planned",
};
const MICRO_BATCH: Option = {
  name: "micro-batch",
  value: "n|auto",
  help: "examples whose gradients are held at once; auto tries sizes. Memory and speed only",
  range: whole(1),
  otherwise: "64 images, all their views counted",
};
const OPTIONS: readonly Option[] = [
  DATA,
  FEATURE_CACHE,
  MODEL,
  OUT,
  BACKEND,
  PRECISION,
  WORKERS,
  MICRO_BATCH,
  WEIGHTS,
  RESET,
  FREEZE,
  LEARNING_RATE,
  {
    name: "clip-norm",
    value: "C",
    help: "gradient norm from which on gradients are clipped",
    range: positive,
    otherwise: "1",
  },
  AUTO_S,
  OPTIMIZER,
  {
    name: "momentum",
    value: "x",
    help: "of the gradient descent",
    range: { allowed: "in [0, 1)", accepts: (value) => value >= 0 && value < 1 },
    otherwise: "0",
  },
  {
    name: "augmentation",
    value: "K",
    help: "augmented views an example",
    range: whole(0),
    otherwise: "0, the images as they are",
  },
  {
    name: "seed-augmentation",
    value: "n",
    help: "seed of the views, never of sampling or noise",
    range: whole(0),
    otherwise: "random",
  },
  {
    name: "evaluations",
    value: "n",
    help: "looks at the public test set before the last, evenly spread",
    range: whole(0),
    otherwise: "4",
  },
  BUDGET,
  CHECKPOINT_EVERY,
  RESUME,
  REDO,
  {
    name: "log-private-metrics",
    help: "also store accuracy, loss and times of the private training: outside the guarantee, and the audit says so",
  },
];

/** What may be said about a run that is resumed: the rest stays as it began. */
const WITH_RESUME = new Set(
  [DATA, FEATURE_CACHE, BACKEND, PRECISION, WORKERS, MICRO_BATCH, BUDGET, CHECKPOINT_EVERY, RESUME, REDO].map(
    ({ name }) => name,
  ),
);

export const TRAIN_HELP: VerbHelp = {
  usage: "dpsgd train PLAN | --resume DIR",
  summary: "DP-SGD as the plan says, on real data",
  positional: { name: "PLAN", help: "file written by dpsgd plan --out" },
  options: OPTIONS,
  notes: [
    "Ctrl-C (or SIGTERM) stops after the step in hand and saves a checkpoint, a second one stops at once; either way, and after a crash, the ledger is true and --resume goes on.",
    "Exit status: 0 trained, 1 stopped before the end or refused by the budget, 2 wrong usage, 3 a fault such as a full disk.",
  ],
  examples: [
    "dpsgd train plan.json --data mnist --model cnn --out runs/first",
    "dpsgd train --resume runs/first",
  ],
};

export async function trainCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, { options: OPTIONS, positionals: 1 });
  if (values.resume !== undefined) return resumeCommand(values, positionals);
  if (values[REDO.name]) throw new UsageError(`--${REDO.name} must be given with --resume only`);
  const path = positionals[0];
  if (path === undefined) throw new UsageError("PLAN is missing: the file that dpsgd plan --out wrote");
  const dataName = readText(values, DATA);
  const modelName = readText(values, MODEL);
  if (!modelName.endsWith(".json")) checkModelName(modelName);
  const out = readText(values, OUT);
  const options = await trainingOptions(values);
  const fineTuning = readFineTuning(values);
  const plan = readPlan(path);
  const data = await openData(dataName, featureCache(values));
  const budget = values.budget === undefined ? undefined : readText(values, BUDGET);
  const model = modelName.endsWith(".json")
    ? await modelFromFile(modelName, fineTuning.weights !== undefined)
    : { model: modelName };
  const result = await withinBudget(budget, { plan, out }, () =>
    runTraining(plan, { data, dataSource: dataName, out, ...options, ...model, ...fineTuning }),
  );
  return showResult(result, plan, values);
}

/** --resume DIR: the plan, the settings and the name of the data are those in the folder. */
async function resumeCommand(values: Arguments["values"], positionals: readonly string[]): Promise<number> {
  if (positionals.length > 0)
    throw new UsageError(`PLAN must not be given with --resume: the run has its own, got ${positionals[0]}`);
  for (const { name } of OPTIONS)
    if (values[name] !== undefined && !WITH_RESUME.has(name))
      throw new UsageError(`--${name} must not be given with --resume: the run goes on as it began`);
  const out = readText(values, RESUME);
  const { dataSource } = storedSettings(out);
  const options = await trainingOptions(values);
  const plan = readPlan(join(out, RUN_FILES.plan));
  const name = values.data === undefined ? dataSource : readText(values, DATA);
  const data = await openData(name, featureCache(values));
  const budget = values.budget === undefined ? undefined : readText(values, BUDGET);
  const result = await withinBudget(budget, { plan, out }, () =>
    supervised(plan, out, (process, begin) =>
      resumeTraining(out, {
        ...process,
        data,
        ...options,
        redoLostSteps: values[REDO.name] === true,
        onBackend: tellBackend,
        onResume(found) {
          tellResumed(found);
          begin();
        },
      }),
    ),
  );
  return showResult(result, plan, values);
}

function featureCache(values: Arguments["values"]): { readonly cache?: string } {
  return values[FEATURE_CACHE.name] === undefined ? {} : { cache: readText(values, FEATURE_CACHE) };
}

function tellResumed({ steps, lost, left }: ResumedFrom): void {
  const missing =
    lost === 0
      ? ""
      : `; ${lost} of them ${lost === 1 ? "is" : "are"} not in the weights, which a crash lost: spent all the same`;
  tell(`resumed after step ${steps}${missing}; ${left} to go`);
}

function showResult(result: TrainResult, plan: Plan, values: Arguments["values"]): number {
  reportOn(result.out, plan);
  if (values.json) printJson(result);
  else {
    say("trained");
    printRows([
      [
        "steps",
        `${result.steps}${result.lostSteps > 0 ? `, ${result.lostSteps} of them lost in crashes` : ""}`,
      ],
      ["test accuracy", `${roundedDown(100 * result.testAccuracy, 4)} %`],
      ["time", `${Math.ceil(result.seconds)} s`],
      ["run folder", result.out],
      ["report", join(result.out, RUN_FILES.report)],
    ]);
    say(`\naudit it: dpsgd audit ${shellWord(result.out)}`);
  }
  return 0;
}

/** Audits a finished run and writes its report; one that cannot be written spoils nothing. */
export function reportOn(out: string, plan: Plan): AuditReport {
  const report = auditFolder(out);
  try {
    writeRunReport(out, plan, report, `dpsgd audit ${shellWord(out)}`);
  } catch (error) {
    tell(`warning: no report: ${(error as Error).message}`);
  }
  return report;
}

export function tellBackend({ name, reason }: TrainResult["backend"]): void {
  tell(`backend: ${name} (${reason})`);
}

/** Trains with progress, the backend's choice and warnings on standard error; Ctrl-C stops after the step in hand. */
export function runTraining(
  plan: Plan,
  options: TrainOptions & { readonly out: string },
): Promise<TrainResult> {
  return supervised(plan, options.out, (process, begin) =>
    train(plan, {
      ...process,
      ...options,
      onBackend(backend) {
        (options.onBackend ?? tellBackend)(backend);
        begin();
      },
    }),
  );
}

/**
 * Runs `training` with progress and warnings on standard error; signals stop it after the step in hand. `begin` is called
 * when all is ready for the first step: whatever stops it from then on leaves a run to go on with.
 */
async function supervised(
  plan: Plan,
  out: string,
  training: (options: Omit<ProcessOptions, "data">, begin: () => void) => Promise<TrainResult>,
): Promise<TrainResult> {
  const progress = showProgress(plan);
  const stopping = new AbortController();
  let began = false;
  const stop = () => {
    progress.stop();
    tell("stopping after the step in hand; Ctrl-C again stops at once");
    stopping.abort();
  };
  for (const signal of STOPPING) process.once(signal, stop);
  try {
    return await training(
      {
        onProgress: (each) => {
          if (!stopping.signal.aborted) progress.update(each);
        },
        onWarning: (message) => {
          // The bar ends on a line of its own and starts again below.
          progress.stop();
          tell(`warning: ${message}`);
        },
        signal: stopping.signal,
      },
      () => {
        began = true;
        progress.begin();
      },
    );
  } catch (error) {
    progress.stop();
    if (began) tell(`go on with: dpsgd train --resume ${shellWord(out)}`);
    throw error;
  } finally {
    progress.stop();
    for (const signal of STOPPING) process.off(signal, stop);
  }
}

/** Ctrl-C; the end of a batch job; the terminal that was closed. */
const STOPPING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** A saved layers model: its network, and its weights unless others are given. */
async function modelFromFile(path: string, otherWeights: boolean) {
  const { network, weights, difference } = await loadLayersModel(path);
  tell(
    `model: ${path}, ${network.layers.length} layers; outputs as the original's to ${difference.toExponential(0)}`,
  );
  return { model: network, ...(!otherWeights && { weights }) };
}

function readFineTuning(values: Arguments["values"]): FineTuning {
  const names = (option: Option) =>
    values[option.name] === undefined ? undefined : readText(values, option).split(",");
  const [reset, freeze] = [RESET, FREEZE].map(names);
  return {
    ...(values.weights !== undefined && { weights: readWeights(readText(values, WEIGHTS)) }),
    ...(reset && { reset }),
    ...(freeze && { freeze }),
  };
}

async function trainingOptions(values: Arguments["values"]): Promise<Partial<TrainOptions>> {
  const auto = values["micro-batch"] === "auto";
  // Over t it is a schedule, which only training can evaluate; else a number as any other.
  const rate = values["learning-rate"];
  const scheduled = typeof rate === "string" && /\bt\b/.test(rate) ? rate : undefined;
  if (values["auto-s"] !== undefined && values["clip-norm"] !== undefined)
    throw new UsageError("--auto-s must be given without --clip-norm: it takes its place");
  const readable = {
    ...values,
    ...(auto && { "micro-batch": undefined }),
    ...(scheduled && { "learning-rate": undefined }),
  };
  const numbers = await readNumbers(readable, OPTIONS);
  const given: Partial<Record<keyof TrainOptions, unknown>> = {
    backend: readChoice(values, "backend", ["auto", ...ENGINE_NAMES], "auto"),
    precision: readChoice(values, "precision", PRECISIONS, "float16x2"),
    workers: numbers.workers,
    microBatch: auto ? "auto" : numbers["micro-batch"],
    augmentation: numbers.augmentation,
    seedAugmentation: numbers["seed-augmentation"],
    learningRate: scheduled ?? numbers["learning-rate"],
    clipNorm: numbers["clip-norm"],
    clipGamma: numbers["auto-s"],
    optimizer:
      values.optimizer === undefined ? undefined : readChoice(values, "optimizer", OPTIMIZER_NAMES, "sgd"),
    momentum: numbers.momentum,
    evaluations: numbers.evaluations,
    checkpointEvery: numbers["checkpoint-every"],
    logPrivateMetrics: values["log-private-metrics"] === true,
  };
  return Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  ) as Partial<TrainOptions>;
}

export function readPlan(path: string): Plan {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`PLAN must be a readable file, got ${path} (${fileProblem(error)})`);
  }
  try {
    return planFromJson(text);
  } catch (error) {
    if (error instanceof PlanFormatError) throw new UsageError(`PLAN ${path}: ${error.message}`);
    throw error;
  }
}
