// What every entry of dpsgd/accounting exports, whatever layers its accountants have.
export * from "./accountant.js";
export * from "./certify.js";
export { checkEvent } from "./checkEvent.js";
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
export { ACCOUNTANT_NAMES, type AccountantName, type AccountantOptions } from "./registry.js";
export type { SumArithmetic } from "./sumArithmetic.js";
export * from "./tightest.js";
export * from "./tradeoff.js";
export * from "./version.js";
