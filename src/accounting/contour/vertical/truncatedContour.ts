// A straight contour whose end is found where the bound on its integrand falls for good: of the add direction at low
// sampling rates, and of either where noise is much (docs/math-hyperbolic-contour.md, theorem 8; docs/math-truncated-contour.md).
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";
import type { Strip } from "../contourSum.js";
import { ContourSum, type NodeBudget } from "../contourSum.js";
import { logSupremum } from "./directedComposition.js";

const MOST_NODES = 3000;

/** E e^{tℓ} − 1 and a bound on its error. */
export interface MgfValue {
  re: number;
  im: number;
  error: number;
}

/** One step, `count` times, with losses ℓ. */
export interface UprightStep {
  readonly count: number;
  readonly budget: NodeBudget;
  /** Before a new sweep along Im t. */
  restart(): void;
  /** E e^{tℓ} − 1 at t = a + ib. */
  moment(a: number, b: number, into: MgfValue): void;
  /** A bound of |E e^{tℓ}| at every t = a + iv, v ≥ b. */
  farSize(a: number, b: number): number;
}

/** log E e^{cL} by the rule alone. */
export function roughLogUprightMoment(steps: readonly UprightStep[], gaussian: number, c: number): number {
  const made = { re: 0, im: 0, error: 0 };
  let log = (gaussian * c * (c + 1)) / 2;
  for (const each of steps) {
    each.moment(c, 0, made);
    log += each.count * Math.log1p(made.re);
  }
  return log;
}

/** log E e^{cL} of the total loss at real c, from above. */
export function logUprightMoment(steps: readonly UprightStep[], gaussian: number, c: number): number {
  const made = { re: 0, im: 0, error: 0 };
  let log = (gaussian * c * (c + 1)) / 2;
  for (const each of steps) {
    each.restart();
    each.moment(c, 0, made);
    log += each.count * Math.log1p(made.re + made.error);
  }
  return Number.isNaN(log) ? Infinity : log + 1e-9 * (1 + Math.abs(log));
}

/** δ(ε) ≤ E e^{cL} e^{−cε} β(c): log of that without e^{−cε}. */
export function logUprightBound(steps: readonly UprightStep[], gaussian: number, c: number): number {
  return logUprightMoment(steps, gaussian, c) + logSupremum(c) + 1e-9;
}

export class UprightContour extends ContourSum {
  readonly part = "bulk";

  constructor(
    private readonly steps: readonly UprightStep[],
    private readonly gaussian: number,
    { low, high }: Strip,
    epsilon: number,
    logDelta: number,
    certified: boolean,
  ) {
    super(epsilon);
    const c = (low + high) / 2;
    const half = (high - low) / 2;
    // On both borders of the strip the measure's own transform at the real point bounds all.
    const border = (at: number): number =>
      logUprightMoment(steps, gaussian, at) +
      Math.log(Math.PI) -
      0.5 * Math.log(at * (1 + at)) -
      Math.log(2 * Math.PI);
    const left = border(low);
    const right = border(high);
    const need = Math.max(left - epsilon * low, right - epsilon * high) - logDelta + (certified ? 31 : 22);
    const step = (2 * Math.PI * half) / Math.max(24, Math.min(1e3, need));
    const damped = Math.log(Math.expm1((2 * Math.PI * half) / step));
    this.borders.push({ log: left - damped, a: low }, { log: right - damped, a: high });
    for (const each of steps) each.restart();
    const goal = logDelta - (certified ? 40 : 25);
    const made = { re: 0, im: 0, error: 0 };
    let quiet = 0;
    for (let j = 0; ; j++) {
      const b = j * step;
      let log = (gaussian * (c * c - b * b + c)) / 2;
      let turn = (gaussian * (2 * c * b + b)) / 2;
      let off = UNIT_ROUNDOFF * 8 * gaussian * (c * c + b * b + c);
      for (const each of steps) {
        each.moment(c, b, made);
        const { re, im, error } = made;
        const size = Math.hypot(1 + re, im);
        log += 0.5 * each.count * Math.log1p(2 * re + re * re + im * im);
        turn += each.count * Math.atan2(im, 1 + re);
        off += size > 2 * error ? -each.count * Math.log1p(-error / size) : Infinity;
      }
      const relative =
        Math.expm1(Math.min(700, off)) + UNIT_ROUNDOFF * (30 + 4 * Math.abs(log) + 6 * Math.abs(turn));
      // t′ = i.
      const qr = c * c - b * b + c;
      const qi = 2 * c * b + b;
      const front = Math.log(((j === 0 ? 0.5 : 1) * step) / Math.PI) - 0.5 * Math.log(qr * qr + qi * qi);
      turn += Math.PI / 2 - Math.atan2(qi, qr);
      log += front;
      let logOff = log + Math.log(relative);
      if (!(relative < 1) || Number.isNaN(log) || Number.isNaN(turn)) {
        // Nothing is known of it but its size.
        logOff = this.most(c, b) + front + Math.LN2;
        log = -Infinity;
        turn = 0;
      }
      this.add(c, b, log, turn, logOff);
      quiet = Math.max(log, logOff) - c * epsilon < goal ? quiet + 1 : 0;
      // Work has run out, or not even the size of a term is known.
      if (!(steps[0]!.budget.left > 0 && logOff < Infinity)) {
        this.failed = true;
        return;
      }
      if (quiet < 2 && j < MOST_NODES) continue;
      if (!certified) return;
      const rest = this.beyond(c, b);
      if (rest - c * epsilon < logDelta - 33 || j >= MOST_NODES) {
        this.borders.push({ log: rest, a: c });
        return;
      }
    }
  }

  /** log of a bound of |E e^{tL}| at every t = c + iv, v ≥ b. */
  private most(c: number, b: number): number {
    let log = (this.gaussian * (c * c - b * b + c)) / 2;
    for (const each of this.steps) log += each.count * Math.log(each.farSize(c, b));
    return log;
  }

  /** log of (1/π)∫_b^∞ |E e^{tL}/(t(t + 1))|, where the sizes fall with b for good. */
  private beyond(c: number, b: number): number {
    const rest = this.most(c, b) - Math.log(Math.PI * b);
    return Number.isNaN(rest) ? Infinity : rest;
  }
}
