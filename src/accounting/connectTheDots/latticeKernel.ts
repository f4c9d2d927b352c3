// What transforms on a lattice are summed against (docs/math-connect-the-dots.md, theorems 2 and 4), at tilt c and with
// y_j = θ + jh, j ≥ 0, the lattice points less ε:
//
//   W(u) = Σ_j (1 − e^{−y_j})e^{−(c+iu)y_j}           the hockey stick's transform
//   Ĝ(u) = Σ_j G(y_j)e^{−(c+iu)y_j}                    that of G, a curve above what discretising may have added
//
//   h  step of the lattice      θ  distance from ε to the first lattice point above it      c  tilt
//
//   N  frequencies      u   2πk/(Nh), one of them      V   what discretising adds to the total loss varies by
//
// W is given without its phase e^{−iuθ}: what is left of a node's phase is a multiple of 2π/N, which `inversion.ts`
// takes in whole numbers.

/**
 * W by its geometric sums: with f₀ = e^{−(c+iu)h}, f₁ = e^{−(c+1+iu)h},
 *
 *   W = e^{−(c+iu)θ}·(b₀ + f₀b₁)/((1 − f₀)(1 − f₁)),   b₀ = 1 − e^{−θ},   b₁ = e^{−θ} − e^{−h},
 *
 * whose phase e^{−iuθ} is left to the caller. For −1 < c < 0 it is the continuation of the sums.
 *
 * Why: Σ_j e^{−(c+iu)jh} = 1/(1 − f₀) and Σ_j e^{−(c+1+iu)jh} = 1/(1 − f₁); their difference, the second times e^{−θ},
 * has the numerator (1 − f₁) − e^{−θ}(1 − f₀) = b₀ + f₀b₁, since f₁ = e^{−h}f₀. Both b are ≥ 0, as 0 ≤ θ ≤ h: nothing
 * cancels.
 */
export class HockeyStickKernel {
  /** At the u of the last call: Re and Im of W·e^{iuθ}, and a bound on its modulus. */
  re = 0;
  im = 0;
  modulus = 0;
  /** The largest |W|, at u = 0. */
  readonly largest: number;
  private readonly fall0: number;
  private readonly fall1: number;
  private readonly a0: number;
  private readonly a1: number;
  private readonly scale: number;
  private readonly b0: number;
  private readonly b1: number;

  constructor(
    c: number,
    private readonly h: number,
    theta: number,
  ) {
    this.fall0 = Math.exp(-c * h);
    this.fall1 = Math.exp(-(c + 1) * h);
    this.a0 = -Math.expm1(-c * h);
    this.a1 = -Math.expm1(-(c + 1) * h);
    this.scale = Math.exp(-c * theta);
    this.b0 = -Math.expm1(-theta);
    this.b1 = Math.exp(-theta) - Math.exp(-h);
    // |1 − f| ≥ |1 − |f||, so the divisor is least at u = 0; the numerator's modulus is at most b₀ + |f₀|b₁.
    this.largest = Math.abs((this.scale * (this.b0 + this.fall0 * this.b1)) / (this.a0 * this.a1));
  }

  /**
   * Re and Im of W e^{iuθ} at u, and a bound of its modulus.
   */
  at(u: number): void {
    const { fall0, fall1, scale, b0, b1 } = this;
    const cos = Math.cos(u * this.h);
    const sin = Math.sin(u * this.h);
    // 1 − f = (1 − |f|) + 2|f| sin²(uh/2) + i|f| sin uh, which keeps the digits of small uh.
    const half = Math.sin((u * this.h) / 2);
    const d0 = this.a0 + fall0 * 2 * half * half;
    const d1 = this.a1 + fall1 * 2 * half * half;
    // (1 − f₀)(1 − f₁) = (d₀ + i|f₀| sin uh)(d₁ + i|f₁| sin uh).
    const divisorRe = d0 * d1 - fall0 * sin * fall1 * sin;
    const divisorIm = d0 * fall1 * sin + fall0 * sin * d1;
    this.modulus = (scale * (b0 + fall0 * b1)) / (Math.hypot(d0, fall0 * sin) * Math.hypot(d1, fall1 * sin));
    const quotient = scale / (divisorRe * divisorRe + divisorIm * divisorIm);
    // b₀ + f₀b₁ times the conjugate of (1 − f₀)(1 − f₁), over its squared modulus.
    const numeratorRe = b0 + fall0 * b1 * cos;
    const numeratorIm = -fall0 * b1 * sin;
    this.re = (numeratorRe * divisorRe + numeratorIm * divisorIm) * quotient;
    this.im = (numeratorIm * divisorRe - numeratorRe * divisorIm) * quotient;
  }
}

/** Terms of Poisson's sum to either side, and the exponent below which one is left out: 1e-26. */
const ALIASES = 3;
const LEAST_EXPONENT = -60;

/**
 * Ĝ of theorem 4, G(y) = A e^{−(y+V/4)²/2s²}, V = ΣT h²/4:
 *
 *   V ≤ 0.04:   s² = 1.1V,          A = √V/(e(1 − √V))·e^{0.62 + (1 + V/16)/2.2};
 *   otherwise:  s² = 2V + V²/4,     A = e^{1.25}.
 *
 * Why a Gaussian: what moving to the ends adds to the total loss, S, has E[e^{λS}] ≤ e^{λ(λ+1)V/2} outside of (−1, 0)
 * (Hoeffding's lemma, use by use), so that what it adds to δ at a distance y from ε falls like e^{−w²/2V}, w = y + V/2; and the
 * expectation of G at the moved losses is at least that. δ ≥ δ̂ − E[G(L + S − ε)], which is the same inversion.
 *
 * By Poisson summation Ĝ(u) = (1/h)Σ_m of the Gaussian's own transform at w = u + 2πm/h, phases e^{−iw·middle + 2πimθ/h}
 * with middle = −(V/4 + cs²).
 *
 * The trapezoid sum of a Gaussian over a lattice differs from its integral by the aliases m ≠ 0; terms below e^−60 are
 * left out.
 *
 * Why A and s² (theorem 4). With w = y + V/2, y = L − ε, and κ = max(|w|/V, 1/√V), Chernoff's bound with (e^v − 1)₊ ≤
 * e^{κv}/(e(κ − 1)) and (1 − e^{−v})₊ ≤ e^{κv}/(eκ) makes what S adds at most
 *
 *   √V/(e(1 − √V))·e^{½ − |w|/√V + [y < 0 < w]2|w|/√V} for |w| ≤ √V,   ·e^{−w²/2V} beyond;   also 1, and e^{−y}.
 *
 * On the other side E[G(y + S)] ≥ A e^{−((|w| + V/4)² + V)/2s²} by Jensen, as 0 ≤ E S ≤ V/2 and Var S ≤ V. For small V,
 * with z = w/√V, z²/2.2 + z√V/4.4 ≤ z²/2 + ½; for the others (|w| + V/4)² ≤ 2w² + V²/8. So A and s² as they stand make
 * G's expectation the larger.
 *
 * The price is about 2.5V times the density of the loss at ε, and falls with the square of the step.
 */
export class GainKernel {
  /** At the u of the last call. */
  re = 0;
  im = 0;
  /** Its sum over the lattice, from above: where no frequency helps. */
  readonly largest: number;
  private readonly square: number;
  private readonly front: number;
  private readonly middle: number;
  private readonly turn: number;

  /** variance: V > 0. */
  constructor(
    variance: number,
    c: number,
    h: number,
    private readonly theta: number,
  ) {
    const root = Math.sqrt(variance);
    const small = variance <= 0.04;
    const s2 = small ? 1.1 * variance : 2 * variance + variance ** 2 / 4;
    const height = small
      ? (root / (Math.E * (1 - root))) * Math.exp(0.62 + (1 + variance / 16) / 2.2)
      : Math.exp(1.25);
    // ∫G(y)e^{−cy} dy = A e^{cV/4 + c²s²/2}·√2πs².
    const factor = height * Math.exp((c * variance) / 4 + (c * c * s2) / 2) * (1 + 1e-9);
    this.square = s2;
    this.front = (factor * Math.sqrt(2 * Math.PI * s2)) / h;
    this.middle = variance / 4 + c * s2;
    this.turn = (2 * Math.PI) / h;
    // G e^{−cy} has one peak, of height `factor`: its sum over the lattice is at most the peak and the integral ÷ h,
    // which is `front`.
    this.largest = factor + this.front;
  }

  /**
   * Re and Im of Ĝ(u), its phase included.
   */
  at(u: number): void {
    this.re = 0;
    this.im = 0;
    for (let m = -ALIASES; m <= ALIASES; m++) {
      const w = u + m * this.turn;
      const exponent = -0.5 * this.square * w * w;
      if (exponent < LEAST_EXPONENT) continue;
      const size = this.front * Math.exp(exponent);
      const angle = w * this.middle + m * this.turn * this.theta;
      this.re += size * Math.cos(angle);
      this.im += size * Math.sin(angle);
    }
  }
}
