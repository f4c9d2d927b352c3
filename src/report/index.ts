// dpsgd/report: what is shown of plans and audits: models in words, statements, pages, charts. No Node: runs in a browser.
export type { JointAudit } from "../audit/joint.js";
export type { Remaining } from "../audit/remaining.js";
export type * from "../formats/eventTypes.js";
export type { Guarantee } from "../formats/guarantee.js";
export type { LedgerRun } from "../formats/ledger.js";
export type { Plan, PlanRequest } from "../formats/plan.js";
export type {
  AuditedSums,
  AuditReport,
  Certified,
  Empirical,
  Finding,
  Recomputed,
  Verdict,
} from "../formats/report.js";
export type { Frontier, FrontierGap, FrontierPoint } from "../planner/frontier.js";
export type { GroupGuarantee } from "../planner/group.js";
export type { FindingWords } from "./auditModel.js";
export { type AuditedRun, type AuditModel, auditModel } from "./auditModel.js";
export { auditPage } from "./auditPage.js";
export type { BudgetAnswer } from "./budgetModel.js";
export { frontierSvg } from "./charts/frontierSvg.js";
export type { ChartLine, ChartPoint, LineChartData } from "./charts/lineChartData.js";
export type * from "./model.js";
export type { AuditPageOptions, PageRun, PageSection } from "./pageOptions.js";
export { type StatementOptions, statement } from "./statement.js";
