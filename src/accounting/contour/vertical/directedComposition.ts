// What is composed, seen from one side of the neighbouring relation (docs/math-contour.md, notation).
//
//   remove (+1)   loss ℓ = log r under P:    E e^{tℓ} = E_Q[r^{1+t}]
//   add    (−1)   loss ℓ = −log r under Q:   E e^{tℓ} = E_Q[r^{−t}]
import type { MixtureStep } from "./stepMgf.js";

/**
 * A composition as the contour sees it: Gaussians and sampled steps, of one direction.
 */
export interface DirectedComposition {
  /** Total squared shift ÷ σ² of the Gaussians, which compose to one. */
  readonly gaussian: number;
  /** Mixtures, each with its count. */
  readonly mixtures: readonly MixtureStep[];
  readonly direction: 1 | -1;
}

/** The power s of r at t = c: M(c) = E_Q[r^s]. */
export function exponentAt(composition: DirectedComposition, c: number): number {
  return composition.direction > 0 ? 1 + c : -c;
}
