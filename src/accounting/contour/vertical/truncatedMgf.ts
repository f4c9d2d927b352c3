// One Poisson-sampled Gaussian of much noise, truncated: M′(t) − 1 to second order, so that no digits cancel, and a bound
// on it that falls for good (docs/math-truncated-contour.md, theorems 2 to 4).
//
// s = 1 + t to remove, −t to add. Since ∫N = 1 and ∫Nv = 0 over all x,
//
//   M′(t) − 1 = ∫_{X₁}^{X₂} N(x; 0, σ²)·F(x) dx,   F = r^s − 1 − sv,   but for an error of at most m(1 + 2(|t| + 1)q):
//
// F is t(t + 1)v²/2 to first approximation, so that round-off is relative to about log of |M^T| itself.
//
//   v  r − 1 = q(e^y − 1)        θ  d/σ², the angle by which a line Im x = d turns e^y
//   m  probability cut off       κ  what |r(x + id)/r(x)|^{Re s} is at most (`wall`)
//   N  density of N(0, σ²)        w  share q e^y/r of the record's part in r; `largestShare` is that at X₂
//   E  ∫N r^{Re s} on [X₁, X₂]    α  b·α(d): how much log|r^{ib}| may gain on Im x = ±d (`steepness`)
//
// Why to second order: T steps of losses near 1e-12 leave no digits in M^T where M − 1 is summed as N(r^s − 1), whose
// first-order part integrates to 0 but for rounding. F has that part taken out.
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";
import { BlockSum, realLessOne } from "../complexRounding.js";
import type { NodeBudget } from "../contourSum.js";
import type { MixtureStep } from "./stepMgf.js";
import type { MgfValue, UprightStep } from "./truncatedContour.js";
import { TruncatedGrid, type TruncationEnd, type TruncationGoal } from "./truncatedGrid.js";

/** Shares of the deepest line that are tried: for the rule, and for the bound that falls for good. */
const RULE_DEPTHS = [1, 0.7, 0.5, 0.35, 0.25, 0.15] as const;
const FAR_DEPTHS = [1, 0.8, 0.6, 0.45, 0.3, 0.2, 0.1] as const;
/** |tv| and |v| below these are summed as powers of v = r − 1. */
const SMALL_TURN = 0.5;
const SMALL_RATIO = 0.25;
const BLOCK = 16;

/** Theorem 3: the rule's error is at most rest + scale·E, E = E[r^{Re s}] within the cut. */
interface RuleError {
  readonly scale: number;
  readonly rest: number;
}

/**
 * Moments of one truncated step. The rule's error (theorem 3) comes from residues of cot around the rectangle of height ±d
 * over [X₁, X₂]: its long sides are divided by e^{2πd/h} − 1, its short ones pass half-way between nodes. It is in terms of
 * E = E[r^{Re s}], which is itself the rule's value at real t with that error.
 */
export class TruncatedMgf extends TruncatedGrid implements UprightStep {
  readonly count: number;
  private readonly direction: 1 | -1;
  /** E at the last real part asked for. */
  private lastSize = { a: NaN, size: NaN };
  private readonly blocks = new BlockSum();
  /** F at the node in hand, and a bound on its error. */
  private fRe = 0;
  private fIm = 0;
  private fError = 0;

  constructor(
    mixture: MixtureStep,
    goal: TruncationGoal,
    readonly budget: NodeBudget,
  ) {
    super(mixture, goal);
    this.count = mixture.count;
    this.direction = goal.direction;
    budget.left -= 8 * this.x.length;
  }

  restart(): void {}

  /**
   * How much of the measure tilted by e^{cℓ}, relative to all of it, is within a deviation of the ends, about.
   *
   * Density at both ends of N r^{Re s}, times σ, over E: what `DeltaParts` moves the cut out by. Nothing rests on it.
   */
  edge(c: number): number {
    const { power } = this.exponent(c, 0);
    const density = this.ends.reduce((sum, end) => sum + end.density * end.ratio ** power, 0);
    const size = this.size(c);
    return size < Infinity ? (density * Math.sqrt(this.square)) / size : Infinity;
  }

  /**
   * M′(t) − 1 at t = a + ib, and what it errs by: rounding and the cut (`sum`), and the rule, at the best of
   * RULE_DEPTHS.
   */
  moment(a: number, b: number, into: MgfValue): void {
    if (!this.usable) {
      into.re = into.im = 0;
      into.error = Infinity;
      return;
    }
    this.sum(a, b, into);
    const size = this.size(a);
    const rule = Math.min(...this.ruleErrors(a, b).map(({ scale, rest }) => rest + scale * size));
    into.error += rule * (1 + 1e-9);
  }

  /**
   * E = ∫_{X₁}^{X₂} N r^{Re s} at real t = a, from above: it bounds |M′| wherever Re t = a. The rule's error is itself in
   * terms of E: E ≤ rule + rest + scale·E, solved for E.
   *
   * With scale < ½: E ≤ (1 + M′ − 1 + error + rest)/(1 − scale), the least over the depths. Remembered for the last a,
   * since a line keeps it.
   */
  private size(a: number): number {
    if (!this.usable) return Infinity;
    if (this.lastSize.a === a) return this.lastSize.size;
    const moment = { re: 0, im: 0, error: 0 };
    this.sum(a, 0, moment);
    let size = Infinity;
    for (const { scale, rest } of this.ruleErrors(a, 0))
      if (scale < 0.5)
        size = Math.min(size, ((1 + moment.re + moment.error + rest) / (1 - scale)) * (1 + 1e-12));
    this.lastSize = { a, size: Number.isNaN(size) ? Infinity : size };
    return this.lastSize.size;
  }

  /** Re s, and a bound of |s|. */
  private exponent(a: number, b: number): { power: number; modulus: number } {
    const power = this.direction > 0 ? 1 + a : -a;
    return { power, modulus: Math.hypot(power, b) * (1 + 1e-12) };
  }

  /**
   * κ = (1 − w(1 − cos θ))^{Re s} where Re s < 0, else 1: |r(x + id)/r(x)|^{Re s} at most, where the share is at most w.
   *
   * Why: r(x + id)/r(x) = 1 − share·(1 − e^{iθ}), whose modulus is at least its real part.
   */
  private wall(power: number, turn: number, share: number): number {
    return power < 0 ? (1 - share * (1 - Math.cos(turn))) ** power * (1 + 1e-9) : 1;
  }

  /**
   * α/d: arg r(x + iv) ≤ v·this, for every x within the cut and v ≤ d. The slope of arg r in the angle is
   * ω(ω + cos)/(1 + 2ω cos + ω²), ω = w/(1 − w) with the largest share w; it is monotone in cos, so largest at an end.
   *
   * Why: r(x + iv) = (1 − q)(1 + ωe^{iv/σ²}) with ω = qe^y/(1 − q) and d arg(1 + ωe^{iθ})/dθ = Re(ωe^{iθ}/(1 +
   * ωe^{iθ})), which grows with ω. Odds above 1e8 stand for w = 1: the slope is 1 then but for 1e-8.
   */
  private steepness(turn: number): number {
    const odds = this.largestShare / Math.max(1e-300, 1 - this.largestShare);
    const slopeAt = (cos: number): number =>
      odds > 1e8 ? 1 + 1e-7 : (odds * (odds + cos)) / (1 + 2 * odds * cos + odds * odds);
    return (Math.max(slopeAt(1), slopeAt(Math.cos(turn))) * (1 + 1e-9)) / this.square;
  }

  /**
   * Theorem 3, for each depth d of the line of integration: the rule's error is at most
   *
   *   (e^{d²/2σ²}/(e^{2πd/h} − 1))·(κ(1 + e^{bα})E + 2 + 4|s|q)
   *     + 2d·max(1, e^{d²/2σ² + bα − 2πd/h})·Σ_X N(X)(r(X)^{Re s}κ_X + 1 + |s|q(1 + e^{y(X)})).
   *
   * `front` is e^{d²/2σ²}/(e^{2πd/h} − 1), `scale` the factor of E, with κ; `rest` all the others. The last sum is of
   * the two short sides at X₁ and X₂, which pass half-way between nodes, so that the factor of cot there is less than
   * 1.
   */
  private ruleErrors(a: number, b: number): RuleError[] {
    const { h, rate, square } = this;
    const { power, modulus } = this.exponent(a, b);
    return RULE_DEPTHS.map((share) => {
      const d = share * this.deepest;
      const turn = d / square;
      // d²/2σ²: how much |N| gains; bα(d): how much |r^{ib}| may; 2πd/h: what the rule divides by.
      const swell = (d * d) / (2 * square);
      const rotation = b * d * this.steepness(turn);
      const decay = (2 * Math.PI * d) / h;
      const front = Math.exp(swell - decay) / -Math.expm1(-decay);
      // κ(1 + e^{bα}) over e^{2πd/h} − 1: one sign of Im x has |r^{ib}| ≤ e^{bα}, the other ≤ 1.
      const scale =
        this.wall(power, turn, this.largestShare) *
        (front + Math.exp(Math.min(700, swell + rotation - decay)) / -Math.expm1(-decay));
      let rest = front * (2 + 4 * modulus * rate);
      // v²/2σ² + bα(v) − 2πv/h is convex in v on [0, d]: largest at an end, and 0 at v = 0.
      const side = d * Math.exp(Math.min(700, Math.max(0, swell + rotation - decay)));
      for (const end of this.ends)
        rest += 2 * side * end.density * (this.tilted(end, power, turn) + 1 + modulus * end.rise);
      return { scale, rest: Number.isNaN(rest) ? Infinity : rest };
    });
  }

  /** r(X)^{Re s}κ_X: |r^{Re s}| at an end, at most, on lines up to there. */
  private tilted(end: TruncationEnd, power: number, turn: number): number {
    return end.ratio ** power * this.wall(power, turn, end.share);
  }

  /**
   * Σ wF of the rule at t = a + ib, and what rounding and the cut do to it.
   *
   *   error = Σ w(|F|·(relative error of w) + error of F) + u(BLOCK + n/BLOCK + 4)·Σ w|F| + m(1 + 2(|t| + 1)q)
   *
   * the last for taking out 1 + sv, whose integral over all x is known, where only the cut's is meant.
   */
  private sum(a: number, b: number, into: MgfValue): void {
    const { weight, weightError, v, blocks } = this;
    const n = v.length;
    this.budget.left -= n;
    const modulus = Math.hypot(a, b);
    blocks.clear();
    let total = 0;
    let error = 0;
    for (let i = 0; i < n; i++) {
      if (i % BLOCK === 0) blocks.close();
      const ratio = Math.abs(v[i]!);
      if (modulus * ratio < SMALL_TURN && ratio < SMALL_RATIO) this.powersAt(i, a, b);
      else this.exponentialAt(i, a, b, modulus);
      const w = weight[i]!;
      blocks.add(w * this.fRe, w * this.fIm);
      const size = Math.abs(this.fRe) + Math.abs(this.fIm);
      total += w * size;
      error += w * (size * weightError[i]! + this.fError);
    }
    blocks.close();
    into.re = blocks.re;
    into.im = blocks.im;
    into.error =
      (error + UNIT_ROUNDOFF * (BLOCK + n / BLOCK + 4) * total) * (1 + 1e-9) +
      this.lost * (1 + 2 * (modulus + 1) * this.rate);
  }

  /**
   * F = Σ_{k ≥ 2} C(s, k)v^k, whose terms fall at least by half; it begins with t(t + 1)v²/2 in either direction. The k-th
   * term errs by 10ku beside k times the error of v.
   *
   * C(s, 2)v² = t(t + 1)v²/2, as s = 1 + t or s = −t. With |tv| < ½ and |v| < ¼ the ratio of terms, |s − k||v|/(k + 1),
   * is below ½: the sum ends when a term is 1e-18 of the first.
   */
  private powersAt(i: number, a: number, b: number): void {
    const ratio = this.v[i]!;
    const removed = this.direction > 0;
    const sRe = removed ? 1 + a : -a;
    const sIm = removed ? b : -b;
    let termRe = ((a * (a + 1) - b * b) / 2) * ratio * ratio;
    let termIm = ((2 * a * b + b) / 2) * ratio * ratio;
    let fRe = termRe;
    let fIm = termIm;
    let size = ((Math.hypot(a, b) * Math.hypot(a + 1, b)) / 2) * ratio * ratio;
    // Σ k·|term|.
    let sizes = 2 * size;
    const least = 1e-18 * size;
    for (let k = 2; k < 60 && size > least; k++) {
      // C(s, k + 1) = C(s, k)·(s − k)/(k + 1).
      const share = ratio / (k + 1);
      const factorRe = (sRe - k) * share;
      const factorIm = sIm * share;
      const next = termRe * factorRe - termIm * factorIm;
      termIm = termRe * factorIm + termIm * factorRe;
      termRe = next;
      fRe += termRe;
      fIm += termIm;
      size = Math.abs(termRe) + Math.abs(termIm);
      sizes += (k + 1) * size;
    }
    this.fRe = fRe;
    this.fIm = fIm;
    // Each further term is less than half the one before.
    this.fError = sizes * (this.vError[i]! + 10 * UNIT_ROUNDOFF) + 2 * size;
  }

  /**
   * F = (1 + v)(e^{t log r} − 1) − tv to remove, e^{−t log r} − 1 + tv to add, which keep the digits of small t. With
   * e = |e^{±t log r}|: u(16(1 + e) + 10|t log r|e), and the error of v times |s||v|(1 + |r^{s−1}|).
   *
   * To remove, r^s − 1 − sv = (1 + v)r^t − 1 − (1 + t)v = (1 + v)(r^t − 1) − tv; to add, r^{−t} − 1 + tv.
   */
  private exponentialAt(i: number, a: number, b: number, modulus: number): void {
    const ratio = this.v[i]!;
    const log = this.logRatio[i]!;
    const removed = this.direction > 0;
    const x = removed ? a * log : -a * log;
    const y = removed ? b * log : -b * log;
    const e = Math.exp(x);
    const lessRe = realLessOne(x, y, Math.cos(y));
    const lessIm = e * Math.sin(y);
    const lift = removed ? 1 + ratio : 1;
    this.fRe = lift * lessRe + (removed ? -a : a) * ratio;
    this.fIm = lift * lessIm + (removed ? -b : b) * ratio;
    const linear = modulus * Math.abs(ratio);
    this.fError =
      UNIT_ROUNDOFF * lift * (16 * (1 + e) + 10 * modulus * Math.abs(log) * e) +
      4 * UNIT_ROUNDOFF * linear +
      this.vError[i]! *
        (removed ? linear + Math.abs(ratio) : linear) *
        (1 + e * (removed ? 1 : 1 / (1 + ratio)));
  }

  /**
   * Theorem 4: for all v ≥ b, with the interval moved to Im x = d, where |r^{iv}| = e^{−v·arg r(x + id)} falls with v and
   * arg r grows with x,
   *
   *   |M′(a + iv)| ≤ κe^{d²/2σ²}·min_j [μ_j e^{−b·arg r(X₁ + id)} + E e^{−b·arg r(x_j + id)}]
   *                   + d e^{d²/2σ²}·Σ_X N(X)r(X)^{Re s}κ_X,
   *
   * μ_j the mass of N r^{Re s} to the left of the cell of x_j.
   *
   * Why: on Im x = d |r^{iv}| = e^{−v·arg r} for every v ≥ b is at most its value at b, and arg r rises with x: left of
   * x_j it is at least that at X₁, right of it at least that at x_j. The two short sides have arg r ≥ 0. E itself
   * bounds |M′| too. d is near bq, at most `deepest`.
   */
  farSize(a: number, b: number): number {
    const { x, weight, logRatio, h, square, rate } = this;
    const { power } = this.exponent(a, b);
    const size = this.size(a);
    if (!(size < Infinity)) return Infinity;
    const n = x.length;
    // Masses of cells are at most h·N r^{Re s} at their middle times e^{Sh/2}, S ≥ (|x| + |Re s|w)/σ².
    const mass = new Float64Array(n + 1);
    for (let i = 0; i < n; i++) {
      const slope = (Math.abs(x[i]!) + h / 2 + Math.abs(power) * this.largestShare) / square;
      mass[i + 1] =
        mass[i]! + weight[i]! * Math.exp(Math.min(700, power * logRatio[i]! + (slope * h) / 2)) * 1.001;
    }
    // d = bq times FAR_DEPTHS: q/σ² is the slope of arg r where r ≈ 1.
    let best = size;
    const ideal = Math.min(this.deepest, b * rate);
    for (const share of FAR_DEPTHS) {
      const d = share * ideal;
      const turn = d / square;
      const sin = Math.sin(turn);
      const cos = Math.cos(turn);
      // e^{−b·arg r(x + id)}, r = 1 − q + q e^{y + iθ}. The angle is rounded down.
      const fallAt = (at: number): number => {
        const e = rate * Math.exp((2 * at - 1) / (2 * square));
        return Math.exp(-b * Math.atan2(e * sin, 1 - rate + e * cos) * (1 - 1e-12));
      };
      const first = fallAt(x[0]! - h / 2);
      let least = first * size;
      for (let i = 1; i < n; i++) least = Math.min(least, mass[i]! * first + size * fallAt(x[i]! - h / 2));
      const front = Math.exp((d * d) / (2 * square));
      let value = least * front * this.wall(power, turn, this.largestShare);
      for (const end of this.ends) value += d * front * end.density * this.tilted(end, power, turn);
      if (value < best) best = value;
    }
    return best * (1 + 1e-9);
  }
}
