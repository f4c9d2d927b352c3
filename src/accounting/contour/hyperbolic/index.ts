// Bent contours, for low sampling rates, where the integrand of a vertical line falls too slowly
// (docs/math-hyperbolic-contour.md). Reading order, each file resting on those before it:
//
//   lossDensity.ts        the density of a step's losses on a ray in the complex plane (theorem 1)
//   lossCutoff.ts         the smooth cutoff that divides losses into bulk and tail (theorem 3)
//   smallLosses.ts        small losses as a power series, which serves every t
//   lossRayNodes.ts       the trapezoid nodes of one ray, with bounds over each cell and beyond both ends (theorem 2)
//   lossRay.ts            sums over a ray at one t: the moment itself, and bounds of its size
//   rotatedMgf.ts         one step at complex t, on whichever ray is best, with the rule's error
//   addedStep.ts          the same for adding the record (theorem 8)
//   hyperbolicBounds.ts   bounds along a hyperbola and beyond its last node (theorems 5 and 6)
//   hyperbolicContour.ts  the contour integral of one part of δ (theorem 4)
//   bulkAndTail.ts        all parts of δ at one ε (theorem 3)
//   startingEpsilon.ts    a first guess of ε
//   hyperbolicSolver.ts   bounds on δ(ε) and ε(δ) (theorem 7)
export { hyperbolicSolverOf, type IntervalNarrower } from "./hyperbolicSolver.js";
