// What every accountant says about an event, as rows of a report.
import type { Accountant } from "../accounting/accountant.js";
import type { PrivacyEvent } from "../formats/event.js";
import type { Neighboring } from "../formats/guarantee.js";
import {
  ENGINE_TOLERANCE,
  type Finding,
  type FindingCode,
  type Recomputed,
  SEVERITY,
} from "../formats/report.js";

export type Find = (code: FindingCode, expected: string, found: string, line?: number) => void;

/** Puts what is found into the list, with its severity. */
export function finder(findings: Finding[]): Find {
  return (code, expected, found, line) => {
    findings.push({ code, severity: SEVERITY[code], expected, found, ...(line !== undefined && { line }) });
  };
}

/** ε at delta by each accountant; those that prove nothing have a finding, and so have those that contradict each other. */
export function recompute(
  event: PrivacyEvent,
  { delta, neighboring }: { readonly delta: number; readonly neighboring: Neighboring },
  accountants: readonly Accountant[],
  find: Find,
): Recomputed[] {
  const recomputed: Recomputed[] = [];
  for (const asked of accountants) {
    if (asked.neighboring !== neighboring) {
      find("not-accounted", neighboring, `the ${asked.name} accountant is for ${asked.neighboring}`);
      continue;
    }
    try {
      const { lower, upper } = asked.account(event).epsilonIntervalAt(delta);
      if (!(lower >= 0 && upper >= lower))
        throw new RangeError(`epsilon must be an interval, got [${lower}, ${upper}]`);
      recomputed.push({
        accountant: asked.name,
        epsilon: upper < Number.POSITIVE_INFINITY ? upper : null,
        epsilonLowerBound: Math.min(lower, Number.MAX_VALUE),
        delta,
        neighboring,
      });
    } catch (error) {
      // An accountant that cannot handle the event, or fails, proves nothing; the others may.
      find("not-accounted", `an epsilon by the ${asked.name} accountant`, (error as Error).message);
    }
  }
  for (const low of recomputed)
    for (const high of recomputed)
      if (low.epsilon !== null && low.epsilon < high.epsilonLowerBound * (1 - ENGINE_TOLERANCE))
        find(
          "contradicting-bounds",
          `at least epsilon ${high.epsilonLowerBound}, as ${high.accountant} proves`,
          `at most ${low.epsilon} by ${low.accountant}`,
        );
  return recomputed;
}

/** The best upper bound among the rows; Infinity if none is finite. */
export function smallestEpsilon(recomputed: readonly Recomputed[]): number {
  return Math.min(Infinity, ...recomputed.map((each) => each.epsilon ?? Infinity));
}
