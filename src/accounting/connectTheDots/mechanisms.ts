// The pairs of distributions that dominate each mechanism, and their sources (docs/math-connect-the-dots.md, theorems 7,
// 8 and 12). Shifts of Gaussian noise are in units of it; sampled pairs are (1 − q)Q + qP against Q, the remove direction.
import { RampBody } from "./exponentialBody.js";
import { MixtureBody } from "./gaussianPairs.js";
import { bodyOnly, type DominatingPair, type Mass, pointsPair, sampledPoints, swapped } from "./pair.js";
import { folded, foldedWithMirror } from "./pairParts.js";

/** N(shift, 1) sampled at a rate, against N(0, 1) [ZhuDongWang2022]. */
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
 */
export function replacedGaussianPair(shift: number, rate: number): DominatingPair {
  const weights = [1 - rate, rate];
  return bodyOnly(new MixtureBody({ weights, means: [0, shift] }, { weights, means: [0, -shift] }));
}

/** Σ p_k N(d_k, 1) against N(0, 1) [Ganesh2024]. */
export function gaussianMixturePair(means: readonly number[], weights: readonly number[]): DominatingPair {
  return bodyOnly(new MixtureBody({ weights, means }, { weights: [1], means: [0] }));
}

/** Laplace noise of scale 1/end: P(ℓ = end) = ½, Q(ℓ = −end) = ½, and a body of losses between; sampled at a rate. */
export function laplacePair(end: number, rate: number): DominatingPair {
  const half = -Math.LN2;
  const points = pointsPair([end, -end], [half, half - end]);
  return {
    ...(rate < 1 ? sampledPoints(points, rate) : points),
    bodies: [new RampBody(end, half, rate, false)],
  };
}

/**
 * Theorem 12: losses within some range [t − ε, t] [DongDurfeeRogers2020]; at each x the worst t is (x + ε)/2: the largest δ over t is (1 − e^{(x−ε)/2})²/(1 − e^{−ε}) at
 * |x| ≤ ε, the curve of a pair without points (docs/math-connect-the-dots.md, theorem 12).
 */
export function boundedRangePair(epsilon: number, rate: number): DominatingPair {
  return { ...bodyOnly(new RampBody(epsilon, -Math.log(-Math.expm1(-epsilon)), rate, false)), bound: true };
}

/** ±ε with probability 1 − δ, all revealed otherwise [KairouzOhViswanath2015]. */
export function epsilonDeltaPair(epsilon: number, delta: number): DominatingPair {
  const logFinite = Math.log1p(-delta);
  const up = logFinite - Math.log1p(Math.exp(-epsilon));
  const pair =
    epsilon === 0
      ? pointsPair([0], [logFinite], delta, delta)
      : pointsPair([epsilon, -epsilon], [up, up - epsilon], delta, delta);
  return { ...pair, exact: true };
}

/** One of k answers: the true one with probability 1 − p + p/k, each other with p/k. */
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

/** Two lists of probabilities, scaled to sum to 1: the loss of an outcome near ratio 1 by log1p, which keeps its digits. */
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
 */
export function discreteLaplacePair(a: number, shift: number): DominatingPair {
  const ends = -Math.log1p(Math.exp(-a));
  const within = Math.log(Math.tanh(a / 2));
  const losses: number[] = [];
  const logP: number[] = [];
  for (let x = 0; x <= shift; x++) {
    losses.push(a * (2 * x - shift));
    logP.push((x === 0 || x === shift ? ends : within) - a * (shift - x));
  }
  return { losses, logP, infinite: 0, unseen: 0, span: 2 * a };
}

/** Noise ∝ e^{−x²/2σ²} on the integers, moved by a whole number D: losses D(2x − D)/2σ². Null: too many of them. */
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
 */
export function replacedFixedSizeGaussianPair(shift: number, rate: number): DominatingPair {
  // Another record makes room for this one: twice the shift.
  const logRest = Math.log1p(-rate) + logNormalMass(-shift, shift);
  return foldedWithMirror(gaussianPair(2 * shift, rate), logRest, shift);
}

/**
 * The same for a record exchanged for one that contributes nothing: above 0 of ((1−γ)N(0) + γN(2μ), (1−γ)N(0) + γN(μ)), below 0
 * of (N(0), (1−γ)N(0) + γN(μ)), and (1−γ)P(−3μ/2 < N < μ/2) at 0 (docs/math-connect-the-dots.md, theorem 8).
 */
export function blankedFixedSizeGaussianPair(shift: number, rate: number): DominatingPair {
  const weights = [1 - rate, rate];
  const above = bodyOnly(new MixtureBody({ weights, means: [0, 2 * shift] }, { weights, means: [0, shift] }));
  const logRest = Math.log1p(-rate) + logNormalMass(-1.5 * shift, 0.5 * shift);
  return folded(above, swapped(gaussianPair(shift, rate)), logRest, [1.5 * shift, -0.5 * shift]);
}

/** The same, replacing one, of a mechanism whose symmetric pair is `base`, and `sampled` that pair sampled at the rate. */
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
