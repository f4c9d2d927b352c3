// dpsgd/audit: what was run, recomputed from its ledger and compared with its plan. No Node: runs in a browser.
export * from "../formats/ledger.js";
export * from "../formats/ledgerReader.js";
export * from "../formats/report.js";
export type { SumArithmetic } from "../formats/sumArithmetic.js";
export { type AuditOptions, audit } from "./audit.js";
export * from "./auditImport.js";
export * from "./budget.js";
export { certifyReport } from "./certified.js";
export * from "./empirical.js";
export * from "./epsilonOverSteps.js";
export * from "./importedRun.js";
export * from "./joint.js";
export { float32Sensitivity } from "./olderSums.js";
export * from "./oneRun.js";
export * from "./remaining.js";
export { assumedOfSums, sumsText } from "./sums.js";
