// All parts of δ near one ε: what happens with and without a large loss, each integrated on a contour of its own or only
// bounded (docs/math-hyperbolic-contour.md, theorem 3).
//
//   δ = δ_b + δ_s,   δ_b: no step's loss is above the cut (bulk);   δ_s: at least one is (tail)
//
// and with cuts κ₁ < … < κ_n the tail is the sum of the parts between two cuts. All parts are ≥ 0, and each is at most
// G(c)e^{−cε}β(c) at any c > 0: one that this shows to be negligible is not integrated.
//
// Why: χ is in (0, 1) on the real line, so it divides the law of a step's loss into two positive measures, with transforms
// M_b and M_s; expanding Π(M_b + M_s)^T divides the law of the total loss in the same way, with
//
//   G_b = e^{gt(t+1)/2}·ΠM_b^T,   G_s = e^{gt(t+1)/2}·(Π(M_b + M_s)^T − ΠM_b^T),
//
// and theorem 1 of docs/math-contour.md holds for each. Where χ falls decides about digits only: each part gets a contour
// where its own terms are not much larger than its value, the bulk near the saddle point of many small losses, the tail
// where e^{tε} of one large loss is. χ grows with κ, so that differences of two cutoffs are positive measures too.
//
//   T     `count` of each step                 κ     the cut, a share of ε
//   β(c)  c^c/(1 + c)^{1 + c}: (1 − e^{−y})₊ ≤ β(c)e^{cy} (`logSupremum` is its logarithm)
import { logSupremum } from "../../hockeyStickSupremum.js";
import type { ContourSum, NodeBudget } from "../contourSum.js";
import { placeStrip, type StripPlacement } from "../stripPlacement.js";
import type { DirectedComposition } from "../vertical/directedComposition.js";
import {
  logUprightBound,
  roughLogUprightMoment,
  UprightContour,
  type UprightStep,
} from "../vertical/truncatedContour.js";
import { TruncatedMgf } from "../vertical/truncatedMgf.js";
import { AddedStep } from "./addedStep.js";
import { HyperbolicContour, logMoment, roughLogMoment } from "./hyperbolicContour.js";
import { RotatedMgf } from "./rotatedMgf.js";

/** Losses above this share of ε are large; and where one cut leaves terms much larger than δ, of classes by size. */
export const ONE_CUT = [0.3];
export const MANY_CUTS = [0.12, 0.25, 0.5, 1, 2];
/** How much larger than δ the terms may be with one cut. */
const LARGEST_SIZE = 100;
/** A contour of the tail that begins at less than this over ε takes too many nodes. */
const LEAST_START = 0.03;
/** A part below e^−NEGLIGIBLE of δ is bounded and not integrated. */
const NEGLIGIBLE = 32;
/** What is left at the ends of a truncated interval of the tilted measure. */
const EDGE = 1e-15;
/** A truncation is moved out by this factor, up to so much, until nothing is left at its ends. */
const STRETCH = 1.3;
const LARGEST_STRETCH = 4;
/** log of it is a number where a mass is 0. */
const TINY = 1e-320;

/** How a step's losses are integrated: rotated, or not and truncated. */
export type LossMethod = "truncated" | "rotated";

/** Of δ at one ε. */
export interface DeltaEstimate {
  readonly value: number;
  /** dδ/dε. */
  readonly slope: number;
  /** Bound on the value's error. */
  readonly error: number;
}

export interface DeltaQuestion {
  readonly composition: DirectedComposition;
  readonly method: LossMethod;
  readonly epsilon: number;
  /** log of what δ is near. */
  readonly logDelta: number;
  /** With all bounds, or as an estimate. */
  readonly certified: boolean;
  readonly budget: NodeBudget;
  /** Cuts as shares of ε. */
  readonly cuts: readonly number[];
}

/**
 * The contours that together give δ near one ε. Without certainty they are estimates: few terms, no bounds on borders and
 * ends; with it `at` proves what it says, for every ε within SERVED_RATIO of the one asked for.
 *
 * An error of a sum of parts is the sum of their errors, since every part is proven by itself; a part that is only
 * bounded lies in [0, bound], and counts as 0 with the bound as its error.
 */
export class DeltaParts {
  private readonly contours: ContourSum[] = [];
  /** What is only bounded: Σ e^{log − cε}. */
  private readonly bounded: { readonly log: number; readonly c: number }[] = [];
  /** The contour of the tail would begin too near to 0: one cut is not enough. */
  private crowded = false;

  constructor(private readonly question: DeltaQuestion) {
    if (question.method === "truncated") this.truncated();
    else if (question.composition.direction < 0) this.added();
    else this.removed();
  }

  /**
   * Either direction, on steps that are cut off where the noise never is; one line.
   *
   * δ′ ≤ δ ≤ δ′ + ΣT·m (theorem 1 of docs/math-truncated-contour.md), m the probability that a step leaves the
   * interval; `lost` is m. It is moved out by STRETCH until the ends have less than EDGE of the tilted measure, else
   * what is cut off would be what δ consists of.
   */
  private truncated(): void {
    const { composition, epsilon, logDelta, budget } = this.question;
    const { mixtures, gaussian, direction } = composition;
    // Tilted, the noise may reach farther out: the ends must be where nothing is left of that either.
    for (let stretch = 1; ; stretch *= STRETCH) {
      const steps = mixtures.map(
        (mixture) =>
          new TruncatedMgf(mixture, { direction, totalCount: this.totalCount, logDelta, stretch }, budget),
      );
      // A grid of too many nodes: an infinite error says that nothing is known.
      if (!steps.every((step) => step.usable)) {
        this.bounded.push({ log: Infinity, c: 0 });
        return;
      }
      const placement = placeStrip((c) => roughLogUprightMoment(steps, gaussian, c), epsilon);
      const middle = (placement.strip.low + placement.strip.high) / 2;
      if (stretch < LARGEST_STRETCH && steps.some((step) => !(step.count * step.edge(middle) < EDGE)))
        continue;
      this.upright(steps, placement);
      // One step beyond the cut is all that may be missing.
      const lost = steps.reduce((sum, step) => sum + step.count * step.lost, 0);
      this.bounded.push({ log: Math.log(lost + TINY), c: 0 });
      return;
    }
  }

  /** Adding, no loss exceeds −log(1 − q): nothing needs to be divided, and one line serves. */
  private added(): void {
    const { composition, epsilon, cuts } = this.question;
    const steps = this.rotated(cuts[0]!).map((step) => new AddedStep(step));
    this.upright(
      steps,
      placeStrip((c) => roughLogUprightMoment(steps, composition.gaussian, c), epsilon),
    );
  }

  /**
   * Removing: the bulk below the first cut, and a tail from each cut to the next.
   *
   * With cuts κ₁ < … < κ_n: part 0 has losses below κ₁ alone, part i at least one between κ_i and κ_{i+1} and none
   * above; κ_{n+1} = ∞.
   */
  private removed(): void {
    const { composition, epsilon, logDelta, certified, cuts } = this.question;
    const { gaussian } = composition;
    for (const [k, cut] of cuts.entries()) {
      const steps = this.rotated(cut, cuts[k + 1]);
      for (const part of k === 0 ? (["bulk", "tail"] as const) : (["tail"] as const)) {
        // A large loss may be too unlikely to matter: δ_s ≤ ΣT·E[1 − χ]. The integrand (1 − e^{ε−ℓ})₊ is at most 1, and
        // some step has a loss of that class.
        const mass = steps.reduce((sum, step) => sum + step.count * step.tailMass, 0);
        if (part === "tail" && mass < Math.exp(logDelta - NEGLIGIBLE)) {
          this.bounded.push({ log: Math.log(mass + TINY), c: 0 });
          continue;
        }
        const { strip, c } = placeStrip((at) => roughLogMoment(steps, gaussian, part, at), epsilon);
        if (cuts === ONE_CUT && strip.low * epsilon < LEAST_START) {
          this.crowded = true;
          break;
        }
        // G(c)e^{−cε}β(c) at the saddle, as theorem 1 of docs/math-contour.md holds for the part's own measure.
        const chernoff = logMoment(steps, gaussian, part, c) - c * epsilon + logSupremum(c) + 1e-9;
        if (chernoff < logDelta - NEGLIGIBLE) {
          this.bounded.push({ log: chernoff + c * epsilon, c });
          continue;
        }
        this.contours.push(
          new HyperbolicContour({ steps, gaussian, part, epsilon, logDelta }, strip, certified),
        );
      }
    }
  }

  private get totalCount(): number {
    return this.question.composition.mixtures.reduce((sum, mixture) => sum + mixture.count, 0);
  }

  /**
   * The steps with losses above `cut` of ε in the tail, up to `upper` of ε.
   *
   * largestModulus: t is of the order of 1/ε, since e^{−tε} falls along the contour; no t beyond 200/ε is taken to
   * matter.
   */
  private rotated(cut: number, upper = Infinity): RotatedMgf[] {
    const { composition, epsilon, logDelta, budget } = this.question;
    const goal = {
      cut: epsilon * cut,
      upper: epsilon * upper,
      logDelta,
      totalCount: this.totalCount,
      largestModulus: 200 / epsilon,
    };
    return composition.mixtures.map((mixture) => new RotatedMgf(mixture, goal, budget));
  }

  /**
   * All of δ on one line, or bounded.
   *
   * Only what the Chernoff bound does not show to be negligible is integrated.
   */
  private upright(steps: readonly UprightStep[], { strip, c }: StripPlacement): void {
    const { composition, epsilon, logDelta, certified } = this.question;
    const { gaussian } = composition;
    const bound = logUprightBound(steps, gaussian, c);
    if (bound - c * epsilon < logDelta - NEGLIGIBLE) this.bounded.push({ log: bound, c });
    else this.contours.push(new UprightContour({ steps, gaussian, epsilon, logDelta }, strip, certified));
  }

  /**
   * Of one cut: whether terms are so much larger than their sum that more cuts would keep more digits.
   *
   * Rounding is relative to the largest `size`, Σ of the moduli of the terms, while the value is their sum: their ratio
   * is what is lost.
   */
  cancels(epsilon: number): boolean {
    if (this.crowded) return true;
    const largest = Math.max(0, ...this.contours.map((contour) => contour.at(epsilon).size));
    return !(largest <= LARGEST_SIZE * Math.abs(this.at(epsilon).value));
  }

  /**
   * The sum of all parts, near the ε that they were made for.
   *
   * A bound e^{log − cε} holds at every ε, so it is evaluated at the one asked for.
   */
  at(epsilon: number): DeltaEstimate {
    let value = 0;
    let slope = 0;
    let error = 0;
    for (const contour of this.contours) {
      const part = contour.at(epsilon);
      value += part.value;
      slope += part.slope;
      error += part.error;
    }
    // What is only bounded counts as error, with the rounding of its exponent.
    for (const { log, c } of this.bounded) error += Math.exp(log - c * epsilon + 1e-9 * (1 + c * epsilon));
    return { value, slope, error };
  }
}
