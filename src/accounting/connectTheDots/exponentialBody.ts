// The body of Laplace noise, and of mechanisms of bounded range: P-density ∝ e^{ℓ/2}, Q-density ∝ e^{−ℓ/2} in the loss
// (docs/math-connect-the-dots.md, theorem 12).
//
// The coordinate x is the loss of the unsampled mechanism, −B < x < B. With k = e^{logFactor}, m the middle of (a, b) and
// w = (b − a)/4,
//
//   P(a, b) = k(e^{(b−B)/2} − e^{(a−B)/2}),   Q(a, b) = k(e^{−(a+B)/2} − e^{−(b+B)/2}) = k·e^{−(m+B)/2}·2 sinh w,
//
// so P/Q = e^m exactly, and under sampling at rate q it is 1 + q(e^m − 1): no cancellation, however narrow (a, b).
//
//   B   `end`, the largest loss unsampled      k   total P-mass ÷ (1 − e^{−B})      q   `rate`
//
// Of Laplace noise of scale 1/B, outcomes outside of the two answers have a loss of ±B, two points; those between make
// up the body, with k = ½. Of bounded range, k = 1/(1 − e^{−B}), so that the body is all there is.
import { type LossBody, type Mass, sampledLoss } from "./pair.js";

/**
 * end: B. Laplace of scale 1/B: k = ½ (the rest in points at ±B). rate: sampled at that rate; turned: seen from the other side.
 *
 * The coordinate is bounded, so that no tilt needs a range beyond it and no panel is cut off.
 */
export class RampBody implements LossBody {
  readonly from: number;
  readonly to: number;
  readonly leastLoss: number;
  readonly largestLoss: number;

  constructor(
    private readonly end: number,
    private readonly logFactor: number,
    private readonly rate: number,
    private readonly turned: boolean,
  ) {
    this.from = -end;
    this.to = end;
    this.leastLoss = this.loss(-end);
    this.largestLoss = this.loss(end);
  }

  swapped(): RampBody {
    return new RampBody(this.end, this.logFactor, this.rate, !this.turned);
  }

  /**
   * The loss under sampling, log(1 + q(e^x − 1)); turned: of the other side, at the mirrored place.
   *
   * At q = 1 it is x itself. Both forms rise in x.
   */
  loss(x: number): number {
    return this.turned ? -sampledLoss(this.rate, -x) : sampledLoss(this.rate, x);
  }

  /**
   * log(1 + (e^ℓ − 1)/q), within ±B.
   *
   * A loss below log(1 − q), which no x has, gives NaN in log1p, and −B.
   */
  inverse(loss: number): number {
    const { rate, turned, end } = this;
    const x = turned ? -loss : loss;
    const base =
      x < 30 ? Math.log1p(Math.expm1(x) / rate) : x - Math.log(rate) + Math.log1p(-(1 - rate) * Math.exp(-x));
    const clamped = Math.max(-end, Math.min(end, Number.isNaN(base) ? -end : base));
    return turned ? -clamped : clamped;
  }

  /**
   *   log Q = log k − (m + B)/2 + log(2 sinh w),   log P = log Q + log(1 + q(e^m − 1))
   *
   * Turned, P and Q change places and x its sign. log(2 sinh w) = w + log(1 − e^{−2w}) for wide stretches.
   */
  mass(a: number, b: number, into: Mass): void {
    const m = 0.5 * (a + b);
    const w = 0.25 * (b - a);
    const middle = this.turned ? -m : m;
    // log(2 sinh w), and the ratio of the masses is that at the middle, exactly.
    const width = w < 1 ? Math.log(2 * Math.sinh(w)) : w + Math.log1p(-Math.exp(-2 * w));
    const logQ = this.logFactor - 0.5 * (middle + this.end) + width;
    const ratio = sampledLoss(this.rate, middle);
    into.logP = this.turned ? logQ : logQ + ratio;
    into.ratio = this.turned ? -ratio : ratio;
  }

  /**
   * The mass itself, rounded up: it is known in closed form.
   */
  logMassBound(a: number, b: number): number {
    const mass = { logP: 0, ratio: 0 };
    this.mass(a, b, mass);
    return mass.logP + 1e-12 * (1 + Math.abs(mass.logP));
  }

  /**
   * The body is bounded: no tilt reaches beyond ±B.
   */
  extent(): [number, number] {
    return [-this.end, this.end];
  }
}
