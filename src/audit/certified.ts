// The audit's bound once more, resting on no floating-point argument: RDP in decimal arithmetic, every rounding upward.
import { certify } from "../accounting/certify.js";
import { flatten, type PrivacyEvent } from "../formats/event.js";
import type { Neighboring } from "../formats/guarantee.js";
import { type AuditReport, type Certified, ENGINE_TOLERANCE, type Recomputed } from "../formats/report.js";
import { type Find, finder } from "./recompute.js";

/** Kinds of step (rate and noise) in one event above which certifying takes seconds, and is left out. */
const MOST_KINDS = 64;

/**
 * The report with `certificate`, where the event is one that `certify` takes (Gaussian noise, Poisson-sampled or not,
 * add-or-remove-one); else with a finding not-accounted that says why there is none.
 *
 * A certificate at most the claimed ε proves the claim once more; one above it, as usual, says nothing, since Rényi
 * bounds are looser. One below what an accountant proves to be spent at least (contradicting-bounds) means that one of
 * them is wrong: then "holds" becomes "unreadable".
 */
export async function certifyReport(
  report: AuditReport,
  options: { readonly digits?: number } = {},
): Promise<AuditReport> {
  const { event, recomputed } = report;
  const asked = report.claimed ?? recomputed[0];
  if (!asked) return report;
  const findings = [...report.findings];
  const certificate = await certificateOf(event, asked, recomputed, finder(findings), options.digits);
  const { verdict } = report;
  const contradicted = findings.slice(report.findings.length).some(({ severity }) => severity === "error");
  return {
    ...report,
    verdict: contradicted && (verdict === "holds" || verdict === "unclaimed") ? "unreadable" : verdict,
    ...(certificate && { certificate }),
    findings,
  };
}

/** The certified bound on ε at delta, or undefined with a finding; compared with what the accountants said. */
export async function certificateOf(
  event: PrivacyEvent,
  { delta, neighboring }: { readonly delta: number; readonly neighboring: Neighboring },
  recomputed: readonly Recomputed[],
  find: Find,
  digits = 50,
): Promise<Certified | undefined> {
  try {
    if (neighboring !== "add-or-remove-one")
      throw new RangeError(`it is for add-or-remove-one, not ${neighboring}`);
    const kinds = flatten(event).length;
    if (!(kinds <= MOST_KINDS))
      throw new RangeError(`${kinds} kinds of step: at most ${MOST_KINDS} are certified`);
    const certificate = await certify(event, { delta, digits });
    for (const { accountant, epsilonLowerBound } of recomputed)
      if (certificate.epsilon < epsilonLowerBound * (1 - ENGINE_TOLERANCE))
        find(
          "contradicting-bounds",
          `at least epsilon ${epsilonLowerBound}, as ${accountant} proves`,
          `a certified ${certificate.epsilon}`,
        );
    return { ...certificate, epsilon: certificate.epsilon < Infinity ? certificate.epsilon : null };
  } catch (error) {
    find("not-accounted", "a certified RDP bound", (error as Error).message);
    return undefined;
  }
}
