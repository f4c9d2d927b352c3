// dpsgd/report: what is shown of plans and audits: statements, pages, charts. No Node: runs in a browser.

export type { JointAudit } from "../audit/joint.js";
export type { Remaining } from "../audit/remaining.js";
export type { PrivacyEvent } from "../formats/event.js";
export type { Guarantee } from "../formats/guarantee.js";
export type { Plan } from "../formats/plan.js";
export type { AuditReport } from "../formats/report.js";
export type { Frontier } from "../planner/frontier.js";
export type { GroupGuarantee } from "../planner/group.js";
export { type AuditPageOptions, auditPage, type PageRun } from "./auditPage.js";
export { frontierSvg } from "./frontierChart.js";
export type { Html } from "./htmlPage.js";
export { type StatementOptions, statement } from "./statement.js";
