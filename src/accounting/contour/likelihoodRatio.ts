// The likelihood ratio r of one step seen as a mixture of shifted Gaussians: log r with an error bound, and what shift
// an outcome has (docs/math-contour.md, lemma of theorem 5).
import { UNIT_ROUNDOFF } from "../../math/rounding.js";

const CACHE = 4096;

/** P = Σ p_k N(d_k, σ²) against Q = N(0, σ²), d_k ≥ 0: r(x) = Σ p_k e^{z_k}, z_k = d_k(2x − d_k)/2σ². */
export class LikelihoodRatio {
  readonly reach: number;
  private readonly logWeights: Float64Array;
  private readonly zs: Float64Array;
  private cacheStep = 0;
  private cache = new Float64Array(0);
  private cacheError = new Float64Array(0);
  protected error = 0;

  constructor(
    readonly sigma: number,
    readonly shifts: readonly number[],
    readonly weights: readonly number[],
  ) {
    this.reach = Math.max(...shifts);
    // log of a weight near 1 through the others, which are known to full relative precision.
    this.logWeights = Float64Array.from(weights, (w, k) =>
      w > 0.5 ? Math.log1p(-weights.reduce((sum, each, j) => (j === k ? sum : sum + each), 0)) : Math.log(w),
    );
    this.zs = new Float64Array(shifts.length);
  }

  /** sup of −log r: −log of the weight of shift 0; Infinity if it has none. */
  get largestNegativeLoss(): number {
    return this.shifts[0] === 0 ? -this.logWeights[0]! : Infinity;
  }

  /** The weight of the shifts other than 0. */
  get sampled(): number {
    return this.weights.reduce((sum, weight, k) => (this.shifts[k]! > 0 ? sum + weight : sum), 0);
  }

  /** log r(x); `error` then bounds what rounding did to it (docs/math-contour.md, lemma 5). */
  logRatio(x: number): number {
    const { shifts, weights, logWeights, zs } = this;
    const n = shifts.length;
    const twice = 2 * this.sigma * this.sigma;
    let top = -Infinity;
    let best = 0;
    let largest = 0;
    for (let k = 0; k < n; k++) {
      const z = (shifts[k]! * (2 * x - shifts[k]!)) / twice;
      zs[k] = z;
      if (Math.abs(z) > largest) largest = Math.abs(z);
      const a = z + logWeights[k]!;
      if (a > top) {
        top = a;
        best = k;
      }
    }
    if (largest <= 1) {
      // r − 1 = Σ p_k (e^{z_k} − 1): exact to first order, so that q = 1e-9 loses no digits.
      let sum = 0;
      let size = 0;
      for (let k = 0; k < n; k++) {
        const part = weights[k]! * Math.expm1(zs[k]!);
        sum += part;
        size += Math.abs(part);
      }
      const value = Math.log1p(sum);
      this.error = UNIT_ROUNDOFF * ((n + 12) * Math.exp(2 * largest) * size + 2 * Math.abs(value));
      return value;
    }
    let rest = 0;
    let burden = 7 * Math.abs(zs[best]!) + 5 * Math.abs(logWeights[best]!);
    for (let k = 0; k < n; k++) {
      if (k === best) continue;
      const e = Math.exp(zs[k]! + logWeights[k]! - top);
      rest += e;
      burden += e * (7 * Math.abs(zs[k]!) + 5 * Math.abs(logWeights[k]!) + 2 * Math.abs(top) + n + 4);
    }
    const value = top + Math.log1p(rest);
    this.error = UNIT_ROUNDOFF * (burden + 2 * Math.abs(value));
    return value;
  }

  /** log r at x = i·h, remembered for the last h. */
  protected ratioAt(i: number, h: number): number {
    if (i > CACHE || i < -CACHE) return this.logRatio(i * h);
    if (h !== this.cacheStep) {
      this.cacheStep = h;
      if (this.cache.length === 0) {
        this.cache = new Float64Array(2 * CACHE + 1);
        this.cacheError = new Float64Array(2 * CACHE + 1);
      }
      this.cache.fill(NaN);
    }
    const at = i + CACHE;
    const known = this.cache[at]!;
    if (!Number.isNaN(known)) {
      this.error = this.cacheError[at]!;
      return known;
    }
    const value = this.logRatio(i * h);
    this.cache[at] = value;
    this.cacheError[at] = this.error;
    return value;
  }

  /** The mean shift given x: σ²·d log r/dx. */
  protected meanShift(x: number): number {
    const value = this.logRatio(x);
    let mean = 0;
    for (let k = 0; k < this.shifts.length; k++)
      mean += this.shifts[k]! * Math.exp(this.zs[k]! + this.logWeights[k]! - value);
    return mean;
  }

  /** Shares w_k(x) = p_k e^{z_k}/r of the mixture's parts at x; for the tail bound. */
  shares(x: number, into: Float64Array): void {
    const value = this.logRatio(x);
    for (let k = 0; k < this.shifts.length; k++)
      into[k] = Math.exp(this.zs[k]! + this.logWeights[k]! - value);
  }
}
