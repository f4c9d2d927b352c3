// The frontier: what each batch size, number of steps and budget would cost and how much noise would remain.

import type { Accountant } from "../accounting/accountant.js";
import { accountant as accountantFor } from "../accounting/accountants.js";
import { ArgumentError } from "../formats/argumentError.js";
import { checkFields, type FieldsOf } from "../formats/knownFields.js";
import { NoSolutionError, type PlanRequest } from "../formats/plan.js";
import { defaultAccountant } from "../formats/request.js";
import { plan } from "./solve.js";

/** Quantities that a sweep may run over. */
export const SWEPT = [
  "examples",
  "batchSize",
  "steps",
  "epochs",
  "noiseMultiplier",
  "epsilon",
  "delta",
] as const;
/** A quantity that a frontier can be swept over. */
export type Swept = (typeof SWEPT)[number];
/** Values for each quantity that is swept. */
export type Axes = Readonly<Partial<Record<Swept, readonly number[]>>>;

/** What turns passes into hours and bytes; all public, none needed. */
export interface FrontierOptions {
  /** Views of each example in a step (augmentation multiplicity K), a whole number ≥ 1. Default 1. */
  readonly views?: number;
  /** Views that one second of training takes through forward and backward pass, as measured. */
  readonly viewsPerSecond?: number;
  /** Trained parameters, for the memory estimate. */
  readonly parameters?: number;
  /** Examples whose gradients are held at once. Default 64. */
  readonly microBatch?: number;
  /** Asked instead of the one that the request names; for the request's neighboring. */
  readonly accountant?: Accountant;
}

const FIELDS = {
  views: true,
  viewsPerSecond: true,
  parameters: true,
  microBatch: true,
  accountant: true,
} satisfies FieldsOf<FrontierOptions>;

/** One combination, with the plan's numbers for it. */
export interface FrontierPoint {
  readonly examples: number;
  readonly batchSize: number;
  readonly steps: number;
  readonly noiseMultiplier: number;
  readonly epsilon: number;
  readonly delta: number;
  /** σ/B: deviation of the noise in an averaged gradient of unit clip norm, per coordinate. */
  readonly averageNoise: number;
  /** σ/(B√T): the same of the mean of all T averaged gradients; what a longer run can average away. */
  readonly runNoise: number;
  readonly epochs: number;
  /** T·B·K: forward-backward passes in expectation. */
  readonly passes: number;
  /** passes ÷ viewsPerSecond, in hours; null without a measured rate. */
  readonly hours: number | null;
  /** Bytes, an estimate: six vectors of all parameters (weights, sum, noise, optimizer, EMA, update) and the micro-batch's gradients. */
  readonly memory: number | null;
  /** η = q√(T/2)/σ and the ε that it stands for, η² + 2η√log(1/δ) [Sander2023, §3]: an estimate for σ ≥ 2, never a bound. */
  readonly tan: { readonly eta: number; readonly epsilon: number };
  /** d log(σ/B) / d log B along the batch sizes swept, all else equal; null where only one was. */
  readonly batchSlope: number | null;
  /** The slope is above −½: a larger batch costs more than it takes away in noise. */
  readonly batchStopsPaying: boolean;
  /** N√(ε/T): where batches stop paying by rule of thumb [McKenna2025]. */
  readonly batchRuleOfThumb: number;
  /** No other point has as few passes and as little run noise (and less of one). */
  readonly pareto: boolean;
  /** Points of one number cost equally many passes (to one part in 10³), cheapest group 0. */
  readonly isoCompute: number;
}

/** A combination that no plan meets. */
export interface FrontierGap {
  readonly at: Readonly<Partial<Record<Swept, number>>>;
  readonly reason: string;
}

/** What each combination of the quantities swept comes to. */
export interface Frontier {
  readonly points: readonly FrontierPoint[];
  readonly gaps: readonly FrontierGap[];
}

/** A larger batch pays while it takes away noise at least as √B. */
const PAYING_SLOPE = -0.5;
const MOST_POINTS = 100_000;

/**
 * Plans every combination of `axes` over `request`; exactly one quantity must be open in each (usually the noise
 * multiplier). Steps and examples of a range are rounded down to whole numbers, and what then is there twice is planned
 * once. Combinations that cannot be met become gaps. Throws ArgumentError for a bad request or axis.
 */
export function frontier(
  request: Partial<PlanRequest>,
  ranges: Axes,
  options: FrontierOptions = {},
): Frontier {
  checkFields("frontier", options, FIELDS);
  const { views = 1, viewsPerSecond, parameters, microBatch = 64 } = options;
  atLeastOne("views", views);
  atLeastOne("microBatch", microBatch);
  if (parameters !== undefined) atLeastOne("parameters", parameters);
  if (viewsPerSecond !== undefined && !(viewsPerSecond > 0 && viewsPerSecond < Infinity))
    throw new ArgumentError("viewsPerSecond", "> 0 and finite", `${viewsPerSecond}`);
  const axes = Object.fromEntries(
    Object.entries(ranges).map(([name, values]) => [name, WHOLE.has(name) ? whole(values) : values]),
  ) as Axes;
  const names = SWEPT.filter((name) => axes[name] !== undefined);
  for (const name of names) {
    if (axes[name]!.length === 0)
      throw new ArgumentError(`the sweep over ${name}`, "of one value at least", "none");
    if (request[name] !== undefined) throw new ArgumentError(name, "given or swept over", "both");
  }
  const total = names.reduce((product, name) => product * axes[name]!.length, 1);
  if (total > MOST_POINTS) throw new ArgumentError("a sweep", `of at most ${MOST_POINTS} points`, `${total}`);
  const accountant =
    options.accountant ??
    accountantFor(request.accountant ?? defaultAccountant(request), {
      neighboring: request.neighboring ?? "add-or-remove-one",
      effort: "quick",
    });

  const found: Draft[] = [];
  const gaps: FrontierGap[] = [];
  const line = names.length === 0 ? 1 : axes[names.at(-1)!]!.length;
  const noise: (number | undefined)[] = [];
  const sought = request.noiseMultiplier === undefined && axes.noiseMultiplier === undefined;
  for (const at of combinations(names, axes)) {
    const start = guessFrom(noise, line);
    noise.push(undefined);
    try {
      const made = plan({ ...request, ...at } as PlanRequest, {
        accountant,
        ...(start && sought && { start }),
      });
      noise[noise.length - 1] = made.noiseMultiplier;
      const { examples, batchSize, steps, noiseMultiplier, achieved } = made;
      const passes = steps * batchSize * views;
      const eta = ((batchSize / examples) * Math.sqrt(steps / 2)) / noiseMultiplier;
      found.push({
        at,
        examples,
        batchSize,
        steps,
        noiseMultiplier,
        epsilon: achieved.epsilon,
        delta: achieved.delta,
        averageNoise: noiseMultiplier / batchSize,
        runNoise: noiseMultiplier / (batchSize * Math.sqrt(steps)),
        epochs: (steps * batchSize) / examples,
        passes,
        hours: viewsPerSecond === undefined ? null : passes / viewsPerSecond / 3600,
        memory: parameters === undefined ? null : 4 * parameters * (6 + microBatch),
        tan: { eta, epsilon: eta * eta + 2 * eta * Math.sqrt(-Math.log(achieved.delta)) },
        batchRuleOfThumb: examples * Math.sqrt(achieved.epsilon / steps),
      });
    } catch (error) {
      if (!(error instanceof NoSolutionError)) throw error;
      gaps.push({ at, reason: error.reason });
    }
  }
  const slopes = batchSlopes(found, names);
  const pareto = paretoSet(found);
  const groups = computeGroups(found);
  return {
    points: found.map((draft, i) => {
      const { at, ...point } = draft;
      const batchSlope = slopes.get(draft) ?? null;
      return {
        ...point,
        batchSlope,
        batchStopsPaying: batchSlope !== null && batchSlope > PAYING_SLOPE,
        pareto: pareto.has(draft),
        isoCompute: groups[i]!,
      };
    }),
    gaps,
  };
}

/**
 * The next noise multiplier of a grid in lines of that length: log σ is nearly a parabola along either axis. From the
 * points before it in its column, or in its line; undefined where there are none.
 */
function guessFrom(noise: readonly (number | undefined)[], line: number): number | undefined {
  const next = noise.length;
  const before = (stride: number): number[] => {
    const logs: number[] = [];
    for (let k = 1; k <= 3; k++) {
      const index = next - k * stride;
      const sigma = index < 0 || (stride < line && index < next - (next % line)) ? undefined : noise[index];
      if (sigma === undefined) break;
      logs.push(Math.log(sigma));
    }
    return logs;
  };
  const [column, row] = [before(line), before(1)];
  const [a, b, c] = column.length > 1 || column.length >= row.length ? column : row;
  if (a === undefined) return undefined;
  if (b === undefined) return Math.exp(a);
  return Math.exp(c === undefined ? 2 * a - b : 3 * (a - b) + c);
}

const WHOLE: ReadonlySet<string> = new Set<Swept>(["steps", "examples"]);

function whole(values: readonly number[]): number[] {
  return [...new Set(values.map((value) => Math.floor(value * (1 + 1e-12))))];
}

type Draft = Omit<FrontierPoint, "batchSlope" | "batchStopsPaying" | "pareto" | "isoCompute"> & {
  readonly at: Readonly<Partial<Record<Swept, number>>>;
};

function* combinations(names: readonly Swept[], axes: Axes): Generator<Partial<Record<Swept, number>>> {
  const [first, ...rest] = names;
  if (first === undefined) {
    yield {};
    return;
  }
  for (const value of axes[first]!)
    for (const others of combinations(rest, axes)) yield { [first]: value, ...others };
}

/** Central differences along the batch axis, one-sided at its ends; the other swept quantities are held. */
function batchSlopes(points: readonly Draft[], names: readonly Swept[]): Map<Draft, number> {
  const slopes = new Map<Draft, number>();
  const lines = new Map<string, Draft[]>();
  for (const point of points) {
    const key = names
      .filter((name) => name !== "batchSize")
      .map((name) => point.at[name])
      .join();
    const line = lines.get(key);
    if (line) line.push(point);
    else lines.set(key, [point]);
  }
  for (const line of lines.values()) {
    line.sort((a, b) => a.batchSize - b.batchSize);
    line.forEach((point, i) => {
      const before = line[Math.max(0, i - 1)]!;
      const after = line[Math.min(line.length - 1, i + 1)]!;
      const length = Math.log(after.batchSize / before.batchSize);
      if (length > 0) slopes.set(point, Math.log(after.averageNoise / before.averageNoise) / length);
    });
  }
  return slopes;
}

/** Sorted by passes, then noise: a point is in the set if it has less noise than every cheaper one. */
function paretoSet(points: readonly Draft[]): Set<Draft> {
  const set = new Set<Draft>();
  let least = Infinity;
  for (const point of [...points].sort((a, b) => a.passes - b.passes || a.runNoise - b.runNoise)) {
    if (point.runNoise >= least) continue;
    least = point.runNoise;
    set.add(point);
  }
  return set;
}

function computeGroups(points: readonly Draft[]): number[] {
  const order = points.map((_, i) => i).sort((a, b) => points[a]!.passes - points[b]!.passes);
  const groups = new Array<number>(points.length);
  let group = -1;
  let start = 0;
  for (const i of order) {
    const { passes } = points[i]!;
    if (group < 0 || passes > start * (1 + 1e-3)) {
      group++;
      start = passes;
    }
    groups[i] = group;
  }
  return groups;
}

function atLeastOne(name: string, value: number): void {
  if (!(Number.isSafeInteger(value) && value >= 1))
    throw new ArgumentError(name, "a whole number >= 1", `${value}`);
}

const COLUMNS = [
  "examples",
  "batchSize",
  "steps",
  "noiseMultiplier",
  "epsilon",
  "delta",
  "averageNoise",
  "runNoise",
  "epochs",
  "passes",
  "hours",
  "memory",
  "tanEta",
  "tanEpsilon",
  "batchSlope",
  "batchStopsPaying",
  "batchRuleOfThumb",
  "pareto",
  "isoCompute",
] as const;

/** The points as CSV with a header line (RFC 4180), all digits; null is empty. */
export function frontierCsv({ points }: Frontier): string {
  const rows = points.map(({ tan, ...point }) => {
    const all: Record<string, unknown> = { ...point, tanEta: tan.eta, tanEpsilon: tan.epsilon };
    return COLUMNS.map((name) => all[name] ?? "").join();
  });
  return `${[COLUMNS.join(), ...rows].join("\r\n")}\r\n`;
}
