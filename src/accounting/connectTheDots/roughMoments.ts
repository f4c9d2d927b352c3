// Moments of a pair, quickly and from above: the body cut into panels whose mass goes to both ends of each, as in
// connecting the dots (docs/math-connect-the-dots.md, theorems 1 and 2).
//
// Moving mass to the ends, P-mass and Q-mass kept, raises E[e^{c·loss}] for every c outside of (−1, 0), since e^{c·loss} is
// then convex in e^{−loss}: so sums over panels bound the moments there, up to rounding and what lies beyond the panels.
//
//   c    tilt: e^{cℓ} weighs losses             p, q   masses of a panel, logP and logP − ratio
//   ℓ₀, ℓ₁  losses at the ends of a panel       up     share of p that goes to ℓ₁
//
// Why convex: with v = e^{−ℓ}, e^{cℓ} = v^{−c}, which is convex in v > 0 for c ≥ 0 and for c ≤ −1; and the mean of v
// under P, the Q-mass, is kept. For −1 < c < 0 it is concave, and the sums are estimates.
import { UNIT_ROUNDOFF } from "../../math/rounding.js";
import type { DominatingPair, Mass } from "./pair.js";

/** Width of a panel in the coordinate of a body, and most panels of one. */
const PANEL = 0.25;
const MAXIMUM_PANELS = 4000;

/**
 * Panels of the bodies that hold all but what falls like e^{−12|x|} beyond, for tilts between low and high.
 *
 * Two masses for each panel of a body, one for each point.
 */
export interface LossPanels {
  readonly losses: Float64Array;
  readonly logP: Float64Array;
  /** Where the panels of each body begin and end. */
  readonly ranges: readonly (readonly [from: number, to: number])[];
}

/**
 * For all tilts in [low, high]. The share that goes up is (1 − (q/p)e^{ℓ₀})/(1 − e^{ℓ₀ − ℓ₁}) on a panel from ℓ₀ to ℓ₁.
 *
 * The same shares as in `discretise`, but on panels of equal width in x: each moment then costs one pass.
 */
export function lossPanels(pair: DominatingPair, low: number, high: number): LossPanels {
  const losses = Array.from(pair.losses);
  const logP = Array.from(pair.logP);
  const ranges = (pair.bodies ?? []).map((body): [number, number] => {
    // The wider of the extents at both ends of the range of tilts.
    const a = body.extent(low);
    const b = body.extent(high);
    const from = Math.max(Math.min(a[0], b[0]), body.from);
    const to = Math.min(Math.max(a[1], b[1]), body.to);
    // At least 64, so that short bodies are resolved too.
    const count = Math.min(MAXIMUM_PANELS, Math.max(64, Math.ceil((to - from) / PANEL)));
    const mass: Mass = { logP: 0, ratio: 0 };
    let x = from;
    let lossBefore = body.loss(x);
    for (let i = 1; i <= count; i++) {
      const end = i === count ? to : from + ((to - from) * i) / count;
      const loss = body.loss(end);
      body.mass(x, end, mass);
      // The share comes from expm1 of differences of logarithms; rounding may leave it outside of [0, 1] by little.
      if (mass.logP > -Infinity && loss > lossBefore) {
        const up = Math.min(
          1,
          Math.max(0, Math.expm1(lossBefore - mass.ratio) / Math.expm1(lossBefore - loss)),
        );
        losses.push(lossBefore, loss);
        logP.push(mass.logP + Math.log1p(-up), mass.logP + Math.log(up));
      } else if (mass.logP > -Infinity) {
        // Flat to the last digit, as far below a sampled Gaussian of little noise: most of the mass may lie there.
        losses.push(Math.max(lossBefore, loss));
        logP.push(mass.logP);
      }
      x = end;
      lossBefore = loss;
    }
    return [from, to];
  });
  return { losses: Float64Array.from(losses), logP: Float64Array.from(logP), ranges };
}

export interface TiltedMoments {
  /** log E_P[e^{c·loss}]; for c outside of (−1, 0) an upper bound up to `error` and what lies beyond the panels. */
  readonly log: number;
  readonly error: number;
  readonly mean: number;
  readonly variance: number;
}

/**
 * log Σ p e^{cℓ} by its largest term, with the mean and the variance of the tilted losses.
 *
 *   log = highest + log Σ e^{logP + cℓ − highest},   mean = E_c[ℓ],   variance = E_c[(ℓ − mean)²]
 *
 * E_c of the masses p e^{cℓ}. error bounds what rounding did to log: Σ w·32u(8 + |logP| + (1 + |c|)|ℓ|)/Σ w, and u for
 * each addition.
 */
export function tiltedMomentsOf({ losses, logP }: LossPanels, c: number): TiltedMoments {
  const n = losses.length;
  let highest = -Infinity;
  // Everything is relative to the largest term, so that nothing overflows.
  for (let i = 0; i < n; i++) highest = Math.max(highest, logP[i]! + c * losses[i]!);
  if (!(highest > -Infinity && highest < Infinity))
    return { log: Infinity, error: 0, mean: Infinity, variance: Infinity };
  let sum = 0;
  let mean = 0;
  let error = 0;
  for (let i = 0; i < n; i++) {
    const w = Math.exp(logP[i]! + c * losses[i]! - highest);
    if (w === 0) continue;
    sum += w;
    mean += w * losses[i]!;
    error += w * 32 * UNIT_ROUNDOFF * (8 + Math.abs(logP[i]!) + (1 + Math.abs(c)) * Math.abs(losses[i]!));
  }
  // The variance by a second pass, about the mean, so that nothing cancels.
  mean /= sum;
  let variance = 0;
  for (let i = 0; i < n; i++)
    variance += Math.exp(logP[i]! + c * losses[i]! - highest) * (losses[i]! - mean) ** 2;
  return {
    log: highest + Math.log(sum),
    error: error / sum + n * UNIT_ROUNDOFF,
    mean,
    variance: variance / sum,
  };
}
