// The accountants by name with every layer there is: what Node gets, and a browser that imports dpsgd/accounting/full.
import type { Accountant } from "./accountant.js";
import { bentContourAccountant } from "./contour/full.js";
import type { Neighboring } from "./guarantee.js";
import { connectTheDotsAccountant } from "./pld/index.js";
import {
  ACCOUNTANT_NAMES,
  type AccountantName,
  type AccountantOptions,
  type Layer,
  layeredAccountant,
} from "./registry.js";

/** Lattices of at most 2^18 points: seconds at the most where millions would be needed for the last digit. */
const dots: Layer = ({ neighboring }) =>
  connectTheDotsAccountant({ ...(neighboring && { neighboring }), maximumNodes: 2 ** 18 });

/** {@link layeredAccountant} by the contour integral, connecting the dots, and the Rényi bound. */
export function accountant(name: AccountantName, options: AccountantOptions = {}): Accountant {
  return layeredAccountant(name, options, [dots], bentContourAccountant);
}

/** Every accountant by name, for one neighbouring relation. */
export function everyAccountant(neighboring: Neighboring): Accountant[] {
  return ACCOUNTANT_NAMES.map((name) => accountant(name, { neighboring }));
}
