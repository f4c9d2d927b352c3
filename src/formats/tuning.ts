// What a search for hyper-parameters costs: the runs that a plan pays for beside, or in place of, its own one.

import { plainNumber } from "../math/plainNumber.js";
import { ArgumentError } from "./argumentError.js";
import { dpSgdEvent, type PrivacyEvent, type RepetitionDistribution } from "./event.js";
import { checkFields, type FieldsOf } from "./knownFields.js";
import type { Plan, PlanRequest, ProxySearch, TuningRuns } from "./plan.js";
import { gammaOf } from "./repetitions.js";

export type { ProxySearch, TuningRuns } from "./plan.js";

/** More runs than this are nobody's search. */
export const MOST_RUNS = 10_000;

/** One DP-SGD run, as a plan and its event describe it. */
interface Run {
  readonly batchSize: number;
  readonly noiseMultiplier: number;
  readonly steps: number;
}

/** The search that a plan pays for: one run of it, and how many there are. */
export interface PlannedSearch extends Run {
  readonly samplingRate: number;
  readonly runs: TuningRuns;
  /** Of a number that is drawn in secret; absent where it is fixed. */
  readonly repetitions?: RepetitionDistribution;
  /** One run of the search. */
  readonly event: PrivacyEvent;
  /** True if the plan's own run follows the search; else it is the search's best. */
  readonly before: boolean;
}

/** The search that a plan pays for, or undefined. */
export function searchOf({ request, ...own }: Plan): PlannedSearch | undefined {
  const run = searchRun(request, own);
  if (run === undefined) return undefined;
  const { tuningRuns = ONE_RUN, finalAfterProxy } = request;
  const { batchSize, noiseMultiplier, steps } = run;
  return {
    batchSize,
    samplingRate: batchSize / request.examples,
    noiseMultiplier,
    steps,
    runs: tuningRuns,
    ...(tuningRuns.kind !== "fixed" && { repetitions: repetitionsOf(tuningRuns) }),
    event: runEvent(request, run),
    before: finalAfterProxy !== undefined,
  };
}

const ONE_RUN: TuningRuns = { kind: "fixed", count: 1 };

/** One run of the search that a request pays for; undefined where it pays for none. */
function searchRun(request: PlanRequest, run: Run): Run | undefined {
  const { finalAfterProxy: proxy, tuningRuns } = request;
  if (proxy === undefined) return tuningRuns && run;
  const { batchSize, noiseMultiplier = run.noiseMultiplier, steps = run.steps } = proxy;
  return { batchSize, noiseMultiplier, steps };
}

/**
 * All that a request's plan spends, with `own` as what its own run spends (default: all steps of `run`): the run; or a
 * search of such runs, the best of which is released; or a search at another batch size, then the run.
 */
export function wholeEvent(
  request: PlanRequest,
  run: Run,
  own: PrivacyEvent = runEvent(request, run),
): PrivacyEvent {
  const each = searchRun(request, run);
  if (each === undefined) return own;
  const { tuningRuns = ONE_RUN, finalAfterProxy } = request;
  const search = searchEvent(tuningRuns, finalAfterProxy ? runEvent(request, each) : own);
  return finalAfterProxy ? { kind: "composed", events: [search, own] } : search;
}

function runEvent({ examples }: PlanRequest, { batchSize, noiseMultiplier, steps }: Run): PrivacyEvent {
  return dpSgdEvent({ samplingRate: batchSize / examples, noiseMultiplier, steps });
}

function searchEvent(runs: TuningRuns, event: PrivacyEvent): PrivacyEvent {
  return runs.kind === "fixed"
    ? { kind: "repeated", count: runs.count, event }
    : { kind: "repeat-and-select", repetitions: repetitionsOf(runs), event };
}

/** The distribution of the number of runs, with its mean turned into its parameter γ. */
export function repetitionsOf(runs: Exclude<TuningRuns, { kind: "fixed" }>): RepetitionDistribution {
  return runs.kind === "poisson"
    ? { kind: "poisson", mean: runs.mean }
    : { kind: "negative-binomial", eta: runs.eta, gamma: gammaOf(runs.eta, runs.mean) };
}

/** The search as options of the command line, each after a space; empty where there is none. */
export function tuningText({ tuningRuns, finalAfterProxy: proxy }: PlanRequest): string {
  const options: (readonly [name: string, value: string | number | undefined])[] = [
    ["tuning-runs", tuningRuns && JSON.stringify(runsText(tuningRuns))],
    ["final-after-proxy", proxy?.batchSize],
    ["proxy-noise-multiplier", proxy?.noiseMultiplier],
    ["proxy-steps", proxy?.steps],
  ];
  return options.map(([name, value]) => (value === undefined ? "" : ` --${name} ${value}`)).join("");
}

/** "negative-binomial(0, 10)", "poisson(10)" or "10". */
export function runsText(runs: TuningRuns): string {
  if (runs.kind === "fixed") return String(runs.count);
  return runs.kind === "poisson" ? `poisson(${runs.mean})` : `negative-binomial(${runs.eta}, ${runs.mean})`;
}

/** Reads what runsText writes. Throws ArgumentError; the numbers are checked with the request. */
export function runsFromText(text: string): TuningRuns {
  const [, name, inside] = /^\s*([a-z-]+)\s*\(([^()]*)\)\s*$/.exec(text) ?? [];
  const numbers = (inside ?? text).split(",").map((part) => plainNumber(part) ?? Number.NaN);
  if (!numbers.some(Number.isNaN)) {
    const [first, second] = numbers as [number, number];
    if (name === undefined && numbers.length === 1) return { kind: "fixed", count: first };
    if (name === "poisson" && numbers.length === 1) return { kind: "poisson", mean: first };
    if (name === "negative-binomial" && numbers.length === 2)
      return { kind: "negative-binomial", eta: first, mean: second };
  }
  throw new ArgumentError(
    "tuningRuns",
    "negative-binomial(η, mean), poisson(mean) or a whole number",
    JSON.stringify(text),
  );
}

const RUNS_FIELDS: { readonly [K in TuningRuns["kind"]]: FieldsOf<Extract<TuningRuns, { kind: K }>> } = {
  "negative-binomial": { kind: true, eta: true, mean: true },
  poisson: { kind: true, mean: true },
  fixed: { kind: true, count: true },
};
const PROXY_FIELDS = { batchSize: true, noiseMultiplier: true, steps: true } satisfies FieldsOf<ProxySearch>;

/** Throws ArgumentError unless the request's search is one that can be paid for. */
export function checkTuning({ examples, tuningRuns, finalAfterProxy }: PlanRequest): void {
  if (tuningRuns !== undefined) {
    const { kind, eta, mean, count } = { ...tuningRuns } as Record<string, unknown>;
    const fields = Object.hasOwn(RUNS_FIELDS, String(kind)) && RUNS_FIELDS[kind as TuningRuns["kind"]];
    if (fields) checkFields("tuningRuns", tuningRuns, fields, { path: "tuningRuns" });
    if (kind === "fixed") {
      if (!(Number.isSafeInteger(count) && Number(count) >= 1 && Number(count) <= MOST_RUNS))
        throw new ArgumentError("tuningRuns", `a whole number in [1, ${MOST_RUNS}]`, String(count));
    } else if (kind === "poisson") {
      if (!within(mean, 0, MOST_RUNS))
        throw new ArgumentError("tuningRuns", `of a mean in (0, ${MOST_RUNS}]`, String(mean));
    } else if (kind === "negative-binomial") {
      if (!within(eta, -1, 100)) throw new ArgumentError("tuningRuns", "of an η in (-1, 100]", String(eta));
      if (!within(mean, 1, MOST_RUNS))
        throw new ArgumentError("tuningRuns", `of a mean in (1, ${MOST_RUNS}]`, String(mean));
    } else throw new ArgumentError("tuningRuns", "of kind negative-binomial, poisson or fixed", String(kind));
  }
  if (finalAfterProxy !== undefined) {
    checkFields("finalAfterProxy", finalAfterProxy, PROXY_FIELDS, { path: "finalAfterProxy" });
    const { batchSize, noiseMultiplier, steps } = { ...finalAfterProxy } as Record<string, unknown>;
    if (!within(batchSize, 0, examples))
      throw new ArgumentError(
        "finalAfterProxy",
        `of a batch size in (0, examples ${examples}]`,
        String(batchSize),
      );
    if (noiseMultiplier !== undefined && !within(noiseMultiplier, 0, Number.MAX_VALUE))
      throw new ArgumentError(
        "finalAfterProxy",
        "of a noise multiplier > 0 and finite",
        String(noiseMultiplier),
      );
    if (steps !== undefined && !(Number.isSafeInteger(steps) && within(steps, 0, 1e9)))
      throw new ArgumentError("finalAfterProxy", "of a whole number of steps in [1, 1e9]", String(steps));
  }
}

/** In (low, high]. */
function within(value: unknown, low: number, high: number): boolean {
  return typeof value === "number" && value > low && value <= high;
}
