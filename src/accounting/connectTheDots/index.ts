// The connect-the-dots accountant: privacy loss distributions on a lattice, tilted, composed by Fourier transforms, with
// certified intervals on δ(ε) and ε(δ) for every mechanism that has a dominating pair [Doroshenko2022].

import { ArgumentError } from "../../formats/argumentError.js";
import type { PrivacyEvent } from "../../formats/event.js";
import type { Neighboring } from "../../formats/guarantee.js";
import { checkFields, type FieldsOf } from "../../formats/knownFields.js";
import {
  type Accountant,
  checkDelta,
  checkEpsilon,
  type Interval,
  type PrivacyCurve,
} from "../accountant.js";
import { crossing, search } from "./crossing.js";
import { Direction, type Effort } from "./direction.js";
import { type Composition, compositionOf } from "./dominatingPairs.js";

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
  const curve = (event: PrivacyEvent, points: number): Curve => {
    const composition = compositionOf(event, neighboring, NAME, points);
    const taken =
      lowerEnds === "pair" && typeof composition !== "string" ? pairsOf(composition) : composition;
    return new Curve(taken, effort, neighboring);
  };
  return {
    name: NAME,
    neighboring,
    account: (event: PrivacyEvent) => {
      const levels = POINTS.filter((points, i) => i === 0 || points <= maximumNodes / 32);
      const first = curve(event, Math.min(levels[0]!, maximumNodes / 32));
      return first.improves
        ? new RefinedCurve(first, levels, (points) => curve(event, points), relativeWidth)
        : first;
    },
  };
}

/** The dominating pairs, taken for mechanisms. */
function pairsOf({ directions }: Composition): Composition {
  return {
    directions: directions.map((parts) =>
      parts.map(({ pair, count }) => ({ pair: { ...pair, bound: false }, count })),
    ),
  };
}

/** Curves of ever more points, the next asked where the one before is wide. */
class RefinedCurve implements PrivacyCurve {
  readonly accountant = NAME;
  readonly neighboring: Neighboring;
  private readonly curves: PrivacyCurve[];

  constructor(
    first: PrivacyCurve,
    private readonly levels: readonly number[],
    private readonly at: (points: number) => PrivacyCurve,
    private readonly relativeWidth: number,
  ) {
    this.neighboring = first.neighboring;
    this.curves = [first];
  }

  epsilonAt(delta: number): number {
    return this.epsilonIntervalAt(delta).upper;
  }

  deltaAt(epsilon: number): number {
    return this.deltaIntervalAt(epsilon).upper;
  }

  epsilonIntervalAt(delta: number): Interval {
    return this.narrowed((curve) => curve.epsilonIntervalAt(delta), this.relativeWidth);
  }

  deltaIntervalAt(epsilon: number): Interval {
    // ε is what is promised: a relative width of δ is worth a tenth of it in ε, or less.
    return this.narrowed((curve) => curve.deltaIntervalAt(epsilon), 10 * this.relativeWidth);
  }

  private narrowed(ask: (curve: PrivacyCurve) => Interval, goal: number): Interval {
    let { lower, upper } = ask(this.curves[0]!);
    for (let i = 0; i + 1 < this.levels.length; ) {
      const width = (upper - lower) / upper;
      if (!(width > goal)) break;
      // What is not the lattices' falls with the square of the points. Infinite ends say nothing.
      const wanted = this.levels[i]! * Math.sqrt(Math.max(0, width - 0.2 * goal) / (0.6 * goal));
      i++;
      while (i + 1 < this.levels.length && this.levels[i]! < wanted) i++;
      this.curves[i] ??= this.at(this.levels[i]!);
      const found = ask(this.curves[i]!);
      lower = Math.max(lower, Math.min(found.lower, upper));
      upper = Math.max(lower, Math.min(found.upper, upper));
    }
    return { lower, upper };
  }
}

class Curve implements PrivacyCurve {
  readonly accountant = NAME;
  private readonly directions: readonly Direction[];
  private readonly shown: readonly Direction[];
  /** More points of the laws of allocations narrow it. */
  readonly improves: boolean;
  private readonly trivial: "nothing" | "everything" | undefined;
  private readonly deltas = new Map<number, Interval>();
  private readonly epsilons = new Map<number, Interval>();

  constructor(
    composition: Composition | "nothing" | "everything",
    private readonly effort: Effort,
    readonly neighboring: Neighboring,
  ) {
    const proper = typeof composition === "string" ? { directions: [] } : composition;
    this.trivial = typeof composition === "string" ? composition : undefined;
    this.improves = typeof composition !== "string" && composition.improves === true;
    // Half of the width for the laws, a quarter for the lattice of either end.
    const share = this.improves ? { ...effort, relativeWidth: effort.relativeWidth / 4 } : effort;
    this.directions = proper.directions.map((parts) => new Direction(parts, share));
    this.shown = (proper.shown ?? []).map((parts) => new Direction(parts, share));
  }

  epsilonAt(delta: number): number {
    return this.epsilonIntervalAt(delta).upper;
  }

  deltaAt(epsilon: number): number {
    return this.deltaIntervalAt(epsilon).upper;
  }

  deltaIntervalAt(epsilon: number): Interval {
    checkEpsilon(epsilon);
    if (this.trivial) {
      const delta = this.trivial === "nothing" ? 0 : 1;
      return { lower: delta, upper: delta };
    }
    return remembered(this.deltas, epsilon, () => {
      // The direction that looks worse first: of the other it is enough to know that it is no worse.
      const order = [...this.directions].sort((a, b) => b.estimate(epsilon) - a.estimate(epsilon));
      let lower = 0;
      for (const direction of this.shown) {
        const found = direction.deltaAt(epsilon, lower > 0 ? lower : -1).lower;
        if (found > lower) lower = found;
      }
      let upper = 0;
      for (const direction of order) {
        const found = direction.deltaAt(epsilon, lower > 0 ? lower : -1);
        // Beyond what doubles hold (T = 1e9 at q near 1) no number comes of it, and nothing is proven.
        lower = Number.isNaN(found.lower) ? lower : Math.max(lower, found.lower);
        upper = Number.isNaN(found.upper) ? 1 : Math.max(upper, found.upper);
      }
      return { lower: Math.min(lower, upper), upper };
    });
  }

  epsilonIntervalAt(delta: number): Interval {
    checkDelta(delta);
    if (this.trivial === "nothing" || delta === 1) return { lower: 0, upper: 0 };
    if (this.trivial === "everything") return { lower: Infinity, upper: Infinity };
    return remembered(this.epsilons, delta, () => this.solve(delta));
  }

  private solve(delta: number): Interval {
    const infinite = (end: "lower" | "upper") => Math.max(...this.directions.map((d) => d.infinite[end]));
    const least = [...this.directions, ...this.shown].filter((d) => !d.boundOnly);
    if (least.some((d) => d.infinite.lower > delta)) return { lower: Infinity, upper: Infinity };
    const most = infinite("upper") <= delta ? Math.max(0, ...this.directions.map((d) => d.most)) : Infinity;
    if (delta === 0) {
      const lower = infinite("upper") > 0 ? 0 : Math.max(0, ...least.map((d) => d.most * (1 - 2 ** -48)));
      return { lower, upper: most };
    }
    // Where the ends are of different pairs, each is asked alone.
    const apart = this.shown.length > 0 && this.directions.every((d) => d.boundOnly);
    const upperAt = (epsilon: number) =>
      apart ? worst(this.directions, epsilon, "upper") : this.deltaIntervalAt(epsilon).upper;
    const lowerAt = (epsilon: number) =>
      apart ? worst(this.shown, epsilon, "lower") : this.deltaIntervalAt(epsilon).lower;
    if (upperAt(0) <= delta) return { lower: 0, upper: 0 };
    // Found by the coarse estimate, then proven by the bounds.
    const log = Math.log(delta);
    const about = (epsilon: number) => Math.max(...this.directions.map((d) => d.estimate(epsilon))) - log;
    const start = search(about, most, Math.min(1, most / 2), 1e-3).above;
    const slope = (about(start * 0.999) - about(start)) / (0.001 * start) / (1 - delta);
    // One use has no lattice: a question costs next to nothing.
    const once = [...this.directions, ...this.shown].every(({ steps }) => steps === 1);
    const tolerance = once ? 1e-11 : 0.1 * this.effort.relativeWidth;
    const { above: upper } = crossing(upperAt, delta, most, start, tolerance, slope);
    const { below } = crossing(
      lowerAt,
      delta,
      Math.min(most, upper),
      upper * (1 - tolerance),
      tolerance,
      slope,
    );
    return { lower: Math.min(below, upper), upper };
  }
}

/** The larger end of all directions; 1 above and 0 below where doubles do not hold it. */
function worst(directions: readonly Direction[], epsilon: number, end: "lower" | "upper"): number {
  let most = 0;
  for (const direction of directions) {
    const found = direction.deltaAt(epsilon)[end];
    most = Math.max(most, Number.isNaN(found) ? (end === "upper" ? 1 : 0) : found);
  }
  return most;
}

function remembered<T>(memory: Map<number, T>, key: number, compute: () => T): T {
  let value = memory.get(key);
  if (value === undefined) {
    value = compute();
    if (memory.size >= 256) memory.clear();
    memory.set(key, value);
  }
  return value;
}
