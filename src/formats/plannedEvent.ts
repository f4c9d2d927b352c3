// What a plan's run does to the data, as an event: the only builder of it, for all of the steps, some, or those that were taken.
import { dpSgdEvent, type PrivacyEvent } from "./event.js";
import type { Plan } from "./plan.js";
import { wholeEvent } from "./tuning.js";

/**
 * What the first `steps` steps of a plan's run spend, with the search that the plan pays for, where there is one: a whole
 * number ≥ 0.
 */
export function eventAfter(plan: Plan, steps: number): PrivacyEvent {
  return eventWith(plan, dpSgdEvent({ ...plan, steps }));
}

/**
 * What is spent if the plan's own run spends `own`: that, with the search that the plan pays for, where there is one.
 * sensitivity: by how much one example could move the sums of all these runs, where 1 was counted.
 */
export function eventWith(plan: Plan, own: PrivacyEvent, sensitivity = 1): PrivacyEvent {
  const { finalAfterProxy: proxy } = plan.request;
  const request =
    proxy?.noiseMultiplier === undefined
      ? plan.request
      : {
          ...plan.request,
          finalAfterProxy: { ...proxy, noiseMultiplier: proxy.noiseMultiplier / sensitivity },
        };
  return wholeEvent(request, { ...plan, noiseMultiplier: plan.noiseMultiplier / sensitivity }, own);
}
