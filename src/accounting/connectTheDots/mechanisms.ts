// The pairs of distributions that dominate each mechanism, and their sources (docs/math-connect-the-dots.md, theorems 7,
// 8 and 12). Shifts of Gaussian noise are in units of it; sampled pairs are (1 − q)Q + qP against Q, the remove direction.
//
//   μ, q   shift and rate      ℓ   log(P/Q)      p, k, a, D, σ   as each mechanism has them
//
// Masses are logarithms, and of each outcome log p − ℓ is log q: the ratio is never a difference of rounded masses, but
// has its own formula in each mechanism. Bodies are continuous (`MixtureBody`, `RampBody`); points carry discrete
// losses, the infinite ones apart.
import { RampBody } from "./exponentialBody.js";
import { MixtureBody } from "./gaussianPairs.js";
import { bodyOnly, type DominatingPair, type Mass, pointsPair, sampledPoints, swapped } from "./pair.js";
import { folded, foldedWithMirror } from "./pairParts.js";

/**
 * N(shift, 1) sampled at a rate, against N(0, 1) [ZhuDongWang2022].
 *
 *   ℓ(x) = log(1 − q + q e^{μ(x − μ/2)}),   in (log(1 − q), ∞);   at q = 1 it is μ(x − μ/2)
 */
export function gaussianPair(shift: number, rate = 1): DominatingPair {
  return bodyOnly(
    new MixtureBody(
      rate < 1 ? { weights: [1 - rate, rate], means: [0, shift] } : { weights: [1], means: [shift] },
      { weights: [1], means: [0] },
    ),
  );
}

/**
 * Theorem 7: replacing a record drawn at that rate, (1−q)N(0) + qN(μ) against (1−q)N(0) + qN(−μ). After a translation by the
 * other records' sum the laws are (1−q)N(0) + qN(a) and (1−q)N(0) + qN(b), |a|, |b| ≤ μ; the hockey stick falls in a·b
 * (Plackett's identity: the integrand's mixed second derivative is ≤ 0), so opposite directions are worst, and on a line
 * the ends are.
 *
 *   H(α) = E_Z[(qe^X − (1 − q)(α − 1) − αqe^Y)₊],   α = e^ε ≥ 1,   X = a·Z − |a|²/2, Y = b·Z − |b|²/2, Z ~ N(0, I)
 *
 * is what is largest at opposite directions; there the region where the first law exceeds the second is a half-line,
 * and H rises with a and falls with b. Curves for α < 1 are those of the reversed pair, which by reflection is the
 * same: one direction is enough.
 */
export function replacedGaussianPair(shift: number, rate: number): DominatingPair {
  const weights = [1 - rate, rate];
  return bodyOnly(new MixtureBody({ weights, means: [0, shift] }, { weights, means: [0, -shift] }));
}

/**
 * Σ p_k N(d_k, 1) against N(0, 1) [Ganesh2024].
 *
 * Sensitivities d_k of a group that is drawn with chances p_k; ℓ(x) = log Σ p_k e^{d_k(x − d_k/2)}.
 */
export function gaussianMixturePair(means: readonly number[], weights: readonly number[]): DominatingPair {
  return bodyOnly(new MixtureBody({ weights, means }, { weights: [1], means: [0] }));
}

/**
 * Laplace noise of scale 1/end: P(ℓ = end) = ½, Q(ℓ = −end) = ½, and a body of losses between; sampled at a rate.
 *
 * P(ℓ = B) = ½, P(ℓ = −B) = ½e^{−B}, B = `end`, and ½(1 − e^{−B}) on the body.
 */
export function laplacePair(end: number, rate: number): DominatingPair {
  const half = -Math.LN2;
  const points = pointsPair([end, -end], [half, half - end]);
  return {
    ...(rate < 1 ? sampledPoints(points, rate) : points),
    bodies: [new RampBody(end, half, rate, false)],
  };
}

/**
 * Theorem 12: losses within some range [t − ε, t] [DongDurfeeRogers2020]; at each x the worst t is (x + ε)/2: the
 * largest δ over t is (1 − e^{(x−ε)/2})²/(1 − e^{−ε}) at |x| ≤ ε, the curve of a pair without points
 * (docs/math-connect-the-dots.md, theorem 12).
 *
 * P and Q have densities ∝ e^{ℓ/2} and ∝ e^{−ℓ/2} on |ℓ| < ε. One use attains each point of the curve, by the t that is
 * worst for it; compositions need not (`bound`).
 */
export function boundedRangePair(epsilon: number, rate: number): DominatingPair {
  return { ...bodyOnly(new RampBody(epsilon, -Math.log(-Math.expm1(-epsilon)), rate, false)), bound: true };
}

/**
 * ±ε with probability 1 − δ, all revealed otherwise [KairouzOhViswanath2015].
 *
 *   P(ℓ = ε) = (1 − δ)/(1 + e^{−ε}),   P(ℓ = −ε) = e^{−ε} times that,   P(ℓ = ∞) = δ = Q(never shown by P)
 *
 * Losses and δ are as given, so that ε(0) is ε itself (`exact`). At ε = 0 both points are one.
 */
export function epsilonDeltaPair(epsilon: number, delta: number): DominatingPair {
  const logFinite = Math.log1p(-delta);
  const up = logFinite - Math.log1p(Math.exp(-epsilon));
  const pair =
    epsilon === 0
      ? pointsPair([0], [logFinite], delta, delta)
      : pointsPair([epsilon, -epsilon], [up, up - epsilon], delta, delta);
  return { ...pair, exact: true };
}

/**
 * One of k answers: the true one with probability 1 − p + p/k, each other with p/k.
 *
 *   P(ℓ = L) = 1 − p + p/k, P(ℓ = −L) = p/k, P(ℓ = 0) = (k − 2)p/k,   L = log(1 + k(1 − p)/p)
 *
 * blank: against 1/k each: ℓ = log(1 + (k − 1)(1 − p)) for the true answer, log p for each other. p = 0 reveals the
 * answer.
 */
export function randomizedResponsePair(p: number, k: number, blank: boolean): DominatingPair {
  const other = p / k;
  if (blank) {
    // A record that contributes nothing answers uniformly.
    const up = Math.log1p((k - 1) * (1 - p));
    return pointsPair(
      [up, Math.log(p)],
      [up - Math.log(k), Math.log(((k - 1) * p) / k)],
      0,
      p === 0 ? 1 - 1 / k : 0,
    );
  }
  if (p === 0) return pointsPair([], [], 1, 1);
  const loss = Math.log1p((k * (1 - p)) / p);
  const log = Math.log(other);
  return pointsPair([loss, -loss, 0], [log + loss, log, k > 2 ? Math.log(((k - 2) * p) / k) : -Infinity]);
}

/**
 * Two lists of probabilities, scaled to sum to 1: the loss of an outcome near ratio 1 by log1p, which keeps its digits.
 *
 * What one list alone shows goes to `infinite`, or to `unseen`.
 */
export function pmfPair(upper: readonly number[], lower: readonly number[]): DominatingPair {
  const total = (list: readonly number[]) => list.reduce((sum, p) => sum + p, 0);
  const [a, b] = [total(upper), total(lower)];
  let [infinite, unseen] = [0, 0];
  const losses: number[] = [];
  const logs: number[] = [];
  upper.forEach((x, i) => {
    const [p, q] = [x / a, lower[i]! / b];
    if (q === 0) infinite += p;
    else if (p === 0) unseen += q;
    else {
      losses.push(Math.abs(p - q) < 0.5 * q ? Math.log1p((p - q) / q) : Math.log(p) - Math.log(q));
      logs.push(Math.log(p));
    }
  });
  return pointsPair(losses, logs, infinite, unseen);
}

/**
 * Noise ∝ e^{−a|x|} on the integers, moved by a whole number: losses a(2x − shift), x = 0 … shift, since outcomes beyond either
 * end all have the loss of that end, ±a·shift. Masses: tanh(a/2)e^{−a|x|} within, 1/(1 + e^{−a}) at the near end and beyond.
 *
 * a is ε per unit of sensitivity, so the largest loss is a·shift: pure ε. Losses lie 2a apart, on a lattice.
 */
export function discreteLaplacePair(a: number, shift: number): DominatingPair {
  const ends = -Math.log1p(Math.exp(-a));
  // Σ e^{−a|x|} = 1/tanh(a/2); of one end and all beyond it tanh(a/2)/(1 − e^{−a}) = 1/(1 + e^{−a}).
  const within = Math.log(Math.tanh(a / 2));
  const losses: number[] = [];
  const logP: number[] = [];
  for (let x = 0; x <= shift; x++) {
    losses.push(a * (2 * x - shift));
    logP.push((x === 0 || x === shift ? ends : within) - a * (shift - x));
  }
  return { losses, logP, infinite: 0, unseen: 0, span: 2 * a };
}

/**
 * Noise ∝ e^{−x²/2σ²} on the integers, moved by a whole number D: losses D(2x − D)/2σ². Null: too many of them.
 *
 * P is around D, Q around 0. Losses lie D/σ² apart, on a lattice. 40 deviations on either side are kept; what is left
 * out is bounded at every tilt by `logLeftOut`.
 */
export function discreteGaussianPair(
  sigma: number,
  shift: number,
  maximumPoints: number,
): DominatingPair | null {
  const reach = Math.ceil(40 * sigma + shift);
  const from = -reach;
  const to = reach + shift;
  if (!(to - from < maximumPoints)) return null;
  // Σ e^{−x²/2σ²}: by Poisson summation for large σ, by its few terms for small.
  let sum = 1;
  if (sigma < 1) for (let x = 1; x < 40; x++) sum += 2 * Math.exp((-x * x) / (2 * sigma * sigma));
  else sum = sigma * Math.sqrt(2 * Math.PI) * (1 + 2 * Math.exp(-2 * (Math.PI * sigma) ** 2));
  const log = Math.log(sum);
  const losses = new Float64Array(to - from + 1);
  const logP = new Float64Array(to - from + 1);
  for (let i = 0; i < losses.length; i++) {
    const x = from + i;
    losses[i] = (shift * (2 * x - shift)) / (2 * sigma * sigma);
    logP[i] = -((x - shift) ** 2) / (2 * sigma * sigma) - log;
  }
  return {
    losses,
    logP,
    infinite: 0,
    unseen: 0,
    span: shift / (sigma * sigma),
    // P·e^{c·loss} = e^{c(c+1)D²/2σ²}·(the density around (1 + c)D): its tails, or all of it once the middle is outside.
    logLeftOut: (c) => {
      const middle = (1 + c) * shift;
      const near = Math.min(to - middle, middle - from);
      const tail = near > 0 ? (-near * near) / (2 * sigma * sigma) : 0;
      return (c * (c + 1) * (shift / sigma) ** 2) / 2 + tail + Math.log(2 + 3 * sigma) - log;
    },
  };
}

/** log P(a < Z < b) for a standard normal Z. */
function logNormalMass(a: number, b: number): number {
  const one = { weights: [1], means: [0] };
  const into: Mass = { logP: 0, ratio: 0 };
  new MixtureBody(one, one).mass(a, b, into);
  return into.logP;
}

/**
 * Theorem 8, for each sign of the loss the data sets that are worst there: losses above 0 of ((1−γ)N(0) + γN(2μ), N(0)), below
 * 0 of its mirror image, and (1−γ)P(−μ < N < μ) at 0.
 *
 * Fixed-size sampling at rate γ in (0, 1) of a Gaussian whose mean one record moves by `shift`: replacing one
 * (docs/math-connect-the-dots.md, theorem 8).
 *
 * ℓ = 0 at x = μ, where N(2μ) and N(0) are equal (`zeros` of `folded`).
 */
export function replacedFixedSizeGaussianPair(shift: number, rate: number): DominatingPair {
  // Another record makes room for this one: twice the shift.
  const logRest = Math.log1p(-rate) + logNormalMass(-shift, shift);
  return foldedWithMirror(gaussianPair(2 * shift, rate), logRest, shift);
}

/**
 * The same for a record exchanged for one that contributes nothing: above 0 of ((1−γ)N(0) + γN(2μ), (1−γ)N(0) + γN(μ)), below 0
 * of (N(0), (1−γ)N(0) + γN(μ)), and (1−γ)P(−3μ/2 < N < μ/2) at 0 (docs/math-connect-the-dots.md, theorem 8).
 *
 * ℓ = 0 at x = 3μ/2 for the one, at μ/2 for the other, turned round: −μ/2.
 */
export function blankedFixedSizeGaussianPair(shift: number, rate: number): DominatingPair {
  const weights = [1 - rate, rate];
  const above = bodyOnly(new MixtureBody({ weights, means: [0, 2 * shift] }, { weights, means: [0, shift] }));
  const logRest = Math.log1p(-rate) + logNormalMass(-1.5 * shift, 0.5 * shift);
  return folded(above, swapped(gaussianPair(shift, rate)), logRest, [1.5 * shift, -0.5 * shift]);
}

/**
 * The same, replacing one, of a mechanism whose symmetric pair is `base`, and `sampled` that pair sampled at the rate.
 *
 * Rest of the probability, at 0: 1 less (1 − γ)Q(ℓ > 0) + γP(ℓ > 0) above and Q(ℓ > 0) below. As the pair is symmetric,
 * P(ℓ > 0) + Q(ℓ > 0) + P(ℓ = 0) = 1, so that it is (1 − γ)(P(ℓ > 0) − Q(ℓ > 0)) + P(ℓ = 0).
 */
export function replacedFixedSizePair(
  base: DominatingPair,
  sampled: DominatingPair,
  rate: number,
): DominatingPair {
  // P(ℓ > 0) − Q(ℓ > 0) of the points, and what lies at 0.
  let distance = base.infinite;
  let zero = 0;
  for (let i = 0; i < base.losses.length; i++) {
    const loss = base.losses[i]!;
    if (loss > 0) distance -= Math.exp(base.logP[i]!) * Math.expm1(-loss);
    else if (loss === 0) zero += Math.exp(base.logP[i]!);
  }
  const mass: Mass = { logP: 0, ratio: 0 };
  for (const body of base.bodies ?? []) {
    body.mass(0, body.to, mass);
    distance -= Math.exp(mass.logP) * Math.expm1(-mass.ratio);
  }
  return foldedWithMirror(sampled, Math.log((1 - rate) * distance + zero));
}
