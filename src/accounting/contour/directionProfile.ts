// The privacy profile of one direction of a composition, as logarithms.
import type { Interval } from "../accountant.js";

/** Bounds on log δ; complement: bounds on log(1 − δ), where δ is near 1. */
export interface LogBounds {
  readonly lower: number;
  readonly upper: number;
}

export interface DirectionProfile {
  logDeltaAt(epsilon: number): LogBounds;
  /** enough: an upper end up to there needs no narrowing. */
  epsilonAt(logDelta: number, logRest: number, enough?: number): Interval;
  /** An upper bound on log δ(ε) that needs no integral. */
  chernoff(epsilon: number): number;
}
