// One ray of losses ℓ = log(1 − q) + e^{τ + iη}: the trapezoid rule in τ for E_P[e^{tℓ}] of one Poisson-sampled Gaussian,
// its losses divided smoothly at `cut`, and sums that bound the integrand's size (docs/math-bent.md, theorems 1 to 3).
import { Cutoff, Density, FLOOR } from "./density.js";
import { UNIT } from "./mixture.js";

/** Sums over a ray at one t: bulk is E[χ(e^{tℓ} − 1)], tail is E[(1 − χ)e^{tℓ}], or of the difference of two cutoffs; errors are of rounding and of what was left out. */
export interface RaySum {
  bulkRe: number;
  bulkIm: number;
  bulkError: number;
  tailRe: number;
  tailIm: number;
  tailError: number;
}

export interface Want {
  readonly bulk: boolean;
  readonly tail: boolean;
}

/** Upper bounds of ∫|pχe^{tℓ}|, ∫|p(1 − χ)e^{tℓ}| and ∫|pχℓ²|·max(1, |e^{tℓ}|) along the ray. */
export interface RaySize {
  bulk: number;
  tail: number;
  curvature: number;
}

/** Far enough to the right for exp to underflow. */
const LOWEST = -740;
/** |χ| is below this on every ray of angle ≤ 0.77. */
const MOST_CHI = 50;
/** Most nodes of a ray; past them it bounds nothing. */
const MOST_NODES = 60_000;
/** Sums go by blocks of this many nodes: their rounding is that of a block and of the number of blocks. */
const BLOCK = 32;

export class Ray {
  /** Upper bounds of ∫|pχ|, ∫|p(1 − χ)|, ∫|pχℓ|. */
  readonly bulkMass: number;
  readonly tailMass: number;
  /** E[1 − χ] by the rule, what rounding does to it, and an upper bound of ∫|p(1 − χ)|. */
  lostRe = 0;
  lostIm = 0;
  lostOff = 0;
  readonly lostMass: number;
  readonly spread: number;
  private readonly shift: number;
  private readonly cos: number;
  private readonly sin: number;
  private readonly modulus: Float64Array;
  private readonly bulkRe: Float64Array;
  private readonly bulkIm: Float64Array;
  private readonly tailRe: Float64Array;
  private readonly tailIm: Float64Array;
  /** Sizes times relative rounding errors. */
  private readonly bulkOff: Float64Array;
  private readonly tailOff: Float64Array;
  /** h times the largest modulus over each cell. */
  private readonly bulkTop: Float64Array;
  private readonly tailTop: Float64Array;
  /** The largest |ℓ| over each cell. */
  private readonly lossTop: Float64Array;
  /** Nodes up to there matter to the bulk; from here on, up to there, to the tail. */
  private readonly firstTail: number;
  private readonly lastBulk: number;
  private readonly lastTail: number;
  private readonly growth: number;
  /** Nodes with |λ| below `small`, summed as powers: Σb, Σbλ, Σbλ²/2, Σbλ³/6; and Σ|b||λ|⁴/24, Σ|b|·error. */
  private readonly lump = new Float64Array(10);
  private readonly lumpTop: number;
  private readonly lumpCurvature: number;
  private readonly leftOut: number;
  private readonly tailLeftOut: number;
  private readonly slopes: readonly [number, number, number];
  private readonly bulkEnd: readonly [number, number];
  private readonly tailEnd: readonly [number, number];

  /**
   * rate in (0, 1), sigma > 0; |angle| ≤ 0.77; step h dyadic; cut: where χ falls; least: −log of what may be left out;
   * small: losses whose fourth power may be left out at every t asked for; steep: up to which Re t, at least, the end of
   * the ray is known to be negligible; upper: where the cutoff of the tail falls, if it has one.
   */
  constructor(
    rate: number,
    sigma: number,
    angle: number,
    h: number,
    cut: number,
    least: number,
    small: number,
    steep = 0,
    upper = Infinity,
  ) {
    const s2 = sigma * sigma;
    const p = new Density(rate, sigma, angle, h);
    const low = new Cutoff(cut, angle, h);
    const high = new Cutoff(upper, angle, h);
    this.shift = p.shift;
    this.cos = p.cos;
    this.sin = p.sin;
    const start = Math.min(Math.log(0.01), -Math.sqrt(2 * least) / sigma - p.offset);
    const mod: number[] = [];
    const columns: number[][] = Array.from({ length: 9 }, () => []);
    let bulkMass = 0;
    let tailMass = 0;
    let lostMass = 0;
    let spread = 0;
    let lumpTop = 0;
    let lumpCurvature = 0;
    let leftOut = 0;
    let tailLeftOut = 0;
    let firstTail = -1;
    let lastBulk = 0;
    let lastTail = 0;
    const half = Math.exp(h / 2) * (1 + 1e-12);
    const cos2 = Math.cos(2 * angle);
    const square = 0.9 * s2 * cos2;
    const linear = s2 * Math.min(0.9 * p.offset, 1.1 * p.offset) * this.cos - 4.4;
    const furthest = upper < Infinity ? upper : cut;
    const from = Math.ceil(start / h);
    for (let j = from, first = true; ; j++) {
      p.at(j);
      const { m, x, y, top } = p;
      low.at(m);
      high.at(m);
      const bulkTop = top * low.top + (low.top > 1e-300 ? FLOOR : 0);
      const lostTop = top * low.otherTop;
      const tailTop =
        top * Math.min(low.otherTop + high.otherTop, low.top + high.top) + (high.top > 1e-300 ? FLOOR : 0);
      if (first) {
        // To the left |p| falls at least like e^{fall·τ}, and so does the rest of the rule.
        const fall = s2 * (0.99 * Math.abs(p.Yr) - 0.01) - 0.03;
        leftOut = MOST_CHI * (top / (1 - Math.exp(-fall * h)) + top / h / fall);
        tailLeftOut = leftOut * (low.gTop + high.gTop);
        first = false;
      }
      const ended =
        p.log + p.growth < LOWEST &&
        p.Yr > 0 &&
        m > 12 &&
        m / furthest > 12 &&
        (square * m + linear - 1.1 * steep) * m >= 5;
      if (ended || !(m < 1e9 && j - from < MOST_NODES)) {
        // Not reached, nothing is known to the right.
        const end = (chi: Cutoff): [number, number] =>
          ended && chi.cut < Infinity ? [(1.8 * cos2) / (chi.cut * chi.cut), 0.9 * chi.gRe] : [0, 0];
        this.slopes = ended ? [square, linear, m] : [0, 0, m];
        this.made = j - from;
        this.bulkEnd = end(low);
        this.tailEnd = end(high);
        break;
      }
      const magnitude = Math.exp(p.log);
      const pRe = magnitude * Math.cos(p.turn);
      const pIm = magnitude * Math.sin(p.turn);
      const bulk = [pRe * low.re - pIm * low.im, pRe * low.im + pIm * low.re] as const;
      // 1 − χ, or the difference of two cutoffs: of what is small in each.
      const near = low.size > 0.5;
      const otherRe = near ? low.otherRe - high.otherRe : high.re - low.re;
      const otherIm = high.im - low.im;
      const tail = [pRe * otherRe - pIm * otherIm, pRe * otherIm + pIm * otherRe] as const;
      const chiOff = (chi: Cutoff): number => chi.size * (p.relative + 8 * UNIT + chi.gTop * chi.off);
      const restOff = (chi: Cutoff): number => chi.otherSize * (p.relative + 8 * UNIT + chi.otherOff);
      const bulkOff = magnitude * chiOff(low);
      const tailOff =
        magnitude * (near || upper === Infinity ? restOff(low) + restOff(high) : chiOff(low) + chiOff(high));
      bulkMass += bulkTop;
      tailMass += tailTop;
      lostMass += lostTop;
      // E[1 − χ], which E[χ] is short of 1.
      this.lostRe += pRe * low.otherRe + pIm * low.im;
      this.lostIm += pIm * low.otherRe - pRe * low.im;
      this.lostOff += magnitude * (restOff(low) + UNIT * (BLOCK + mod.length) * low.otherSize);
      const loss = (Math.hypot(this.shift + x, y) + m * (half - 1)) * (1 + 1e-9);
      spread += bulkTop * loss;
      if (m < small && m / cut < 0.06) {
        const { lump } = this;
        let re = bulk[0];
        let im = bulk[1];
        for (let k = 0; k < 4; k++) {
          lump[2 * k]! += re;
          lump[2 * k + 1]! += im;
          const next = (re * x - im * y) / (k + 1);
          im = (re * y + im * x) / (k + 1);
          re = next;
        }
        lump[8]! += (magnitude * low.size * m ** 4) / 24;
        lump[9]! += bulkOff + UNIT * magnitude * 8;
        lumpTop += bulkTop;
        lumpCurvature += bulkTop * loss * loss;
        continue;
      }
      if (firstTail < 0 && tailTop > 0) firstTail = mod.length;
      mod.push(m);
      [bulk[0], bulk[1], tail[0], tail[1], bulkOff, tailOff, bulkTop, tailTop, loss].forEach((value, k) => {
        columns[k]!.push(value);
      });
      if (bulkTop > 0) lastBulk = mod.length;
      if (tailTop > 0) lastTail = mod.length;
    }
    this.modulus = Float64Array.from(mod);
    [
      this.bulkRe,
      this.bulkIm,
      this.tailRe,
      this.tailIm,
      this.bulkOff,
      this.tailOff,
      this.bulkTop,
      this.tailTop,
      this.lossTop,
    ] = columns.map((column) => Float64Array.from(column)) as [
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    this.firstTail = firstTail < 0 ? mod.length : firstTail;
    this.lastBulk = lastBulk;
    this.lastTail = lastTail;
    this.growth = half - 1;
    this.bulkMass = (bulkMass + leftOut) * (1 + 1e-9);
    this.tailMass = (tailMass + tailLeftOut) * (1 + 1e-9);
    this.lostMass = (lostMass + tailLeftOut) * (1 + 1e-9);
    this.lostOff += lostMass * 1e-26 + 2 * tailLeftOut + this.right(0);
    this.spread = (spread + leftOut) * (1 + 1e-9);
    this.lumpTop = lumpTop;
    this.lumpCurvature = lumpCurvature;
    this.leftOut = leftOut;
    this.tailLeftOut = tailLeftOut;
  }

  /** Nodes computed, those in the lump too. */
  readonly made: number;

  get nodes(): number {
    return this.modulus.length;
  }

  /** At t = a + ib. */
  sum(a: number, b: number, into: RaySum): void {
    const { cos, sin, modulus, shift, lump } = this;
    const along = a * cos - b * sin;
    const across = a * sin + b * cos;
    const size = Math.hypot(a, b);
    const n = modulus.length;
    let bulkRe = 0;
    let bulkIm = 0;
    let bulkError = 0;
    let bulkSize = 0;
    let tailRe = 0;
    let tailIm = 0;
    let tailError = 0;
    let tailSize = 0;
    const base = a * shift;
    const baseTurn = b * shift;
    let blockRe = 0;
    let blockIm = 0;
    let otherRe = 0;
    let otherIm = 0;
    for (let i = 0; i < n; i++) {
      if (i % BLOCK === 0) {
        bulkRe += blockRe;
        bulkIm += blockIm;
        tailRe += otherRe;
        tailIm += otherIm;
        blockRe = blockIm = otherRe = otherIm = 0;
      }
      const m = modulus[i]!;
      const x = base + m * along;
      if (x < -60 && i >= this.lastBulk) continue;
      const y = baseTurn + m * across;
      const e = Math.exp(x);
      const c = Math.cos(y);
      const s = Math.sin(y);
      const re = e * c;
      const im = e * s;
      const burden = 8 * UNIT * e * size * (m - shift);
      if (i < this.lastBulk) {
        let less: number;
        if (x > -0.5 && x < 0.5) {
          const h = Math.sin(y / 2);
          less = Math.expm1(x) * c - 2 * h * h;
        } else less = re - 1;
        blockRe += this.bulkRe[i]! * less - this.bulkIm[i]! * im;
        blockIm += this.bulkRe[i]! * im + this.bulkIm[i]! * less;
        const change = Math.abs(less) + Math.abs(im);
        const weight = Math.abs(this.bulkRe[i]!) + Math.abs(this.bulkIm[i]!);
        bulkSize += weight * change;
        bulkError += this.bulkOff[i]! * change + weight * burden;
      }
      if (i >= this.firstTail && i < this.lastTail) {
        otherRe += this.tailRe[i]! * re - this.tailIm[i]! * im;
        otherIm += this.tailRe[i]! * im + this.tailIm[i]! * re;
        const weight = Math.abs(this.tailRe[i]!) + Math.abs(this.tailIm[i]!);
        tailSize += weight * e;
        tailError += this.tailOff[i]! * e + weight * burden;
      }
    }
    bulkRe += blockRe;
    bulkIm += blockIm;
    tailRe += otherRe;
    tailIm += otherIm;
    // The lump: e^{t·shift}(Σb + tΣbλ + …) − Σb.
    const e = Math.exp(base);
    const c = Math.cos(baseTurn);
    const s = Math.sin(baseTurn);
    const h = Math.sin(baseTurn / 2);
    const lessRe = Math.expm1(base) * c - 2 * h * h;
    let pRe = lump[6]!;
    let pIm = lump[7]!;
    for (let k = 2; k >= 1; k--) {
      const next = a * pRe - b * pIm + lump[2 * k]!;
      pIm = a * pIm + b * pRe + lump[2 * k + 1]!;
      pRe = next;
    }
    const lastRe = a * pRe - b * pIm;
    const lastIm = a * pIm + b * pRe;
    const addRe = lump[0]! * lessRe - lump[1]! * e * s + e * (c * lastRe - s * lastIm);
    const addIm = lump[0]! * e * s + lump[1]! * lessRe + e * (c * lastIm + s * lastRe);
    const change = Math.hypot(lessRe, e * s) + Math.hypot(lastRe, lastIm);
    const smallest = n > 0 ? modulus[0]! : 0;
    // Re t < 0 makes e^{t·shift} exceed 1.
    const wobble = Math.exp(Math.min(700, size * smallest + Math.max(0, base)));
    bulkError +=
      lump[9]! * change +
      8 * UNIT * (Math.hypot(lump[0]!, lump[1]!) * size * -shift * e + Math.hypot(addRe, addIm)) +
      lump[8]! * size ** 4 * wobble;
    const rough = UNIT * (BLOCK + n / BLOCK + 12);
    into.bulkRe = bulkRe + addRe;
    into.bulkIm = bulkIm + addIm;
    const lift = Math.exp(Math.max(0, base));
    const out = lift * this.right(along, ...this.tailEnd);
    into.bulkError =
      bulkError + rough * bulkSize + this.leftOut * (1 + wobble) + lift * this.right(along, ...this.bulkEnd);
    into.tailRe = tailRe;
    into.tailIm = tailIm;
    into.tailError = tailError + rough * tailSize + this.tailMass * 1e-26 + this.tailLeftOut * wobble + out;
  }

  /** E[χℓ] by the rule: its real part. */
  mean(): number {
    let sum = this.lump[0]! * this.shift + this.lump[2]!;
    for (let i = 0; i < this.lastBulk; i++) {
      const m = this.modulus[i]!;
      sum += this.bulkRe[i]! * (this.shift + m * this.cos) - this.bulkIm[i]! * m * this.sin;
    }
    return sum;
  }

  /**
   * ∫|pχλ| over as many of the smallest λ as keep it below `most`, and ∫|pχ| over the others: upper bounds both.
   */
  split(most: number): { spread: number; rest: number } {
    const { modulus, growth } = this;
    let spread = (this.lumpTop + this.leftOut) * (modulus[0] ?? 0) * (1 + growth);
    let i = 0;
    for (; i < this.lastBulk; i++) {
      const next = spread + this.bulkTop[i]! * modulus[i]! * (1 + growth);
      if (!(next <= most)) break;
      spread = next;
    }
    let rest = 0;
    for (; i < this.lastBulk; i++) rest += this.bulkTop[i]!;
    return { spread: spread * (1 + 1e-9), rest: rest * (1 + 1e-9) };
  }

  /** e^{a log(1 − q)}. */
  atLeast(a: number): number {
    return Math.exp(a * this.shift) * (1 + 1e-12);
  }

  /** Whether |e^{tλ}| ≤ 1 all along the ray (mirrored: at the conjugate angle), so that the masses bound the sizes. */
  falls(a: number, b: number, mirrored: boolean): boolean {
    return a * this.cos - b * (mirrored ? -this.sin : this.sin) <= 0;
  }

  /**
   * For every t = a + ib with aLow ≤ a ≤ aHigh, b ≥ bLow; mirrored: at the conjugate angle, and b = bLow only.
   * What is not wanted is left as it was.
   */
  size(aLow: number, aHigh: number, bLow: number, into: RaySize, want: Want, mirrored = false): void {
    const { cos, modulus, shift, growth } = this;
    const along = aHigh * cos - bLow * (mirrored ? -this.sin : this.sin);
    const most = along > 0 ? along * (1 + growth) : along * (1 - growth);
    const n = modulus.length;
    const back = Math.exp(aLow * shift) * (1 + 1e-9);
    const known = (value: number): number => (Number.isNaN(value) ? Infinity : value);
    const smallest = n > 0 ? modulus[0]! : 0;
    const wobble = Math.exp(Math.min(700, Math.max(0, smallest * most)));
    // Past this modulus e^x is below e^−60, which the masses take care of.
    const end = most < 0 ? -60 / most : Infinity;
    const rest = most < 0 ? 1e-26 : 0;
    if (want.bulk) {
      let bulk = this.bulkMass * rest;
      let curvature = 0;
      for (let i = 0; i < this.lastBulk; i++) {
        const m = modulus[i]!;
        const x = m * most;
        const top = this.bulkTop[i]!;
        if (x > 0) {
          const e = x > 700 ? Infinity : Math.exp(x);
          bulk += top * e;
          if (top > 0) curvature += top * this.lossTop[i]! ** 2 * e;
        } else {
          if (m < end) bulk += top * Math.exp(x);
          curvature += top * this.lossTop[i]! ** 2;
        }
      }
      const out = this.right(along, ...this.bulkEnd);
      into.bulk = known((bulk + (this.lumpTop + this.leftOut) * wobble + out) * back);
      into.curvature = known(
        curvature + (this.lumpCurvature + this.leftOut * (smallest - shift) ** 2) * wobble + out,
      );
    }
    if (want.tail) {
      let tail = this.tailMass * rest;
      for (let i = this.firstTail; i < this.lastTail; i++) {
        const m = modulus[i]!;
        if (m > end) break;
        const x = m * most;
        tail += x > 700 ? Infinity : this.tailTop[i]! * Math.exp(x);
      }
      into.tail = known((tail + this.tailLeftOut * wobble + this.right(along, ...this.tailEnd)) * back);
    }
  }

  /**
   * A bound on what lies to the right of the last node, where |p| < e^LOWEST; Infinity where it need not fall.
   * fall, depth: how χ adds to that.
   */
  private right(along: number, fall = 0, depth = 0): number {
    const [square, linear, m] = this.slopes;
    const x = Math.max(0, along) * m;
    if (!((square + fall) * m * m + linear * m - 1.1 * x - 4 >= 1)) return Infinity;
    return Math.exp(Math.min(700, LOWEST + 30 + x - depth));
  }
}
