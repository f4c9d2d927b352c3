// One direction of the privacy profile: finds the lines to integrate on and turns their readings into bounds on
// log δ(ε) and on ε(δ). Every question starts without lines, so that its answer is a function of it alone. Bounded work: at most MAXIMUM_LINES lines of `maximumWork` each a question.
import { minimize } from "../../../math/minimize.js";
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";
import type { Interval } from "../../accountant.js";
import type { LogBounds } from "../directionProfile.js";
import { type DirectedComposition, exponentAt, logSupremum } from "./directedComposition.js";
import type { MixtureStep } from "./stepMgf.js";
import { type ContourReading, type LinePlacement, VerticalContour } from "./verticalContour.js";

const MAXIMUM_LINES = 8;
/** A line's integrand changes by e to this power between the ε that it was placed for and one that is near. */
const NEAR = 0.3;

export class VerticalProfile {
  private readonly lines: VerticalContour[] = [];
  /** The ε that the last line was placed for. */
  private placedAt = Number.NaN;
  private readonly steps: number[];
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
        : mixtures.reduce((sum, m) => sum + m.count * m.largestNegativeLoss, 0) * (1 + 1e-12);
    this.steps = composition.mixtures.map((m) => m.stepFor(exponentAt(composition, 1), [0], [-20 - many(m)]));
  }

  /** K, K′, K″ of log M at real c, and a bound on the error of K. */
  private cumulants(c: number): [number, number, number, number] {
    const { gaussian, mixtures, direction } = this.composition;
    const s = exponentAt(this.composition, c);
    let k0 = (gaussian * c * (c + 1)) / 2;
    let k1 = (gaussian * (2 * c + 1)) / 2;
    let k2 = gaussian;
    let error = 4 * UNIT_ROUNDOFF * k0;
    mixtures.forEach((mixture, i) => {
      let h = this.steps[i]!;
      let log = mixture.logQuadratureError(s, 0, h);
      if (!(log < -14 - many(mixture))) {
        h = mixture.stepFor(s, [0], [-16 - many(mixture)]);
        log = mixture.logQuadratureError(s, 0, h);
      }
      const [a, b, d] = mixture.cumulants(s, h);
      if (!Number.isFinite(a)) {
        // Too fine a grid: r^s is convex in the mixture, so the largest shift alone is an upper bound of K.
        const turn = mixture.count / (mixture.sigma * mixture.sigma);
        k0 += (turn * c * (c + 1)) / 2;
        k1 += (turn * (2 * c + 1)) / 2;
        k2 += turn;
        error += 8 * UNIT_ROUNDOFF * turn * Math.abs(c * (c + 1));
        return;
      }
      k0 += mixture.count * a;
      k1 += direction * mixture.count * b;
      k2 += mixture.count * d;
      error += mixture.count * (Math.exp(log) + 1e-12) * (1 + Math.abs(a));
    });
    return [k0, k1, k2, error];
  }

  /**
   * Where K(c) − cε − log|c|(1 + c) is least (given ε), or where that meets log target (given log target): the only
   * sign change of a monotone function, by Newton steps in log |c| inside a bracket. Null if K overflows everywhere.
   */
  private saddle(
    below: boolean,
    goal: { epsilon: number } | { log: number },
  ): { c: number; epsilon: number; log: number; curvature: number } | null {
    // y = log c for c > 0; for −1 < c < 0, c = −1/(1 + e^{−y}).
    const at = (y: number): number => (below ? -1 / (1 + Math.exp(-y)) : Math.exp(y));
    let lo = below ? -34 : -60;
    let hi = below ? 34 : 60;
    const first = this.cumulants(below ? -0.5 : 0.5);
    const deviation = Math.sqrt(Math.max(first[2], 1e-300));
    let y = 0;
    if (!below) {
      const aim =
        "log" in goal
          ? Math.sqrt(Math.max(1, -2 * goal.log)) / deviation
          : goal.epsilon / (deviation * deviation) + 1 / deviation;
      y = Math.min(20, Math.max(-20, Math.log(aim)));
      if (!(y > -20)) y = 0;
    }
    let found: { c: number; epsilon: number; log: number; curvature: number } | null = null;
    for (let i = 0; i < 60; i++) {
      const c = at(y);
      const [k, k1, k2] = this.cumulants(c);
      let move: number;
      if (!(Number.isFinite(k) && Number.isFinite(k1) && Number.isFinite(k2))) {
        hi = y;
        move = -1;
      } else {
        const bar = Math.log(Math.abs(c)) + Math.log1p(c);
        const bend = k2 + 1 / (c * c) + 1 / ((1 + c) * (1 + c));
        const prefactor = -0.5 * Math.log(2 * Math.PI * bend);
        const lead = k1 - 1 / c - 1 / (1 + c);
        const epsilon = "epsilon" in goal ? goal.epsilon : (k - bar + prefactor - goal.log) / c;
        found = { c, epsilon, log: k - c * epsilon - bar + prefactor, curvature: bend };
        // Increasing in c either way.
        const f = lead - epsilon;
        const rate = bend * (below ? -c * (1 + c) : c);
        // dc/dy > 0 for c > 0, < 0 below.
        const up = below ? f < 0 : f > 0;
        if (up) hi = y;
        else lo = y;
        move = below ? f / rate : -f / rate;
        // What is left to gain in log δ.
        if ((f * f) / (2 * bend) < 0.02) break;
        // Beyond a knee of K (a second mode of the tilted density) Newton crawls: step on.
        if (Math.abs(move) < 0.1) move = Math.sign(move) * Math.min(0.3, i / 30 + 0.1);
      }
      let next = y + Math.max(-2, Math.min(2, move));
      if (!(next > lo && next < hi)) next = (lo + hi) / 2;
      if (Math.abs(next - y) < 1e-6) break;
      y = next;
    }
    return found;
  }

  /** The line for ε where log δ (or log(1 − δ)) is about `log`: the c, c2 that let the period be shortest. */
  private place(at: { c: number; epsilon: number; log: number; curvature: number }): LinePlacement | null {
    const tol = 0.7 - Math.log(this.tolerance);
    const sign = at.c > 0 ? 1 : -1;
    const b = Math.abs(at.c);
    const near = Math.max(0, -at.log) + tol;
    let best = Infinity;
    let b2 = 0;
    let moment = 0;
    const factors =
      sign > 0
        ? [1, 1.02, 1.05, 1.1, 1.2, 1.4, 1.7, 2.3, 3.2, 4.6, 7, 12, 20, 40, 100]
        : [0.1, 0.3, 0.6, 0.8, 1];
    for (const f of factors) {
      const x = sign > 0 ? b * f : b + (1 - b) * f;
      const c2 = sign * x;
      const [k, , , error] = this.cumulants(c2);
      if (!Number.isFinite(k)) break;
      const far = k + error - c2 * at.epsilon + logSupremum(c2) - at.log + tol;
      const period = (near + Math.max(0, far)) / x;
      if (period < best) {
        best = period;
        b2 = x;
        moment = k + error;
      } else if (period > 1.3 * best) break;
    }
    if (!(best < Infinity)) return null;
    // near/c = far/(c2 − c) at the shortest period. Far above the saddle the integrand is much larger than δ: stay
    // within a few standard deviations there; below it, move back up while it is.
    let c = Math.min(near / best, b + Math.sqrt(6 / at.curvature), b + 0.9 * Math.max(0, b2 - b));
    for (let i = 0; i < 6 && c < 0.999 * b; i++) {
      const [k] = this.cumulants(sign * c);
      if (k - sign * c * at.epsilon - Math.log(c) - Math.log1p(sign * c) - at.log < 8) break;
      c = (c + b) / 2;
    }
    c = Math.min(c, 0.98 * b2);
    const far = best * b2 - near;
    const period = Math.max(near / c, far / (b2 - c));
    return { c: sign * c, period, c2: sign * b2, logMoment2: moment };
  }

  /**
   * Whether another line, placed for this ε, would be no better than the last one: where that was placed for one at which its
   * integrand is as large, or was cut short so early that nothing came of it.
   */
  private isEnough(epsilon: number, lower: number): boolean {
    const line = this.lines[this.lines.length - 1];
    if (line === undefined) return false;
    return Math.abs(line.c) * Math.abs(epsilon - this.placedAt) < NEAR || (line.short && lower === -Infinity);
  }

  private addLine(below: boolean, goal: { epsilon: number } | { log: number }): VerticalContour | null {
    const saddle = this.saddle(below, goal);
    if (!saddle) return null;
    const place = this.place(saddle.epsilon >= 0 ? saddle : (this.saddle(below, { epsilon: 0 }) ?? saddle));
    const line = place && VerticalContour.build(this.composition, place, this.tolerance, this.maximumWork);
    if (!line) return null;
    this.placedAt = saddle.epsilon;
    if (this.lines.length >= MAXIMUM_LINES) this.lines.shift();
    this.lines.push(line);
    return line;
  }

  /** The bounds on log δ(ε) that the lines at hand give together. */
  private read(epsilon: number): { bounds: LogBounds; best: ContourReading | null; complement: boolean } {
    let lower = -Infinity;
    let upper = 0;
    let best: ContourReading | null = null;
    let width = Infinity;
    let complement = false;
    for (const line of this.lines) {
      const reading = line.at(epsilon);
      const below = line.c < 0;
      // On a line with c < 0 the reading bounds log(1 − δ).
      const lo = below ? logOneMinusExp(reading.upper) : reading.lower;
      const hi = below ? logOneMinusExp(reading.lower) : reading.upper;
      if (lo > lower) lower = lo;
      if (hi < upper) upper = hi;
      if (hi - lo < width) {
        width = hi - lo;
        best = reading;
        complement = below;
      }
    }
    return { bounds: { lower: Math.min(lower, upper), upper }, best, complement };
  }

  /**
   * log δ(0) = log TV ≤ ½ log(KL/2) (Pinsker), and KL ≤ log(1 + χ²) = K(1). TV is subadditive too: at most the number of
   * steps that sample the record.
   */
  private logDeltaAtZero(): number {
    const { gaussian, mixtures } = this.composition;
    const [k, , , error] = this.cumulants(1);
    const pinsker = 0.5 * Math.log(((k + error) * (1 + 1e-9)) / 2);
    const sampled =
      gaussian > 0 ? 1 : mixtures.reduce((sum, each) => sum + each.count * each.sampled, 0) * (1 + 1e-12);
    const bound = Math.min(Number.isNaN(pinsker) ? 0 : pinsker, Math.log(sampled));
    return Math.min(0, bound + 1e-12 * Math.abs(bound));
  }

  /** log δ(ε) ≤ K(c) − cε + log sup: what remains where no line can be integrated. */
  chernoff(epsilon: number): number {
    if (epsilon >= this.largestLoss) return -Infinity;
    const start = this.logDeltaAtZero();
    const bound = this.leastBound({ epsilon }, (c, k) => k - c * epsilon + logSupremum(c));
    return Math.min(start, bound.value + 1e-12 * (1 + Math.abs(bound.value) + bound.c * epsilon));
  }

  /** The least of bound(c, K(c)) over c > 0, a function that falls, then rises; Infinity where K overflows everywhere. */
  private leastBound(
    goal: { epsilon: number } | { log: number },
    bound: (c: number, k: number) => number,
  ): { c: number; value: number } {
    const saddle = this.saddle(false, goal);
    if (!saddle) return { c: 1, value: Infinity };
    const at = (y: number): number => {
      const c = Math.exp(y);
      const [k, , , error] = this.cumulants(c);
      const value = bound(c, k + error);
      return Number.isNaN(value) ? Infinity : value;
    };
    const { x, value } = minimize(at, Math.log(saddle.c), -60, 60, 0.25, 1e-7);
    return { c: Math.exp(x), value };
  }

  /** Bounds on log δ at ε ≥ 0. */
  logDeltaAt(epsilon: number): LogBounds {
    if (epsilon === Infinity) return { lower: -Infinity, upper: -Infinity };
    if (epsilon >= this.largestLoss) return { lower: -Infinity, upper: -Infinity };
    this.lines.length = 0;
    const wanted = 20 * this.tolerance;
    let { bounds } = this.read(epsilon);
    if (bounds.upper - bounds.lower > wanted) {
      this.addLine(false, { epsilon });
      ({ bounds } = this.read(epsilon));
      // Near δ = 1 the complement is what has relative accuracy.
      if (bounds.upper > -0.7 && bounds.upper - bounds.lower > 0) {
        this.addLine(true, { epsilon });
        ({ bounds } = this.read(epsilon));
      }
    }
    if (bounds.upper - bounds.lower > 0.1)
      bounds = {
        lower: bounds.lower,
        upper: Math.max(bounds.lower, Math.min(bounds.upper, this.chernoff(epsilon))),
      };
    return bounds;
  }

  /** Bounds on the smallest ε ≥ 0 with δ(ε) ≤ δ, given log δ and log(1 − δ); δ in (0, 1). */
  epsilonAt(logDelta: number, logRest: number): Interval {
    // Comparisons allow for the rounding of log δ itself.
    const slack = 4 * UNIT_ROUNDOFF * (1 + Math.abs(logDelta));
    this.lines.length = 0;
    const holds = (epsilon: number): boolean => this.read(epsilon).bounds.upper + slack <= logDelta;
    const fails = (epsilon: number): boolean => this.read(epsilon).bounds.lower - slack > logDelta;
    if (this.logDeltaAtZero() + slack <= logDelta) return { lower: 0, upper: 0 };
    const below = logDelta > -0.1;
    this.addLine(below, { log: below ? logRest : logDelta });
    let upper = Infinity;
    let lower = 0;
    let epsilon = this.newton(logDelta, logRest, 0);
    for (let round = 0; round < 3; round++) {
      const { bounds, best, complement } = this.read(epsilon);
      // The line was placed for another ε than it led to: place one for this.
      if (
        round < 2 &&
        !(bounds.upper - bounds.lower < 1e3 * this.tolerance) &&
        !this.isEnough(epsilon, bounds.lower)
      ) {
        this.addLine(round === 1 && below, { epsilon });
        epsilon = this.newton(logDelta, logRest, epsilon);
        continue;
      }
      // dε = d log δ ÷ |slope|, with log δ's slope got from that of log(1 − δ) where needed.
      const slope = best ? Math.abs(best.slope) * (complement ? Math.exp(logRest - logDelta) : 1) : 1;
      const rate = 1 / Math.max(slope, 1e-300);
      let w = Math.max((bounds.upper - logDelta + slack) * rate * 1.01, UNIT_ROUNDOFF * 4 * epsilon);
      for (let k = 0; k < 80 && upper === Infinity; k++) {
        if (!(epsilon + w < Infinity)) break;
        if (holds(epsilon + w)) upper = epsilon + w;
        else w = Math.max(w * 2, epsilon * 1e-15, 1e-300);
      }
      if (upper < Infinity && upper - epsilon > 1e-6 * epsilon) upper = refine(holds, epsilon, upper);
      let v = Math.max((logDelta - bounds.lower + slack) * rate * 1.01, UNIT_ROUNDOFF * 4 * epsilon);
      for (let k = 0; k < 80; k++) {
        if (!(epsilon - v > 0)) break;
        if (fails(epsilon - v)) {
          lower = epsilon - v;
          break;
        }
        v = Math.max(v * 2, epsilon * 1e-15);
      }
      break;
    }
    if (holds(0)) return { lower: 0, upper: 0 };
    upper = Math.min(upper, this.largestLoss);
    // Not reached, or only loosely: the order of moments that is best for this δ.
    if (!(upper < Infinity && upper - lower <= 1e-3 * upper)) {
      const bound = this.leastBound(
        { log: logDelta },
        (c, k) => (k + logSupremum(c) - logDelta + slack) / c,
      ).value;
      if (bound < upper) upper = Math.max(lower, bound * (1 + 1e-12), 0);
    }
    return { lower: Math.min(lower, upper), upper };
  }

  /** ε where the best line's middle value meets δ. Newton inside a bracket; at most 60 steps. */
  private newton(logDelta: number, logRest: number, start: number): number {
    let lo = 0;
    let hi = Infinity;
    let x = start;
    const line = this.lines[this.lines.length - 1];
    if (!line) return 0;
    const target = line.c < 0 ? logRest : logDelta;
    for (let i = 0; i < 60; i++) {
      const { middle, slope } = line.at(x);
      // middle falls with ε on a line c > 0 and rises on one with c < 0: g is decreasing in ε either way.
      const g = line.c < 0 ? target - middle : middle - target;
      const rate = line.c < 0 ? -slope : slope;
      if (g > 0) lo = x;
      else hi = x;
      let next = rate < 0 ? x - g / rate : NaN;
      if (!(next >= lo && next <= hi)) next = hi < Infinity ? (lo + hi) / 2 : 2 * lo + 1e-3;
      const moved = Math.abs(next - x);
      x = next;
      if (moved <= 4 * UNIT_ROUNDOFF * Math.abs(x)) break;
    }
    return x;
  }
}

/** What the error of one step's K must be smaller by, as a logarithm, for that of all of them to be small. */
const many = (mixture: MixtureStep): number => Math.max(0, Math.log(mixture.count) - 10);

/** The least of a monotone predicate between bad (false) and good (true), to 1e-9 of good. */
function refine(ok: (x: number) => boolean, bad: number, good: number): number {
  let a = bad;
  let b = good;
  for (let i = 0; i < 40 && b - a > 1e-9 * b; i++) {
    const m = (a + b) / 2;
    if (ok(m)) b = m;
    else a = m;
  }
  return b;
}

/** log(1 − e^x), x ≤ 0. */
export function logOneMinusExp(x: number): number {
  if (x >= 0) return -Infinity;
  return x > -Math.LN2 ? Math.log(-Math.expm1(x)) : Math.log1p(-Math.exp(x));
}
