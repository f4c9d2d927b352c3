// The nodes of one ray of losses ℓ = log(1 − q) + e^{τ + iη}: the density at each, divided smoothly at the cut, and
// what bounds it over each cell and beyond both ends (docs/math-hyperbolic-contour.md, theorems 1 to 3).
//
//   b_j = h p(τ_j + iη) χ(λ_j)             bulk: losses below the cut
//   s_j = h p(τ_j + iη) (χ⁺ − χ)(λ_j)      tail: losses above it; χ⁺ = 1, or the cutoff of `upper` where there is one
//
// An integral ∫|p …| dτ along the ray is at most the sum over cells of h·(the largest modulus over the cell), plus what
// lies to the left of the first node and to the right of the last one:
//
//   left    |λ| ≤ 0.01, and |p| falls at least like e^{fall·τ}, fall = σ²(0.99|Re Y| − 0.01) − 0.03: a geometric sum;
//   right   |p| < e^−740, and d log|p e^{tℓ}|/dτ ≤ −1 from there on (`rightOf`).
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";
import { LossCutoff } from "./lossCutoff.js";
import { FLOOR, LossDensity } from "./lossDensity.js";
import { SmallLosses } from "./smallLosses.js";

/** Far enough to the right for exp to underflow. */
const LOWEST_LOG = -740;
/** |χ| is below this on every ray of angle ≤ 0.77. */
const LARGEST_CUTOFF = 50;
/** Most nodes of a ray; past them it bounds nothing. */
const MAXIMUM_NODES = 60_000;
/** Share of the cut up to which a loss may count as small: χ is 1 there but for e^{−4/0.06²}. */
const SMALL_SHARE = 0.06;
/** Sums go by blocks of this many nodes: their rounding is that of a block and of the number of blocks. */
export const BLOCK = 32;

export interface RayParameters {
  /** q, in (0, 1). */
  readonly rate: number;
  /** σ > 0, in units of the shift. */
  readonly sigma: number;
  /** η, |η| ≤ 0.77. */
  readonly angle: number;
  /** h, dyadic. */
  readonly step: number;
  /** κ, where χ falls. */
  readonly cut: number;
  /** −log of what may be left out at the left end. */
  readonly depth: number;
  /** Losses whose fourth power may be left out at every t asked for. */
  readonly small: number;
  /** Up to which Re t, at least, the right end of the ray is known to be negligible; default 0. */
  readonly steepest?: number;
  /** Where the cutoff of the tail falls; default Infinity: nowhere. */
  readonly upper?: number;
}

/** What a cutoff adds to the fall of log|p e^{tℓ}| at the right end: fall·|λ|², from −depth on. */
interface CutoffEnd {
  readonly fall: number;
  readonly depth: number;
}

/**
 * The nodes τ_j = jh from where the density begins to matter to where it has died out. Every quantity is kept twice: as the
 * rule has it, at the node, with a bound on its rounding error; and as its largest modulus over the cell of the node, which
 * bounds integrals along the ray. The two serve different ends: the first is the answer, the second bounds the rule's
 * error on the rays beside this one (theorem 2) and the integrand along a border of the contour (theorem 5).
 */
export class LossRayNodes {
  /** Upper bounds of ∫|pχ|, ∫|p(χ⁺ − χ)| and ∫|pχℓ|. */
  readonly bulkMass: number;
  readonly tailMass: number;
  readonly spread: number;
  /** E[1 − χ] by the rule, what rounding and ends do to it, and an upper bound of ∫|p(1 − χ)|. */
  lostRe = 0;
  lostIm = 0;
  lostError = 0;
  readonly lostMass: number;
  /** Nodes computed, those among the small losses too. */
  readonly computed: number;
  /** log(1 − q); cos η, sin η. */
  protected readonly shift: number;
  protected readonly cos: number;
  protected readonly sin: number;
  /** |λ| at each node, rising. */
  protected readonly modulus: Float64Array;
  protected readonly bulkRe: Float64Array;
  protected readonly bulkIm: Float64Array;
  protected readonly tailRe: Float64Array;
  protected readonly tailIm: Float64Array;
  /** |b| and |s| times their relative rounding errors. */
  protected readonly bulkError: Float64Array;
  protected readonly tailError: Float64Array;
  /** Upper bounds over each cell: of h|pχ|, of h|p(χ⁺ − χ)|, of |ℓ|. */
  protected readonly bulkMaximum: Float64Array;
  protected readonly tailMaximum: Float64Array;
  protected readonly lossMaximum: Float64Array;
  /** Nodes [0, bulkEnd) matter to the bulk, [tailStart, tailEnd) to the tail. */
  protected readonly bulkEnd: number;
  protected readonly tailStart: number;
  protected readonly tailEnd: number;
  /** |λ| grows by this share from a node to the end of its cell. */
  protected readonly cellGrowth: number;
  protected readonly smallLosses = new SmallLosses();
  /** What lies to the left of the first node: of the bulk, and of the tail. */
  protected readonly bulkLeft: number;
  protected readonly tailLeft: number;
  /** What χ and χ⁺ add to the fall to the right. */
  protected readonly bulkCutoff: CutoffEnd;
  protected readonly tailCutoff: CutoffEnd;
  /** −d log|p|/dτ ≥ square·|λ|² + linear·|λ| from |λ| = modulus on. */
  private readonly rightEnd: { readonly square: number; readonly linear: number; readonly modulus: number };

  constructor(parameters: RayParameters) {
    const { rate, sigma, angle, step: h, cut, depth, small, steepest = 0, upper = Infinity } = parameters;
    const s2 = sigma * sigma;
    const p = new LossDensity(rate, sigma, angle, h);
    const chi = new LossCutoff(cut, angle, h);
    const chiUpper = new LossCutoff(upper, angle, h);
    this.shift = p.shift;
    this.cos = p.cos;
    this.sin = p.sin;
    // exp(−σ²Y²/2) is below e^−depth where Y < −√(2·depth)/σ; to the left of |λ| = 0.01 Y is about τ + offset.
    // So ∫|p| up to there is of the order of e^−depth, and h·p at the nodes before the first one is too.
    const start = Math.min(Math.log(0.01), -Math.sqrt(2 * depth) / sigma - p.offset);
    const modulus: number[] = [];
    const bulkRe: number[] = [];
    const bulkIm: number[] = [];
    const tailRe: number[] = [];
    const tailIm: number[] = [];
    const bulkError: number[] = [];
    const tailError: number[] = [];
    const bulkMaximum: number[] = [];
    const tailMaximum: number[] = [];
    const lossMaximum: number[] = [];
    let bulkMass = 0;
    let tailMass = 0;
    let lostMass = 0;
    let spread = 0;
    let bulkLeft = 0;
    let tailLeft = 0;
    let tailStart = -1;
    let bulkEnd = 0;
    let tailEnd = 0;
    // |λ| grows from a node to the far end of its cell by e^{h/2}.
    const halfStepFactor = Math.exp(h / 2) * (1 + 1e-12);
    const cos2 = Math.cos(2 * angle);
    // −d log|p|/dτ = Re(σ²Yρ − 1 − 2λ + ρ) from below, with a tenth to spare: so far to the right Y is λ + offset and
    // ρ is λ but for 2e-4.
    const square = 0.9 * s2 * cos2;
    const linear = s2 * Math.min(0.9 * p.offset, 1.1 * p.offset) * this.cos - 4.4;
    const furthestCut = upper < Infinity ? upper : cut;
    const from = Math.ceil(start / h);
    // Node by node, from the left end. What is added up here does not depend on t:
    //
    //   bulkMass, tailMass, lostMass   ∫|pχ|, ∫|p(χ⁺ − χ)|, ∫|p(1 − χ)|, cell by cell
    //   spread                         ∫|pχℓ|, with the largest |ℓ| of the cell
    //   lost                           E[1 − χ] by the rule: how much E[χ] is short of E[1] = 1
    for (let j = from, first = true; ; j++) {
      p.at(j);
      const { modulus: m, lambdaRe: x, lambdaIm: y, cellMaximum } = p;
      chi.at(m);
      chiUpper.at(m);
      // Of each cell, from above: h|pχ| (`bulkCell`), h|p(1 − χ)| (`lostCell`), h|p(χ⁺ − χ)| (`tailCell`). FLOOR stands
      // in for what underflowed, unless the cutoff is 0 to all intents.
      const bulkCell = cellMaximum * chi.cellMaximum + (chi.cellMaximum > 1e-300 ? FLOOR : 0);
      const lostCell = cellMaximum * chi.complementCellMaximum;
      // |χ⁺ − χ| is at most |1 − χ⁺| + |1 − χ|, and at most |χ⁺| + |χ|.
      const tailCell =
        cellMaximum *
          Math.min(
            chi.complementCellMaximum + chiUpper.complementCellMaximum,
            chi.cellMaximum + chiUpper.cellMaximum,
          ) +
        (chiUpper.cellMaximum > 1e-300 ? FLOOR : 0);
      if (first) {
        // To the left |p| falls at least like e^{fall·τ}: the rest of the rule, and of the integral. The nodes left out
        // are at most cellMaximum·Σ_k e^{−k·fall·h} = cellMaximum/(1 − e^{−fall·h}); the integral left out is at most
        // the density, cellMaximum/h, over fall. |χ| ≤ LARGEST_CUTOFF in both. For the tail |χ⁺ − χ| ≤ |1 − χ⁺| + |1 −
        // χ|, and each is at most |g|·max(1, |χ|), where |g| falls to the left.
        const fall = s2 * (0.99 * Math.abs(p.reY) - 0.01) - 0.03;
        bulkLeft = LARGEST_CUTOFF * (cellMaximum / (1 - Math.exp(-fall * h)) + cellMaximum / h / fall);
        tailLeft = bulkLeft * (chi.gMaximum + chiUpper.gMaximum);
        first = false;
      }
      // The right end is reached where |p| is below e^−740 over the whole cell, Re Y is past its zero (so that |p| falls),
      // |λ| > 12 (so that 1 − e^{−λ} is 1 but for 2e-4, as Re λ > 8), all cutoffs have fallen, and log|p e^{tℓ}| falls for
      // every t with Re t up to `steepest`.
      const ended =
        p.log + p.growth < LOWEST_LOG &&
        p.reY > 0 &&
        m > 12 &&
        m / furthestCut > 12 &&
        (square * m + linear - 1.1 * steepest) * m >= 5;
      if (ended || !(m < 1e9 && j - from < MAXIMUM_NODES)) {
        // Where the end was not reached nothing is known to the right. Re g is about R²cos 2η so far above the cut, so
        // −log|χ| grows by 2 cos 2η|λ|²/κ² per unit of τ: a tenth of it is left to spare, as of Re g itself, which is
        // what χ has fallen by at the last node (`depth`).
        const endOf = (cutoff: LossCutoff): CutoffEnd =>
          ended && cutoff.cut < Infinity
            ? { fall: (1.8 * cos2) / (cutoff.cut * cutoff.cut), depth: 0.9 * cutoff.gRe }
            : { fall: 0, depth: 0 };
        // Where MAXIMUM_NODES or |λ| = 1e9 came first, square = linear = 0: `rightOf` is Infinity then.
        this.rightEnd = ended ? { square, linear, modulus: m } : { square: 0, linear: 0, modulus: m };
        this.computed = j - from;
        this.bulkCutoff = endOf(chi);
        this.tailCutoff = endOf(chiUpper);
        break;
      }
      // At the node itself, as the rule has it: hp, b = hpχ and s = hp(χ⁺ − χ).
      const magnitude = Math.exp(p.log);
      const pRe = magnitude * Math.cos(p.argument);
      const pIm = magnitude * Math.sin(p.argument);
      const bRe = pRe * chi.re - pIm * chi.im;
      const bIm = pRe * chi.im + pIm * chi.re;
      // χ⁺ − χ, of the complements or of the cutoffs themselves: of what is small in each. Where χ is near 1 both
      // complements are small and known to their own relative error; where χ is small, χ⁺ − χ is.
      const belowCut = chi.modulus > 0.5;
      const shareRe = belowCut ? chi.complementRe - chiUpper.complementRe : chiUpper.re - chi.re;
      const shareIm = chiUpper.im - chi.im;
      const sRe = pRe * shareRe - pIm * shareIm;
      const sIm = pRe * shareIm + pIm * shareRe;
      // Errors of pχ and of p(1 − χ), relative to |p|. χ = e^{−g} errs by |χ||g|·(relative error of g), 1 − χ by the
      // error that `LossCutoff.complementError` says; both beside that of p and of the products.
      const cutoffError = (cutoff: LossCutoff): number =>
        cutoff.modulus * (p.relativeError + 8 * UNIT_ROUNDOFF + cutoff.gMaximum * cutoff.gError);
      const complementError = (cutoff: LossCutoff): number =>
        cutoff.complementModulus * (p.relativeError + 8 * UNIT_ROUNDOFF + cutoff.complementError);
      const bError = magnitude * cutoffError(chi);
      const sError =
        magnitude *
        (belowCut || upper === Infinity
          ? complementError(chi) + complementError(chiUpper)
          : cutoffError(chi) + cutoffError(chiUpper));
      // What does not depend on t.
      bulkMass += bulkCell;
      tailMass += tailCell;
      lostMass += lostCell;
      // E[1 − χ], which E[χ] is short of 1.
      this.lostRe += pRe * chi.complementRe + pIm * chi.im;
      this.lostIm += pIm * chi.complementRe - pRe * chi.im;
      this.lostError +=
        magnitude * (complementError(chi) + UNIT_ROUNDOFF * (BLOCK + modulus.length) * chi.complementModulus);
      // |ℓ| = |shift + λ| at the node, and λ moves by |λ|(e^{h/2} − 1) at most within the cell.
      const loss = (Math.hypot(this.shift + x, y) + m * (halfStepFactor - 1)) * (1 + 1e-9);
      spread += bulkCell * loss;
      // Small losses go into the power series. The bound of their |ℓ| over the cell serves E|ℓ|² too.
      if (m < small && m / cut < SMALL_SHARE) {
        const { smallLosses } = this;
        smallLosses.add(bRe, bIm, x, y);
        smallLosses.fourth += (magnitude * chi.modulus * m ** 4) / 24;
        smallLosses.error += bError + UNIT_ROUNDOFF * magnitude * 8;
        smallLosses.massMaximum += bulkCell;
        smallLosses.curvatureMaximum += bulkCell * loss * loss;
        continue;
      }
      // Where a part has no mass at all, sums over the ray begin later or end earlier. A cell bound of 0 means that all
      // of the part is 0 there.
      if (tailStart < 0 && tailCell > 0) tailStart = modulus.length;
      modulus.push(m);
      bulkRe.push(bRe);
      bulkIm.push(bIm);
      tailRe.push(sRe);
      tailIm.push(sIm);
      bulkError.push(bError);
      tailError.push(sError);
      bulkMaximum.push(bulkCell);
      tailMaximum.push(tailCell);
      lossMaximum.push(loss);
      if (bulkCell > 0) bulkEnd = modulus.length;
      if (tailCell > 0) tailEnd = modulus.length;
    }
    this.modulus = Float64Array.from(modulus);
    this.bulkRe = Float64Array.from(bulkRe);
    this.bulkIm = Float64Array.from(bulkIm);
    this.tailRe = Float64Array.from(tailRe);
    this.tailIm = Float64Array.from(tailIm);
    this.bulkError = Float64Array.from(bulkError);
    this.tailError = Float64Array.from(tailError);
    this.bulkMaximum = Float64Array.from(bulkMaximum);
    this.tailMaximum = Float64Array.from(tailMaximum);
    this.lossMaximum = Float64Array.from(lossMaximum);
    this.tailStart = tailStart < 0 ? modulus.length : tailStart;
    this.bulkEnd = bulkEnd;
    this.tailEnd = tailEnd;
    this.cellGrowth = halfStepFactor - 1;
    this.bulkLeft = bulkLeft;
    this.tailLeft = tailLeft;
    // Sums of the cells and of the left end; each has at most MAXIMUM_NODES positive terms, whose rounding 1e-9 covers.
    this.bulkMass = (bulkMass + bulkLeft) * (1 + 1e-9);
    this.tailMass = (tailMass + tailLeft) * (1 + 1e-9);
    this.lostMass = (lostMass + tailLeft) * (1 + 1e-9);
    this.lostError += lostMass * 1e-26 + 2 * tailLeft + this.rightOf(0);
    this.spread = (spread + bulkLeft) * (1 + 1e-9);
  }

  get nodes(): number {
    return this.modulus.length;
  }

  /**
   * A bound of ∫|p e^{tλ}| (times the cutoff) to the right of the last node, |λ| = m there, where Re tλ = along·|λ|:
   * |p| < e^−740, and log|p e^{tλ}| falls by at least 1 per unit of τ if
   *
   *   (square + fall)m² + linear·m − 1.1·along·m − 4 ≥ 1.
   *
   * Infinity where it need not fall; the result has e^30 to spare.
   *
   * Why: −d log|p|/dτ ≥ square·m² + linear·m from the last node on, the cutoff adds fall·m², and e^{tλ} rises by
   * along·m per unit of τ. (square + fall)m + linear − 1.1·along grows with m, so where the condition holds it holds
   * for every larger m, and the integral is at most the integrand at the last node.
   */
  protected rightOf(along: number, { fall, depth }: CutoffEnd = { fall: 0, depth: 0 }): number {
    // m is |λ| at the last node; `exponent` is log|e^{tλ}| there, where it is above 0.
    const { square, linear, modulus: m } = this.rightEnd;
    const exponent = Math.max(0, along) * m;
    if (!((square + fall) * m * m + linear * m - 1.1 * exponent - 4 >= 1)) return Infinity;
    return Math.exp(Math.min(700, LOWEST_LOG + 30 + exponent - depth));
  }
}
