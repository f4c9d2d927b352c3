// The contour integral on a hyperbola that bends to the right, where e^{−tε} falls exponentially: one part of δ, with
// every error bounded (docs/math-hyperbolic-contour.md, theorems 4 to 6).
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";
import { realLessOne } from "../complexRounding.js";
import type { Strip } from "../contourSum.js";
import { ContourSum, type LossPart, SERVED_RATIO } from "../contourSum.js";
import { newRaySum, type RotatedMgf } from "./rotatedMgf.js";

/** Angles from the vertical of the contour and of the right border of its strip. */
const ANGLE = 0.15;
const BORDER = 0.3;
const MOST_NODES = 2000;
const MOST_PANELS = 1500;
/** A panel's bound may be e to this power too large. */
const MOST_SWING = 2;

/** log(e^x − 1), x > 0. */
const logExpm1 = (x: number): number => (x > 30 ? x : Math.log(Math.expm1(x)));

/** log G(c) of a part at real c > 0, from above; Infinity where it is not known. */
export function logMoment(steps: readonly RotatedMgf[], gaussian: number, part: LossPart, c: number): number {
  const sum = newRaySum();
  let log = (gaussian * c * (c + 1)) / 2;
  let jump = 0;
  for (const each of steps) {
    each.restart();
    each.at(c, 0, part === "tail" ? 1 : 0, sum);
    log += each.count * Math.log1p(sum.bulkRe + sum.bulkError);
    const least = 1 + sum.bulkRe - sum.bulkError;
    jump += least > 0 ? each.count * Math.log1p((Math.max(0, sum.tailRe) + sum.tailError) / least) : Infinity;
  }
  if (part === "tail") log += logExpm1(jump * (1 + 1e-9) + 1e-300);
  log += 1e-9 * (1 + Math.abs(log));
  return Number.isNaN(log) ? Infinity : log;
}

/** log G(c) of a part by the rule alone. */
export function roughLogMoment(
  steps: readonly RotatedMgf[],
  gaussian: number,
  part: LossPart,
  c: number,
): number {
  const sum = newRaySum();
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

export class HyperbolicContour extends ContourSum {
  private readonly step: number;
  private readonly middle: number;
  private readonly angle: number;
  private readonly border: number;
  private readonly weight: number;

  constructor(
    private readonly steps: readonly RotatedMgf[],
    private readonly gaussian: number,
    readonly part: LossPart,
    private readonly bend: Strip,
    private readonly aim: number,
    private readonly logDelta: number,
    certified: boolean,
  ) {
    super(aim);
    const epsilon = aim;
    const scale = Math.min(...steps.map((each) => each.scale));
    this.angle = ANGLE * scale;
    this.border = BORDER * scale;
    const { low } = bend;
    let { high } = bend;
    this.weight = part === "tail" ? Math.exp(Math.min(600, -logDelta)) : 0;
    const logPi = -Math.log(2 * Math.PI);
    // On the left border |G| ≤ G(low); on the right, both halves of it, by panels.
    const left = this.logReal(low) + logPi;
    let right = this.logReal(high);
    for (
      let k = 0;
      k < 20 && !(right - epsilon * high < Math.max(left - epsilon * low + 3, logDelta + 60));
      k++
    ) {
      high = low + 0.8 * (high - low);
      right = this.logReal(high);
    }
    this.middle = (high - low) / Math.sin(this.border);
    right += logPi - epsilon * high + 8;
    if (certified) {
      this.panels(this.border, 0.06, Math.log(2) + logPi);
      const most = Math.max(...this.borders.map((each) => each.log - each.a * epsilon));
      right =
        most +
        Math.log(this.borders.reduce((sum, each) => sum + Math.exp(each.log - each.a * epsilon - most), 0));
    }
    // The rule loses a factor e^{2πd/h} on each.
    const digits = certified ? 30 : 22;
    const need = (log: number): number => Math.max(24, Math.min(1e3, log - logDelta + digits));
    const before = this.angle;
    const after = this.border - before;
    this.step = 2 * Math.PI * Math.min(before / need(left - epsilon * low + 1), after / need(right));
    const { step } = this;
    const damped = -logExpm1((2 * Math.PI * after) / step);
    this.borders.forEach((each, k) => {
      this.borders[k] = { log: each.log + damped, a: each.a };
    });
    this.borders.push({ log: left - logExpm1((2 * Math.PI * before) / step), a: low });
    for (const each of steps) each.restart();
    this.placeNodes(certified);
  }

  /** Work has run out: nothing is known. */
  private spent(): boolean {
    return !(this.steps[0]!.budget.left > 0);
  }

  /** log of G(c)·∫|dt/(t(t + 1))| along Re t = c, from above. */
  private logReal(c: number): number {
    return (
      logMoment(this.steps, this.gaussian, this.part, c) + Math.log(Math.PI) - 0.5 * Math.log(c * (1 + c))
    );
  }

  /** Nodes until the integrand is negligible, and is known to stay so. */
  private placeNodes(certified: boolean): void {
    const { steps, part, gaussian, step, middle, bend, aim: epsilon, logDelta } = this;
    const goal = logDelta - (certified ? 40 : 25);
    const sum = newRaySum();
    let quiet = 0;
    for (let j = 0; ; j++) {
      const u = j * step;
      const cosh = Math.cosh(u);
      const sinh = Math.sinh(u);
      const a = bend.low + middle * cosh * Math.sin(this.angle);
      const b = middle * sinh * Math.cos(this.angle);
      let log = (gaussian * (a * a - b * b + a)) / 2;
      let turn = (gaussian * (2 * a * b + b)) / 2;
      let off = UNIT_ROUNDOFF * 8 * gaussian * (a * a + b * b + a);
      let jump = 0;
      let jumpTurn = 0;
      let jumpOff = 0;
      let worst = log;
      let worstJump = 0;
      for (const each of steps) {
        each.at(a, b, this.weight, sum);
        const T = each.count;
        const { bulkRe, bulkIm, bulkError, tailRe, tailIm, tailError } = sum;
        const re = 1 + bulkRe;
        const size2 = re * re + bulkIm * bulkIm;
        const size = Math.sqrt(size2);
        log += 0.5 * T * Math.log1p(2 * bulkRe + bulkRe * bulkRe + bulkIm * bulkIm);
        turn += T * Math.atan2(bulkIm, re);
        const other = part === "tail" ? Math.hypot(tailRe, tailIm) + tailError : 0;
        worst += T * Math.log(size + bulkError);
        worstJump += T * Math.log1p(other / (size + bulkError));
        off += size > 2 * bulkError ? T * -Math.log1p(-bulkError / size) : Infinity;
        if (part === "bulk") continue;
        const ur = (tailRe * re + tailIm * bulkIm) / size2;
        const ui = (tailIm * re - tailRe * bulkIm) / size2;
        const u2 = Math.hypot(ur, ui);
        const du = (tailError + u2 * bulkError) / (size - bulkError) + 8 * UNIT_ROUNDOFF * u2;
        const near = Math.hypot(1 + ur, ui) - du;
        jump += 0.5 * T * Math.log1p(2 * ur + ur * ur + ui * ui);
        jumpTurn += T * Math.atan2(ui, 1 + ur);
        jumpOff += near > 0 ? (T * du) / near : Infinity;
      }
      let relative =
        Math.expm1(Math.min(700, off)) + UNIT_ROUNDOFF * (30 + 4 * Math.abs(log) + 6 * Math.abs(turn));
      if (part === "tail") {
        const e = Math.exp(jump);
        const re = realLessOne(jump, jumpTurn, Math.cos(jumpTurn));
        const im = e * Math.sin(jumpTurn);
        const size = Math.hypot(re, im);
        jumpOff += UNIT_ROUNDOFF * 6 * (Math.abs(jump) + Math.abs(jumpTurn));
        relative += (e * Math.expm1(Math.min(700, jumpOff))) / size + 12 * UNIT_ROUNDOFF;
        relative *= 1 + relative;
        log += Math.log(size);
        turn += Math.atan2(im, re);
      }
      // t′/(t(t + 1)), the first node half.
      const dr = middle * sinh * Math.sin(this.angle);
      const di = middle * cosh * Math.cos(this.angle);
      const qr = a * a - b * b + a;
      const qi = 2 * a * b + b;
      const front =
        0.5 * Math.log((dr * dr + di * di) / (qr * qr + qi * qi)) +
        Math.log((j === 0 ? 0.5 : 1) * step) -
        Math.log(Math.PI);
      log += front;
      turn += Math.atan2(di, dr) - Math.atan2(qi, qr);
      let logOff = log + Math.log(relative);
      if (!(relative < 1) || Number.isNaN(log) || Number.isNaN(turn)) {
        // Nothing is known of it but its size.
        if (part === "tail") worst += logExpm1(worstJump * (1 + 1e-12) + 1e-300);
        logOff = worst + front + Math.LN2;
        log = -Infinity;
        turn = 0;
      }
      this.add(a, b, log, turn, logOff);
      quiet = Math.max(log, logOff) - a * epsilon < goal ? quiet + 1 : 0;
      if (this.spent()) {
        this.failed = true;
        return;
      }
      if (quiet < 3 && j < MOST_NODES) continue;
      if (!certified) return;
      // The sum from the next node on is less than the integral from this one on; both halves, ÷ 2π.
      const rest = u >= 1 ? this.beyond(a, b, Math.sin(this.angle)) - Math.log(Math.PI) : Infinity;
      if (rest - a * epsilon < this.logDelta - 33 || j >= MOST_NODES) {
        this.borders.push({ log: rest, a });
        return;
      }
    }
  }

  /** Adds bounds of ∫|G e^{−tε} t′/(t(t + 1))| du along the upper half of the hyperbola of that angle, times e^front. */
  private panels(angle: number, first: number, front: number): void {
    const { steps, part, gaussian, middle, bend, aim: epsilon } = this;
    const sin = Math.sin(angle);
    const cos = Math.cos(angle);
    // What is left of the border is divided by e^{2πd/h}, at least e^24.
    const goal = this.logDelta;
    for (const each of steps) each.restart();
    const point = (u: number): [number, number] => [
      bend.low + middle * Math.cosh(u) * sin,
      middle * Math.sinh(u) * cos,
    ];
    // |M_b| at the end of the panel before, of each step, with its error.
    let before = this.sizesAt(...point(0));
    let width = first;
    let u = 0;
    for (let k = 0; k < MOST_PANELS && !this.spent(); k++) {
      const end = u + width;
      const [a1, b1] = point(u);
      const [a2, b2] = point(end);
      const after = this.sizesAt(a2, b2);
      const chord = Math.hypot(a2 - a1, b2 - b1);
      // How far the hyperbola is from its chord: |t″| ≤ middle·cosh u.
      const off = (width * width * middle * Math.cosh(end)) / 8;
      const normal = (gaussian * (a2 * a2 - b1 * b1 + a2)) / 2;
      let first2 = -epsilon * a1;
      let last2 = -epsilon * a2;
      let rough = -epsilon * a1;
      let swing = off * epsilon;
      let jump = 0;
      let roughJump = 0;
      steps.forEach((each, i) => {
        const { bulk, tail, curvature } = each.box(a1, a2, b1, part);
        const least = Math.min(before[i]!, after[i]!);
        const most = Math.max(before[i]!, after[i]!);
        const bent = (curvature * chord * chord) / 8 + off * (each.drift + Math.hypot(a2, b2) * curvature);
        first2 += each.count * Math.log(before[i]!);
        last2 += each.count * Math.log(after[i]!);
        swing += each.count * (Math.log(most / least) ** 2 / 8 + bent / least);
        rough += each.count * Math.log(bulk);
        jump += each.count * Math.log1p(tail / least);
        roughJump += each.count * Math.log1p(tail / bulk);
      });
      let log = Math.max(first2, last2) + swing;
      if (part === "tail") {
        log += logExpm1(jump * (1 + 1e-12) + 1e-300);
        rough += logExpm1(roughJump * (1 + 1e-12) + 1e-300);
      }
      // Either is sound where it is a number; both hold for every ε that the terms serve.
      if (!(log < rough)) log = rough;
      log += normal + epsilon * a1 + (SERVED_RATIO - 1) * epsilon * (a2 - a1);
      log +=
        Math.log((middle * Math.cosh(end) * width) / (Math.hypot(a1, b1) * Math.hypot(a1 + 1, b1))) + front;
      log += 1e-9 + 1e-12 * Math.abs(log);
      const value = Number.isNaN(log) ? Infinity : log - a1 * epsilon;
      if (value > goal && swing > MOST_SWING && width > first / 500) {
        width = width / 2;
        continue;
      }
      before = after;
      this.borders.push({ log: Number.isNaN(log) ? Infinity : log, a: a1 });
      if (value === Infinity) return;
      // From the start of this panel on, so that it covers what a sum has beyond an integral.
      if (u >= 1) {
        const rest = this.beyond(a1, b1, sin) + front;
        if (rest - a1 * epsilon < goal - 4) {
          this.borders.push({ log: rest, a: a1 });
          return;
        }
      }
      u = end;
      if (value < goal - 6) width = Math.min(0.3, width * 1.3);
      else if (swing < MOST_SWING / 3) width = Math.min(width * 1.3, first * 1.5);
    }
    this.borders.push({ log: Infinity, a: 0 });
  }

  /** |M_b| of each step at a + ib, from above. */
  private sizesAt(a: number, b: number): number[] {
    const sum = newRaySum();
    return this.steps.map((each) => {
      each.at(a, b, this.weight, sum);
      return (Math.hypot(1 + sum.bulkRe, sum.bulkIm) + sum.bulkError) * (1 + 4 * UNIT_ROUNDOFF);
    });
  }

  /** log of a bound for all of the hyperbola above a + ib, without e^{−aε}; Infinity if none is known. */
  private beyond(a: number, b: number, sin: number): number {
    const { steps, gaussian, part } = this;
    const ratio = a / b;
    if (!(ratio < 0.9)) return Infinity;
    if (gaussian > 0 && !(2 * b * (1 - ratio * ratio) > ratio)) return Infinity;
    const least = Math.atan(ratio) * (1 + 1e-9);
    const normal = (gaussian * (a * a - b * b + a)) / 2;
    let spread = 0;
    let mass = 0;
    let absolute = normal;
    let jumps = 0;
    let share = 0;
    for (const each of steps) {
      const plain = each.spreadBeyond(least, (0.3 * sin * this.aim) / (each.count * steps.length));
      spread += each.count * plain.spread;
      mass += each.count * plain.mass;
      const { bulk, tail } = each.best(a, a, b, least);
      absolute += each.count * Math.log(bulk + tail);
      jumps += each.count * tail;
      share += (each.count * tail) / (bulk + tail);
    }
    const least2 = this.aim / SERVED_RATIO;
    const thin = 0.75 * sin * (a * a + b * b);
    const second = absolute - Math.log(least2 * thin) + (part === "tail" ? Math.log(share) : 0);
    const rate = least2 - spread / sin;
    const firstLog =
      rate > 0
        ? normal +
          mass +
          jumps +
          (part === "tail" ? Math.log(jumps) : 0) +
          (spread / sin) * a -
          Math.log(rate * thin)
        : Infinity;
    return Math.min(firstLog, Number.isNaN(second) ? Infinity : second);
  }
}
