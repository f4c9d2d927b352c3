// All parts of δ near one ε: what happens with and without a large loss, each on a contour of its own or only bounded
// (docs/math-hyperbolic-contour.md, theorem 3).
import type { ContourSum, LossPart, NodeBudget } from "../contourSum.js";
import { placeStrip, type StripPlacement } from "../stripPlacement.js";
import { type DirectedComposition, logSupremum } from "../vertical/directedComposition.js";
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
const MOST_SIZE = 100;
/** A contour of the tail that begins at less than this over ε takes too many nodes. */
const LEAST_START = 0.03;
/** A part below e^−NEGLIGIBLE of δ is bounded and not integrated. */
const NEGLIGIBLE = 32;
/** What is left at the ends of a cut interval of the tilted measure. */
const EDGE = 1e-15;

/** How a step's losses are integrated: turned, or not and cut off. */
export type LossMethod = "cut" | "turned";

/** Of δ at one ε: log of its value, and of bounds on it. */
interface DeltaEstimate {
  readonly value: number;
  readonly slope: number;
  readonly error: number;
}

/** All parts near one ε. */
export class DeltaParts {
  private readonly contours: (ContourSum & { readonly part: LossPart })[] = [];
  /** What is only bounded: Σ e^{log − cε}. */
  private readonly bounded: { log: number; c: number }[] = [];
  /** One cut is not enough. */
  crowded = false;

  constructor(
    composition: DirectedComposition,
    way: LossMethod,
    readonly epsilon: number,
    logDelta: number,
    certified: boolean,
    budget: NodeBudget,
    shares: readonly number[],
  ) {
    const { mixtures, gaussian, direction } = composition;
    const total = mixtures.reduce((sum, each) => sum + each.count, 0);
    const upright = (steps: readonly UprightStep[], { bend, c }: StripPlacement): void => {
      const bound = logUprightBound(steps, gaussian, c);
      if (bound - c * epsilon < logDelta - NEGLIGIBLE) this.bounded.push({ log: bound, c });
      else this.contours.push(new UprightContour(steps, gaussian, bend, epsilon, logDelta, certified));
    };
    if (way === "cut") {
      // Tilted, the noise may reach farther out: the ends must be where nothing is left of that either.
      for (let stretch = 1; ; stretch *= 1.3) {
        const steps = mixtures.map(
          (each) => new TruncatedMgf(each, direction, total, logDelta, budget, stretch),
        );
        if (!steps.every((each) => each.usable)) {
          this.bounded.push({ log: Infinity, c: 0 });
          return;
        }
        const placed = placeStrip((at) => roughLogUprightMoment(steps, gaussian, at), epsilon);
        const middle = (placed.bend.low + placed.bend.high) / 2;
        if (stretch < 4 && steps.some((each) => !(each.count * each.edge(middle) < EDGE))) continue;
        upright(steps, placed);
        // One step beyond the cut is all that may be missing.
        const lost = steps.reduce((sum, each) => sum + each.count * each.lost, 0);
        this.bounded.push({ log: Math.log(lost + 1e-320), c: 0 });
        return;
      }
    }
    const turned = (cut: number, upper = Infinity): RotatedMgf[] =>
      mixtures.map(
        (each) =>
          new RotatedMgf(each, epsilon * cut, logDelta, total, 200 / epsilon, budget, epsilon * upper),
      );
    if (direction < 0) {
      const added = turned(shares[0]!).map((each) => new AddedStep(each));
      upright(
        added,
        placeStrip((at) => roughLogUprightMoment(added, gaussian, at), epsilon),
      );
      return;
    }
    shares.forEach((share, k) => {
      const steps = turned(share, shares[k + 1]);
      for (const part of k === 0 ? (["bulk", "tail"] as const) : (["tail"] as const)) {
        // A large loss may be too unlikely to matter.
        const mass = steps.reduce((sum, each) => sum + each.count * each.tailMass, 0);
        if (part === "tail" && mass < Math.exp(logDelta - NEGLIGIBLE)) {
          this.bounded.push({ log: Math.log(mass + 1e-320), c: 0 });
          continue;
        }
        const { bend, c } = placeStrip((at) => roughLogMoment(steps, gaussian, part, at), epsilon);
        if (shares === ONE_CUT && bend.low * epsilon < LEAST_START) {
          this.crowded = true;
          return;
        }
        const chernoff = logMoment(steps, gaussian, part, c) - c * epsilon + logSupremum(c) + 1e-9;
        if (chernoff < logDelta - NEGLIGIBLE) {
          this.bounded.push({ log: chernoff + c * epsilon, c });
          continue;
        }
        this.contours.push(new HyperbolicContour(steps, gaussian, part, bend, epsilon, logDelta, certified));
      }
    });
  }

  /** Of one cut: whether terms are so much larger than their sum that more cuts would keep more digits. */
  cancels(epsilon: number): boolean {
    if (this.crowded) return true;
    const largest = Math.max(0, ...this.contours.map((contour) => contour.at(epsilon).size));
    return !(largest <= MOST_SIZE * Math.abs(this.at(epsilon).value));
  }

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
    for (const { log, c } of this.bounded) error += Math.exp(log - c * epsilon + 1e-9 * (1 + c * epsilon));
    return { value, slope, error };
  }
}
