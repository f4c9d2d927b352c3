// The price of tuning: a random number of runs, of which the best is released [PapernotSteinke2022].
//
//   K(λ)   moment of one run, λ = α − 1: ε(α) = K(λ)/λ (`moment`)      ε′   that of the best of all runs
//   E[K]   the mean number of runs (`expectedRepetitions`)             α̂    any other order, chosen best
//
// A bound that holds for every α̂ holds at the least of them, so that the search needs no proof (docs/math-rdp.md,
// theorem 6).
import type { RepetitionDistribution } from "../../formats/event.js";
import { expectedRepetitions } from "../../formats/repetitions.js";
import { minimize } from "../../math/minimize.js";
import { ULP } from "../../math/rounding.js";
import { UnsupportedEventError } from "../accountant.js";
import { bestLogDelta } from "./convert.js";
import type { LogMoment } from "./integerOrders.js";
import type { MechanismMoments } from "./mechanismMoments.js";

/**
 * Truncated negative binomial (η > −1, γ): for every λ̂ ≥ 1 (order), [PapernotSteinke2022, Theorem 2]
 *   ε′(α) = ε(α) + (1+η)(1 − 1/α̂)ε(α̂) + (1+η)·log(1/γ)/α̂ + log E[K]/(α−1).
 * Poisson(μ) [PapernotSteinke2022, Theorem 6]:
 *   ε′(α) = ε(α) + μ·δ̂ + log μ/(α−1), δ̂ = δ(log(1 + 1/(α−1))).
 *
 * Edges: a Poisson number of mean 0 is no run at all. Events with a probability set apart are refused. A pure ε of one
 * run gives (2 + η)ε for the negative binomial, and none for Poisson, unless nothing is spent.
 */
export function repeatAndSelect(
  repetitions: RepetitionDistribution,
  base: MechanismMoments,
): MechanismMoments {
  if (base.extraDelta > 0)
    throw new UnsupportedEventError("rdp", "repeat-and-select", "its event has an additive delta");
  const { remove, add } = base;
  const moment: LogMoment = add ? (l) => Math.max(remove(l), add(l)) : remove;
  if (repetitions.kind === "poisson") {
    const { mean } = repetitions;
    if (mean === 0) return { remove: () => 0, pure: 0, extraDelta: 0 };
    return {
      remove: (lambda) => {
        // δ at an ε that is rounded down is larger, not smaller. From the pure ε on it is 0.
        const threshold = Math.log1p(1 / lambda) * (1 - 4 * ULP);
        const delta = base.pure <= threshold ? 0 : Math.exp(bestLogDelta(moment, threshold).logDelta);
        return outward(moment(lambda) + lambda * mean * delta + Math.log(mean), Math.abs(Math.log(mean)));
      },
      pure: base.pure === 0 ? 0 : Infinity,
      extraDelta: 0,
    };
  }
  const { eta, gamma } = repetitions;
  const logInverse = -Math.log(gamma);
  // (1 − 1/α̂)ε(α̂) + log(1/γ)/α̂ = (K(t) + log(1/γ))/(1 + t), t = α̂ − 1: a convex function over a linear one, so it
  // falls, then rises; its limits are log(1/γ) at t = 0 and the pure ε at t = ∞. s = log t.
  const best = minimize((s) => (moment(Math.exp(s)) + logInverse) / (1 + Math.exp(s)), 0, -20, 20, 0.5, 1e-6);
  const overhead = (1 + eta) * Math.min(best.value, logInverse, base.pure) * (1 + 16 * ULP);
  // log E[K] ≥ 0: at least one run.
  const logMean = Math.max(0, Math.log(expectedRepetitions(eta, gamma)));
  return {
    remove: (lambda) => outward(moment(lambda) + lambda * overhead + logMean, logMean),
    pure: (2 + eta) * base.pure * (1 + 4 * ULP),
    extraDelta: 0,
  };
}

/**
 * A moment is never negative; sums of a few rounded terms.
 *
 * 16 ulp of both terms.
 */
function outward(value: number, other: number): number {
  return Math.max(0, value + 16 * ULP * (Math.abs(value) + other));
}
