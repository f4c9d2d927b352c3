// A privacy curve from its two intervals: what all accountants share whose lower ends say something.
import type { Neighboring } from "../formats/guarantee.js";
import type { Interval, PrivacyCurve } from "./accountant.js";

/** epsilonAt and deltaAt are the upper ends of the intervals. */
export abstract class IntervalCurve implements PrivacyCurve {
  abstract readonly accountant: string;
  abstract readonly neighboring: Neighboring;
  abstract epsilonIntervalAt(delta: number): Interval;
  abstract deltaIntervalAt(epsilon: number): Interval;

  epsilonAt(delta: number): number {
    return this.epsilonIntervalAt(delta).upper;
  }

  deltaAt(epsilon: number): number {
    return this.deltaIntervalAt(epsilon).upper;
  }
}

/** Narrows an interval by another one that is proven of the same number; rounding may not turn its ends round. */
export function narrowedBy({ lower, upper }: Interval, other: Interval): Interval {
  const least = Math.max(lower, Math.min(other.lower, upper));
  return { lower: least, upper: Math.max(least, Math.min(other.upper, upper)) };
}
