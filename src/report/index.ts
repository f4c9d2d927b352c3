// dpsgd/report: what is shown of plans and audits: statements, pages, charts. No Node: runs in a browser.
export { type AuditPageOptions, auditPage, type PageRun } from "./auditPage.js";
export { frontierSvg } from "./frontierChart.js";
export { type StatementOptions, statement } from "./statement.js";
