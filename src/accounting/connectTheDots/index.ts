// Reading order of this folder:
//
//   pair.ts, pairParts.ts                   what dominates one use: points, bodies, parts of them
//   gaussianPairs.ts, exponentialBody.ts    the two kinds of bodies
//   mechanisms.ts, mechanismPairs.ts        the pair of each mechanism
//   allocationGrid.ts, allocation.ts        balls in bins
//   samplers.ts, dominatingPairs.ts         from events to what has to be composed
//   roughMoments.ts, tilts.ts               where to tilt
//   lattice.ts, spectrum.ts                 masses on a lattice, and their transforms
//   latticeKernel.ts, inversion.ts          back to δ(ε)
//   singleUse.ts, direction.ts              one direction with all errors
//
// The connect-the-dots accountant: privacy loss distributions on a lattice, tilted, composed by Fourier transforms, with
// certified intervals on δ(ε) and ε(δ) for every mechanism that has a dominating pair [Doroshenko2022].
//
//   ε, δ  of the worst neighbouring pair       direction  removing or adding, where the pair is not symmetric
//   lower ≤ truth ≤ upper, for every answer: every end returned was evaluated with all errors counted
//
// Why an interval: each level of a lattice proves an upper and a lower end by itself (theorems 1 to 4), the Chernoff
// bound another upper end, and the first one that is as narrow as asked ends the work. Where the work ends before, the
// interval is wider, at worst from 0 to Chernoff.
//
//   theorem 1   the lattice dominates: upper ends            theorem 4   what it adds at most: lower ends
//   theorem 2   the inversion, and its aliases               theorem 5   large losses cut off
//   theorem 3   round-off, frequencies left out              theorem 6   ε from δ

import { ArgumentError } from "../../formats/argumentError.js";
import type { PrivacyEvent } from "../../formats/event.js";
import type { Neighboring } from "../../formats/guarantee.js";
import { checkFields, type FieldsOf } from "../../formats/knownFields.js";
import { probabilityCrossing, zeroCrossing } from "../../math/crossing.js";
import {
  type Accountant,
  checkDelta,
  checkEpsilon,
  type Interval,
  type PrivacyCurve,
} from "../accountant.js";
import { IntervalCurve, narrowedBy } from "../intervalCurve.js";
import { type Effort, LatticeDirection } from "./direction.js";
import { compositionOf, type PairComposition } from "./dominatingPairs.js";

/** What connecting the dots is for, and how fine its lattices may be. */
export interface ConnectTheDotsOptions {
  /** Default add-or-remove-one. */
  readonly neighboring?: Neighboring;
  /** Relative width of ε aimed at, in [1e-9, 0.1]. Default 1e-4. */
  readonly relativeWidth?: number;
  /** Most points of a lattice, and frequencies of a transform: a power of two in [2^10, 2^24]. Default 2^20. */
  readonly maximumNodes?: number;
  /**
   * Whose ε the lower ends are below: "mechanism" (default), the worst mechanism of the event's kind, or "pair", the pairs
   * that are proven to dominate it. Where a theorem gives only an upper bound the former are far lower; the latter show
   * what of the width is numerical, and bound no mechanism.
   */
  readonly lowerEnds?: "mechanism" | "pair";
}

const OPTION_FIELDS = {
  neighboring: true,
  relativeWidth: true,
  maximumNodes: true,
  lowerEnds: true,
} satisfies FieldsOf<ConnectTheDotsOptions>;

const NAME = "pld-discrete";
/** Points of the laws of allocations, tried one after the other; the first at most a 32nd of the nodes, like the others. */
const POINTS = [2048, 3072, 4608, 7168];

/**
 * Takes on: Gaussian, Laplace, discrete Gaussian and Laplace noise, randomised response, the exponential mechanism,
 * (ε, δ)-mechanisms, pairs of probability lists, Gaussian mixtures; each of them Poisson-sampled; any composition.
 *
 * Guarantee: lower ≤ truth ≤ upper (docs/math-connect-the-dots.md). Where the lattice would be too large for the width asked, the
 * interval is wider. Edges: no noise → ε = Infinity, δ = 1; nothing spent → 0; δ = 0 → the pure ε, or Infinity.
 *
 * What a width consists of: for mechanisms whose pair is attained it is numerical, and falls with work. For
 * compositions of folded pairs, bounded ranges and shuffled batches most of it is the theorem's: upper ends are of the
 * dominating pair, lower ends of a mechanism of the kind (`lowerEnds`).
 */
export function connectTheDotsAccountant(options: ConnectTheDotsOptions = {}): Accountant {
  checkFields("connectTheDotsAccountant", options, OPTION_FIELDS);
  const {
    neighboring = "add-or-remove-one",
    relativeWidth = 1e-4,
    maximumNodes = 2 ** 20,
    lowerEnds = "mechanism",
  } = options;
  if (!(relativeWidth >= 1e-9 && relativeWidth <= 0.1))
    throw new ArgumentError("relativeWidth", "in [1e-9, 0.1]", `${relativeWidth}`);
  if (!(maximumNodes >= 2 ** 10 && maximumNodes <= 2 ** 24 && Number.isInteger(Math.log2(maximumNodes))))
    throw new ArgumentError("maximumNodes", "a power of two in [2^10, 2^24]", `${maximumNodes}`);
  const effort = { relativeWidth, nodes: maximumNodes };
  const curve = (event: PrivacyEvent, points: number): LatticeCurve => {
    const composition = compositionOf(event, neighboring, NAME, points);
    const taken =
      lowerEnds === "pair" && typeof composition !== "string" ? pairsOf(composition) : composition;
    return new LatticeCurve(taken, effort, neighboring);
  };
  return {
    name: NAME,
    neighboring,
    account: (event: PrivacyEvent) => {
      // Points of allocations, no more than 1/32 of the nodes.
      const levels = POINTS.filter((points, i) => i === 0 || points <= maximumNodes / 32);
      const first = curve(event, Math.min(levels[0]!, maximumNodes / 32));
      return first.improves
        ? new RefinedCurve(first, levels, (points) => curve(event, points), relativeWidth)
        : first;
    },
  };
}

/**
 * The dominating pairs, taken for mechanisms.
 *
 * Then each pair counts as shown, so that lower ends are below its own ε: those bound no mechanism.
 */
function pairsOf({ directions }: PairComposition): PairComposition {
  return {
    directions: directions.map((parts) =>
      parts.map(({ pair, count }) => ({ pair: { ...pair, bound: false }, count })),
    ),
  };
}

/**
 * Curves of ever more points, the next asked where the one before is wide.
 *
 * The width of an allocation's δ falls with the square of the points (docs/math-connect-the-dots.md, after theorem 10):
 * from √(width/goal) times as many points the goal is expected. All curves' intervals hold, so they are intersected.
 */
class RefinedCurve extends IntervalCurve {
  readonly accountant = NAME;
  readonly neighboring: Neighboring;
  private readonly curves: PrivacyCurve[];

  constructor(
    first: PrivacyCurve,
    private readonly levels: readonly number[],
    private readonly at: (points: number) => PrivacyCurve,
    private readonly relativeWidth: number,
  ) {
    super();
    this.neighboring = first.neighboring;
    this.curves = [first];
  }

  epsilonIntervalAt(delta: number): Interval {
    return this.narrowed((curve) => curve.epsilonIntervalAt(delta), this.relativeWidth);
  }

  /**
   * δ from all curves that its width needs.
   */
  deltaIntervalAt(epsilon: number): Interval {
    // ε is what is promised: a relative width of δ is worth a tenth of it in ε, or less.
    return this.narrowed((curve) => curve.deltaIntervalAt(epsilon), 10 * this.relativeWidth);
  }

  private narrowed(ask: (curve: PrivacyCurve) => Interval, goal: number): Interval {
    let interval = ask(this.curves[0]!);
    for (let i = 0; i + 1 < this.levels.length; ) {
      const width = (interval.upper - interval.lower) / interval.upper;
      // Also where the width is NaN: 0/0 is an interval [0, 0].
      if (!(width > goal)) break;
      // What is not the lattices' falls with the square of the points. Infinite ends say nothing. Points that would do,
      // if the width were all the law's; none of `levels` is skipped that is as many.
      const wanted = this.levels[i]! * Math.sqrt(Math.max(0, width - 0.2 * goal) / (0.6 * goal));
      i++;
      while (i + 1 < this.levels.length && this.levels[i]! < wanted) i++;
      this.curves[i] ??= this.at(this.levels[i]!);
      interval = narrowedBy(interval, ask(this.curves[i]!));
    }
    return interval;
  }
}

/**
 * δ(ε) and ε(δ) of a composition: the larger of its directions; lower ends from those that some mechanism shows.
 */
class LatticeCurve extends IntervalCurve {
  readonly accountant = NAME;
  private readonly directions: readonly LatticeDirection[];
  private readonly shown: readonly LatticeDirection[];
  /** More points of the laws of allocations narrow it. */
  readonly improves: boolean;
  private readonly trivial: "nothing" | "everything" | undefined;
  private readonly deltas = new Map<number, Interval>();
  private readonly epsilons = new Map<number, Interval>();

  constructor(
    composition: PairComposition | "nothing" | "everything",
    private readonly effort: Effort,
    readonly neighboring: Neighboring,
  ) {
    super();
    const proper = typeof composition === "string" ? { directions: [] } : composition;
    this.trivial = typeof composition === "string" ? composition : undefined;
    this.improves = typeof composition !== "string" && composition.improves === true;
    // Half of the width for the laws, a quarter for the lattice of either end. An allocation's own width falls with
    // points; lattices must leave room for it.
    const share = this.improves ? { ...effort, relativeWidth: effort.relativeWidth / 4 } : effort;
    this.directions = proper.directions.map((parts) => new LatticeDirection(parts, share));
    this.shown = (proper.shown ?? []).map((parts) => new LatticeDirection(parts, share));
  }

  /**
   *   upper = max over directions of their upper ends,   lower = max of all lower ends, 0 where a pair is a bound only
   *
   * A direction need not be narrowed once it is proven to be at most the lower end that is known: `floor`.
   */
  deltaIntervalAt(epsilon: number): Interval {
    checkEpsilon(epsilon);
    if (this.trivial) {
      const delta = this.trivial === "nothing" ? 0 : 1;
      return { lower: delta, upper: delta };
    }
    return remembered(this.deltas, epsilon, () => {
      // The direction that looks worse first: of the other it is enough to know that it is no worse. By the
      // saddle-point estimate, which is no proof: it decides who is asked first.
      const order = [...this.directions].sort((a, b) => b.estimate(epsilon) - a.estimate(epsilon));
      let lower = 0;
      for (const direction of this.shown) {
        const shown = direction.deltaAt(epsilon, lower > 0 ? lower : -1).lower;
        if (shown > lower) lower = shown;
      }
      let upper = 0;
      for (const direction of order) {
        const bounds = direction.deltaAt(epsilon, lower > 0 ? lower : -1);
        // Beyond what doubles hold (T = 1e9 at q near 1) no number comes of it, and nothing is proven.
        lower = Number.isNaN(bounds.lower) ? lower : Math.max(lower, bounds.lower);
        upper = Number.isNaN(bounds.upper) ? 1 : Math.max(upper, bounds.upper);
      }
      return { lower: Math.min(lower, upper), upper };
    });
  }

  /**
   * Edges: δ = 1 needs no ε; where everything is revealed none is enough.
   */
  epsilonIntervalAt(delta: number): Interval {
    checkDelta(delta);
    if (this.trivial === "nothing" || delta === 1) return { lower: 0, upper: 0 };
    if (this.trivial === "everything") return { lower: Infinity, upper: Infinity };
    return remembered(this.epsilons, delta, () => this.solve(delta));
  }

  /**
   * Theorem 6: an evaluated ε with δ_upper(ε) ≤ δ, and an evaluated one with δ_lower(ε) > δ; bounds on δ are pure functions of
   * ε. From the largest finite loss on δ(ε) is the mass at +∞ alone, so ε is at most that loss where the mass is at most δ.
   *
   * Edges: a mass at +∞ above δ gives ε = ∞; δ = 0 the sum of the largest losses; δ(0) ≤ δ gives ε = 0. Otherwise the
   * upper end is one side of a crossing of δ_upper, the lower end one of δ_lower: found by secant steps, each
   * evaluated.
   */
  private solve(delta: number): Interval {
    const infinite = (end: "lower" | "upper") => Math.max(...this.directions.map((d) => d.infinite[end]));
    const attained = [...this.directions, ...this.shown].filter((d) => !d.boundOnly);
    // δ(ε) ≥ P(ℓ = ∞) at every ε.
    if (attained.some((d) => d.infinite.lower > delta)) return { lower: Infinity, upper: Infinity };
    const largest =
      infinite("upper") <= delta ? Math.max(0, ...this.directions.map((d) => d.largestLoss)) : Infinity;
    // δ(ε) = 0 means that no loss exceeds ε: the largest loss, rounded to either side.
    if (delta === 0) {
      const lower =
        infinite("upper") > 0 ? 0 : Math.max(0, ...attained.map((d) => d.largestLoss * (1 - 2 ** -48)));
      return { lower, upper: largest };
    }
    // Where the ends are of different pairs, each is asked alone.
    const separate = this.shown.length > 0 && this.directions.every((d) => d.boundOnly);
    const upperAt = (epsilon: number) =>
      separate ? worstEnd(this.directions, epsilon, "upper") : this.deltaIntervalAt(epsilon).upper;
    const lowerAt = (epsilon: number) =>
      separate ? worstEnd(this.shown, epsilon, "lower") : this.deltaIntervalAt(epsilon).lower;
    if (upperAt(0) <= delta) return { lower: 0, upper: 0 };
    // Found by the coarse estimate, then proven by the bounds.
    const log = Math.log(delta);
    const estimateAbove = (epsilon: number) =>
      Math.max(...this.directions.map((d) => d.estimate(epsilon))) - log;
    // Where the saddle-point estimate meets δ, to 1e-3; each evaluation costs next to nothing.
    const start = zeroCrossing(estimateAbove, {
      largest,
      start: Math.min(1, largest / 2),
      tolerance: 1e-3,
    }).above;
    // Of log δ, and of logit δ by 1/(1 − δ).
    const slope = (estimateAbove(start * 0.999) - estimateAbove(start)) / (0.001 * start) / (1 - delta);
    // One use has no lattice: a question costs next to nothing.
    const single = [...this.directions, ...this.shown].every(({ steps }) => steps === 1);
    // Of ε, relatively.
    const tolerance = single ? 1e-11 : 0.1 * this.effort.relativeWidth;
    const { above: upper } = probabilityCrossing(upperAt, delta, {
      largest,
      start,
      tolerance,
      firstSlope: slope,
    });
    // From just below the upper end: where the interval is as narrow as asked that is the answer.
    const { below } = probabilityCrossing(lowerAt, delta, {
      largest: Math.min(largest, upper),
      start: upper * (1 - tolerance),
      tolerance,
      firstSlope: slope,
    });
    return { lower: Math.min(below, upper), upper };
  }
}

/**
 * The larger end of all directions; 1 above and 0 below where doubles do not hold it.
 *
 * Beyond what doubles hold nothing is proven.
 */
function worstEnd(directions: readonly LatticeDirection[], epsilon: number, end: "lower" | "upper"): number {
  let largest = 0;
  for (const direction of directions) {
    const delta = direction.deltaAt(epsilon)[end];
    largest = Math.max(largest, Number.isNaN(delta) ? (end === "upper" ? 1 : 0) : delta);
  }
  return largest;
}

/**
 * Answers are pure functions of the question, so a memory changes none.
 */
function remembered<T>(memory: Map<number, T>, key: number, compute: () => T): T {
  let value = memory.get(key);
  if (value === undefined) {
    value = compute();
    if (memory.size >= 256) memory.clear();
    memory.set(key, value);
  }
  return value;
}
