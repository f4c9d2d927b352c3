// The add direction at low sampling rates: a straight contour whose end is found on turned losses, where the bound on
// its integrand falls for good (docs/math-bent.md, theorem 8).
import type { Bend } from "./bent.js";
import { UNIT } from "./mixture.js";
import { newSum, type Rotated } from "./rotated.js";
import { Terms } from "./terms.js";

const MOST_NODES = 3000;

/** log of an upper bound of ΠM(−1 − c)^T e^{gc(c+1)/2}: E e^{cℓ} of the loss ℓ of adding. */
export function logAddedMoment(steps: readonly Rotated[], gaussian: number, c: number): number {
  const sum = newSum();
  let log = (gaussian * c * (c + 1)) / 2;
  for (const each of steps) {
    each.restart();
    each.at(-1 - c, 0, 1, sum);
    log += each.count * Math.log1p(sum.bulkRe + sum.tailRe + sum.bulkError + sum.tailError);
  }
  return Number.isNaN(log) ? Infinity : log + 1e-9 * (1 + Math.abs(log));
}

export class UprightContour extends Terms {
  readonly part = "bulk";

  constructor(
    private readonly steps: readonly Rotated[],
    private readonly gaussian: number,
    { low, high }: Bend,
    epsilon: number,
    logDelta: number,
    certified: boolean,
  ) {
    super(epsilon);
    const c = (low + high) / 2;
    const half = (high - low) / 2;
    // On both borders of the strip the measure's own transform at the real point bounds all.
    const border = (at: number): number =>
      logAddedMoment(steps, gaussian, at) +
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
    const sum = newSum();
    let quiet = 0;
    for (let j = 0; ; j++) {
      const b = j * step;
      let log = (gaussian * (c * c - b * b + c)) / 2;
      let turn = (gaussian * (2 * c * b + b)) / 2;
      let off = UNIT * 8 * gaussian * (c * c + b * b + c);
      for (const each of steps) {
        // M(−1 − c + ib) is the conjugate of the moment at c + ib.
        each.at(-1 - c, b, 1, sum);
        const re = sum.bulkRe + sum.tailRe;
        const im = -(sum.bulkIm + sum.tailIm);
        const size = Math.hypot(1 + re, im);
        const error = sum.bulkError + sum.tailError;
        log += 0.5 * each.count * Math.log1p(2 * re + re * re + im * im);
        turn += each.count * Math.atan2(im, 1 + re);
        off += size > 2 * error ? -each.count * Math.log1p(-error / size) : Infinity;
      }
      const relative = Math.expm1(Math.min(700, off)) + UNIT * (30 + 4 * Math.abs(log) + 6 * Math.abs(turn));
      // t′ = i.
      const qr = c * c - b * b + c;
      const qi = 2 * c * b + b;
      log += Math.log(((j === 0 ? 0.5 : 1) * step) / Math.PI) - 0.5 * Math.log(qr * qr + qi * qi);
      turn += Math.PI / 2 - Math.atan2(qi, qr);
      this.a.push(c);
      this.b.push(b);
      this.log.push(Number.isNaN(log) ? -Infinity : log);
      this.turn.push(turn);
      this.logOff.push(relative < 1e6 ? log + Math.log(relative) : Infinity);
      quiet = log - c * epsilon < goal ? quiet + 1 : 0;
      if (!(steps[0]!.budget.left > 0)) {
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

  /** log of (1/π)∫_b^∞ |ΠM^T/(t(t + 1))|: on a turned ray the sizes fall with b for good. */
  private beyond(c: number, b: number): number {
    let log = (this.gaussian * (c * c - b * b + c)) / 2;
    for (const each of this.steps) log += each.count * Math.log(each.farSize(-1 - c, b));
    const rest = log - Math.log(Math.PI * b);
    return Number.isNaN(rest) ? Infinity : rest;
  }
}
