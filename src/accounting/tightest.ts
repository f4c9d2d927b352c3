// Several accountants asked about one event: each bound is proven by itself, so the best of each side is too.
import { ArgumentError } from "../formats/argumentError.js";
import type { PrivacyEvent } from "../formats/event.js";
import { type Accountant, type Interval, UnsupportedEventError } from "./accountant.js";

/** Bounds on ε (nats) and which accountant proved the upper one; none if none takes the event. */
export interface TightestBound extends Interval {
  readonly accountant?: string;
}

/**
 * The smallest upper and the largest lower bound on ε at δ in [0, 1] that the accountants prove; those that cannot take
 * the event prove nothing. upper is Infinity if none does. All accountants must be for one neighbouring relation.
 */
export function tightestEpsilon(
  accountants: readonly Accountant[],
  event: PrivacyEvent,
  delta: number,
): TightestBound {
  let best: TightestBound = { lower: 0, upper: Infinity };
  const [first] = accountants;
  for (const accountant of accountants) {
    if (first && accountant.neighboring !== first.neighboring)
      throw new ArgumentError(
        "accountants",
        "for one neighbouring relation",
        `${accountant.neighboring} and ${first.neighboring}`,
      );
    try {
      const { lower, upper } = accountant.account(event).epsilonIntervalAt(delta);
      best = {
        ...(best.accountant !== undefined && { accountant: best.accountant }),
        ...(upper < best.upper && { accountant: accountant.name }),
        lower: Math.max(best.lower, lower),
        upper: Math.min(best.upper, upper),
      };
    } catch (error) {
      if (!(error instanceof UnsupportedEventError)) throw error;
    }
  }
  return best;
}
