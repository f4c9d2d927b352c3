// One ray of losses of a Poisson-sampled Gaussian: the trapezoid rule in τ for E_P[e^{tℓ}], and sums that bound the
// integrand's size (docs/math-hyperbolic-contour.md, theorems 1 to 3).
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";
import { BlockSum, realLessOne } from "../complexRounding.js";
import { BLOCK, LossRayNodes } from "./lossRayNodes.js";

/** Sums over a ray at one t: bulk is E[χ(e^{tℓ} − 1)], tail is E[(1 − χ)e^{tℓ}], or of the difference of two cutoffs; errors are of rounding and of what was left out. */
export interface RaySum {
  bulkRe: number;
  bulkIm: number;
  bulkError: number;
  tailRe: number;
  tailIm: number;
  tailError: number;
}

export interface WantedParts {
  readonly bulk: boolean;
  readonly tail: boolean;
}

/** Upper bounds of ∫|pχe^{tℓ}|, ∫|p(1 − χ)e^{tℓ}| and ∫|pχℓ²|·max(1, |e^{tℓ}|) along the ray. */
export interface RaySize {
  bulk: number;
  tail: number;
  curvature: number;
}

export class LossRay extends LossRayNodes {
  private readonly bulk = new BlockSum();
  private readonly tail = new BlockSum();
  /** What the lump adds to the bulk, and the sum of the sizes that its rounding is relative to. */
  private readonly small = { re: 0, im: 0, change: 0 };

  /** At t = a + ib. */
  sum(a: number, b: number, into: RaySum): void {
    const { cos, sin, modulus, shift, lump, bulk, tail, small } = this;
    const along = a * cos - b * sin;
    const across = a * sin + b * cos;
    const size = Math.hypot(a, b);
    const n = modulus.length;
    let bulkError = 0;
    let bulkSize = 0;
    let tailError = 0;
    let tailSize = 0;
    const base = a * shift;
    const baseTurn = b * shift;
    bulk.clear();
    tail.clear();
    for (let i = 0; i < n; i++) {
      if (i % BLOCK === 0) {
        bulk.close();
        tail.close();
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
      const burden = 8 * UNIT_ROUNDOFF * e * size * (m - shift);
      if (i < this.lastBulk) {
        const less = x > -0.5 && x < 0.5 ? realLessOne(x, y, c) : re - 1;
        bulk.add(
          this.bulkRe[i]! * less - this.bulkIm[i]! * im,
          this.bulkRe[i]! * im + this.bulkIm[i]! * less,
        );
        const change = Math.abs(less) + Math.abs(im);
        const weight = Math.abs(this.bulkRe[i]!) + Math.abs(this.bulkIm[i]!);
        bulkSize += weight * change;
        bulkError += this.bulkOff[i]! * change + weight * burden;
      }
      if (i >= this.firstTail && i < this.lastTail) {
        tail.add(this.tailRe[i]! * re - this.tailIm[i]! * im, this.tailRe[i]! * im + this.tailIm[i]! * re);
        const weight = Math.abs(this.tailRe[i]!) + Math.abs(this.tailIm[i]!);
        tailSize += weight * e;
        tailError += this.tailOff[i]! * e + weight * burden;
      }
    }
    bulk.close();
    tail.close();
    this.addLump(a, b);
    const smallest = n > 0 ? modulus[0]! : 0;
    // Re t < 0 makes e^{t·shift} exceed 1.
    const wobble = Math.exp(Math.min(700, size * smallest + Math.max(0, base)));
    bulkError +=
      lump[9]! * small.change +
      8 *
        UNIT_ROUNDOFF *
        (Math.hypot(lump[0]!, lump[1]!) * size * -shift * Math.exp(base) + Math.hypot(small.re, small.im)) +
      lump[8]! * size ** 4 * wobble;
    const rough = UNIT_ROUNDOFF * (BLOCK + n / BLOCK + 12);
    into.bulkRe = bulk.re + small.re;
    into.bulkIm = bulk.im + small.im;
    const lift = Math.exp(Math.max(0, base));
    const out = lift * this.right(along, ...this.tailEnd);
    into.bulkError =
      bulkError + rough * bulkSize + this.leftOut * (1 + wobble) + lift * this.right(along, ...this.bulkEnd);
    into.tailRe = tail.re;
    into.tailIm = tail.im;
    into.tailError = tailError + rough * tailSize + this.tailMass * 1e-26 + this.tailLeftOut * wobble + out;
  }

  /** Of the nodes summed as powers: e^{t·shift}(Σb + tΣbλ + …) − Σb. */
  private addLump(a: number, b: number): void {
    const { lump, small } = this;
    const base = a * this.shift;
    const turn = b * this.shift;
    const e = Math.exp(base);
    const c = Math.cos(turn);
    const s = Math.sin(turn);
    const lessRe = realLessOne(base, turn, c);
    let pRe = lump[6]!;
    let pIm = lump[7]!;
    for (let k = 2; k >= 1; k--) {
      const next = a * pRe - b * pIm + lump[2 * k]!;
      pIm = a * pIm + b * pRe + lump[2 * k + 1]!;
      pRe = next;
    }
    const lastRe = a * pRe - b * pIm;
    const lastIm = a * pIm + b * pRe;
    small.re = lump[0]! * lessRe - lump[1]! * e * s + e * (c * lastRe - s * lastIm);
    small.im = lump[0]! * e * s + lump[1]! * lessRe + e * (c * lastIm + s * lastRe);
    small.change = Math.hypot(lessRe, e * s) + Math.hypot(lastRe, lastIm);
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
  size(aLow: number, aHigh: number, bLow: number, into: RaySize, want: WantedParts, mirrored = false): void {
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
}
