// dpsgd/report: what is shown of plans and audits: models in words, statements, pages, charts. No Node: runs in a browser.
export * from "./auditModel.js";
export { type AuditPageOptions, auditPage, type PageRun, type PageSection } from "./auditPage.js";
export * from "./budgetModel.js";
export { frontierSvg } from "./charts/frontierSvg.js";
export type { ChartLine, LineChartData } from "./charts/lineChartData.js";
export { lineChartSvg } from "./charts/lineChartSvg.js";
export * from "./model.js";
export * from "./planModel.js";
export * from "./statement.js";
