// Rényi moments of a mixture of Gaussians against one, at any real order, by a quadrature whose errors are added.
import { expm1MinusX } from "../../math/log.js";
import { ULP } from "../../math/rounding.js";

/*
 * P = Σ pᵢ N(sᵢ, σ²) against Q = N(0, σ²), in units y = x/σ: r(y) = Σ pᵢ e^{zᵢ}, zᵢ = sᵢy/σ − sᵢ²/2σ², L = log r.
 * With λ = α − 1 the moment less one is, since E_Q[r] = 1,
 *
 *   remove: E_Q[r^α] − 1 = E_Q[r^α − 1 − α(r−1)]        = E_Q[ r·(g(λL) + λ·g(−L)) ],   g(x) = eˣ − 1 − x ≥ 0,
 *   add:    E_P[r^{−α}] − 1 = E_Q[r^{−λ} − 1 + λ(r−1)]  = E_Q[ g(−λL) + λ·g(L) ].
 *
 * Both integrands are positive term by term: nothing cancels, even where the moment is 1 + 1e−30 (docs/math-rdp.md).
 * The trapezoid rule of step h misses by at most 2η·e^{d²/2}·(κA + 2α), A the moment, η = 1/(e^{2πd/h} − 1),
 * for any d with θ = d·max sᵢ/σ < π; κ = 1 (remove) or cos(θ/2)^{−λ} (add).
 */

/**
 * Against N(0, σ²). Poisson sampling at rate q: shift 1 with probability q.
 */
export interface GaussianMixture {
  /** Standard deviation σ > 0, finite, in the units of the shifts. */
  readonly deviation: number;
  /** Shifts > 0 and their probabilities > 0; what is missing to 1 has shift 0. */
  readonly shifts: readonly number[];
  readonly probabilities: readonly number[];
}

/** Most grid points one moment may cost; past it the closed bound answers. */
const MAXIMUM_POINTS = 20_000;
/** Least noise for the quadrature: below it the closed bound is within e^{−1/2σ²}-small terms and costs nothing. */
const LEAST_DEVIATION = 0.02;

/**
 * An upper bound on log E, E = E_Q[r^{1+λ}] (direction 0, remove) or E_P[r^{−1−λ}] (1, add); λ > 0.
 *
 *   scale     what A − 1 is taken to be when the step is chosen: the error aimed at is relative to it
 *   fallback  the closed bound (`closedBound`)
 *
 * A guess that was too high shows in an error above 1e-14 of the result: finer steps then, four times at most. Each
 * result is an upper bound: the last one is returned, or the closed one where that is less.
 */
export function mixtureMoment(mixture: GaussianMixture, direction: 0 | 1, lambda: number): number {
  const fallback = closedBound(mixture, direction, lambda);
  // The quadrature is worth its while wherever the crude bound is finite; 1e300 keeps exponents inside doubles.
  if (!(fallback < 1e300) || mixture.deviation < LEAST_DEVIATION * Math.max(...mixture.shifts))
    return fallback;
  let scale = roughExcess(mixture, lambda);
  for (let attempt = 0; attempt < 4; attempt++) {
    const result = quadrature(mixture, direction, lambda, scale);
    if (result === undefined) break;
    if (result.error <= 1e-14 * result.excess || attempt === 3) return Math.min(fallback, result.bound);
    // The guess of its size was too high: finer steps.
    scale = Math.max(1e-300, Math.min(scale * 1e-3, result.excess * 0.1));
  }
  return fallback;
}

/**
 * Closed forms, exact for one component: E_Q[r^α] ≤ Σ pᵢ E[e^{αzᵢ}] and E_P[r^{−α}] ≤ the same, by convexity; and, for
 * remove, E_Q[r^α] ≤ (Σ pᵢ ‖e^{zᵢ}‖_α)^α = (Σ pᵢ e^{λsᵢ²/2σ²})^α by Minkowski, close at small σ.
 *
 * Why: z ↦ e^{αz} is convex, so r^α = (Σp_ie^{z_i})^α ≤ Σp_ie^{αz_i}, and E_Q[e^{αz_i}] = e^{αλs_i²/2σ²}. Minkowski in
 * L^α(Q): ‖r‖_α ≤ Σp_i‖e^{z_i}‖_α.
 */
function closedBound(
  { deviation, shifts, probabilities }: GaussianMixture,
  direction: 0 | 1,
  lambda: number,
): number {
  /** log(1 + Σ pᵢ(e^{factor·sᵢ²/2σ²} − 1)) from above. */
  const mixed = (factor: number): number => {
    const exponents = shifts.map((s) => 0.5 * factor * (s / deviation) ** 2);
    const largest = Math.max(...exponents);
    // Weight of shift 0, from above by an ulp.
    const unshifted = Math.max(0, 1 - probabilities.reduce((sum, p) => sum + p, 0)) + ULP;
    let sum = largest < 30 ? 0 : unshifted * Math.exp(-largest);
    exponents.forEach((x, i) => {
      sum += probabilities[i]! * (largest < 30 ? Math.expm1(x) : Math.exp(x - largest));
    });
    const value = largest < 30 ? Math.log1p(sum) : largest + Math.log(sum);
    return value * (1 + 16 * ULP) + (largest < 30 ? 0 : (8 + 4 * largest) * ULP);
  };
  const convex = mixed(lambda * (1 + lambda));
  return direction === 1 ? convex : Math.min(convex, (1 + lambda) * mixed(lambda) * (1 + 4 * ULP));
}

/**
 * The size of A − 1 to first order: decides steps and windows only, never a bound.
 *
 * E_Q[(r − 1)²]·αλ/2 to first order, with (Σp_is_i/σ)² in place of E_Q[(r − 1)²], α as 2 at most; at most 1 in all.
 */
function roughExcess({ deviation, shifts, probabilities }: GaussianMixture, lambda: number): number {
  let mean = 0;
  shifts.forEach((s, i) => {
    mean += (probabilities[i]! * s) / deviation;
  });
  return Math.min(1, Math.max(1e-290, 0.5 * lambda * Math.min(1 + lambda, 2) * Math.min(1, mean * mean)));
}

/**
 *   y       x/σ, step h (`step`), on a window that holds all but a geometric series at either end
 *   d       how far the line of integration is moved (`strip`), θ = d·max s_i/σ < π
 *   η       2e^{d²/2}/(e^{2πd/h} − 1) (`eta`); the rule errs by η(κA + 2α), A = 1 + excess
 *   bound   log(1 + excess + error), rounded up; undefined where it would take too many points
 *
 * Why the rule's error: its aliases are values of the integrand's Fourier transform at ±2πk/h; on lines moved by ±d,
 * |φ| gains e^{d²/2}, |r| ≤ r(y) and |r| ≥ r(y)cos(θ/2), and e^{−2πkd/h} is what is won. The subtracted terms 1 + α(r −
 * 1) are at most 2α in mean there.
 */
function quadrature(
  { deviation, shifts, probabilities }: GaussianMixture,
  direction: 0 | 1,
  lambda: number,
  scale: number,
): { bound: number; excess: number; error: number } | undefined {
  const alpha = 1 + lambda;
  // z_i = slope·y − offset.
  const slopes = shifts.map((s) => s / deviation);
  const offsets = slopes.map((slope) => 0.5 * slope * slope);
  // max s_i/σ.
  const steepest = Math.max(...slopes);
  const unshifted = Math.max(0, 1 - probabilities.reduce((sum, p) => sum + p, 0));
  const only = slopes.length === 1;

  /** L(y) = log r(y), without cancellation where r is near 1 and without overflow where it is huge. */
  const logRatio = (y: number): number => {
    if (only) {
      const z = slopes[0]! * y - offsets[0]!;
      const p = probabilities[0]!;
      return z < 30 ? Math.log1p(p * Math.expm1(z)) : z + Math.log(p + unshifted * Math.exp(-z));
    }
    let high = 0;
    for (let i = 0; i < slopes.length; i++) high = Math.max(high, slopes[i]! * y - offsets[i]!);
    let sum = high < 30 ? 0 : unshifted * Math.exp(-high);
    for (let i = 0; i < slopes.length; i++) {
      const z = slopes[i]! * y - offsets[i]!;
      sum += probabilities[i]! * (high < 30 ? Math.expm1(z) : Math.exp(z - high));
    }
    return high < 30 ? Math.log1p(sum) : high + Math.log(sum);
  };

  // Step and strip: 2πd/h − d²/2 ≥ wanted makes the trapezoid's error e^{−wanted} of (κA + 2α). e^−42 is 6e-19;
  // 2α/scale is how much larger than the excess what is subtracted may be.
  const wanted = 42 + Math.log(1 + (2 * alpha) / scale);
  const budget = direction === 0 ? 0 : 20;
  const widest =
    (direction === 0 ? 3.1 : Math.min(3.1, 2 * Math.acos(Math.exp(-budget / lambda)))) / steepest;
  const strip = Math.min(Math.sqrt(2 * (wanted + budget)), widest);
  const step = (2 * Math.PI * strip) / (wanted + budget + 0.5 * strip * strip);

  // The window: beyond it the integrand falls at least as fast as e^{−margin·|y|}; the margin makes that negligible.
  // The tilted density has its mass between −λ·max s/σ and α·max s/σ, and falls like a Gaussian beyond.
  const margin = Math.sqrt(2 * wanted) + 1;
  const left = -(direction === 1 ? lambda * steepest : 0) - margin;
  const right = (direction === 0 ? alpha : 1) * steepest + margin;
  const first = Math.floor(left / step);
  const final = Math.ceil(right / step);

  // Exponents are taken relative to `peak`, so that moments beyond 1e300 do not overflow. Where the exponent α·L −
  // y²/2, or −λ·L − y²/2, is largest, about: at α times a shift, or at the left end.
  let peak = 0;
  if (direction === 0) {
    for (const slope of slopes) {
      const y = alpha * slope;
      peak = Math.max(peak, alpha * logRatio(y) - 0.5 * y * y);
    }
  } else {
    const y = Math.max(left, -lambda * steepest);
    peak = Math.max(0, -lambda * logRatio(y) - 0.5 * y * y);
  }
  if (peak < 600) peak = 0;
  // Exponents that large keep no digits after the point, and the closed bound is as good as exact.
  if (!(peak < 1e8)) return undefined;

  const term = (y: number): number => {
    const l = logRatio(y);
    const x = direction === 0 ? lambda * l : -lambda * l;
    // e^{−y²/2} r g(…) as one exponent where it is large.
    const gauss = -0.5 * y * y - peak;
    // For x > 50: g(x) + … ≤ eˣ(1 + 1e−21·α); the bound r^α ≥ r^α − 1 − α(r−1) is used as is.
    if (direction === 0) {
      // Remove: r(g(λL) + λg(−L)).
      if (x > 50) return Math.exp(x + l + gauss);
      return Math.exp(gauss + l) * (expm1MinusX(x) + lambda * expm1MinusX(-l));
    }
    // Add: g(−λL) + λg(L).
    const second =
      l > 50 ? Math.exp(Math.log(lambda) + l + gauss) : Math.exp(gauss) * lambda * expm1MinusX(l);
    return (x > 50 ? Math.exp(x + gauss) : Math.exp(gauss) * expm1MinusX(x)) + second;
  };
  /** An upper bound of the logarithm of the integrand on [from, to]: L is convex and increasing. */
  const blockBound = (from: number, to: number, lFrom: number, lTo: number): number => {
    // e^{−y²/2} is largest at the place of the block nearest to 0.
    const nearest = from > 0 ? from : to < 0 ? to : 0;
    const gauss = -0.5 * nearest * nearest;
    const both = Math.max(Math.abs(lFrom), Math.abs(lTo));
    // Add: r^{−λ} is largest at the left end, λr at the right one, and the rest of g is at most linear in L.
    if (direction === 1)
      return gauss + Math.max(0, -lambda * lFrom, lTo) + Math.log(2 + (1 + lambda) * (1 + both));
    // α·chord(y) − y²/2 is a parabola; its top over the block, or the end nearest to it.
    const slope = (lTo - lFrom) / (to - from);
    const top = Math.min(to, Math.max(from, alpha * slope));
    const high = alpha * (lFrom + slope * (top - from)) - 0.5 * top * top;
    return Math.max(high, gauss + Math.log(2 * alpha)) + Math.LN2;
  };

  // `sum` of the terms, each with e^{−peak} in it; `roundings` Σ term·(condition number of its exponent).
  let sum = 0;
  let skipped = 0;
  let points = 0;
  let roundings = 0;
  // e^−68 of the scale is what a block may be left out below; all of it is added in the end.
  const negligible = Math.log(scale) - 48;
  // Blocks are halved until they are negligible, and counted as `skipped`, or have 16 points at most.
  const visit = (from: number, to: number, lFrom: number, lTo: number): boolean => {
    const bound = blockBound(from * step, to * step, lFrom, lTo) - peak + Math.log(to - from + 1);
    if (bound < negligible - 20) {
      skipped += Math.exp(bound);
      return true;
    }
    if (to - from > 16) {
      const middle = Math.floor((from + to) / 2);
      const l = logRatio(middle * step);
      return visit(from, middle, lFrom, l) && visit(middle, to, l, lTo);
    }
    points += to - from;
    if (points > MAXIMUM_POINTS) return false;
    // [from, to): the right end belongs to the next block.
    let block = 0;
    for (let k = from; k < to; k++) block += term(k * step);
    sum += block;
    // An error of one unit in z moves the term by at most max(2, order × share of the shifted components) units.
    const y = Math.max(Math.abs(from), Math.abs(to)) * step;
    // How much of r is due to shifted components at the block's right end, where it is largest.
    const share = 1 - unshifted * Math.exp(-Math.max(lTo, Math.log(unshifted)));
    const order = direction === 0 ? alpha : lambda + 1;
    const z = y * steepest + 0.5 * steepest * steepest;
    roundings += block * (2 * y * y + Math.max(4, order * share) * z);
    return true;
  };
  if (!visit(first, final, logRatio(first * step), logRatio(final * step))) return undefined;
  // Outside the window: geometric series of ratio e^{−margin·step} from its ends.
  const outside =
    (Math.exp(blockBound(left - step, left, logRatio(left - step), logRatio(left)) - peak) +
      Math.exp(blockBound(right, right + step, logRatio(right), logRatio(right + step)) - peak)) /
    -Math.expm1(-margin * step);
  // The rule's weight, without e^{−y²/2}.
  const weight = step / Math.sqrt(2 * Math.PI);
  const excess = weight * sum;
  // κ = 1 or cos(θ/2)^{−λ}.
  const theta = strip * steepest;
  const kappa = direction === 0 ? 1 : Math.cos(theta / 2) ** -lambda;
  // η.
  const eta = (2 * Math.exp(0.5 * strip * strip)) / Math.expm1((2 * Math.PI * strip) / step);
  const alias = eta * (kappa * (excess + Math.exp(-peak)) + 2 * alpha * Math.exp(-peak));
  // A itself stands in its own error bound; 1/(1 − ηκ) ≤ 1 + 2ηκ settles that.
  const error = (weight * (skipped + outside) + alias) * (1 + 2 * eta * kappa);
  // Everything that may be missing is added; points and condition numbers make the relative round-off.
  const total = (excess + error) * (1 + (64 + points + (sum > 0 ? roundings / sum : 0)) * ULP);
  // log A from above.
  const bound = peak === 0 ? Math.log1p(total) : peak + Math.log(total + Math.exp(-peak));
  return { bound: bound * (1 + 4 * ULP), excess, error };
}
