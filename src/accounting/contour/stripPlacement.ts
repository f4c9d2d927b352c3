// Where a contour starts: beside the least of the real integrand, by the rule alone, since no bound rests on it.
import { minimize } from "../../math/minimize.js";
import type { Strip } from "./contourSum.js";

export interface StripPlacement {
  readonly bend: Strip;
  readonly c: number;
}

/** Where the real integrand G(c)e^{−cε}/(c(c + 1)) is least, and how far around it the strip may reach. */
export function placeStrip(logG: (c: number) => number, epsilon: number): StripPlacement {
  const known = new Map<number, number>();
  const f = (y: number): number => {
    const old = known.get(y);
    if (old !== undefined) return old;
    const c = Math.exp(y);
    const value = logG(c) - c * epsilon - Math.log(c) - Math.log1p(c);
    const made = Number.isNaN(value) ? Infinity : value;
    known.set(y, made);
    return made;
  };
  const origin = -Math.log(epsilon);
  const { x, value } = minimize(f, origin, origin - 25, origin + 25, 0.4, 0.03);
  // To the right until the integrand has grown e^4-fold, to the left e^3-fold: farther out terms are larger than their sum.
  const walk = (direction: 1 | -1, allowed: number, most: number): number => {
    let y = x;
    while (Math.abs(y - x) < most && f(y + 0.1 * direction) < value + allowed) y += 0.1 * direction;
    return Math.exp(y);
  };
  let top = Math.log(walk(1, 4, 0.8));
  // Past a knee, beyond which G explodes, the border needs room.
  for (let k = 0; k < 20 && !(f(top + 0.05) < value + 14); k++) top -= 0.1;
  const high = Math.exp(top);
  const low = Math.min(walk(-1, 3, 3), high * 0.85);
  return { bend: { low, high }, c: Math.exp(x) };
}
