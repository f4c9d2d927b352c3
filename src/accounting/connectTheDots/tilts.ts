// Where to tilt a composition: its moments from rough panels of losses, the saddle point, and the period that holds it.
// Only cost depends on the place; what must hold of it is that `logMoment2` is a bound (docs/math-connect-the-dots.md,
// theorem 2).
//
//   K(c) = log E[e^{c·loss}]                      of the whole composition: Σ T·(that of one use)
//   K(c) − cε − log|c| − log(1 + c)                log of the integrand at real c; least at the saddle point
//   log g ≈ that − ½ log 2πB,  B = K″ + 1/c² + 1/(1 + c)²
//
// g = δ for c > 0 and 1 − δ for −1 < c < 0, where ε is below the mean loss.
//
//   c₂   second tilt, whose moment bounds aliases      Λ   period of the inversion      β   `logSupremum` is its logarithm
//   B    curvature of the exponent (`bend`)            f   factors of c that are tried for c₂
//
// Why not the saddle always: a few losses that are far larger than ε make a second mode of p e^{cℓ}; a period that holds
// both modes takes many frequencies. With a smaller c the second mode is lower, and errors, relative to M(c)e^{−cε}, are
// larger against δ.
import { logSupremum } from "../hockeyStickSupremum.js";
import type { InversionPlacement } from "./inversionPlacement.js";
import { outside } from "./lattice.js";
import type { DominatingPair } from "./pair.js";
import { type LossPanels, lossPanels, type TiltedMoments, tiltedMomentsOf } from "./roughMoments.js";

/** A pair and how often it happened. */
export interface CountedPair {
  readonly pair: DominatingPair;
  readonly count: number;
}

/** log of the aliasing aimed at, relative to g. */
const ALIASING = -23;

/**
 * All questions about one composition; panels are made once for each octave of tilts.
 *
 * Panels are rough: two masses for each panel of a body, whose moments take one pass. That is enough to choose by; for
 * c > 0 what bounds need is from above.
 */
export class Tilts {
  private readonly rough = new Map<number, readonly LossPanels[]>();

  constructor(private readonly parts: readonly CountedPair[]) {}

  /**
   * Panels of losses, part by part, that hold what matters at the tilt c.
   *
   * For c in [−1, 1], or in [4^{k−1}, 4^k].
   */
  roughAt(c: number): readonly LossPanels[] {
    const octave = c <= 1 ? 0 : Math.ceil(Math.log2(c) / 2 - 1e-9);
    let points = this.rough.get(octave);
    if (!points) {
      const [low, high] = octave === 0 ? [-1, 1] : [4 ** (octave - 1), 4 ** octave];
      points = this.parts.map(({ pair }) => lossPanels(pair, low, high));
      this.rough.set(octave, points);
    }
    return points;
  }

  /**
   * Of the composition: log E[e^{c·loss}], from above for c > 0, and its first two derivatives about.
   *
   * T·(log M + its error + what was left out of the points, over M + `relative`).
   */
  moments(c: number): TiltedMoments {
    const points = this.roughAt(c);
    const all = { log: 0, error: 0, mean: 0, variance: 0 };
    this.parts.forEach(({ count, pair }, i) => {
      const one = tiltedMomentsOf(points[i]!, c);
      const left = Math.exp((pair.logLeftOut?.(c) ?? -Infinity) - one.log);
      // From above for c > 0; the derivatives are about right, which is enough.
      all.log += count * (one.log + one.error + left + (pair.relative ?? 0));
      all.mean += count * one.mean;
      all.variance += count * one.variance;
    });
    return all;
  }

  /**
   * log E[e^{c·loss}] of the composition for c > 0, from above: with all that lies beyond the panels of each body, relative
   * to what lies within. The bound on aliases and the Chernoff bound rest on it.
   *
   * Σ T·(log of what is within + log(1 + beyond/within)), each from above; panels bound E[e^{cℓ}] as it is convex in
   * e^{−ℓ} for c > 0.
   */
  momentBound(c: number): number {
    const points = this.roughAt(c);
    let log = this.moments(c).log;
    this.parts.forEach(({ pair: { bodies = [] }, count }, i) => {
      const { log: within } = tiltedMomentsOf(points[i]!, c);
      let beyond = 0;
      bodies.forEach((body, k) => {
        beyond += Math.exp(outside(body, c, ...points[i]!.ranges[k]!) - within);
      });
      log += count * Math.log1p(beyond);
    });
    return log;
  }

  /**
   * By Newton steps in log c (or in the logit of −c) inside a bracket; a step of 2 at most, halved where it leaves the
   * bracket. It stops where the derivative squared is below 1e-3 of B: nothing rests on the place.
   *
   * The c at which K(c) − cε − log|c|(1 + c) is least, K = log E[e^{c·loss}], and g(ε) about.
   *
   *   exponent′ = K′ − ε − 1/c − 1/(1 + c) (`slope`),   exponent″ = B > 0,   dc/dy = c, or c(1 + c) < 0 for c = −1/(1 + e^{−y})
   *
   * The start is that of a normal loss: (ε − mean + deviation)/variance.
   */
  saddle(epsilon: number): { c: number; log: number; curvature: number } {
    const { mean, variance } = this.moments(0);
    // A deviation below the mean loss δ is near 1, and 1 − δ is what keeps digits.
    const below = epsilon < mean - Math.sqrt(variance);
    // y = log c for c > 0; c = −1/(1 + e^{−y}) in (−1, 0).
    const at = (y: number): number => (below ? -1 / (1 + Math.exp(-y)) : Math.exp(y));
    let [lo, hi] = below ? [-36, 36] : [-60, 60];
    let y = below
      ? 0
      : Math.max(
          -30,
          Math.min(
            30,
            Math.log((Math.max(0, epsilon - mean) + Math.sqrt(variance)) / Math.max(variance, 1e-300)),
          ),
        );
    // Each round has one K, K′, K″ and narrows the bracket [lo, hi] of y.
    let best = { c: at(y), log: 0, curvature: 1 };
    for (let i = 0; i < 60; i++) {
      const c = at(y);
      const k = this.moments(c);
      // Too far out: halve back.
      if (k.log === Infinity) {
        hi = y;
        y = (lo + hi) / 2;
        continue;
      }
      const bend = k.variance + 1 / (c * c) + 1 / ((1 + c) * (1 + c));
      best = {
        c,
        log: Math.min(
          0,
          k.log - c * epsilon - Math.log(Math.abs(c)) - Math.log1p(c) - 0.5 * Math.log(2 * Math.PI * bend),
        ),
        curvature: bend,
      };
      const slope = k.mean - epsilon - 1 / c - 1 / (1 + c);
      if (slope * slope < 1e-3 * bend) break;
      const up = below ? slope < 0 : slope > 0;
      if (up) hi = y;
      else lo = y;
      const rate = bend * (below ? c * (1 + c) : c);
      let next = y + Math.max(-2, Math.min(2, -slope / rate));
      if (!(next > lo && next < hi)) next = (lo + hi) / 2;
      if (Math.abs(next - y) < 1e-9) break;
      y = next;
    }
    return best;
  }

  /**
   * Tilt at the saddle point, or below it where a second mode of the tilted losses would need a much longer period.
   *
   * Where period × c exceeds 60 smaller tilts are tried, by 0.7 each, as long as the prefactor is at most e^14 of g,
   * which costs six digits.
   *
   * For c > 0 the moment at c₂ is taken again with all that lies beyond the panels, so that it is a bound; for c < 0 it
   * is 0 already.
   */
  place(epsilon: number): InversionPlacement | null {
    const { c, log } = this.saddle(epsilon);
    let best = this.placeAt(c, epsilon, log);
    for (let x = 0.7 * c; c > 0 && best && best.period * c > 60 && x > 0.02 * c; x *= 0.7) {
      // Digits lost there: the prefactor over δ.
      if (this.moments(x).log - x * epsilon - log > 14) break;
      const other = this.placeAt(x, epsilon, log);
      if (other && other.period < 0.7 * best.period) best = other;
    }
    return best && (best.c > 0 ? { ...best, logMoment2: this.momentBound(best.c2) } : best);
  }

  /**
   * The shortest period for a tilt c: aliases are to be e^ALIASING of g. Nearer ones need Λ|c| ≥ −log g − ALIASING, farther
   * ones Λ|c₂ − c| ≥ K(c₂) − c₂ε + log β(c₂) − log g − ALIASING, for the c₂ among multiples of c (or shares of the way to −1)
   * that makes Λ least.
   *
   * On c < 0 moments between −1 and 0 are at most 1 (Jensen), so K(c₂) ≤ 0 is put in.
   */
  private placeAt(c: number, epsilon: number, log: number): InversionPlacement | null {
    const b = Math.abs(c);
    // e^{−Λ|c|} ≤ e^ALIASING·g.
    const near = (-log - ALIASING) / b;
    let best: InversionPlacement | null = null;
    for (const f of c > 0 ? [1.05, 1.1, 1.2, 1.4, 1.7, 2.3, 3.5, 6, 12, 40] : [0.1, 0.3, 0.6, 0.8, 1]) {
      const x = c > 0 ? b * f : -(b + (1 - b) * f);
      // Between −1 and 0 no moment exceeds 1.
      const k = c > 0 ? this.moments(x).log : 0;
      const far = k - x * epsilon + logSupremum(x) - log - ALIASING;
      if (!(far < Infinity)) break;
      const period = Math.max(near, far / (Math.abs(x) - b));
      if (!best || period < best.period) best = { c, log, period, c2: x, logMoment2: k };
      // Far past the best one.
      else if (period > 1.5 * best.period) break;
    }
    return best;
  }

  /**
   * How many times the losses that matter at the tilt c are wider than a step.
   *
   * Of the masses p e^{cℓ}: the range of losses with more than e^−60 of the largest.
   */
  cells(c: number, step: number): number {
    let cells = 1;
    for (const { losses, logP } of this.roughAt(c)) {
      let highest = -Infinity;
      for (let i = 0; i < losses.length; i++) highest = Math.max(highest, logP[i]! + c * losses[i]!);
      let [lo, hi] = [Infinity, -Infinity];
      for (let i = 0; i < losses.length; i++)
        if (logP[i]! + c * losses[i]! > highest - 60) {
          lo = Math.min(lo, losses[i]!);
          hi = Math.max(hi, losses[i]!);
        }
      cells = Math.max(cells, (hi - lo) / step);
    }
    return cells;
  }
}
