// One step, `count` times: E[r^s] under N(0, σ²) by the trapezoid rule, r its likelihood ratio, with every error of that
// rule; and the step's law tilted by r^s, whose characteristic function the contour integrates
// (docs/math-contour.md, theorems 3 to 5).
//
//   w_i = h·N(x_i)      weights of the rule at x_i = ih
//   M − 1 = Σ w_i(r_i^s − 1)     keeps the relative precision of K = log M where K is tiny
//   p_i = w_i r_i^s/M            the tilted law
//
//   s   power of r: 1 + c to remove, −c to add        η_i  relative error of w_i r_i^s
//   K   log E_Q[r^s]                                  e_i  error of log r_i, by `LikelihoodRatio.logRatio`
//   u   unit round-off, 2⁻⁵³
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";
import { MixtureQuadrature, SMALL } from "./mixtureQuadrature.js";

/** Past e^this r^s is scaled by its largest value; M − 1 then has no digits to lose. */
const SCALED_FROM = 300;

/** The tilted distribution p_i ∝ w_i r_i^s on the grid x_i = i·h, and how far it can be from the truth. */
export interface TiltedLaw {
  readonly s: number;
  readonly h: number;
  /** log E[r^s] by quadrature, and a bound on its absolute error. */
  readonly logMoment: number;
  readonly logMomentError: number;
  readonly x: Float64Array;
  readonly p: Float64Array;
  /** ℓ_i − mean, where ℓ = ±log r is the privacy loss. */
  readonly loss: Float64Array;
  readonly mean: number;
  readonly variance: number;
  /** Σ p|ℓ − mean|; Σ p·(relative error of p), without and with |ℓ − mean|; Σ p·(error of ℓ). */
  readonly spread: number;
  readonly massError: number;
  readonly weightError: number;
  readonly lossError: number;
  /** Σ of the p left out. */
  readonly dropped: number;
}

/** Grid points in work: x; log w_i r_i^s, then p_i; log r, then the loss; its error; relative error of w_i r_i^s. */
interface GridColumns {
  readonly x: Float64Array;
  readonly p: Float64Array;
  readonly loss: Float64Array;
  readonly lossError: Float64Array;
  readonly weightError: Float64Array;
  /** The largest log w_i r_i^s. */
  readonly top: number;
}

/**
 * The moment of one step is never formed from M itself: T·K with T = 1e9 and K = 1e-12 keeps its digits only if M − 1 does.
 *
 * P against Q in `count` independent steps. direction +1 (remove): M(t) = E[r^{1+t}], loss log r;
 * −1 (add): M(t) = E[r^{−t}], loss −log r.
 */
export class MixtureStep extends MixtureQuadrature {
  /** K, K′, K″ of log E[r^s] in s, to about 1e-6: for finding the contour only, nothing rests on it. */
  cumulants(s: number, h: number): [number, number, number] {
    const { ranges } = this.ranges(s, h);
    if (ranges.length === 0) return [Infinity, NaN, NaN];
    const twice = 2 * this.sigma * this.sigma;
    // log r rises with x, so s·log r is largest at one end.
    const last = ranges.length - 1;
    const largest = Math.max(s * this.ratioAt(ranges[0]!, h), s * this.ratioAt(ranges[last]!, h));
    const top = largest > SCALED_FROM ? this.peak(ranges, s, h) : 0;
    // w_i = unit·e^{−x_i²/2σ²}.
    const unit = h / (this.sigma * Math.sqrt(2 * Math.PI));
    // Σ e^{−x²/2σ²}(r^s − 1) unless scaled, Σ … log r, Σ … log² r.
    let sum = 0;
    let first = 0;
    let second = 0;
    for (let k = 0; k < last; k += 2)
      for (let i = ranges[k]!; i <= ranges[k + 1]!; i++) {
        const x = i * h;
        const log = this.ratioAt(i, h);
        const w = Math.exp((-x * x) / twice + s * log - top);
        sum += top === 0 ? w - Math.exp((-x * x) / twice) : w;
        first += w * log;
        second += w * log * log;
      }
    // M: 1 + (M − 1) where not scaled. K′ = E[r^s log r]/M, K″ = E[r^s log² r]/M − K′².
    const total = top === 0 ? 1 + sum * unit : sum * unit;
    const mean = (first * unit) / total;
    return [
      top === 0 ? Math.log1p(sum * unit) : top + Math.log(total),
      mean,
      Math.max(0, (second * unit) / total - mean * mean),
    ];
  }

  /**
   * max over the grid of −x²/2σ² + s log r.
   *
   * The scale of everything where r^s may overflow.
   */
  private peak(ranges: readonly number[], s: number, h: number): number {
    const twice = 2 * this.sigma * this.sigma;
    let top = -Infinity;
    for (let k = 0; k < ranges.length; k += 2)
      for (let i = ranges[k]!; i <= ranges[k + 1]!; i++)
        top = Math.max(top, (-i * h * (i * h)) / twice + s * this.ratioAt(i, h));
    return top;
  }

  /**
   * The tilted distribution at real s with its errors; direction as in the class; logQuadrature: of the rule's error at
   * u = 0. Null past MAXIMUM_GRID_POINTS.
   *
   *   moment     M, or M·e^{−top} where that is scaled: top = max(−x²/2σ² + s log r)
   *   relative   of M: Σ of the terms' errors, of the sum, of the rule in x, of the rule for the constant 1, of what was left out
   *   logMomentError = 1.01·relative + 4u|K| (+ 4u|top|)
   *
   * M ≥ 1 for s ≤ 0 or s ≥ 1, so that K keeps relative digits through log1p(M − 1) even at 1e-12.
   */
  tilt(s: number, h: number, logQuadrature: number, direction: 1 | -1): TiltedLaw | null {
    const { ranges, logOut } = this.ranges(s, h);
    if (ranges.length === 0) return null;
    const columns = this.columnsOf(ranges, s, h);
    const { top } = columns;
    const unit = h / (this.sigma * Math.sqrt(2 * Math.PI));
    const logUnit = Math.log(unit);
    const unscaled = top < SCALED_FROM;
    const { sum, error } = this.momentSum(columns, s, unscaled);
    const moment = unscaled ? 1 + unit * sum : unit * sum;
    const logMoment = unscaled ? Math.log1p(unit * sum) : top + Math.log(moment);
    const logScale = unscaled ? 0 : top;
    // The rule applied to the constant 1 (only the M − 1 form needs it): 2 Σ_k e^{−2π²k²σ²/h²}.
    const constant = unscaled ? (2.1 * Math.exp(-2 * ((Math.PI * this.sigma) / h) ** 2)) / moment : 0;
    // Each point left out counts with e^{−x²/2σ²}·max(1, r^s), in both terms of r^s − 1.
    const out = (Math.exp(Math.min(700, logOut + logUnit - logScale)) * (unscaled ? 2 : 1)) / moment;
    // Relative error of the moment: of its terms, of the sum, of the rule in x, and of what the ranges leave out.
    // In units of M itself, so that it is the error of K too, but for its square.
    const relative =
      (unit * error * 1.001) / moment +
      8 * UNIT_ROUNDOFF * Math.min(1, Math.abs(unit * sum) / moment) +
      Math.exp(logQuadrature) +
      constant +
      out;
    const logMomentError =
      relative * 1.01 +
      4 * UNIT_ROUNDOFF * Math.abs(logMoment) +
      (unscaled ? 0 : 4 * UNIT_ROUNDOFF * Math.abs(top));
    // From here on p is the tilted law itself. log p_i = log w_i r_i^s − K.
    const { kept, dropped, mean } = this.keep(columns, { logUnit, logMoment, out }, direction);
    const { x, p, loss, lossError, weightError } = columns;
    let variance = 0;
    let spread = 0;
    let massErrorSum = 0;
    let weightErrorSum = 0;
    let lossErrorSum = 0;
    for (let i = 0; i < kept; i++) {
      // φ is taken of ℓ − mean: a number that is near the mean makes uℓ, and with it all errors, small; T·mean is taken
      // off ε.
      const centred = loss[i]! - mean;
      loss[i] = centred;
      const mass = p[i]!;
      const size = mass * Math.abs(centred);
      variance += size * Math.abs(centred);
      spread += size;
      // Of p_i itself; of p_i(e^{iuℓ_i} − 1), at most p_i u|ℓ_i|η_i; of e^{iuℓ_i}, at most p_i u e_i.
      massErrorSum += mass * weightError[i]!;
      weightErrorSum += size * weightError[i]!;
      lossErrorSum += mass * (lossError[i]! + 2 * UNIT_ROUNDOFF * Math.abs(centred));
    }
    return {
      s,
      h,
      logMoment,
      logMomentError,
      x: x.subarray(0, kept),
      p: p.subarray(0, kept),
      loss: loss.subarray(0, kept),
      mean,
      variance,
      spread,
      massError: massErrorSum + relative,
      weightError: weightErrorSum + relative * spread,
      lossError: lossErrorSum,
      dropped: 1.01 * dropped,
    };
  }

  /**
   * With e_i the error of log r, the tilted law's own errors are (theorem 5)
   *
   *   massError = Σ pη + relative,   weightError = Σ pη|ℓ − mean| + relative·spread,   lossError = Σ p(e + 2u|ℓ − mean|).
   *
   * The grid points of the ranges, with errors: η_i = u(8 + 7x²/2σ² + 4|s log r|) + |s|·(error of log r) of w_i r_i^s.
   */
  private columnsOf(ranges: readonly number[], s: number, h: number): GridColumns {
    let n = 0;
    for (let k = 0; k < ranges.length; k += 2) n += ranges[k + 1]! - ranges[k]! + 1;
    const twice = 2 * this.sigma * this.sigma;
    const columns = {
      x: new Float64Array(n),
      p: new Float64Array(n),
      loss: new Float64Array(n),
      lossError: new Float64Array(n),
      weightError: new Float64Array(n),
      top: -Infinity,
    };
    let at = 0;
    for (let k = 0; k < ranges.length; k += 2)
      for (let i = ranges[k]!; i <= ranges[k + 1]!; i++, at++) {
        const x = i * h;
        const log = this.ratioAt(i, h);
        // η_i and e_i stand in `weightError` and `lossError`.
        const exponent = (x * x) / twice;
        const tilted = s * log;
        columns.x[at] = x;
        columns.loss[at] = log;
        columns.lossError[at] = this.error;
        columns.p[at] = tilted - exponent;
        if (tilted - exponent > columns.top) columns.top = tilted - exponent;
        columns.weightError[at] =
          UNIT_ROUNDOFF * (8 + 7 * exponent + 4 * Math.abs(tilted)) + Math.abs(s) * this.error;
      }
    return columns;
  }

  /**
   * Σ e^{−x²/2σ²}(r^s − 1), or Σ e^{−x²/2σ² + s log r − top} where that is scaled, and the sum of its terms' errors.
   * Kahan: the sum's own error stays at 2 round-offs of Σ|term|.
   */
  private momentSum(
    { x, p, loss, lossError, weightError, top }: GridColumns,
    s: number,
    unscaled: boolean,
  ): { sum: number; error: number } {
    const twice = 2 * this.sigma * this.sigma;
    let sum = 0;
    let carry = 0;
    let error = 0;
    for (let i = 0; i < x.length; i++) {
      const exponent = (x[i]! * x[i]!) / twice;
      const tilted = s * loss[i]!;
      const difference = unscaled
        ? Math.exp(-exponent) * Math.expm1(Math.min(tilted, 700))
        : Math.exp(p[i]! - top);
      // Where r^s overflows by itself its product with N does not.
      const term = unscaled && tilted > 600 ? Math.exp(p[i]!) : difference;
      error += unscaled
        ? UNIT_ROUNDOFF * (8 + 7 * exponent) * Math.abs(term) +
          Math.exp(p[i]!) * (4 * UNIT_ROUNDOFF * Math.abs(tilted) + Math.abs(s) * lossError[i]!)
        : term * weightError[i]!;
      // Kahan: `carry` is what the last addition lost.
      const y = term - carry;
      const next = sum + y;
      carry = next - sum - y;
      sum = next;
    }
    return { sum, error };
  }

  /**
   * Moves what matters to the front of the columns, p_i made of its logarithm by then and losses of the direction's sign:
   * how many points are kept, the mass of what is left out (`out` of it beyond the ranges), and the mean loss.
   */
  private keep(
    { x, p, loss, lossError, weightError }: GridColumns,
    { logUnit, logMoment, out }: { logUnit: number; logMoment: number; out: number },
    direction: 1 | -1,
  ): { kept: number; dropped: number; mean: number } {
    const n = x.length;
    // All n of them together are below e^−SMALL/T of the mass, and counted as error.
    const cut = -SMALL - Math.log(this.count) - Math.log(n);
    let kept = 0;
    let dropped = out;
    let mean = 0;
    for (let i = 0; i < n; i++) {
      const log = p[i]! + logUnit - logMoment;
      const mass = Math.exp(log);
      // Left out: at the price of its mass, twice, in φ.
      if (log < cut) {
        dropped += mass;
        continue;
      }
      x[kept] = x[i]!;
      p[kept] = mass;
      loss[kept] = direction * loss[i]!;
      lossError[kept] = lossError[i]!;
      weightError[kept] = weightError[i]!;
      mean += mass * loss[kept]!;
      kept++;
    }
    return { kept, dropped, mean };
  }
}
