// The number of runs of a search, drawn from a truncated negative binomial law [PapernotSteinke2022]: its mean and parameter.
import { bisectPredicate } from "../math/roots.js";

const ULP = 2 ** -52;

/**
 * E[K] of the truncated negative binomial: η(1−γ)/(γ(1−γ^η)), (1/γ−1)/log(1/γ) at η = 0; at least 1.
 * η > −1; γ in (0, 1).
 */
export function expectedRepetitions(eta: number, gamma: number): number {
  const log = Math.log(gamma);
  // −expm1(η log γ)/η → −log γ as η → 0, without cancellation.
  const spread = Math.abs(eta * log) < 1e-300 ? -log : -Math.expm1(eta * log) / eta;
  return ((1 - gamma) / (gamma * spread)) * (1 + 16 * ULP);
}

/**
 * γ of the truncated negative binomial whose mean, falling in γ, is `mean`; rounded down to eleven digits, which means at
 * most 10⁻⁹ more repetitions, costs a little more, and gives one number on every engine. η > −1; mean > 1.
 */
export function gammaOf(eta: number, mean: number): number {
  const gamma = bisectPredicate((x) => expectedRepetitions(eta, x) >= mean, 1, 1e-300, 1e-15);
  const rounded = Number(gamma.toPrecision(11));
  const digit = 10 ** (Math.floor(Math.log10(gamma)) - 10);
  return rounded <= gamma ? rounded : Number((rounded - digit).toPrecision(11));
}
