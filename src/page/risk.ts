// What an attacker can gain at most, in the figures that `dpsgd plan --risk` prints.
import type { PrivacyCurve } from "../accounting/accountant.js";
import { advantage, posteriorAt, truePositiveRateAt } from "../accounting/tradeoff.js";

export interface Risk {
  /** Upper bound on TPR − FPR. */
  readonly advantage: number;
  readonly rates: readonly {
    readonly falsePositiveRate: number;
    /** Upper bound. */
    readonly truePositiveRate: number;
    /** Upper bound on the probability of membership after an alarm, from even odds. */
    readonly posterior: number;
  }[];
}

const RATES = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5];

/** The figures, each the accountant's own. Yields after each. */
export function* riskOf(curve: PrivacyCurve): Generator<void, Risk> {
  const largest = advantage(curve).upper;
  yield;
  const rates: Risk["rates"][number][] = [];
  for (const falsePositiveRate of RATES) {
    // The posterior needs the same values of δ again: each is asked for once.
    const known = new Map<number, number>();
    const remembering: PrivacyCurve = {
      accountant: curve.accountant,
      neighboring: curve.neighboring,
      epsilonAt: (delta) => curve.epsilonAt(delta),
      epsilonIntervalAt: (delta) => curve.epsilonIntervalAt(delta),
      deltaIntervalAt: (epsilon) => curve.deltaIntervalAt(epsilon),
      deltaAt(epsilon) {
        const delta = known.get(epsilon) ?? curve.deltaAt(epsilon);
        known.set(epsilon, delta);
        return delta;
      },
    };
    rates.push({
      falsePositiveRate,
      truePositiveRate: truePositiveRateAt(remembering, falsePositiveRate),
      posterior: posteriorAt(remembering, 0.5, falsePositiveRate),
    });
    yield;
  }
  return { advantage: largest, rates };
}
