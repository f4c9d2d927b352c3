// Audits what was dropped on the page, as `dpsgd audit` does: a run's ledger with or without its plan, or a plan alone.
import { everyAccountant } from "../accounting/accountants.js";
import { audit } from "../audit/audit.js";
import { certifyReport } from "../audit/certified.js";
import { finder, recompute, smallestEpsilon } from "../audit/recompute.js";
import { remaining } from "../audit/remaining.js";
import type { Plan } from "../formats/plan.js";
import { PlanFormatError, planFromJson } from "../formats/planReader.js";
import { type AuditReport, ENGINE_TOLERANCE, type Finding } from "../formats/report.js";
import { auditDetails, auditModel } from "../report/auditModel.js";
import type { Audited, DroppedFiles } from "./messages.js";

/** The report, and once more with what takes longer: certificate, curve and statement. */
export async function* auditFiles(files: DroppedFiles): AsyncGenerator<Audited> {
  const { name, planText, ledgerText } = files;
  const read = planText === undefined ? undefined : readPlan(planText);
  if (ledgerText === undefined) {
    const report = planReport(read ?? { raw: undefined });
    yield withPlan({ model: auditModel({ name, report, of: "plan" }), details: {} }, read?.plan);
    return;
  }
  const report = audit(read && (read.plan ?? read.raw), ledgerText);
  const plan = read ? read.plan : planIn(ledgerText);
  const left = remaining(report);
  const isClaimed = report.claimed !== null;
  const audited = { name, report: { ...report, ...(left && { remaining: left }) }, ...(plan && { plan }) };
  yield withPlan({ model: auditModel({ ...audited, certifying: isClaimed }), details: {} }, plan);
  if (!isClaimed) return;
  const certified = { ...audited, report: await certifyReport(audited.report) };
  yield withPlan({ model: auditModel(certified), details: auditDetails(certified) }, plan);
}

const withPlan = (audited: Audited, plan: Plan | undefined): Audited => ({
  ...audited,
  ...(plan && { plan }),
});

/** The plan, or why it is none and what the audit is to see instead. */
function readPlan(text: string): { plan?: Plan; raw: unknown; error?: string } {
  try {
    return { plan: planFromJson(text), raw: undefined };
  } catch (error) {
    if (!(error instanceof PlanFormatError)) throw error;
    let raw: unknown = text.slice(0, 40);
    try {
      raw = JSON.parse(text);
    } catch {
      // Its beginning is what an audit finds unreadable.
    }
    return { raw, error: error.message };
  }
}

/** The plan that a ledger's first line holds, where it is whole. */
function planIn(ledgerText: string): Plan | undefined {
  try {
    const line: unknown = JSON.parse(ledgerText.slice(0, ledgerText.indexOf("\n")));
    return readPlan(JSON.stringify((line as { plan?: unknown }).plan ?? null)).plan;
  } catch {
    return undefined;
  }
}

/** Whether accountants prove what the plan says it achieves. Nothing was run: the verdict is on the arithmetic only. */
function planReport({ plan, error }: ReturnType<typeof readPlan>): AuditReport {
  const findings: Finding[] = [];
  const find = finder(findings);
  if (!plan) find("unreadable-plan", "a plan of version 2 or 1", error ?? "none");
  const claimed = plan?.achieved ?? null;
  const recomputed = plan
    ? recompute(plan.event, plan.achieved, everyAccountant(plan.achieved.neighboring), find)
    : [];
  const best = smallestEpsilon(recomputed);
  const proven = claimed !== null && best <= claimed.epsilon * (1 + ENGINE_TOLERANCE);
  if (claimed && !proven) find("epsilon-exceeded", `epsilon at most ${claimed.epsilon}`, `epsilon ${best}`);
  const sound = !findings.some(({ severity }) => severity === "error");
  return {
    verdict: claimed && !proven ? "exceeded" : sound ? "holds" : "unreadable",
    claimed,
    recomputed,
    findings,
    stepsDone: 0,
    stepsPlanned: plan?.steps ?? null,
    stepPlanned: plan ? { samplingRate: plan.samplingRate, noiseMultiplier: plan.noiseMultiplier } : null,
    finished: false,
    run: null,
    event: plan?.event ?? { kind: "composed", events: [] },
  };
}
