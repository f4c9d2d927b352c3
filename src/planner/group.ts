// What a plan promises to a group of k records, or to one person who has k: by mixtures of Gaussians [Ganesh2024].

import { type PrivacyCurve, UnsupportedEventError } from "../accounting/accountant.js";
import { accountant } from "../accounting/accountants.js";
import { groupEvent } from "../accounting/groupEvent.js";
import type { AccountantName, Guarantee } from "../formats/guarantee.js";
import type { Plan } from "../formats/plan.js";

/** What a group of that size is promised, at the plan's δ. */
export interface GroupGuarantee extends Guarantee {
  readonly size: number;
}

/**
 * The privacy curve of a group of k records under a plan; by Rényi accounting where the plan's accountant has none.
 * quick: looser where the interval is wide, for what asks many times.
 */
export function groupCurve(
  { event, achieved }: Plan,
  size: number,
  effort: "quick" | "thorough" = "quick",
): PrivacyCurve {
  const grouped = groupEvent(event, size);
  const options = { neighboring: achieved.neighboring, effort };
  try {
    return accountant(achieved.accountant as AccountantName, options).account(grouped);
  } catch (error) {
    if (!(error instanceof UnsupportedEventError) || achieved.accountant === "rdp") throw error;
    return accountant("rdp", options).account(grouped);
  }
}

/** ε of a group of k records at the plan's δ; both ends proven, Infinity where nothing is. */
export function groupGuarantee(plan: Plan, size: number): GroupGuarantee {
  const curve = groupCurve(plan, size, "thorough");
  const { delta, neighboring } = plan.achieved;
  const { lower, upper } = curve.epsilonIntervalAt(delta);
  return { size, epsilon: upper, epsilonLowerBound: lower, delta, neighboring, accountant: curve.accountant };
}
