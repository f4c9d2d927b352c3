// What a part of a planned run spends.
import { accountant } from "../accounting/accountants.js";
import type { Plan } from "../formats/plan.js";
import { eventAfter } from "../formats/plannedEvent.js";

/** ε that `steps` steps of the plan spend, an upper bound by the plan's accountant at the plan's δ. */
export function epsilonSpent(plan: Plan, steps: number): number {
  const { accountant: name, neighboring } = plan.request;
  const curve = accountant(name, { neighboring }).account(eventAfter(plan, steps));
  return curve.epsilonAt(plan.achieved.delta);
}
