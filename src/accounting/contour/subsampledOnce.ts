// One step of the Poisson-sampled Gaussian, the amplification identity (docs/math-contour.md, theorem 7):
//
//   δ(ε) = q·δ_G(ε′),   ε′ = log(1 + (e^ε − 1)/q),   ε(δ) = log(1 + q(e^{ε_G(δ/q)} − 1)),
//
// δ_G of the unsampled Gaussian: (P − e^εQ)₊ with P = (1 − q)Q + qN is q(N − e^{ε′}Q)₊. Adding, Q − e^εP = kQ − e^εqN with
// k = 1 − e^ε(1 − q) ≤ q, whose δ is k·δ_G at a larger ε: never more. Every step is rounded outward.
//
//   q    rate (`rate`, `logRate`)        N, Q   the Gaussian moved by the record, and not moved
//   ε′   ε of the unsampled Gaussian (`inner`); ε′ ≥ ε, as q ≤ 1
//
// Why adding is never worse: e^εq/k ≥ e^{ε′}, since with t = e^ε and a = 1 − q it says tq² ≥ (t − a)(1 − ta), whose
// difference is a(t − 1)² ≥ 0; and k ≤ q.
import { UNIT_ROUNDOFF } from "../../math/rounding.js";
import type { Interval } from "../accountant.js";
import type { LogBounds } from "./directionProfile.js";
import { VerticalProfile } from "./vertical/verticalProfile.js";

/**
 * One step: the profile of the unsampled Gaussian (`gaussian`), read at another ε and scaled by q.
 */
export class SubsampledOnce {
  private readonly gaussian: VerticalProfile;
  private readonly logRate: number;

  /** sigma: noise ÷ shift, > 0; rate q in (0, 1). */
  constructor(
    sigma: number,
    private readonly rate: number,
    tolerance: number,
    work: number,
  ) {
    this.gaussian = new VerticalProfile(
      { gaussian: 1 / (sigma * sigma), mixtures: [], direction: 1 },
      tolerance,
      work,
    );
    this.logRate = Math.log(rate);
  }

  /**
   *   ε′ = log(1 + (e^ε − 1)/q) for ε < 30; beyond, ε − log q + log(1 − (1 − q)e^{−ε}), which does not overflow
   *
   * δ_G falls with ε: it is read at ε′ less its rounding for the upper end, and at ε′ plus it for the lower one.
   */
  logDeltaAt(epsilon: number): LogBounds {
    if (epsilon === Infinity) return { lower: -Infinity, upper: -Infinity };
    const q = this.rate;
    const inner =
      epsilon < 30
        ? Math.log1p(Math.expm1(epsilon) / q)
        : epsilon - this.logRate + Math.log1p(-(1 - q) * Math.exp(-epsilon));
    // Of log1p, expm1 and the quotient, relative to ε′, and of the sum's terms.
    const error =
      UNIT_ROUNDOFF * (12 * inner + 4 * epsilon + 4 * Math.abs(this.logRate) * (epsilon < 30 ? 0 : 1));
    const upper = this.gaussian.logDeltaAt(Math.max(0, inner - error)).upper + this.logRate;
    const lower = this.gaussian.logDeltaAt(inner + error).lower + this.logRate;
    const slack = 4 * UNIT_ROUNDOFF * (Math.abs(upper) + Math.abs(this.logRate));
    return { lower: lower - slack, upper: Math.min(0, upper + slack) };
  }

  /**
   * 1, the bound that always holds: there is no other direction that it could save asking.
   */
  chernoff(): number {
    return 0;
  }

  /**
   *   ε(δ) = log(1 + q(e^{ε_G(δ/q)} − 1)),   log(δ/q) = logDelta − log q, off by `slack` at most
   *
   * For the upper end δ/q is taken smaller, for the lower one larger. At δ ≥ q, ε is 0, as δ(0) ≤ q.
   */
  epsilonAt(logDelta: number): Interval {
    const log = logDelta - this.logRate;
    const slack = 4 * UNIT_ROUNDOFF * (Math.abs(logDelta) + Math.abs(this.logRate));
    // δ ≥ q: half the records' worth of nothing; the inner Gaussian is never asked for δ ≥ 1. Within rounding of q the
    // lower end is 0, and the upper one that of a δ just below.
    if (log >= -slack) {
      if (log > slack) return { lower: 0, upper: 0 };
      return { lower: 0, upper: this.outward(this.inner(-slack - 1e-300).upper, 1) };
    }
    const { lower } = log + slack < 0 ? this.inner(log + slack) : { lower: 0 };
    const { upper } = this.inner(log - slack);
    return { lower: Math.max(0, this.outward(lower, -1)), upper: this.outward(upper, 1) };
  }

  /**
   * ε of the unsampled Gaussian at δ = e^log, log < 0.
   *
   * With log(1 − δ) by whichever form keeps its digits.
   */
  private inner(log: number): Interval {
    return this.gaussian.epsilonAt(log, log > -0.7 ? Math.log(-Math.expm1(log)) : Math.log1p(-Math.exp(log)));
  }

  /**
   * log(1 + q(e^x − 1)), moved outward past its rounding.
   *
   * d log(1 + q(e^x − 1))/dx = q e^{x − value}: what an error of x, 4u of it, is multiplied by.
   */
  private outward(x: number, side: 1 | -1): number {
    if (x === 0 || x === Infinity) return x;
    const q = this.rate;
    const value =
      x < 30 ? Math.log1p(q * Math.expm1(x)) : x + this.logRate + Math.log1p(((1 - q) / q) * Math.exp(-x));
    const share = x < 30 ? x * Math.min(1, q * Math.exp(x - value)) : x + Math.abs(this.logRate);
    return value + side * UNIT_ROUNDOFF * (8 * Math.abs(value) + 4 * share);
  }
}
