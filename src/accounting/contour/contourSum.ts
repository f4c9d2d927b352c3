// The terms of a contour sum, and bounds of what the sum errs by. A contour t(u) = a + ib with nodes u_j = jh gives
//
//   (1/2πi) ∫ G(t)e^{−tε}/(t(t + 1)) dt  ≈  Σ_j Im e^{log_j − a_jε + i(argument_j − b_jε)}:
//
// the two halves are conjugates, so the upper one is enough, and ε enters at the end. That is how one set of terms
// serves all ε near the one that it was made for (docs/math-hyperbolic-contour.md, theorems 4 to 7).
import { UNIT_ROUNDOFF } from "../../math/rounding.js";

/** The strip of the outer rule: from Re t = low, straight, to Re t = high or the hyperbola through it. */
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

/** An error e^{log − aε}: of the rule, or of what is left out. */
export interface ContourBorder {
  readonly log: number;
  readonly a: number;
}

/** Of a sum at one ε. */
export interface ContourValue {
  readonly value: number;
  /** d value/dε. */
  readonly slope: number;
  /** Bound on the value's error; Infinity where nothing is known. */
  readonly error: number;
  /** Σ of the sizes of the terms, which rounding is relative to. */
  readonly size: number;
}

/**
 * The terms of one contour and the bounds that go with them, for every ε within SERVED_RATIO of the one they were made
 * for.
 *
 *   term j   e^{log_j − a_jε + i(argument_j − b_jε)}, of which the imaginary part counts
 *   border   e^{log − aε}: what the rule errs by, or what lies beyond the last node
 */
export class ContourSum {
  private readonly a: number[] = [];
  private readonly b: number[] = [];
  private readonly log: number[] = [];
  private readonly argument: number[] = [];
  private readonly logError: number[] = [];
  protected readonly borders: ContourBorder[] = [];
  /** Work ran out before the terms were complete: nothing is known. */
  protected failed = false;

  constructor(private readonly epsilon: number) {}

  /** One term at t = a + ib; logError: of a bound on what it errs by, without e^{−aε}. */
  protected add(a: number, b: number, log: number, argument: number, logError: number): void {
    this.a.push(a);
    this.b.push(b);
    this.log.push(log);
    this.argument.push(argument);
    this.logError.push(Number.isNaN(logError) ? Infinity : logError);
  }

  /**
   * At ε: Σ Im z_j, z_j = e^{log − aε + i(argument − bε)}, and its derivative −Σ (a Im z + b Re z). Errors: of the terms
   * themselves; u(20 + n/2 + 4(a + b)ε) of each |z| for exp, sin, the angle and the sum; and of the borders.
   */
  at(epsilon: number): ContourValue {
    let value = 0;
    let slope = 0;
    let error = 0;
    let total = 0;
    const { a, b, log, argument, logError } = this;
    for (let j = 0; j < a.length; j++) {
      const size = Math.exp(log[j]! - a[j]! * epsilon);
      const angle = argument[j]! - b[j]! * epsilon;
      const im = size * Math.sin(angle);
      const re = size * Math.cos(angle);
      value += im;
      total += size;
      slope -= a[j]! * im + b[j]! * re;
      error += size * UNIT_ROUNDOFF * (20 + a.length / 2 + 4 * (a[j]! + b[j]!) * epsilon);
      error += Math.exp(logError[j]! - a[j]! * epsilon);
    }
    // Whatever was only bounded.
    for (const border of this.borders) error += Math.exp(border.log - border.a * epsilon);
    if (Math.abs(Math.log(epsilon / this.epsilon)) > Math.log(SERVED_RATIO) || this.failed) error = Infinity;
    return { value, slope, error: error * (1 + 1e-9), size: total };
  }
}
