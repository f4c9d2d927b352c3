// A vertical contour whose end is found where the bound on its integrand falls for good: of the add direction at low
// sampling rates, and of either where noise is much (docs/math-hyperbolic-contour.md, theorem 8;
// docs/math-truncated-contour.md).
//
//   δ(ε) ≈ (h/2π) Σ_j F(c + ijh)e^{−(c + ijh)ε}/(t(t + 1)),   F(t) = E e^{tL} = e^{gt(t+1)/2}·Π(E e^{tℓ})^T.
//
// Its errors: of the rule, ½π⁻¹·Σ± N(c ± d)/(e^{2πd/h} − 1) with N(c′) ≤ F(c′)e^{−c′ε}π/√(c′(1 + c′)) on both ends of the
// strip; of the end, (1/π)∫_b^∞|F/(t(t + 1))|dv ≤ sup_{v≥b}|F(c + iv)|/(πb); and what each term errs by.
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";
import { logSupremum } from "../../hockeyStickSupremum.js";
import { ContourSum, type NodeBudget, type Strip } from "../contourSum.js";

const MAXIMUM_NODES = 3000;

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

/** log E e^{cL} of the total loss by the rule alone. */
export function roughLogUprightMoment(steps: readonly UprightStep[], gaussian: number, c: number): number {
  const moment = { re: 0, im: 0, error: 0 };
  let log = (gaussian * c * (c + 1)) / 2;
  for (const step of steps) {
    step.moment(c, 0, moment);
    log += step.count * Math.log1p(moment.re);
  }
  return log;
}

/** log E e^{cL} of the total loss at real c, from above. */
export function logUprightMoment(steps: readonly UprightStep[], gaussian: number, c: number): number {
  const moment = { re: 0, im: 0, error: 0 };
  let log = (gaussian * c * (c + 1)) / 2;
  for (const step of steps) {
    step.restart();
    step.moment(c, 0, moment);
    log += step.count * Math.log1p(moment.re + moment.error);
  }
  return Number.isNaN(log) ? Infinity : log + 1e-9 * (1 + Math.abs(log));
}

/** δ(ε) ≤ E e^{cL} e^{−cε} β(c): log of that without e^{−cε}. */
export function logUprightBound(steps: readonly UprightStep[], gaussian: number, c: number): number {
  return logUprightMoment(steps, gaussian, c) + logSupremum(c) + 1e-9;
}

/** What is integrated, near one ε. */
export interface UprightProblem {
  readonly steps: readonly UprightStep[];
  /** Total squared shift of the Gaussians composed with the steps. */
  readonly gaussian: number;
  readonly epsilon: number;
  /** log of what δ is near. */
  readonly logDelta: number;
}

export class UprightContour extends ContourSum {
  /** Re t on the line; the distance of its nodes. */
  private readonly c: number;
  private readonly step: number;

  /** certified: with all bounds; otherwise only as many terms as an estimate needs. */
  constructor(
    private readonly problem: UprightProblem,
    { low, high }: Strip,
    private readonly certified: boolean,
  ) {
    super(problem.epsilon);
    const { steps, gaussian, epsilon, logDelta } = problem;
    this.c = (low + high) / 2;
    const half = (high - low) / 2;
    // On both borders of the strip the measure's own transform at the real point bounds all.
    const border = (at: number): number =>
      logUprightMoment(steps, gaussian, at) +
      Math.log(Math.PI) -
      0.5 * Math.log(at * (1 + at)) -
      Math.log(2 * Math.PI);
    const left = border(low);
    const right = border(high);
    const needed = Math.max(left - epsilon * low, right - epsilon * high) - logDelta + (certified ? 31 : 22);
    this.step = (2 * Math.PI * half) / Math.max(24, Math.min(1e3, needed));
    const damping = Math.log(Math.expm1((2 * Math.PI * half) / this.step));
    this.borders.push({ log: left - damping, a: low }, { log: right - damping, a: high });
    for (const step of steps) step.restart();
    this.placeNodes();
  }

  /** Nodes until the integrand is negligible, and is known to stay so. */
  private placeNodes(): void {
    const { c, step, certified, problem } = this;
    const { steps, gaussian, epsilon, logDelta } = problem;
    const goal = logDelta - (certified ? 40 : 25);
    const moment = { re: 0, im: 0, error: 0 };
    let quietNodes = 0;
    for (let j = 0; ; j++) {
      const b = j * step;
      let log = (gaussian * (c * c - b * b + c)) / 2;
      let argument = (gaussian * (2 * c * b + b)) / 2;
      // Of log F: T log(1 + m) errs by at most −T log1p(−error/|1 + m|).
      let error = UNIT_ROUNDOFF * 8 * gaussian * (c * c + b * b + c);
      for (const one of steps) {
        one.moment(c, b, moment);
        const { re, im } = moment;
        const modulus = Math.hypot(1 + re, im);
        log += 0.5 * one.count * Math.log1p(2 * re + re * re + im * im);
        argument += one.count * Math.atan2(im, 1 + re);
        error += modulus > 2 * moment.error ? -one.count * Math.log1p(-moment.error / modulus) : Infinity;
      }
      const relativeError =
        Math.expm1(Math.min(700, error)) + UNIT_ROUNDOFF * (30 + 4 * Math.abs(log) + 6 * Math.abs(argument));
      // (h/π)·t′/(t(t + 1)), t′ = i; the first node half.
      const kernelRe = c * c - b * b + c;
      const kernelIm = 2 * c * b + b;
      const front =
        Math.log(((j === 0 ? 0.5 : 1) * step) / Math.PI) -
        0.5 * Math.log(kernelRe * kernelRe + kernelIm * kernelIm);
      argument += Math.PI / 2 - Math.atan2(kernelIm, kernelRe);
      log += front;
      let logError = log + Math.log(relativeError);
      if (!(relativeError < 1) || Number.isNaN(log) || Number.isNaN(argument)) {
        // Nothing is known of it but its size.
        logError = this.logFarSize(b) + front + Math.LN2;
        log = -Infinity;
        argument = 0;
      }
      this.add(c, b, log, argument, logError);
      quietNodes = Math.max(log, logError) - c * epsilon < goal ? quietNodes + 1 : 0;
      // Work has run out, or not even the size of a term is known.
      if (!(steps[0]!.budget.left > 0 && logError < Infinity)) {
        this.failed = true;
        return;
      }
      if (quietNodes < 2 && j < MAXIMUM_NODES) continue;
      if (!certified) return;
      const rest = this.beyond(b);
      if (rest - c * epsilon < logDelta - 33 || j >= MAXIMUM_NODES) {
        this.borders.push({ log: rest, a: c });
        return;
      }
    }
  }

  /** log of a bound of |F| at every t = c + iv, v ≥ b. */
  private logFarSize(b: number): number {
    const { c } = this;
    const { steps, gaussian } = this.problem;
    let log = (gaussian * (c * c - b * b + c)) / 2;
    for (const step of steps) log += step.count * Math.log(step.farSize(c, b));
    return log;
  }

  /** log of (1/π)∫_b^∞ |F/(t(t + 1))|, where the sizes fall with b for good. */
  private beyond(b: number): number {
    const rest = this.logFarSize(b) - Math.log(Math.PI * b);
    return Number.isNaN(rest) ? Infinity : rest;
  }
}
