// Audit reports in the terminal: the words of the report's model, verdict first.
import type { JointAudit } from "../audit/joint.js";
import {
  type AuditedRun,
  type AuditModel,
  auditModel,
  type FindingWords,
  jointModel,
} from "../report/auditModel.js";
import { type BudgetAnswer, budgetModel } from "../report/budgetModel.js";
import { spelled, type VerdictWords } from "../report/model.js";
import { harmless, printModel, say } from "./print.js";

/** Findings printed for people; --json has all. */
const MOST_SHOWN = 10;

/** One run's report; name: of the run, where there are several. */
export function showReport(report: AuditedRun["report"], name?: string): void {
  const model = auditModel({ name: name ?? "", report });
  showModel(model, name === undefined ? "" : `${harmless(name)}: `);
}

/** What several runs spent together. */
export function showJoint(joint: JointAudit, runs: number): void {
  const model = jointModel(joint, runs);
  showModel(model, `${model.name}: `);
}

export function showBudget(budget: BudgetAnswer): void {
  const { verdict, rows } = budgetModel(budget);
  say(verdictText(verdict));
  printModel(rows);
}

function showModel({ verdict, rows, findings }: Omit<AuditModel, "about">, prefix: string): void {
  say(prefix + verdictText(verdict));
  printModel(rows);
  showFindings(findings);
}

/** In the middle of a line; what is no good news is loud. */
function verdictText({ tone, headline }: VerdictWords): string {
  const text = spelled(headline).replace(/^./, (first) => first.toLowerCase());
  return tone === "bad" || tone === "doubt" ? text.replace(/\S+$/, (last) => last.toUpperCase()) : text;
}

function showFindings(findings: readonly FindingWords[]): void {
  for (const { code, severity, expected, found, line } of findings.slice(0, MOST_SHOWN))
    say(
      `${severity}: ${code}${line === undefined ? "" : ` (line ${line})`}: expected ${harmless(expected, 120)}, found ${harmless(found, 320)}`,
    );
  if (findings.length > MOST_SHOWN)
    say(`and ${findings.length - MOST_SHOWN} findings more: --json lists them`);
}
