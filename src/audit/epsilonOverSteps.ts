// How ε grew over a run: at a dozen numbers of steps, for a chart.
import {
  everyAccountant,
  type Neighboring,
  type PrivacyEvent,
  tightestEpsilon,
} from "../accounting/index.js";

export interface EpsilonAfter {
  readonly steps: number;
  /** Upper bound on ε at delta after so many steps; Infinity if there is none. */
  readonly epsilon: number;
}

/** Curves of events that are still in use: a report draws its curve twice, and few steps of much noise take a second. */
const known = new WeakMap<PrivacyEvent, Map<string, EpsilonAfter[]>>();

/**
 * ε after 0, …, all steps of a report's event, at about `points` numbers of steps, closer together at the beginning, where ε
 * grows about as the root of their number. Uses of the data that are no steps count from the start. Each value is an upper
 * bound for its part of the run.
 */
export function epsilonOverSteps(
  event: PrivacyEvent,
  at: { readonly delta: number; readonly neighboring: Neighboring },
  points = 14,
): readonly EpsilonAfter[] {
  const curves = known.get(event) ?? new Map<string, EpsilonAfter[]>();
  known.set(event, curves);
  const key = `${at.delta} ${at.neighboring} ${points}`;
  const curve = curves.get(key) ?? computed(event, at, points);
  curves.set(key, curve);
  return curve;
}

function computed(
  event: PrivacyEvent,
  at: { readonly delta: number; readonly neighboring: Neighboring },
  points: number,
): EpsilonAfter[] {
  const parts = event.kind === "composed" ? event.events : [event];
  const steps = parts.flatMap((part) => (part.kind === "repeated" ? [part] : []));
  const others = parts.filter((part) => part.kind !== "repeated");
  const total = steps.reduce((sum, { count }) => sum + count, 0);
  const counts = new Set([0, Math.min(1, total), total]);
  for (let i = 1; i < points; i++) counts.add(Math.round(total * (i / points) ** 2));
  const accountants = everyAccountant(at.neighboring);
  return [...counts]
    .sort((a, b) => a - b)
    .map((count) => {
      let left = count;
      const taken: PrivacyEvent[] = [...others];
      for (const part of steps) {
        const now = Math.min(left, part.count);
        if (now > 0) taken.push({ ...part, count: now });
        left -= now;
      }
      const spent = tightestEpsilon(accountants, { kind: "composed", events: taken }, at.delta).upper;
      return { steps: count, epsilon: spent };
    });
}
