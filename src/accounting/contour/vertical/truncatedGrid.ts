// The nodes of one Poisson-sampled Gaussian of much noise, truncated where nothing is left of it
// (docs/math-truncated-contour.md, theorems 1 to 3).
//
// The noise of a step is kept on [X₁, X₂] ∋ [−kσ, 1 + kσ]; the two tails left out have probability at most
// m = e^{−k²/2} under N(0, σ²) and N(1, σ²) alike (`lost`). On the interval, at nodes x = jh and with
//
//   y = (2x − 1)/2σ²,   v = r − 1 = q(e^y − 1),   w = h·e^{−x²/2σ²}/σ√2π,
//
// the relative errors are u(9 + 3|y|) of v and u(16 + 2x²/σ²) of w (theorem 2). X₁, X₂ lie half a step beyond the first
// and last nodes, as theorem 3 needs it.
//
//   k   where the cut lies, in deviations: e^{−k²/2} ≤ e^−LOST·δ ÷ steps     q, σ   rate and noise
//   h   distance of nodes, of ten bits: every jh is exact                    u      unit round-off
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";
import type { MixtureStep } from "./stepMgf.js";

/** What is cut off is below e^−LOST of δ. */
const LOST = 31;
/** The grid is made for the rule's error to be below e^−RULE ÷ steps. */
const RULE = 75;
/** Largest angle d/σ² by which lines of integration are moved, in radians. */
const LARGEST_TURN = 1.1;
const MAXIMUM_NODES = 1500;

export interface TruncationGoal {
  /** +1: E_P[e^{tℓ}] of ℓ = log r; −1: E_Q[e^{tℓ}] of ℓ = −log r. */
  readonly direction: 1 | -1;
  /** Steps of the whole composition. */
  readonly totalCount: number;
  /** log of what the answer is near. */
  readonly logDelta: number;
  /** ≥ 1: how much farther out than it need be what is cut off lies; default 1. */
  readonly stretch?: number;
}

/** Where the interval ends: density, r, the share q e^y/r, and |r − 1| at most on the line of integration. */
export interface TruncationEnd {
  readonly density: number;
  readonly ratio: number;
  readonly share: number;
  readonly rise: number;
}

/**
 * Theorem 1: with P′ the law of one step's noise within the cut alone and δ′ its integral, δ′ ≤ δ ≤ δ′ + ΣT·m: the
 * integrand (1 − e^{ε−ℓ})₊ is in [0, 1], and a step leaves the cut with probability at most m. On the cut all moments exist,
 * and there is no second mode unless δ needs losses that large; it would keep the contour from where δ is well conditioned.
 */
export class TruncatedGrid {
  /** A bound on the probability, under either of the pair, of what was cut off. */
  readonly lost: number;
  /** Whether the grid is of MAXIMUM_NODES at most; if not, nothing is known. */
  readonly usable: boolean;
  protected readonly rate: number;
  /** σ². */
  protected readonly square: number;
  protected readonly h: number;
  /** The deepest line of integration, Im x. */
  protected readonly deepest: number;
  /** Nodes x; w and its relative error; v and its relative error; log r. */
  protected readonly x: Float64Array;
  protected readonly weight: Float64Array;
  protected readonly weightError: Float64Array;
  protected readonly v: Float64Array;
  protected readonly vError: Float64Array;
  protected readonly logRatio: Float64Array;
  protected readonly ends: readonly [TruncationEnd, TruncationEnd];
  /** The largest share q e^y/r: that at X₂. */
  protected readonly largestShare: number;

  constructor(mixture: MixtureStep, { totalCount, logDelta, stretch = 1 }: TruncationGoal) {
    const { sigma } = mixture;
    const q = mixture.weights[1]!;
    this.rate = q;
    this.square = sigma * sigma;
    const s2 = this.square;
    // So that ΣT·e^{−k²/2} = e^−LOST·δ at stretch 1.
    const k = stretch * Math.sqrt(2 * (LOST + Math.log(totalCount) - logDelta));
    // At least e^y at X₂ = kσ + 1.
    const steepest = Math.exp((k * sigma + 1) / s2);
    // d = depth·σ: e^{−depth²/2} is e^−RULE ÷ steps, unless d/σ² = LARGEST_TURN comes first.
    const depth = Math.min(Math.sqrt(2 * (RULE + Math.log(totalCount))), LARGEST_TURN * sigma);
    // |M|^T has died out past this multiple of σ/q, and the bound on it too, where slopes are as flat as matters.
    const turns =
      1.8 * Math.sqrt(110 / mixture.count) * Math.exp(Math.sqrt(2 * Math.log(100 * mixture.count)) / sigma);
    // e^{d²/2σ² + bα − 2πd/h} is to be e^−RULE ÷ steps at d = depth·σ.
    const needed = depth / 2 + turns * steepest + (RULE + Math.log(totalCount)) / depth;
    const h = roundedToTenBits((2 * Math.PI * sigma) / needed);
    this.h = h;
    this.deepest = depth * sigma;
    const from = Math.floor((-k * sigma) / h);
    const to = Math.ceil((k * sigma + 1) / h);
    this.usable = to - from < MAXIMUM_NODES;
    const n = this.usable ? to - from + 1 : 0;
    const column = () => new Float64Array(n);
    this.x = column();
    this.weight = column();
    this.weightError = column();
    this.v = column();
    this.vError = column();
    this.logRatio = column();
    // Each node by its own formula, with the relative errors of theorem 2; v by expm1, so that small losses keep their
    // digits.
    const unit = h / (sigma * Math.sqrt(2 * Math.PI));
    for (let i = 0; i < n; i++) {
      const x = (from + i) * h;
      const y = (2 * x - 1) / (2 * s2);
      const exponent = (x * x) / (2 * s2);
      this.x[i] = x;
      this.weight[i] = unit * Math.exp(-exponent);
      this.weightError[i] = UNIT_ROUNDOFF * (16 + 4 * exponent);
      this.v[i] = q * Math.expm1(y);
      this.vError[i] = UNIT_ROUNDOFF * (9 + 3 * Math.abs(y));
      this.logRatio[i] = Math.log1p(this.v[i]!);
    }
    // Half a step beyond the first and the last node; each from above.
    const endAt = (x: number): TruncationEnd => {
      const y = (2 * x - 1) / (2 * s2);
      const ratio = 1 + q * Math.expm1(y);
      return {
        density: (Math.exp((-x * x) / (2 * s2)) / (sigma * Math.sqrt(2 * Math.PI))) * (1 + 1e-9),
        ratio,
        share: Math.min(1, ((q * Math.exp(y)) / ratio) * (1 + 1e-9)),
        rise: q * (1 + Math.exp(y)),
      };
    };
    const right = endAt((to + 0.5) * h);
    this.ends = [endAt((from - 0.5) * h), right];
    this.largestShare = right.share;
    // Two tails of N(0, σ²) or N(1, σ²), each at least k deviations out.
    this.lost = Math.exp((-k * k) / 2) * (1 + 1e-9);
  }
}

/** Rounded down to ten bits, so that its multiples are exact. */
function roundedToTenBits(h: number): number {
  const unit = 2 ** (Math.floor(Math.log2(h)) - 10);
  return Math.floor(h / unit) * unit;
}
