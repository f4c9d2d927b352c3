// An upper bound on |φ(u)|, the characteristic function of the tilted loss of one step, for every u ≥ some U:
// what makes it sound to stop the contour sum (docs/math-contour.md, theorem 4).
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";
import type { QuadratureStep } from "./quadratureStep.js";
import type { MixtureStep, TiltedLaw } from "./stepMgf.js";

/** x shifted by i·d: weights |r(x + id)/r(x)|^s p, angles arg r(x + id), and the rule's error for their sum. */
interface ShiftedIntegral {
  readonly logFront: number;
  readonly weights: Float64Array;
  readonly angles: Float64Array;
  readonly error: number;
}

export class DecayBound {
  /** Sets of grid points, the widest first: from, to, mass, variance of the loss. */
  private readonly cores: { from: number; to: number; mass: number; variance: number }[] = [];
  private readonly gains = new Map<number, Float64Array>();
  private readonly shifted = new Map<number, ShiftedIntegral>();
  private readonly depths: number[];
  private meanSlope = 0;

  constructor(
    private readonly mixture: MixtureStep,
    private readonly tilt: TiltedLaw,
    private readonly step: QuadratureStep,
  ) {
    const { p, loss } = tilt;
    for (const mass of [0, 1e-3, 0.02, 0.15]) {
      // The loss is monotone in x: cutting the points from its upper end leaves an interval.
      const up = loss.length > 1 && loss[loss.length - 1]! > loss[0]!;
      let cut = 0;
      let n = 0;
      while (n < p.length && cut + p[up ? p.length - 1 - n : n]! <= mass)
        cut += p[up ? p.length - 1 - n++ : n++]!;
      const from = up ? 0 : n;
      const to = up ? p.length - n : p.length;
      let m = 0;
      let m1 = 0;
      for (let i = from; i < to; i++) {
        m += p[i]!;
        m1 += p[i]! * loss[i]!;
      }
      m1 /= m;
      let v = 0;
      for (let i = from; i < to; i++) v += p[i]! * (loss[i]! - m1) ** 2;
      this.cores.push({ from, to, mass: m, variance: v / m });
    }
    const { sigma, reach } = mixture;
    const half = (Math.PI * sigma * sigma) / reach;
    this.depths = [
      ...[0.7, 1.5, 3, 5].map((d) => d * sigma).filter((d) => d < 0.8 * half),
      0.2 * half,
      0.45 * half,
      0.8 * half,
    ].filter((d) => d <= 7 * sigma);
    if (this.depths.length === 0) this.depths.push(0.2 * half);
    const share = new Float64Array(mixture.shifts.length);
    for (let i = 0; i < p.length; i += 2) {
      mixture.shares(tilt.x[i]!, share);
      for (let k = 0; k < share.length; k++)
        this.meanSlope += (2 * p[i]! * share[k]! * mixture.shifts[k]!) / (sigma * sigma);
    }
  }

  /**
   * log of a bound on |φ| over [a, b]; 0 if it says nothing. On any set C of points,
   * 1 − |φ(u)|² ≥ P(C)²·G(u), G(u) = E_{C×C}[1 − cos uD], and |G″| ≤ E D² = 2 Var: between a and b G lies at most
   * (b − a)²·Var/4 below its chord.
   */
  logCore(a: number, b: number): number {
    const rule = this.step.logError(b);
    if (rule > -1) return 0;
    const atA = this.gainsAt(a);
    const atB = this.gainsAt(b);
    let gain = 0;
    this.cores.forEach(({ mass, variance }, k) => {
      const least = Math.min(atA[k]!, atB[k]!) * (1 - 1e-9) - ((b - a) ** 2 * variance) / 4;
      gain = Math.max(gain, mass * mass * least * (1 - 1e-9));
    });
    if (gain <= 0) return 0;
    // What the sum over nodes errs by: the rule, the nodes left out, the weights and losses as stored, the additions.
    const { p, dropped, massError, lossError } = this.tilt;
    const rounding = UNIT_ROUNDOFF * (p.length + 20) + massError + b * lossError;
    const error = Math.exp(rule) * 2.1 + dropped + rounding;
    const size = Math.sqrt(Math.max(0, 1 - gain));
    return size > 0.5
      ? Math.min(0, 0.5 * Math.log1p(-gain) + Math.log1p(error / size))
      : Math.min(0, Math.log(size + error));
  }

  /** G(u) = 1 − |E_C e^{iuℓ}|² on every core, by sin² so that a small one keeps its digits. */
  private gainsAt(u: number): Float64Array {
    const known = this.gains.get(u);
    if (known) return known;
    const { p, loss } = this.tilt;
    const made = new Float64Array(this.cores.length);
    const n = p.length;
    const re = new Float64Array(n + 1);
    const im = new Float64Array(n + 1);
    for (let i = 0; i < n; i++) {
      const half = Math.sin((u * loss[i]!) / 2);
      re[i + 1] = re[i]! - 2 * p[i]! * half * half;
      im[i + 1] = im[i]! + p[i]! * Math.sin(u * loss[i]!);
    }
    this.cores.forEach(({ from, to, mass }, k) => {
      const x = (re[to]! - re[from]!) / mass;
      const y = (im[to]! - im[from]!) / mass;
      made[k] = -2 * x - x * x - y * y;
    });
    this.gains.set(u, made);
    return made;
  }

  /** log of a bound on |φ(v)| for every v ≥ u: the x-integral moved to Im x = d, where |r^{iu}| = e^{−u·arg r}. */
  logShift(u: number): number {
    let best = 0;
    // Near 0 the best depth is uσ²·E[slope of log r]; farther out the listed ones do.
    const { sigma } = this.mixture;
    const ideal = u * sigma * sigma * this.meanSlope;
    const depths =
      ideal < 0.6 * Math.min(sigma, this.depths[0]!)
        ? [1.3 ** Math.floor(Math.log(ideal) / Math.log(1.3))]
        : this.depths;
    for (const d of depths) {
      const { logFront, weights, angles, error } = this.shift(d);
      let sum = error;
      for (let i = 0; i < weights.length; i++) sum += weights[i]! * Math.exp(-u * angles[i]!);
      best = Math.min(best, logFront + Math.log(sum) + 1e-12);
    }
    return best;
  }

  private shift(d: number): ShiftedIntegral {
    const known = this.shifted.get(d);
    if (known) return known;
    const { mixture, tilt } = this;
    const { sigma, reach, shifts } = mixture;
    const s2 = sigma * sigma;
    const n = tilt.x.length;
    const weights = new Float64Array(n);
    const angles = new Float64Array(n);
    const share = new Float64Array(shifts.length);
    let total = 0;
    let largest = 0;
    for (let i = 0; i < n; i++) {
      mixture.shares(tilt.x[i]!, share);
      // r(x + id)/r(x) − 1, which keeps the digits that the power needs.
      let re = 0;
      let im = 0;
      for (let k = 0; k < share.length; k++) {
        const angle = (shifts[k]! * d) / s2;
        re -= 2 * share[k]! * Math.sin(angle / 2) ** 2;
        im += share[k]! * Math.sin(angle);
      }
      const square = re * re + im * im;
      // The shares' own errors are below 1e-12 of each.
      const off = 1e-12 * Math.abs(tilt.s) * (square - 2 * re);
      const grown = Math.exp((tilt.s / 2) * Math.log1p(2 * re + square) + off);
      weights[i] = tilt.p[i]! * grown;
      largest = Math.max(largest, grown);
      total += weights[i]!;
      // Round-off may not make the angle larger than it is.
      angles[i] = Math.max(0, Math.atan2(im, 1 + re) * (1 - 1e-12));
    }
    // The rule's error: the integrand continued to |Im| ≤ y stays below its real size (theorem 4).
    const turn = reach / s2;
    const y = Math.max(Math.min(d, 0.95 * (Math.PI / turn - d)), Math.PI / (2 * turn) - d) * 0.999;
    const back = tilt.s < 0 ? -tilt.s : 0;
    let log = Infinity;
    const best = Math.min(y, (2 * Math.PI) / tilt.h / (1 / s2 + (back * turn * turn) / 4));
    const flat = Math.min(y, (2 * Math.PI * s2) / tilt.h, (0.499 * Math.PI) / turn - d);
    for (const at of [best, best / 2, flat]) {
      const a = (2 * Math.PI * at) / tilt.h;
      const angle = turn * (d + at);
      if (!(at > 0 && (back === 0 || angle < 0.99 * Math.PI))) continue;
      const wall = mixture.wall(tilt.s, angle);
      log = Math.min(log, (at * at) / (2 * s2) + wall - a - Math.log(-Math.expm1(-a)) + Math.LN2);
    }
    const lost = tilt.dropped * (back > 0 ? Math.cos((turn * d) / 2) ** -back : 1);
    const rounding = UNIT_ROUNDOFF * (n + 20) * total + largest * tilt.massError;
    const made = { logFront: (d * d) / (2 * s2), weights, angles, error: Math.exp(log) + lost + rounding };
    this.shifted.set(d, made);
    return made;
  }
}
