// What a part of a planned run spends.
import { accountant, dpSgdEvent, type PrivacyEvent } from "../accounting/index.js";
import type { Plan } from "./plan.js";
import { wholeEvent } from "./tuning.js";

/**
 * What the first `steps` steps of a plan's run spend, with the search that the plan pays for, where there is one: a whole
 * number ≥ 1.
 */
export function eventAfter(plan: Plan, steps: number): PrivacyEvent {
  return wholeEvent({ ...plan.request, examples: plan.examples }, plan, dpSgdEvent({ ...plan, steps }));
}

/** ε that `steps` steps of the plan spend, an upper bound by the plan's accountant at the plan's δ. */
export function epsilonSpent(plan: Plan, steps: number): number {
  const { accountant: name, neighboring } = plan.request;
  const curve = accountant(name, { neighboring }).account(eventAfter(plan, steps));
  return curve.epsilonAt(plan.achieved.delta);
}
