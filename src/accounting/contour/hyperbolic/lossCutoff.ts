// The cutoff χ that divides losses at a size, on a ray of rotated losses (docs/math-hyperbolic-contour.md, theorem 3):
//
//   χ(λ) = exp(−g),   g = R²e^{−4/R²} on the real line, R = λ/κ,
//
// falls from 1 to 0 around the cut λ = κ and is analytic in Re λ > 0. E[χ·] is the bulk of a step, E[(1 − χ)·] its tail.
// With λ = |λ|e^{iη} and R = |λ|/κ,
//
//   |g| = R²e^{−4cos 2η/R²},   arg g = 2η + 4 sin 2η/R²,   |d log g/dτ| ≤ 2 + 8/R²,   |1 − χ| ≤ |g|·max(1, |χ|).
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";

/** The 4 of χ's exponent. */
const SHARPNESS = 4;

/** χ and 1 − χ at a node, with bounds over its cell. cut κ = Infinity: χ = 1. */
export class LossCutoff {
  /** Re g at the node; an upper bound of |g| over the cell; one of |χ|. */
  gRe = 0;
  gMaximum = 0;
  cellMaximum = 1;
  /** |χ|, χ = re + i·im, and Re(1 − χ), at the node; Im(1 − χ) = −im. */
  modulus = 1;
  re = 1;
  im = 0;
  complementRe = 0;
  /** Relative rounding error of g. */
  gError = 0;
  private readonly cos2: number;
  private readonly sin2: number;

  constructor(
    readonly cut: number,
    private readonly angle: number,
    private readonly h: number,
  ) {
    this.cos2 = Math.cos(2 * angle);
    this.sin2 = Math.sin(2 * angle);
  }

  /** Moves to the node with |λ| = modulus. */
  at(modulus: number): void {
    if (this.cut === Infinity) return;
    const { h } = this;
    const ratio = modulus / this.cut;
    // 4/R². Far below the cut χ is 1 to every digit, and squares may underflow.
    const inverse = SHARPNESS / Math.max(1e-6, ratio * ratio);
    const gModulus = ratio * ratio * Math.exp(-this.cos2 * inverse);
    const gArgument = 2 * this.angle + this.sin2 * inverse;
    const gRe = gModulus * Math.cos(gArgument);
    const gIm = gModulus * Math.sin(gArgument);
    // |d log g/dτ| over half a step, R² at the end of the cell that is nearer to 0.
    const steepness = (2 + 2 * inverse * Math.exp(h)) * (h / 2);
    const gMaximum = gModulus * Math.exp(Math.min(700, steepness)) * (1 + 1e-12) + 1e-320;
    this.gRe = gRe;
    this.gMaximum = gMaximum;
    // g changes by at most |g|·steepness within the cell.
    this.cellMaximum = Math.min(1e300, Math.exp(Math.min(700, -gRe + gMaximum * steepness)));
    this.modulus = Math.exp(-gRe);
    this.re = this.modulus * Math.cos(gIm);
    this.im = -this.modulus * Math.sin(gIm);
    // 1 − e^{−g}, small or not, keeps its digits: −expm1(−Re g)·cos + 2 sin²(Im g/2).
    const halfSin = Math.sin(gIm / 2);
    this.complementRe = gRe > 700 ? 1 : -Math.expm1(-gRe) * Math.cos(gIm) + 2 * halfSin * halfSin;
    this.gError = UNIT_ROUNDOFF * (24 + 12 * inverse + 4 * Math.abs(gArgument));
  }

  /** Upper bound of |1 − χ| over the cell. */
  get complementCellMaximum(): number {
    return Math.min(this.gMaximum * Math.max(1, this.cellMaximum), 1 + this.cellMaximum);
  }

  /** Upper bound of |1 − χ| at the node. */
  get complementModulus(): number {
    return Math.min(this.gMaximum * Math.max(1, this.modulus), 1 + this.modulus);
  }

  /** Relative rounding error of 1 − χ, beside that of p. */
  get complementError(): number {
    return this.gError * Math.max(1, this.gMaximum * this.modulus);
  }
}
