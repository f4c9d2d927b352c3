// Vertical contours Re t = c. Reading order, each file resting on those before it:
//
// The line on whole steps (docs/math-contour.md):
//
//   ../likelihoodRatio.ts   log r of one step, with its rounding error (lemma of theorem 5)
//   mixtureQuadrature.ts    the trapezoid rule in x for E[r^s], its error and its range (theorem 3a, 3c)
//   stepMgf.ts              one step: moments and cumulants, and its law tilted by r^s (theorem 5)
//   directedComposition.ts  what is composed, from the side of removing or of adding
//   quadratureStep.ts       the step of that rule where r ≈ 1 carries the mass (theorem 3b)
//   tailDecay.ts            how fast the characteristic function falls along the line (theorem 4)
//   characteristicSum.ts    log of the composition's characteristic function at equally spaced nodes (theorem 5)
//   contourCut.ts           where the line may end (theorem 4)
//   verticalContour.ts      the integral on one line: an interval that contains δ(ε) (theorems 1 and 2)
//   linePlacement.ts        which line to integrate on
//   verticalProfile.ts      bounds on δ(ε) and ε(δ) by several lines (theorem 6)
//
// The line on truncated steps, where noise is much (docs/math-truncated-contour.md), and on those of hyperbolic/:
//
//   truncatedContour.ts     the integral on a line whose end is found by a bound that falls for good
//   truncatedGrid.ts        the nodes of a truncated step (theorem 1)
//   truncatedMgf.ts         its moments to second order (theorems 2 to 4)
export { VerticalProfile } from "./verticalProfile.js";
