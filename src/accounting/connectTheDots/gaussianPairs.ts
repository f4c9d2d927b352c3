// Pairs of mixtures of unit Gaussians on the real line: Gaussian noise, sampled or not, in either direction.
//
//   P = Σ w_k N(d_k, 1),  Q = Σ v_k N(e_k, 1),  every d_k ≥ every e_k:   ℓ(x) = log r_P(x) − log r_Q(x),
//
// r the density ratio of a mixture to N(0, 1), r(x) = Σ w_k e^{d_k(x − d_k/2)}. ℓ rises in x, with slope the difference of
// the means that each mixture has given x. Masses of stretches come as ratios to that of N(0, 1), so that log(p/q) is known
// without cancellation however narrow the stretch.
//
//   d, e   means of P and of Q (`p.means`, `q.means`)     w, v   their weights
//   φ      density of N(0, 1)                             reach  largest d less least e
//
// Why ℓ rises: d log r_P/dx is the mean of the d_k given x, a weighted mean, hence at least the least d; d log r_Q/dx at
// most the largest e.
import { logNormalSf } from "../../math/normal.js";
import type { LossBody, Mass } from "./pair.js";

/** Weights summing to 1 and the means. */
export interface ShiftedMixture {
  readonly weights: readonly number[];
  readonly means: readonly number[];
}

const LOG_SQRT_2PI = 0.5 * Math.log(2 * Math.PI);

/**
 * P against Q; every mean of P is at least every mean of Q, so that the loss increases in x.
 *
 * Edges: ℓ is bounded below where P and Q share their least mean, as under sampling, by the log of the ratio of the two
 * weights; above where they share the largest one. Otherwise it goes to ±∞ with x.
 */
export class MixtureBody implements LossBody {
  readonly from = -Infinity;
  readonly to = Infinity;
  readonly leastLoss: number;
  readonly largestLoss: number;
  private readonly reach: number;
  private readonly top: number;
  private readonly bottom: number;
  private readonly all: readonly number[];
  /** log(mass of a component ÷ mass of the one of mean 0), by mean. */
  private readonly ratios = new Map<number, number>();

  constructor(
    private readonly p: ShiftedMixture,
    private readonly q: ShiftedMixture,
  ) {
    this.top = Math.max(...p.means);
    this.bottom = Math.min(...p.means);
    this.reach = this.top - Math.min(...q.means);
    // Far to the right the largest means decide, far to the left the least; equal ones leave the ratio of their weights.
    const weightAt = (m: ShiftedMixture, mean: number) => m.weights[m.means.indexOf(mean)] ?? 0;
    // Where no mean is shared the difference of log ratios has no bound.
    const [ql, pl] = [Math.min(...q.means), this.bottom];
    this.leastLoss = ql === pl ? Math.log(weightAt(p, pl)) - Math.log(weightAt(q, ql)) : -Infinity;
    const qt = Math.max(...q.means);
    this.largestLoss = qt === this.top ? Math.log(weightAt(p, qt)) - Math.log(weightAt(q, qt)) : Infinity;
    this.all = [...new Set([0, ...p.means, ...q.means])];
  }

  /**
   * (Q, P), with the line turned around.
   *
   * Means change their sign, so that the loss of (Q, P), −ℓ, rises in the turned coordinate.
   */
  swapped(): MixtureBody {
    const turned = (m: ShiftedMixture) => ({ weights: m.weights, means: m.means.map((d) => -d) });
    return new MixtureBody(turned(this.q), turned(this.p));
  }

  loss(x: number): number {
    return logRatioAt(this.p, x) - logRatioAt(this.q, x);
  }

  /**
   * dℓ/dx: what Newton's steps of `inverse` divide by.
   */
  private slope(x: number): number {
    return tilted(this.p, x) - tilted(this.q, x);
  }

  /**
   * By Newton steps from nearby, inside a bracket once there is one.
   *
   * Nothing rests on how near the result is: whoever asks evaluates the loss there.
   */
  inverse(loss: number, near = this.bottom + loss / this.reach): number {
    let lo = -Infinity;
    let hi = Infinity;
    let x = near;
    for (let i = 0; i < 200; i++) {
      const excess = loss - this.loss(x);
      if (excess > 0) lo = x;
      else hi = x;
      const step = excess / this.slope(x);
      // Quadratic: the step after this one would be far below rounding.
      if (Math.abs(step) <= 1e-9 * (1 + Math.abs(x)) && i > 0) return x + step;
      // Where the loss is flat Newton leaps: bounded, and bisected once there are two ends. 4, 8, 16, … so that any
      // place is reached before the rounds end.
      const limit = 2 ** (i + 2);
      let next = x + Math.max(-limit, Math.min(limit, step));
      if (!(next > lo && next < hi))
        next = hi - lo < Infinity ? lo + (hi - lo) / 2 : x + Math.sign(excess) * limit;
      if (next === x) break;
      x = next;
    }
    return x;
  }

  /**
   * For a narrow stretch around m of half-width w by Hermite polynomials (`series`),
   *
   *   log P(N(d) in it)/P(N(0) in it) = d(m − d/2) + log(1 + s(m − d)) − log(1 + s(m));
   *
   * for a wide one by differences of logarithms of normal tails.
   *
   *   log0   log P(N(0, 1) in the stretch)     z(d)   log P(N(d, 1) in it) − log0
   *   logP = log0 + log Σ w_k e^{z(d_k)},   ratio = log Σ w_k e^{z(d_k)} − log Σ v_k e^{z(e_k)}
   *
   * log0 cancels from the ratio exactly; and each z is a sum of small terms where the stretch is narrow, so that a
   * ratio near 1 keeps its digits.
   */
  mass(a: number, b: number, into: Mass): void {
    const m = 0.5 * (a + b);
    const w = 0.5 * (b - a);
    // The farthest of the means from the middle, 0 included.
    let far = 0;
    for (const d of this.all) far = Math.max(far, Math.abs(m - d));
    const { ratios } = this;
    let log0: number;
    // Narrow beside what the series needs: w(|m − d| + 1) ≤ ½ for every mean.
    if (w * (far + 1) <= 0.5) {
      const s0 = series(m, w);
      log0 = -0.5 * m * m - LOG_SQRT_2PI + Math.log(2 * w) + Math.log1p(s0);
      for (const d of this.all)
        ratios.set(d, d === 0 ? 0 : d * (m - d / 2) + Math.log1p((series(m - d, w) - s0) / (1 + s0)));
    } else {
      log0 = logMass(a, b);
      for (const d of this.all) ratios.set(d, d === 0 ? 0 : logMass(a - d, b - d) - log0);
    }
    const z = (d: number) => ratios.get(d)!;
    const logP = logRatio(this.p, z);
    into.logP = log0 + logP;
    into.ratio = logP - logRatio(this.q, z);
  }

  /**
   * The length of the stretch times the largest density of each component on it.
   *
   * The density of N(d, 1) is largest at the point of [a, b] nearest to d, at distance max(0, a − d, d − b).
   */
  logMassBound(a: number, b: number): number {
    let sum = 0;
    let highest = -Infinity;
    const log = (d: number) => {
      const x = Math.max(0, a - d, d - b);
      return -0.5 * x * x;
    };
    for (const d of this.p.means) highest = Math.max(highest, log(d));
    this.p.means.forEach((d, k) => {
      sum += this.p.weights[k]! * Math.exp(log(d) - highest);
    });
    return highest + Math.log(sum * (b - a)) - LOG_SQRT_2PI + 1e-12 * (1 + Math.abs(highest));
  }

  /**
   * P·e^{cℓ} is about a Gaussian whose mean is moved by c times the slope of ℓ, which is at most `reach`: 12 deviations
   * beyond the extreme means it falls like e^{−12|x|}.
   */
  extent(c: number): [number, number] {
    return [this.bottom + Math.min(0, c) * this.reach - 12, this.top + Math.max(0, c) * this.reach + 12];
  }
}

/**
 * log Σ w_k e^{z(d_k)}; near 0 from Σ w_k(e^z − 1), since Σ w_k = 1.
 *
 * Where all z are below 1: log(1 + Σ w(e^z − 1)), if that sum is not near −1. Otherwise log-sum-exp.
 */
function logRatio({ weights, means }: ShiftedMixture, z: (mean: number) => number): number {
  let highest = -Infinity;
  for (const d of means) highest = Math.max(highest, z(d));
  let sum = 0;
  if (highest < 1) {
    for (let k = 0; k < means.length; k++) sum += weights[k]! * Math.expm1(z(means[k]!));
    if (sum > -0.5) return Math.log1p(sum);
  }
  sum = 0;
  for (let k = 0; k < means.length; k++) sum += weights[k]! * Math.exp(z(means[k]!) - highest);
  return highest + Math.log(sum);
}

/**
 * {@link logRatio} where z is the log ratio of the densities at x: of a unit Gaussian of mean d to that of mean 0.
 *
 * The mean 0 has z = 0: it adds nothing to Σ w(e^z − 1).
 */
function logRatioAt({ weights, means }: ShiftedMixture, x: number): number {
  let highest = -Infinity;
  let sum = 0;
  for (let k = 0; k < means.length; k++) {
    const d = means[k]!;
    if (d === 0) {
      if (highest < 0) highest = 0;
      continue;
    }
    const z = d * (x - d / 2);
    if (z > highest) highest = z;
    if (z < 1) sum += weights[k]! * Math.expm1(z);
  }
  if (highest < 1 && sum > -0.5) return Math.log1p(sum);
  sum = 0;
  for (let k = 0; k < means.length; k++) {
    const d = means[k]!;
    sum += weights[k]! * Math.exp(d * (x - d / 2) - highest);
  }
  return highest + Math.log(sum);
}

/**
 * The mean of the means, weighted by what each contributes at x: the slope of the logarithm of the density ratio.
 *
 * Σ d_k w_k e^{z_k}/Σ w_k e^{z_k}.
 */
function tilted({ weights, means }: ShiftedMixture, x: number): number {
  let highest = -Infinity;
  for (const d of means) highest = Math.max(highest, d * (x - d / 2));
  let sum = 0;
  let top = 0;
  for (let k = 0; k < means.length; k++) {
    const d = means[k]!;
    const term = weights[k]! * Math.exp(d * (x - d / 2) - highest);
    sum += term;
    top += d * term;
  }
  return top / sum;
}

/**
 * (1/2w)∫ φ(m+t)/φ(m) dt over |t| < w, less 1: Σ_{k≥1} He_{2k}(m) w^{2k}/(2k+1)!; for w(|m| + 1) ≤ ½ to 1e-17.
 *
 * Why: φ(m + t)/φ(m) = e^{−mt − t²/2} = Σ He_n(−m)t^n/n!; odd powers vanish over |t| < w. He_n = m He_{n−1} − (n −
 * 1)He_{n−2}.
 */
function series(m: number, w: number): number {
  let even = 1;
  let odd = m;
  let factor = 1;
  let sum = 0;
  // even = He_n, odd = He_{n+1}, factor = w^n/(n + 1)!.
  for (let n = 2; n <= 18; n += 2) {
    even = m * odd - (n - 1) * even;
    odd = m * even - n * odd;
    factor *= (w * w) / (n * (n + 1));
    const term = even * factor;
    sum += term;
    if (Math.abs(factor) * (Math.abs(even) + Math.abs(odd)) < 1e-18) break;
  }
  return sum;
}

/**
 * log P(a < Z < b).
 *
 * By the tail on the side where both are small: to the left of 0 mirrored; across 0 as 1 less both tails.
 */
function logMass(a: number, b: number): number {
  if (b <= 0) return logMass(-b, -a);
  if (a < 0) return Math.log1p(-Math.exp(logNormalSf(b)) - Math.exp(logNormalSf(-a)));
  const first = logNormalSf(a);
  return first + Math.log(-Math.expm1(logNormalSf(b) - first));
}
