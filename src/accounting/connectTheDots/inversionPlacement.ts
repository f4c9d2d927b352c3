// Where to invert a transform: the tilt, the period, and a second tilt that bounds aliasing
// (docs/math-connect-the-dots.md, theorem 2).
//
//   c    tilt: > 0 for δ, in (−1, 0) for 1 − δ (`c`)      c₂   second tilt, farther from 0 on the same side (`c2`)
//   Λ    period: losses that differ by it are not told apart (`period`)      M(c₂)   E[e^{c₂ℓ}] (`logMoment2`)
//
// Aliases from one side are at most e^{−|c|Λ}, as g ≤ 1; those from the other at most M(c₂)e^{−c₂ε}β(c₂)e^{−|c₂−c|Λ}:
// where c, c₂ and Λ lie is a matter of cost, but `logMoment2` must be a bound.

/** Where to invert the transform for one ε. */
export interface InversionPlacement {
  readonly c: number;
  /** log g and its slope there, about; g = δ if c > 0, 1 − δ if c < 0. */
  readonly log: number;
  readonly period: number;
  /** Second tilt, of the bound on aliasing, and log E[e^{c2·loss}] from above. */
  readonly c2: number;
  readonly logMoment2: number;
}
