// dpsgd/accounting, and dpsgd/accounting/full in a browser: what a run spends. No Node, no TensorFlow.js.
export * from "../formats/allocationEvent.js";
export * from "../formats/dpAccounting.js";
export * from "./accountants.js";
export * from "./groupEvent.js";
export * from "./layerExports.js";
export * from "./sharedExports.js";
