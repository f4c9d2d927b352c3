// An upper bound on |φ(u)|, the characteristic function of the tilted loss of one step, for every u ≥ some U:
// what makes it sound to stop the contour sum (docs/math-contour.md, theorem 4).
//
// (a) For any set C of points of the tilted law, P(C) its mass, G(u) = E_{C×C}[1 − cos u(ℓ − ℓ′)]:
//
//       |φ̂(u)|² ≤ 1 − P(C)²G(u),   G ≥ min(G(a), G(b)) − (b − a)²Var_C/4 on [a, b]      (`logCore`)
//
// (b) With the x-integral moved to Im x = ±d, where |r^{iv}| = e^{−v·arg r(x + id)} falls with v, for every v ≥ u:
//
//       |φ(v)| ≤ e^{d²/2σ²}(Σ p_i|r(x_i + id)/r(x_i)|^s e^{−u·arg r(x_i + id)} + error)   (`logShift`)
//
//   p_i, ℓ_i  tilted law and its losses      s  power of r that tilts      d  depth of the line of integration
//   C, P(C)   points of a core and their mass   Var_C  variance of their losses   φ̂  φ by the rule in x
//
// The contour's integrand has |φ|^T, so a bound B < 1 that holds for good leaves B^T/u beyond u. (a) is sharp near u = 0
// but must be asked panel by panel; (b) holds from u on, and falls where turned losses do.
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";
import type { QuadratureStep } from "./quadratureStep.js";
import type { MixtureStep, TiltedLaw } from "./stepMgf.js";

/** x shifted by i·d: weights |r(x + id)/r(x)|^s p, angles arg r(x + id), and the rule's error for their sum. */
interface ShiftedIntegral {
  readonly logFront: number;
  readonly weights: Float64Array;
  readonly angles: Float64Array;
  readonly error: number;
}

/** Mass that the cores leave out at their upper end. */
const CORE_CUTS = [0, 1e-3, 0.02, 0.15] as const;

/**
 * Bounds on |φ| of one mixture's step, made from the tilted law of one line and the rule in x that it was made by.
 */
export class DecayBound {
  /** Sets of grid points, the widest first: from, to, mass, variance of the loss. */
  private readonly cores: { from: number; to: number; mass: number; variance: number }[] = [];
  /** G on every core, by u. */
  private readonly gains = new Map<number, Float64Array>();
  private readonly shiftedIntegrals = new Map<number, ShiftedIntegral>();
  /** Lines of integration that are tried. */
  private readonly depths: number[];
  /** E[d arg r(x + id)/dd] at d = 0, of every second point: where (b) is best near u = 0. */
  private meanSlope = 0;

  constructor(
    private readonly mixture: MixtureStep,
    private readonly tilt: TiltedLaw,
    private readonly step: QuadratureStep,
  ) {
    const { p, loss } = tilt;
    // Cores: all points but those of the largest losses, whose mass is at most CORE_CUTS in turn; Var_C falls with each
    // cut, and P(C) too.
    for (const mass of CORE_CUTS) {
      // The loss is monotone in x: cutting the points from its upper end leaves an interval.
      const rising = loss.length > 1 && loss[loss.length - 1]! > loss[0]!;
      let removed = 0;
      let n = 0;
      while (n < p.length && removed + p[rising ? p.length - 1 - n : n]! <= mass)
        removed += p[rising ? p.length - 1 - n++ : n++]!;
      const from = rising ? 0 : n;
      const to = rising ? p.length - n : p.length;
      let coreMass = 0;
      let mean = 0;
      for (let i = from; i < to; i++) {
        coreMass += p[i]!;
        mean += p[i]! * loss[i]!;
      }
      mean /= coreMass;
      let squares = 0;
      for (let i = from; i < to; i++) squares += p[i]! * (loss[i]! - mean) ** 2;
      this.cores.push({ from, to, mass: coreMass, variance: squares / coreMass });
    }
    // θ = reach·d/σ² must stay below π: `half` is the depth d at which θ = π. None is deeper than seven deviations.
    const { sigma, reach } = mixture;
    const half = (Math.PI * sigma * sigma) / reach;
    this.depths = [
      ...[0.7, 1.5, 3, 5].map((d) => d * sigma).filter((d) => d < 0.8 * half),
      0.2 * half,
      0.45 * half,
      0.8 * half,
    ].filter((d) => d <= 7 * sigma);
    if (this.depths.length === 0) this.depths.push(0.2 * half);
    // d arg r(x + id)/dd = Σ_k share_k·shift_k/σ² at d = 0; every second point counts twice.
    const share = new Float64Array(mixture.shifts.length);
    for (let i = 0; i < p.length; i += 2) {
      mixture.shares(tilt.x[i]!, share);
      for (let k = 0; k < share.length; k++)
        this.meanSlope += (2 * p[i]! * share[k]! * mixture.shifts[k]!) / (sigma * sigma);
    }
  }

  /**
   * log of a bound on |φ| over [a, b]; 0 if it says nothing. 1 − |φ̂|² = E[1 − cos uD] over all pairs of points, D the
   * difference of their losses, each term ≥ 0: pairs within a set C alone are a lower bound. Cores without the largest
   * losses have a smaller variance, and with it a smaller loss between two u at which G is known. On any set C of points,
   * 1 − |φ(u)|² ≥ P(C)²·G(u), G(u) = E_{C×C}[1 − cos uD], and |G″| ≤ E D² = 2 Var: between a and b G lies at most
   * (b − a)²·Var/4 below its chord.
   */
  logCore(a: number, b: number): number {
    const rule = this.step.logError(b);
    if (rule > -1) return 0;
    // G at both ends of the panel, core by core.
    const atA = this.gainsAt(a);
    const atB = this.gainsAt(b);
    let gain = 0;
    this.cores.forEach(({ mass, variance }, k) => {
      // |G″| ≤ 2Var_C: between a and b, G is at most (b − a)²·2Var_C/8 below its chord, and the chord above its lower
      // end.
      const least = Math.min(atA[k]!, atB[k]!) * (1 - 1e-9) - ((b - a) ** 2 * variance) / 4;
      gain = Math.max(gain, mass * mass * least * (1 - 1e-9));
    });
    if (gain <= 0) return 0;
    // What the sum over nodes errs by: the rule, the nodes left out, the weights and losses as stored, the additions.
    const { p, dropped, massError, lossError } = this.tilt;
    const rounding = UNIT_ROUNDOFF * (p.length + 20) + massError + b * lossError;
    const error = Math.exp(rule) * 2.1 + dropped + rounding;
    // |φ| ≤ |φ̂| + error; log(1 − gain)/2 by log1p, so that a gain of 1e-12 still counts, T times.
    const size = Math.sqrt(Math.max(0, 1 - gain));
    return size > 0.5
      ? Math.min(0, 0.5 * Math.log1p(-gain) + Math.log1p(error / size))
      : Math.min(0, Math.log(size + error));
  }

  /**
   * G(u) = 1 − |E_C e^{iuℓ}|² on every core, by sin² so that a small one keeps its digits.
   *
   * With z = E_C e^{iuℓ} − 1 = x + iy: 1 − |1 + z|² = −2x − x² − y².
   */
  private gainsAt(u: number): Float64Array {
    const remembered = this.gains.get(u);
    if (remembered) return remembered;
    const { p, loss } = this.tilt;
    const gains = new Float64Array(this.cores.length);
    const n = p.length;
    // Sums of e^{iuℓ} − 1 over the first points, so that any core's is a difference.
    const re = new Float64Array(n + 1);
    const im = new Float64Array(n + 1);
    for (let i = 0; i < n; i++) {
      const half = Math.sin((u * loss[i]!) / 2);
      re[i + 1] = re[i]! - 2 * p[i]! * half * half;
      im[i + 1] = im[i]! + p[i]! * Math.sin(u * loss[i]!);
    }
    this.cores.forEach(({ from, to, mass }, k) => {
      const x = (re[to]! - re[from]!) / mass;
      const y = (im[to]! - im[from]!) / mass;
      gains[k] = -2 * x - x * x - y * y;
    });
    this.gains.set(u, gains);
    return gains;
  }

  /**
   * log of a bound on |φ(v)| for every v ≥ u: (b), at the best of the depths.
   *
   * Σ weights·e^{−u·angles} + error, times e^{d²/2σ²}; each angle is ≥ 0, so the bound falls with u, for good. It holds
   * at every depth.
   */
  logShift(u: number): number {
    let best = 0;
    // Near 0 the best depth is uσ²·E[slope of log r]; farther out the listed ones do.
    const { sigma } = this.mixture;
    const ideal = u * sigma * sigma * this.meanSlope;
    const depths =
      ideal < 0.6 * Math.min(sigma, this.depths[0]!)
        ? [1.3 ** Math.floor(Math.log(ideal) / Math.log(1.3))]
        : this.depths;
    for (const d of depths) {
      const { logFront, weights, angles, error } = this.shift(d);
      let sum = error;
      for (let i = 0; i < weights.length; i++) sum += weights[i]! * Math.exp(-u * angles[i]!);
      best = Math.min(best, logFront + Math.log(sum) + 1e-12);
    }
    return best;
  }

  /**
   * The x-integral on Im x = d: it is computed by the trapezoid rule again, whose error is bounded as in theorem 3(a).
   *
   *   weights   p_i|r(x_i + id)/r(x_i)|^s       angles   arg r(x_i + id) ≥ 0, rounded down
   *   error     of the rule of step h for this sum, of the points left out, and of the sum and the p_i
   *
   * Of weights and angles none depends on u: one line serves all.
   */
  private shift(d: number): ShiftedIntegral {
    const remembered = this.shiftedIntegrals.get(d);
    if (remembered) return remembered;
    const { mixture, tilt } = this;
    const { sigma, reach, shifts } = mixture;
    const s2 = sigma * sigma;
    const n = tilt.x.length;
    const weights = new Float64Array(n);
    const angles = new Float64Array(n);
    const share = new Float64Array(shifts.length);
    let total = 0;
    let largest = 0;
    for (let i = 0; i < n; i++) {
      mixture.shares(tilt.x[i]!, share);
      // r(x + id)/r(x) − 1, which keeps the digits that the power needs.
      let re = 0;
      let im = 0;
      for (let k = 0; k < share.length; k++) {
        // Σ share·(e^{i·angle} − 1) = r(x + id)/r(x) − 1.
        const angle = (shifts[k]! * d) / s2;
        re -= 2 * share[k]! * Math.sin(angle / 2) ** 2;
        im += share[k]! * Math.sin(angle);
      }
      const square = re * re + im * im;
      // The shares' own errors are below 1e-12 of each.
      const powerError = 1e-12 * Math.abs(tilt.s) * (square - 2 * re);
      // |1 + z|^s = e^{(s/2)log(1 + 2 Re z + |z|²)}, rounded up by what shares that err by 1e-12 make of it.
      const growth = Math.exp((tilt.s / 2) * Math.log1p(2 * re + square) + powerError);
      weights[i] = tilt.p[i]! * growth;
      largest = Math.max(largest, growth);
      total += weights[i]!;
      // Round-off may not make the angle larger than it is.
      angles[i] = Math.max(0, Math.atan2(im, 1 + re) * (1 - 1e-12));
    }
    // The integrand continued to x + iy has modulus at most p(x)e^{y²/2σ²}κ while [arg r(x + i(d + y)) +
    // arg r(x + i(d − y))]/2 ≥ 0: for |y| ≤ d, reach(d + y)/σ² < π, and for reach(d + y)/σ² ≤ π/2.
    const turn = reach / s2;
    const y = Math.max(Math.min(d, 0.95 * (Math.PI / turn - d)), Math.PI / (2 * turn) - d) * 0.999;
    // `turn` is θ per unit of depth, y the largest height by which the integrand may be continued further.
    const negativePower = tilt.s < 0 ? -tilt.s : 0;
    let log = Infinity;
    const ideal = Math.min(y, (2 * Math.PI) / tilt.h / (1 / s2 + (negativePower * turn * turn) / 4));
    const flat = Math.min(y, (2 * Math.PI * s2) / tilt.h, (0.499 * Math.PI) / turn - d);
    // 2e^{height²/2σ²}κ/(e^{2π·height/h} − 1), the least of three heights; any is sound.
    for (const height of [ideal, ideal / 2, flat]) {
      const a = (2 * Math.PI * height) / tilt.h;
      const angle = turn * (d + height);
      if (!(height > 0 && (negativePower === 0 || angle < 0.99 * Math.PI))) continue;
      const wall = mixture.wall(tilt.s, angle);
      log = Math.min(log, (height * height) / (2 * s2) + wall - a - Math.log(-Math.expm1(-a)) + Math.LN2);
    }
    // |r(x + id)/r(x)|^s ≤ 1 for s ≥ 0, else (cos θ/2)^s.
    const lost = tilt.dropped * (negativePower > 0 ? Math.cos((turn * d) / 2) ** -negativePower : 1);
    const rounding = UNIT_ROUNDOFF * (n + 20) * total + largest * tilt.massError;
    const shifted = { logFront: (d * d) / (2 * s2), weights, angles, error: Math.exp(log) + lost + rounding };
    this.shiftedIntegrals.set(d, shifted);
    return shifted;
  }
}
