// A first guess of ε at a δ, for removing or adding Poisson-sampled Gaussians: Newton steps begin there, and no bound
// rests on it.
//
// The guess is the largest of what three ways of reaching a total loss need at a chance of about δ:
//
//   one large loss of a step without the record, loss(z/σ − 1/2σ²), at T·P(Z > z) ≈ δ;
//   k steps with the record, each with loss(1/2σ² + z/(σ√k)), where k of them are about as likely as δ;
//   many small losses, which are nearly normal: 0.7·q√(T·expm1(1/σ²))·√(−log δ),
//
// loss(y) = log(1 + q(e^y − 1)), the loss at y = (2x − 1)/2σ².
import type { Interval } from "../../accountant.js";
import type { DirectedComposition } from "../vertical/directedComposition.js";

/** loss(y) = log(1 + q(e^y − 1)), without overflow: y + log q for large y. */
const lossAt = (y: number, q: number): number => (y > 30 ? y + Math.log(q) : Math.log1p(q * Math.expm1(y)));

/**
 * The z > 0 with P(Z > z) ≈ e^log: z² ≈ −2 log − log(−2 log). Roughly, from P(Z > z) ≈ e^{−z²/2}/(z√2π), with z² on the
 * right side put in as −2 log; 0 where the chance is above 1/e.
 */
const normalQuantileOf = (log: number): number =>
  log < -1 ? Math.sqrt(Math.max(0.1, -2 * log - Math.log(-2 * log) - 1)) : 0;

/**
 * log of the chance that k of many steps sample the record, their mean number given, if k is above it; else 0.
 * log of the Poisson probability e^{−mean}·mean^k/k!, with Stirling's k! ≈ √(2πk)(k/e)^k.
 */
const logChance = (k: number, mean: number): number =>
  k > mean ? k * Math.log(mean / k) + k - mean - 0.5 * Math.log(2 * Math.PI * k) : 0;

/**
 * Within what is known of ε.
 *
 *   T   steps of the mixture (`count`)       Z   standard normal
 *   k   tried from the mean Tq on, in steps of a twentieth, until k samples are less likely than δ
 */
export function startingEpsilon(
  composition: DirectedComposition,
  logDelta: number,
  { lower, upper }: Interval,
): number {
  let guess = 0;
  for (const { sigma, weights, count } of composition.mixtures) {
    const q = weights[1]!;
    const half = 0.5 / (sigma * sigma);
    // One large loss: of T draws of Z one exceeds z with a chance of about T·P(Z > z) = δ; x = zσ gives y = z/σ − 1/2σ².
    guess = Math.max(guess, lossAt(normalQuantileOf(logDelta - Math.log(count)) / sigma - half, q));
    // k steps with the record: their noises add up to a normal of deviation √k, so on average each has y = 1/2σ² +
    // z/(σ√k); z is such that both chances together are δ.
    const mean = count * q;
    for (let k = Math.max(1, Math.floor(mean)); k <= count; k += Math.ceil(k / 20)) {
      const log = logChance(k, mean);
      if (log < logDelta) break;
      const quantile = normalQuantileOf(logDelta - log);
      guess = Math.max(guess, k * lossAt(half + quantile / (sigma * Math.sqrt(k)), q));
    }
    // Many small losses: E_Q[(r − 1)²] = q²(e^{1/σ²} − 1), the variance of one loss to first order; 1/σ² counts as 1 at
    // most.
    const spread = q * Math.sqrt(count * Math.expm1(Math.min(1, 1 / (sigma * sigma))));
    guess = Math.max(guess, 0.7 * spread * Math.sqrt(Math.max(1, -logDelta)));
  }
  const { direction, gaussian, mixtures } = composition;
  // Adding, no loss exceeds −log(1 − q).
  if (direction < 0 && gaussian === 0) {
    const largestLoss = mixtures.reduce((sum, step) => sum + step.count * step.largestNegativeLoss, 0);
    guess = Math.min(guess, largestLoss * 0.7);
  }
  // Strictly inside of what is known.
  return Math.max(lower * 1.0001, Math.min(upper < Infinity ? upper * 0.9 : Infinity, guess));
}
