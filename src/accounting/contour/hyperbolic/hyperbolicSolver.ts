// Bounds on δ(ε) and ε(δ) of the remove direction where the straight contour is too dear: δ is the sum of what happens
// with and without a large loss, each integrated on a bent contour of its own (docs/math-hyperbolic-contour.md, theorems 3 to 7).
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";
import type { Interval } from "../../accountant.js";
import type { NodeBudget } from "../contourSum.js";
import { SERVED_RATIO } from "../contourSum.js";
import type { LogBounds } from "../directionProfile.js";
import type { DirectedComposition } from "../vertical/directedComposition.js";
import { DeltaParts, type LossMethod, MANY_CUTS, ONE_CUT } from "./bulkAndTail.js";

const MOST_ROUNDS = 14;
/** Nodes visited for one question, some 20 to 80 ns each. */
const MOST_WORK = 8e7;
/** Below this δ, e^−110 = 1e-48, nothing is bent. */
const LEAST_LOG = -110;
/** Noise from which on losses are near enough to normal to be cut off. */
const CALM = 3;

/** Narrows what is known of one direction of a composition. */
export interface IntervalNarrower {
  logDeltaAt(epsilon: number, known: LogBounds): LogBounds | null;
  epsilonAt(logDelta: number, known: Interval): Interval | null;
}

const METHODS: {
  readonly way: LossMethod;
  readonly least: number;
  readonly most: number;
  readonly mostRate: number;
}[] = [
  { way: "cut", least: CALM, most: Infinity, mostRate: 1 },
  { way: "turned", least: 0.05, most: 20, mostRate: 0.6 },
];

/** Null where a mixture is not one Poisson-sampled Gaussian, or no way is for its noise and its rate. */
export function hyperbolicSolverOf(composition: DirectedComposition): IntervalNarrower | null {
  const { mixtures } = composition;
  if (mixtures.length === 0) return null;
  const ways = METHODS.filter(({ least, most, mostRate }) =>
    mixtures.every(
      ({ shifts, weights, sigma }) =>
        shifts.length === 2 && shifts[0] === 0 && sigma >= least && sigma <= most && weights[1]! < mostRate,
    ),
  );
  const [first, second] = ways.map(({ way }) => new HyperbolicSolver(composition, way));
  return first && second ? new TwoMethods(first, second) : (first ?? null);
}

/** A second way where the first stays wide. */
class TwoMethods implements IntervalNarrower {
  constructor(
    private readonly first: IntervalNarrower,
    private readonly second: IntervalNarrower,
  ) {}

  logDeltaAt(epsilon: number, known: LogBounds): LogBounds | null {
    const found = this.first.logDeltaAt(epsilon, known);
    if (found && found.upper - found.lower <= 1e-8) return found;
    return narrower(found, this.second.logDeltaAt(epsilon, known));
  }

  epsilonAt(logDelta: number, known: Interval): Interval | null {
    const found = this.first.epsilonAt(logDelta, known);
    if (found && found.upper - found.lower <= 1e-9 * found.upper) return found;
    return narrower(found, this.second.epsilonAt(logDelta, known));
  }
}

const narrower = (one: Interval | null, other: Interval | null): Interval | null =>
  one && other
    ? { lower: Math.max(one.lower, other.lower), upper: Math.min(one.upper, other.upper) }
    : (one ?? other);

class HyperbolicSolver implements IntervalNarrower {
  constructor(
    private readonly composition: DirectedComposition,
    private readonly way: LossMethod,
  ) {}

  /** Removing, losses have a tail that one cut may not do justice. */
  private cuts(shares: readonly number[], made: DeltaParts, epsilon: number): readonly number[] {
    const can = shares === ONE_CUT && this.way === "turned" && this.composition.direction > 0;
    return can && made.cancels(epsilon) ? MANY_CUTS : shares;
  }

  private make(
    epsilon: number,
    logDelta: number,
    certified: boolean,
    budget: NodeBudget,
    shares: readonly number[],
  ): DeltaParts {
    return new DeltaParts(this.composition, this.way, epsilon, logDelta, certified, budget, shares);
  }

  /** log δ(ε) within bounds, or null where that was not reached; guess: of log δ. */
  logDeltaAt(epsilon: number, bounds: LogBounds): LogBounds | null {
    if (!(epsilon > 0 && epsilon < Infinity && bounds.upper >= LEAST_LOG)) return null;
    const budget = { left: MOST_WORK };
    let shares: readonly number[] = ONE_CUT;
    let log = Math.max(bounds.lower, Math.min(bounds.upper, -1) - 20);
    for (let round = 0; round < 10 && budget.left > 0; round++) {
      const made = this.make(epsilon, log, false, budget, shares);
      const before = shares;
      shares = this.cuts(shares, made, epsilon);
      if (shares !== before) continue;
      const { value } = made.at(epsilon);
      const next = value > 0 ? Math.log(value) : log - 30;
      const moved = Math.abs(next - log);
      log = Math.min(0, next);
      if (log < LEAST_LOG) return null;
      if (moved < 3) break;
    }
    const { value, error } = this.make(epsilon, log, true, budget, shares).at(epsilon);
    if (!(value > error)) return null;
    return { lower: Math.log(value - error) - 1e-15, upper: Math.min(0, Math.log(value + error) + 1e-15) };
  }

  /** The interval of ε narrowed, or null. */
  epsilonAt(logDelta: number, known: Interval): Interval | null {
    if (logDelta < LEAST_LOG) return null;
    const budget = { left: MOST_WORK };
    let shares: readonly number[] = ONE_CUT;
    let epsilon = this.guess(logDelta, known);
    if (!(epsilon > 0 && epsilon < Infinity)) return null;
    let low = known.lower;
    let high = known.upper;
    const delta = Math.exp(logDelta);
    const slack = 4 * UNIT_ROUNDOFF * (1 + Math.abs(logDelta));
    let moved = 0;
    for (let round = 0; round < MOST_ROUNDS && budget.left > 0; round++) {
      const made = this.make(epsilon, logDelta, false, budget, shares);
      const before = shares;
      shares = this.cuts(shares, made, epsilon);
      if (shares !== before) continue;
      // δ(0) ≤ δ(ε) + 1 − e^{−ε}: where that is below δ, nothing is spent.
      const { value: about } = made.at(epsilon);
      if (about > 0 && about + epsilon < 0.999 * delta) {
        const { value, error } = this.make(epsilon, logDelta, true, budget, shares).at(epsilon);
        if ((value + error + epsilon) * (1 + slack) <= delta) return { lower: 0, upper: 0 };
      }
      let x = epsilon;
      for (let k = 0; k < 30; k++) {
        const { value, slope } = made.at(x);
        if (!(value > 0 && slope < 0)) {
          // Below what this contour resolves: the answer is at a smaller ε.
          x = x / 1.5;
          break;
        }
        const g = Math.log(value) - logDelta;
        if (g > 0) low = Math.max(low, x * 0.999);
        else high = Math.min(high, x * 1.001);
        // Newton in log ε.
        const next = x * Math.exp(Math.max(-1, Math.min(1, (-g * value) / (slope * x))));
        const change = Math.abs(next - x);
        x = Math.max(epsilon / 3, Math.min(epsilon * 3, next));
        if (change < 1e-13 * x || x > epsilon * SERVED_RATIO || x < epsilon / SERVED_RATIO) break;
      }
      if (!(x > low && x < high))
        x = high < Infinity ? Math.sqrt(Math.max(low, high * 1e-3) * high) : 2 * low;
      // Where few large losses take over from many small ones Newton steps may go back and forth.
      const move = Math.log(x / epsilon);
      if (move * moved < 0 && Math.abs(move) > 0.5 * Math.abs(moved)) x = epsilon * Math.exp(move / 2);
      moved = move;
      // Within what this contour serves, and a root of it.
      const near =
        Math.abs(Math.log(x / epsilon)) < 0.7 * Math.log(SERVED_RATIO) &&
        Math.abs(Math.log(made.at(x).value) - logDelta) < 0.1;
      epsilon = x;
      if (near) return this.certify(epsilon, logDelta, slack, budget, shares);
    }
    return null;
  }

  private certify(
    start: number,
    logDelta: number,
    slack: number,
    budget: NodeBudget,
    shares: readonly number[],
  ): Interval | null {
    const made = this.make(start, logDelta, true, budget, shares);
    const delta = Math.exp(logDelta);
    let epsilon = start;
    for (let k = 0; k < 10; k++) {
      const { value, slope } = made.at(epsilon);
      if (!(value > 0 && slope < 0)) return null;
      const move = (value - delta) / slope;
      epsilon -= move;
      if (Math.abs(move) < 1e-14 * epsilon) break;
    }
    const { slope, error } = made.at(epsilon);
    if (!(error < Infinity && slope < 0)) return null;
    let width = Math.max(((error + delta * slack) * 1.01) / -slope, 4 * UNIT_ROUNDOFF * epsilon);
    let upper = Infinity;
    for (let k = 0; k < 30 && upper === Infinity; k++, width *= 2) {
      const { value, error: off } = made.at(epsilon + width);
      if ((value + off) * (1 + slack) <= delta) upper = epsilon + width;
    }
    width = Math.max(((error + delta * slack) * 1.01) / -slope, 4 * UNIT_ROUNDOFF * epsilon);
    let lower = 0;
    for (let k = 0; k < 30 && lower === 0; k++, width *= 2) {
      const { value, error: off } = made.at(epsilon - width);
      if ((value - off) * (1 - slack) > delta) lower = epsilon - width;
    }
    return { lower, upper };
  }

  /** The larger of what one large loss and what many small ones need. */
  private guess(logDelta: number, { lower, upper }: Interval): number {
    let guess = 0;
    for (const { sigma, weights, count } of this.composition.mixtures) {
      const q = weights[1]!;
      // One large loss of a step without the record, and k of steps with it, where each is about as likely as δ.
      const loss = (y: number): number => (y > 30 ? y + Math.log(q) : Math.log1p(q * Math.expm1(y)));
      const normal = (log: number): number =>
        log < -1 ? Math.sqrt(Math.max(0.1, -2 * log - Math.log(-2 * log) - 1)) : 0;
      const half = 0.5 / (sigma * sigma);
      guess = Math.max(guess, loss(normal(logDelta - Math.log(count)) / sigma - half));
      const mean = count * q;
      for (let k = Math.max(1, Math.floor(mean)); k <= count; k += Math.ceil(k / 20)) {
        // log of the chance of k, if it is below that of the mean.
        const chance = k > mean ? k * Math.log(mean / k) + k - mean - 0.5 * Math.log(2 * Math.PI * k) : 0;
        if (chance < logDelta) break;
        guess = Math.max(guess, k * loss(half + normal(logDelta - chance) / (sigma * Math.sqrt(k))));
      }
      const spread = q * Math.sqrt(count * Math.expm1(Math.min(1, 1 / (sigma * sigma))));
      guess = Math.max(guess, 0.7 * spread * Math.sqrt(Math.max(1, -logDelta)));
    }
    const { direction, gaussian, mixtures } = this.composition;
    // Adding, no loss exceeds −log(1 − q).
    if (direction < 0 && gaussian === 0)
      guess = Math.min(
        guess,
        mixtures.reduce((sum, each) => sum + each.count * each.largestNegativeLoss, 0) * 0.7,
      );
    return Math.max(lower * 1.0001, Math.min(upper < Infinity ? upper * 0.9 : Infinity, guess));
  }
}
