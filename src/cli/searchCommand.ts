// dpsgd search: a search for hyper-parameters under a plan that pays for it; how many runs it has stays secret.
import { join } from "node:path";
import { ArgumentError } from "../formats/argumentError.js";
import { roundedDown } from "../formats/rounded.js";
import { searchOf } from "../formats/tuning.js";
import { sweepValues } from "../planner/sweep.js";
import { paidSearch, SEARCH_FILE, type SearchRanges } from "../runs/paidSearch.js";
import { TrainingStoppedError } from "../runs/run.js";
import { BACKEND_NAMES } from "../trainer/backendNames.js";
import { MODEL_NAMES } from "../trainer/models/index.js";
import type { VerbHelp } from "./help.js";
import { DATA, openData } from "./openData.js";
import {
  type Arguments,
  type Option,
  readArguments,
  readChoice,
  readNumbers,
  readText,
  UsageError,
  whole,
} from "./options.js";
import { printJson, printRows, say, shellWord, tell } from "./print.js";
import { readProvenPlan, tellBackend } from "./trainCommand.js";
import { BACKEND, WORKERS } from "./trainOptions.js";

const MODEL: Option = { name: "model", value: "NAME", help: MODEL_NAMES.join(", ") };
const OUT: Option = {
  name: "out",
  value: "DIR",
  help: "a new or empty folder for what is released: the best run's folder, or, before a final run, its hyper-parameters alone",
};
/** Each run draws one value of each, at random. */
const DRAWN = [
  { option: "learning-rate", field: "learningRate", otherwise: "2", least: 0, most: Infinity },
  { option: "clip-norm", field: "clipNorm", otherwise: "1", least: 0, most: Infinity },
  { option: "momentum", field: "momentum", otherwise: "0", least: -Number.MIN_VALUE, most: 1 },
] as const;

const OPTIONS: readonly Option[] = [
  DATA,
  MODEL,
  OUT,
  ...DRAWN.map(({ option, otherwise }) => ({
    name: option,
    value: "VALUES",
    help: "what each run draws from: FIRST:LAST:xFACTOR, FIRST:LAST:+STEP or A,B,C",
    otherwise,
  })),
  BACKEND,
  WORKERS,
  {
    name: "augmentation",
    value: "K",
    help: "augmented views an example",
    range: whole(0),
    otherwise: "0, the images as they are",
  },
];

export const SEARCH_HELP: VerbHelp = {
  usage: "dpsgd search PLAN",
  summary: "a search for hyper-parameters, under a plan that pays for it",
  about: [
    "Draws a secret number of runs from the plan's distribution, trains each with hyper-parameters drawn at random, keeps the one that does best on the public test set, and deletes the others. No progress is shown: the number of runs must stay as secret as the noise, and so must how long the search took.",
  ],
  positional: { name: "PLAN", help: "file written by dpsgd plan --tuning-runs --out" },
  options: OPTIONS,
  notes: [
    "A plan pays for one search. Searching again, stopping early or leaving a run out is another mechanism, which it does not cover.",
    "Exit status: 0 found, 1 stopped, or no run was drawn, 2 wrong usage, 3 a fault such as a full disk.",
  ],
  examples: [
    "dpsgd search plan.json --data mnist --model linear --learning-rate 0.5:8:x2 --clip-norm 0.1,1 --out runs/best",
  ],
};

export async function searchCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, { options: OPTIONS, positionals: 1 });
  const path = positionals[0];
  if (path === undefined)
    throw new UsageError("PLAN is missing: the file that dpsgd plan --tuning-runs --out wrote");
  const dataName = readText(values, DATA);
  readText(values, MODEL);
  const model = readChoice(values, "model", MODEL_NAMES, "");
  const out = readText(values, OUT);
  const ranges: SearchRanges = Object.fromEntries(
    DRAWN.map((each) => [each.field, readChoices(values, each)]),
  );
  const { workers, augmentation } = await readNumbers(values, OPTIONS);
  const backend = readChoice(values, "backend", ["auto", ...BACKEND_NAMES], "auto");
  const paid = readProvenPlan(path);
  const search = searchOf(paid);
  if (!search?.repetitions)
    throw new UsageError(
      `PLAN ${path} pays for no search with a secret number of runs: plan with --tuning-runs "negative-binomial(0, 10)"`,
    );
  const data = await openData(dataName);
  const found = await stoppable((signal) =>
    paidSearch(paid, ranges, {
      data,
      model,
      out,
      backend,
      signal,
      onBackend: tellBackend,
      ...(workers !== undefined && { workers }),
      ...(augmentation !== undefined && { augmentation }),
    }),
  );
  if (found === "stopped")
    return no(values, "stopped: nothing was kept; the runs that were done are spent all the same");
  if (found === undefined)
    return no(
      values,
      "the search drew no run, an outcome like any other: nothing is released, and this plan pays for no second search",
    );
  if (values.json) printJson({ out, ...found });
  else {
    say("found");
    printRows([
      ["learning rate", String(found.learningRate)],
      ["clip norm", String(found.clipNorm)],
      ["momentum", String(found.momentum)],
      ["test accuracy", `${roundedDown(100 * found.testAccuracy, 4)} %`],
      [search.before ? "hyper-parameters" : "run folder", search.before ? join(out, SEARCH_FILE) : out],
    ]);
    const rest = `--learning-rate ${found.learningRate} --clip-norm ${found.clipNorm} --momentum ${found.momentum}`;
    const line = `${shellWord(path)} --data ${shellWord(dataName)} --model ${shellWord(model)} ${rest} --out DIR`;
    say(
      search.before ? `\ntrain with them: dpsgd train ${line}` : `\naudit it: dpsgd audit ${shellWord(out)}`,
    );
  }
  return 0;
}

/** SIGINT and SIGTERM stop the work after the step in hand. */
async function stoppable<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T | "stopped"> {
  const stopping = new AbortController();
  const stop = () => {
    tell("stopping after the step in hand");
    stopping.abort();
  };
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  try {
    return await work(stopping.signal);
  } catch (error) {
    if (error instanceof TrainingStoppedError) return "stopped";
    throw error;
  } finally {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  }
}

function readChoices(
  values: Arguments["values"],
  { option, otherwise, least, most }: (typeof DRAWN)[number],
): number[] {
  const text = String(values[option] ?? otherwise);
  let choices: number[];
  try {
    choices = sweepValues(text);
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    throw new ArgumentError(option, error.allowed, error.found);
  }
  for (const each of choices)
    if (!(each > least && each < most))
      throw new UsageError(
        `--${option} must have values ${most === 1 ? "in [0, 1)" : "> 0 and finite"}, got ${each}`,
      );
  return choices;
}

function no(values: Arguments["values"], reason: string): number {
  if (values.json) printJson({ answer: "no", reason });
  tell(`dpsgd search: ${reason}`);
  return 1;
}
