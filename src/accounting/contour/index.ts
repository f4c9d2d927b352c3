// The contour-integral accountant: certified intervals on δ(ε) and ε(δ) of composed Gaussians, Poisson-sampled
// Gaussians and Gaussian mixtures, from their moment generating function along Re t = c [Alghamdi2023, Theorem 3.1].

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
import { type Parts, partsOf } from "./composition.js";
import { OneStep } from "./subsampledOnce.js";
import type { Composition } from "./vertical/verticalContour.js";
import { type LogBounds, Profile } from "./vertical/verticalProfile.js";

export interface ContourOptions {
  /** Default add-or-remove-one. */
  readonly neighboring?: Neighboring;
  /** Relative width of δ aimed at, in [1e-13, 0.1]; that of ε is smaller by about ln(1/δ). Default 1e-12. */
  readonly relativeWidth?: number;
  /** Most products of grid point and node a line of integration may cost (about 4 ns each). Default 2e7. */
  readonly maximumWork?: number;
  /** In place of straight lines alone: bends them where they are wide (contour/cascadeAccountant.ts), not in a small download. */
  readonly bend?: (composition: Composition, tolerance: number, work: number) => OneDirection;
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

export interface ContourAccountant extends Accountant {
  account(event: PrivacyEvent): ContourCurve;
}

const NAME = "contour";

/**
 * Guarantee: lower ≤ truth ≤ upper (docs/math-contour.md), both directions of add-or-remove accounted.
 * Edges: no noise → ε = Infinity, δ = 1; nothing composed → 0; δ = 0 → ε = Infinity (a Gaussian has no pure ε).
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
      new Curve(partsOf(event, neighboring, NAME), neighboring, relativeWidth, maximumWork, bend),
  };
}

export interface OneDirection {
  logDeltaAt(epsilon: number): LogBounds;
  /** enough: an upper end up to there needs no narrowing. */
  epsilonAt(logDelta: number, logRest: number, enough?: number): Interval;
  /** An upper bound on log δ(ε) that needs no integral. */
  chernoff(epsilon: number): number;
}

const straight: NonNullable<ContourOptions["bend"]> = (composition, tolerance, work) =>
  new Profile(composition, tolerance, work);

class Curve implements ContourCurve {
  readonly accountant = NAME;
  private readonly profiles: OneDirection[] = [];
  /** 0: nothing was spent; 1: everything was. */
  private readonly trivial: 0 | 1 | null;
  private readonly memory = new Map<number, Interval>();

  constructor(
    parts: Parts,
    readonly neighboring: Neighboring,
    tolerance: number,
    work: number,
    of: NonNullable<ContourOptions["bend"]>,
  ) {
    const { gaussian, mixtures } = parts;
    this.trivial = gaussian === Infinity ? 1 : gaussian === 0 && mixtures.length === 0 ? 0 : null;
    if (this.trivial !== null) return;
    const only = mixtures[0];
    if (
      gaussian === 0 &&
      mixtures.length === 1 &&
      only!.count === 1 &&
      only!.shifts.length === 2 &&
      only!.shifts[0] === 0
    ) {
      // One sampled step has a closed form, and its remove direction is the larger for every ε ≥ 0.
      this.profiles.push(new OneStep(only!.sigma, only!.weights[1]!, tolerance, work));
      return;
    }
    // Gaussians alone look the same from both sides.
    for (const direction of mixtures.length > 0 ? ([1, -1] as const) : ([1] as const))
      this.profiles.push(of({ gaussian, mixtures, direction }, tolerance, work));
  }

  epsilonAt(delta: number): number {
    return this.epsilonIntervalAt(delta).upper;
  }

  deltaAt(epsilon: number): number {
    return this.deltaIntervalAt(epsilon).upper;
  }

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

  relativeWidthAt(delta: number): number {
    const { lower, upper } = this.epsilonIntervalAt(delta);
    if (upper === Infinity) return Infinity;
    return upper === 0 ? 0 : (upper - lower) / upper;
  }
}
