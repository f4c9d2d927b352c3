// Changes single bytes of a finished ledger file and asks the audit each time.
import { audit } from "../../src/audit/audit.js";
import type { Plan } from "../../src/formats/plan.js";
import { asText, chain, sampleEntries, zcdp } from "./runs.js";

/**
 * harmless: changes without a finding after which everything reported was still true.
 * unsound: changes without a finding that altered what is reported, or that found something and still said "holds"
 * with a smaller epsilon than the truth.
 */
export function singleByteChanges(
  plan: Plan,
  values: (original: number) => readonly number[],
): { harmless: number; unsound: string[] } {
  const bytes = Buffer.from(asText(chain(sampleEntries(plan))));
  let harmless = 0;
  const unsound: string[] = [];
  for (let position = 0; position < bytes.length; position++) {
    const original = bytes[position]!;
    for (const value of new Set(values(original))) {
      if (value === original) continue;
      bytes[position] = value;
      const report = audit(undefined, bytes.toString("utf8"), { accountants: [zcdp] });
      const epsilon = report.recomputed[0]?.epsilon ?? Number.POSITIVE_INFINITY;
      const same =
        report.verdict === "holds" &&
        report.claimed?.epsilon === plan.achieved.epsilon &&
        epsilon === plan.achieved.epsilon &&
        report.stepsDone === plan.steps &&
        report.finished;
      if (report.findings.length === 0 && same) harmless++;
      else if (
        report.findings.length === 0 ||
        (report.verdict === "holds" && epsilon < plan.achieved.epsilon)
      )
        unsound.push(`byte ${position}: ${original} -> ${value}: ${report.verdict}`);
    }
    bytes[position] = original;
  }
  return { harmless, unsound };
}
