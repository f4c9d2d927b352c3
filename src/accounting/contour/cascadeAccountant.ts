// The contour accountant that also bends its contour where straight ones are wide: what Node gets, and a browser that
// imports dpsgd/accounting/full.
//
// What it proves is what `index.ts` says, of contours of either kind.
import { contourCascade } from "./cascade.js";
import { type ContourAccountant, type ContourOptions, contourAccountant } from "./index.js";

/** {@link contourAccountant} with relative widths of ε near 1e-10 at low sampling rates too (docs/math-hyperbolic-contour.md). */
export function bentContourAccountant(options: ContourOptions = {}): ContourAccountant {
  return contourAccountant({ bend: contourCascade, ...options });
}
