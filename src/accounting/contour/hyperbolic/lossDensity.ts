// The density of τ = log λ on a ray of rotated losses, node by node (docs/math-hyperbolic-contour.md, theorems 1 and 2).
//
// One Poisson-sampled Gaussian, in the remove direction, has the loss ℓ = log(1 − q) + λ with λ > 0. With λ = e^{τ + iη},
//
//   y = λ + log(1 − e^{−λ}) + log((1 − q)/q),   Y = y + 1/2σ²,
//   p(τ + iη) = σ(1 − q)/√2π · exp(−σ²Y²/2) · λe^λ/(1 − e^{−λ}),
//
// and E e^{tℓ} = ∫ p(τ + iη) e^{tℓ(τ + iη)} dτ whatever the angle η, |η| < π/4 (theorem 1). Sums over a ray are of the
// trapezoid rule of step h in τ, so that all below is for τ = jh, h dyadic and j whole: τ is exact.
//
//   q      rate at which a step samples the record      sigma  noise of a step, in units of the shift
//   η      angle of the ray                             h      step of the rule in τ
//   λ      ℓ − log(1 − q) = x + iy                       ρ      dy/dτ = λ/(1 − e^{−λ})
//   Y      y + 1/2σ²                                    u      unit round-off, 2⁻⁵³
//
// Why: P has the density N(x)r(x) with r = 1 − q + qe^y = e^ℓ, y = (2x − 1)/2σ². Changing the variable from x to τ
// brings the factor dx/dτ = σ²ρ, and r = (1 − q)e^λ; in Re λ > 0, |e^{−λ}| < 1, so that the logarithm in y is analytic
// there, and p falls like exp(−σ²Re Y²/2) at both ends of the strip: the path of integration may be turned (Cauchy).
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";

/** Added to what may have underflowed. */
export const FLOOR = 1e-322;

/**
 * h·p(τ + iη) at τ = jh, with what bounds its modulus over the cell of the node and what rounding does to it.
 *
 * The logarithm of p is what is computed: far to the right p underflows where e^{tℓ} may still be as large as p is
 * small.
 *
 *   log hp = log(hσ(1 − q)/√2π) − σ²Y²/2 + log λ + λ − log(1 − e^{−λ})
 *
 * Bounds over a cell, τ within h/2 of the node, stand beside the values at the node itself: a sum over cells of h·(the
 * largest |p|) is an upper bound of ∫|p| dτ, whatever the rule's own error is.
 */
export class LossDensity {
  /** log(1 − q), the least loss. */
  readonly shift: number;
  readonly cos: number;
  readonly sin: number;
  /** log((1 − q)/q) + 1/2σ²: what Y adds to λ + log(1 − e^{−λ}). */
  readonly offset: number;
  /** |λ|, and λ = lambdaRe + i·lambdaIm. */
  modulus = 0;
  lambdaRe = 0;
  lambdaIm = 0;
  /** log|hp| and arg p. */
  log = 0;
  argument = 0;
  /** Re Y. */
  reY = 0;
  /** log of how much larger |p| may be within the cell than at its node. */
  growth = 0;
  /** h times the largest |p| over the cell, from above. */
  cellMaximum = 0;
  /** Bound on the relative rounding error of hp. */
  relativeError = 0;
  private readonly logFront: number;
  private readonly halfStepFactor: number;

  constructor(
    rate: number,
    private readonly sigma: number,
    private readonly angle: number,
    private readonly h: number,
  ) {
    this.shift = Math.log1p(-rate);
    this.cos = Math.cos(angle);
    this.sin = Math.sin(angle);
    this.offset = this.shift - Math.log(rate) + 1 / (2 * sigma * sigma);
    // log of h·σ(1 − q)/√2π.
    this.logFront = Math.log((h * sigma) / Math.sqrt(2 * Math.PI)) + this.shift;
    this.halfStepFactor = Math.exp(h / 2) * (1 + 1e-12);
  }

  /**
   * Moves to the node j.
   *
   * With S ≥ |d log p/dτ| over the cell, D = |d log|p|/dτ| at the node and B ≥ |d² log p/dτ²| over the cell,
   *
   *   log of (largest |p| ÷ |p| at the node) ≤ min(Sh/2, Dh/2 + Bh²/8)     (`growth`)
   *
   * the first by the mean value theorem, the second by Taylor's. The second is less near the maximum of |p|, where D
   * vanishes.
   */
  at(j: number): void {
    const { h, cos, sin, offset, sigma } = this;
    const s2 = sigma * sigma;
    const m = Math.exp(j * h);
    const x = m * cos;
    const y = m * sin;
    // 1 − e^{−λ} = −expm1(−x) + 2e^{−x}sin²(y/2) + i·e^{−x}sin y: for small λ all its digits are kept.
    const decay = Math.exp(-x);
    const halfSin = Math.sin(y / 2);
    const oneRe = -Math.expm1(-x) + 2 * decay * halfSin * halfSin;
    const oneIm = decay * Math.sin(y);
    // There 1 − e^{−λ} is λ but for a share of |λ|/2, and its square would underflow before λ does.
    const tiny = m < 1e-30;
    const norm = oneRe * oneRe + oneIm * oneIm;
    // log(1 − e^{−λ}), which is log λ = τ to all digits where λ is tiny.
    const logOneRe = tiny ? j * h : 0.5 * Math.log(norm);
    const logOneIm = Math.atan2(oneIm, oneRe);
    // Y = λ + log(1 − e^{−λ}) + offset.
    const Yr = x + logOneRe + offset;
    const Yi = y + logOneIm;
    // log hp = log front − σ²Y²/2 + log λ + λ − log(1 − e^{−λ}), as modulus and argument.
    const log = this.logFront - (s2 * (Yr * Yr - Yi * Yi)) / 2 + j * h + x - logOneRe;
    const argument = -s2 * Yr * Yi + this.angle + y - logOneIm;
    // Theorem 2, first order: over the cell |d log p/dτ| ≤ slope = σ²|Y||ρ| + 2 + …, with |ρ| ≤ 1 + 1.1|λ| and |λ| at
    // the far end of the cell; Y is at most (|ρ|h)/2 larger there than at the node. d log p/dτ = −σ²Yρ + 1 + 2λ − ρ, as
    // dλ/dτ = λ and d log(1 − e^{−λ})/dτ = ρ − λ; so σ²|Y||ρ| + 1 + 2|λ| + |ρ| is above it, and |ρ| ≤ 1 + 1.1|λ| makes
    // the last three terms 2 + 3.1|λ|.
    const cellModulus = m * this.halfStepFactor;
    const rho = 1 + 1.1 * cellModulus;
    const Y = Math.hypot(Yr, Yi) + (rho * h) / 2;
    const slope = s2 * Y * rho + 2 + 3.1 * cellModulus;
    // Second order: d log|p|/dτ = Re(−σ²Yρ + 1 + 2λ − ρ) at the node itself …
    const rhoRe = tiny ? 1 : (x * oneRe + y * oneIm) / norm;
    const rhoIm = tiny ? 0 : (y * oneRe - x * oneIm) / norm;
    const nodeSlope = -s2 * (Yr * rhoRe - Yi * rhoIm) + 1 + 2 * x - rhoRe;
    // … and |d² log p/dτ²| ≤ σ²(|ρ|² + |Y||ρ′|) + 2|λ| + |ρ′| over the cell, ρ′ = ρ(1 − λ/(e^λ − 1)). |λ/(e^λ − 1)| ≤
    // |ρ|, and below 0.03 for |λ| ≥ 8, which every cell with its node beyond 9 is.
    const rhoSlope = rho * (m > 9 ? 1.03 : 1 + rho);
    const curvature = s2 * (rho * rho + Y * rhoSlope) + 2 * cellModulus + rhoSlope;
    // Everything below is at this node until the next call.
    this.modulus = m;
    this.lambdaRe = x;
    this.lambdaIm = y;
    this.log = log;
    this.argument = argument;
    this.reY = Yr;
    // e^{Sh/2} or e^{Dh/2 + Bh²/8}, whichever is less.
    this.growth = Math.min((slope * h) / 2, (Math.abs(nodeSlope) * h) / 2 + (curvature * h * h) / 8 + 1e-9);
    // Never 0, since e^{tℓ} may be large.
    this.cellMaximum = Math.exp(Math.min(700, log + this.growth)) * (1 + 1e-9) + FLOOR;
    // Theorem 7: η = u(30 + 3S + 3σ²|Y|² + 4σ²|Y|(|offset| + 2 + |λ|) + 4|arg|).
    this.relativeError =
      UNIT_ROUNDOFF *
      (30 + 3 * slope + 3 * s2 * Y * Y + 4 * s2 * Y * (Math.abs(offset) + 2 + m) + 4 * Math.abs(argument));
  }
}
