// Reading order: likelihoodRatio.ts, vertical/ (its index.ts), contourSum.ts, stripPlacement.ts, hyperbolic/ (its
// index.ts), subsampledOnce.ts, composition.ts, this file, and cascade.ts, which joins both kinds of contours.
//
// The contour-integral accountant: certified intervals on δ(ε) and ε(δ) of composed Gaussians, Poisson-sampled
// Gaussians and Gaussian mixtures, from their moment generating function along Re t = c [Alghamdi2023, Theorem 3.1].
//
//   P, Q     one step with the record and without     r    dP/dQ, the likelihood ratio
//   ℓ        ±log r, the privacy loss                 M    E e^{tℓ}; δ(ε) = (1/2π)∫M(t)e^{−tε}/(t(t + 1)) du on t = c + iu
//
// Removing, ℓ = log r under P; adding, ℓ = −log r under Q. Both are computed, and the larger counts.

import { ArgumentError } from "../../formats/argumentError.js";
import type { PrivacyEvent } from "../../formats/event.js";
import type { Neighboring } from "../../formats/guarantee.js";
import { checkFields, type FieldsOf } from "../../formats/knownFields.js";
import {
  type Accountant,
  checkDelta,
  checkEpsilon,
  type Interval,
  type PrivacyCurve,
} from "../accountant.js";
import { IntervalCurve } from "../intervalCurve.js";
import { type ComposedMixtures, composedMixtures } from "./composition.js";
import type { DirectionProfile } from "./directionProfile.js";
import { SubsampledOnce } from "./subsampledOnce.js";
import type { DirectedComposition } from "./vertical/directedComposition.js";
import { VerticalProfile } from "./vertical/verticalProfile.js";

/** What the contour accountant is for. */
export interface ContourOptions {
  /** Default add-or-remove-one. */
  readonly neighboring?: Neighboring;
  /** Relative width of δ aimed at, in [1e-13, 0.1]; that of ε is smaller by about ln(1/δ). Default 1e-12. */
  readonly relativeWidth?: number;
  /** Most products of grid point and node a line of integration may cost (about 4 ns each). Default 2e7. */
  readonly maximumWork?: number;
  /** In place of straight lines alone: bends them where they are wide (contour/cascadeAccountant.ts), not in a small download. */
  readonly bend?: (composition: DirectedComposition, tolerance: number, work: number) => DirectionProfile;
}

const OPTION_FIELDS = {
  neighboring: true,
  relativeWidth: true,
  maximumWork: true,
  bend: true,
} satisfies FieldsOf<ContourOptions>;

/** A curve that can also say how tight it is. */
export interface ContourCurve extends PrivacyCurve {
  /** (upper − lower)/upper of ε at δ: 0 where both are 0, 1 or NaN never; Infinity where upper is. */
  relativeWidthAt(delta: number): number;
}

/** The contour accountant, which also tells how it came to an interval. */
export interface ContourAccountant extends Accountant {
  account(event: PrivacyEvent): ContourCurve;
}

const NAME = "contour";

/**
 * Guarantee: lower ≤ truth ≤ upper (docs/math-contour.md), both directions of add-or-remove accounted.
 * Edges: no noise → ε = Infinity, δ = 1; nothing composed → 0; δ = 0 → ε = Infinity (a Gaussian has no pure ε).
 *
 * Lower and upper ends hold for any c, period and grid: those decide about widths. relativeWidth is that of δ on a line
 * that is not cut short; where it is, or where a step has too many grid points, the interval is wider, at worst from 0
 * to the Chernoff bound. Replace-one is answered for Gaussians alone, at twice the shift, and refused by name
 * otherwise.
 */
export function contourAccountant(options: ContourOptions = {}): ContourAccountant {
  checkFields("contourAccountant", options, OPTION_FIELDS);
  const {
    neighboring = "add-or-remove-one",
    relativeWidth = 1e-12,
    maximumWork = 2e7,
    bend = straight,
  } = options;
  if (!(relativeWidth >= 1e-13 && relativeWidth <= 0.1))
    throw new ArgumentError("relativeWidth", "in [1e-13, 0.1]", `${relativeWidth}`);
  if (!(maximumWork >= 1e4)) throw new ArgumentError("maximumWork", ">= 1e4", `${maximumWork}`);
  return {
    name: NAME,
    neighboring,
    account: (event) =>
      new WorseDirectionCurve(
        composedMixtures(event, neighboring, NAME),
        neighboring,
        relativeWidth,
        maximumWork,
        bend,
      ),
  };
}

/**
 * Vertical lines alone: what a browser gets that does not ask for more.
 */
const straight: NonNullable<ContourOptions["bend"]> = (composition, tolerance, work) =>
  new VerticalProfile(composition, tolerance, work);

/**
 * The larger of removing and adding at each question; where one of them is proven no worse it is not asked.
 *
 *   lower = max over directions of their lower ends,   upper = max over directions of their upper ends
 *
 * A direction that the Chernoff bound shows to be at most the other's upper end changes no upper end, and each lower
 * end holds by itself: it need not be asked.
 */
class WorseDirectionCurve extends IntervalCurve implements ContourCurve {
  readonly accountant = NAME;
  private readonly profiles: DirectionProfile[] = [];
  /** 0: nothing was spent; 1: everything was. */
  private readonly trivial: 0 | 1 | null;
  private readonly memory = new Map<number, Interval>();

  constructor(
    parts: ComposedMixtures,
    readonly neighboring: Neighboring,
    tolerance: number,
    work: number,
    of: NonNullable<ContourOptions["bend"]>,
  ) {
    super();
    const { gaussian, mixtures } = parts;
    // Released without noise, or nothing at all.
    this.trivial = gaussian === Infinity ? 1 : gaussian === 0 && mixtures.length === 0 ? 0 : null;
    if (this.trivial !== null) return;
    const [only] = mixtures;
    const [, rate] = only?.weights ?? [];
    if (
      gaussian === 0 &&
      mixtures.length === 1 &&
      only?.count === 1 &&
      only.shifts.length === 2 &&
      only.shifts[0] === 0 &&
      rate !== undefined
    ) {
      // One sampled step has a closed form, and its remove direction is the larger for every ε ≥ 0.
      this.profiles.push(new SubsampledOnce(only.sigma, rate, tolerance, work));
      return;
    }
    // Gaussians alone look the same from both sides.
    for (const direction of mixtures.length > 0 ? ([1, -1] as const) : ([1] as const))
      this.profiles.push(of({ gaussian, mixtures, direction }, tolerance, work));
  }

  /**
   * Edges: δ = 1 needs no ε; at δ = 0 no finite ε does, as a Gaussian's loss has no bound. Answers are kept: they are
   * functions of δ alone.
   */
  epsilonIntervalAt(delta: number): Interval {
    checkDelta(delta);
    if (delta === 1 || this.trivial === 0) return { lower: 0, upper: 0 };
    if (delta === 0 || this.trivial === 1) return { lower: Infinity, upper: Infinity };
    const known = this.memory.get(delta);
    if (known) return known;
    let lower = 0;
    let upper = 0;
    for (const profile of this.profiles) {
      // A direction that is proven no worse than the other's upper bound changes nothing that is stated.
      if (upper > 0 && profile.chernoff(upper) <= Math.log(delta) * (1 + 1e-15)) continue;
      const one = profile.epsilonAt(Math.log(delta), Math.log1p(-delta), lower);
      lower = Math.max(lower, one.lower);
      upper = Math.max(upper, one.upper);
    }
    const interval = { lower, upper };
    if (this.memory.size < 64) this.memory.set(delta, interval);
    return interval;
  }

  /**
   * exp errs by an ulp: lower ends are multiplied by 1 − 2⁻⁵¹, upper ends by 1 + 2⁻⁵¹, and no upper end is below the
   * smallest double unless δ is known to be 0.
   */
  deltaIntervalAt(epsilon: number): Interval {
    checkEpsilon(epsilon);
    if (this.trivial === 0) return { lower: 0, upper: 0 };
    if (this.trivial === 1) return { lower: 1, upper: 1 };
    let lower = 0;
    let upper = 0;
    for (const profile of this.profiles) {
      if (upper > 0 && profile.chernoff(epsilon) <= Math.log(upper) - 1e-12) continue;
      const one = profile.logDeltaAt(epsilon);
      lower = Math.max(lower, Math.exp(one.lower) * (1 - 2 ** -51));
      // Never rounded down to 0: the smallest double stands for what is smaller.
      const least = one.upper > -Infinity ? Number.MIN_VALUE : 0;
      upper = Math.max(upper, Math.min(1, Math.max(least, Math.exp(one.upper) * (1 + 2 ** -51))));
    }
    return { lower, upper };
  }

  /**
   * (upper − lower)/upper of ε at δ.
   */
  relativeWidthAt(delta: number): number {
    const { lower, upper } = this.epsilonIntervalAt(delta);
    if (upper === Infinity) return Infinity;
    return upper === 0 ? 0 : (upper - lower) / upper;
  }
}
