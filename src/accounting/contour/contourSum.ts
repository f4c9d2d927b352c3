// The terms of a contour sum, each e^{log − aε + i(turn − bε)}, and bounds of what the sum errs by.
import { UNIT_ROUNDOFF } from "../../math/rounding.js";

/** The strip of the outer rule: from Re t = low, straight, to the hyperbola through `high`. */
export interface Strip {
  readonly low: number;
  readonly high: number;
}

/** What a question may still cost, in nodes. */
export interface NodeBudget {
  left: number;
}

/** "bulk": no loss is cut off; "tail": at least one is. */
export type LossPart = "bulk" | "tail";

/** The terms serve ε within this factor of the one they were made for. */
export const SERVED_RATIO = 1.1;

export class ContourSum {
  readonly a: number[] = [];
  readonly b: number[] = [];
  readonly log: number[] = [];
  readonly turn: number[] = [];
  readonly logOff: number[] = [];
  /** Errors of the rule and of what is left out: Σ e^{log − aε}. */
  readonly borders: { readonly log: number; readonly a: number }[] = [];
  failed = false;

  constructor(private readonly epsilon: number) {}

  /** logOff: of what the term errs by. */
  protected add(a: number, b: number, log: number, turn: number, logOff: number): void {
    this.a.push(a);
    this.b.push(b);
    this.log.push(log);
    this.turn.push(turn);
    this.logOff.push(Number.isNaN(logOff) ? Infinity : logOff);
  }

  /** The sum of imaginary parts, its derivative, a bound on its error, and the sum of the sizes of its terms. */
  at(epsilon: number): { value: number; slope: number; error: number; size: number } {
    let value = 0;
    let slope = 0;
    let error = 0;
    let total = 0;
    const { a, b, log, turn, logOff } = this;
    for (let j = 0; j < a.length; j++) {
      const size = Math.exp(log[j]! - a[j]! * epsilon);
      const angle = turn[j]! - b[j]! * epsilon;
      const im = size * Math.sin(angle);
      const re = size * Math.cos(angle);
      value += im;
      total += size;
      slope -= a[j]! * im + b[j]! * re;
      error += size * UNIT_ROUNDOFF * (20 + a.length / 2 + 4 * (a[j]! + b[j]!) * epsilon);
      error += Math.exp(logOff[j]! - a[j]! * epsilon);
    }
    for (const border of this.borders) error += Math.exp(border.log - border.a * epsilon);
    if (Math.abs(Math.log(epsilon / this.epsilon)) > Math.log(SERVED_RATIO) || this.failed) error = Infinity;
    return { value, slope, error: error * (1 + 1e-9), size: total };
  }
}
