// The cutoff χ that divides losses at a size, on a ray of rotated losses (docs/math-hyperbolic-contour.md, theorem 3):
//
//   χ(λ) = exp(−g),   g = R²e^{−4/R²} on the real line, R = λ/κ,
//
// falls from 1 to 0 around the cut λ = κ and is analytic in Re λ > 0. E[χ·] is the bulk of a step, E[(1 − χ)·] its tail.
// With λ = |λ|e^{iη} and R = |λ|/κ,
//
//   |g| = R²e^{−4cos 2η/R²},   arg g = 2η + 4 sin 2η/R²,   |d log g/dτ| ≤ 2 + 8/R²,   |1 − χ| ≤ |g|·max(1, |χ|).
//
//   κ   the cut, where χ falls (`cut`)            R   |λ|/κ (`ratio`)
//   η   angle of the ray (`angle`)                h   step of the rule in τ = log|λ|
//
// Why these: log g = 2 log R − 4/R², so d log g/dτ = 2 + 8/R². |χ| = e^{−Re g} ≤ e^{|g|}: off the real line χ may exceed
// 1, but not by more than that. 1 − e^{−g} = ∫₀¹ g e^{−sg} ds gives the last one. For small R the factor e^{−4/R²} makes
// χ equal to 1 to every digit, so that the bulk of many small losses is not changed at all by the cut.
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";

/** The 4 of χ's exponent. */
const SHARPNESS = 4;

/**
 * χ and 1 − χ at a node, with bounds over its cell. cut κ = Infinity: χ = 1.
 *
 * 1 − χ is computed by itself, and not as a difference from 1: below the cut it is what the tail consists of, and is as
 * small as e^{−4/R²}. Above it χ is the small one. Each is kept with its own relative error.
 */
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

  /**
   * Moves to the node with |λ| = modulus.
   *
   *   |g| ≤ |g(node)|·e^{steepness} over the cell     (`gMaximum`)      steepness = (2 + 8e^h/R²)·h/2
   *   |χ| ≤ e^{−Re g(node) + gMaximum·steepness}      (`cellMaximum`)
   *
   * the exponents being held at 700, where a bound is so large that it bounds nothing.
   */
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
    // u(24 + 48/R² + 4|arg g|): `inverse` is 4/R², which the exponent of |g| and the angle both contain.
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
