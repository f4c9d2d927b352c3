// What a closed form gives: certified bounds on log δ(ε) and log(1 − δ(ε)); and ε(δ) solved from them, outward.
import { bracketRoot } from "../../math/roots.js";
import type { Interval } from "../accountant.js";

/** lower ≤ truth ≤ upper, both falling (logDelta) or rising (logRest) in ε ≥ 0. */
export interface Profile {
  /** δ(ε) never falls below this: the probability that all is revealed. */
  readonly floor: Interval;
  /** The ε from which on δ(ε) is the floor; Infinity if there is none. */
  readonly pure: number;
  logDelta(epsilon: number): Interval;
  logRest(epsilon: number): Interval;
}

/** The worse of two directions at every ε. */
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
  if (enough(0)) return { lower: 0, upper: 0 };
  if (middle(0) <= 0) return { lower: 0, upper: outward(0, 1e-300, reached, enough) };
  let top = Math.min(1, reached);
  while (top < reached && middle(top) > 0) top = Math.min(2 * top, reached);
  if (top === Infinity) return { lower: 0, upper: Infinity };
  const bottom = top <= 1 ? 0 : top / 2;
  const root = middle(top) >= 0 ? { lower: top, upper: top } : bracketRoot(middle, bottom, top, 2 ** -51);
  const first = 2 ** -50 * root.upper;
  const upper = outward(root.upper, first, reached, enough);
  const lower = little(root.lower) ? root.lower : -outward(-root.lower, first, 0, (x) => little(-x));
  return { lower: Math.max(0, lower), upper };
}

/** The first of x, x + step, x + 3·step, … for which `proven` holds; `limit` at last. At most ~2,100 evaluations. */
function outward(x: number, step: number, limit: number, proven: (x: number) => boolean): number {
  let size = Math.max(step, 1e-300);
  for (let at = x; at < limit; at += size, size *= 2) if (proven(at)) return at;
  return limit;
}
