// dpsgd/accounting, and dpsgd/accounting/full in a browser: what a run spends. No Node, no TensorFlow.js.
export { randomAllocationEvent } from "../formats/allocationEvent.js";
export { eventFromDpAccounting } from "../formats/dpAccounting.js";
export { accountant } from "./accountants.js";
export type { CertifyOptions } from "./certify.js";
export { groupEvent } from "./groupEvent.js";
export * from "./layerExports.js";
export * from "./sharedExports.js";
