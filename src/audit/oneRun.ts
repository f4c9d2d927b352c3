// Lower bounds on ε from one training run with canaries: each was put in by a fair coin, and the auditor guesses which.
// [SteinkeNasrJagielski2023] for any (ε, δ)-DP mechanism, [MahloujifarMelisChaudhuri2025] for a trade-off curve.
import type { PrivacyCurve } from "../accounting/accountant.js";
import type { GuessTally } from "../formats/report.js";

/** Sums of a thousand terms, rounded: the p-values below are enlarged by this much. */
const ROUNDING = 1 + 1e-9;

/**
 * Guesses "in" for the highest scores and "out" for the lowest, half of the guesses each, and counts the right ones.
 * guesses: even, at most as many as scores. Ties are broken by position, which must say nothing of the coins.
 */
export function tallyGuesses(
  scores: ArrayLike<number>,
  included: ArrayLike<boolean>,
  guesses: number,
): GuessTally {
  const canaries = scores.length;
  if (!(included.length === canaries && canaries > 0))
    throw new RangeError(`included must be as long as scores, ${canaries} >= 1, got ${included.length}`);
  if (!(Number.isSafeInteger(guesses) && guesses % 2 === 0 && guesses >= 0 && guesses <= canaries))
    throw new RangeError(`guesses must be even and in [0, ${canaries}], got ${guesses}`);
  const order = Array.from({ length: canaries }, (_, i) => i).sort(
    (a, b) => scores[b]! - scores[a]! || a - b,
  );
  const half = guesses / 2;
  let correct = 0;
  for (let i = 0; i < half; i++) {
    if (included[order[i]!]) correct++;
    if (!included[order[canaries - 1 - i]!]) correct++;
  }
  return { canaries, guesses, correct };
}

/**
 * An upper bound on the probability of `correct` or more right guesses if the mechanism is (ε, δ)-DP, ε ≥ 0, δ in [0, 1].
 *
 * [SteinkeNasrJagielski2023, Theorem 3.1]: with X ~ Binomial(r, e^ε/(e^ε + 1)),
 *   P(correct ≥ v) ≤ P(X ≥ v) + 2mδ·max over i = 1 … v of P(v > X ≥ v − i)/i.
 */
export function pureGuessProbability(tally: GuessTally, epsilon: number, delta: number): number {
  const { canaries, guesses, correct } = checkTally(tally);
  const tails = binomialTails(guesses, 1 / (1 + Math.exp(-epsilon)));
  const beta = tails[correct]!;
  let alpha = 0;
  for (let i = 1; i <= correct; i++) alpha = Math.max(alpha, (tails[correct - i]! - beta) / i);
  return Math.min(1, (beta + 2 * canaries * delta * alpha) * ROUNDING);
}

/**
 * The largest ε such that so many right guesses have probability at most `significance` under every (ε, δ)-DP mechanism:
 * a lower bound on the ε of the mechanism at δ with confidence 1 − significance. Assumes nothing of the mechanism. 0 if none.
 */
export function anyMechanismBound(tally: GuessTally, delta: number, significance: number): number {
  const refuted = (epsilon: number): boolean => pureGuessProbability(tally, epsilon, delta) <= significance;
  return largestTrue(refuted, 60);
}

/**
 * The trade-off curve of a mechanism as the auditor uses it: a lower bound on the false-positive rate of every attack with
 * true-positive rate y in [0, 1].
 */
export type LeastFalsePositiveRate = (truePositiveRate: number) => number;

/** Lines that a trade-off curve is bounded by. */
const TANGENTS = 32;

/**
 * From δ(ε) for both directions: y ≤ e^ε x + δ and 1 − x ≤ e^ε (1 − y) + δ, for every ε, so that
 *   x ≥ e^−ε (y − δ(ε)) and x ≥ 1 − δ(ε) − e^ε (1 − y).
 * Each ε gives bounds that hold; a finite choice of them is only looser.
 */
export function leastFalsePositiveRate(curve: PrivacyCurve): LeastFalsePositiveRate {
  const last = Math.min(curve.epsilonAt(1e-9), 200);
  const lines: { readonly slope: number; readonly offset: number }[] = [{ slope: 0, offset: 0 }];
  for (let i = 0; i < TANGENTS; i++) {
    const epsilon = (last * i) / (TANGENTS - 1);
    const delta = curve.deltaAt(epsilon);
    const ratio = Math.exp(epsilon);
    lines.push({ slope: 1 / ratio, offset: -delta / ratio });
    lines.push({ slope: ratio, offset: 1 - delta - ratio });
  }
  return (y) => {
    let most = 0;
    for (const { slope, offset } of lines) {
      const x = slope * y + offset;
      if (x > most) most = x;
    }
    return Math.min(1, most);
  };
}

/**
 * Whether so many right guesses have probability below `significance` under every mechanism with that trade-off curve.
 *
 * [MahloujifarMelisChaudhuri2025]: let p_i be the probability of exactly i right guesses, and
 *   r_c = Σ_{i≥c} (i/m) p_i, the chance that a canary drawn at random is guessed, rightly, and c or more are right in all;
 *   h_c = Σ_{i≥c} ((r − i)/m) p_i, the same with that canary guessed wrongly.
 * Flipping the drawn canary's coin turns its right guess among i into a wrong one among i − 1, so the trade-off curve, being
 * convex, gives h_{c−1} ≥ x(r_c), with x(·) the least false-positive rate. If P(correct ≥ v) were `significance` or more,
 * r_v ≥ significance·v/m, and going down from v,
 *   h_{i} grows to x(r_{i+1}) at least, by ((r − i)/m) p_i, and with it r_i by (i/m) p_i,
 * until all p_i together exceed 1: then it was not.
 */
export function refutesCurve(
  tally: GuessTally,
  falsePositive: LeastFalsePositiveRate,
  significance: number,
): boolean {
  const { canaries, guesses, correct } = checkTally(tally);
  let right = (significance * correct) / canaries;
  let wrong = (significance * (guesses - correct)) / canaries;
  for (let i = correct - 1; i >= 0; i--) {
    const least = falsePositive(right);
    // What does not grow now never will.
    if (!(least > wrong)) break;
    right = Math.min(1, right + (i / (guesses - i)) * (least - wrong));
    wrong = least;
  }
  return right + wrong > (guesses / canaries) * ROUNDING;
}

/** The smallest significance (within 1 %, never too small) at which `refuted` still says yes; 1 if none in [1e-12, 1]. */
export function smallestSignificance(refuted: (significance: number) => boolean): number {
  let [no, yes] = [Math.log(1e-12), 0];
  if (!refuted(1)) return 1;
  if (refuted(1e-12)) return 1e-12;
  while (yes - no > 0.01) {
    const middle = (no + yes) / 2;
    if (refuted(Math.exp(middle))) yes = middle;
    else no = middle;
  }
  return Math.exp(yes);
}

/** The largest x in [0, most], to within 1e-6, at which a predicate that is true up to some x is true; 0 if nowhere. */
function largestTrue(predicate: (x: number) => boolean, most: number): number {
  if (!predicate(0)) return 0;
  let [yes, no] = [0, most];
  if (predicate(most)) return most;
  while (no - yes > 1e-6) {
    const middle = (yes + no) / 2;
    if (predicate(middle)) yes = middle;
    else no = middle;
  }
  return yes;
}

/** P(X ≥ j) for j = 0 … n + 1, X ~ Binomial(n, p), p in (0, 1): each the sum of its terms, smallest first. */
export function binomialTails(n: number, p: number): Float64Array {
  const tails = new Float64Array(n + 2);
  // log of C(n, j) p^j (1 − p)^(n−j), from the one before by (n − j + 1)/j · p/(1 − p).
  const terms = new Float64Array(n + 1);
  const logOdds = Math.log(p) - Math.log1p(-p);
  terms[0] = n * Math.log1p(-p);
  for (let j = 1; j <= n; j++) terms[j] = terms[j - 1]! + Math.log((n - j + 1) / j) + logOdds;
  for (let j = n; j >= 0; j--) tails[j] = Math.min(1, tails[j + 1]! + Math.exp(terms[j]!));
  return tails;
}

function checkTally(tally: GuessTally): GuessTally {
  const { canaries, guesses, correct } = tally;
  const whole = (name: string, value: number, least: number, most: number): void => {
    if (!(Number.isSafeInteger(value) && value >= least && value <= most))
      throw new RangeError(`${name} must be a whole number in [${least}, ${most}], got ${value}`);
  };
  whole("canaries", canaries, 1, 1e6);
  whole("guesses", guesses, 0, canaries);
  whole("correct", correct, 0, guesses);
  return tally;
}
