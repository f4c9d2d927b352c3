// The accountants with less effort: proven bounds as everywhere, but only as close as a picture or a moving slider needs.
import type { Accountant } from "../accounting/accountant.js";
import { contourAccountant } from "../accounting/contour/index.js";
import { layeredAccountant } from "../accounting/layered.js";
import type { AccountantName } from "../formats/guarantee.js";

/** Relative width of δ aimed at, and the most products a line of integration may cost (about 4 ns each). */
export interface Effort {
  readonly relativeWidth: number;
  readonly maximumWork: number;
}

/** As much of the contour integral as a picture needs: as close where it can be seen. */
export const PICTURE: Effort = { relativeWidth: 1e-7, maximumWork: 2e6 };

/** The contour integral with so much effort, and the Rényi bound where that is wide; "rdp" is that bound alone. */
export function lightAccountant(
  name: AccountantName,
  neighboring: Accountant["neighboring"],
  effort: Effort,
): Accountant {
  const contour = () => contourAccountant({ neighboring, ...effort });
  return layeredAccountant(name, { neighboring, effort: "contour" }, [], contour);
}
