// A search for hyper-parameters that a plan pays for: a secret number of runs, of which the best is released.
import { randomInt } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fraction, positive } from "../formats/argumentChecks.js";
import { ArgumentError, shown } from "../formats/argumentError.js";
import { checkFields, type FieldsOf } from "../formats/knownFields.js";
import type { Plan } from "../formats/plan.js";
import { type PlannedSearch, searchOf } from "../formats/tuning.js";
import { plan } from "../planner/solve.js";
import { fileProblem } from "./fileProblem.js";
import { checkProven } from "./provenPlan.js";
import { secretSearch } from "./secretSearch.js";
import { train } from "./train.js";
import type { TrainOptions } from "./trainOptions.js";
import { checkTrainOptions } from "./trainOptions.js";

/** What each run draws from, one value of each, at random. */
export interface SearchRanges {
  /** Default: 2 alone. */
  readonly learningRate?: readonly number[];
  /** Default: 1 alone. */
  readonly clipNorm?: readonly number[];
  /** Default: 0 alone. */
  readonly momentum?: readonly number[];
}

/** What was drawn for one run of a search. */
export type DrawnSettings = { readonly [F in keyof Required<SearchRanges>]: number };

/** What a search chose, and how well that did on the public test set. */
export interface SearchResult extends DrawnSettings {
  readonly testAccuracy: number;
}

/** Those of train, but for what is drawn, and what would tell how many runs there are. */
export type SearchOptions = Omit<
  TrainOptions,
  keyof SearchRanges | "clipGamma" | "budget" | "onProgress" | "onWarning" | "onStepTimes"
>;

const RANGE_FIELDS = { learningRate: true, clipNorm: true, momentum: true } satisfies FieldsOf<SearchRanges>;
const COUNTS = "it would tell how many runs there are";
const NOT_HERE = {
  learningRate: "ranges are drawn from",
  clipNorm: "ranges are drawn from",
  momentum: "ranges are drawn from",
  clipGamma: "ranges of clipNorm are drawn from",
  budget: "a search is not settled by one ledger",
  onProgress: COUNTS,
  onWarning: COUNTS,
  onStepTimes: COUNTS,
};
/** What the search chose, beside the run's own files. */
export const SEARCH_FILE = "search.json";

/**
 * Carries out the search that `paid` pays for: draws a secret number of runs from its distribution, trains each with values drawn
 * at random, keeps the one that does best on the public test set and deletes the others. `out` then holds that run, or, where
 * the plan's own run follows, search.json with what was chosen; undefined if no run was drawn, an outcome like any other.
 *
 * A plan pays for one search. Searching again, stopping early or leaving a run out is another mechanism, which it does not
 * cover. What is not kept and how long it took are as secret as the noise; at no time are there more than two runs' folders.
 * Throws ArgumentError and what train throws; on an abort TrainingStoppedError, with nothing kept.
 */
export async function paidSearch(
  paid: Plan,
  ranges: SearchRanges,
  options: SearchOptions,
): Promise<SearchResult | undefined> {
  for (const [field, why] of Object.entries(NOT_HERE)) {
    const value = (options as Record<string, unknown> | null)?.[field];
    if (value !== undefined)
      throw new ArgumentError(field, `left out: paidSearch has no such option (${why})`, shown(value));
  }
  checkTrainOptions(options);
  const { learningRate, clipNorm, momentum } = checkedRanges(ranges);
  const search = searchOf(paid);
  if (!search?.repetitions)
    throw new ArgumentError(
      "plan",
      'one that pays for a search with a secret number of runs, planned with tuning runs such as "negative-binomial(0, 10)"',
      search ? "a fixed number of runs" : "one that pays for no search",
    );
  checkProven(paid);
  const one = (values: readonly number[]): number => values[randomInt(values.length)]!;
  const draw = (): DrawnSettings => ({
    learningRate: one(learningRate),
    clipNorm: one(clipNorm),
    momentum: one(momentum),
  });
  return carryOut(paid, { ...search, repetitions: search.repetitions }, options, draw);
}

function checkedRanges(ranges: SearchRanges): Required<SearchRanges> {
  checkFields("ranges", ranges, RANGE_FIELDS, { path: "ranges" });
  const { learningRate = [2], clipNorm = [1], momentum = [0] } = ranges;
  for (const [field, values] of Object.entries({ learningRate, clipNorm, momentum })) {
    if (!(Array.isArray(values) && values.length > 0))
      throw new ArgumentError(`ranges.${field}`, "a list of at least one number", shown(values));
    for (const value of values)
      if (field === "momentum") fraction(`ranges.${field}`, value);
      else positive(`ranges.${field}`, value);
  }
  return { learningRate, clipNorm, momentum };
}

async function carryOut(
  paid: Plan,
  search: PlannedSearch & Required<Pick<PlannedSearch, "repetitions">>,
  options: SearchOptions,
  draw: () => DrawnSettings,
): Promise<SearchResult | undefined> {
  const out = resolve(options.out);
  const kept = makeEmpty(out);
  const best = join(kept, "best");
  const next = join(kept, "next");
  const runPlan = search.before ? planOfOne(paid, search) : paid;
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
        // Said once, so that the number of times does not count the runs.
        onBackend: (choice) => {
          if (!told) options.onBackend?.(choice);
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
    writeFileSync(join(released, SEARCH_FILE), `${JSON.stringify(found, null, 2)}\n`);
    if (!search.before) renameSync(best, out);
    return found;
  } finally {
    rmSync(kept, { recursive: true, force: true });
  }
}

/** Makes `out`, which must be new or empty, and a folder beside it for the runs. */
function makeEmpty(out: string): string {
  try {
    mkdirSync(out, { recursive: true });
    if (readdirSync(out).length > 0)
      throw new ArgumentError("out", "a new or empty folder", `${out} with files in it`);
    return mkdtempSync(join(dirname(out), ".search-"));
  } catch (error) {
    if (error instanceof ArgumentError) throw error;
    throw new ArgumentError("out", "a folder that can be written", `${out} (${fileProblem(error)})`);
  }
}

/** One run of a search that comes before the final run. */
function planOfOne({ request, achieved }: Plan, { batchSize, noiseMultiplier, steps }: PlannedSearch): Plan {
  const { examples, neighboring } = request;
  return plan({ examples, neighboring, batchSize, noiseMultiplier, steps, delta: achieved.delta });
}
