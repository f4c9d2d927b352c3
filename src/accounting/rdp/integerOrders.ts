// Amplification by sampling where only the moments at integer orders are bounded; convexity fills in between them.
//
//   q, γ   sampling rates, Poisson and of fixed size        r    dP/dQ of the mechanism that is sampled
//   α      whole order ≥ 2; λ = α − 1                       E    E_Q[…^α], the moment of the sample
//
// Logarithms of positive terms are summed relative to the largest, and rounded up at the end; between whole orders a
// chord is above, as log E is convex in λ (docs/math-rdp.md, theorem 5). From order 1024 on the moment without sampling
// stands, which is a bound too.
import { ULP } from "../../math/rounding.js";

/** log E[r^{1+λ}] for real λ ≥ 0. */
export type LogMoment = (lambda: number) => number;

/** Largest integer order computed; beyond it the un-amplified moment stands. */
const HIGHEST = 1024;

/**
 * Poisson sampling at rate q of a mechanism whose moment at integer orders is `moment` in the remove direction:
 * E[((1−q) + q·r)^α] − 1 = Σ_{k≥2} C(α,k)(1−q)^{α−k}q^k (E[r^k] − 1). Exact where `moment` is; positive terms.
 *
 * Why: the binomial theorem; the terms k = 0 and 1 have E[r^0] = E[r^1] = 1, and all coefficients sum to 1.
 */
export function poissonSampledMoment(rate: number, moment: LogMoment): LogMoment {
  return summed(rate, Math.log1p(-rate), moment, logExpm1);
}

/**
 * Sampling without replacement at rate γ = sample/source under replace-one [WangBalleKasiviswanathan2019, Theorem 27]:
 * E ≤ 1 + Σ_{j≥2} C(α,j) γʲ tⱼ with tⱼ = min{2, (e^{ε(∞)} − 1)ʲ}·e^{(j−1)ε(j)}, t₂ also ≤ 4(e^{ε(2)} − 1). Never above the
 * un-amplified moment.
 *
 * `pure` is ε(∞), Infinity where there is none: then the minimum is 2. ε(j) = K(j − 1)/(j − 1), so that e^{(j−1)ε(j)}
 * is the moment itself at order j.
 */
export function withoutReplacementMoment(rate: number, moment: LogMoment, pure: number): LogMoment {
  const logRange = pure < 700 ? Math.log(Math.expm1(pure)) : Infinity;
  return summed(rate, 0, moment, (inner, j) =>
    Math.min(inner + Math.min(Math.LN2, j * logRange), j === 2 ? Math.log(4) + logExpm1(inner) : Infinity),
  );
}

/**
 * log(1 + Σ_{k≥2} C(α,k)p^{α−k}q^k·e^{part}) at integer orders, `part` from the moment at order k.
 *
 * An infinite moment at any order up to α leaves nothing to sum. p = 1 − q for Poisson, 1 without replacement.
 */
function summed(
  rate: number,
  logP: number,
  moment: LogMoment,
  part: (inner: number, k: number) => number,
): LogMoment {
  return interpolated((alpha) => {
    const term = logBinomial(alpha, Math.log(rate), logP);
    let high = 0;
    const logs: number[] = [];
    for (let k = 2; k <= alpha; k++) {
      // K at order k.
      const inner = moment(k - 1);
      if (inner === Infinity) return Infinity;
      const log = term(k) + part(inner, k);
      logs.push(log);
      high = Math.max(high, log);
    }
    return logOnePlus(logs, high);
  }, moment);
}

/**
 * The moment at real orders by chords of the convex λ ↦ log E between integer orders (0 at order 1), each asked once.
 *
 * At order 1 the moment is log 1 = 0. A whole order has no chord; every value is capped by the moment without sampling,
 * a bound too.
 */
function interpolated(atInteger: (alpha: number) => number, unsampled: LogMoment): LogMoment {
  const cache = new Map<number, number>([[1, 0]]);
  const at = (alpha: number): number => {
    let value = cache.get(alpha);
    if (value === undefined) {
      value = Math.min(atInteger(alpha), unsampled(alpha - 1));
      cache.set(alpha, value);
    }
    return value;
  };
  return (lambda) => {
    const plain = unsampled(lambda);
    const floor = Math.floor(1 + lambda);
    if (floor >= HIGHEST) return plain;
    const part = 1 + lambda - floor;
    // (1 − part)·K(floor) + part·K(floor + 1).
    const chord = part === 0 ? at(floor) : (1 - part) * at(floor) + part * at(floor + 1);
    return Math.min(plain, chord * (1 + 4 * ULP));
  };
}

/**
 * k ↦ log(C(n,k) q^k p^{n−k}), by a running sum of logarithms.
 *
 * 0·log 0 is taken as 0 where k = n. Each logarithm adds an error of a few units, which `logOnePlus` counts.
 */
function logBinomial(n: number, logQ: number, logP: number): (k: number) => number {
  // log C(n, k) = log C(n, k − 1) + log((n − k + 1)/k).
  const logs = [0];
  for (let k = 1; k <= n; k++) logs.push(logs[k - 1]! + Math.log((n - k + 1) / k));
  return (k) => logs[k]! + k * logQ + (n === k ? 0 : (n - k) * logP);
}

function logExpm1(x: number): number {
  return x > 40 ? x : Math.log(Math.expm1(x));
}

/**
 * log(1 + Σ e^{logs}) from above; `high` ≥ 0 at least the largest. The logarithms carry at most ~n units each.
 *
 * A logarithm x errs by units of |x|, and so does its term, relatively: 8·largest; n of the running sums: 4n; 64 for
 * the rest.
 */
function logOnePlus(logs: readonly number[], high: number): number {
  let sum = 0;
  let largest = 0;
  for (const log of logs) {
    sum += Math.exp(log - high);
    if (log > -Infinity) largest = Math.max(largest, Math.abs(log));
  }
  sum *= 1 + (64 + 4 * logs.length + 8 * largest) * ULP;
  return (
    (high < 30 ? Math.log1p(sum * Math.exp(high)) : high + Math.log(sum + Math.exp(-high))) * (1 + 4 * ULP)
  );
}
