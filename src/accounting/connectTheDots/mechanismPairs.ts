// What stands for one mechanism under one neighbouring relation: the pairs that dominate it, or that it is trivial.
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
