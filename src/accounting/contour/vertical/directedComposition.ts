// What is composed, seen from one side of the neighbouring relation.
import type { MixtureStep } from "./stepMgf.js";

/** What is composed: Gaussians of total squared shift ÷ σ² `gaussian`, and mixtures, each with its count. */
export interface DirectedComposition {
  readonly gaussian: number;
  readonly mixtures: readonly MixtureStep[];
  /** +1: the record is in P (remove); −1: in Q (add). */
  readonly direction: 1 | -1;
}

/** log sup_l e^{−cl}(1 − e^{−l})₊ = c log c − (1 + c) log(1 + c); for −1 < c < 0, of e^{−cl}·min(1, e^{−l}): 0. */
export function logSupremum(c: number): number {
  return c > 0 ? -Math.log1p(c) - c * Math.log1p(1 / c) : 0;
}

/** r^s is tilted by s = 1 + c to remove, by −c to add. */
export function exponentAt(composition: DirectedComposition, c: number): number {
  return composition.direction > 0 ? 1 + c : -c;
}
