// The nodes of one ray of losses ℓ = log(1 − q) + e^{τ + iη} of one Poisson-sampled Gaussian: its density there, divided
// smoothly at `cut`, and what bounds it over each cell and beyond both ends (docs/math-hyperbolic-contour.md, theorems 1 to 3).
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";
import { FLOOR, LossCutoff, LossDensity } from "./lossDensity.js";

/** Far enough to the right for exp to underflow. */
const LOWEST = -740;
/** |χ| is below this on every ray of angle ≤ 0.77. */
const MOST_CHI = 50;
/** Most nodes of a ray; past them it bounds nothing. */
const MOST_NODES = 60_000;
/** Sums go by blocks of this many nodes: their rounding is that of a block and of the number of blocks. */
export const BLOCK = 32;

export class LossRayNodes {
  /** Upper bounds of ∫|pχ|, ∫|p(1 − χ)|, ∫|pχℓ|. */
  readonly bulkMass: number;
  readonly tailMass: number;
  /** E[1 − χ] by the rule, what rounding does to it, and an upper bound of ∫|p(1 − χ)|. */
  lostRe = 0;
  lostIm = 0;
  lostOff = 0;
  readonly lostMass: number;
  readonly spread: number;
  protected readonly shift: number;
  protected readonly cos: number;
  protected readonly sin: number;
  protected readonly modulus: Float64Array;
  protected readonly bulkRe: Float64Array;
  protected readonly bulkIm: Float64Array;
  protected readonly tailRe: Float64Array;
  protected readonly tailIm: Float64Array;
  /** Sizes times relative rounding errors. */
  protected readonly bulkOff: Float64Array;
  protected readonly tailOff: Float64Array;
  /** h times the largest modulus over each cell. */
  protected readonly bulkTop: Float64Array;
  protected readonly tailTop: Float64Array;
  /** The largest |ℓ| over each cell. */
  protected readonly lossTop: Float64Array;
  /** Nodes up to there matter to the bulk; from here on, up to there, to the tail. */
  protected readonly firstTail: number;
  protected readonly lastBulk: number;
  protected readonly lastTail: number;
  protected readonly growth: number;
  /** Nodes with |λ| below `small`, summed as powers: Σb, Σbλ, Σbλ²/2, Σbλ³/6; and Σ|b||λ|⁴/24, Σ|b|·error. */
  protected readonly lump = new Float64Array(10);
  protected readonly lumpTop: number;
  protected readonly lumpCurvature: number;
  protected readonly leftOut: number;
  protected readonly tailLeftOut: number;
  protected readonly slopes: readonly [number, number, number];
  protected readonly bulkEnd: readonly [number, number];
  protected readonly tailEnd: readonly [number, number];

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
    const p = new LossDensity(rate, sigma, angle, h);
    const low = new LossCutoff(cut, angle, h);
    const high = new LossCutoff(upper, angle, h);
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
        const end = (chi: LossCutoff): [number, number] =>
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
      const chiOff = (chi: LossCutoff): number =>
        chi.size * (p.relative + 8 * UNIT_ROUNDOFF + chi.gTop * chi.off);
      const restOff = (chi: LossCutoff): number =>
        chi.otherSize * (p.relative + 8 * UNIT_ROUNDOFF + chi.otherOff);
      const bulkOff = magnitude * chiOff(low);
      const tailOff =
        magnitude * (near || upper === Infinity ? restOff(low) + restOff(high) : chiOff(low) + chiOff(high));
      bulkMass += bulkTop;
      tailMass += tailTop;
      lostMass += lostTop;
      // E[1 − χ], which E[χ] is short of 1.
      this.lostRe += pRe * low.otherRe + pIm * low.im;
      this.lostIm += pIm * low.otherRe - pRe * low.im;
      this.lostOff += magnitude * (restOff(low) + UNIT_ROUNDOFF * (BLOCK + mod.length) * low.otherSize);
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
        lump[9]! += bulkOff + UNIT_ROUNDOFF * magnitude * 8;
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
    const column = (k: number) => Float64Array.from(columns[k]!);
    this.modulus = Float64Array.from(mod);
    this.bulkRe = column(0);
    this.bulkIm = column(1);
    this.tailRe = column(2);
    this.tailIm = column(3);
    this.bulkOff = column(4);
    this.tailOff = column(5);
    this.bulkTop = column(6);
    this.tailTop = column(7);
    this.lossTop = column(8);
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

  /**
   * A bound on what lies to the right of the last node, where |p| < e^LOWEST; Infinity where it need not fall.
   * fall, depth: how χ adds to that.
   */
  protected right(along: number, fall = 0, depth = 0): number {
    const [square, linear, m] = this.slopes;
    const x = Math.max(0, along) * m;
    if (!((square + fall) * m * m + linear * m - 1.1 * x - 4 >= 1)) return Infinity;
    return Math.exp(Math.min(700, LOWEST + 30 + x - depth));
  }
}
