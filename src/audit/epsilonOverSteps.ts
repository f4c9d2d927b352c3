// How ε grew over a run: at a few dozen numbers of steps, for a chart.
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

/**
 * ε after 0, …, all steps of a report's event, at about `points` numbers of steps. Uses of the data that are no steps count from
 * the start. Each value is an upper bound for its part of the run.
 */
export function epsilonOverSteps(
  event: PrivacyEvent,
  at: { readonly delta: number; readonly neighboring: Neighboring },
  points = 40,
): EpsilonAfter[] {
  const parts = event.kind === "composed" ? event.events : [event];
  const steps = parts.flatMap((part) => (part.kind === "repeated" ? [part] : []));
  const others = parts.filter((part) => part.kind !== "repeated");
  const total = steps.reduce((sum, { count }) => sum + count, 0);
  const counts = new Set([0, Math.min(1, total), total]);
  for (let i = 1; i < points; i++) counts.add(Math.round((total * i) / points));
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
