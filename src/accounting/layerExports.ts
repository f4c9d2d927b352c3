// The layers of the accountants, each by itself: independent proofs of one number, to be held against one another.
export { type ClosedFormOptions, closedFormAccountant } from "./closedForm/index.js";
export { type ConnectTheDotsOptions, connectTheDotsAccountant } from "./connectTheDots/index.js";
export { bentContourAccountant } from "./contour/cascadeAccountant.js";
export type { ContourAccountant, ContourOptions } from "./contour/index.js";
export { type RdpAccountant, type RdpOptions, rdpAccountant } from "./rdp/index.js";
