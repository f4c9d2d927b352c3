// What a part of a planned run does to the data, as an event: the only builder of a run's event after so many steps.
import { dpSgdEvent, type PrivacyEvent } from "./event.js";
import type { Plan } from "./plan.js";
import { wholeEvent } from "./tuning.js";

/**
 * What the first `steps` steps of a plan's run spend, with the search that the plan pays for, where there is one: a whole
 * number ≥ 1.
 */
export function eventAfter(plan: Plan, steps: number): PrivacyEvent {
  return wholeEvent({ ...plan.request, examples: plan.examples }, plan, dpSgdEvent({ ...plan, steps }));
}
