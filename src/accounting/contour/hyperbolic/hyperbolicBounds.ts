// What bounds the integrand on one hyperbola and beyond any point of it: the errors of the outer rule's right border and
// of stopping the sum (docs/math-hyperbolic-contour.md, theorems 5 and 6).
//
// The member of angle φ of the family is t(u) = low + m(sin φ cosh u + i cos φ sinh u), u ≥ 0 its upper half. On it
//
//   |G(t)e^{−tε}t′/(t(t + 1))| ≤ e^{Re gt(t+1)/2 − ε Re t}·Π|M_b|^T·(1, or expm1(ΣT log1p(m/|M_b|)) of the tail)·|t′|/|t(t+1)|,
//
//   M_b  E[χe^{tℓ}] of one step          T  how often the step is taken
//   m    ≥ |M_s|, M_s = E[(1 − χ)e^{tℓ}]  g  total squared shift of the Gaussians
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";
import { type ContourBorder, type LossPart, SERVED_RATIO } from "../contourSum.js";
import { newRaySum, type RotatedMgf } from "./rotatedMgf.js";

/** Most panels of a border. */
const MAXIMUM_PANELS = 1500;
/** A panel's bound may be e to this power too large. */
const LARGEST_SWING = 2;

/** log(e^x − 1), x > 0. */
export const logExpm1 = (x: number): number => (x > 30 ? x : Math.log(Math.expm1(x)));

/**
 * What one part of δ is the contour integral of, near one ε: G of the bulk or of the tail of all steps together, with the
 * Gaussians that are composed with them.
 */
export interface ContourProblem {
  readonly steps: readonly RotatedMgf[];
  /** Total squared shift of the Gaussians composed with the steps. */
  readonly gaussian: number;
  readonly part: LossPart;
  readonly epsilon: number;
  /** log of what δ is near. */
  readonly logDelta: number;
}

/**
 * Of the tail's error against the bulk's.
 *
 * What matters is the error of δ: M_s is of the order of δ where few steps have a large loss, M_b near 1, so that an
 * error of M_s counts 1/δ times as much. It decides which ray is taken, and no bound rests on it.
 */
export const tailWeight = ({ part, logDelta }: ContourProblem): number =>
  part === "tail" ? Math.exp(Math.min(600, -logDelta)) : 0;

/** The family of hyperbolas through Re t = low + m sin φ. */
export interface HyperbolaFamily {
  readonly low: number;
  readonly m: number;
}

/**
 * Bounds along members of one family of hyperbolas, for one part of δ. All are logarithms from above, without the
 * factor e^{−aε}, which the reader of a border puts in for the ε at hand.
 */
export class HyperbolicBounds {
  private readonly weight: number;

  constructor(
    private readonly problem: ContourProblem,
    private readonly family: HyperbolaFamily,
  ) {
    this.weight = tailWeight(problem);
  }

  /** Work has run out: nothing is known. */
  get spent(): boolean {
    return !(this.problem.steps[0]!.budget.left > 0);
  }

  /**
   * Theorem 5: bounds of ∫|G e^{−tε}t′/(t(t + 1))| du along the upper half of the member of that angle, times e^front,
   * panel by panel. On a panel between t₁ and t₂, at most o from their chord,
   *
   *   ΣT log|M_b(t)| − ε Re t ≤ max over both ends + ΣT(log²|M_b(t₁)/M_b(t₂)|/8 + κ/min(|M_b(t₁)|, |M_b(t₂)|)) + oε,
   *   κ = D|t₂ − t₁|²/8 + o(|E[χℓ]| + |t|D),   D = ∫|pχ||ℓ|²max(1, |e^{tℓ}|) dτ   (`curvature`),
   *
   * because |M_b″| ≤ D: between t₁ and t₂ the function is its linear interpolation but for κ, log of a weighted mean exceeds
   * the mean of the logarithms by at most their difference squared over 8 (Hoeffding), and Re t is linear along the chord.
   * M_b′(t) = E[χℓ] + E[χℓ(e^{tℓ} − 1)] takes care of the way from the chord to the hyperbola. The first-order bound that is
   * natural here would grow with the mean of the losses; this one grows with their variance, which many large losses need.
   * The tail's factor Π(|M_b| + m)^T − Π|M_b|^T grows with |M_b|, so bounds may be put in.
   *
   * Or |M_b(t)| ≤ ∫|pχe^{tℓ}| (`bulk`), where that gives less. Panels halve while what is added is above LARGEST_SWING.
   */
  panels(angle: number, firstWidth: number, front: number): ContourBorder[] {
    const { steps, part, gaussian, epsilon, logDelta: goal } = this.problem;
    const { low, m } = this.family;
    const borders: ContourBorder[] = [];
    const sin = Math.sin(angle);
    const cos = Math.cos(angle);
    // What is left of the border is divided by e^{2πd/h}, at least e^24.
    for (const step of steps) step.restart();
    const point = (u: number): [number, number] => [low + m * Math.cosh(u) * sin, m * Math.sinh(u) * cos];
    // |M_b| of each step at the start of the panel, with its error.
    let startSizes = this.sizesAt(...point(0));
    let width = firstWidth;
    let u = 0;
    for (let k = 0; k < MAXIMUM_PANELS && !this.spent; k++) {
      const end = u + width;
      const [a1, b1] = point(u);
      const [a2, b2] = point(end);
      const endSizes = this.sizesAt(a2, b2);
      const chord = Math.hypot(a2 - a1, b2 - b1);
      // o: how far the hyperbola is from its chord, at most w²|t″|/8, |t″| ≤ m cosh u.
      const sag = (width * width * m * Math.cosh(end)) / 8;
      // Re gt(t + 1)/2 at the panel's largest a and smallest b.
      const normal = (gaussian * (a2 * a2 - b1 * b1 + a2)) / 2;
      // ΣT log|M_b| − ε Re t at both ends (`startLog`, `endLog`), what is added to the larger one (`swing`), and the bound
      // by sizes over the whole panel (`plainLog`); `jump` and `plainJump` are ΣT log1p(m/|M_b|) for each.
      let startLog = -epsilon * a1;
      let endLog = -epsilon * a2;
      let plainLog = -epsilon * a1;
      let swing = sag * epsilon;
      let jump = 0;
      let plainJump = 0;
      steps.forEach((step, i) => {
        const { bulk, tail, curvature } = step.box(a1, a2, b1, part);
        const smaller = Math.min(startSizes[i]!, endSizes[i]!);
        const larger = Math.max(startSizes[i]!, endSizes[i]!);
        const interpolation =
          (curvature * chord * chord) / 8 + sag * (step.drift + Math.hypot(a2, b2) * curvature);
        startLog += step.count * Math.log(startSizes[i]!);
        endLog += step.count * Math.log(endSizes[i]!);
        swing += step.count * (Math.log(larger / smaller) ** 2 / 8 + interpolation / smaller);
        plainLog += step.count * Math.log(bulk);
        jump += step.count * Math.log1p(tail / smaller);
        plainJump += step.count * Math.log1p(tail / bulk);
      });
      let log = Math.max(startLog, endLog) + swing;
      if (part === "tail") {
        log += logExpm1(jump * (1 + 1e-12) + 1e-300);
        plainLog += logExpm1(plainJump * (1 + 1e-12) + 1e-300);
      }
      // Either is sound where it is a number.
      if (!(log < plainLog)) log = plainLog;
      // Without e^{−a₁ε}; and for every ε within a tenth, as the terms serve them. A border is read as e^{log − a₁ε},
      // so e^{a₁ε} goes in here. At another ε′ the bound changes by e^{(ε − ε′)a}, a in [a₁, a₂], of which the reader
      // puts in e^{(ε − ε′)a₁}: the rest is at most e^{(SERVED_RATIO − 1)ε(a₂ − a₁)}.
      log += normal + epsilon * a1 + (SERVED_RATIO - 1) * epsilon * (a2 - a1);
      // |t′| ≤ m cosh u over the panel's width, and |t(t + 1)| is least at its start.
      log += Math.log((m * Math.cosh(end) * width) / (Math.hypot(a1, b1) * Math.hypot(a1 + 1, b1))) + front;
      log += 1e-9 + 1e-12 * Math.abs(log);
      const value = Number.isNaN(log) ? Infinity : log - a1 * epsilon;
      if (value > goal && swing > LARGEST_SWING && width > firstWidth / 500) {
        width = width / 2;
        continue;
      }
      startSizes = endSizes;
      borders.push({ log: Number.isNaN(log) ? Infinity : log, a: a1 });
      if (value === Infinity) return borders;
      // From the start of this panel on, so that it covers what a sum has beyond an integral.
      if (u >= 1) {
        const rest = this.beyond(a1, b1, sin) + front;
        if (rest - a1 * epsilon < goal - 4) {
          borders.push({ log: rest, a: a1 });
          return borders;
        }
      }
      u = end;
      if (value < goal - 6) width = Math.min(0.3, width * 1.3);
      else if (swing < LARGEST_SWING / 3) width = Math.min(width * 1.3, firstWidth * 1.5);
    }
    borders.push({ log: Infinity, a: 0 });
    return borders;
  }

  /**
   * |M_b| of each step at a + ib, from above: |1 + bulk| and the bulk's error.
   *
   * 1 + bulk = M_b, so that the bulk's error is M_b's; 4u covers the rounding of the modulus.
   */
  private sizesAt(a: number, b: number): number[] {
    const sum = newRaySum();
    return this.problem.steps.map((step) => {
      step.at(a, b, this.weight, sum);
      return (Math.hypot(1 + sum.bulkRe, sum.bulkIm) + sum.bulkError) * (1 + 4 * UNIT_ROUNDOFF);
    });
  }

  /**
   * Theorem 6: log of a bound for all of the member above a + ib, without e^{−aε}; Infinity if none is known. sin: of the
   * member's angle φ. The rest is at most V e^{−aε′}/(0.75 sin φ·|t|²ε′):
   *
   *   (a) V = Π(bulk + tail)^T on the rays of angle η ≥ atan(a/b), ε′ = ε: `absolute`;
   *   (b) V = e^{ΣT·mass + a ΣT·A/sin φ}, ε′ = ε − ΣT·A/sin φ, A and mass from `spreadBeyond`: `byMasses`;
   *
   * with the share of the tail in it, where the tail is asked for. ε stands at its least that the terms serve.
   *
   * Along the member a/b falls and b grows, so Re tλ falls on every ray with tan η ≥ a/b: what holds at this point holds
   * beyond it. da = m sin φ sinh u du, |t′| ≤ m cosh u and tanh 1 > 0.75 turn the rest of the integral into one over a.
   */
  beyond(a: number, b: number, sin: number): number {
    const { steps, gaussian, part, epsilon } = this.problem;
    // tan η must be at least a/b on some ray.
    const ratio = a / b;
    if (!(ratio < 0.9)) return Infinity;
    // |e^{gt(t+1)/2}| must fall along the member.
    if (gaussian > 0 && !(2 * b * (1 - ratio * ratio) > ratio)) return Infinity;
    const leastAngle = Math.atan(ratio) * (1 + 1e-9);
    const normal = (gaussian * (a * a - b * b + a)) / 2;
    let spread = 0;
    let mass = 0;
    let absolute = normal;
    let jumps = 0;
    let tailShare = 0;
    for (const step of steps) {
      // limit: so that ΣT·A/sin φ ≤ 0.3ε, if A can be that small.
      const near = step.spreadBeyond(leastAngle, (0.3 * sin * epsilon) / (step.count * steps.length));
      spread += step.count * near.spread;
      mass += step.count * near.mass;
      const { bulk, tail } = step.leastSize(a, a, b, leastAngle);
      absolute += step.count * Math.log(bulk + tail);
      jumps += step.count * tail;
      tailShare += (step.count * tail) / (bulk + tail);
    }
    // e^{−aε} falls least for the smallest ε that the terms serve. `divisor` is 0.75 sin φ·|t|².
    const leastEpsilon = epsilon / SERVED_RATIO;
    const divisor = 0.75 * sin * (a * a + b * b);
    const bySizes = absolute - Math.log(leastEpsilon * divisor) + (part === "tail" ? Math.log(tailShare) : 0);
    const rate = leastEpsilon - spread / sin;
    const byMasses =
      rate > 0
        ? normal +
          mass +
          jumps +
          (part === "tail" ? Math.log(jumps) : 0) +
          (spread / sin) * a -
          Math.log(rate * divisor)
        : Infinity;
    return Math.min(byMasses, Number.isNaN(bySizes) ? Infinity : bySizes);
  }
}
