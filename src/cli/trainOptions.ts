// The options of dpsgd train: what each may be, once for its help, its check and its messages.
import { MOST_WORKERS } from "../engines/threads/threads.js";
import { readWeights } from "../runs/models/readWeights.js";
import type { TrainOptions } from "../runs/trainOptions.js";
import { ENGINE_NAMES } from "../trainer/backendNames.js";
import { MODEL_NAMES } from "../trainer/models/index.js";
import { OPTIMIZER_NAMES } from "../trainer/settings.js";
import type { FineTuning } from "../trainer/startingValues.js";
import { BUDGET } from "./budgetOption.js";
import { DATA, FEATURE_CACHE } from "./openData.js";
import {
  type Arguments,
  type Option,
  positive,
  type Range,
  readChoice,
  readNumbers,
  readText,
  UsageError,
  whole,
} from "./options.js";

const belowOne: Range = { allowed: "in [0, 1)", accepts: (value) => value >= 0 && value < 1 };

export const BACKEND: Option = {
  name: "backend",
  value: "NAME",
  help: `auto (the first of webgpu on a card, wasm and cpu that starts), ${ENGINE_NAMES.join(", ")}; on tfjs-node the sensitivity is not proven (docs/math-clipping.md)`,
  otherwise: "auto",
};
const PRECISIONS = ["float16x2", "float16", "float32"] as const;
const SHORT_PRECISIONS = ["f16x2", "f16", "f32"] as const;
const PRECISION: Option = {
  name: "precision",
  value: "NAME",
  help: `of webgpu only: ${PRECISIONS.join(", ")} (f16x2, f16, f32 for short); the other backends compute in float32`,
  otherwise: "float16x2",
};
const DEVICES: Option = {
  name: "devices",
  value: "LIST",
  help: "of webgpu: a process for each entry; default, or the NAME=VALUE that makes its driver show one card (docs/gpu.md)",
  otherwise: "one, the first card",
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
export const MODEL: Option = {
  name: "model",
  value: "NAME|FILE",
  help: `${MODEL_NAMES.join(", ")}, or the model.json of a TensorFlow.js layers model`,
};
export const WEIGHTS: Option = {
  name: "weights",
  value: "FILE",
  help: "start from these: safetensors (float32, float16 or bfloat16), or the model.json of a TensorFlow.js model",
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
const MOMENTUM: Option = {
  name: "momentum",
  value: "x",
  help: "of the gradient descent",
  range: belowOne,
  otherwise: "0",
};
const EMA: Option = {
  name: "ema",
  value: "x|none",
  help: "decay of the average of the weights over the steps, which is then the result; none: the last weights are",
  range: { ...belowOne, allowed: `${belowOne.allowed}, or none` },
  otherwise: "0.9999, and less in the first steps: min(x, (1+t)/(10+t))",
};
export const OUT: Option = {
  name: "out",
  value: "DIR",
  help: "a new or empty folder for the run: plan.json, ledger.jsonl, weights, metrics",
};
export const RESUME: Option = {
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
export const REDO: Option = {
  name: "redo-lost-steps",
  help: "with --resume: do steps again that are in the ledger but not in the weights; epsilon is then higher than planned",
};
const MICRO_BATCH: Option = {
  name: "micro-batch",
  value: "n|auto",
  help: "examples whose gradients are held at once; auto tries sizes. Memory and speed only",
  range: whole(1),
  otherwise: "64 images, all their views counted; of small networks without views up to 256",
};
/** All of `dpsgd train`, in the order of its help. */
export const TRAIN_OPTIONS: readonly Option[] = [
  DATA,
  FEATURE_CACHE,
  MODEL,
  OUT,
  BACKEND,
  PRECISION,
  DEVICES,
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
  MOMENTUM,
  EMA,
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
export const WITH_RESUME = new Set(
  [
    DATA,
    FEATURE_CACHE,
    BACKEND,
    PRECISION,
    DEVICES,
    WORKERS,
    MICRO_BATCH,
    BUDGET,
    CHECKPOINT_EVERY,
    RESUME,
    REDO,
  ].map(({ name }) => name),
);

export function readFineTuning(values: Arguments["values"]): FineTuning {
  const names = (option: Option) =>
    values[option.name] === undefined ? undefined : readText(values, option).split(",");
  const [reset, freeze] = [RESET, FREEZE].map(names);
  return {
    ...(values.weights !== undefined && { weights: readWeights(readText(values, WEIGHTS)) }),
    ...(reset && { reset }),
    ...(freeze && { freeze }),
  };
}

/** "default,A=1;B=2": the environment of each device's process. */
export function readDevices(text: string): Record<string, string>[] {
  return text.split(",").map((entry) =>
    Object.fromEntries(
      (entry === "default" ? [] : entry.split(";")).map((setting) => {
        const [, name, value] = /^([A-Za-z_]\w*)=(.*)$/.exec(setting) ?? [];
        if (name === undefined || value === undefined)
          throw new UsageError(
            `--devices must be a list of default or NAME=VALUE (several with ; between), got ${JSON.stringify(entry)}`,
          );
        return [name, value];
      }),
    ),
  );
}

export async function trainingOptions(values: Arguments["values"]): Promise<Partial<TrainOptions>> {
  const auto = values["micro-batch"] === "auto";
  const noAverage = values.ema === "none";
  // Over t it is a schedule, which only training can evaluate; else a number as any other.
  const rate = values["learning-rate"];
  const scheduled = typeof rate === "string" && /\bt\b/.test(rate) ? rate : undefined;
  if (values["auto-s"] !== undefined && values["clip-norm"] !== undefined)
    throw new UsageError("--auto-s must be given without --clip-norm: it takes its place");
  const readable = {
    ...values,
    ...(auto && { "micro-batch": undefined }),
    ...(noAverage && { ema: undefined }),
    ...(scheduled && { "learning-rate": undefined }),
  };
  const numbers = await readNumbers(readable, TRAIN_OPTIONS);
  const given: Partial<Record<keyof TrainOptions, unknown>> = {
    backend: readChoice(values, "backend", ["auto", ...ENGINE_NAMES], "auto"),
    precision:
      values.precision === undefined
        ? undefined
        : readChoice(values, "precision", [...PRECISIONS, ...SHORT_PRECISIONS], "float16x2").replace(
            /^f(?=\d)/,
            "float",
          ),
    devices: values.devices === undefined ? undefined : readDevices(readText(values, DEVICES)),
    workers: numbers.workers,
    budget: values.budget === undefined ? undefined : readText(values, BUDGET),
    microBatch: auto ? "auto" : numbers["micro-batch"],
    augmentation: numbers.augmentation,
    seedAugmentation: numbers["seed-augmentation"],
    learningRate: scheduled ?? numbers["learning-rate"],
    clipNorm: numbers["clip-norm"],
    clipGamma: numbers["auto-s"],
    optimizer:
      values.optimizer === undefined ? undefined : readChoice(values, "optimizer", OPTIMIZER_NAMES, "sgd"),
    momentum: numbers.momentum,
    ema: noAverage ? false : numbers.ema,
    evaluations: numbers.evaluations,
    checkpointEvery: numbers["checkpoint-every"],
    logPrivateMetrics: values["log-private-metrics"] === true ? true : undefined,
  };
  return Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  ) as Partial<TrainOptions>;
}

export function featureCache(values: Arguments["values"]): { readonly cache?: string } {
  return values[FEATURE_CACHE.name] === undefined ? {} : { cache: readText(values, FEATURE_CACHE) };
}
