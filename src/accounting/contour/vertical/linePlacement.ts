// Which line to integrate on: the saddle point of the real integrand, and the c, c₂ and period that make the sum short
// (docs/math-contour.md, theorems 1, 2 and 6). Which line is taken decides about cost and width only; its moment bounds
// M(c₂), and the Chernoff bounds, hold wherever they are taken.
//
//   K(c) = log M(c), K′ and K″           cumulants of the total loss tilted by e^{cℓ}
//   K(c) − cε − log|c| − log(1 + c)      log of the integrand at real c: least at the saddle
//   log g ≈ that − ½ log 2πB,            B = K″ + 1/c² + 1/(1 + c)²  (saddle-point approximation)
//
//   c, c₂   the line, and the line whose moment bounds farther aliases     Λ   period, 2π over the distance of nodes
//   g       δ for c > 0, 1 − δ for −1 < c < 0                              β   `logSupremum` is its logarithm
//
// Why the saddle: along Re t = c the integrand is largest at u = 0, where it is the real integrand; terms there are
// about as large as their sum only where the real integrand is least.
import { minimize } from "../../../math/minimize.js";
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";
import { logSupremum } from "../../hockeyStickSupremum.js";
import { type DirectedComposition, exponentAt } from "./directedComposition.js";
import type { MixtureStep } from "./stepMgf.js";
import type { LinePlacement } from "./verticalContour.js";

/** ε given, or log g (log δ, or log(1 − δ) for c < 0). */
export type SaddleGoal = { readonly epsilon: number } | { readonly log: number };

export interface Saddle {
  readonly c: number;
  readonly epsilon: number;
  /** log g, about. */
  readonly log: number;
  /** B. */
  readonly curvature: number;
}

/** c₂ is sought at these multiples of c > 0, or at these shares of the way from c < 0 to −1. */
const MULTIPLES = [1, 1.02, 1.05, 1.1, 1.2, 1.4, 1.7, 2.3, 3.2, 4.6, 7, 12, 20, 40, 100] as const;
const SHARES = [0.1, 0.3, 0.6, 0.8, 1] as const;

/** What the error of one step's K must be smaller by, as a logarithm, for that of all of them to be small. */
const logCountBeyond = (mixture: MixtureStep): number => Math.max(0, Math.log(mixture.count) - 10);

/**
 * Places lines for one composition. K of any c is at hand by rules in x that were chosen for c = 1 where those serve,
 * and are made narrower where not.
 */
export class LinePlacer {
  /** Of each mixture, the step of the rule in x at c = 1. */
  private readonly steps: readonly number[];

  constructor(
    private readonly composition: DirectedComposition,
    private readonly tolerance: number,
  ) {
    this.steps = composition.mixtures.map((mixture) =>
      mixture.stepFor(exponentAt(composition, 1), [0], [-20 - logCountBeyond(mixture)]),
    );
  }

  /**
   * K, K′, K″ of log M at real c, and a bound on the error of K: the Gaussian's μ²c(c + 1)/2, and T·log E[r^s] of each
   * mixture by a rule in x whose error, times T, is small (direction·mean, as ds/dc = ±1).
   *
   *   K = μ²c(c + 1)/2 + ΣT log E[r^s],   K′ = μ²(2c + 1)/2 ± ΣT E_s[log r],   K″ = μ² + ΣT Var_s[log r]
   *
   * E_s, Var_s of the law tilted by r^s. Only K's error matters for bounds: 4u of the Gaussian part, and of each
   * mixture T times the rule's own error and 1e-12 for rounding, relative to 1 + |log E[r^s]|. K′ and K″ place lines.
   */
  cumulants(c: number): [k: number, k1: number, k2: number, error: number] {
    const { gaussian, mixtures, direction } = this.composition;
    const s = exponentAt(this.composition, c);
    let k0 = (gaussian * c * (c + 1)) / 2;
    let k1 = (gaussian * (2 * c + 1)) / 2;
    let k2 = gaussian;
    let error = 4 * UNIT_ROUNDOFF * k0;
    for (const [i, mixture] of mixtures.entries()) {
      const { count, sigma } = mixture;
      let h = this.steps[i]!;
      let logError = mixture.logQuadratureError(s, 0, h);
      if (!(logError < -14 - logCountBeyond(mixture))) {
        h = mixture.stepFor(s, [0], [-16 - logCountBeyond(mixture)]);
        logError = mixture.logQuadratureError(s, 0, h);
      }
      const [log, mean, variance] = mixture.cumulants(s, h);
      if (!Number.isFinite(log)) {
        // Too fine a grid: r^s is convex in the mixture, so the largest shift alone is an upper bound of K.
        // T·c(c + 1)·reach²/2σ², with reach 1: as if not sampled.
        const squaredShift = count / (sigma * sigma);
        k0 += (squaredShift * c * (c + 1)) / 2;
        k1 += (squaredShift * (2 * c + 1)) / 2;
        k2 += squaredShift;
        error += 8 * UNIT_ROUNDOFF * squaredShift * Math.abs(c * (c + 1));
        continue;
      }
      k0 += count * log;
      k1 += direction * count * mean;
      k2 += count * variance;
      error += count * (Math.exp(logError) + 1e-12) * (1 + Math.abs(log));
    }
    return [k0, k1, k2, error];
  }

  /**
   * Where K(c) − cε − log|c|(1 + c) is least (given ε), or where that meets log g (given log g): the only sign change of
   * a monotone function, by Newton steps in log |c| inside a bracket. negative: on −1 < c < 0. Null if K overflows
   * everywhere.
   *
   *   c = e^y for c > 0, dc/dy = c;   c = −1/(1 + e^{−y}) for −1 < c < 0, dc/dy = c(1 + c) < 0
   *   f(c) = K′ − 1/c − 1/(1 + c) − ε,   f′ = B > 0: the exponent is convex in c
   *
   * Given log g, the ε that goes with c at the saddle-point approximation stands for ε. Nothing rests on c's digits, so
   * the search ends where a further step would gain less than 0.02 in log δ.
   */
  saddle(negative: boolean, goal: SaddleGoal): Saddle | null {
    // y = log c for c > 0; for −1 < c < 0, c = −1/(1 + e^{−y}).
    const cAt = (y: number): number => (negative ? -1 / (1 + Math.exp(-y)) : Math.exp(y));
    let lo = negative ? -34 : -60;
    let hi = negative ? 34 : 60;
    const [, , middleVariance] = this.cumulants(negative ? -0.5 : 0.5);
    const deviation = Math.sqrt(Math.max(middleVariance, 1e-300));
    let y = 0;
    if (!negative) {
      // Of a normal loss.
      const aim =
        "log" in goal
          ? Math.sqrt(Math.max(1, -2 * goal.log)) / deviation
          : goal.epsilon / (deviation * deviation) + 1 / deviation;
      y = Math.min(20, Math.max(-20, Math.log(aim)));
      if (!(y > -20)) y = 0;
    }
    let saddle: Saddle | null = null;
    // Each round has one K, K′, K″: it narrows the bracket [lo, hi] of y and proposes a Newton step, of 2 at most.
    for (let i = 0; i < 60; i++) {
      const c = cAt(y);
      const [k, k1, k2] = this.cumulants(c);
      let move: number;
      // K overflows: too far out.
      if (!(Number.isFinite(k) && Number.isFinite(k1) && Number.isFinite(k2))) {
        hi = y;
        move = -1;
      } else {
        // log |c|(1 + c), of the kernel 1/(t(t + 1)).
        const kernel = Math.log(Math.abs(c)) + Math.log1p(c);
        const curvature = k2 + 1 / (c * c) + 1 / ((1 + c) * (1 + c));
        const prefactor = -0.5 * Math.log(2 * Math.PI * curvature);
        const stationary = k1 - 1 / c - 1 / (1 + c);
        const epsilon = "epsilon" in goal ? goal.epsilon : (k - kernel + prefactor - goal.log) / c;
        saddle = { c, epsilon, log: k - c * epsilon - kernel + prefactor, curvature };
        // Increasing in c either way.
        // d/dc of the exponent, K′ − 1/c − 1/(1 + c) − ε, which vanishes at the saddle.
        const f = stationary - epsilon;
        const slope = curvature * (negative ? -c * (1 + c) : c);
        // dc/dy > 0 for c > 0, < 0 below.
        const above = negative ? f < 0 : f > 0;
        if (above) hi = y;
        else lo = y;
        move = negative ? f / slope : -f / slope;
        // What is left to gain in log δ.
        if ((f * f) / (2 * curvature) < 0.02) break;
        // Beyond a knee of K (a second mode of the tilted density) Newton crawls: step on.
        if (Math.abs(move) < 0.1) move = Math.sign(move) * Math.min(0.3, i / 30 + 0.1);
      }
      let next = y + Math.max(-2, Math.min(2, move));
      // Newton out of the bracket: its middle.
      if (!(next > lo && next < hi)) next = (lo + hi) / 2;
      if (Math.abs(next - y) < 1e-6) break;
      y = next;
    }
    return saddle;
  }

  /**
   * The line for a saddle: the c, c₂ that let the period be shortest. Aliases are to be below the tolerance of g: nearer
   * ones need Λ|c| ≥ near, farther ones Λ|c₂ − c| ≥ far, with
   *
   *   near = max(0, −log g) + log(2/tolerance),   far = K(c₂) − c₂ε + log β(c₂) − log g + log(2/tolerance),
   *
   * so that c/c₂ = near/(near + far) at the shortest period, (near + far)/|c₂|.
   *
   * Why: c = near/Λ and c₂ − c = far/Λ add up to c₂ = (near + far)/Λ. A larger c₂ has more room for Λ, but M(c₂) grows:
   * it is tried at a list of multiples, until the period is 30 % longer than the shortest. On c < 0 the same with |c|,
   * between c and −1.
   */
  place({ c: saddlePoint, epsilon, log: logG, curvature }: Saddle): LinePlacement | null {
    // log(2/tolerance), as log 2 < 0.7.
    const tolerance = 0.7 - Math.log(this.tolerance);
    const sign = saddlePoint > 0 ? 1 : -1;
    const modulus = Math.abs(saddlePoint);
    const near = Math.max(0, -logG) + tolerance;
    let bestPeriod = Infinity;
    let modulus2 = 0;
    let logMoment2 = 0;
    for (const factor of sign > 0 ? MULTIPLES : SHARES) {
      const candidate = sign > 0 ? modulus * factor : modulus + (1 - modulus) * factor;
      const c2 = sign * candidate;
      const [k, , , error] = this.cumulants(c2);
      if (!Number.isFinite(k)) break;
      // log of the bound of farther aliases at Λ|c₂ − c| = 0, over g times half the tolerance.
      const far = k + error - c2 * epsilon + logSupremum(c2) - logG + tolerance;
      const period = (near + Math.max(0, far)) / candidate;
      if (period < bestPeriod) {
        bestPeriod = period;
        modulus2 = candidate;
        logMoment2 = k + error;
      } else if (period > 1.3 * bestPeriod) break;
    }
    if (!(bestPeriod < Infinity)) return null;
    // Far above the saddle the integrand is much larger than δ: stay within a few standard deviations there; below it,
    // move back up while it is.
    let c = Math.min(
      near / bestPeriod,
      modulus + Math.sqrt(6 / curvature),
      modulus + 0.9 * Math.max(0, modulus2 - modulus),
    );
    for (let i = 0; i < 6 && c < 0.999 * modulus; i++) {
      // log of the real integrand over g at this c: below e^8 not too many digits are lost.
      const [k] = this.cumulants(sign * c);
      if (k - sign * c * epsilon - Math.log(c) - Math.log1p(sign * c) - logG < 8) break;
      c = (c + modulus) / 2;
    }
    // c₂ − c must not vanish. The period is then the longer of the two that near and far ask for.
    c = Math.min(c, 0.98 * modulus2);
    const far = bestPeriod * modulus2 - near;
    const period = Math.max(near / c, far / (modulus2 - c));
    return { c: sign * c, period, c2: sign * modulus2, logMoment2 };
  }

  /**
   * log δ(0) = log TV ≤ ½ log(KL/2) (Pinsker), and KL ≤ log(1 + χ²) = K(1). TV is subadditive too: at most the number of
   * steps that sample the record.
   *
   * With K from above. KL = E_P[log r] ≤ log E_P[r] = K(1) by Jensen, and E_P[r] = E_Q[r²] = 1 + χ². A step that does
   * not sample the record is the same under P and Q, so that TV ≤ ΣT·(1 − p_0). Both need δ(0) = TV alone: whoever asks
   * for δ above it has ε = 0.
   */
  logDeltaAtZero(): number {
    const { gaussian, mixtures } = this.composition;
    const [k, , , error] = this.cumulants(1);
    const pinsker = 0.5 * Math.log(((k + error) * (1 + 1e-9)) / 2);
    const sampled =
      gaussian > 0
        ? 1
        : mixtures.reduce((sum, mixture) => sum + mixture.count * mixture.sampled, 0) * (1 + 1e-12);
    const bound = Math.min(Number.isNaN(pinsker) ? 0 : pinsker, Math.log(sampled));
    return Math.min(0, bound + 1e-12 * Math.abs(bound));
  }

  /**
   * The least of bound(c, K(c)) over c > 0, with K from above, of a function that falls, then rises; Infinity where K
   * overflows everywhere. goal: whose saddle it is sought from.
   *
   * Each value is a bound by itself: the search only decides how good the one returned is.
   */
  leastBound(
    goal: SaddleGoal,
    bound: (c: number, k: number) => number,
  ): { readonly c: number; readonly value: number } {
    const saddle = this.saddle(false, goal);
    if (!saddle) return { c: 1, value: Infinity };
    const boundAt = (y: number): number => {
      const c = Math.exp(y);
      const [k, , , error] = this.cumulants(c);
      const value = bound(c, k + error);
      return Number.isNaN(value) ? Infinity : value;
    };
    const { x, value } = minimize(boundAt, Math.log(saddle.c), -60, 60, 0.25, 1e-7);
    return { c: Math.exp(x), value };
  }
}
