// Parts of pairs: a stretch of a body, a pair that happens with some probability, and pairs put together from them.
//
//   mixed    with probability w_i that of pair i, and shown which:  δ = Σ w_i δ_i
//   folded   δ(ε) of one pair for ε ≥ 0 and of another one for ε ≤ 0: losses above 0 from the one, below 0 from the other,
//            and the rest of the probability at 0 (docs/math-connect-the-dots.md, theorem 8)
//
// Under composition: uses draw their pair independently, so mixtures compose as pairs. Of folded pairs only upper bounds
// follow, as no one mechanism need show both halves (`bound`).
import { type DominatingPair, type LossBody, type Mass, pointsPair, swapped } from "./pair.js";

/**
 * What a body holds on [from, to], times e^{logWeight}.
 *
 * The ratio of P and Q is that of the body, so the loss at each x is as well; both masses have the same weight, hence
 * the other side has it too. With the coordinate turned around the stretch [from, to] becomes [−to, −from].
 */
class BodyPart implements LossBody {
  readonly leastLoss: number;
  readonly largestLoss: number;

  constructor(
    private readonly body: LossBody,
    readonly from: number,
    readonly to: number,
    private readonly logWeight: number,
  ) {
    // At an end inside of the body the loss there; else the body's own bound.
    this.leastLoss = from > body.from ? body.loss(from) : body.leastLoss;
    this.largestLoss = to < body.to ? body.loss(to) : body.largestLoss;
  }

  loss(x: number): number {
    return this.body.loss(x);
  }

  inverse(loss: number, near?: number): number {
    return Math.min(this.to, Math.max(this.from, this.body.inverse(loss, near)));
  }

  mass(a: number, b: number, into: Mass): void {
    this.body.mass(a, b, into);
    into.logP += this.logWeight;
  }

  /**
   * The body's own bound, weighted; also for parts of [a, b] that lie outside, since masses are ≥ 0.
   */
  logMassBound(a: number, b: number): number {
    return this.body.logMassBound(a, b) + this.logWeight;
  }

  swapped(): BodyPart {
    return new BodyPart(this.body.swapped(), -this.to, -this.from, this.logWeight);
  }

  extent(c: number): [number, number] {
    return this.body.extent(c);
  }
}

/**
 * One of the pairs, drawn with its probability and shown which. relative: what the probabilities may be off by.
 * No mechanism need show it (`bound`).
 *
 * Shown which, the divergence is the mean of the divergences: δ(ε) = Σ w_i δ_i(ε), since the outcomes of different i do
 * not meet. A factor of 1 + η on each probability changes δ of T uses by (1 + η)^T at most: `relative` carries η.
 */
export function mixed(
  parts: readonly { probability: number; pair: DominatingPair }[],
  relative = 0,
): DominatingPair {
  const bodies: LossBody[] = [];
  const losses: number[] = [];
  const logP: number[] = [];
  let [infinite, unseen] = [0, 0];
  for (const { probability, pair } of parts) {
    // Weight 0 would leave −∞ where sums of logarithms are taken.
    if (!(probability > 0)) continue;
    // logP + log w_i, of points and of bodies; the losses stay.
    const log = Math.log(probability);
    for (const body of pair.bodies ?? []) bodies.push(new BodyPart(body, body.from, body.to, log));
    for (let i = 0; i < pair.losses.length; i++) {
      losses.push(pair.losses[i]!);
      logP.push(pair.logP[i]! + log);
    }
    // Infinite losses and unseen mass, in proportion.
    infinite += probability * pair.infinite;
    unseen += probability * pair.unseen;
  }
  const points = pointsPair(losses, logP, infinite, unseen);
  return { ...points, ...(bodies.length > 0 && { bodies }), bound: true, relative };
}

/**
 * Losses above 0 as `above` has them, below 0 as `below` has them, and the rest, of probability e^{logRest}, at 0: the
 * pair whose δ(ε) is that of `above` for ε ≥ 0 and that of `below` for ε ≤ 0 (docs/math-connect-the-dots.md, theorem 8).
 * zeros: where the loss of the body of `above`, of `below`, is 0.
 *
 * The pointwise larger of two curves is a curve: for ε ≥ 0 only losses above 0 matter to δ, and for ε ≤ 0 only those
 * below 0 to δ − (1 − e^ε). The masses of both halves leave the same rest of P as of Q where both pairs have one total
 * variation.
 */
export function folded(
  above: DominatingPair,
  below: DominatingPair,
  logRest: number,
  zeros: readonly [number, number] = [0, 0],
): DominatingPair {
  const losses = [0];
  const logP = [logRest];
  const bodies: LossBody[] = [];
  // Points strictly above or below 0: those at 0 belong to the rest.
  const take = (pair: DominatingPair, sign: 1 | -1): void => {
    for (let i = 0; i < pair.losses.length; i++)
      if (sign * pair.losses[i]! > 0) {
        losses.push(pair.losses[i]!);
        logP.push(pair.logP[i]!);
      }
    for (const body of pair.bodies ?? [])
      bodies.push(
        sign > 0 ? new BodyPart(body, zeros[0], body.to, 0) : new BodyPart(body, body.from, zeros[1], 0),
      );
  };
  take(above, 1);
  take(below, -1);
  const points = pointsPair(losses, logP, above.infinite, below.unseen);
  return { ...points, ...(bodies.length > 0 && { bodies }), bound: true };
}

/**
 * `folded` of a pair and its own mirror image.
 *
 * Both have the total variation of `pair`, as TV(P, Q) = TV(Q, P).
 */
export function foldedWithMirror(pair: DominatingPair, logRest: number, zero = 0): DominatingPair {
  return folded(pair, swapped(pair), logRest, [zero, -zero]);
}
