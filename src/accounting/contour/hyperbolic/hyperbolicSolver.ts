// Bounds on δ(ε) and ε(δ) where the straight contour is too expensive: δ is the sum of what happens with and without a
// large loss, each integrated on a bent contour of its own (docs/math-hyperbolic-contour.md, theorems 3 to 7).
//
// Each question is answered in two stages. Contours without bounds (`certified` false) find log δ,
// or ε, by fixed-point or Newton steps; then one set of contours with all bounds is made there, and read on either side:
// only what those prove is returned.
//
//   δ(ε)    value ± error of `DeltaParts.at`                 logDelta   log of the δ that is asked for, or near
//   slope   dδ/dε, by the sum's own derivative: ≤ 0          slack      4u(1 + |log δ|), u the unit round-off
//
// A contour's terms serve every ε within SERVED_RATIO of the one that it was made for: that is what lets one set of
// terms be read at both ends of an interval. Where anything fails, the answer is null: what was known before stands.
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";
import type { Interval } from "../../accountant.js";
import { type NodeBudget, SERVED_RATIO } from "../contourSum.js";
import type { LogBounds } from "../directionProfile.js";
import type { DirectedComposition } from "../vertical/directedComposition.js";
import { DeltaParts, type LossMethod, MANY_CUTS, ONE_CUT } from "./bulkAndTail.js";
import { startingEpsilon } from "./startingEpsilon.js";

const MAXIMUM_ROUNDS = 14;
/** Nodes visited for one question, some 20 to 80 ns each. */
const MAXIMUM_WORK = 8e7;
/** Below this δ, e^−110 = 1e-48, nothing is bent. */
const LEAST_LOG_DELTA = -110;
/** Noise from which on losses are near enough to normal to be truncated. */
const TRUNCATED_FROM = 3;
/** The second method is not asked where the first is as narrow: log δ by this width, ε by this relative one. */
const NARROW_LOG_DELTA = 1e-8;
const NARROW_EPSILON = 1e-9;

/** Narrows what is known of one direction of a composition; null where it can say nothing. */
export interface IntervalNarrower {
  logDeltaAt(epsilon: number, known: LogBounds): LogBounds | null;
  epsilonAt(logDelta: number, known: Interval): Interval | null;
}

/** Each method, with the noise and the rates that it is for; the first to be asked comes first. */
const METHODS: readonly {
  readonly method: LossMethod;
  readonly leastSigma: number;
  readonly largestSigma: number;
  readonly rateBelow: number;
}[] = [
  { method: "truncated", leastSigma: TRUNCATED_FROM, largestSigma: Infinity, rateBelow: 1 },
  { method: "rotated", leastSigma: 0.05, largestSigma: 20, rateBelow: 0.6 },
];

/** Null where a mixture is not one Poisson-sampled Gaussian, or no method is for its noise and its rate. */
export function hyperbolicSolverOf(composition: DirectedComposition): IntervalNarrower | null {
  const { mixtures } = composition;
  if (mixtures.length === 0) return null;
  const [first, second] = METHODS.filter(({ leastSigma, largestSigma, rateBelow }) =>
    mixtures.every(
      ({ shifts, weights, sigma }) =>
        shifts.length === 2 &&
        shifts[0] === 0 &&
        sigma >= leastSigma &&
        sigma <= largestSigma &&
        weights[1]! < rateBelow,
    ),
  ).map(({ method }) => new HyperbolicSolver(composition, method));
  return first && second ? new TwoMethods(first, second) : (first ?? null);
}

/**
 * A second method where the first stays wide; where both say something, what they say together.
 *
 * Both intervals contain the truth, so their intersection does.
 */
class TwoMethods implements IntervalNarrower {
  constructor(
    private readonly first: IntervalNarrower,
    private readonly second: IntervalNarrower,
  ) {}

  logDeltaAt(epsilon: number, known: LogBounds): LogBounds | null {
    const bounds = this.first.logDeltaAt(epsilon, known);
    if (bounds && bounds.upper - bounds.lower <= NARROW_LOG_DELTA) return bounds;
    return intersection(bounds, this.second.logDeltaAt(epsilon, known));
  }

  epsilonAt(logDelta: number, known: Interval): Interval | null {
    const bounds = this.first.epsilonAt(logDelta, known);
    if (bounds && bounds.upper - bounds.lower <= NARROW_EPSILON * bounds.upper) return bounds;
    return intersection(bounds, this.second.epsilonAt(logDelta, known));
  }
}

/**
 * The larger of the lower ends and the smaller of the upper ones; of one interval alone, that one.
 */
const intersection = (one: Interval | null, other: Interval | null): Interval | null =>
  one && other
    ? { lower: Math.max(one.lower, other.lower), upper: Math.min(one.upper, other.upper) }
    : (one ?? other);

/**
 * One question: its budget, and by how many cuts losses are divided. One cut is tried first; where its terms are a hundred
 * times larger than δ, classes of losses by size each get a contour of their own, which costs more and keeps more digits.
 */
class Inquiry {
  private readonly budget: NodeBudget = { left: MAXIMUM_WORK };
  private cuts: readonly number[] = ONE_CUT;

  constructor(
    private readonly composition: DirectedComposition,
    private readonly method: LossMethod,
  ) {}

  get exhausted(): boolean {
    return !(this.budget.left > 0);
  }

  parts(epsilon: number, logDelta: number, certified: boolean): DeltaParts {
    const { composition, method, budget, cuts } = this;
    return new DeltaParts({ composition, method, epsilon, logDelta, certified, budget, cuts });
  }

  /** Turns to many cuts where one is not enough; whether it did. Only removing do losses have a tail that needs them. */
  divides(parts: DeltaParts, epsilon: number): boolean {
    // The other methods and the other direction have one line and no cut.
    const dividable = this.cuts === ONE_CUT && this.method === "rotated" && this.composition.direction > 0;
    if (!dividable || !parts.cancels(epsilon)) return false;
    this.cuts = MANY_CUTS;
    return true;
  }
}

/**
 * One method for one direction. Guesses may be wrong without harm: they decide where contours lie, and how many digits
 * are kept.
 */
class HyperbolicSolver implements IntervalNarrower {
  constructor(
    private readonly composition: DirectedComposition,
    private readonly method: LossMethod,
  ) {}

  /**
   * log δ(ε) within bounds, or null where that was not reached. Contours are made for a guess of log δ, which decides how
   * small their errors must be: it starts far below what is known from above, and is replaced by what the contours say
   * until it stays within e^3.
   *
   * δ is in [value − error, value + error]; where the lower end is not above 0 nothing is said. 1e-15 covers the
   * rounding of log; the upper end is capped at log δ = 0.
   */
  logDeltaAt(epsilon: number, known: LogBounds): LogBounds | null {
    if (!(epsilon > 0 && epsilon < Infinity && known.upper >= LEAST_LOG_DELTA)) return null;
    const inquiry = new Inquiry(this.composition, this.method);
    let log = Math.max(known.lower, Math.min(known.upper, -1) - 20);
    for (let round = 0; round < 10 && !inquiry.exhausted; round++) {
      const parts = inquiry.parts(epsilon, log, false);
      if (inquiry.divides(parts, epsilon)) continue;
      const { value } = parts.at(epsilon);
      // An estimate at or below 0 is all rounding: δ is far below what these contours resolve.
      const next = value > 0 ? Math.log(value) : log - 30;
      const change = Math.abs(next - log);
      log = Math.min(0, next);
      if (log < LEAST_LOG_DELTA) return null;
      if (change < 3) break;
    }
    // One set of contours with all bounds, made for the log δ that the estimates settled on.
    const { value, error } = inquiry.parts(epsilon, log, true).at(epsilon);
    if (!(value > error)) return null;
    return { lower: Math.log(value - error) - 1e-15, upper: Math.min(0, Math.log(value + error) + 1e-15) };
  }

  /**
   * The interval of ε narrowed, or null. Each round makes contours for one ε and solves δ = e^logDelta on them by Newton
   * steps in log ε, until the root lies within what they serve.
   *
   * A small ε may show that nothing is spent: (1 − e^{−y})₊ ≤ (1 − e^{ε−y})₊ + 1 − e^{−ε}, so δ(0) ≤ δ(ε) + ε; where that is
   * at most δ, ε(δ) = 0.
   *
   * The proof of ε(δ) = 0 needs δ(0) ≤ δ alone: 1 − e^{−ε} ≤ ε, and value + error + ε, with slack for the rounding of
   * log δ, must be at most δ.
   */
  epsilonAt(logDelta: number, known: Interval): Interval | null {
    if (logDelta < LEAST_LOG_DELTA) return null;
    const inquiry = new Inquiry(this.composition, this.method);
    let epsilon = startingEpsilon(this.composition, logDelta, known);
    if (!(epsilon > 0 && epsilon < Infinity)) return null;
    const bracket = { low: known.lower, high: known.upper };
    const delta = Math.exp(logDelta);
    // Comparisons allow for the rounding of log δ itself.
    const slack = 4 * UNIT_ROUNDOFF * (1 + Math.abs(logDelta));
    let lastMove = 0;
    for (let round = 0; round < MAXIMUM_ROUNDS && !inquiry.exhausted; round++) {
      const parts = inquiry.parts(epsilon, logDelta, false);
      if (inquiry.divides(parts, epsilon)) continue;
      // δ(0) ≤ δ(ε) + 1 − e^{−ε}: where that is below δ, nothing is spent.
      const { value: estimate } = parts.at(epsilon);
      if (estimate > 0 && estimate + epsilon < 0.999 * delta) {
        const { value, error } = inquiry.parts(epsilon, logDelta, true).at(epsilon);
        if ((value + error + epsilon) * (1 + slack) <= delta) return { lower: 0, upper: 0 };
      }
      // The root on these contours, kept inside of what is known.
      let x = newtonRoot(parts, epsilon, logDelta, bracket);
      const { low, high } = bracket;
      // Newton left what is known of ε: the geometric middle, or twice the lower end where there is no upper one.
      if (!(x > low && x < high))
        x = high < Infinity ? Math.sqrt(Math.max(low, high * 1e-3) * high) : 2 * low;
      // Where few large losses take over from many small ones Newton steps may go back and forth.
      const move = Math.log(x / epsilon);
      // Back by more than half as far as it came: half of it.
      if (move * lastMove < 0 && Math.abs(move) > 0.5 * Math.abs(lastMove)) x = epsilon * Math.exp(move / 2);
      lastMove = move;
      // Within what this contour serves, and a root of it.
      const settled =
        Math.abs(Math.log(x / epsilon)) < 0.7 * Math.log(SERVED_RATIO) &&
        Math.abs(Math.log(parts.at(x).value) - logDelta) < 0.1;
      epsilon = x;
      if (settled) return certifiedInterval(inquiry.parts(epsilon, logDelta, true), epsilon, delta, slack);
    }
    return null;
  }
}

/**
 * Where δ on these contours is e^logDelta, by Newton steps in log ε from `start`, not farther than they serve; narrows
 * the bracket as it goes.
 *
 * Each step is Δ log ε = −(log δ(ε) − logDelta)·δ/(δ′ε), and of 1 at most. The bracket takes a thousandth beyond each ε
 * visited, since estimates are not proofs.
 */
function newtonRoot(
  parts: DeltaParts,
  start: number,
  logDelta: number,
  bracket: { low: number; high: number },
): number {
  let x = start;
  for (let k = 0; k < 30; k++) {
    const { value, slope } = parts.at(x);
    // Below what this contour resolves: the answer is at a smaller ε.
    if (!(value > 0 && slope < 0)) return x / 1.5;
    const excess = Math.log(value) - logDelta;
    if (excess > 0) bracket.low = Math.max(bracket.low, x * 0.999);
    else bracket.high = Math.min(bracket.high, x * 1.001);
    const next = x * Math.exp(Math.max(-1, Math.min(1, (-excess * value) / (slope * x))));
    const change = Math.abs(next - x);
    x = Math.max(start / 3, Math.min(start * 3, next));
    if (change < 1e-13 * x || x > start * SERVED_RATIO || x < start / SERVED_RATIO) break;
  }
  return x;
}

/**
 * Theorem 6 of docs/math-contour.md on bent contours: upper with δ(upper) ≤ δ and lower with δ(lower) > δ, both
 * evaluated with their errors. From the root of the middle value outward, by (error + slack)/|slope| first, then by
 * doubling.
 *
 * δ(ε) does not rise with ε, so from deltaUpper(upper) ≤ δ < deltaLower(lower) it follows that lower ≤ ε(δ) ≤ upper.
 * Where one end is not reached in 30 doublings, or the terms no longer serve that ε (their error is Infinity then), it
 * stays at 0 or Infinity.
 */
function certifiedInterval(parts: DeltaParts, start: number, delta: number, slack: number): Interval | null {
  // The root of the middle value, to 1e-14 of ε where rounding lets it.
  let epsilon = start;
  for (let k = 0; k < 10; k++) {
    const { value, slope } = parts.at(epsilon);
    if (!(value > 0 && slope < 0)) return null;
    // Newton on δ itself, which is nearly linear over what is left.
    const move = (value - delta) / slope;
    epsilon -= move;
    if (Math.abs(move) < 1e-14 * epsilon) break;
  }
  // dε = dδ ÷ |slope|: as far as the error, and the rounding of log δ, reach.
  const { slope, error } = parts.at(epsilon);
  if (!(error < Infinity && slope < 0)) return null;
  const first = Math.max(((error + delta * slack) * 1.01) / -slope, 4 * UNIT_ROUNDOFF * epsilon);
  let upper = Infinity;
  let width = first;
  for (let k = 0; k < 30 && upper === Infinity; k++, width *= 2) {
    const above = parts.at(epsilon + width);
    if ((above.value + above.error) * (1 + slack) <= delta) upper = epsilon + width;
  }
  let lower = 0;
  width = first;
  for (let k = 0; k < 30 && lower === 0; k++, width *= 2) {
    const below = parts.at(epsilon - width);
    if ((below.value - below.error) * (1 - slack) > delta) lower = epsilon - width;
  }
  return { lower, upper };
}
