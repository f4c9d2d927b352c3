// The accountants by name for a small download: without connecting the dots, which a browser gets by dpsgd/accounting/full.
import { ACCOUNTANT_NAMES, type AccountantName, type Neighboring } from "../formats/guarantee.js";
import type { Accountant } from "./accountant.js";
import { type AccountantOptions, layeredAccountant } from "./layered.js";

/** {@link layeredAccountant} by the contour integral and the Rényi bound: Gaussians, sampled or not, and mixtures. */
export function accountant(name: AccountantName, options: AccountantOptions = {}): Accountant {
  return layeredAccountant(name, options, []);
}

/** Every accountant by name, for one neighbouring relation. */
export function everyAccountant(neighboring: Neighboring): Accountant[] {
  return ACCOUNTANT_NAMES.map((name) => accountant(name, { neighboring }));
}
