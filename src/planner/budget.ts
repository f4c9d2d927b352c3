// What a plan may spend: ε at δ, or what an attacker may gain, which any privacy curve bounds.
import type { PrivacyCurve } from "../accounting/accountant.js";
import { advantage, truePositiveRateAt } from "../accounting/tradeoff.js";
import type { PlanRequest } from "../formats/plan.js";
import { roundedUp } from "../formats/rounded.js";
import { normalQuantile } from "../math/normal.js";

export interface Budget {
  /** > 0: what `spent` must not exceed. */
  readonly limit: number;
  /** About the ε at the request's δ that it stands for: where a search may start, nothing more. */
  readonly guess: number;
  /** A proven upper bound, at δ where it depends on one; rises with steps and rate, falls with noise. */
  spent(curve: PrivacyCurve, delta: number): number;
  /** "epsilon 3.1": an amount with what it is of, rounded up. */
  words(amount: number): string;
}

/** The budget that a request names, or undefined where ε is what is solved for. */
export function budgetOf(request: PlanRequest): Budget | undefined {
  const { epsilon, delta, maxAdvantage, maxTruePositiveRate } = request;
  if (epsilon !== undefined)
    return {
      limit: epsilon,
      guess: epsilon,
      spent: (curve, at) => curve.epsilonIntervalAt(at).upper,
      words: (amount) => `epsilon ${roundedUp(amount)}`,
    };
  if (maxAdvantage !== undefined)
    return {
      limit: maxAdvantage,
      guess: gaussianEpsilon(2 * normalQuantile((1 + maxAdvantage) / 2), delta!),
      spent: (curve) => advantage(curve).upper,
      words: (amount) => `advantage ${roundedUp(amount)}`,
    };
  if (maxTruePositiveRate !== undefined) {
    const { rate, falsePositiveRate } = maxTruePositiveRate;
    return {
      limit: rate,
      guess: gaussianEpsilon(normalQuantile(rate) - normalQuantile(falsePositiveRate), delta!),
      spent: (curve) => truePositiveRateAt(curve, falsePositiveRate),
      words: (amount) =>
        `true-positive rate ${roundedUp(amount)} at false-positive rate ${falsePositiveRate}`,
    };
  }
  return undefined;
}

/** ε at δ of about μ-Gaussian privacy: η² + 2η√log(1/δ), η² = μ²/2 [Sander2023, §3]. */
function gaussianEpsilon(mu: number, delta: number): number {
  const eta = mu / Math.SQRT2;
  return eta * eta + 2 * eta * Math.sqrt(-Math.log(delta));
}
