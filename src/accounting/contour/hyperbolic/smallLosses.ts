// The nodes of a ray whose losses are so small that e^{tλ} is summed as a power series: many nodes become four complex
// numbers, which serve every t (docs/math-hyperbolic-contour.md, theorem 2, "small losses").
//
//   Σ b(e^{tℓ} − 1) = e^{t·shift}(S₀ + tS₁ + t²S₂ + t³S₃) − S₀ + error,   S_k = Σ bλ^k/k!,
//
// over those nodes, b = hpχ, ℓ = shift + λ, shift = log(1 − q); |error| ≤ |t|⁴·Σ|b||λ|⁴/24 times the largest |e^{tℓ}|.
//
//   b      h p χ at a node                        t = a + ib   where the moment is asked for
//   λ      loss above the least one, log(1 − q)   S_k          `sumRe` + i·`sumIm`
//
// Why: |e^{tλ} − Σ_{k ≤ 3}(tλ)^k/k!| ≤ |tλ|⁴/24·max(1, |e^{tλ}|). Nodes are equally spaced in log |λ|, so that very many
// may lie far below 1/|t|: taken together they cost a moment no more than four products.
import { realLessOne } from "../complexRounding.js";

/** Powers summed: λ⁰ … λ³. */
const POWERS = 4;

/** The sums S_k of one ray, and what bounds integrals over the cells of those nodes. */
export class SmallLosses {
  /** S_k. */
  private readonly sumRe = new Float64Array(POWERS);
  private readonly sumIm = new Float64Array(POWERS);
  /** Σ|b||λ|⁴/24. */
  fourth = 0;
  /** Σ|b|·(relative error of b). */
  error = 0;
  /** Σ of the largest |hpχ|, and of the largest |hpχℓ²|, over the cells. */
  massMaximum = 0;
  curvatureMaximum = 0;
  /** What `evaluate` found: the sum, and the size that its rounding is relative to. */
  re = 0;
  im = 0;
  change = 0;

  /**
   * Takes in one node: b = bRe + i·bIm at λ = x + iy.
   *
   * Term k is bλ^k/k!, from the one before by λ/k.
   */
  add(bRe: number, bIm: number, x: number, y: number): void {
    let re = bRe;
    let im = bIm;
    for (let k = 0; k < POWERS; k++) {
      this.sumRe[k]! += re;
      this.sumIm[k]! += im;
      const next = (re * x - im * y) / (k + 1);
      im = (re * y + im * x) / (k + 1);
      re = next;
    }
  }

  /**
   * |S₀|.
   *
   * The rounding of e^{t·shift} − 1 in `evaluate` is relative to it.
   */
  get modulus(): number {
    return Math.hypot(this.sumRe[0]!, this.sumIm[0]!);
  }

  /** Re Σ bℓ. */
  meanRe(shift: number): number {
    return this.sumRe[0]! * shift + this.sumRe[1]!;
  }

  /**
   * Σ b(e^{tℓ} − 1) at t = a + ib, into re, im and change.
   *
   * S₀ is kept apart from the powers: e^{t·shift}S₀ − S₀ may be a small difference of two numbers that are close to
   * each other, all of whose digits (e^{t·shift} − 1)S₀ has.
   */
  evaluate(a: number, b: number, shift: number): void {
    const { sumRe, sumIm } = this;
    const base = a * shift;
    const turn = b * shift;
    const e = Math.exp(base);
    const c = Math.cos(turn);
    const s = Math.sin(turn);
    const lessRe = realLessOne(base, turn, c);
    // Horner: t(S₁ + t(S₂ + tS₃)).
    let hornerRe = sumRe[3]!;
    let hornerIm = sumIm[3]!;
    for (let k = 2; k >= 1; k--) {
      const next = a * hornerRe - b * hornerIm + sumRe[k]!;
      hornerIm = a * hornerIm + b * hornerRe + sumIm[k]!;
      hornerRe = next;
    }
    const powersRe = a * hornerRe - b * hornerIm;
    const powersIm = a * hornerIm + b * hornerRe;
    // (e^{t·shift} − 1)S₀ + e^{t·shift}·(the powers).
    this.re = sumRe[0]! * lessRe - sumIm[0]! * e * s + e * (c * powersRe - s * powersIm);
    this.im = sumRe[0]! * e * s + sumIm[0]! * lessRe + e * (c * powersIm + s * powersRe);
    this.change = Math.hypot(lessRe, e * s) + Math.hypot(powersRe, powersIm);
  }
}
