// dpsgd/accounting, and dpsgd/accounting/full in a browser: what a run spends. No Node, no TensorFlow.js.
export { randomAllocationEvent } from "../formats/allocationEvent.js";
export { eventFromDpAccounting } from "../formats/dpAccounting.js";
export { accountant } from "./accountants.js";
export type { DirectionProfile } from "./contour/directionProfile.js";
export type { ContourCurve } from "./contour/index.js";
export type { DirectedComposition } from "./contour/vertical/directedComposition.js";
export { groupEvent } from "./groupEvent.js";
export * from "./layerExports.js";
export type { RdpCurve } from "./rdp/index.js";
export * from "./sharedExports.js";
