// Where a contour starts: beside the least of the real integrand
//
//   f(c) = log G(c) − cε − log c − log(1 + c),   c = e^y > 0,
//
// where terms are not much larger than their sum. All by the rule alone: how many digits are kept and how many nodes it
// takes depends on the place, but no bound rests on it (docs/math-hyperbolic-contour.md, after theorem 3).
import { minimize } from "../../math/minimize.js";
import type { Strip } from "./contourSum.js";

/** The saddle is sought in log c within this of log 1/ε. */
const SEARCH = 25;
/** Step in log c of the walks away from the saddle. */
const WALK = 0.1;
/** To the right until the integrand has grown e^4-fold, to the left e^3-fold, and no farther than so in log c. */
const RIGHT = { growth: 4, furthest: 0.8 };
const LEFT = { growth: 3, furthest: 3 };
/** What the integrand may have grown by (log) just beyond the right border: past a knee G explodes. */
const KNEE = 14;

export interface StripPlacement {
  readonly strip: Strip;
  /** The saddle: where the real integrand is least. */
  readonly c: number;
}

/**
 * Where the real integrand G(c)e^{−cε}/(c(c + 1)) is least, and how far around it the strip may reach.
 *
 *   y     log c                          saddle   log of the c at which f is least
 *   low   where f has grown by LEFT.growth to the left, or LEFT.furthest away; at most 0.85·high
 *   high  the same to the right, but before a knee: f just beyond is below the least + KNEE
 *
 * Values are remembered, since each costs a moment of every step.
 */
export function placeStrip(logG: (c: number) => number, epsilon: number): StripPlacement {
  const values = new Map<number, number>();
  const f = (y: number): number => {
    const earlier = values.get(y);
    if (earlier !== undefined) return earlier;
    const c = Math.exp(y);
    const log = logG(c) - c * epsilon - Math.log(c) - Math.log1p(c);
    const value = Number.isNaN(log) ? Infinity : log;
    values.set(y, value);
    return value;
  };
  const origin = -Math.log(epsilon);
  const { x: saddle, value } = minimize(f, origin, origin - SEARCH, origin + SEARCH, 0.4, 0.03);
  const walk = (direction: 1 | -1, { growth, furthest }: typeof RIGHT): number => {
    let y = saddle;
    while (Math.abs(y - saddle) < furthest && f(y + WALK * direction) < value + growth) y += WALK * direction;
    return Math.exp(y);
  };
  let right = Math.log(walk(1, RIGHT));
  for (let k = 0; k < 20 && !(f(right + 0.05) < value + KNEE); k++) right -= WALK;
  const high = Math.exp(right);
  const low = Math.min(walk(-1, LEFT), high * 0.85);
  return { strip: { low, high }, c: Math.exp(saddle) };
}
