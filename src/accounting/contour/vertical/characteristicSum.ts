// log of the characteristic function of the tilted total loss at equally spaced nodes u_j = jh along the line
// (docs/math-contour.md, theorem 5): φ(u)^T for each mixture, whose exponent T multiplies relative errors, so that φ is
// never formed but by
//
//   φ(u) − 1 = Σ p_i(e^{iuℓ_i} − 1),   ℓ_i centred losses of the tilted law.
//
// d = e^{iθ} − 1 starts from −2sin²(θ/2) + i sin θ and advances by d ← d + (ρ + dρ), ρ = e^{ihℓ} − 1, afresh every BLOCK
// nodes: its error stays relative to θ. Per unit of u the error of φ is
//
//   perU = u(50 + 18 + n/32 + 24)·Σp|ℓ| + Σ p·η·|ℓ| + Σ p·e      (u unit round-off, η of p, e of ℓ),
//
// and that of T log|φ| is T log(1 + error/|φ|).
//
//   p_i, ℓ_i  tilted law (`tilt.p`, `tilt.loss`)      T  how often the step is taken
//   θ         uℓ_i                                    h  distance of the nodes (`step`)
//   n         points of the law                       d, ρ  (dr, di) and (rr, ri), one of each per point
//
// Why not e^{iθ} by itself: it errs by u of 1, while e^{iθ} − 1 here errs by u of θ, and only that sums to an error of φ
// that is small beside 1 − |φ|, which T multiplies.
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";
import type { QuadratureStep } from "./quadratureStep.js";
import type { TiltedLaw } from "./stepMgf.js";

/** Nodes between two fresh starts, and points of a block of the sum. */
const BLOCK = 32;

/**
 * log Π φ(u_j)^T over the mixtures taken in so far. All nodes at once, point after point inside: work is points ×
 * nodes.
 */
export class CharacteristicSum {
  /** log|φ| and arg φ, with their exponents, summed over the mixtures. */
  readonly logRe: Float64Array;
  readonly logIm: Float64Array;
  /** Σ T log(1 + error/|φ|): the relative error that the product has picked up, as a logarithm. */
  readonly logError: Float64Array;

  constructor(
    nodes: number,
    private readonly step: number,
  ) {
    this.logRe = new Float64Array(nodes);
    this.logIm = new Float64Array(nodes);
    this.logError = new Float64Array(nodes);
  }

  /**
   * Why perU: a fresh d errs by at most 14.3uθ, ρ by 12.1u of the angle of one step; a step of the recurrence adds u(6.7 of
   * that angle + θ), and |1 + d| = 1 does not magnify what is there: 50uθ after 31 steps. Products, sums of 16 terms, of
   * two of them and of n/32 blocks: u(18 + n/32). log by log1p and arg by atan2 are relative to |d|/|φ|: 24u in all.
   *
   * Takes in one mixture, T times; quadrature: the rule in x that its law was made by.
   */
  add(T: number, tilt: TiltedLaw, quadrature: QuadratureStep): void {
    const { step, logRe, logIm, logError } = this;
    const { p, loss } = tilt;
    const n = p.length;
    const nodes = logRe.length;
    // ρ = rr + i·ri, how far e^{iuℓ} − 1 advances in one node; d = dr + i·di at the node in hand.
    const rr = new Float64Array(n);
    const ri = new Float64Array(n);
    const dr = new Float64Array(n);
    const di = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      const half = Math.sin((step * loss[i]!) / 2);
      rr[i] = -2 * half * half;
      ri[i] = Math.sin(step * loss[i]!);
    }
    // Recurrence, sum and logarithm; weights; losses.
    const perU =
      UNIT_ROUNDOFF * (BLOCK + 18 + BLOCK / 2 + 2 + n / BLOCK + 24) * tilt.spread +
      tilt.weightError +
      tilt.lossError;
    for (let j = 0; j < nodes; j++) {
      // Afresh: d = e^{iuℓ} − 1 by its definition, so that the recurrence's error never has more than 31 steps to grow.
      if (j % BLOCK === 0) {
        const u = j * step;
        for (let i = 0; i < n; i++) {
          const half = Math.sin((u * loss[i]!) / 2);
          dr[i] = -2 * half * half;
          di[i] = Math.sin(u * loss[i]!);
        }
      }
      // φ − 1 = Σ p d, in blocks, each of two interleaved sums.
      let sr = 0;
      let si = 0;
      for (let start = 0; start < n; start += BLOCK) {
        const end = Math.min(n, start + BLOCK);
        let ar = 0;
        let ai = 0;
        let br = 0;
        let bi = 0;
        let i = start;
        for (; i + 1 < end; i += 2) {
          const x = dr[i]!;
          const y = di[i]!;
          const a = rr[i]!;
          const b = ri[i]!;
          ar += p[i]! * x;
          ai += p[i]! * y;
          dr[i] = x + (a + (x * a - y * b));
          di[i] = y + (b + (x * b + y * a));
          const x2 = dr[i + 1]!;
          const y2 = di[i + 1]!;
          const a2 = rr[i + 1]!;
          const b2 = ri[i + 1]!;
          br += p[i + 1]! * x2;
          bi += p[i + 1]! * y2;
          dr[i + 1] = x2 + (a2 + (x2 * a2 - y2 * b2));
          di[i + 1] = y2 + (b2 + (x2 * b2 + y2 * a2));
        }
        // The odd one at the end of a block.
        if (i < end) {
          const x = dr[i]!;
          const y = di[i]!;
          ar += p[i]! * x;
          ai += p[i]! * y;
          dr[i] = x + (rr[i]! + (x * rr[i]! - y * ri[i]!));
          di[i] = y + (ri[i]! + (x * ri[i]! + y * rr[i]!));
        }
        sr += ar + br;
        si += ai + bi;
      }
      // log1p where φ is near 1; where it is not, what cancels in it would be lost.
      const log =
        sr > -0.5
          ? 0.5 * Math.log1p(2 * sr + sr * sr + si * si)
          : 0.5 * Math.log(Math.max(1e-300, (1 + sr) * (1 + sr) + si * si));
      // T·log|φ| and T·arg φ: the argument may be of any size, as only e^{i·argument} is used.
      logRe[j]! += T * log;
      logIm[j]! += T * Math.atan2(si, 1 + sr);
      const u = j * step;
      // Three errors: of rounding, growing with u; of the rule in x at this u; of what the law left out. At u = 0 φ is 1
      // by definition.
      const error =
        u * perU + (u > 0 ? Math.exp(Math.min(0, quadrature.logError(u))) * 2.002 + 2 * tilt.dropped : 0);
      logError[j]! += T * Math.log1p(error / Math.exp(log));
    }
  }
}
