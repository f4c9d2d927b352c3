// The accountants by name for a small download: without connecting the dots, which a browser gets by dpsgd/accounting/full.
import type { AccountantName } from "../formats/guarantee.js";
import type { Accountant } from "./accountant.js";
import { type AccountantOptions, layeredAccountant } from "./layered.js";

/** {@link layeredAccountant} by the contour integral and the Rényi bound: Gaussians, sampled or not, and mixtures. */
export function accountant(name: AccountantName, options: AccountantOptions = {}): Accountant {
  return layeredAccountant(name, options, []);
}
