// dpsgd/audit: what was run, recomputed from its ledger and compared with its plan. No Node: runs in a browser.

export { type AuditOptions, audit } from "./audit.js";
export * from "./auditImport.js";
export * from "./budget.js";
export { certifyReport } from "./certified.js";
export * from "./empirical.js";
export * from "./epsilonOverSteps.js";
export * from "./importedRun.js";
export * from "./joint.js";
export { float32Sensitivity, type OlderSums } from "./olderSums.js";
export * from "./oneRun.js";
export { type AuditPageOptions, auditPage, type PageRun } from "./page/auditPage.js";
export * from "./page/htmlPage.js";
export * from "./page/lineChart.js";
export * from "./remaining.js";
export * from "./report.js";
export { type AuditedSums, assumedOfSums, sumsText } from "./sums.js";
