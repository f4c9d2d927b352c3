// A pair (P, Q) that dominates one use of a mechanism in one direction, as the discretisation needs it: points whose
// loss log(P/Q) is known, and bodies whose loss increases with a real coordinate.
//
//   δ(ε) = sup_S P(S) − e^ε Q(S) of the mechanism is at most that of the pair, for every ε, also under composition
//
// Masses are kept as logarithms of P-masses, Q-masses by the loss: log q = log p − ℓ.
//
//   ℓ    log(P/Q), the privacy loss         x   coordinate along a body, in which ℓ rises
//   p, q P-mass and Q-mass of an outcome    u   unit round-off, 2⁻⁵³
//
// Why the two sides: the divergence from P to Q is δ of removing, that from Q to P of adding the record (`swapped`).
// What P shows and Q never does has ℓ = +∞, and is composed apart: 1 − Π(1 − m)^T. What Q shows and P never does matters
// to the other side only.

/**
 * A half-open stretch of the body. logP: log of its P-mass; ratio: log(P-mass ÷ Q-mass).
 *
 * The ratio stands by itself: as a difference of two logarithms it would lose the digits that decide what share of a
 * narrow cell's mass goes up (docs/math-connect-the-dots.md, theorem 1).
 */
export interface Mass {
  logP: number;
  ratio: number;
}

/** The continuous part: loss strictly increasing in x. */
export interface LossBody {
  /** Where there is mass; may be infinite. */
  readonly from: number;
  readonly to: number;
  /** No loss of the body is outside. */
  readonly leastLoss: number;
  readonly largestLoss: number;
  loss(x: number): number;
  /** Some x whose loss is about that, found from one nearby; nothing rests on how near. */
  inverse(loss: number, near?: number): number;
  /** P-mass and ratio of (a, b), to 16u(8 + |logP| + |logQ|); `into` is overwritten. */
  mass(a: number, b: number, into: Mass): void;
  /** Upper bound on log ∫ P(x) over [a, b], a < b both finite. */
  logMassBound(a: number, b: number): number;
  /** The body of (Q, P). */
  swapped(): LossBody;
  /** The stretch outside of which P·e^{c·loss} falls at least like e^{−12|x|}, by its value at the end. */
  extent(c: number): [from: number, to: number];
}

/**
 * The body up to x = to: what lies beyond is left out.
 *
 * The measure that is left is not a probability any more; theorems 1 to 4 hold for it as it is, and the mass beyond is
 * bounded apart (docs/math-connect-the-dots.md, theorem 5). Its largest loss is that at `to`.
 */
export function upTo(body: LossBody, to: number): LossBody {
  return {
    from: body.from,
    to,
    leastLoss: body.leastLoss,
    largestLoss: body.loss(to),
    loss: (x) => body.loss(x),
    inverse: (loss, near) => body.inverse(loss, near),
    mass: (a, b, into) => body.mass(a, b, into),
    logMassBound: (a, b) => body.logMassBound(a, b),
    swapped: () => {
      throw new Error("a body cut off above has no other side");
    },
    extent: (c) => {
      const [a, b] = body.extent(c);
      return [Math.min(a, to - 1), Math.min(b, to)];
    },
  };
}

/**
 * Points, bodies, and what only one side shows.
 *
 *   Σ e^{logP} + Σ P(bodies) + infinite = 1,   Σ e^{logP − loss} + Σ Q(bodies) + unseen = 1
 *
 * but for what was left out and for `relative`.
 */
export interface DominatingPair {
  /** Losses of the points, finite, in any order, and the logarithms of their P-masses. */
  readonly losses: ArrayLike<number>;
  readonly logP: ArrayLike<number>;
  readonly bodies?: readonly LossBody[];
  /** P-mass of what Q never shows (loss +∞), and Q-mass of what P never shows. */
  readonly infinite: number;
  readonly unseen: number;
  /** True if the losses, and the masses `infinite` and `unseen`, are not rounded. */
  readonly exact?: boolean;
  /** log of a bound on what was left out of the points, Σ P·e^{c·loss}; absent if nothing was. */
  readonly logLeftOut?: (c: number) => number;
  /** The points lie on a lattice: losses[0] + whole multiples of this. Infinity: one point. Absent: no lattice. */
  readonly span?: number | undefined;
  /** True if no mechanism is known to show the pair: then only upper bounds follow from it. */
  readonly bound?: boolean;
  /** What the masses may be off by, relative to themselves, beyond the rounding of their logarithms. */
  readonly relative?: number;
}

const NONE: readonly number[] = [];

/**
 * A pair without points.
 *
 * All of both probabilities lies on the body.
 */
export function bodyOnly(body: LossBody): DominatingPair {
  return { losses: NONE, logP: NONE, bodies: [body], infinite: 0, unseen: 0 };
}

/**
 * Finitely many points; span found by Euclid's algorithm on their differences.
 *
 * Points of mass 0 are dropped. A span lets all losses of a composition lie on one lattice, so that discretising adds
 * nothing (V = 0).
 */
export function pointsPair(
  losses: readonly number[],
  logP: readonly number[],
  infinite = 0,
  unseen = 0,
): DominatingPair {
  // log 0 = −∞.
  const kept = losses.map((_, i) => i).filter((i) => logP[i]! > -Infinity);
  const own = kept.map((i) => losses[i]!);
  return { losses: own, logP: kept.map((i) => logP[i]!), infinite, unseen, span: spanOf(own) };
}

/**
 * The pair seen from the other side: (Q, P).
 *
 *   loss → −loss,   log q = logP − loss,   Σ Q e^{−cℓ} = Σ P e^{(−1−c)ℓ},   infinite ↔ unseen
 */
export function swapped(pair: DominatingPair): DominatingPair {
  const { bodies, logLeftOut } = pair;
  const losses = Array.from(pair.losses);
  return {
    ...pair,
    losses: losses.map((loss) => -loss),
    logP: losses.map((loss, i) => pair.logP[i]! - loss),
    infinite: pair.unseen,
    unseen: pair.infinite,
    ...(bodies ? { bodies: bodies.map((body) => body.swapped()) } : {}),
    ...(logLeftOut ? { logLeftOut: (c: number) => logLeftOut(-1 - c) } : {}),
  };
}

/**
 * log(1 + q(eˣ − 1)): the loss x under sampling at rate q.
 *
 * With r = e^x the ratio of the mechanism that is sampled, that of the sample is 1 − q + qr: 1 + q(r − 1). Near x = 0
 * expm1 and log1p keep the digits of qx; from 30 on e^x is taken out, so that nothing overflows.
 */
export function sampledLoss(rate: number, x: number): number {
  return x < 30 ? Math.log1p(rate * Math.expm1(x)) : x + Math.log(rate + (1 - rate) * Math.exp(-x));
}

/**
 * (1 − q)Q + qP against Q, of points: removing a record that is drawn with probability q.
 *
 * Q-masses stay as they are, and the P-mass of an outcome is its Q-mass times the new ratio:
 *
 *   log p′ = log q + ℓ′ = logP − ℓ + ℓ′,   ℓ′ = log(1 + q(e^ℓ − 1))
 *
 * What P never showed now has the ratio 1 − q, a loss of log(1 − q), and what Q never shows still has ℓ = ∞, with q
 * times its probability.
 */
export function sampledPoints(pair: DominatingPair, rate: number): DominatingPair {
  const losses = Array.from(pair.losses, (loss) => sampledLoss(rate, loss));
  const logP = losses.map((loss, i) => pair.logP[i]! - pair.losses[i]! + loss);
  if (pair.unseen > 0) {
    losses.push(Math.log1p(-rate));
    logP.push(Math.log(pair.unseen) + Math.log1p(-rate));
  }
  const leftOut = pair.logLeftOut;
  return {
    losses,
    logP,
    infinite: rate * pair.infinite,
    unseen: 0,
    span: spanOf(losses),
    // r′ ≤ max(1, r), and E_Q[r′^{1+c}] ≤ E_Q[1] + E_Q[r^{1+c}] on what was left out.
    ...(leftOut ? { logLeftOut: (c: number) => Math.max(leftOut(-1), leftOut(c)) + Math.LN2 } : {}),
  };
}

/**
 * The largest step of which all differences are multiples to 1e-13 of their size, if they are at most 1e5 of it.
 *
 * A lattice on which points lie but for 1e-13 counts as theirs: `discretise` has the distance in `moved`. Infinity: all
 * losses are one. undefined: no common step, or one so small that the lattice would be of no use.
 */
function spanOf(losses: readonly number[]): number | undefined {
  let span = Infinity;
  let largest = 0;
  for (const loss of losses) largest = Math.max(largest, Math.abs(loss));
  for (const loss of losses) {
    const common = commonSpan(span, Math.abs(loss - losses[0]!), 1e-13 * largest);
    if (common === undefined) return undefined;
    span = common;
  }
  return span;
}

/**
 * Euclid's algorithm on reals; Infinity stands for "no condition yet".
 *
 * Remainders by rounding to the nearest multiple, with the error of each grown by the quotient, as the multiple of y is
 * off by so much more. A remainder within four errors is 0: y is the step. One below 1e-5 of the larger number ends the
 * search.
 */
export function commonSpan(a: number, b: number, tolerance: number): number | undefined {
  // Equal losses ask for nothing.
  if (b <= tolerance) return a;
  if (a === Infinity) return b;
  let [x, y] = [Math.max(a, b), Math.min(a, b)];
  for (let error = tolerance; ; error *= 1 + x / y) {
    const remainder = Math.abs(x - y * Math.round(x / y));
    if (remainder <= 4 * error) return y;
    if (remainder < 1e-5 * Math.max(a, b)) return undefined;
    [x, y] = [y, remainder];
  }
}
