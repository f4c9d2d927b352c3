// From Rényi moments to (ε, δ): Canonne–Kamath–Steinke at the best real order, and what closeness in KL already gives.
//
//   α, λ   order, and α − 1 > 0                        K(λ)   λ·D_α(P‖Q) = log E_Q[r^α], r = dP/dQ (`moment`)
//   ε, δ   K(λ) at any one λ gives ε for a δ, and δ for an ε (docs/math-rdp.md, theorem 1)
//
// Any order gives a bound, so the search for the best one needs no proof. Rounding is outward: 4 ulp of the sum of the
// absolute values of a formula's terms.
import { log1mexp } from "../../math/log.js";
import { minimize } from "../../math/minimize.js";
import { ULP } from "../../math/rounding.js";
import type { LogMoment } from "./integerOrders.js";

/** Orders searched: 1 + e^s for s in this range, 1 + 1e−10 to 1e12. */
const LOW = Math.log(1e-10);
const HIGH = Math.log(1e12);
/** Order 1 + 1e−5: close enough to the Kullback–Leibler divergence, which any order's divergence bounds. */
const NEAR_ONE = 1e-5;
/** ε is rounded up by this much, so that the search for δ at that ε, which ends elsewhere by its tolerance, finds no more. */
const OFFERED = 1e-12;

/**
 * ε from K(λ) = λ·D_{1+λ} at order 1 + λ: (K − log δ − log α)/λ + log(λ/α) [CanonneKamathSteinke2020, Proposition 12].
 *
 * Edges: K = ∞ gives ε = ∞; ε may come out below 0, which `bestEpsilon` takes for 0. As λ → ∞, K/λ is what is left, the
 * pure ε.
 */
export function epsilonAtOrder(moment: number, lambda: number, logDelta: number): number {
  const logAlpha = Math.log1p(lambda);
  const numerator = moment - logDelta - logAlpha;
  const epsilon = numerator / lambda + Math.log(lambda) - logAlpha;
  // log α and log λ are counted for themselves, as they may cancel.
  const sizes =
    (Math.abs(moment) + Math.abs(logDelta) + logAlpha) / lambda + Math.abs(Math.log(lambda)) + logAlpha;
  return epsilon + 4 * ULP * sizes;
}

/**
 * log δ from K(λ): K − λε + λ log λ − α log α, the same inequality read the other way.
 *
 * λ log λ − α log α < 0: the factor by which this is below e^{K − λε}, Markov's inequality.
 */
export function logDeltaAtOrder(moment: number, lambda: number, epsilon: number): number {
  const alpha = 1 + lambda;
  const a = lambda * epsilon;
  const b = lambda * Math.log(lambda) - alpha * Math.log1p(lambda);
  const sizes = Math.abs(moment) + a + Math.abs(lambda * Math.log(lambda)) + alpha * Math.log1p(lambda);
  return moment - a + b + 4 * ULP * sizes;
}

/**
 * The smallest ε ≥ 0 over all orders, and the order. λ·ε(λ) is convex in λ (K is, and λ log λ − α log α has second
 * derivative 1/λα), so ε(λ) falls, then rises: a local search finds the global minimum; any order gives a valid bound.
 *
 * The start is λ ≈ √(−log δ/ρ), ρ = K(1)/2, which is best for a Gaussian of D_α = ρα, but for terms of lower order.
 * Where δ is at least the total variation ε = 0 is proven, at once.
 */
export function bestEpsilon(moment: LogMoment, logDelta: number): { epsilon: number; order: number } {
  if (logDelta >= totalVariationBound(moment)) return { epsilon: 0, order: 1 + NEAR_ONE };
  // ρ of the Gaussian with the same K(1) = 2ρ.
  const first = Math.max(moment(1) / 2, 1e-300);
  const start = 0.5 * (Math.log(Math.max(-logDelta, 1e-3)) - Math.log(first));
  const best = bestOrder((lambda) => epsilonAtOrder(moment(lambda), lambda, logDelta), start);
  return { epsilon: Math.max(0, best.value) * (1 + OFFERED), order: 1 + best.lambda };
}

/**
 * The smallest log δ ≤ 0 over all orders; convex in λ.
 *
 * λ log λ − α log α has the second derivative 1/λα > 0 and K is convex (Hölder), so log δ is convex in λ. δ is at most
 * the total variation too.
 */
export function bestLogDelta(moment: LogMoment, epsilon: number): { logDelta: number; order: number } {
  const first = Math.max(moment(1) / 2, 1e-300);
  // For a Gaussian of RDP ρα the best λ is about (ε − ρ)/2ρ. ρλ(1 + λ) − λε is least there.
  const start = Math.log(Math.max(1e-3, (epsilon - first) / (2 * first)));
  const best = bestOrder((lambda) => logDeltaAtOrder(moment(lambda), lambda, epsilon), start);
  return {
    logDelta: Math.min(0, best.value, totalVariationBound(moment) + 16 * ULP),
    order: 1 + best.lambda,
  };
}

/**
 * The least value over λ = e^s; then at the integer orders beside it, where interpolated moments have their kinks.
 *
 * Golden sections and parabolas (`src/math/minimize.ts`) in s = log λ over [1e-10, 1e12], which end at 1e-7; two whole
 * orders more.
 */
function bestOrder(f: (lambda: number) => number, start: number): { lambda: number; value: number } {
  const { x, value } = minimize(
    (s) => f(Math.exp(s)),
    Number.isFinite(start) ? start : 0,
    LOW,
    HIGH,
    0.25,
    1e-7,
  );
  let best = { lambda: Math.exp(x), value };
  // Beyond 1e6 whole orders are too close to matter.
  for (const lambda of [Math.floor(best.lambda), Math.ceil(best.lambda)]) {
    if (!(lambda >= 1 && lambda < 1e6)) continue;
    const there = f(lambda);
    if (there < best.value) best = { lambda, value: there };
  }
  return best;
}

/**
 * log of the total variation, hence of δ at every ε ≥ 0: ≤ √(KL/2) (Pinsker) and ≤ √(1 − e^{−KL}) [BretagnolleHuber1979].
 *
 * Why: δ(ε) ≤ δ(0) = TV for ε ≥ 0, and KL ≤ D_α for every α > 1, here at α = 1 + 1e-5. This is what makes ε = 0
 * provable at large δ.
 */
function totalVariationBound(moment: LogMoment): number {
  // D_α at α = 1 + 1e-5 ≥ KL.
  const kl = moment(NEAR_ONE) / NEAR_ONE;
  if (!(kl > 0)) return kl === 0 ? -Infinity : 0;
  if (kl === Infinity) return 0;
  return 0.5 * Math.min(Math.log(kl / 2), log1mexp(-kl)) * (1 - 8 * ULP) + 8 * ULP;
}
