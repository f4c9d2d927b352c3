// What ε means: the most that anyone who sees the release can tell about one record, from any privacy curve.
import { ArgumentError } from "../formats/argumentError.js";
import { minimize } from "../math/minimize.js";
import { normalQuantile } from "../math/normal.js";
import { ULP } from "../math/rounding.js";
import type { Interval, PrivacyCurve } from "./accountant.js";

/*
 * An attacker tests "the record was in" against "it was not": α is the probability of a false alarm (false-positive
 * rate), β that of a miss (false-negative rate), 1 − β the true-positive rate. For every ε ≥ 0 with both
 * P(S) ≤ e^ε Q(S) + δ(ε) and Q(S) ≤ e^ε P(S) + δ(ε) [WassermanZhou2010, Theorem 2.4; DongRothSu2022, Proposition 3]:
 *
 *   β ≥ 1 − δ(ε) − e^ε α      (first, with S = "alarm")
 *   β ≥ e^−ε (1 − δ(ε) − α)   (second, with S = "no alarm")
 *
 * Their supremum over all ε is the trade-off function. Each single ε gives a bound that holds, so that the search for
 * the best ε below can only be too coarse, never wrong. δ must bound both directions: every curve of this package
 * does. Under add-or-remove-one, what results is the symmetrised trade-off function: it holds whether the attacker
 * tests for the addition or for the removal of the record, and is the exact one of neither alone.
 *
 * In x = e^ε the first bound is −D(x) − αx with D convex, and in y = e^−ε the second is the perspective of the same
 * convex function: each has one maximum, which `minimize` finds.
 */

/** Relative and absolute slack that covers the rounding of the few operations below (each at most 2⁻⁵²). */
const SLACK = 2 ** -49;
/** Of a bound: what a further question is not worth. */
const LITTLE = 1e-13;
/** e^−745 is the smallest double: no larger ε can change a bound. */
const LARGEST_EPSILON = 745;

/**
 * β(α): a lower bound on the false-negative rate of every test with false-positive rate α in [0, 1].
 * Guarantee: never above the truth. About 20 evaluations of the curve, twice as many where δ(0) is wide. RangeError outside [0, 1].
 */
export function falseNegativeRateAt(curve: PrivacyCurve, falsePositiveRate: number): number {
  return Math.max(0, (1 - truePositiveRateAt(curve, falsePositiveRate)) * (1 - ULP));
}

/**
 * An upper bound in [0, 1] on the true-positive rate of every attack at false-positive rate α in [0, 1].
 * Guarantee: never below the truth, rounded outward. Edges: α = 1 → 1; no guarantee → 1. RangeError outside [0, 1].
 */
export function truePositiveRateAt(curve: PrivacyCurve, falsePositiveRate: number): number {
  const alpha = falsePositiveRate;
  probability("falsePositiveRate", alpha);
  if (alpha === 1) return 1;
  // At α = 0 only S with Q(S) = 0 counts: P(S) ≤ δ(ε) for every ε.
  if (alpha === 0) return Math.min(1, curve.deltaAt(Infinity), curve.deltaAt(LARGEST_EPSILON));
  // Where δ(0) is known well one of the two families is enough: they meet at ε = 0, in the fixed point α = (1 − δ(0))/2
  // of the symmetric trade-off function, below which it is as steep as e^ε and above which as flat as e^−ε.
  const { lower, upper } = curve.deltaIntervalAt(0);
  const known = upper - lower <= 1e-6 * upper;
  const below = alpha <= (1 - upper) / 2;
  let bound = Math.min(1, (upper + alpha) * (1 + SLACK));
  if (!known || below) {
    const alarm = (epsilon: number) => curve.deltaAt(epsilon) + alpha * Math.exp(epsilon);
    const highest = Math.min(LARGEST_EPSILON, -Math.log(alpha));
    const { value } = minimize(alarm, highest / 2, 0, highest, 0.25, 1e-9, LITTLE);
    bound = Math.min(bound, value * (1 + SLACK));
  }
  if (!known || !below) {
    const silence = (epsilon: number) => -Math.exp(-epsilon) * (1 - alpha - curve.deltaAt(epsilon));
    const atZero = 1 - alpha - upper;
    // The bound is at most e^−ε, so an ε beyond −log of the value at 0 cannot beat it.
    const end = Math.min(LARGEST_EPSILON, atZero > 0 ? Math.max(1e-9, -Math.log(atZero)) : LARGEST_EPSILON);
    const { value } = minimize(silence, 0, 0, end, 0.05, 1e-9, LITTLE);
    bound = Math.min(bound, 1 - Math.max(0, -value) + SLACK);
  }
  return bound;
}

/**
 * Advantage: the largest TPR − FPR of any attack, = δ(0), the total variation distance. Both ends hold.
 * Where a curve is loose at ε = 0, as Rényi's is, every ε beyond bounds it too: (ε, δ)-privacy leaves at most
 * 1 − 2(1 − δ)/(1 + e^ε) [KairouzOhViswanath2015].
 */
export function advantage(curve: PrivacyCurve): Interval {
  const { lower, upper } = curve.deltaIntervalAt(0);
  if (upper - lower <= 1e-6 * upper) return { lower, upper };
  const beyond = (epsilon: number) => 1 - (2 * (1 - curve.deltaAt(epsilon))) / (1 + Math.exp(epsilon));
  const least = minimize(beyond, 1, 0, 50, 0.25, 1e-9).value;
  return { lower, upper: Math.max(lower, Math.min(upper, least + SLACK)) };
}

/**
 * The largest probability with which an attacker guesses rightly whether the record was in, when it was in with
 * probability `prior` in [0, 1]: max(p, 1−p) + min(p, 1−p)·δ(|log((1−p)/p)|). Both ends hold.
 */
export function attackAccuracy(curve: PrivacyCurve, prior: number): Interval {
  probability("prior", prior);
  const [less, more] = prior <= 0.5 ? [prior, 1 - prior] : [1 - prior, prior];
  if (less === 0) return { lower: 1, upper: 1 };
  const { lower, upper } = curve.deltaIntervalAt(
    Math.max(0, (Math.log(more) - Math.log(less)) * (1 - SLACK) - SLACK),
  );
  // The ε above is rounded down, for the upper end; the lower end moves by at most 2·SLACK·(1 + log) of its value.
  const loss = 4 * SLACK * (1 + Math.log(more / less));
  return {
    lower: Math.max(more, more + less * lower - loss),
    upper: Math.min(1, more + less * upper + SLACK),
  };
}

/**
 * Posterior: an upper bound on the probability that the record was in, given that an attack of false-positive rate
 * α in (0, 1] says so and that it was in with probability `prior` before: p·TPR / (p·TPR + (1−p)·α).
 */
export function posteriorAt(curve: PrivacyCurve, prior: number, falsePositiveRate: number): number {
  probability("prior", prior);
  if (!(falsePositiveRate > 0)) {
    probability("falsePositiveRate", falsePositiveRate);
    return prior > 0 ? 1 : 0;
  }
  const hit = prior * truePositiveRateAt(curve, falsePositiveRate);
  if (hit === 0) return 0;
  return Math.min(1, (hit / (hit + (1 - prior) * falsePositiveRate)) * (1 + SLACK));
}

/**
 * An ESTIMATE, not a bound: the μ of the Gaussian trade-off curve [DongRothSu2022] that touches this one from below
 * at false-positive rates 10⁻⁵ … ½: max over α of Φ⁻¹(TPR(α)) − Φ⁻¹(α). A mechanism need not be μ-GDP for this μ
 * (one with subsampling is not, far out in the tails), so nothing may be derived from it. Infinity if TPR is 1.
 */
export function gdpMuEstimate(curve: PrivacyCurve): number {
  let mu = 0;
  for (const alpha of [1e-5, 1e-4, 1e-3, 1e-2, 0.05, 0.1, 0.2, 0.3, 0.5])
    mu = Math.max(mu, normalQuantile(truePositiveRateAt(curve, alpha)) - normalQuantile(alpha));
  return mu;
}

/** What an attacker can gain at most. All but `gdpMuEstimate` are proven for the curve's neighbouring relation. */
export interface AttackRisk {
  /** Upper bound on TPR − FPR. */
  readonly advantage: number;
  readonly rates: readonly {
    readonly falsePositiveRate: number;
    /** Upper bound. */
    readonly truePositiveRate: number;
    /** Upper bound on the probability of membership after an alarm, from a prior of ½. */
    readonly posterior: number;
  }[];
  readonly accuracies: readonly {
    readonly prior: number;
    /** Upper bound on the probability of guessing rightly; max(prior, 1 − prior) without any release. */
    readonly accuracy: number;
  }[];
  /** Estimate, never a bound: see {@link gdpMuEstimate}. */
  readonly gdpMuEstimate: number;
}

/** The attack risk of a curve at the given false-positive rates and priors, each in (0, 1). */
export function attackRisk(
  curve: PrivacyCurve,
  options: { falsePositiveRates?: readonly number[]; priors?: readonly number[] } = {},
): AttackRisk {
  const { falsePositiveRates = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5], priors = [0.5, 0.1, 0.01] } = options;
  return {
    advantage: advantage(curve).upper,
    rates: falsePositiveRates.map((rate) => ({
      falsePositiveRate: rate,
      truePositiveRate: truePositiveRateAt(curve, rate),
      posterior: posteriorAt(curve, 0.5, rate),
    })),
    accuracies: priors.map((prior) => ({ prior, accuracy: attackAccuracy(curve, prior).upper })),
    gdpMuEstimate: gdpMuEstimate(curve),
  };
}

function probability(name: string, value: number): void {
  if (!(value >= 0 && value <= 1)) throw new ArgumentError(name, "in [0, 1]", `${value}`);
}
