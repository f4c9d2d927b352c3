// dpsgd/audit: what was run, recomputed from its ledger and compared with its plan. No Node: runs in a browser.
export * from "./audit.js";
export { certifyReport } from "./certified.js";
export * from "./joint.js";
export * from "./remaining.js";
export * from "./report.js";
