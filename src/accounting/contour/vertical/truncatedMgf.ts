// One Poisson-sampled Gaussian of much noise, cut off where nothing is left of it: M(t) − 1 to second order, so that no
// digits cancel, and a bound on it that falls for good (docs/math-truncated-contour.md).
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";
import { BlockSum, realLessOne } from "../complexRounding.js";
import type { NodeBudget } from "../contourSum.js";
import type { MixtureStep } from "./stepMgf.js";
import type { MgfValue, UprightStep } from "./truncatedContour.js";

/** What is cut off is below e^−LEAST of δ. */
const LEAST = 31;
/** The grid is made for the rule's error to be below e^−RULE ÷ steps. */
const RULE = 75;
/** Largest angle d/σ² by which lines of integration are moved, in radians. */
const MOST_TURN = 1.1;
/** Shares of the deepest line that are tried. */
const DEPTHS = [1, 0.7, 0.5, 0.35, 0.25, 0.15] as const;
/** |tv| and |v| below these are summed as powers of v = r − 1. */
const SMALL_TURN = 0.5;
const SMALL_RATIO = 0.25;
const BLOCK = 16;
const MOST_NODES = 1500;

/** Where the interval ends: density, r, the share q e^y/r, and |r − 1| at most on the line of integration. */
interface TruncationEnd {
  readonly density: number;
  readonly ratio: number;
  readonly share: number;
  readonly rise: number;
}

export class TruncatedMgf implements UprightStep {
  readonly count: number;
  /** A bound on the probability, under either of the pair, of what was cut off. */
  readonly lost: number;
  /** Whether the grid is of MOST_NODES at most; if not, nothing is known. */
  readonly usable: boolean;
  private readonly rate: number;
  private readonly square: number;
  private readonly h: number;
  private readonly deepest: number;
  /** Nodes; h·density of N(0, σ²) there and its relative error; v = r − 1 and its relative error; log r. */
  private readonly x: Float64Array;
  private readonly weight: Float64Array;
  private readonly weightOff: Float64Array;
  private readonly v: Float64Array;
  private readonly vOff: Float64Array;
  private readonly log: Float64Array;
  private readonly ends: readonly TruncationEnd[];
  /** The largest share q e^y/r. */
  private readonly mostShare: number;
  private known = { a: NaN, size: NaN };
  private readonly blocks = new BlockSum();

  /**
   * direction +1: E_P[e^{tℓ}] of ℓ = log r; −1: E_Q[e^{tℓ}] of ℓ = −log r. logDelta: what the answer is near.
   * stretch ≥ 1: how much farther out than it need be what is cut off lies.
   */
  constructor(
    mixture: MixtureStep,
    private readonly direction: 1 | -1,
    total: number,
    logDelta: number,
    readonly budget: NodeBudget,
    stretch = 1,
  ) {
    const { sigma } = mixture;
    const q = mixture.weights[1]!;
    this.count = mixture.count;
    this.rate = q;
    this.square = sigma * sigma;
    const s2 = this.square;
    const k = stretch * Math.sqrt(2 * (LEAST + Math.log(total) - logDelta));
    const steepest = Math.exp((k * sigma + 1) / s2);
    const depth = Math.min(Math.sqrt(2 * (RULE + Math.log(total))), MOST_TURN * sigma);
    // |M|^T has died out past this multiple of σ/q, and the bound on it too, where slopes are as flat as matters.
    const turns =
      1.8 * Math.sqrt(110 / mixture.count) * Math.exp(Math.sqrt(2 * Math.log(100 * mixture.count)) / sigma);
    const need = depth / 2 + turns * steepest + (RULE + Math.log(total)) / depth;
    const h = rounded((2 * Math.PI * sigma) / need);
    this.h = h;
    this.deepest = depth * sigma;
    const from = Math.floor((-k * sigma) / h);
    const to = Math.ceil((k * sigma + 1) / h);
    this.usable = to - from < MOST_NODES;
    const n = this.usable ? to - from + 1 : 0;
    const columns = () => new Float64Array(n);
    this.x = columns();
    this.weight = columns();
    this.weightOff = columns();
    this.v = columns();
    this.vOff = columns();
    this.log = columns();
    const unit = h / (sigma * Math.sqrt(2 * Math.PI));
    for (let i = 0; i < n; i++) {
      const x = (from + i) * h;
      const y = (2 * x - 1) / (2 * s2);
      const half = (x * x) / (2 * s2);
      this.x[i] = x;
      this.weight[i] = unit * Math.exp(-half);
      this.weightOff[i] = UNIT_ROUNDOFF * (16 + 4 * half);
      this.v[i] = q * Math.expm1(y);
      this.vOff[i] = UNIT_ROUNDOFF * (9 + 3 * Math.abs(y));
      this.log[i] = Math.log1p(this.v[i]!);
    }
    this.ends = [(from - 0.5) * h, (to + 0.5) * h].map((x) => {
      const y = (2 * x - 1) / (2 * s2);
      const ratio = 1 + q * Math.expm1(y);
      return {
        density: (Math.exp((-x * x) / (2 * s2)) / (sigma * Math.sqrt(2 * Math.PI))) * (1 + 1e-9),
        ratio,
        share: Math.min(1, ((q * Math.exp(y)) / ratio) * (1 + 1e-9)),
        rise: q * (1 + Math.exp(y)),
      };
    });
    this.mostShare = this.ends[1]!.share;
    // Two tails of N(0, σ²) or N(1, σ²), each at least k deviations out.
    this.lost = Math.exp((-k * k) / 2) * (1 + 1e-9);
    budget.left -= 8 * n;
  }

  restart(): void {}

  /** How much of the measure tilted by e^{cℓ}, relative to all of it, is within a deviation of the ends, about. */
  edge(c: number): number {
    const { power } = this.exponent(c, 0);
    const density = this.ends.reduce((sum, end) => sum + end.density * end.ratio ** power, 0);
    const size = this.size(c);
    return size < Infinity ? (density * Math.sqrt(this.square)) / size : Infinity;
  }

  moment(a: number, b: number, into: MgfValue): void {
    if (!this.usable) {
      into.re = into.im = 0;
      into.error = Infinity;
      return;
    }
    this.sum(a, b, into);
    const size = this.size(a);
    const rule = Math.min(...this.rule(a, b).map(({ scale, rest }) => rest + scale * size));
    into.error += rule * (1 + 1e-9);
  }

  /** E[r^s] within the cut at real t = a, from above: what bounds all others of that real part. */
  private size(a: number): number {
    if (!this.usable) return Infinity;
    if (this.known.a === a) return this.known.size;
    const made = { re: 0, im: 0, error: 0 };
    this.sum(a, 0, made);
    // The rule's error is itself in terms of the size.
    let size = Infinity;
    for (const { scale, rest } of this.rule(a, 0))
      if (scale < 0.5) size = Math.min(size, ((1 + made.re + made.error + rest) / (1 - scale)) * (1 + 1e-12));
    this.known = { a, size: Number.isNaN(size) ? Infinity : size };
    return this.known.size;
  }

  /** Re s, and a bound of |s|. */
  private exponent(a: number, b: number): { power: number; modulus: number } {
    const power = this.direction > 0 ? 1 + a : -a;
    return { power, modulus: Math.hypot(power, b) * (1 + 1e-12) };
  }

  /** |r(x + id)/r(x)|^power at most, where the share q e^y/r is at most that. */
  private wall(power: number, turn: number, share: number): number {
    return power < 0 ? (1 - share * (1 - Math.cos(turn))) ** power * (1 + 1e-9) : 1;
  }

  /** arg r(x + iv) ≤ v·this, for every x within the cut and v ≤ d. */
  private steepness(turn: number): number {
    const odds = this.mostShare / Math.max(1e-300, 1 - this.mostShare);
    const at = (cos: number): number =>
      odds > 1e8 ? 1 + 1e-7 : (odds * (odds + cos)) / (1 + 2 * odds * cos + odds * odds);
    return (Math.max(at(1), at(Math.cos(turn))) * (1 + 1e-9)) / this.square;
  }

  /** The rule's error is at most rest + scale·size(a), for each depth of the line of integration. */
  private rule(a: number, b: number): { scale: number; rest: number }[] {
    const { h, rate, square } = this;
    const { power, modulus } = this.exponent(a, b);
    return DEPTHS.map((share) => {
      const d = share * this.deepest;
      const turn = d / square;
      const swollen = (d * d) / (2 * square);
      const grown = b * d * this.steepness(turn);
      const damped = (2 * Math.PI * d) / h;
      const front = Math.exp(swollen - damped) / -Math.expm1(-damped);
      const scale =
        this.wall(power, turn, this.mostShare) *
        (front + Math.exp(Math.min(700, swollen + grown - damped)) / -Math.expm1(-damped));
      let rest = front * (2 + 4 * modulus * rate);
      const side = d * Math.exp(Math.min(700, Math.max(0, swollen + grown - damped)));
      for (const end of this.ends)
        rest += 2 * side * end.density * (this.tilted(end, power, turn) + 1 + modulus * end.rise);
      return { scale, rest: Number.isNaN(rest) ? Infinity : rest };
    });
  }

  /** |r^power| at an end, at most, on lines up to there. */
  private tilted(end: TruncationEnd, power: number, turn: number): number {
    return end.ratio ** power * this.wall(power, turn, end.share);
  }

  /** Σ of the rule, to second order in r − 1, and what rounding and the cut do to it. */
  private sum(a: number, b: number, into: MgfValue): void {
    const { weight, weightOff, v, vOff, log, direction } = this;
    const n = v.length;
    this.budget.left -= n;
    const modulus = Math.hypot(a, b);
    const removed = direction > 0;
    // t(t + 1)/2 begins the powers either way.
    const firstRe = (a * (a + 1) - b * b) / 2;
    const firstIm = (2 * a * b + b) / 2;
    const firstSize = (modulus * Math.hypot(a + 1, b)) / 2;
    const sRe = removed ? 1 + a : -a;
    const sIm = removed ? b : -b;
    const sum = this.blocks;
    sum.clear();
    let total = 0;
    let error = 0;
    for (let i = 0; i < n; i++) {
      if (i % BLOCK === 0) sum.close();
      const w = weight[i]!;
      const ratio = v[i]!;
      let fRe: number;
      let fIm: number;
      let off: number;
      if (modulus * Math.abs(ratio) < SMALL_TURN && Math.abs(ratio) < SMALL_RATIO) {
        // Σ_{k ≥ 2} C(s, k)v^k.
        let termRe = firstRe * ratio * ratio;
        let termIm = firstIm * ratio * ratio;
        fRe = termRe;
        fIm = termIm;
        let size = firstSize * ratio * ratio;
        let sizes = 2 * size;
        const least = 1e-18 * size;
        let k = 2;
        for (; k < 60 && size > least; k++) {
          const f = ratio / (k + 1);
          const gRe = (sRe - k) * f;
          const gIm = sIm * f;
          const next = termRe * gRe - termIm * gIm;
          termIm = termRe * gIm + termIm * gRe;
          termRe = next;
          fRe += termRe;
          fIm += termIm;
          size = Math.abs(termRe) + Math.abs(termIm);
          sizes += (k + 1) * size;
        }
        // Each further term is less than half the one before.
        off = sizes * (vOff[i]! + 10 * UNIT_ROUNDOFF) + 2 * size;
      } else {
        // Removing, (1 + v)(e^{t log r} − 1) − tv; adding, e^{−t log r} − 1 + tv.
        const x = removed ? a * log[i]! : -a * log[i]!;
        const y = removed ? b * log[i]! : -b * log[i]!;
        const e = Math.exp(x);
        const lessRe = realLessOne(x, y, Math.cos(y));
        const lessIm = e * Math.sin(y);
        const lift = removed ? 1 + ratio : 1;
        const turnRe = (removed ? -a : a) * ratio;
        const turnIm = (removed ? -b : b) * ratio;
        fRe = lift * lessRe + turnRe;
        fIm = lift * lessIm + turnIm;
        const turned = modulus * Math.abs(ratio);
        off =
          UNIT_ROUNDOFF * lift * (16 * (1 + e) + 10 * modulus * Math.abs(log[i]!) * e) +
          4 * UNIT_ROUNDOFF * turned +
          vOff[i]! *
            (removed ? turned + Math.abs(ratio) : turned) *
            (1 + e * (removed ? 1 : 1 / (1 + ratio)));
      }
      sum.add(w * fRe, w * fIm);
      const size = Math.abs(fRe) + Math.abs(fIm);
      total += w * size;
      error += w * (size * weightOff[i]! + off);
    }
    sum.close();
    into.re = sum.re;
    into.im = sum.im;
    into.error =
      (error + UNIT_ROUNDOFF * (BLOCK + n / BLOCK + 4) * total) * (1 + 1e-9) +
      this.lost * (1 + 2 * (modulus + 1) * this.rate);
  }

  /** Moves the line of integration to Im x = d, where |r^{iv}| = e^{−v·arg r(x + id)} falls with v; arg grows with x. */
  farSize(a: number, b: number): number {
    const { x, weight, log, h, square, rate } = this;
    const { power } = this.exponent(a, b);
    const size = this.size(a);
    if (!(size < Infinity)) return Infinity;
    const n = x.length;
    const mass = new Float64Array(n + 1);
    for (let i = 0; i < n; i++) {
      const slope = (Math.abs(x[i]!) + h / 2 + Math.abs(power) * this.mostShare) / square;
      mass[i + 1] =
        mass[i]! + weight[i]! * Math.exp(Math.min(700, power * log[i]! + (slope * h) / 2)) * 1.001;
    }
    let best = size;
    const ideal = Math.min(this.deepest, b * rate);
    for (const share of [1, 0.8, 0.6, 0.45, 0.3, 0.2, 0.1]) {
      const d = share * ideal;
      const turn = d / square;
      const sin = Math.sin(turn);
      const cos = Math.cos(turn);
      const fall = (at: number): number => {
        const e = rate * Math.exp((2 * at - 1) / (2 * square));
        return Math.exp(-b * Math.atan2(e * sin, 1 - rate + e * cos) * (1 - 1e-12));
      };
      const first = fall(x[0]! - h / 2);
      let least = first * size;
      for (let i = 1; i < n; i++) least = Math.min(least, mass[i]! * first + size * fall(x[i]! - h / 2));
      const front = Math.exp((d * d) / (2 * square));
      let value = least * front * this.wall(power, turn, this.mostShare);
      for (const end of this.ends) value += d * front * end.density * this.tilted(end, power, turn);
      if (value < best) best = value;
    }
    return best * (1 + 1e-9);
  }
}

/** Rounded down to ten bits, so that its multiples are exact. */
function rounded(h: number): number {
  const unit = 2 ** (Math.floor(Math.log2(h)) - 10);
  return Math.floor(h / unit) * unit;
}
