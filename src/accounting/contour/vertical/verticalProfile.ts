// One direction of the privacy profile: turns the readings of vertical lines into bounds on log δ(ε) and on ε(δ)
// (docs/math-contour.md, theorem 6 and "Work"). Every question starts without lines, so that its answer is a function of
// it alone. Bounded work: at most MAXIMUM_LINES lines of `maximumWork` each a question.
//
//   K(c)   log M(c)                     β(c)   `logSupremum` is its logarithm
//   g      δ on lines with c > 0, 1 − δ on those with −1 < c < 0
//
// The edges: ε ≥ the largest loss has δ = 0; ε = ∞ too; δ ≥ TV has ε = 0. δ = 0 and δ = 1 are answered before lines are
// asked.
import { log1mexp } from "../../../math/log.js";
import { halve } from "../../../math/roots.js";
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";
import type { Interval } from "../../accountant.js";
import { logSupremum } from "../../hockeyStickSupremum.js";
import type { DirectionProfile, LogBounds } from "../directionProfile.js";
import type { DirectedComposition } from "./directedComposition.js";
import { LinePlacer, type SaddleGoal } from "./linePlacement.js";
import { type ContourReading, VerticalContour } from "./verticalContour.js";

const MAXIMUM_LINES = 8;
/** A line's integrand changes by e to this power between the ε that it was placed for and one that is near. */
const NEAR = 0.3;
/** log δ above which 1 − δ is what is accurate: for a δ given, and for an upper end found. */
const COMPLEMENT_FROM = -0.1;
const COMPLEMENT_BESIDE = -0.7;
/** Doublings of a step outward, at most. */
const MAXIMUM_DOUBLINGS = 80;

/** What the lines at hand say together. */
interface CombinedReading {
  readonly bounds: LogBounds;
  /** The narrowest line's reading, and whether it is of 1 − δ. */
  readonly best: ContourReading | null;
  readonly complement: boolean;
}

/**
 * Lines are placed at the saddle point of the ε at hand (`LinePlacer`); each reading is an interval by itself, so that the
 * best end of all lines counts. Where log δ is above −0.1 a line with −1 < c < 0 reads 1 − δ, which keeps its digits there.
 */
export class VerticalProfile implements DirectionProfile {
  private readonly lines: VerticalContour[] = [];
  /** The ε that the last line was placed for. */
  private placedAt = Number.NaN;
  private readonly placer: LinePlacer;
  /** No loss exceeds this: adding, log 1/r ≤ −log of the weight of no shift; rounded up. */
  private readonly largestLoss: number;

  constructor(
    private readonly composition: DirectedComposition,
    private readonly tolerance: number,
    private readonly maximumWork: number,
  ) {
    const { gaussian, mixtures, direction } = composition;
    this.largestLoss =
      direction > 0 || gaussian > 0
        ? Infinity
        : mixtures.reduce((sum, step) => sum + step.count * step.largestNegativeLoss, 0) * (1 + 1e-12);
    this.placer = new LinePlacer(composition, tolerance);
  }

  /**
   * The line that Newton's steps are taken on.
   */
  private get lastLine(): VerticalContour | undefined {
    return this.lines[this.lines.length - 1];
  }

  /**
   * Whether another line, placed for this ε, would be no better than the last one: where that was placed for one at which
   * its integrand is as large, or was cut short so early that nothing came of it.
   *
   * Between two ε the integrand on one line changes by e^{|c||Δε|}: within e^NEAR of it no new line is worth its work.
   */
  private isSettled(epsilon: number, lower: number): boolean {
    const line = this.lastLine;
    if (line === undefined) return false;
    return Math.abs(line.c) * Math.abs(epsilon - this.placedAt) < NEAR || (line.short && lower === -Infinity);
  }

  /**
   * negative: a line with −1 < c < 0, which reads 1 − δ. No line where K overflows or a grid has too many points.
   *
   * Where the saddle's own ε is below 0 the line is placed for ε = 0, since no smaller one is asked for. The oldest of
   * MAXIMUM_LINES is dropped.
   */
  private addLine(negative: boolean, goal: SaddleGoal): void {
    const saddle = this.placer.saddle(negative, goal);
    if (!saddle) return;
    const atLeastZero =
      saddle.epsilon >= 0 ? saddle : (this.placer.saddle(negative, { epsilon: 0 }) ?? saddle);
    const placement = this.placer.place(atLeastZero);
    // Null where the placement or the grid fails: the bounds at hand stand.
    const line =
      placement && VerticalContour.build(this.composition, placement, this.tolerance, this.maximumWork);
    if (!line) return;
    this.placedAt = saddle.epsilon;
    if (this.lines.length >= MAXIMUM_LINES) this.lines.shift();
    this.lines.push(line);
  }

  /**
   * The bounds on log δ(ε) that the lines at hand give together. On a line with c < 0 the reading bounds log(1 − δ).
   *
   * log(1 − e^x) turns a bound of log(1 − δ) into one of log δ, the upper into the lower.
   */
  private read(epsilon: number): CombinedReading {
    let lower = -Infinity;
    let upper = 0;
    let best: ContourReading | null = null;
    let leastWidth = Infinity;
    let complement = false;
    for (const line of this.lines) {
      const reading = line.at(epsilon);
      const negative = line.c < 0;
      const low = negative ? logComplementOf(reading.upper) : reading.lower;
      const high = negative ? logComplementOf(reading.lower) : reading.upper;
      if (low > lower) lower = low;
      if (high < upper) upper = high;
      if (high - low < leastWidth) {
        leastWidth = high - low;
        best = reading;
        complement = negative;
      }
    }
    return { bounds: { lower: Math.min(lower, upper), upper }, best, complement };
  }

  /**
   * log δ(ε) ≤ K(c) − cε + log β(c): what remains where no line can be integrated.
   *
   * The least over c > 0 of a bound that holds at every c, and δ(0), as δ does not rise with ε; 1e-12 covers rounding.
   */
  chernoff(epsilon: number): number {
    if (epsilon >= this.largestLoss) return -Infinity;
    const atZero = this.placer.logDeltaAtZero();
    const bound = this.placer.leastBound({ epsilon }, (c, k) => k - c * epsilon + logSupremum(c));
    return Math.min(atZero, bound.value + 1e-12 * (1 + Math.abs(bound.value) + bound.c * epsilon));
  }

  /**
   * Bounds on log δ at ε ≥ 0.
   *
   * First a line with c > 0; where δ may be above e^COMPLEMENT_BESIDE one of 1 − δ beside it, for whichever is
   * narrower. Both bound the same δ. Where they leave more than 0.1 open the Chernoff bound caps the upper end.
   */
  logDeltaAt(epsilon: number): LogBounds {
    if (epsilon === Infinity) return { lower: -Infinity, upper: -Infinity };
    if (epsilon >= this.largestLoss) return { lower: -Infinity, upper: -Infinity };
    this.lines.length = 0;
    const aim = 20 * this.tolerance;
    let { bounds } = this.read(epsilon);
    if (bounds.upper - bounds.lower > aim) {
      this.addLine(false, { epsilon });
      ({ bounds } = this.read(epsilon));
      // Near δ = 1 the complement is what has relative accuracy.
      if (bounds.upper > COMPLEMENT_BESIDE && bounds.upper - bounds.lower > 0) {
        this.addLine(true, { epsilon });
        ({ bounds } = this.read(epsilon));
      }
    }
    const { lower, upper } = bounds;
    if (upper - lower > 0.1)
      return { lower, upper: Math.max(lower, Math.min(upper, this.chernoff(epsilon))) };
    return bounds;
  }

  /**
   * Bounds on the smallest ε ≥ 0 with δ(ε) ≤ δ, given log δ and log(1 − δ), δ in (0, 1): upper with
   * deltaUpper(upper) ≤ δ and lower with deltaLower(lower) > δ, both evaluated; Newton only proposes.
   *
   *   1  δ ≥ δ(0): ε = 0.
   *   2  A line placed for δ, Newton's ε on it, and once or twice another line placed for that ε.
   *   3  From there outward, to where δ's bounds are on the right sides of δ (`walkOutward`).
   *   4  Where that leaves the upper end open, the Chernoff bound solved for ε.
   */
  epsilonAt(logDelta: number, logComplement: number): Interval {
    // Comparisons allow for the rounding of log δ itself.
    const slack = 4 * UNIT_ROUNDOFF * (1 + Math.abs(logDelta));
    this.lines.length = 0;
    if (this.placer.logDeltaAtZero() + slack <= logDelta) return { lower: 0, upper: 0 };
    const negative = logDelta > COMPLEMENT_FROM;
    this.addLine(negative, { log: negative ? logComplement : logDelta });
    let epsilon = this.newton(logDelta, logComplement, 0);
    let reading = this.read(epsilon);
    // Where the line was placed for another ε than it led to, place one for this; twice at most.
    for (let round = 0; round < 2; round++) {
      const { bounds } = reading;
      if (bounds.upper - bounds.lower < 1e3 * this.tolerance || this.isSettled(epsilon, bounds.lower)) break;
      this.addLine(round === 1 && negative, { epsilon });
      epsilon = this.newton(logDelta, logComplement, epsilon);
      reading = this.read(epsilon);
    }
    // δ does not rise with ε, so ε(δ) lies between an ε whose δ is proven to be above and one whose δ is proven not to
    // be.
    const { lower, upper: walked } = this.walkOutward(epsilon, reading, { logDelta, logComplement, slack });
    // The line may know more of δ(0) than Pinsker's bound did.
    if (this.read(0).bounds.upper + slack <= logDelta) return { lower: 0, upper: 0 };
    let upper = Math.min(walked, this.largestLoss);
    // From δ ≤ M(c)e^{−cε}β(c): ε ≤ (K(c) + log β(c) − log δ)/c for every c > 0.
    // Not reached, or only loosely: the order of moments that is best for this δ.
    if (!(upper < Infinity && upper - lower <= 1e-3 * upper)) {
      const bound = this.placer.leastBound(
        { log: logDelta },
        (c, k) => (k + logSupremum(c) - logDelta + slack) / c,
      ).value;
      if (bound < upper) upper = Math.max(lower, bound * (1 + 1e-12), 0);
    }
    return { lower: Math.min(lower, upper), upper };
  }

  /**
   * From ε outward, by what the width of the reading suggests and then by doubling, to where both ends are proven.
   *
   * First step: what the reading's width, over the slope of log δ, says; a few round-offs of ε at least. d log δ/dε = d
   * log(1 − δ)/dε·(−(1 − δ)/δ). If the upper end took a long way it is halved back, in which each point kept was
   * evaluated too.
   */
  private walkOutward(
    epsilon: number,
    { bounds, best, complement }: CombinedReading,
    {
      logDelta,
      logComplement,
      slack,
    }: { readonly logDelta: number; readonly logComplement: number; readonly slack: number },
  ): Interval {
    const holds = (at: number): boolean => this.read(at).bounds.upper + slack <= logDelta;
    const fails = (at: number): boolean => this.read(at).bounds.lower - slack > logDelta;
    // dε = d log δ ÷ |slope|, with log δ's slope got from that of log(1 − δ) where needed.
    const slope = best ? Math.abs(best.slope) * (complement ? Math.exp(logComplement - logDelta) : 1) : 1;
    // dε per unit of log δ.
    const rate = 1 / Math.max(slope, 1e-300);
    // Upward: the first ε at which δ ≤ the δ asked for is proven.
    let upper = Infinity;
    let width = Math.max((bounds.upper - logDelta + slack) * rate * 1.01, UNIT_ROUNDOFF * 4 * epsilon);
    for (let k = 0; k < MAXIMUM_DOUBLINGS && upper === Infinity; k++) {
      if (!(epsilon + width < Infinity)) break;
      if (holds(epsilon + width)) upper = epsilon + width;
      else width = Math.max(width * 2, epsilon * 1e-15, 1e-300);
    }
    // `holds` is true at the result of halving.
    if (upper < Infinity && upper - epsilon > 1e-6 * epsilon) upper = halve(holds, epsilon, upper, 40, 1e-9);
    // Downward: the first at which δ > the δ asked for is proven; 0 by default, which no ε is below.
    let lower = 0;
    width = Math.max((logDelta - bounds.lower + slack) * rate * 1.01, UNIT_ROUNDOFF * 4 * epsilon);
    for (let k = 0; k < MAXIMUM_DOUBLINGS; k++) {
      if (!(epsilon - width > 0)) break;
      if (fails(epsilon - width)) {
        lower = epsilon - width;
        break;
      }
      width = Math.max(width * 2, epsilon * 1e-15);
    }
    return { lower, upper };
  }

  /**
   * ε where the last line's middle value meets δ. Newton inside a bracket; at most 60 steps.
   *
   * The slope of log g is the line's own. A step out of the bracket is replaced by its middle, or by doubling while
   * there is no upper end.
   */
  private newton(logDelta: number, logComplement: number, start: number): number {
    let lo = 0;
    let hi = Infinity;
    let x = start;
    const line = this.lastLine;
    if (!line) return 0;
    const target = line.c < 0 ? logComplement : logDelta;
    for (let i = 0; i < 60; i++) {
      const { middle, slope } = line.at(x);
      // middle falls with ε on a line c > 0 and rises on one with c < 0: excess falls with ε either way. Above 0: δ is
      // still too large at x.
      const excess = line.c < 0 ? target - middle : middle - target;
      const rate = line.c < 0 ? -slope : slope;
      if (excess > 0) lo = x;
      else hi = x;
      let next = rate < 0 ? x - excess / rate : NaN;
      if (!(next >= lo && next <= hi)) next = hi < Infinity ? (lo + hi) / 2 : 2 * lo + 1e-3;
      const change = Math.abs(next - x);
      x = next;
      if (change <= 4 * UNIT_ROUNDOFF * Math.abs(x)) break;
    }
    return x;
  }
}

/** log(1 − e^x); −∞ from 0 on. */
const logComplementOf = (x: number): number => (x >= 0 ? -Infinity : x < 0 ? log1mexp(x) : NaN);
