// What a closed form gives: certified bounds on log δ(ε) and log(1 − δ(ε)); and ε(δ) solved from them, outward.
//
// Two profiles in one: log δ is what has relative accuracy where δ is small, log(1 − δ) where it is near 1. Every end is
// of the profile's own bounds, so that what rounding does is in them once and for all (docs/math-closed-forms.md,
// theorem 4).
import { bracketRoot } from "../../math/roots.js";
import type { Interval } from "../accountant.js";

/**
 * lower ≤ truth ≤ upper, both falling (logDelta) or rising (logRest) in ε ≥ 0.
 *
 * floor: δ(ε) ≥ P(ℓ = ∞), and equal to it from the largest finite loss (`pure`) on.
 */
export interface Profile {
  /** δ(ε) never falls below this: the probability that all is revealed. */
  readonly floor: Interval;
  /** The ε from which on δ(ε) is the floor; Infinity if there is none. */
  readonly pure: number;
  logDelta(epsilon: number): Interval;
  logRest(epsilon: number): Interval;
}

/**
 * The worse of two directions at every ε.
 *
 * δ is the larger of the two at each ε, 1 − δ the smaller: bounds by ends.
 */
export function worseProfile(one: Profile, other: Profile): Profile {
  const worse = (a: Interval, b: Interval, side: (x: number, y: number) => number): Interval => ({
    lower: side(a.lower, b.lower),
    upper: side(a.upper, b.upper),
  });
  return {
    floor: worse(one.floor, other.floor, Math.max),
    pure: Math.max(one.pure, other.pure),
    logDelta: (epsilon) => worse(one.logDelta(epsilon), other.logDelta(epsilon), Math.max),
    logRest: (epsilon) => worse(one.logRest(epsilon), other.logRest(epsilon), Math.min),
  };
}

/**
 * [lower, upper] around the smallest ε ≥ 0 with δ(ε) ≤ δ, δ in (0, 1). The root of the profile's middle is found first;
 * from there each end walks outward, by steps that double, until the profile's own bounds prove it. At the floor of δ(ε)
 * itself the answer is where δ(ε) reaches it, below the floor it is Infinity.
 *
 *   upper   a place where δ_upper(ε) ≤ δ      lower   a place where δ_lower(ε) ≥ δ
 *
 * δ falls with ε, so the ε sought lies between. Above δ = ½ it is 1 − δ that is compared, which rises. slack, 2⁻⁵¹ of
 * the logarithm, allows for the rounding of log δ itself.
 *
 * Edges: δ below the floor: no ε is enough. δ(0) ≤ δ: 0. A root that is not found below `pure` is at `pure`, if the
 * floor allows.
 */
export function epsilonInterval(profile: Profile, delta: number): Interval {
  const { floor, pure } = profile;
  if (delta < floor.lower) return { lower: Infinity, upper: Infinity };
  /** δ(ε) ≤ δ here, if the floor is. */
  const reached = delta >= floor.upper ? pure : Infinity;
  const log = Math.log(delta);
  const logComplement = Math.log1p(-delta);
  const high = delta > 0.5;
  const slack = 2 ** -51;
  /** Proven δ(ε) ≤ δ, or proven δ(ε) ≥ δ. */
  const enough = (epsilon: number): boolean =>
    high
      ? profile.logRest(epsilon).lower >= logComplement * (1 - slack)
      : profile.logDelta(epsilon).upper <= log * (1 + slack);
  const little = (epsilon: number): boolean =>
    high
      ? profile.logRest(epsilon).upper <= logComplement * (1 + slack)
      : profile.logDelta(epsilon).lower >= log * (1 - slack);
  /** > 0 where ε is too small. */
  const middle = (epsilon: number): number => {
    const { lower, upper } = high ? profile.logRest(epsilon) : profile.logDelta(epsilon);
    if (lower === upper) return high ? logComplement - upper : upper - log;
    const value = lower === -Infinity ? upper : 0.5 * (lower + upper);
    return high ? logComplement - value : value - log;
  };
  // δ(0) ≤ δ is proven.
  if (enough(0)) return { lower: 0, upper: 0 };
  if (middle(0) <= 0) return { lower: 0, upper: outward(0, 1e-300, reached, enough) };
  // Doubling until δ at `top` is too small, or the floor is reached.
  let top = Math.min(1, reached);
  while (top < reached && middle(top) > 0) top = Math.min(2 * top, reached);
  // δ(ε) stays above δ as far as doubles go.
  if (top === Infinity) return { lower: 0, upper: Infinity };
  const bottom = top <= 1 ? 0 : top / 2;
  const root = middle(top) >= 0 ? { lower: top, upper: top } : bracketRoot(middle, bottom, top, 2 ** -51);
  // A few round-offs of ε, doubled until it is proven.
  const first = 2 ** -50 * root.upper;
  const upper = outward(root.upper, first, reached, enough);
  const lower = little(root.lower) ? root.lower : -outward(-root.lower, first, 0, (x) => little(-x));
  return { lower: Math.max(0, lower), upper };
}

/**
 * The first of x, x + step, x + 3·step, … for which `proven` holds; `limit` at last. At most ~2,100 evaluations.
 *
 * `limit` is a place where it is known to hold.
 */
function outward(x: number, step: number, limit: number, proven: (x: number) => boolean): number {
  let size = Math.max(step, 1e-300);
  for (let at = x; at < limit; at += size, size *= 2) if (proven(at)) return at;
  return limit;
}
