// The privacy profile of one direction of a composition, as logarithms: what the parts of the contour accountant have in
// common. A composition has one profile for removing the record and one for adding it; the worse of both is what holds.
import type { Interval } from "../accountant.js";

/**
 * Bounds on log δ: lower ≤ log δ ≤ upper ≤ 0.
 *
 * Logarithms, so that δ = 1e-300 has as many digits as δ = 1e-5; −∞ where δ is 0.
 */
export interface LogBounds {
  readonly lower: number;
  readonly upper: number;
}

/**
 * What is known of one direction: pure functions of the question, so that no answer depends on what was asked before.
 */
export interface DirectionProfile {
  /** Bounds on log δ(ε), ε ≥ 0. */
  logDeltaAt(epsilon: number): LogBounds;
  /**
   * Bounds on the least ε ≥ 0 with δ(ε) ≤ δ, given log δ and log(1 − δ), the latter for δ near 1.
   * harmlessUpper: an upper end up to there needs no narrowing.
   */
  epsilonAt(logDelta: number, logComplement: number, harmlessUpper?: number): Interval;
  /** An upper bound on log δ(ε) that needs no integral. */
  chernoff(epsilon: number): number;
}
