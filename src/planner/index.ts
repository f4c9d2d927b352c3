// dpsgd/planner: what to run. No Node, no TensorFlow.js: runs in a browser.

export type { Accountant, PrivacyCurve } from "../accounting/accountant.js";
export { ArgumentError } from "../formats/argumentError.js";
export type * from "../formats/eventTypes.js";
export type { AccountantName, Guarantee, Neighboring } from "../formats/guarantee.js";
export { NoSolutionError, type Plan, type PlanRequest, type Unknown } from "../formats/plan.js";
export { eventAfter } from "../formats/plannedEvent.js";
export { PlanFormatError, planFromJson, planToText } from "../formats/planReader.js";
export { roundedDown, roundedUp } from "../formats/rounded.js";
export type { ProxySearch, TuningRuns } from "../formats/tuning.js";
export { emit, type Framework } from "./emit.js";
export { epsilonSpent } from "./epsilonSpent.js";
export {
  type Axes,
  type Frontier,
  type FrontierGap,
  type FrontierOptions,
  type FrontierPoint,
  frontier,
  type Swept,
} from "./frontier.js";
export { type GroupGuarantee, groupGuarantee } from "./group.js";
export { presetRequest } from "./presets.js";
export { type ProxyRun, proxyOf } from "./proxy.js";
export { type PlanOptions, plan } from "./solve.js";
