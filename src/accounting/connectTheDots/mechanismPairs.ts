// What stands for one mechanism under one neighbouring relation: the pairs that dominate it, or that it is trivial.
//
//   pair      δ of the mechanism is at most the pair's, at every ε and under composition
//   turned    the same for the other direction of a relation; absent where both are one pair
//   shown     δ of some mechanism of the kind is at least this pair's: what lower ends rest on where `pair` is only a bound
//
// Both are relative to one neighbouring relation. The edges have no pair: "nothing" has δ = 0 and ε = 0, "everything" δ
// = 1 and ε = ∞.
import type { DominatingPair } from "./pair.js";

/** One mechanism: the pair that dominates it, and the one of the other direction unless it is the same. */
export interface MechanismPairs {
  readonly pair: DominatingPair;
  readonly turned?: DominatingPair;
  /** A pair that some mechanism of this kind shows, where `pair` is only a bound. */
  readonly shown?: DominatingPair;
  /** Each point of the curve of `pair` is that of some mechanism, so that one use alone attains it. */
  readonly attained?: boolean;
  /** More points of the laws of allocations narrow it. */
  readonly improves?: boolean;
}

/** Nothing is spent. */
export type Nothing = "nothing";
/** Everything is revealed. */
export type Everything = "everything";

/** Throws UnsupportedEventError: of what kind of event, why, and which accountant can instead. */
export type Refuse = (kind: string, reason: string, instead?: string) => never;
