// One ray of rotated losses of a Poisson-sampled Gaussian: the trapezoid rule in τ for E_P[e^{tℓ}], and sums that bound
// the integrand's size (docs/math-hyperbolic-contour.md, theorems 1 to 3 and 7).
//
// At t = a + ib, with ℓ = shift + λ, shift = log(1 − q) and λ = |λ|e^{iη},
//
//   e^{tℓ} = e^{t·shift}·e^{|λ|(along + i·across)},   along = a cos η − b sin η,   across = a sin η + b cos η:
//
// |e^{tλ}| rises or falls with |λ| all along the ray, as the sign of `along` has it. E[1] = 1 is known, so the bulk is
// summed as Σ b(e^{tℓ} − 1), and keeps the digits of M − 1.
//
//   b_j, s_j   h p χ and h p(χ⁺ − χ) at node j (`bulkRe`, `tailRe`, …)      η       angle of the ray
//   M          E e^{tℓ} = 1 + bulk + tail − E[1 − χ] where χ⁺ = 1           shift   log(1 − q) < 0
//
// `base` = a·shift and `baseTurn` = b·shift are log modulus and argument of e^{t·shift}.
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";
import { BlockSum, realLessOne } from "../complexRounding.js";
import { BLOCK, LossRayNodes } from "./lossRayNodes.js";

/** Below e^−60 a term counts with the mass of the ray times this. */
const FADED_LOG = -60;
const FADED = 1e-26;

/**
 * Sums over a ray at one t: bulk is E[χ(e^{tℓ} − 1)], tail is E[(χ⁺ − χ)e^{tℓ}] (χ⁺ = 1 unless the tail has a cutoff of
 * its own); errors are of rounding and of what was left out.
 */
export interface RaySum {
  bulkRe: number;
  bulkIm: number;
  bulkError: number;
  tailRe: number;
  tailIm: number;
  tailError: number;
}

/** Which parts are asked for. */
export interface WantedParts {
  readonly bulk: boolean;
  readonly tail: boolean;
}

/** Upper bounds of ∫|pχe^{tℓ}|, ∫|p(χ⁺ − χ)e^{tℓ}| and ∫|pχℓ²|·max(1, |e^{tℓ}|) along the ray. */
export interface RaySize {
  bulk: number;
  tail: number;
  curvature: number;
}

/** Sums over the nodes of one ray: at one t (`sum`), and from above over a box of t (`size`), over the whole ray (`split`). */
export class LossRay extends LossRayNodes {
  private readonly bulkSum = new BlockSum();
  private readonly tailSum = new BlockSum();

  /**
   * The rule at t = a + ib, with the bound of theorem 7 on what rounding does to it. With e = |e^{tℓ}| at a node, u the
   * unit round-off:
   *
   * Where Re(tℓ) is within ±½ the difference e^{tℓ} − 1 comes from expm1 (`realLessOne`); elsewhere nothing cancels. A node
   * at which |e^{tℓ}| is below e^−60 is left to the last term of tailError, unless the bulk still wants its −1.
   *
   *   |error of a term|  ≤  |b|·η·|e^{tℓ} − 1| + |b|·8u·e·|t||ℓ|     (η: relative error of b, `bulkError` is |b|η)
   *   |error of the sum| ≤  u(BLOCK + n/BLOCK + 12)·Σ|b||e^{tℓ} − 1|
   */
  sum(a: number, b: number, into: RaySum): void {
    const { cos, sin, modulus, shift, smallLosses, bulkSum, tailSum } = this;
    const along = a * cos - b * sin;
    const across = a * sin + b * cos;
    const tModulus = Math.hypot(a, b);
    const n = modulus.length;
    let bulkError = 0;
    let bulkSize = 0;
    let tailError = 0;
    let tailSize = 0;
    // t·shift: e^{tℓ} = e^{base + i·baseTurn}·e^{tλ}. `Size` is what a sum's rounding is relative to, Σ|b||e^{tℓ} − 1|
    // and Σ|s||e^{tℓ}|; `Error` is what its terms err by.
    const base = a * shift;
    const baseTurn = b * shift;
    bulkSum.clear();
    tailSum.clear();
    for (let i = 0; i < n; i++) {
      if (i % BLOCK === 0) {
        bulkSum.close();
        tailSum.close();
      }
      const m = modulus[i]!;
      // x + iy = tℓ at the node: e = |e^{tℓ}|, re + i·im = e^{tℓ}.
      const x = base + m * along;
      if (x < FADED_LOG && i >= this.bulkEnd) continue;
      const y = baseTurn + m * across;
      const e = Math.exp(x);
      const c = Math.cos(y);
      const s = Math.sin(y);
      const re = e * c;
      const im = e * s;
      // 8u|t||ℓ|e: the exponent's rounding; ℓ = λ + shift, and |ℓ| ≤ |λ| − shift, as shift < 0.
      const exponentError = 8 * UNIT_ROUNDOFF * e * tModulus * (m - shift);
      // The bulk's term b(e^{tℓ} − 1), with its size and error.
      if (i < this.bulkEnd) {
        // Re(e^{tℓ} − 1); the imaginary part is that of e^{tℓ}.
        const lessRe = x > -0.5 && x < 0.5 ? realLessOne(x, y, c) : re - 1;
        bulkSum.add(
          this.bulkRe[i]! * lessRe - this.bulkIm[i]! * im,
          this.bulkRe[i]! * im + this.bulkIm[i]! * lessRe,
        );
        // |re| + |im| is at least the modulus, and at most √2 of it.
        const change = Math.abs(lessRe) + Math.abs(im);
        const weight = Math.abs(this.bulkRe[i]!) + Math.abs(this.bulkIm[i]!);
        bulkSize += weight * change;
        bulkError += this.bulkError[i]! * change + weight * exponentError;
      }
      // The tail's term s·e^{tℓ}: nothing is subtracted, since its value is small by itself.
      if (i >= this.tailStart && i < this.tailEnd) {
        tailSum.add(this.tailRe[i]! * re - this.tailIm[i]! * im, this.tailRe[i]! * im + this.tailIm[i]! * re);
        const weight = Math.abs(this.tailRe[i]!) + Math.abs(this.tailIm[i]!);
        tailSize += weight * e;
        tailError += this.tailError[i]! * e + weight * exponentError;
      }
    }
    bulkSum.close();
    tailSum.close();
    smallLosses.evaluate(a, b, shift);
    const smallest = n > 0 ? modulus[0]! : 0;
    // The largest |e^{tℓ}| over the small losses; Re t < 0 makes e^{t·shift} exceed 1.
    const smallGrowth = Math.exp(Math.min(700, tModulus * smallest + Math.max(0, base)));
    // Of the power series: the errors of b, rounding, and the fourth power.
    bulkError +=
      smallLosses.error * smallLosses.change +
      8 *
        UNIT_ROUNDOFF *
        (smallLosses.modulus * tModulus * -shift * Math.exp(base) +
          Math.hypot(smallLosses.re, smallLosses.im)) +
      smallLosses.fourth * tModulus ** 4 * smallGrowth;
    // Of the blocked sums: u(BLOCK + n/BLOCK + 12) of the sum of the sizes. Within a block at most BLOCK additions,
    // n/BLOCK of blocks, and a few operations of each term.
    const rough = UNIT_ROUNDOFF * (BLOCK + n / BLOCK + 12);
    into.bulkRe = bulkSum.re + smallLosses.re;
    into.bulkIm = bulkSum.im + smallLosses.im;
    // What lies beyond both ends. e^{t·shift} is at most 1 where Re t ≥ 0, as shift < 0.
    const lift = Math.exp(Math.max(0, base));
    // To the right |p e^{tλ}| is bounded by `rightOf`, to the left by the masses; e^{base} exceeds 1 where Re t < 0.
    const tailRight = lift * this.rightOf(along, this.tailCutoff);
    into.bulkError =
      bulkError +
      rough * bulkSize +
      this.bulkLeft * (1 + smallGrowth) +
      lift * this.rightOf(along, this.bulkCutoff);
    into.tailRe = tailSum.re;
    into.tailIm = tailSum.im;
    into.tailError =
      tailError + rough * tailSize + this.tailMass * FADED + this.tailLeft * smallGrowth + tailRight;
  }

  /**
   * E[χℓ] by the rule: its real part, Σ Re(b)(shift + |λ|cos η) − Im(b)|λ|sin η.
   *
   * It is dM_b/dt at t = 0; `RotatedMgf.drift` bounds it.
   */
  mean(): number {
    let sum = this.smallLosses.meanRe(this.shift);
    for (let i = 0; i < this.bulkEnd; i++) {
      const m = this.modulus[i]!;
      sum += this.bulkRe[i]! * (this.shift + m * this.cos) - this.bulkIm[i]! * m * this.sin;
    }
    return sum;
  }

  /**
   * Theorem 6(b): A = ∫|pχλ| over as many of the smallest λ as keep it below `limit`, and B = ∫|pχ| over the others;
   * upper bounds both. They bound |E χe^{tλ}| where Re tλ ≤ 0: E χe^{tλ} = 1 − E(1 − χ) + E χ(e^{tλ} − 1), and
   * |e^z − 1| ≤ min(|z|, 2) for Re z ≤ 0, so that |E χ(e^{tλ} − 1)| ≤ |t|A + 2B.
   *
   * |λ| is taken at the far end of each cell. The small losses and what is left of the first node all count to A with
   * the first node's |λ|. `limit` decides how ε′ = ε − ΣT·A/sin φ and the factor e^{ΣT·2B} share the bound, not whether
   * it holds.
   */
  split(limit: number): { spread: number; others: number } {
    const { modulus, cellGrowth } = this;
    // All upper bounds, hence |λ|(1 + cellGrowth) for a cell.
    let spread = (this.smallLosses.massMaximum + this.bulkLeft) * (modulus[0] ?? 0) * (1 + cellGrowth);
    let i = 0;
    for (; i < this.bulkEnd; i++) {
      const next = spread + this.bulkMaximum[i]! * modulus[i]! * (1 + cellGrowth);
      if (!(next <= limit)) break;
      spread = next;
    }
    let others = 0;
    for (; i < this.bulkEnd; i++) others += this.bulkMaximum[i]!;
    return { spread: spread * (1 + 1e-9), others: others * (1 + 1e-9) };
  }

  /**
   * e^{a log(1 − q)}, from above.
   *
   * At most 1 where a ≥ 0; adding asks for a < 0 (theorem 8).
   */
  baseGrowth(a: number): number {
    return Math.exp(a * this.shift) * (1 + 1e-12);
  }

  /**
   * Whether |e^{tλ}| ≤ 1 all along the ray (mirrored: at the conjugate angle), so that the masses bound the sizes.
   *
   * The sign of Re(tλ)/|λ| = a cos η − b sin η; on the mirrored ray η is negative.
   */
  falls(a: number, b: number, mirrored: boolean): boolean {
    return a * this.cos - b * (mirrored ? -this.sin : this.sin) <= 0;
  }

  /**
   * The bounds of theorem 2 for every t = a + ib with aLow ≤ a ≤ aHigh, b ≥ bLow; mirrored: at the conjugate angle, and
   * b = bLow only. |e^{tλ}| is largest over those t at (aHigh, bLow), and over a cell at one of its ends; e^{a·shift} is
   * largest at aLow, shift being negative. A part that is not wanted is left as it was.
   *
   *   bulk       Σ (max |hpχ| over the cell)·(max |e^{tλ}| over the cell), and both ends
   *   tail       the same with χ⁺ − χ
   *   curvature  Σ (max |hpχ|)·(max |ℓ|)²·max(1, |e^{tλ}|): what bounds |M_b″| (theorem 5)
   *
   * These bound ∫|…| dτ and not the rule's value: h·(the largest value over the cell) is at least the integral over the
   * cell.
   *
   *   faded   past |λ| = 60/|rate| a term is below e^−60, 1e-26, of its mass: the masses of the whole ray count with that
   *   ends    left: masses times |e^{tλ}| at the first node; right: `rightOf`
   */
  size(
    aLow: number,
    aHigh: number,
    bLow: number,
    into: RaySize,
    wanted: WantedParts,
    mirrored = false,
  ): void {
    const { cos, modulus, shift, cellGrowth } = this;
    const along = aHigh * cos - bLow * (mirrored ? -this.sin : this.sin);
    // Of log|e^{tλ}| ÷ |λ| at the node, over the whole cell.
    const rate = along > 0 ? along * (1 + cellGrowth) : along * (1 - cellGrowth);
    const n = modulus.length;
    const front = Math.exp(aLow * shift) * (1 + 1e-9);
    const orInfinity = (value: number): number => (Number.isNaN(value) ? Infinity : value);
    const smallest = n > 0 ? modulus[0]! : 0;
    const smallGrowth = Math.exp(Math.min(700, Math.max(0, smallest * rate)));
    // Past this modulus e^{tλ} is below e^−60, which the masses take care of.
    const fadedFrom = rate < 0 ? FADED_LOG / rate : Infinity;
    const faded = rate < 0 ? FADED : 0;
    // Where Re tλ ≤ 0 the curvature has the factor max(1, |e^{tλ}|) = 1, so that its terms do not fade with |λ|.
    if (wanted.bulk) {
      let bulk = this.bulkMass * faded;
      let curvature = 0;
      for (let i = 0; i < this.bulkEnd; i++) {
        const m = modulus[i]!;
        const x = m * rate;
        const mass = this.bulkMaximum[i]!;
        // |e^{tλ}| above 1 counts in both; below, only the bulk is the smaller for it.
        if (x > 0) {
          const e = x > 700 ? Infinity : Math.exp(x);
          bulk += mass * e;
          if (mass > 0) curvature += mass * this.lossMaximum[i]! ** 2 * e;
        } else {
          if (m < fadedFrom) bulk += mass * Math.exp(x);
          curvature += mass * this.lossMaximum[i]! ** 2;
        }
      }
      // Both ends, and e^{a·shift} of the whole; where an exponent overflows or 0·∞ comes out nothing is bounded.
      const right = this.rightOf(along, this.bulkCutoff);
      into.bulk = orInfinity(
        (bulk + (this.smallLosses.massMaximum + this.bulkLeft) * smallGrowth + right) * front,
      );
      into.curvature = orInfinity(
        curvature +
          (this.smallLosses.curvatureMaximum + this.bulkLeft * (smallest - shift) ** 2) * smallGrowth +
          right,
      );
    }
    if (wanted.tail) {
      // The tail's nodes alone; the others have no part of it.
      let tail = this.tailMass * faded;
      for (let i = this.tailStart; i < this.tailEnd; i++) {
        const m = modulus[i]!;
        if (m > fadedFrom) break;
        const x = m * rate;
        tail += x > 700 ? Infinity : this.tailMaximum[i]! * Math.exp(x);
      }
      into.tail = orInfinity(
        (tail + this.tailLeft * smallGrowth + this.rightOf(along, this.tailCutoff)) * front,
      );
    }
  }
}
