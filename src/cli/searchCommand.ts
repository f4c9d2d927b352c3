// dpsgd search: a search for hyper-parameters under a plan that pays for it; how many runs it has stays secret.
import { randomInt } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { ArgumentError } from "../formats/argumentError.js";
import type { Plan } from "../formats/plan.js";
import { roundedDown } from "../formats/rounded.js";
import { type PlannedSearch, searchOf } from "../formats/tuning.js";
import { plan } from "../planner/solve.js";
import { sweepValues } from "../planner/sweep.js";
import { fileProblem } from "../runs/fileProblem.js";
import { TrainingStoppedError } from "../runs/run.js";
import { secretSearch } from "../runs/secretSearch.js";
import { train } from "../runs/train.js";
import type { TrainOptions } from "../runs/trainOptions.js";
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
type Drawn = Record<(typeof DRAWN)[number]["field"], number>;

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
  const choices = DRAWN.map((each) => ({ ...each, values: readChoices(values, each) }));
  const { workers, augmentation } = await readNumbers(values, OPTIONS);
  const backend = readChoice(values, "backend", ["auto", ...BACKEND_NAMES], "auto");
  const paid = readProvenPlan(path);
  const search = searchOf(paid);
  if (!search?.repetitions)
    throw new UsageError(
      `PLAN ${path} pays for no search with a secret number of runs: plan with --tuning-runs "negative-binomial(0, 10)"`,
    );
  const options: TrainOptions = {
    data: await openData(dataName),
    model,
    out,
    backend,
    ...(workers !== undefined && { workers }),
    ...(augmentation !== undefined && { augmentation }),
  };
  const draw = (): Drawn =>
    Object.fromEntries(
      choices.map(({ field, values: from }) => [field, from[randomInt(from.length)]]),
    ) as Drawn;
  const found = await carryOut(paid, { ...search, repetitions: search.repetitions }, options, draw);
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
      [search.before ? "hyper-parameters" : "run folder", search.before ? join(out, FOUND) : out],
    ]);
    const rest = `--learning-rate ${found.learningRate} --clip-norm ${found.clipNorm} --momentum ${found.momentum}`;
    const line = `${shellWord(path)} --data ${shellWord(dataName)} --model ${shellWord(model)} ${rest} --out DIR`;
    say(
      search.before ? `\ntrain with them: dpsgd train ${line}` : `\naudit it: dpsgd audit ${shellWord(out)}`,
    );
  }
  return 0;
}

/** What the search chose, beside the run's own files. */
const FOUND = "search.json";

type Found = Drawn & { readonly testAccuracy: number };

/** At no time are there more than two runs' folders, so that what is left after a crash does not tell how many there were. */
async function carryOut(
  paid: Plan,
  search: PlannedSearch & Required<Pick<PlannedSearch, "repetitions">>,
  options: TrainOptions,
  draw: () => Drawn,
): Promise<Found | "stopped" | undefined> {
  const out = resolve(options.out);
  const kept = makeEmpty(out);
  const best = join(kept, "best");
  const next = join(kept, "next");
  const runPlan = search.before ? planOfOne(paid, search) : paid;
  const stopping = new AbortController();
  const stop = () => {
    tell("stopping after the step in hand");
    stopping.abort();
  };
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  let told = false;
  let highest = -Infinity;
  try {
    const found = await secretSearch(search.repetitions, async () => {
      const drawn = draw();
      rmSync(next, { recursive: true, force: true });
      const { testAccuracy } = await train(runPlan, {
        ...options,
        ...drawn,
        out: next,
        signal: stopping.signal,
        // Said once, so that the number of times does not count the runs.
        onBackend: (choice) => {
          if (!told) tellBackend(choice);
          told = true;
        },
        onWarning: () => {},
      });
      const score = testAccuracy >= 0 ? testAccuracy : -Infinity;
      if (score > highest || !existsSync(best)) {
        highest = score;
        rmSync(best, { recursive: true, force: true });
        renameSync(next, best);
      }
      return { outcome: { ...drawn, testAccuracy }, score };
    });
    if (found === undefined) return undefined;
    if (search.before) rmSync(best, { recursive: true });
    const released = search.before ? out : best;
    writeFileSync(join(released, FOUND), `${JSON.stringify(found, null, 2)}\n`);
    if (!search.before) renameSync(best, out);
    return found;
  } catch (error) {
    if (error instanceof TrainingStoppedError) return "stopped";
    throw error;
  } finally {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
    rmSync(kept, { recursive: true, force: true });
  }
}

/** Makes `out`, which must be new or empty, and a folder beside it for the runs. */
function makeEmpty(out: string): string {
  try {
    mkdirSync(out, { recursive: true });
    if (readdirSync(out).length > 0)
      throw new UsageError(`--out must be a new or empty folder, got ${out} with files in it`);
    return mkdtempSync(join(dirname(out), ".search-"));
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`--out must be a folder that can be written, got ${out} (${fileProblem(error)})`);
  }
}

/** One run of a search that comes before the final run. */
function planOfOne({ request, achieved }: Plan, { batchSize, noiseMultiplier, steps }: PlannedSearch): Plan {
  const { examples, neighboring } = request;
  return plan({ examples, neighboring, batchSize, noiseMultiplier, steps, delta: achieved.delta });
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
