// The contour integral on a hyperbola that bends to the right, where e^{−tε} falls exponentially: one part of δ, with
// every error bounded (docs/math-bent.md, theorems 4 to 6).
import { UNIT } from "./mixture.js";
import { newSum, type Rotated } from "./rotated.js";

/** "bulk": no loss is cut off; "tail": at least one is. */
export type Part = "bulk" | "tail";

/** The strip of the outer rule: from Re t = low, straight, to the hyperbola through `high`. */
export interface Bend {
  readonly low: number;
  readonly high: number;
}

/** Angles from the vertical of the contour and of the right border of its strip. */
const ANGLE = 0.16;
const BORDER = 0.32;
const MOST_NODES = 2000;
const MOST_PANELS = 1500;
/** The contour serves ε within this factor of the one it was made for. */
export const SERVES = 1.1;

/** log(e^x − 1), x > 0. */
const logExpm1 = (x: number): number => (x > 30 ? x : Math.log(Math.expm1(x)));

export class BentContour {
  private readonly step: number;
  private readonly middle: number;
  private readonly a: number[] = [];
  private readonly b: number[] = [];
  private readonly log: number[] = [];
  private readonly turn: number[] = [];
  private readonly logOff: number[] = [];
  /** log of bounds and the least Re t they hold for: Σ e^{log − aε}. */
  private readonly borders: { readonly log: number; readonly a: number }[] = [];
  private readonly angle: number;
  private readonly border: number;
  private readonly weight: number;

  constructor(
    private readonly steps: readonly Rotated[],
    private readonly gaussian: number,
    private readonly part: Part,
    private readonly bend: Bend,
    private readonly epsilon: number,
    private readonly logDelta: number,
    certified: boolean,
    finer: number,
  ) {
    const scale = Math.min(...steps.map((each) => each.scale));
    this.angle = ANGLE * scale;
    this.border = BORDER * scale;
    const { low, high } = bend;
    this.middle = (high - low) / Math.sin(this.border);
    this.weight = part === "tail" ? Math.exp(Math.min(600, -logDelta)) : 0;
    const left = this.logReal(low);
    const right = this.logReal(high);
    const digits = certified ? 31 : 22;
    const need = (log: number): number => Math.max(24, log - epsilon - logDelta + digits);
    this.step =
      Math.min(
        (2 * Math.PI * this.angle) / need(left - epsilon * low + epsilon + 1),
        (2 * Math.PI * (this.border - this.angle)) / need(right - epsilon * high + epsilon + 4),
      ) / finer;
    for (const each of steps) each.restart();
    const end = this.placeNodes(certified);
    if (!certified) return;
    const { step } = this;
    const logPi = -Math.log(2 * Math.PI);
    // The rule: on the left border |G| ≤ G(low), on the right by panels, both halves of it.
    this.borders.push({ log: left + logPi - logExpm1((2 * Math.PI * this.angle) / step), a: low });
    const damped = Math.log(2) + logPi - logExpm1((2 * Math.PI * (this.border - this.angle)) / step);
    this.panels(this.border, 0, 0.06, damped);
    // What the sum leaves out, both halves of it.
    this.panels(this.angle, end, Math.max(1, Math.round(0.06 / step)) * step, Math.log(2) + logPi);
  }

  /** log of G(c)·∫|dt/(t(t + 1))| along Re t = c, from above. */
  private logReal(c: number): number {
    const sum = newSum();
    let log = (this.gaussian * c * (c + 1)) / 2;
    let jump = 0;
    for (const each of this.steps) {
      each.restart();
      each.at(c, 0, this.weight, sum);
      const bulk = Math.log1p(sum.bulkRe + sum.bulkError);
      log += each.count * bulk;
      jump += each.count * Math.log1p((Math.max(0, sum.tailRe) + sum.tailError) / (1 + sum.bulkRe - sum.bulkError));
    }
    if (this.part === "tail") log += logExpm1(jump * (1 + 1e-9) + 1e-300);
    log += Math.log(Math.PI) - 0.5 * Math.log(c * (1 + c)) + 1e-9 * (1 + Math.abs(log));
    return Number.isNaN(log) ? Infinity : log;
  }

  /** Nodes until the integrand is negligible; returns where the next one would stand. */
  private placeNodes(certified: boolean): number {
    const { steps, part, gaussian, step, middle, bend, epsilon, logDelta } = this;
    const goal = logDelta - (certified ? 40 : 25);
    const sum = newSum();
    let quiet = 0;
    let j = 0;
    for (; j < MOST_NODES && quiet < 3; j++) {
      const u = j * step;
      const cosh = Math.cosh(u);
      const sinh = Math.sinh(u);
      const a = bend.low + middle * cosh * Math.sin(this.angle);
      const b = middle * sinh * Math.cos(this.angle);
      let log = (gaussian * (a * a - b * b + a)) / 2;
      let turn = (gaussian * (2 * a * b + b)) / 2;
      let off = UNIT * 8 * gaussian * (a * a + b * b + a);
      let jump = 0;
      let jumpTurn = 0;
      let jumpOff = 0;
      let worst = log;
      for (const each of steps) {
        each.at(a, b, this.weight, sum);
        const T = each.count;
        const { bulkRe, bulkIm, bulkError, tailRe, tailIm, tailError } = sum;
        const re = 1 + bulkRe;
        const size2 = re * re + bulkIm * bulkIm;
        const size = Math.sqrt(size2);
        log += 0.5 * T * Math.log1p(2 * bulkRe + bulkRe * bulkRe + bulkIm * bulkIm);
        turn += T * Math.atan2(bulkIm, re);
        worst += T * Math.log(size + bulkError + Math.hypot(tailRe, tailIm) + tailError);
        off += size > 2 * bulkError ? T * -Math.log1p(-bulkError / size) : Infinity;
        if (part === "bulk") continue;
        const ur = (tailRe * re + tailIm * bulkIm) / size2;
        const ui = (tailIm * re - tailRe * bulkIm) / size2;
        const u2 = Math.hypot(ur, ui);
        const du = (tailError + u2 * bulkError) / (size - bulkError) + 8 * UNIT * u2;
        const near = Math.hypot(1 + ur, ui) - du;
        jump += 0.5 * T * Math.log1p(2 * ur + ur * ur + ui * ui);
        jumpTurn += T * Math.atan2(ui, 1 + ur);
        jumpOff += near > 0 ? (T * du) / near : Infinity;
      }
      let relative = Math.expm1(Math.min(700, off)) + UNIT * (30 + 4 * Math.abs(log) + 6 * Math.abs(turn));
      if (part === "tail") {
        const half = Math.sin(jumpTurn / 2);
        const e = Math.exp(jump);
        const re = Math.expm1(jump) * Math.cos(jumpTurn) - 2 * half * half;
        const im = e * Math.sin(jumpTurn);
        const size = Math.hypot(re, im);
        jumpOff += UNIT * 6 * (Math.abs(jump) + Math.abs(jumpTurn));
        relative += (e * Math.expm1(Math.min(700, jumpOff))) / size + 12 * UNIT;
        relative *= 1 + relative;
        log += Math.log(size);
        turn += Math.atan2(im, re);
      }
      // t′/(t(t + 1)), the first node half.
      const dr = middle * sinh * Math.sin(this.angle);
      const di = middle * cosh * Math.cos(this.angle);
      const qr = a * a - b * b + a;
      const qi = 2 * a * b + b;
      const front = 0.5 * Math.log((dr * dr + di * di) / (qr * qr + qi * qi)) + Math.log((j === 0 ? 0.5 : 1) * step) - Math.log(Math.PI);
      log += front;
      turn += Math.atan2(di, dr) - Math.atan2(qi, qr);
      let logOff = log + Math.log(relative);
      if (!(relative < 1) || Number.isNaN(log) || Number.isNaN(turn)) {
        // Nothing is known of it but its size.
        logOff = worst + front + Math.LN2;
        log = -Infinity;
        turn = 0;
      }
      this.a.push(a);
      this.b.push(b);
      this.log.push(log);
      this.turn.push(turn);
      this.logOff.push(Number.isNaN(logOff) ? Infinity : logOff);
      quiet = Math.max(log, logOff) - a * epsilon < goal ? quiet + 1 : 0;
    }
    return j * step;
  }

  /** Adds bounds of ∫|G e^{−tε} t′/(t(t + 1))| du along the hyperbola of that angle from u on, times e^front. */
  private panels(angle: number, start: number, first: number, front: number): void {
    const { steps, part, gaussian, middle, bend, epsilon } = this;
    const sin = Math.sin(angle);
    const cos = Math.cos(angle);
    const goal = this.logDelta - 31;
    const sum = newSum();
    for (const each of steps) each.restart();
    let width = first;
    let u = start;
    for (let k = 0; k < MOST_PANELS; k++) {
      const end = u + width;
      const at = (v: number): [number, number] => [bend.low + middle * Math.cosh(v) * sin, middle * Math.sinh(v) * cos];
      const [a1, b1] = at(u);
      const [a2, b2] = at(end);
      const [a, b] = at(u + width / 2);
      const distance = Math.hypot(Math.max(a - a1, a2 - a), Math.max(b - b1, b2 - b)) * (1 + 1e-12);
      let log = (gaussian * (a2 * a2 - b1 * b1 + a2)) / 2;
      let jump = 0;
      let swing = 0;
      for (const each of steps) {
        each.at(a, b, this.weight, sum);
        const { bulk, tail, curvature } = each.box(a1, a2, b1);
        const move = distance * (each.drift + Math.hypot(a2, b2) * curvature);
        const middleSize = Math.hypot(1 + sum.bulkRe, sum.bulkIm) * (1 + 4 * UNIT);
        const size = Math.min(bulk, middleSize + sum.bulkError + move) * (1 + 4 * UNIT);
        log += each.count * Math.log(size);
        jump += each.count * Math.log1p(tail / size);
        swing += (each.count * move) / middleSize;
      }
      if (part === "tail") log += logExpm1(jump * (1 + 1e-12) + 1e-300);
      log += Math.log((middle * Math.cosh(end) * width) / (Math.hypot(a1, b1) * Math.hypot(a1 + 1, b1))) + front;
      log += 1e-9 + 1e-12 * Math.abs(log);
      const value = Number.isNaN(log) ? Infinity : log - a1 * epsilon;
      if (value > goal && swing > 1 && width > first / 30 && start === 0) {
        width /= 2;
        continue;
      }
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
      if (value < goal - 6) width = start === 0 ? Math.min(0.3, width * 1.3) : width;
      else if (swing < 0.3 && start === 0) width = Math.min(width * 1.2, first * 1.5);
    }
    this.borders.push({ log: Infinity, a: 0 });
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
      const plain = each.spreadBeyond(least);
      spread += each.count * plain.spread;
      mass += each.count * plain.mass;
      const { bulk, tail } = each.best(a, a, b, least);
      absolute += each.count * Math.log(bulk + tail);
      jumps += each.count * tail;
      share += (each.count * tail) / (bulk + tail);
    }
    const least2 = this.epsilon / SERVES;
    const thin = 0.75 * sin * (a * a + b * b);
    const second = absolute - Math.log(least2 * thin) + (part === "tail" ? Math.log(share) : 0);
    const rate = least2 - spread / sin;
    const firstLog =
      rate > 0
        ? normal + mass + jumps + (part === "tail" ? Math.log(jumps) : 0) + (spread / sin) * a - Math.log(rate * thin)
        : Infinity;
    return Math.min(firstLog, Number.isNaN(second) ? Infinity : second);
  }

  /** This part of δ(ε), its derivative, and a bound on the error of the first. */
  at(epsilon: number): { value: number; slope: number; error: number } {
    let value = 0;
    let slope = 0;
    let error = 0;
    const { a, b, log, turn, logOff } = this;
    for (let j = 0; j < a.length; j++) {
      const size = Math.exp(log[j]! - a[j]! * epsilon);
      const angle = turn[j]! - b[j]! * epsilon;
      const im = size * Math.sin(angle);
      const re = size * Math.cos(angle);
      value += im;
      slope -= a[j]! * im + b[j]! * re;
      error += size * UNIT * (20 + a.length / 2 + 4 * (a[j]! + b[j]!) * epsilon);
      error += Math.exp(logOff[j]! - a[j]! * epsilon);
    }
    for (const border of this.borders) error += Math.exp(border.log - border.a * epsilon);
    if (Math.abs(Math.log(epsilon / this.epsilon)) > Math.log(SERVES)) error = Infinity;
    return { value, slope, error: error * (1 + 1e-9) };
  }

  get nodes(): number {
    return this.a.length;
  }
}
