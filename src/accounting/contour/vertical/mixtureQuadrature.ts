// The trapezoid rule in x for E_Q[r^{s+iu}], Q = N(0, σ²), r a mixture's likelihood ratio: its error, the step that
// keeps it small, and the range of x that it needs (docs/math-contour.md, theorem 3).
//
//   r(x) = Σ p_k e^{z_k}, z_k = d_k(2x − d_k)/2σ²     reach  the largest d_k
//   h  step of the rule, x_i = ih                     θ      reach·d/σ², the largest angle of r(x + id)
//   N(x) density of Q                                 κ      `wall`: how much larger |r(x + id)|^s may be than r(x)^s
//
//   T  `count`, how often the step is taken           E_Q[r^s] ≥ 1 for s < 0 or s > 1 (Jensen)
//   m  mean shift given x (`meanShift`), at x = 0     p_0  weight of shift 0: r ≥ p_0 everywhere
import { logAddExp } from "../../../math/log.js";
import { LikelihoodRatio } from "../likelihoodRatio.js";

/** Grid points whose share of the tilted mass is below e^−SMALL ÷ T are left out (and counted as error). */
export const SMALL = 44;
/** Most grid points kept for one atom; past it the atom is accounted as if it were not sampled. */
export const MAXIMUM_GRID_POINTS = 16384;
/** Ranges of at most so many points are taken whole. */
const WHOLE_RANGE = 1500;
/** Blocks are halved down to so many points, and at most so often. */
const BLOCK_POINTS = 64;
const MAXIMUM_HALVINGS = 20000;

/**
 * Theorem 3(a): for 0 < d < πσ²/reach the rule of step h errs by at most E[r^s]·2e^{d²/2σ² + uθ}κ/(e^{2πd/h} − 1). Its
 * aliases are values of the integrand's Fourier transform at ±2πk/h; moving the line of integration to Im x = ±d gains
 * e^{−2πkd/h}, and costs |N(x + id)| = N(x)e^{d²/2σ²}, |r^{iu}| ≤ e^{uθ} for one of the signs, and κ: the terms of r(x + id)
 * have angles between 0 and θ < π, so that r stays in a sector without 0.
 */
export class MixtureQuadrature extends LikelihoodRatio {
  /** count: how often the step is taken, T. */
  constructor(
    sigma: number,
    shifts: readonly number[],
    weights: readonly number[],
    readonly count: number,
  ) {
    super(sigma, shifts, weights);
  }

  /**
   * log κ of theorem 3(a), the largest angle θ given as `turn` < π: 0 if s ≥ 0; if s < 0, log of (cos θ/2)^s (r is at
   * least r(x) cos θ/2 on its bisector), and of p_0^s where θ ≤ π/2 (then Re r ≥ p_0).
   *
   * Why: on Im x = d the terms of r have angles between 0 and θ. Projected on the bisector θ/2 each keeps at least cos
   * θ/2 of its size, so |r(x + id)| ≥ r(x)cos θ/2; with s < 0 that is an upper bound of |r^s|. Where θ ≤ π/2 no term
   * has a negative real part, and that of shift 0 is p_0 itself: |r^s| ≤ p_0^s, against E_Q[r^s] ≥ 1. At low rates and
   * s = −1e5 the first may be e^1000, the second near 1.
   */
  wall(s: number, turn: number): number {
    if (s >= 0) return 0;
    const bisected = s * Math.log(Math.cos(turn / 2));
    return turn < Math.PI / 2 ? Math.min(bisected, -s * this.largestNegativeLoss * (1 + 1e-12)) : bisected;
  }

  /**
   * Theorem 3(c): the ends between which the integrand may be large. N r^s rises to the left of the first by e^{k|x|/σ} at
   * k deviations from it, and falls so to the right of the second: s·m for s < 0 (m the mean shift at x = 0), s·reach
   * for s > 0.
   *
   * Why: d log(N r^s)/dx = −x/σ² + s·m(x)/σ², m(x) the mean shift given x, which lies in [0, reach] and grows with x.
   * For s > 0 it is below (s·reach − x)/σ²; for s < 0, where x < s·m(0), above (s·m(0) − x)/σ².
   */
  ends(s: number): readonly [number, number] {
    return s < 0 ? [s * this.meanShift(0) * (1 + 1e-9), 0] : [0, s * this.reach];
  }

  /**
   * log max over [a, b] of e^{−x²/2σ²}·max(1, r^s), from above. log r is convex: for s > 0 it lies below its chord, for
   * s < 0 above its tangent at the middle; either way s·log r ≤ s(A + mx), and e^{−x²/2σ² + s(A + mx)} has its peak at
   * x = smσ².
   *
   *   A + mx   the chord (s > 0) or the tangent (s < 0) of log r     `peak`   where in [a, b] the quadratic is largest
   *
   * The second part, r^s replaced by 1, serves the form M − 1; it is largest at the x nearest to 0. 1e-9 covers
   * rounding.
   */
  private ceiling(a: number, b: number, s: number): number {
    const s2 = this.sigma * this.sigma;
    let m: number;
    let A: number;
    if (s > 0) {
      const start = this.logRatio(a);
      // The chord.
      m = (this.logRatio(b) - start) / (b - a);
      A = start - m * a;
    } else {
      const x = (a + b) / 2;
      // The tangent: d log r/dx = (mean shift given x)/σ².
      m = this.meanShift(x) / s2;
      A = this.logRatio(x) - m * x;
    }
    const peak = Math.min(b, Math.max(a, s * m * s2));
    const nearestToZero = Math.min(b, Math.max(a, 0));
    return (
      Math.max((-peak * peak) / (2 * s2) + s * (A + m * peak), (-nearestToZero * nearestToZero) / (2 * s2)) +
      1e-9
    );
  }

  /**
   * Index ranges [from, to], one after the other, of the grid that hold all but a negligible part of Σ w max(1, r^s);
   * what is left out is bounded by e^logOut (same units: without the factor h/σ√2π). Empty if more than
   * MAXIMUM_GRID_POINTS are needed.
   *
   * Points within k deviations of `ends`, k = √(2(SMALL + log T)) + 1, so that each point beyond has less than
   * e^−SMALL/T of N. For |s| large almost all between the ends is empty too, since the mass may lie at s·d_k for each
   * shift: blocks are halved to find where it is.
   */
  protected ranges(s: number, h: number): { ranges: number[]; logOut: number } {
    const { sigma } = this;
    const s2 = sigma * sigma;
    const k = Math.sqrt(2 * (SMALL + Math.log(this.count))) + 1;
    const [left, right] = this.ends(s);
    const from = Math.floor((left - k * sigma) / h);
    const to = Math.ceil((right + k * sigma) / h);
    // log of e^{−x²/2σ²}·max(1, r^s) at a grid point.
    const logTerm = (i: number): number => {
      const x = i * h;
      return (-x * x) / (2 * s2) + Math.max(0, s * this.logRatio(x));
    };
    // Beyond either end the integrand falls at least like e^{−k|x − end|/σ}: a geometric sum. Σ_{j ≥ 1} e^{−jkh/σ} =
    // 1/(e^{kh/σ} − 1).
    const geometric = -Math.log(Math.expm1((k * h) / sigma));
    let logOut = logAddExp(logTerm(from), logTerm(to)) + geometric;
    // Not worth a search.
    if (to - from <= WHOLE_RANGE) return { ranges: [from, to], logOut };
    // Inside, blocks are halved until their ceiling is negligible beside the largest term seen, or they are short.
    let reference = Math.max(0, logTerm(from), logTerm(to));
    // The tilted mass is near s·d_k for some shift: a term there shows how large terms are.
    for (const d of this.shifts) reference = Math.max(reference, logTerm(Math.round((s * d) / h)));
    const negligible = reference - SMALL - 12 - Math.log(this.count);
    const ranges: number[] = [];
    let points = 0;
    const stack: [number, number][] = [[from, to]];
    for (let halvings = 0; ; halvings++) {
      const block = stack.pop();
      if (!block) break;
      const [a, b] = block;
      // All of its points at most at the ceiling.
      const logBlock = this.ceiling(a * h, b * h, s) + Math.log(b - a + 1);
      if (logBlock < negligible) {
        logOut = logAddExp(logOut, logBlock);
      } else if (b - a <= BLOCK_POINTS) {
        const last = ranges.length - 1;
        if (last > 0 && ranges[last] === a - 1) ranges[last] = b;
        else ranges.push(a, b);
        points += b - a + 1;
      } else {
        const middle = a + Math.floor((b - a) / 2);
        stack.push([middle + 1, b], [a, middle]);
      }
      if (points > MAXIMUM_GRID_POINTS || halvings > MAXIMUM_HALVINGS)
        return { ranges: [], logOut: Infinity };
    }
    return { ranges, logOut };
  }

  /**
   * log of the error of the trapezoid rule of step h for E[r^{s + iu}], in units of E[r^s] (theorem 3(a)): the least over
   * the depth d of the line of integration of
   *
   *   log 2 + d²/2σ² + uθ + log κ(θ) − log(e^{2πd/h} − 1).
   *
   *   d²/2σ²   what N gains on Im x = d       uθ     what |r^{iu}| may gain for one of the signs, θ = reach·d/σ²
   *   κ        `wall`                         a      2πd/h, by which the rule's error falls
   *
   * The exponent is a parabola in d for s ≥ 0: its least is at d = σ²(2π/h − u·reach/σ²). With that not above 0 no
   * depth gains anything, and nothing is said. Any d is sound: the least of a few is taken.
   */
  logQuadratureError(s: number, u: number, h: number): number {
    const s2 = this.sigma * this.sigma;
    const turnPerDepth = this.reach / s2;
    // The exponent's slope at d = 0, with its sign changed.
    const slope = (2 * Math.PI) / h - u * turnPerDepth;
    if (!(slope > 0)) return Infinity;
    const errorAt = (d: number): number => {
      // (1 + e^{uθ}) ≤ 2e^{uθ}; 1/(e^a − 1) ≤ e^{−a}/(1 − e^{−a}).
      const a = (2 * Math.PI * d) / h;
      return (
        (d * d) / (2 * s2) +
        u * turnPerDepth * d +
        this.wall(s, d * turnPerDepth) -
        a -
        Math.log(-Math.expm1(-a)) +
        Math.LN2 +
        1e-9
      );
    };
    // No wall at all, or next to none, and the best d within it. θ < π: 0.99π is deep enough.
    if (s >= 0) return errorAt(Math.min(slope * s2, (0.99 * Math.PI) / turnPerDepth));
    const flat = errorAt(Math.min(slope * s2, (0.499 * Math.PI) / turnPerDepth));
    if (slope * s2 * turnPerDepth < 0.499 * Math.PI && -s * this.largestNegativeLoss < 0.5) return flat;
    // (cos θ/2)^s is about e^{|s|θ²/8}: it adds to the parabola.
    const walled = Math.min(
      slope / (1 / s2 - (s * turnPerDepth * turnPerDepth) / 4),
      (0.8 * Math.PI) / turnPerDepth,
    );
    return Math.min(flat, errorAt(walled));
  }

  /**
   * The widest step whose quadrature error at each of `us` stays below e^ of the tolerance that goes with it.
   *
   * The first guess of h is where the parabola's least meets the tolerance, 2πσ²/(u·reach + σ√(−2 log tolerance)), and
   * never above 0.8σ, which theorem 3(b) needs; it is narrowed by 7 % at a time until the bound itself fits.
   */
  stepFor(s: number, us: readonly number[], logTolerances: readonly number[]): number {
    const s2 = this.sigma * this.sigma;
    let h = 0.8 * this.sigma;
    us.forEach((u, i) => {
      const deviations = Math.sqrt(-2 * Math.min(-1, logTolerances[i]!));
      h = Math.min(h, (2 * Math.PI * s2) / (u * this.reach + this.sigma * deviations));
    });
    const fits = (): boolean => us.every((u, i) => this.logQuadratureError(s, u, h) <= logTolerances[i]!);
    for (let i = 0; i < 400 && !fits(); i++) h *= 0.93;
    return h;
  }
}
