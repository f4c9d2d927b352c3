// dpsgd/accounting: what a run spends. No Node, no TensorFlow.js: runs in a browser.
export * from "./accountant.js";
export * from "./event.js";
export * from "./guarantee.js";
export * from "./ledger.js";
