// What is left of a run's budget: ε spent so far, and how many further steps of its plan's kind the claim still allows.
import type { Accountant } from "../accounting/accountant.js";
import { everyAccountant } from "../accounting/accountants.js";
import { tightestEpsilon } from "../accounting/tightest.js";
import { dpSgdEvent, type PrivacyEvent } from "../formats/event.js";
import type { Neighboring } from "../formats/guarantee.js";
import { eventWith } from "../formats/plannedEvent.js";
import type { AuditReport } from "../formats/report.js";
import { searchBoundary } from "../planner/search.js";
import { smallestEpsilon } from "./recompute.js";

/** What is left of a run's claim. */
export interface Remaining {
  /** Upper bound on ε at delta for what the ledger shows; null stands for ∞. */
  readonly epsilonSpent: number | null;
  /** The budget: the claimed ε at the claimed δ. */
  readonly epsilonBudget: number;
  readonly delta: number;
  readonly neighboring: Neighboring;
  /** Of each further step: the plan's. */
  readonly samplingRate: number;
  readonly noiseMultiplier: number;
  /** Further steps that keep ε within the budget: a whole number ≥ 0; one step more is not proven to. */
  readonly steps: number;
  /** ε after those steps, at most the budget if there are any. */
  readonly epsilonAfter: number | null;
}

/** A run has no more steps than this; where each costs next to nothing, the search ends here. */
const MOST_STEPS = 1e9;

/**
 * How many more steps at the plan's rate and noise the claim allows after what the ledger shows. undefined if no plan
 * could be read.
 *
 * Guarantee: for any number of further steps up to `steps`, some accountant proves the claimed ε at the claimed δ for all
 * of the run. Rounded down: where a verdict is not "holds" nothing is left, since its ledger cannot be built on.
 * accountants: default every one by name, for the claim's relation.
 */
export function remaining(
  report: AuditReport,
  options: { readonly accountants?: readonly Accountant[] } = {},
): Remaining | undefined {
  const { claimed, stepPlanned, plan, ownEvent = report.event } = report;
  if (!claimed || !stepPlanned) return undefined;
  const { epsilon: epsilonBudget, delta, neighboring } = claimed;
  const accountants = options.accountants ?? everyAccountant(neighboring);
  const epsilonAfter = (steps: number): number => {
    const longer: PrivacyEvent = {
      kind: "composed",
      events: [ownEvent, dpSgdEvent({ ...stepPlanned, steps })],
    };
    // Longer, each run of a search that the plan pays for would be longer too.
    const event = plan ? eventWith(plan, longer, report.sums?.sensitivity ?? 1) : longer;
    return tightestEpsilon(accountants, event, delta).upper;
  };
  const finite = (x: number): number | null => (x < Infinity ? x : null);
  const spent = smallestEpsilon(report.recomputed);
  const found =
    report.verdict === "holds" && epsilonBudget > 0 && report.stepsDone < MOST_STEPS
      ? searchBoundary({
          cost: epsilonAfter,
          target: epsilonBudget,
          start: Math.max(1, (report.stepsPlanned ?? 0) - report.stepsDone),
          least: 1,
          most: MOST_STEPS - report.stepsDone,
          rising: true,
          whole: true,
        })
      : undefined;
  return {
    epsilonSpent: finite(spent),
    epsilonBudget,
    delta,
    neighboring,
    ...stepPlanned,
    steps: found?.x ?? 0,
    epsilonAfter: finite(found?.cost ?? spent),
  };
}
