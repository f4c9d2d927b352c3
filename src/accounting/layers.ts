// The layers of the accountants, each by itself: independent proofs of one number, to be held against one another.
export { type ClosedFormOptions, closedFormAccountant } from "./closedForm/index.js";
export { bentContourAccountant } from "./contour/full.js";
export type { ContourAccountant, ContourOptions } from "./contour/index.js";
export { type ConnectTheDotsOptions, connectTheDotsAccountant } from "./pld/index.js";
export { type RdpAccountant, type RdpOptions, rdpAccountant } from "./rdp/index.js";
