// The accountants by name with every layer there is: what Node gets, and a browser that imports dpsgd/accounting/full.
import { ACCOUNTANT_NAMES, type AccountantName, type Neighboring } from "../formats/guarantee.js";
import type { Accountant } from "./accountant.js";
import { connectTheDotsAccountant } from "./connectTheDots/index.js";
import { bentContourAccountant } from "./contour/cascadeAccountant.js";
import { type AccountantOptions, type Layer, layeredAccountant } from "./layered.js";

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
