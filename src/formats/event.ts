// The event of DP-SGD, and events taken apart.
import { checkEvent } from "./checkEvent.js";
import type { AtomicEvent, CountedEvent, PrivacyEvent } from "./eventTypes.js";
import { canonicalJson } from "./json.js";

export type * from "./eventTypes.js";

/**
 * DP-SGD with Poisson sampling: `steps` Gaussian releases of a clipped sum.
 * samplingRate q in [0, 1]; noiseMultiplier σ ≥ 0, dimensionless; steps a whole number ≥ 0.
 */
export function dpSgdEvent(run: {
  samplingRate: number;
  noiseMultiplier: number;
  steps: number;
}): PrivacyEvent {
  const event: PrivacyEvent = {
    kind: "repeated",
    count: run.steps,
    event: {
      kind: "poisson-sampled",
      samplingRate: run.samplingRate,
      event: { kind: "gaussian", noiseMultiplier: run.noiseMultiplier },
    },
  };
  checkEvent(event);
  return event;
}

/**
 * The atomic events of a composition with their counts, equal ones merged, in order of first appearance.
 * Every accountant starts here, so `repeated` by n and a list of n cannot differ. Events that spend nothing are left out.
 */
export function flatten(event: PrivacyEvent): CountedEvent[] {
  checkEvent(event);
  const counts = new Map<string, { event: AtomicEvent; count: number }>();
  const walk = (part: PrivacyEvent, times: number): void => {
    if (times === 0) return;
    if (part.kind === "composed") {
      for (const each of part.events) walk(each, times);
    } else if (part.kind === "repeated") {
      walk(part.event, times * part.count);
    } else {
      const atom = simplified(part);
      if (atom.kind === "none") return;
      const key = canonicalJson(atom);
      const seen = counts.get(key);
      const count = (seen?.count ?? 0) + times;
      if (!Number.isSafeInteger(count)) throw new RangeError(`count must be at most 2^53 - 1, got ${count}`);
      if (seen) seen.count = count;
      else counts.set(key, { event: atom, count });
    }
  };
  walk(event, 1);
  return [...counts.values()];
}

/** Same privacy, plainer words: sampling at rate 0 is nothing, at rate 1 is no sampling. */
function simplified(event: AtomicEvent): AtomicEvent {
  if (event.kind !== "poisson-sampled") return event;
  if (event.samplingRate === 0) return { kind: "none" };
  const inner = flatten(event.event);
  if (inner.length === 0) return { kind: "none" };
  if (inner.length === 1 && inner[0]!.count === 1) {
    const only = inner[0]!.event;
    if (event.samplingRate === 1) return only;
    return { kind: "poisson-sampled", samplingRate: event.samplingRate, event: only };
  }
  return event;
}
