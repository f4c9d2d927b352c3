// The closed-form accountant: exact up to round-off where δ(ε) is a formula, and a refusal by name everywhere else.
//
//   μ        √(Σ T/σ²), shift ÷ noise of all Gaussians together        q   sampling rate
//   scale    2 under replace-one, where a sum moves by up to twice the clip norm
//
// Why so few events: a composition has a δ(ε) in closed form only if its total loss has a law in closed form, as that of
// Gaussians: another Gaussian. Everything else composed is refused, with the accountants that can
// (docs/math-closed-forms.md).

import { type AtomicEvent, flatten, type PrivacyEvent } from "../../formats/event.js";
import type { Neighboring } from "../../formats/guarantee.js";
import { checkFields, type FieldsOf } from "../../formats/knownFields.js";
import { ULP } from "../../math/rounding.js";
import {
  type Accountant,
  checkDelta,
  checkEpsilon,
  type Interval,
  UnsupportedEventError,
} from "../accountant.js";
import { IntervalCurve } from "../intervalCurve.js";
import { atomsOf, soleAtom } from "../reduction.js";
import { gaussianProfile } from "./gaussianProfile.js";
import { epsilonInterval, type Profile, worseProfile } from "./profile.js";
import { finiteProfile, laplaceProfile } from "./pureProfiles.js";

const NAME = "closed-form";
/** What the closed-form accountant is for. */
export interface ClosedFormOptions {
  /** Default add-or-remove-one. */
  readonly neighboring?: Neighboring;
}

const OPTION_FIELDS = {
  neighboring: true,
} satisfies FieldsOf<ClosedFormOptions>;

/**
 * Takes on: any composition of Gaussians; one step of Poisson-sampled Gaussian noise (not under replace-one); one use
 * of Laplace noise, randomised response, an (ε, δ)-mechanism (by its worst one) or a pair of probability lists.
 *
 * Guarantee: lower ≤ truth ≤ upper, apart by round-off only: about 1e-13 of ε, and of log δ, at any δ from 1e-300.
 * Edges: no noise → ε = Infinity, δ = 1; nothing spent → 0; δ = 0 → the pure ε, or Infinity.
 * Cost: one formula a δ; about 60 an ε, 2,100 at most.
 *
 * How: the event becomes one profile, log δ(ε) and log(1 − δ(ε)) with their round-off (`gaussianProfile`,
 * `finiteProfile`, `laplaceProfile`, `sampled`); ε(δ) is solved from it outward (`epsilonInterval`).
 */
export function closedFormAccountant(options: ClosedFormOptions = {}): Accountant {
  checkFields("closedFormAccountant", options, OPTION_FIELDS);
  const { neighboring = "add-or-remove-one" } = options;
  return {
    name: NAME,
    neighboring,
    account: (event) => new ClosedFormCurve(profileOf(event, neighboring), neighboring),
  };
}

/**
 * Edges: nothing composed, or μ = 0, is "nothing"; one part without noise makes everything of it.
 */
function profileOf(event: PrivacyEvent, neighboring: Neighboring): Profile | "nothing" | "everything" {
  const parts = atomsOf(event, { neighboring, accountant: NAME }, "exact");
  // Replacing a record moves a clipped sum by up to twice the clip norm.
  const scale = neighboring === "replace-one" ? 2 : 1;
  const first = parts[0];
  if (!first) return "nothing";
  if (parts.some((part) => part.event.kind === "non-private")) return "everything";
  const mu = gaussianShift(parts);
  // Any number of Gaussians is one.
  if (mu !== undefined) return gaussian(scale * mu, parts.length);
  // Two losses of another kind have no sum in closed form here.
  if (parts.length > 1 || first.count > 1)
    throw new UnsupportedEventError(
      NAME,
      `a composition with ${parts.find((part) => part.event.kind !== "gaussian")!.event.kind}`,
      "only Gaussians compose in closed form",
      "pld or rdp",
    );
  return single(first.event, neighboring, scale);
}

/**
 * √Σ count/σ², or undefined if anything but a Gaussian is there.
 *
 * The largest 1/σ is taken out, so that squares stay within the doubles; one Gaussian alone keeps its σ's digits.
 */
function gaussianShift(parts: ReturnType<typeof flatten>): number | undefined {
  // Relative to the largest term: neither 1e-200² nor 1e200² may leave the doubles.
  let largest = 0;
  for (const { event } of parts) {
    if (event.kind !== "gaussian") return undefined;
    largest = Math.max(largest, 1 / event.noiseMultiplier);
  }
  if (largest === 0 || largest === Infinity) return largest;
  let sum = 0;
  for (const { event, count } of parts)
    if (event.kind === "gaussian") sum += count * (1 / event.noiseMultiplier / largest) ** 2;
  return soleAtom(parts) ? largest : largest * Math.sqrt(sum);
}

/**
 * summands: squares that were added to get μ², each a rounding.
 *
 * μ² has `summands` terms, each rounded, and a root: 3 + summands units of relative error.
 */
function gaussian(mu: number, summands: number): Profile | "nothing" | "everything" {
  if (mu === 0) return "nothing";
  return mu < Infinity ? gaussianProfile(mu, 3 + summands) : "everything";
}

/**
 *   poisson-sampled      Gaussians on one sample, at rate q: `sampled`; without noise, δ = q at every ε
 *   laplace              b = noiseMultiplier/scale
 *   randomized-response  outcomes with a positive loss: the true answer; zeroed out, both directions
 *   epsilon-delta        P(ℓ = ∞) = δ, P(ℓ = ε) = (1 − δ)/(1 + e^{−ε})
 *   pmf-pair             both directions, lists scaled to sum to 1
 */
function single(
  event: AtomicEvent,
  neighboring: Neighboring,
  scale: number,
): Profile | "nothing" | "everything" {
  switch (event.kind) {
    case "poisson-sampled": {
      const inside = flatten(event.event);
      const mu = gaussianShift(inside);
      if (mu === undefined || neighboring === "replace-one") break;
      const inner = gaussian(mu, inside.length);
      return typeof inner === "string"
        ? inner === "nothing"
          ? inner
          : finiteProfile([event.samplingRate], [Infinity], true)
        : sampled(inner, event.samplingRate);
    }
    case "laplace": {
      const b = event.noiseMultiplier / scale;
      if (b === Infinity) return "nothing";
      return b > 0 && 1 / b < Infinity ? laplaceProfile(b) : "everything";
    }
    case "randomized-response": {
      // a = 1 − p + p/k for the true answer, b = p/k for each other one.
      const { noiseProbability: p, buckets: k } = event;
      // P(ℓ > 0) for two different true answers: P of the own one.
      const own = 1 - p + p / k;
      if (neighboring === "zero-out-one") {
        // A record that contributes nothing answers uniformly: losses log ka and log p.
        const up = Math.log1p((k - 1) * (1 - p));
        const down = Math.log(p);
        return worseProfile(
          finiteProfile([own, ((k - 1) * p) / k], [up, down]),
          finiteProfile([1 / k, (k - 1) / k], [-up, -down]),
        );
      }
      // The other outcomes have losses ≤ 0, which add nothing to δ at ε ≥ 0. By symmetry one direction is both.
      return finiteProfile([own], [Math.log1p((k * (1 - p)) / p)]);
    }
    case "epsilon-delta": {
      // The worst mechanism of that kind [KairouzOhViswanath2015]: all is revealed, or two-point response at ε.
      const { epsilon, delta } = event;
      if (epsilon === Infinity) return "everything";
      return finiteProfile([delta, (1 - delta) / (1 + Math.exp(-epsilon))], [Infinity, epsilon], true);
    }
    case "pmf-pair": {
      // Both lists scaled to sum to 1.
      const normal = (list: readonly number[]): number[] => {
        const sum = list.reduce((partial, p) => partial + p, 0);
        return list.map((p) => p / sum);
      };
      const [p, q] = [normal(event.upper), normal(event.lower)];
      const losses = p.map((x, i) => logRatio(x, q[i]!));
      return worseProfile(
        finiteProfile(p, losses),
        finiteProfile(
          q,
          losses.map((loss) => -loss),
        ),
      );
    }
  }
  throw new UnsupportedEventError(NAME, event.kind, "its δ(ε) is no formula", "pld or rdp");
}

/**
 * Within half of q of each other by log1p, whose argument is a quotient of rounded numbers and not of their logarithms.
 */
function logRatio(p: number, q: number): number {
  if (p === q) return 0;
  return Math.abs(p - q) < 0.5 * q ? Math.log1p((p - q) / q) : Math.log(p) - Math.log(q);
}

/**
 * One step at sampling rate q: δ(ε) = q·δ_G(log(1 + (e^ε − 1)/q)), the remove direction, which is the larger for every
 * ε ≥ 0 (proof: docs/math-contour.md, theorem 7).
 *
 *   1 − δ = (1 − q) + q(1 − δ_G), both terms positive;   place(ε) = log(1 + (e^ε − 1)/q) ± 8 ulp
 *
 * δ_G falls: it is read at the upper end of its argument for the lower bound, and the other way round.
 */
function sampled(inner: Profile, q: number): Profile {
  const place = (epsilon: number): { low: number; high: number } => {
    // For large ε in a form that does not overflow.
    const x =
      epsilon < 30
        ? Math.log1p(Math.expm1(epsilon) / q)
        : epsilon - Math.log(q) + Math.log1p(-(1 - q) * Math.exp(-epsilon));
    const error = 8 * ULP * x;
    return { low: x - error, high: x + error };
  };
  const log = Math.log(q);
  const logRest = Math.log1p(-q);
  return {
    floor: inner.floor,
    pure: Infinity,
    logDelta(epsilon) {
      if (epsilon === Infinity) return { lower: -Infinity, upper: -Infinity };
      const { low, high } = place(epsilon);
      const error = 4 * ULP * (1 + Math.abs(log));
      return {
        lower: inner.logDelta(high).lower + log - error,
        upper: Math.min(0, inner.logDelta(low).upper + log + error),
      };
    },
    logRest(epsilon) {
      const { low, high } = place(epsilon);
      // (1 − q) + q(1 − δ_G): both positive. log((1 − q) + q e^part) = log(1 − q) + log(1 + (q/(1 − q))e^part).
      const mix = (part: number): number => logRest + Math.log1p((q / (1 - q)) * Math.exp(part));
      const error = 16 * ULP * (1 + Math.abs(logRest));
      return {
        lower: mix(inner.logRest(low).lower) - error,
        upper: Math.min(0, mix(inner.logRest(high).upper) + error),
      };
    },
  };
}

/**
 * δ(ε) and ε(δ) of one profile, with the edges that have no profile.
 */
class ClosedFormCurve extends IntervalCurve {
  readonly accountant = NAME;

  constructor(
    private readonly profile: Profile | "nothing" | "everything",
    readonly neighboring: Neighboring,
  ) {
    super();
  }

  /**
   * At δ = 0 the pure ε, if nothing is revealed at any ε; else no ε is enough.
   */
  epsilonIntervalAt(delta: number): Interval {
    checkDelta(delta);
    const { profile } = this;
    if (profile === "nothing" || delta === 1) return { lower: 0, upper: 0 };
    if (profile === "everything") return { lower: Infinity, upper: Infinity };
    if (delta === 0 && profile.floor.upper === 0)
      return { lower: profile.pure * (1 - 8 * ULP), upper: profile.pure };
    // All is revealed with some probability.
    if (delta === 0) return { lower: Infinity, upper: Infinity };
    return epsilonInterval(profile, delta);
  }

  /**
   * From `pure` on the floor itself. exp errs by an ulp: 2 ulp outward; what underflows is Number.MIN_VALUE above and 0
   * below.
   */
  deltaIntervalAt(epsilon: number): Interval {
    checkEpsilon(epsilon);
    const { profile } = this;
    if (profile === "nothing") return { lower: 0, upper: 0 };
    if (profile === "everything") return { lower: 1, upper: 1 };
    if (epsilon >= profile.pure) return profile.floor;
    // log δ, with all round-off.
    const { lower, upper } = profile.logDelta(epsilon);
    const high = upper === -Infinity ? 0 : Math.max(Number.MIN_VALUE, Math.exp(upper) * (1 + 2 * ULP));
    return { lower: Math.exp(lower) * (1 - 2 * ULP), upper: Math.min(1, high) };
  }
}
