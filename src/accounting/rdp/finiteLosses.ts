// Rényi moments of mechanisms with finitely many privacy losses, and of pure, Laplace and exponential mechanisms.
//
//   l     log(P/Q) of an outcome (`losses`)      m   its Q-mass (`masses`)      r   e^l
//   α, λ  order, and α − 1                       g   g(x) = e^x − 1 − x ≥ 0 (`expm1MinusX`)
//
// Why the terms are positive: with E_Q[r] = 1, E_Q[r^α] − 1 = E_Q[r^α − 1 − α(r − 1)] = E_Q[r·(g(λl) + λ·g(−l))], and g
// ≥ 0. So a moment of 1 + 1e-30 keeps its digits, and each formula is rounded up by a factor at its end
// (docs/math-rdp.md, theorems 2 and 4).
import { expm1MinusX } from "../../math/log.js";
import { ULP } from "../../math/rounding.js";

/** Outward factor past the rounding of the few dozen operations of a formula. */
const OUT = 1 + 64 * ULP;

/** A pair (P, Q) seen from Q: outcome i has Q-mass masses[i] and loss log(P/Q) losses[i], −Infinity where P has none. */
export interface Ratio {
  readonly masses: readonly number[];
  readonly losses: readonly number[];
}

/**
 * log E_Q[(P/Q)^{1+λ}], λ > 0, from above: every term of E − 1 = Σ m·r·(g(λl) + λ·g(−l)) is positive.
 *
 * Edges: an outcome that P never shows (l = −∞) has r = 0 and adds m·λ, as r·g(−l) → 1 there; from λl = 50 on r^α
 * itself stands for the term, which is less. Past e^600 everything is relative to the largest exponent.
 */
export function ratioMoment({ masses, losses }: Ratio, lambda: number): number {
  let most = 0;
  losses.forEach((loss, i) => {
    if (masses[i]! > 0) most = Math.max(most, (1 + lambda) * loss);
  });
  // E − 1 ≤ Σ m (r^α + λ·[r < 1]): used where e^{αl} would overflow.
  const peak = most > 600 ? most : 0;
  let excess = 0;
  masses.forEach((mass, i) => {
    const loss = losses[i]!;
    const x = lambda * loss;
    if (!(mass > 0)) return;
    if (loss === -Infinity) excess += mass * lambda * Math.exp(-peak);
    else if (x > 50) excess += mass * Math.exp(x + loss - peak);
    else excess += mass * Math.exp(loss - peak) * (expm1MinusX(x) + lambda * expm1MinusX(-loss));
  });
  // n sums, and an exponent of up to `most` whose rounding is an error of the term.
  const rounding = OUT + masses.length * ULP;
  if (peak === 0) return Math.log1p(excess * (rounding + most * 4 * ULP)) * OUT;
  return (peak + Math.log(excess * rounding + Math.exp(-peak))) * OUT;
}

/**
 * The two-point pair that every ε-DP mechanism is a post-processing of [KairouzOhViswanath2015]: losses ±ε.
 *
 *   Q: e^ε/(1 + e^ε) at −ε, 1/(1 + e^ε) at ε;   P: the reverse
 */
export function pureRatio(epsilon: number): Ratio {
  const small = 1 / (1 + Math.exp(epsilon));
  return { masses: [small, 1 - small], losses: [epsilon, -epsilon] };
}

/**
 * log cosh((α − ½)ε)/cosh(ε/2) = log(1 + 2 sinh(αε/2) sinh(λε/2)/cosh(ε/2)), the moment of {@link pureRatio}.
 *
 * K/λ goes to the pure ε as λ → ∞. For λε > 1 by e^{λε}(1 + e^{−(1+2λ)ε})/(1 + e^{−ε}), which does not overflow.
 */
export function pureMoment(epsilon: number, lambda: number): number {
  if (epsilon === 0) return 0;
  if (lambda * epsilon > 1)
    return (
      (lambda * epsilon +
        Math.log1p(Math.exp(-(1 + 2 * lambda) * epsilon)) -
        Math.log1p(Math.exp(-epsilon))) *
      OUT
    );
  // E − 1 = 2 sinh(αε/2)sinh(λε/2)/cosh(ε/2).
  const half = 0.5 * epsilon;
  // sinh(αh)/cosh(h) with both scaled by e^{−h}: no overflow at large ε (λε ≤ 1).
  const quotient =
    (Math.exp(lambda * half) * -Math.expm1(-2 * (1 + lambda) * half)) / (1 + Math.exp(-2 * half));
  return Math.log1p(2 * quotient * Math.sinh(lambda * half)) * OUT;
}

/**
 * Laplace noise of scale b for a shift of 1 [Mironov2017, Proposition 6]; losses between ±1/b.
 *
 *   E = (α·e^{λ/b} + λ·e^{−α/b})/(α + λ),   E − 1 = (α·g(λ/b) + λ·g(−α/b))/(α + λ)
 *
 * as αλ/b − λα/b = 0: positive terms. For λ/b > 50 the logarithm of the largest is taken out.
 */
export function laplaceMoment(b: number, lambda: number): number {
  const alpha = 1 + lambda;
  const up = lambda / b;
  if (up > 50)
    return (up + Math.log((alpha + lambda * Math.exp(-(alpha + lambda) / b)) / (alpha + lambda))) * OUT;
  const excess = (alpha * expm1MinusX(up) + lambda * expm1MinusX(-alpha / b)) / (alpha + lambda);
  return Math.log1p(excess) * OUT;
}

/**
 * The exponential mechanism at ε, whose loss lies in [t − ε, t] for some t [DongDurfeeRogers2020]. By convexity the
 * worst law sits on the two ends; maximising its moment over y = eᵗ gives y = (λ/α)(1 − E^α)/(E − E^α), E = e^{−ε},
 * and E_Q[r^α] = y^λ (1 − E^α)/(α(1 − E)). Never above αε²/8 per λ [CesarRogers2021].
 *
 * Why: r^α is convex in the loss law, of which only the range and E_Q[r] = 1 are known: extreme laws lie on two points.
 * The concentrated bound is the smaller where round-off of the logarithms would be most of the result.
 */
export function boundedRangeMoment(epsilon: number, lambda: number): number {
  if (epsilon === 0) return 0;
  const alpha = 1 + lambda;
  // αλε²/8, the cap.
  const concentrated = (alpha * lambda * epsilon * epsilon * OUT) / 8;
  // a = 1 − E^α, b = E − E^α.
  const a = -Math.expm1(-alpha * epsilon);
  const b = Math.exp(-epsilon) * -Math.expm1(-lambda * epsilon);
  const logY = Math.log((lambda * a) / (alpha * b));
  const log = lambda * logY + Math.log(a / (alpha * -Math.expm1(-epsilon)));
  // The logarithms of numbers of order one carry absolute errors of a few units each.
  const rounding = 16 * ULP * (1 + lambda * (1 + Math.abs(logY)) + Math.abs(log));
  return Number.isFinite(log) ? Math.min(concentrated, Math.max(0, log) + rounding) : concentrated;
}

/**
 * Both directions of a pair of probability lists; what only one of them can output is set apart as extra δ.
 *
 * A loss near 0 comes from log1p of (p − q)/q, which keeps its digits. `pure` is the largest |l| of outcomes that both
 * show.
 */
export function finitePair(
  upper: readonly number[],
  lower: readonly number[],
): { remove: Ratio; add: Ratio; extraDelta: number; pure: number } {
  const total = (list: readonly number[]): number => list.reduce((sum, p) => sum + p, 0);
  const upperSum = total(upper);
  const lowerSum = total(lower);
  const p = upper.map((x) => x / upperSum);
  const q = lower.map((x) => x / lowerSum);
  let upperOnly = 0;
  let lowerOnly = 0;
  let pure = 0;
  const losses = p.map((x, i) => {
    const y = q[i]!;
    if (x === 0 && y === 0) return 0;
    if (y === 0) upperOnly += x;
    else if (x === 0) lowerOnly += y;
    else {
      const loss = Math.abs(x - y) < 0.5 * y ? Math.log1p((x - y) / y) : Math.log(x) - Math.log(y);
      pure = Math.max(pure, Math.abs(loss));
      return loss;
    }
    return x === 0 ? -Infinity : Infinity;
  });
  return ratios(p, q, losses, upperOnly, lowerOnly, pure);
}

/**
 * The pair from Q-masses and losses log(P/Q), all finite; `shift` as in Poisson sampling of it, see {@link sampledPair}.
 *
 * p = m·e^l sums to 1 if the losses are those of a pair.
 */
export function pairFromLosses(
  masses: readonly number[],
  losses: readonly number[],
): ReturnType<typeof finitePair> {
  const p = masses.map((m, i) => m * Math.exp(losses[i]!));
  return ratios(p, masses, losses, 0, 0, Math.max(0, ...losses.map(Math.abs)));
}

/**
 * What only P shows, of probability u, is taken out of P: P = u·P₁ + (1 − u)P₀, and P₀'s losses are l − log(1 − u). A
 * pair with such outcomes has no pure ε.
 */
function ratios(
  p: readonly number[],
  q: readonly number[],
  losses: readonly number[],
  upperOnly: number,
  lowerOnly: number,
  pure: number,
): ReturnType<typeof finitePair> {
  // P = u·(only P) + (1 − u)·P₀: δ of P is at most u + (1 − u)·δ of P₀ against Q, by convexity; the same for Q.
  const side = (masses: readonly number[], sign: 1 | -1, separate: number): Ratio => ({
    masses,
    losses: losses.map((l) => (sign * l === Infinity ? -Infinity : sign * l - Math.log1p(-separate))),
  });
  const remove = side(q, 1, upperOnly);
  const add = side(p, -1, lowerOnly);
  const extraDelta = Math.max(upperOnly, lowerOnly);
  return { remove, add, extraDelta, pure: extraDelta > 0 ? Infinity : pure };
}

/**
 * P′ = (1 − q)Q + qP against Q, both directions [ZhuDongWang2022, Theorem 11].
 *
 * r′ = 1 − q + qr at the same Q-masses: l′ = log(1 + q(e^l − 1)). Undefined where outcomes are set apart, since what is
 * sampled of them is not of that form.
 */
export function sampledPair(
  pair: { remove: Ratio; add: Ratio; extraDelta: number },
  rate: number,
): { remove: Ratio; add: Ratio; extraDelta: number; pure: number } | undefined {
  if (pair.extraDelta > 0) return undefined;
  const losses = pair.remove.losses.map((l) => Math.log1p(rate * Math.expm1(l)));
  return pairFromLosses(pair.remove.masses, losses);
}
