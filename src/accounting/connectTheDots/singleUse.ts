// δ(ε) of one use of a pair, directly: no lattice, no transform (docs/math-connect-the-dots.md, theorem 11).
//
//   δ(ε) = P(ℓ = ∞) + Σ p(1 − e^{ε−ℓ})₊ + Σ over bodies of P(B) − e^ε Q(B),   B the half-line where the loss exceeds ε
//
//   p, ℓ   mass and loss of a point      x   where a body's half-line begins      u   unit round-off
//
// Why without a lattice: discretising adds to δ what compositions need and one use does not. Here the set on which P
// exceeds e^ε Q is a half-line of each body, whose masses are known to a few round-offs; both ends below hold whatever x
// was found.
import { UNIT_ROUNDOFF } from "../../math/rounding.js";
import type { Interval } from "../accountant.js";
import type { DominatingPair, LossBody, Mass } from "./pair.js";

/**
 * δ(ε) of one use without the mass at +∞: Σ p(1 − e^{ε−ℓ})₊ over the points, and P − e^ε Q of each body beyond where its loss
 * is ε.
 *
 * Rounding goes outward: losses by 2⁻⁴⁸(1 + |ℓ| + ε) up in the upper end and down in the lower one, sums by 2⁻⁵¹ for
 * each term, masses by `relative`. What was left out of the points counts to the upper end in full.
 */
export function onceAt(pair: DominatingPair, epsilon: number): Interval {
  const { losses, logP, relative = 0, bodies = [], logLeftOut } = pair;
  let lower = 0;
  let upper = logLeftOut ? Math.exp(logLeftOut(0)) * (1 + 1e-9) : 0;
  for (let i = 0; i < losses.length; i++) {
    // p(1 − e^{ε−ℓ}) where ℓ ± lossError exceeds ε.
    const lossError = 2 ** -48 * (1 + Math.abs(losses[i]!) + epsilon);
    const above = losses[i]! - epsilon;
    const p = Math.exp(logP[i]!);
    if (above > -lossError) upper -= p * Math.expm1(-above - lossError);
    if (above > lossError) lower -= p * Math.expm1(-above + lossError);
  }
  for (const body of bodies) {
    const beyond = hockeyStick(body, epsilon);
    lower += beyond.lower;
    upper += beyond.upper;
  }
  const rounding = (losses.length + bodies.length + 800) * 2 ** -51 + relative;
  return { lower: lower * (1 - rounding), upper: upper * (1 + rounding) };
}

/**
 * ∫ (p − e^ε q)₊ over a body (docs/math-connect-the-dots.md, theorem 11): P − e^ε Q of what lies beyond an x where the
 * loss is `short` of ε at most. That of any set is a lower bound; what this one may lack or have too much is at most
 * (e^short − 1)P.
 *
 *   value    1 − e^ε Q/P of the half-line, by the ratio of its masses     short   ε − ℓ(x) ≥ 0
 *   lower    P·(value − error)                                            upper   P·(value + error + e^short − 1)
 *
 * Why: ∫(p − e^ε q)₊ is the supremum of P(S) − e^ε Q(S) over all sets S. The half-line beyond x, with ℓ(x) ≤ ε,
 * contains the best one, ℓ > ε; what it has too much is where ε − short ≤ ℓ ≤ ε, and there e^ε q − p ≤ (e^short − 1)p:
 * that times P is the most it can take off.
 */
function hockeyStick(body: LossBody, epsilon: number): Interval {
  if (epsilon >= body.largestLoss) return { lower: 0, upper: 0 };
  let x =
    epsilon > body.leastLoss ? Math.max(body.from, Math.min(body.to, body.inverse(epsilon))) : body.from;
  // From the inverse leftward until the loss is at most ε, by growing steps: so no loss above ε is left out.
  for (let step = 2 ** -50 * (1 + Math.abs(x)); x > body.from && !(body.loss(x) <= epsilon); step *= 4)
    x = Math.max(body.from, x - step);
  // P(x > x₀) and P/Q of it; nothing lies beyond where that is 0.
  const mass: Mass = { logP: 0, ratio: 0 };
  body.mass(x, body.to, mass);
  if (!(mass.logP > -Infinity)) return { lower: 0, upper: 0 };
  const p = Math.exp(mass.logP);
  const error = 16 * UNIT_ROUNDOFF * (8 + Math.abs(mass.logP) + Math.abs(mass.logP - mass.ratio));
  // Below all of the body's losses nothing is too much.
  const short = x > body.from ? Math.max(0, epsilon - body.loss(x)) : 0;
  const value = -Math.expm1(epsilon - mass.ratio);
  const valueError = error * (Math.abs(value) + 1.01 * Math.exp(epsilon - mass.ratio));
  // e^short − 1, with the rounding of ε and of the loss at x.
  const lacking = Math.expm1(short + 16 * UNIT_ROUNDOFF * (1 + Math.abs(epsilon)));
  return {
    lower: p * Math.max(0, value - valueError) * (1 - 2 ** -50),
    upper: p * (Math.max(0, value + valueError) + lacking) * (1 + 2 ** -50),
  };
}
