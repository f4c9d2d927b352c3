// What a part of a planned run spends.
import { accountant, dpSgdEvent } from "../accounting/index.js";
import type { Plan } from "./plan.js";

/** ε that `steps` steps of the plan spend, an upper bound by the plan's accountant at the plan's δ. */
export function epsilonSpent(plan: Plan, steps: number): number {
  const { accountant: name, neighboring } = plan.request;
  const curve = accountant(name, { neighboring }).account(dpSgdEvent({ ...plan, steps }));
  return curve.epsilonAt(plan.achieved.delta);
}
