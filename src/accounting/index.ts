// dpsgd/accounting, and dpsgd/accounting/full in a browser: what a run spends. No Node, no TensorFlow.js.
export * from "./common.js";
export * from "./dpAccounting.js";
export * from "./group.js";
export * from "./layers.js";
export * from "./named.js";
