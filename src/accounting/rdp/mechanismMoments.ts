// What is known of one mechanism, or of a composition: its moments in both directions.
//
//   K(λ)   log E_Q[r^{1+λ}] = λ·D_{1+λ}(P‖Q), from above      remove   of (P, Q)      add   of (Q, P)
//
// Over a composition K adds up, direction by direction [Mironov2017, Proposition 1]; what is set apart composes as 1 −
// Π(1 − δ_i).
import type { LogMoment } from "./integerOrders.js";

export const NAME = "rdp";

/** What is known of an event: log E[(P/Q)^{1+λ}] from above in each direction, its pure ε and δ set apart. */
export interface MechanismMoments {
  readonly remove: LogMoment;
  /** The other direction; absent where `remove` is proven to bound it too. */
  readonly add?: LogMoment;
  /** ε at δ = 0; Infinity if there is none. */
  readonly pure: number;
  /** Probability with which anything may happen: log E holds of what remains. */
  readonly extraDelta: number;
}

/** The larger of the two directions at each order. */
export function worse({ remove, add }: MechanismMoments): LogMoment {
  return add ? (lambda) => Math.max(remove(lambda), add(lambda)) : remove;
}
