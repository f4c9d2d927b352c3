// What a ray of turned losses is made of, node by node: the density of τ = log λ, and the cutoff that divides losses at
// a size (docs/math-hyperbolic-contour.md, theorems 1 to 3).
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";

/** χ = exp(−(λ/cut)²e^{−SHARPNESS(cut/λ)²}) falls from 1 to 0 around the cut. */
const SHARPNESS = 4;
/** Added to what may have underflowed. */
export const FLOOR = 1e-322;

/** h times the density p(τ + iη) at τ = jh, where ℓ = log(1 − q) + e^{τ + iη}. */
export class LossDensity {
  /** log(1 − q). */
  readonly shift: number;
  readonly cos: number;
  readonly sin: number;
  /** What Y adds to λ + log(1 − e^{−λ}). */
  readonly offset: number;
  /** |λ|, and λ = x + iy. */
  m = 0;
  x = 0;
  y = 0;
  /** log of h times the modulus, its argument, Re Y. */
  log = 0;
  turn = 0;
  Yr = 0;
  /** log of how much larger the modulus may be within the cell than at its node; h times the largest. */
  growth = 0;
  top = 0;
  /** Relative rounding error. */
  relative = 0;
  private readonly logFront: number;
  private readonly half: number;

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
    this.logFront = Math.log((h * sigma) / Math.sqrt(2 * Math.PI)) + this.shift;
    this.half = Math.exp(h / 2) * (1 + 1e-12);
  }

  at(j: number): void {
    const { h, cos, sin, offset, sigma } = this;
    const s2 = sigma * sigma;
    const m = Math.exp(j * h);
    const x = m * cos;
    const y = m * sin;
    // log(1 − e^{−λ}) is what y of the density adds to λ.
    const decay = Math.exp(-x);
    const halfSin = Math.sin(y / 2);
    const oneRe = -Math.expm1(-x) + 2 * decay * halfSin * halfSin;
    const oneIm = decay * Math.sin(y);
    const tiny = m < 1e-30;
    const norm = oneRe * oneRe + oneIm * oneIm;
    const restRe = tiny ? j * h : 0.5 * Math.log(norm);
    const restIm = Math.atan2(oneIm, oneRe);
    const Yr = x + restRe + offset;
    const Yi = y + restIm;
    const log = this.logFront - (s2 * (Yr * Yr - Yi * Yi)) / 2 + j * h + x - restRe;
    const turn = -s2 * Yr * Yi + this.angle + y - restIm;
    // |d log p/dτ| over the cell: |ρ| ≤ 1 + 1.1|λ|.
    const reach = m * this.half;
    const rho = 1 + 1.1 * reach;
    const Y = Math.hypot(Yr, Yi) + (rho * h) / 2;
    const slope = s2 * Y * rho + 2 + 3.1 * reach;
    // d log|p|/dτ at the node, and its own slope over the cell at most: dρ/dτ = ρ(1 − λ/(e^λ − 1)).
    const rhoRe = tiny ? 1 : (x * oneRe + y * oneIm) / norm;
    const rhoIm = tiny ? 0 : (y * oneRe - x * oneIm) / norm;
    const rise = -s2 * (Yr * rhoRe - Yi * rhoIm) + 1 + 2 * x - rhoRe;
    const bend = rho * (m > 9 ? 1.03 : 1 + rho);
    const curve = s2 * (rho * rho + Y * bend) + 2 * reach + bend;
    this.m = m;
    this.x = x;
    this.y = y;
    this.log = log;
    this.turn = turn;
    this.Yr = Yr;
    this.growth = Math.min((slope * h) / 2, (Math.abs(rise) * h) / 2 + (curve * h * h) / 8 + 1e-9);
    // Never 0, since e^{tℓ} may be large.
    this.top = Math.exp(Math.min(700, log + this.growth)) * (1 + 1e-9) + FLOOR;
    this.relative =
      UNIT_ROUNDOFF *
      (30 + 3 * slope + 3 * s2 * Y * Y + 4 * s2 * Y * (Math.abs(offset) + 2 + m) + 4 * Math.abs(turn));
  }
}

/** χ and 1 − χ at a node, with bounds over its cell. cut = Infinity: χ = 1. */
export class LossCutoff {
  /** −log χ, and upper bounds of its modulus and of |χ| over the cell. */
  gRe = 0;
  gTop = 0;
  top = 1;
  /** |χ|, χ and 1 − χ. */
  size = 1;
  re = 1;
  im = 0;
  otherRe = 0;
  /** Relative rounding error of −log χ. */
  off = 0;
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

  at(m: number): void {
    if (this.cut === Infinity) return;
    const { h } = this;
    const ratio = m / this.cut;
    // Far below the cut χ is 1 to every digit, and squares may underflow.
    const inverse = SHARPNESS / Math.max(1e-6, ratio * ratio);
    const size = ratio * ratio * Math.exp(-this.cos2 * inverse);
    const swing = 2 * this.angle + this.sin2 * inverse;
    const gRe = size * Math.cos(swing);
    const gIm = size * Math.sin(swing);
    const steepness = (2 + 2 * inverse * Math.exp(h)) * (h / 2);
    const gTop = size * Math.exp(Math.min(700, steepness)) * (1 + 1e-12) + 1e-320;
    this.gRe = gRe;
    this.gTop = gTop;
    this.top = Math.min(1e300, Math.exp(Math.min(700, -gRe + gTop * steepness)));
    this.size = Math.exp(-gRe);
    this.re = this.size * Math.cos(gIm);
    this.im = -this.size * Math.sin(gIm);
    const half = Math.sin(gIm / 2);
    this.otherRe = gRe > 700 ? 1 : -Math.expm1(-gRe) * Math.cos(gIm) + 2 * half * half;
    this.off = UNIT_ROUNDOFF * (24 + 12 * inverse + 4 * Math.abs(swing));
  }

  /** |1 − χ| over the cell, at most. */
  get otherTop(): number {
    return Math.min(this.gTop * Math.max(1, this.top), 1 + this.top);
  }

  /** |1 − χ| at the node at most, and its error beside that of p. */
  get otherSize(): number {
    return Math.min(this.gTop * Math.max(1, this.size), 1 + this.size);
  }

  get otherOff(): number {
    return this.off * Math.max(1, this.gTop * this.size);
  }
}
