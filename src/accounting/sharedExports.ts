// What every entry of dpsgd/accounting exports, whatever layers its accountants have.
export { ArgumentError } from "../formats/argumentError.js";
export { checkEvent } from "../formats/checkEvent.js";
export type * from "../formats/event.js";
export { dpSgdEvent } from "../formats/event.js";
export { type EventJson, eventFromJson, eventToJson } from "../formats/eventJson.js";
export {
  ACCOUNTANT_NAMES,
  type AccountantName,
  type Guarantee,
  NEIGHBORINGS,
  type Neighboring,
} from "../formats/guarantee.js";
export type { JsonNumber } from "../formats/json.js";
export type { Certificate } from "../formats/report.js";
export { VERSION } from "../formats/version.js";
export { type Accountant, type Interval, type PrivacyCurve, UnsupportedEventError } from "./accountant.js";
export { certify } from "./certify.js";
export { type CurveJson, curveFromJson, curveToJson } from "./curveJson.js";
export type { AccountantOptions } from "./layered.js";
export { type TightestBound, tightestEpsilon } from "./tightest.js";
export {
  type AttackRisk,
  advantage,
  attackRisk,
  truePositiveRateAt,
} from "./tradeoff.js";
