// What every entry of dpsgd/accounting exports, whatever layers its accountants have.
export { checkEvent } from "../formats/checkEvent.js";
export * from "../formats/event.js";
export { type EventJson, eventFromJson, eventToJson } from "../formats/eventJson.js";
export * from "../formats/guarantee.js";
export * from "../formats/version.js";
export * from "./accountant.js";
export * from "./certify.js";
export { type CurveJson, curveFromJson, curveToJson } from "./curveJson.js";
export type { AccountantOptions } from "./layered.js";
export * from "./tightest.js";
export * from "./tradeoff.js";
