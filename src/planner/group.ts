// What a plan promises to a group of k records, or to one person who has k: by mixtures of Gaussians [Ganesh2024].

import { type PrivacyCurve, UnsupportedEventError } from "../accounting/accountant.js";
import { accountant } from "../accounting/accountants.js";
import { binomialLaw } from "../accounting/groupEvent.js";
import { ArgumentError } from "../formats/argumentError.js";
import type { PrivacyEvent } from "../formats/event.js";
import type { AccountantName, Guarantee } from "../formats/guarantee.js";
import type { Plan } from "../formats/plan.js";

/** Larger groups are refused: their bounds say nothing, and take long. */
export const LARGEST_GROUP = 1000;

/**
 * The event as a group of k records sees it that are added or removed (or exchanged) together. Of a Poisson batch they
 * make up X ~ Binomial(k, q), and the clipped sum moves by at most X clip norms [Ganesh2024, Theorem 1.1]: the worst that
 * k ε could be said to hide. Only Gaussians and what samples, repeats, composes or selects them; TypeError otherwise.
 */
export function groupEvent(event: PrivacyEvent, size: number): PrivacyEvent {
  if (!(Number.isSafeInteger(size) && size >= 1 && size <= LARGEST_GROUP))
    throw new ArgumentError("group", `a whole number in [1, ${LARGEST_GROUP}]`, `${size}`);
  switch (event.kind) {
    case "none":
    case "non-private":
      return event;
    case "gaussian":
      return { kind: "gaussian", noiseMultiplier: event.noiseMultiplier / size };
    case "repeated":
    case "repeat-and-select":
      return { ...event, event: groupEvent(event.event, size) };
    case "composed":
      return { ...event, events: event.events.map((each) => groupEvent(each, size)) };
    case "poisson-sampled":
      if (event.samplingRate === 0) return { kind: "none" };
      if (event.samplingRate === 1) return groupEvent(event.event, size);
      if (event.event.kind === "gaussian") {
        if (size === 1) return event;
        const probabilities = binomialLaw(size, event.samplingRate);
        return {
          kind: "gaussian-mixture",
          standardDeviation: event.event.noiseMultiplier,
          sensitivities: probabilities.map((_, k) => k),
          probabilities,
        };
      }
  }
  throw new ArgumentError("a group's event", "of Gaussian noise", `${event.kind}`);
}

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
