// The contour integral on a hyperbola that bends to the right, where e^{−tε} falls exponentially: one part of δ, with
// every error bounded (docs/math-hyperbolic-contour.md, theorems 4 to 7) [WeidemanTrefethen2007].
//
//   δ_part(ε) = (1/2π) ∫ G(t)e^{−tε} t′/(it(t + 1)) du,   t(u) = low + m(sin α cosh u + i cos α sinh u),
//
//   G = e^{gt(t+1)/2}·ΠM_b^T for the bulk, e^{gt(t+1)/2}·ΠM_b^T·expm1(ΣT log1p(M_s/M_b)) for the tail.
//
// The rule of step h in u errs by at most (theorem 4)
//
//   (1/2π)[N(0)/(e^{2πα/h} − 1) + N(β)/(e^{2π(β−α)/h} − 1)],   N(φ) = ∫|G e^{−tε}t′/(t(t + 1))| du on the member φ:
//
// N(0) is of the line Re t = low (`logReal`), N(β) of the right border, by panels.
//
// Why: t(u + iv) is the member of angle α − v, so the integrand is analytic in the strip −(β − α) < v < α; the poles at 0
// and −1 stay to the left of it. G is bounded there, since on a ray of angle above β the moments tend to 0 as b grows, and
// the kernel falls like |t|^−2: residues of cot give the error. On Re t = low G belongs to a positive measure, so
// |G| ≤ G(low) and one real moment bounds the whole left border.
//
//   M_b, M_s  E[χe^{tℓ}], E[(1 − χ)e^{tℓ}] of one step     T  how often it is taken
//   g         total squared shift of the Gaussians          α, β  angles of the contour and of the right border
//
//   low, m    where the family crosses the real line, and its scale: Re t = low + m sin φ at u = 0 (`family`)
//   h         step of the rule in u (`step`)            χ   the cutoff (`lossCutoff.ts`)
//   ε, δ      what is asked for, and near (`epsilon`, `logDelta`)
//
// What a value errs by, all of it on both sides: each term's own error (theorem 7), both borders of the rule's strip
// (theorems 4 and 5), and what lies beyond the last node (theorem 6). They are kept as e^{log − aε}, so that one set of
// terms serves all ε nearby.
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";
import { realLessOne } from "../complexRounding.js";
import { ContourSum, type LossPart, type Strip } from "../contourSum.js";
import {
  type ContourProblem,
  type HyperbolaFamily,
  HyperbolicBounds,
  logExpm1,
  tailWeight,
} from "./hyperbolicBounds.js";
import type { RaySum } from "./lossRay.js";
import { newRaySum, type RotatedMgf } from "./rotatedMgf.js";

/** α and β for σ ≤ 2.5: angles from the vertical of the contour and of the right border of its strip. */
const CONTOUR_ANGLE = 0.15;
const BORDER_ANGLE = 0.3;
const MAXIMUM_NODES = 2000;
/** log(e^x − 1) of 0 is −∞; this keeps it a number. */
const TINY = 1e-300;

/**
 * log G(c) of a part at real c > 0, from above; Infinity where it is not known:
 * gc(c + 1)/2 + ΣT log M_b(c), and for the tail + log expm1(ΣT log1p(M_s/M_b)).
 *
 * At real c all of M_b, M_s are positive, so no complex logarithm is needed; each is taken with its error added, and
 * M_b with its error subtracted where it divides. Where that leaves nothing, M_s/M_b is not bounded, and the answer is
 * Infinity. 1e-9 of the logarithm, and 1e-9 itself, are added for rounding.
 */
export function logMoment(steps: readonly RotatedMgf[], gaussian: number, part: LossPart, c: number): number {
  const sum = newRaySum();
  let log = (gaussian * c * (c + 1)) / 2;
  let jump = 0;
  for (const step of steps) {
    step.restart();
    step.at(c, 0, part === "tail" ? 1 : 0, sum);
    log += step.count * Math.log1p(sum.bulkRe + sum.bulkError);
    // log1p(M_s/M_b), from above: M_s by its upper end, M_b by its lower one.
    const leastBulk = 1 + sum.bulkRe - sum.bulkError;
    jump +=
      leastBulk > 0
        ? step.count * Math.log1p((Math.max(0, sum.tailRe) + sum.tailError) / leastBulk)
        : Infinity;
  }
  if (part === "tail") log += logExpm1(jump * (1 + 1e-9) + TINY);
  log += 1e-9 * (1 + Math.abs(log));
  return Number.isNaN(log) ? Infinity : log;
}

/**
 * The same by the rule alone: where to integrate, nothing rests on it.
 *
 * No errors are added and nothing is checked: for placing contours by, at real c on the real ray.
 */
export function roughLogMoment(
  steps: readonly RotatedMgf[],
  gaussian: number,
  part: LossPart,
  c: number,
): number {
  const sum = newRaySum();
  let log = (gaussian * c * (c + 1)) / 2;
  let jump = 0;
  for (const step of steps) {
    step.real(c, sum);
    log += step.count * Math.log1p(sum.bulkRe);
    jump += step.count * Math.log1p(sum.tailRe / (1 + sum.bulkRe));
  }
  if (part === "tail") log += jump > 30 ? jump : Math.log(Math.expm1(jump) + 1e-320);
  return log;
}

/**
 * log of a complex number, with a bound on its relative error, and log of a bound of its size whatever that is.
 *
 * log + i·argument; the number is e^{log + i·argument} but for a share of relativeError. logSize bounds log of its
 * modulus even where relativeError is 1 or more.
 */
interface ComplexLog {
  readonly log: number;
  readonly argument: number;
  readonly relativeError: number;
  readonly logSize: number;
}

/**
 * One part of δ, on the hyperbola of angle α through low + m sin α: terms at the nodes u_j = jh, j ≥ 0, and everything
 * that their sum errs by.
 *
 * The step follows from both borders: with N the border's integral and d the angle between it and the contour (α on the
 * left, β − α on the right), N e^{−2πd/h} is to be e^−digits of δ, so that h = 2πd/(log N − log δ + digits); the
 * smaller of both is taken.
 */
export class HyperbolicContour extends ContourSum {
  readonly part: LossPart;
  private readonly step: number;
  private readonly angle: number;
  private readonly family: HyperbolaFamily;
  private readonly bounds: HyperbolicBounds;
  private readonly weight: number;
  private readonly sum: RaySum = newRaySum();

  /** certified: with all bounds; otherwise only as many terms as an estimate needs. */
  constructor(
    private readonly problem: ContourProblem,
    strip: Strip,
    private readonly certified: boolean,
  ) {
    super(problem.epsilon);
    const { steps, part, epsilon, logDelta } = problem;
    this.part = part;
    this.weight = tailWeight(problem);
    const scale = Math.min(...steps.map((step) => step.scale));
    this.angle = CONTOUR_ANGLE * scale;
    const borderAngle = BORDER_ANGLE * scale;
    // The strip of the rule lies between the line Re t = low, the member of angle 0, and the member of angle β, which
    // crosses the real line at `high` = low + m sin β; the contour is the member of angle α between them.
    const { low } = strip;
    let { high } = strip;
    const logFront = -Math.log(2 * Math.PI);
    // On the left border |G| ≤ G(low); on the right, both halves of it, by panels.
    const left = this.logReal(low) + logFront;
    let right = this.logReal(high);
    // The right border is drawn in until its real moment, where it crosses the axis, is no more than e^3 times that of the
    // left one, or e^60 times δ: the border's integral grows with it, and is divided by e^{2πd/h} only.
    for (
      let k = 0;
      k < 20 && !(right - epsilon * high < Math.max(left - epsilon * low + 3, logDelta + 60));
      k++
    ) {
      high = low + 0.8 * (high - low);
      right = this.logReal(high);
    }
    // m from high = low + m sin β.
    this.family = { low, m: (high - low) / Math.sin(borderAngle) };
    this.bounds = new HyperbolicBounds(problem, this.family);
    right += logFront - epsilon * high + 8;
    // Both halves of the border count, hence log 2, and 1/2π.
    const panels = certified ? this.bounds.panels(borderAngle, 0.06, Math.log(2) + logFront) : [];
    // The bound of the whole border at the ε asked for, which decides the step; every panel stands for other ε too.
    if (certified) {
      const logs = panels.map((panel) => panel.log - panel.a * epsilon);
      const largest = Math.max(...logs);
      right = largest + Math.log(logs.reduce((total, log) => total + Math.exp(log - largest), 0));
    }
    // The rule divides each border by e^{2πd/h}; so many digits are asked of it. e^−30 of δ is 1e-13 of it; an estimate
    // is content with e^−22.
    const digits = certified ? 30 : 22;
    const needed = (log: number): number => Math.max(24, Math.min(1e3, log - logDelta + digits));
    const toLeft = this.angle;
    const toRight = borderAngle - toLeft;
    this.step = 2 * Math.PI * Math.min(toLeft / needed(left - epsilon * low + 1), toRight / needed(right));
    // N(0)/(e^{2πα/h} − 1) and N(β)/(e^{2π(β−α)/h} − 1), as theorem 4 has them.
    const damping = -logExpm1((2 * Math.PI * toRight) / this.step);
    for (const { log, a } of panels) this.borders.push({ log: log + damping, a });
    this.borders.push({ log: left - logExpm1((2 * Math.PI * toLeft) / this.step), a: low });
    for (const step of steps) step.restart();
    this.placeNodes();
  }

  /** log of G(c)·∫|dt/(t(t + 1))| along Re t = c, from above: the integral is at most π/√(c(c + 1)) (Cauchy–Schwarz). */
  private logReal(c: number): number {
    const { steps, gaussian, part } = this.problem;
    return logMoment(steps, gaussian, part, c) + Math.log(Math.PI) - 0.5 * Math.log(c * (1 + c));
  }

  /**
   * Nodes until the integrand is negligible, and is known to stay so (theorem 6).
   *
   * The term at t = a + ib is (h/π)·G(t)t′/(t(t + 1)), of whose value times e^{−tε} the imaginary part is taken: both
   * halves of the contour are conjugates, so the upper half counts twice, and the node on the real line once.
   *
   *   t′ = m(sinh u sin α + i cosh u cos α)     (`slopeRe`, `slopeIm`)
   *   t(t + 1) = a² − b² + a + i(2ab + b)       (`kernelRe`, `kernelIm`)
   *
   * An estimate stops when three terms in a row are below e^−25 of δ. A proof stops no earlier than where what `beyond`
   * says of the rest is below e^−33 of δ, or at MAXIMUM_NODES, with whatever it says there.
   */
  private placeNodes(): void {
    const { certified, step, family, problem } = this;
    const { epsilon, logDelta } = problem;
    const { low, m } = family;
    const sin = Math.sin(this.angle);
    const cos = Math.cos(this.angle);
    const goal = logDelta - (certified ? 40 : 25);
    let quietNodes = 0;
    for (let j = 0; ; j++) {
      const u = j * step;
      const cosh = Math.cosh(u);
      const sinh = Math.sinh(u);
      // t(u) = a + ib.
      const a = low + m * cosh * sin;
      const b = m * sinh * cos;
      const transform = this.transformAt(a, b);
      let { log, argument } = transform;
      // (h/π)·t′/(t(t + 1)), the first node half.
      const slopeRe = m * sinh * sin;
      const slopeIm = m * cosh * cos;
      const kernelRe = a * a - b * b + a;
      const kernelIm = 2 * a * b + b;
      const front =
        0.5 *
          Math.log((slopeRe * slopeRe + slopeIm * slopeIm) / (kernelRe * kernelRe + kernelIm * kernelIm)) +
        Math.log((j === 0 ? 0.5 : 1) * step) -
        Math.log(Math.PI);
      log += front;
      argument += Math.atan2(slopeIm, slopeRe) - Math.atan2(kernelIm, kernelRe);
      // A term of which nothing is known counts with its size, and not in the sum.
      let logError = log + Math.log(transform.relativeError);
      if (!(transform.relativeError < 1) || Number.isNaN(log) || Number.isNaN(argument)) {
        // Nothing is known of it but its size.
        logError = transform.logSize + front + Math.LN2;
        log = -Infinity;
        argument = 0;
      }
      this.add(a, b, log, argument, logError);
      // Three negligible terms in a row.
      quietNodes = Math.max(log, logError) - a * epsilon < goal ? quietNodes + 1 : 0;
      // Terms that are not complete prove nothing.
      if (this.bounds.spent) {
        this.failed = true;
        return;
      }
      if (quietNodes < 3 && j < MAXIMUM_NODES) continue;
      if (!certified) return;
      // The sum from the next node on is less than the integral from this one on; both halves, ÷ 2π.
      const rest = u >= 1 ? this.bounds.beyond(a, b, sin) - Math.log(Math.PI) : Infinity;
      if (rest - a * epsilon < logDelta - 33 || j >= MAXIMUM_NODES) {
        this.borders.push({ log: rest, a });
        return;
      }
    }
  }

  /**
   * log G at t = a + ib: log of the Gaussians' e^{gt(t+1)/2}, plus T log(1 + bulk) of each step, and for the tail log
   * expm1(ΣT log(1 + r)), r = M_s/M_b. Logarithms of moduli by log1p of |1 + z|² − 1 = 2 Re z + |z|², so that small
   * ones keep their digits however large T is. With the errors of theorem 7: T log(1 + bulk) errs by at most −T
   * log1p(−|error|/|1 + bulk|), and r = M_s/M_b by (tailError + |r|bulkError)/(|M_b| − bulkError) + 8u|r|.
   *
   * relativeError is that of e^{log + i·argument}: e^error − 1 of the sum of the logarithms' errors, with u(30 + 4|log|
   * + 6|argument|) for evaluating it; for the tail with that of expm1 too, whose argument's error jumpError makes
   * |e^{jump}|(e^{jumpError} − 1) of the difference.
   */
  private transformAt(a: number, b: number): ComplexLog {
    const { sum, problem } = this;
    const { steps, part, gaussian } = problem;
    // gt(t + 1)/2, real and imaginary part.
    let log = (gaussian * (a * a - b * b + a)) / 2;
    let argument = (gaussian * (2 * a * b + b)) / 2;
    let error = UNIT_ROUNDOFF * 8 * gaussian * (a * a + b * b + a);
    // log(1 + M_s/M_b)·T, and its error.
    let jump = 0;
    let jumpArgument = 0;
    let jumpError = 0;
    let logSize = log;
    let jumpSize = 0;
    for (const step of steps) {
      step.at(a, b, this.weight, sum);
      const T = step.count;
      const { bulkRe, bulkIm, bulkError, tailRe, tailIm, tailError } = sum;
      // M_b = re + i·bulkIm, |M_b|² = `square`.
      const re = 1 + bulkRe;
      const square = re * re + bulkIm * bulkIm;
      const modulus = Math.sqrt(square);
      log += 0.5 * T * Math.log1p(2 * bulkRe + bulkRe * bulkRe + bulkIm * bulkIm);
      argument += T * Math.atan2(bulkIm, re);
      const tailModulus = part === "tail" ? Math.hypot(tailRe, tailIm) + tailError : 0;
      // log of |M_b| + error, and of 1 + |M_s|/(|M_b| + error): (|M_b| + |M_s|)^T − |M_b|^T grows with |M_b|, so both
      // bounds may be put in.
      logSize += T * Math.log(modulus + bulkError);
      jumpSize += T * Math.log1p(tailModulus / (modulus + bulkError));
      error += modulus > 2 * bulkError ? T * -Math.log1p(-bulkError / modulus) : Infinity;
      if (part === "bulk") continue;
      // r = M_s/M_b, and what it errs by.
      const ratioRe = (tailRe * re + tailIm * bulkIm) / square;
      const ratioIm = (tailIm * re - tailRe * bulkIm) / square;
      const ratio = Math.hypot(ratioRe, ratioIm);
      const ratioError = (tailError + ratio * bulkError) / (modulus - bulkError) + 8 * UNIT_ROUNDOFF * ratio;
      // T log(1 + r) errs by at most T·ratioError/(|1 + r| − ratioError).
      const least = Math.hypot(1 + ratioRe, ratioIm) - ratioError;
      jump += 0.5 * T * Math.log1p(2 * ratioRe + ratioRe * ratioRe + ratioIm * ratioIm);
      jumpArgument += T * Math.atan2(ratioIm, 1 + ratioRe);
      jumpError += least > 0 ? (T * ratioError) / least : Infinity;
    }
    let relativeError =
      Math.expm1(Math.min(700, error)) + UNIT_ROUNDOFF * (30 + 4 * Math.abs(log) + 6 * Math.abs(argument));
    if (part === "tail") {
      // expm1(jump + i·jumpArgument).
      const e = Math.exp(jump);
      const re = realLessOne(jump, jumpArgument, Math.cos(jumpArgument));
      const im = e * Math.sin(jumpArgument);
      const modulus = Math.hypot(re, im);
      jumpError += UNIT_ROUNDOFF * 6 * (Math.abs(jump) + Math.abs(jumpArgument));
      relativeError += (e * Math.expm1(Math.min(700, jumpError))) / modulus + 12 * UNIT_ROUNDOFF;
      relativeError *= 1 + relativeError;
      log += Math.log(modulus);
      argument += Math.atan2(im, re);
      logSize += logExpm1(jumpSize * (1 + 1e-12) + TINY);
    }
    return { log, argument, relativeError, logSize };
  }
}
