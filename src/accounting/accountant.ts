// What every accountant is: a pure function from an event to a privacy curve. It holds no ledger.
import { ArgumentError } from "../formats/argumentError.js";
import type { PrivacyEvent } from "../formats/event.js";
import type { Neighboring } from "../formats/guarantee.js";

/** lower ≤ truth ≤ upper; upper may be Infinity, neither is ever NaN. */
export interface Interval {
  readonly lower: number;
  readonly upper: number;
}

/** The privacy profile of an event. Every number errs on the safe side; "At" functions are monotone. */
export interface PrivacyCurve {
  readonly accountant: string;
  readonly neighboring: Neighboring;
  /** The smallest ε ≥ 0 (nats) proven at δ in [0, 1]; Infinity if none. */
  epsilonAt(delta: number): number;
  /** The smallest δ in [0, 1] proven at ε ≥ 0 (nats). */
  deltaAt(epsilon: number): number;
  /** Bounds on the true ε at δ; upper === epsilonAt(delta). */
  epsilonIntervalAt(delta: number): Interval;
  /** Bounds on the true δ at ε; upper === deltaAt(epsilon). */
  deltaIntervalAt(epsilon: number): Interval;
}

/** What turns events into privacy curves, for one neighbouring relation. */
export interface Accountant {
  readonly name: string;
  readonly neighboring: Neighboring;
  /** Throws UnsupportedEventError if the event is outside what this accountant can prove. */
  account(event: PrivacyEvent): PrivacyCurve;
}

/** An event that an accountant cannot handle; `instead` names one that can, if any does. */
export class UnsupportedEventError extends Error {
  override readonly name = "UnsupportedEventError";
  constructor(
    readonly accountant: string,
    readonly eventKind: string,
    readonly reason: string,
    readonly instead?: string,
  ) {
    super(
      `the ${accountant} accountant cannot account for ${eventKind}: ${reason}${instead ? `; use ${instead}` : ""}`,
    );
  }
}

export function checkDelta(delta: number): void {
  if (!(typeof delta === "number" && delta >= 0 && delta <= 1))
    throw new ArgumentError("delta", "in [0, 1]", `${delta}`);
}

export function checkEpsilon(epsilon: number): void {
  if (!(typeof epsilon === "number" && epsilon >= 0))
    throw new ArgumentError("epsilon", ">= 0", `${epsilon}`);
}
