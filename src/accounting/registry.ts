// Accountants by name. "pld" is exact numerical accounting; "rdp" reports Rényi accounting for those who must.
import { type Accountant, type Interval, type PrivacyCurve, UnsupportedEventError } from "./accountant.js";
import { contourAccountant } from "./contour/index.js";
import type { PrivacyEvent } from "./event.js";
import type { Neighboring } from "./guarantee.js";
import { rdpAccountant } from "./rdp/index.js";

/** Accountants by the names that plans and the command line use; pld is the tight one and the default. */
export const ACCOUNTANT_NAMES = ["pld", "rdp"] as const;
export type AccountantName = (typeof ACCOUNTANT_NAMES)[number];

export interface AccountantOptions {
  /** Default: add-or-remove-one. */
  readonly neighboring?: Neighboring;
}

/**
 * The accountant of that name:
 * - "pld": the exact privacy loss by the contour integral; where its interval is wide (few steps, very low sampling
 *   rates) the Rényi bound stands beside it and the smaller upper end counts. An event that only the Rényi accountant
 *   can prove is refused, so that a number called pld is one.
 * - "rdp": Rényi differential privacy at the best real order.
 */
export function accountant(name: AccountantName, options: AccountantOptions = {}): Accountant {
  if (name === "rdp") return rdpAccountant(options);
  if (name !== "pld") throw new RangeError(`accountant must be pld or rdp, got ${String(name)}`);
  const exact = contourAccountant(options);
  const renyi = rdpAccountant(options);
  return {
    name: "pld",
    neighboring: exact.neighboring,
    account: (event) => new LayeredCurve(accounted(exact, event), () => accounted(renyi, event)),
  };
}

/** Relative width from which on the next layer is asked too. */
const WIDE = 1e-4;

/** The intersection of what the layers prove; a later layer is asked only where the earlier one is wide. */
class LayeredCurve implements PrivacyCurve {
  readonly accountant = "pld";
  readonly neighboring: Neighboring;
  private bound: PrivacyCurve | undefined;

  constructor(
    private readonly exact: PrivacyCurve,
    private readonly openBound: () => PrivacyCurve,
  ) {
    this.neighboring = exact.neighboring;
  }

  epsilonAt(delta: number): number {
    return this.epsilonIntervalAt(delta).upper;
  }

  deltaAt(epsilon: number): number {
    return this.deltaIntervalAt(epsilon).upper;
  }

  epsilonIntervalAt(delta: number): Interval {
    return this.narrowed(this.exact.epsilonIntervalAt(delta), (curve) => curve.epsilonAt(delta));
  }

  deltaIntervalAt(epsilon: number): Interval {
    return this.narrowed(this.exact.deltaIntervalAt(epsilon), (curve) => curve.deltaAt(epsilon));
  }

  private narrowed(found: Interval, boundBy: (curve: PrivacyCurve) => number): Interval {
    if (found.upper - found.lower <= WIDE * found.upper) return found;
    try {
      this.bound ??= this.openBound();
    } catch (error) {
      if (error instanceof UnsupportedEventError) return found;
      throw error;
    }
    return { lower: found.lower, upper: Math.max(found.lower, Math.min(found.upper, boundBy(this.bound))) };
  }
}

/** Refusals name the accountant as its user does. */
function accounted(layer: Accountant, event: PrivacyEvent): PrivacyCurve {
  try {
    return layer.account(event);
  } catch (error) {
    if (!(error instanceof UnsupportedEventError) || layer.name === "rdp") throw error;
    throw new UnsupportedEventError("pld", error.eventKind, error.reason, "rdp");
  }
}
