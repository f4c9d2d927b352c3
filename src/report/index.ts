// dpsgd/report: what is shown of plans and audits: statements, pages, charts. No Node: runs in a browser.
export { type AuditPageOptions, auditPage, type PageRun } from "./auditPage.js";
export * from "./epsilonChart.js";
export * from "./frontierChart.js";
export * from "./htmlPage.js";
export * from "./statement.js";
