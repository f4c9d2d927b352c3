// dpsgd/accounting: what a run spends. No Node, no TensorFlow.js: runs in a browser.
export * from "./accountant.js";
export * from "./certify.js";
export * from "./dpAccounting.js";
export * from "./event.js";
export * from "./guarantee.js";
export {
  type CurveJson,
  curveFromJson,
  curveToJson,
  type EventJson,
  eventFromJson,
  eventToJson,
} from "./json.js";
export * from "./ledger.js";
export * from "./ledgerReader.js";
export * from "./registry.js";
export * from "./tightest.js";
export * from "./tradeoff.js";
export * from "./version.js";
