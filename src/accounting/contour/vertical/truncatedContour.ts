// A vertical contour whose end is found where the bound on its integrand falls for good: of the add direction at low
// sampling rates, and of either where noise is much (docs/math-hyperbolic-contour.md, theorem 8;
// docs/math-truncated-contour.md).
//
//   δ(ε) ≈ (h/2π) Σ_j F(c + ijh)e^{−(c + ijh)ε}/(t(t + 1)),   F(t) = E e^{tL} = e^{gt(t+1)/2}·Π(E e^{tℓ})^T.
//
// Its errors: of the rule, ½π⁻¹·Σ± N(c ± d)/(e^{2πd/h} − 1) with N(c′) ≤ F(c′)e^{−c′ε}π/√(c′(1 + c′)) on both ends of the
// strip; of the end, (1/π)∫_b^∞|F/(t(t + 1))|dv ≤ sup_{v≥b}|F(c + iv)|/(πb); and what each term errs by.
//
//   L   total loss            g   total squared shift of the Gaussians       T   `count` of a step
//   c   Re t on the line      h   distance of the nodes (`step`)             d   half the width of the strip
//
// Why: for c > 0 the integrand is analytic in the strip between Re t = c − d and c + d, and the residues of cot give the
// rule's error by the integrals along both of its borders. On each of these F is the transform of a positive measure, so
// |F(c′ + iv)| ≤ F(c′), and ∫|dt/(t(t + 1))| ≤ π/√(c′(1 + c′)) (Cauchy–Schwarz): one real moment bounds a whole border.
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

/**
 * log E e^{cL} of the total loss by the rule alone.
 *
 * No error is added: it places lines.
 */
export function roughLogUprightMoment(steps: readonly UprightStep[], gaussian: number, c: number): number {
  const moment = { re: 0, im: 0, error: 0 };
  let log = (gaussian * c * (c + 1)) / 2;
  for (const step of steps) {
    step.moment(c, 0, moment);
    log += step.count * Math.log1p(moment.re);
  }
  return log;
}

/**
 * log E e^{cL} of the total loss at real c, from above.
 *
 * gc(c + 1)/2 + ΣT log(1 + (E e^{cℓ} − 1) + error), with 1e-9 of it, and 1e-9, for rounding; Infinity where a moment is
 * not known.
 */
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

/**
 * δ(ε) ≤ E e^{cL} e^{−cε} β(c): log of that without e^{−cε}.
 *
 * β(c) = sup_y (1 − e^{−y})₊e^{−cy} (theorem 2 of docs/math-contour.md); 1e-9 covers its rounding.
 */
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

/**
 * The line Re t = c in the middle of its strip, with terms at t = c + ijh, j ≥ 0, and all that their sum errs by.
 *
 * h = 2πd/(log N − log δ + digits): then N e^{−2πd/h} is e^−digits of δ, N the larger of both borders' integrals.
 */
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
    // On both borders of the strip the measure's own transform at the real point bounds all. log of N(c′)/2π without
    // e^{−c′ε}, on the borders c′ = low and c′ = high.
    const border = (at: number): number =>
      logUprightMoment(steps, gaussian, at) +
      Math.log(Math.PI) -
      0.5 * Math.log(at * (1 + at)) -
      Math.log(2 * Math.PI);
    const left = border(low);
    const right = border(high);
    const needed = Math.max(left - epsilon * low, right - epsilon * high) - logDelta + (certified ? 31 : 22);
    this.step = (2 * Math.PI * half) / Math.max(24, Math.min(1e3, needed));
    // Each border's integral is divided by e^{2πd/h} − 1.
    const damping = Math.log(Math.expm1((2 * Math.PI * half) / this.step));
    this.borders.push({ log: left - damping, a: low }, { log: right - damping, a: high });
    for (const step of steps) step.restart();
    this.placeNodes();
  }

  /**
   * Nodes until the integrand is negligible, and is known to stay so.
   *
   * The term is (h/π)·F(t)i/(t(t + 1)), of whose product with e^{−tε} the imaginary part is taken: the lower half is
   * the conjugate of the upper, so each node counts twice, and the one at b = 0 once. Quiet terms are below e^−40 of δ
   * (an estimate: e^−25); after two in a row the rest of the line must be proven to be below e^−33 of it, by a bound
   * that falls with b for good.
   */
  private placeNodes(): void {
    const { c, step, certified, problem } = this;
    const { steps, gaussian, epsilon, logDelta } = problem;
    const goal = logDelta - (certified ? 40 : 25);
    const moment = { re: 0, im: 0, error: 0 };
    let quietNodes = 0;
    for (let j = 0; ; j++) {
      const b = j * step;
      // gt(t + 1)/2, real and imaginary part; then T log(1 + m) of each step, by log1p of |1 + m|² − 1.
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
      // The relative error of e^{log + i·argument}.
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

  /**
   * log of a bound of |F| at every t = c + iv, v ≥ b.
   *
   * |e^{gt(t+1)/2}| = e^{g(c² − v² + c)/2} falls with v, and the steps' bounds hold for all v ≥ b by themselves.
   */
  private logFarSize(b: number): number {
    const { c } = this;
    const { steps, gaussian } = this.problem;
    let log = (gaussian * (c * c - b * b + c)) / 2;
    for (const step of steps) log += step.count * Math.log(step.farSize(c, b));
    return log;
  }

  /**
   * log of (1/π)∫_b^∞ |F/(t(t + 1))|, where the sizes fall with b for good.
   *
   * |1/(t(t + 1))| ≤ 1/v², and ∫_b^∞ dv/v² = 1/b; both halves, over 2π.
   */
  private beyond(b: number): number {
    const rest = this.logFarSize(b) - Math.log(Math.PI * b);
    return Number.isNaN(rest) ? Infinity : rest;
  }
}
