// The layers of the accountants, each by itself: independent proofs of one number, to be held against one another.
import type { Neighboring } from "../formats/guarantee.js";
import type { Accountant } from "./accountant.js";
import { closedFormAccountant as closedForm } from "./closedForm/index.js";
import { type ConnectTheDotsOptions, connectTheDotsAccountant as dots } from "./connectTheDots/index.js";
import { bentContourAccountant as contour } from "./contour/cascadeAccountant.js";
import { rdpAccountant as renyi } from "./rdp/index.js";

/** What a layer is for. */
export interface LayerOptions {
  /** Default: add-or-remove-one. */
  readonly neighboring?: Neighboring;
}

export type { ConnectTheDotsOptions } from "./connectTheDots/index.js";

/** Exact up to round-off where δ(ε) is a formula; refuses everything else by name (docs/math-closed-forms.md). */
export const closedFormAccountant: (options?: LayerOptions) => Accountant = closedForm;

/** Certified intervals by contour integrals, straight where that is narrow, bent where not (docs/math-contour.md). */
export const bentContourAccountant: (options?: LayerOptions) => Accountant = contour;

/** Certified intervals by a lattice of privacy losses (docs/math-connect-the-dots.md). */
export const connectTheDotsAccountant: (options?: ConnectTheDotsOptions) => Accountant = dots;

/** Upper bounds by Rényi divergences at the best real order (docs/math-rdp.md). */
export const rdpAccountant: (options?: LayerOptions) => Accountant = renyi;
