// One step, `count` times: the trapezoid rule for E[r^s] under N(0, σ²), r its likelihood ratio, with every error of that
// rule (docs/math-contour.md, theorems 3 and 4).
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";
import { LikelihoodRatio } from "../likelihoodRatio.js";

/** Grid points whose share of the tilted mass is below e^−SMALL ÷ T are left out (and counted as error). */
const SMALL = 44;
/** Most grid points kept for one atom; past it the atom is accounted as if it were not sampled. */
export const MAXIMUM_POINTS = 16384;

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
  /** Σ p|ℓ − mean|, and Σ p·(relative error of p), without and with |ℓ − mean|, and Σ p·(error of ℓ). */
  readonly spread: number;
  readonly massError: number;
  readonly weightError: number;
  readonly lossError: number;
  /** Σ of the p left out. */
  readonly dropped: number;
}

/**
 * P against Q in `count` independent steps. direction +1 (remove): M(t) = E[r^{1+t}], loss log r;
 * −1 (add): M(t) = E[r^{−t}], loss −log r.
 */
export class MixtureStep extends LikelihoodRatio {
  constructor(
    sigma: number,
    shifts: readonly number[],
    weights: readonly number[],
    readonly count: number,
  ) {
    super(sigma, shifts, weights);
  }

  /**
   * log of how much larger ∫N(x; 0, σ²)|r(x + id)|^s dx may be than E[r^s], where the largest angle reach·d/σ² is `turn` < π
   * (docs/math-contour.md, theorem 3).
   */
  wall(s: number, turn: number): number {
    if (s >= 0) return 0;
    const bisected = s * Math.log(Math.cos(turn / 2));
    return turn < Math.PI / 2 ? Math.min(bisected, -s * this.largestNegativeLoss * (1 + 1e-12)) : bisected;
  }

  /** N(x; 0, σ²)r^s rises to the left of the first by e^{k|x|/σ} at k deviations from it, and falls so to the right of the second. */
  ends(s: number): readonly [number, number] {
    return s < 0 ? [s * this.meanShift(0) * (1 + 1e-9), 0] : [0, s * this.reach];
  }

  /** log max over [a, b] of N(x; 0, σ²)-density·σ√2π times max(1, r^s), from above: log r is convex. */
  private ceiling(a: number, b: number, s: number): number {
    const s2 = this.sigma * this.sigma;
    // s > 0: log r lies below its chord. s < 0: above its tangent. Either way s·log r ≤ s(A + m x).
    let m: number;
    let A: number;
    if (s > 0) {
      const fa = this.logRatio(a);
      m = (this.logRatio(b) - fa) / (b - a);
      A = fa - m * a;
    } else {
      const x = (a + b) / 2;
      m = this.meanShift(x) / s2;
      A = this.logRatio(x) - m * x;
    }
    const peak = Math.min(b, Math.max(a, s * m * s2));
    const flat = Math.min(b, Math.max(a, 0));
    return Math.max((-peak * peak) / (2 * s2) + s * (A + m * peak), (-flat * flat) / (2 * s2)) + 1e-9;
  }

  /**
   * Index ranges [from, to] of the grid that hold all but a negligible part of Σ w max(1, r^s); what is left out
   * is bounded by e^logOut (same units: without the factor h/σ√2π). Empty if more than MAXIMUM_POINTS are needed.
   */
  private ranges(s: number, h: number): { ranges: number[]; logOut: number } {
    const { sigma } = this;
    const s2 = sigma * sigma;
    const k = Math.sqrt(2 * (SMALL + Math.log(this.count))) + 1;
    const [left, right] = this.ends(s);
    const from = Math.floor((left - k * sigma) / h);
    const to = Math.ceil((right + k * sigma) / h);
    const f = (i: number): number => {
      const x = i * h;
      return (-x * x) / (2 * s2) + Math.max(0, s * this.logRatio(x));
    };
    // Beyond either end the integrand falls at least like e^{−k|x − end|/σ}: a geometric sum.
    const geometric = -Math.log(Math.expm1((k * h) / sigma));
    let logOut = addLogs(f(from), f(to)) + geometric;
    if (to - from <= 1500) return { ranges: [from, to], logOut };
    let reference = Math.max(0, f(from), f(to));
    for (const d of this.shifts) reference = Math.max(reference, f(Math.round((s * d) / h)));
    const ranges: number[] = [];
    let points = 0;
    const stack: number[] = [from, to];
    for (let work = 0; stack.length > 0; work++) {
      const b = stack.pop()!;
      const a = stack.pop()!;
      const most = this.ceiling(a * h, b * h, s);
      if (most + Math.log(b - a + 1) < reference - SMALL - 12 - Math.log(this.count)) {
        logOut = addLogs(logOut, most + Math.log(b - a + 1));
      } else if (b - a <= 64) {
        const last = ranges.length - 1;
        if (last > 0 && ranges[last] === a - 1) ranges[last] = b;
        else ranges.push(a, b);
        points += b - a + 1;
      } else {
        const middle = a + Math.floor((b - a) / 2);
        stack.push(middle + 1, b, a, middle);
      }
      if (points > MAXIMUM_POINTS || work > 20000) return { ranges: [], logOut: Infinity };
    }
    return { ranges, logOut };
  }

  /** K, K′, K″ of log E[r^s] in s, to about 1e-6: for finding the contour only, nothing rests on it. */
  cumulants(s: number, h: number): [number, number, number] {
    const { ranges } = this.ranges(s, h);
    if (ranges.length === 0) return [Infinity, NaN, NaN];
    const s2 = 2 * this.sigma * this.sigma;
    const last = ranges.length - 1;
    const most = Math.max(s * this.ratioAt(ranges[0]!, h), s * this.ratioAt(ranges[last]!, h));
    const top = most > 300 ? this.peak(ranges, s, h) : 0;
    const unit = h / (this.sigma * Math.sqrt(2 * Math.PI));
    let m = 0;
    let m1 = 0;
    let m2 = 0;
    for (let k = 0; k < last; k += 2)
      for (let i = ranges[k]!; i <= ranges[k + 1]!; i++) {
        const x = i * h;
        const l = this.ratioAt(i, h);
        const w = Math.exp((-x * x) / s2 + s * l - top);
        m += top === 0 ? w - Math.exp((-x * x) / s2) : w;
        m1 += w * l;
        m2 += w * l * l;
      }
    const total = top === 0 ? 1 + m * unit : m * unit;
    const mean = (m1 * unit) / total;
    return [
      top === 0 ? Math.log1p(m * unit) : top + Math.log(total),
      mean,
      Math.max(0, (m2 * unit) / total - mean * mean),
    ];
  }

  /** max over the grid of −x²/2σ² + s log r. */
  private peak(ranges: readonly number[], s: number, h: number): number {
    const s2 = 2 * this.sigma * this.sigma;
    let top = -Infinity;
    for (let k = 0; k < ranges.length; k += 2)
      for (let i = ranges[k]!; i <= ranges[k + 1]!; i++)
        top = Math.max(top, (-i * h * (i * h)) / s2 + s * this.ratioAt(i, h));
    return top;
  }

  /**
   * log of the error of the trapezoid rule of step h for E[r^{s + iu}], in units of E[r^s]
   * (docs/math-contour.md, theorem 3): min over d of d²/2σ² + uθ − 2πd/h + wall(θ), θ = reach·d/σ².
   */
  logQuadratureError(s: number, u: number, h: number): number {
    const s2 = this.sigma * this.sigma;
    const turn = this.reach / s2;
    const least = (2 * Math.PI) / h - u * turn;
    if (!(least > 0)) return Infinity;
    const at = (d: number): number => {
      // (1 + e^{uθ}) ≤ 2e^{uθ}; 1/(e^a − 1) ≤ e^{−a}/(1 − e^{−a}).
      const a = (2 * Math.PI * d) / h;
      return (
        (d * d) / (2 * s2) +
        u * turn * d +
        this.wall(s, d * turn) -
        a -
        Math.log(-Math.expm1(-a)) +
        Math.LN2 +
        1e-9
      );
    };
    // No wall at all, or next to none, and the best d within it.
    if (s >= 0) return at(Math.min(least * s2, (0.99 * Math.PI) / turn));
    const flat = at(Math.min(least * s2, (0.499 * Math.PI) / turn));
    if (least * s2 * turn < 0.499 * Math.PI && -s * this.largestNegativeLoss < 0.5) return flat;
    return Math.min(flat, at(Math.min(least / (1 / s2 - (s * turn * turn) / 4), (0.8 * Math.PI) / turn)));
  }

  /** The widest step whose quadrature error at u stays below e^logTolerance(u) for u in us. */
  stepFor(s: number, us: readonly number[], logTolerances: readonly number[]): number {
    const s2 = this.sigma * this.sigma;
    let h = 0.8 * this.sigma;
    us.forEach((u, i) => {
      const deep = Math.sqrt(-2 * Math.min(-1, logTolerances[i]!));
      h = Math.min(h, (2 * Math.PI * s2) / (u * this.reach + this.sigma * deep));
    });
    const fits = (): boolean => us.every((u, i) => this.logQuadratureError(s, u, h) <= logTolerances[i]!);
    for (let i = 0; i < 400 && !fits(); i++) h *= 0.93;
    return h;
  }

  /** The tilted distribution at real s with its errors; direction as in the class. Null past MAXIMUM_POINTS. logQuadrature: of the rule's error at u = 0. */
  tilt(s: number, h: number, logQuadrature: number, direction: 1 | -1): TiltedLaw | null {
    const { ranges, logOut } = this.ranges(s, h);
    if (ranges.length === 0) return null;
    let n = 0;
    for (let k = 0; k < ranges.length; k += 2) n += ranges[k + 1]! - ranges[k]! + 1;
    const s2 = 2 * this.sigma * this.sigma;
    const X = new Float64Array(n);
    const P = new Float64Array(n);
    const L = new Float64Array(n);
    const E = new Float64Array(n);
    const R = new Float64Array(n);
    const unit = h / (this.sigma * Math.sqrt(2 * Math.PI));
    const logUnit = Math.log(unit);
    let top = -Infinity;
    let at = 0;
    for (let k = 0; k < ranges.length; k += 2)
      for (let i = ranges[k]!; i <= ranges[k + 1]!; i++, at++) {
        const x = i * h;
        X[at] = x;
        L[at] = this.ratioAt(i, h);
        E[at] = this.error;
        const g = (x * x) / s2;
        const a = s * L[at]!;
        P[at] = a - g;
        if (P[at]! > top) top = P[at]!;
        // Relative error of e^{a − g}: the two products, the difference, exp itself, and log r's own error.
        R[at] = UNIT_ROUNDOFF * (8 + 7 * g + 4 * Math.abs(a)) + Math.abs(s) * E[at]!;
      }
    // M − 1 = Σ w (r^s − 1) keeps the relative precision of K where K is tiny; past e^300 plain scaling does.
    const small = top < 300;
    let sum = 0;
    let carry = 0;
    let wobble = 0;
    for (let i = 0; i < n; i++) {
      const g = (X[i]! * X[i]!) / s2;
      const a = s * L[i]!;
      const term = small ? Math.exp(-g) * Math.expm1(Math.min(a, 700)) : Math.exp(P[i]! - top);
      const term2 = small && a > 600 ? Math.exp(P[i]!) : term;
      wobble += small
        ? UNIT_ROUNDOFF * (8 + 7 * g) * Math.abs(term2) +
          Math.exp(P[i]!) * (4 * UNIT_ROUNDOFF * Math.abs(a) + Math.abs(s) * E[i]!)
        : term2 * R[i]!;
      // Kahan: the sum's own error stays at 2 round-offs of Σ|term|.
      const y = term2 - carry;
      const t = sum + y;
      carry = t - sum - y;
      sum = t;
    }
    const moment = small ? 1 + unit * sum : unit * sum;
    const logMoment = small ? Math.log1p(unit * sum) : top + Math.log(moment);
    const logScale = small ? 0 : top;
    const quadrature = Math.exp(logQuadrature);
    // The rule applied to the constant 1 (only the M − 1 form needs it): 2 Σ_k e^{−2π²k²σ²/h²}.
    const constant = small ? (2.1 * Math.exp(-2 * ((Math.PI * this.sigma) / h) ** 2)) / moment : 0;
    const out = (Math.exp(Math.min(700, logOut + logUnit - logScale)) * (small ? 2 : 1)) / moment;
    const relative =
      (unit * wobble * 1.001) / moment +
      8 * UNIT_ROUNDOFF * Math.min(1, Math.abs(unit * sum) / moment) +
      quadrature +
      constant +
      out;
    const logMomentError =
      relative * 1.01 +
      4 * UNIT_ROUNDOFF * Math.abs(logMoment) +
      (small ? 0 : 4 * UNIT_ROUNDOFF * Math.abs(top));
    // Keep what matters.
    const cut = -SMALL - Math.log(this.count) - Math.log(n);
    let kept = 0;
    let dropped = out;
    let mean = 0;
    for (let i = 0; i < n; i++) {
      const e = P[i]! + logUnit - logMoment;
      const p = Math.exp(e);
      if (e < cut) {
        dropped += p;
        continue;
      }
      X[kept] = X[i]!;
      P[kept] = p;
      L[kept] = direction * L[i]!;
      E[kept] = E[i]!;
      R[kept] = R[i]!;
      mean += p * L[kept]!;
      kept++;
    }
    let variance = 0;
    let spread = 0;
    let massError = 0;
    let weightError = 0;
    let lossError = 0;
    for (let i = 0; i < kept; i++) {
      const l = L[i]! - mean;
      L[i] = l;
      const p = P[i]!;
      const size = p * Math.abs(l);
      variance += size * Math.abs(l);
      spread += size;
      massError += p * R[i]!;
      weightError += size * R[i]!;
      lossError += p * (E[i]! + 2 * UNIT_ROUNDOFF * Math.abs(l));
    }
    return {
      s,
      h,
      logMoment,
      logMomentError,
      x: X.subarray(0, kept),
      p: P.subarray(0, kept),
      loss: L.subarray(0, kept),
      mean,
      variance,
      spread,
      massError: massError + relative,
      weightError: weightError + relative * spread,
      lossError,
      dropped: 1.01 * dropped,
    };
  }
}

/** log(e^a + e^b). */
export function addLogs(a: number, b: number): number {
  if (a === -Infinity && b === -Infinity) return -Infinity;
  if (a === Infinity || b === Infinity) return Infinity;
  return a > b ? a + Math.log1p(Math.exp(b - a)) : b + Math.log1p(Math.exp(a - b));
}
