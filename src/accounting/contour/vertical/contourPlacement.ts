// Where a contour starts: beside the least of the real integrand, by the rule alone, since no bound rests on it.
import { minimize } from "../../../math/minimize.js";
import type { Part } from "../contourSum.js";
import type { Bend } from "../hyperbolic/hyperbolicContour.js";
import { newSum, type Rotated } from "../hyperbolic/rotatedMgf.js";
import type { UprightStep } from "./truncatedContour.js";

/** log E e^{cL} by the rule alone. */
export function roughUpright(steps: readonly UprightStep[], gaussian: number, c: number): number {
  const made = { re: 0, im: 0, error: 0 };
  let log = (gaussian * c * (c + 1)) / 2;
  for (const each of steps) {
    each.moment(c, 0, made);
    log += each.count * Math.log1p(made.re);
  }
  return log;
}

/** log G(c) of a part by the rule alone. */
export function roughMoment(steps: readonly Rotated[], gaussian: number, part: Part, c: number): number {
  const sum = newSum();
  let log = (gaussian * c * (c + 1)) / 2;
  let jump = 0;
  for (const each of steps) {
    each.real(c, sum);
    log += each.count * Math.log1p(sum.bulkRe);
    jump += each.count * Math.log1p(sum.tailRe / (1 + sum.bulkRe));
  }
  if (part === "tail") log += jump > 30 ? jump : Math.log(Math.expm1(jump) + 1e-320);
  return log;
}

export interface Placed {
  readonly bend: Bend;
  readonly c: number;
}

/** Where the real integrand G(c)e^{−cε}/(c(c + 1)) is least, and how far around it the strip may reach. */
export function placeBend(logG: (c: number) => number, epsilon: number): Placed {
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
