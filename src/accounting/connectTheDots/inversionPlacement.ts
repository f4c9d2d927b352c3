// Where to invert a transform: the tilt, the period, and a second tilt that bounds aliasing
// (docs/math-connect-the-dots.md, theorem 2).

/** Where to invert the transform for one ε. */
export interface InversionPlacement {
  readonly c: number;
  /** log g and its slope there, about; g = δ if c > 0, 1 − δ if c < 0. */
  readonly log: number;
  readonly period: number;
  /** Second tilt, of the bound on aliasing, and log E[e^{c2·loss}] from above. */
  readonly c2: number;
  readonly logMoment2: number;
}
