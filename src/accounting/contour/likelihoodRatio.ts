// The likelihood ratio r of one step seen as a mixture of shifted Gaussians: log r with an error bound, and what shift
// an outcome has (docs/math-contour.md, notation and the lemma of theorem 5).
//
//   P = Σ p_k N(d_k, σ²) against Q = N(0, σ²), d_k ≥ 0:   r(x) = Σ p_k e^{z_k},   z_k = d_k(2x − d_k)/2σ²
//
// Poisson sampling at rate q has the shifts d = {0, 1} and the weights p = {1 − q, q}.
//
//   x    outcome, of scale σ         z_k  log of the density of N(d_k, σ²) over that of N(0, σ²)
//   n    shifts of the mixture       u    unit round-off
//
// log r rises with x, and is convex: its slope is the mean shift given x over σ², which grows with x, and its second
// derivative the variance of the shift given x over σ⁴.
import { UNIT_ROUNDOFF } from "../../math/rounding.js";

/** log r is remembered at grid points x = ih, |i| up to this. */
const REMEMBERED = 4096;

/**
 * log r of one mixture, with `error` bounding what rounding did to the last one asked for.
 */
export class LikelihoodRatio {
  /** The largest shift. */
  readonly reach: number;
  private readonly logWeights: Float64Array;
  /** z_k at the last x. */
  private readonly zs: Float64Array;
  private memoryStep = 0;
  private memory = new Float64Array(0);
  private memoryError = new Float64Array(0);
  /** Bound on the rounding error of the last log r. */
  protected error = 0;

  constructor(
    readonly sigma: number,
    readonly shifts: readonly number[],
    readonly weights: readonly number[],
  ) {
    this.reach = Math.max(...shifts);
    // log of a weight near 1 through the others, which are known to full relative precision.
    this.logWeights = Float64Array.from(weights, (weight, k) =>
      weight > 0.5
        ? Math.log1p(-weights.reduce((sum, other, j) => (j === k ? sum : sum + other), 0))
        : Math.log(weight),
    );
    this.zs = new Float64Array(shifts.length);
  }

  /**
   * sup of −log r: −log of the weight of shift 0; Infinity if it has none.
   *
   * r ≥ p_0 everywhere, as every term is ≥ 0 and z_0 = 0; it comes near where x → −∞. What adding can lose in a step is
   * at most that.
   */
  get largestNegativeLoss(): number {
    return this.shifts[0] === 0 ? -this.logWeights[0]! : Infinity;
  }

  /**
   * The weight of the shifts other than 0.
   *
   * An upper bound of the total variation of a step: with shift 0 P and Q are the same.
   */
  get sampled(): number {
    return this.weights.reduce((sum, weight, k) => (this.shifts[k]! > 0 ? sum + weight : sum), 0);
  }

  /**
   * log r(x); `error` then bounds what rounding did to it. z_k errs by at most 4u|z_k|.
   *
   *   max|z| ≤ 1:  r − 1 = Σ p_k expm1(z_k), with error ≤ u(n + 12)e^{2max|z|}·Σ p_k|expm1 z_k|; first order is exact, so
   *                that q = 1e-9 loses no digits;
   *   otherwise:   log-sum-exp around the largest term, each term's error weighted by its share.
   *
   * Why the first form: r − 1 is a sum of terms of the size p_k|z_k|, each known to a few round-offs of itself; log1p
   * keeps that. Why the second: terms relative to the largest do not overflow, and an error of z_k counts by its share
   * p_k e^{z_k}/r alone.
   */
  logRatio(x: number): number {
    const { shifts, weights, logWeights, zs } = this;
    const n = shifts.length;
    const twice = 2 * this.sigma * this.sigma;
    let top = -Infinity;
    let topIndex = 0;
    let largest = 0;
    for (let k = 0; k < n; k++) {
      // z_k errs by 4u of itself at most.
      const z = (shifts[k]! * (2 * x - shifts[k]!)) / twice;
      zs[k] = z;
      if (Math.abs(z) > largest) largest = Math.abs(z);
      const log = z + logWeights[k]!;
      if (log > top) {
        top = log;
        topIndex = k;
      }
    }
    if (largest <= 1) {
      let sum = 0;
      let size = 0;
      for (let k = 0; k < n; k++) {
        const term = weights[k]! * Math.expm1(zs[k]!);
        sum += term;
        size += Math.abs(term);
      }
      const value = Math.log1p(sum);
      this.error = UNIT_ROUNDOFF * ((n + 12) * Math.exp(2 * largest) * size + 2 * Math.abs(value));
      return value;
    }
    // log r = top + log(1 + Σ_{k ≠ top} share_k).
    let others = 0;
    let weighted = 7 * Math.abs(zs[topIndex]!) + 5 * Math.abs(logWeights[topIndex]!);
    for (let k = 0; k < n; k++) {
      if (k === topIndex) continue;
      const share = Math.exp(zs[k]! + logWeights[k]! - top);
      others += share;
      weighted += share * (7 * Math.abs(zs[k]!) + 5 * Math.abs(logWeights[k]!) + 2 * Math.abs(top) + n + 4);
    }
    const value = top + Math.log1p(others);
    this.error = UNIT_ROUNDOFF * (weighted + 2 * Math.abs(value));
    return value;
  }

  /**
   * log r at x = i·h, remembered for the last h.
   *
   * `error` is that of the value returned, remembered or not.
   */
  protected ratioAt(i: number, h: number): number {
    if (i > REMEMBERED || i < -REMEMBERED) return this.logRatio(i * h);
    if (h !== this.memoryStep) {
      this.memoryStep = h;
      if (this.memory.length === 0) {
        this.memory = new Float64Array(2 * REMEMBERED + 1);
        this.memoryError = new Float64Array(2 * REMEMBERED + 1);
      }
      this.memory.fill(NaN);
    }
    const at = i + REMEMBERED;
    const remembered = this.memory[at]!;
    if (!Number.isNaN(remembered)) {
      this.error = this.memoryError[at]!;
      return remembered;
    }
    const value = this.logRatio(i * h);
    this.memory[at] = value;
    this.memoryError[at] = this.error;
    return value;
  }

  /**
   * The mean shift given x, Σ d_k p_k e^{z_k}/r = σ²·d log r/dx: it grows with x.
   *
   * Why it grows: its derivative is the variance of the shift given x, over σ².
   */
  protected meanShift(x: number): number {
    const value = this.logRatio(x);
    let mean = 0;
    for (let k = 0; k < this.shifts.length; k++)
      mean += this.shifts[k]! * Math.exp(this.zs[k]! + this.logWeights[k]! - value);
    return mean;
  }

  /** Shares p_k e^{z_k}/r of the mixture's parts at x. */
  shares(x: number, into: Float64Array): void {
    const value = this.logRatio(x);
    for (let k = 0; k < this.shifts.length; k++)
      into[k] = Math.exp(this.zs[k]! + this.logWeights[k]! - value);
  }
}
