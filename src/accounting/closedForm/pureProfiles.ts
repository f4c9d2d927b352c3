// δ(ε) of one use of a mechanism whose losses are finitely many, or of one Laplace, as certified logarithms.
//
//   p     P-mass of an outcome (`masses`)       ℓ   its loss log(P/Q) (`losses`)       ulp   2⁻⁵²
//
// δ(ε) = E_P[(1 − e^{ε−ℓ})₊]: a sum over outcomes whose loss exceeds ε (docs/math-closed-forms.md, theorem 3).
import { ULP } from "../../math/rounding.js";
import type { Interval } from "../accountant.js";
import type { Profile } from "./profile.js";

/**
 * No mass at infinity.
 */
const NONE: Interval = { lower: 0, upper: 0 };

/**
 * One direction of a finite pair: P-masses and their losses log(P/Q), Infinity where Q has no mass.
 * δ(ε) = Σ_{loss > ε} p·(1 − e^{ε − loss}): positive terms, so relative accuracy at any δ.
 * exact: the losses, and what mass is at Infinity, are not rounded.
 *
 *   floor   Σ p over ℓ = ∞: δ(ε) never falls below it           pure   the largest finite loss, from which on δ(ε) is the floor
 *
 * Rounding: losses by 4 ulp of 1 + |ℓ| + ε, down in the lower end and up in the upper one; sums by 4 + n ulp. exact: an
 * (ε, δ)-mechanism has its own ε at its own δ, to the last digit, as neither the floor nor the largest loss is widened.
 */
export function finiteProfile(masses: readonly number[], losses: readonly number[], exact = false): Profile {
  // Outcomes of mass 0 have no say.
  const finite = losses.filter((loss, i) => masses[i]! > 0 && loss < Infinity);
  const pure = Math.max(0, ...finite) * (exact ? 1 : 1 + 4 * ULP);
  // P(ℓ = ∞).
  const revealed = losses.reduce((sum, loss, i) => (loss === Infinity ? sum + masses[i]! : sum), 0);
  const error = exact ? 0 : (4 + masses.length) * ULP;
  const floor = { lower: revealed * (1 - error), upper: Math.min(1, revealed * (1 + error)) };
  const bounds = (epsilon: number): Interval => {
    let lower = 0;
    let upper = 0;
    losses.forEach((loss, i) => {
      // The losses are logarithms of quotients of doubles: a few units of their own last place and of 1.
      const error = 4 * ULP * (1 + Math.abs(loss) + epsilon);
      // p(1 − e^{−x}), x = ℓ − ε, and nothing for losses below ε.
      const term = (x: number): number => (x > 0 ? masses[i]! * -Math.expm1(-x) : 0);
      if (loss === Infinity) {
        lower += masses[i]!;
        upper += masses[i]!;
      } else if (loss > epsilon - error) {
        lower += term(loss - epsilon - error);
        upper += term(loss - epsilon + error);
      }
    });
    // Of the masses, of expm1 and of the sum.
    const rounding = (4 + masses.length) * ULP;
    return { lower: lower * (1 - rounding), upper: Math.min(1, upper * (1 + rounding)) };
  };
  return {
    floor,
    pure,
    logDelta(epsilon) {
      // No loss exceeds ε, and nothing is revealed: δ = 0.
      if (epsilon > pure && revealed === 0) return { lower: -Infinity, upper: -Infinity };
      const { lower, upper } = bounds(epsilon);
      return {
        lower: Math.log(lower) * (1 + 2 * ULP) - ULP,
        upper: Math.min(0, Math.log(upper) * (1 - 2 * ULP) + ULP),
      };
    },
    logRest(epsilon) {
      const { lower, upper } = bounds(epsilon);
      return { lower: Math.log1p(-upper) - ULP, upper: Math.min(0, Math.log1p(-lower) + ULP) };
    },
  };
}

/**
 * Laplace noise of scale b for a shift of 1: δ(ε) = 1 − e^{(ε − 1/b)/2} for ε ≤ 1/b. The loss exceeds ε beyond
 * c = (1 + εb)/2, and P(x > c) − e^ε Q(x > c) = 1 − ½exp((c − 1)/b) − ½exp(ε − c/b), whose last two terms are equal.
 *
 * Why: with the record at 1 and at 0, ℓ(x) = (|x| − |x − 1|)/b rises from −1/b to 1/b between the two; on x > c it
 * exceeds ε. Rounding is of the exponent (ε − 1/b)/2 alone, by 1 ulp of 1/b + ε. Edges: from ε = 1/b on δ = 0; δ(0) = 1
 * − e^{−1/2b}.
 */
export function laplaceProfile(b: number): Profile {
  const pure = 1 / b;
  const exponent = (epsilon: number): Interval => {
    const x = (epsilon - pure) / 2;
    // Of 1/b and of the difference.
    const error = ULP * (pure + epsilon);
    return { lower: Math.min(0, x - error), upper: Math.min(0, x + error) };
  };
  return {
    floor: NONE,
    pure: pure * (1 + ULP),
    logDelta(epsilon) {
      const { lower, upper } = exponent(epsilon);
      // δ = 1 − e^x, x ≤ 0: the larger x has the smaller δ.
      const low = Math.log(-Math.expm1(upper));
      const high = Math.log(-Math.expm1(lower));
      return { lower: low * (1 + 2 * ULP) - 2 * ULP, upper: Math.min(0, high * (1 - 2 * ULP) + 2 * ULP) };
    },
    logRest: exponent,
  };
}
