// Characteristic functions of tilted lattice masses at equally spaced frequencies, with bounds on their errors
// (docs/math-connect-the-dots.md, theorem 3).
//
//   φ(u_k) − 1 = Σ_j (p_j − e_j)e^{iu_k(j − centre)h},   u_k = 2πk/(Nh):
//
// p the tilted masses, e the unit mass at the centre, so that small differences from 1 keep their digits. All frequencies
// by one transform of length N, whose error is at most fftError(N)·√N·‖p − e‖₂; or the lowest few one by one.
//
//   N  frequencies of a period (`nodes`)     h  step of the lattice     T  uses (`count`, `times`)
//   e₀, e₁  errors of the masses and of their places (`TiltedLattice`)
import { fftError, realFft } from "../../math/fft.js";
import { halve } from "../../math/roots.js";
import { ULP, UNIT_ROUNDOFF } from "../../math/rounding.js";
import type { TiltedLattice } from "./lattice.js";

/** log of what is too small to matter in a mean over frequencies, as the largest of them is 1. */
export const NEGLIGIBLE = -75;
/** Most products of a lattice point and a frequency where frequencies are taken one by one: about 1 ns each. */
const MAXIMUM_PRODUCTS = 2e7;

/**
 * φ − 1 at frequencies 2πk/(N·step), k = 0 … re.length − 1, φ the transform of p around its centre.
 *
 * Why φ − 1: T multiplies relative errors of φ, and where one mass is nearly 1 all the digits of the others are in φ −
 * 1.
 */
export interface Spectrum {
  readonly re: Float64Array;
  readonly im: Float64Array;
  /** Bound on the round-off at each frequency; the masses' own errors come on top. */
  readonly error: number;
}

/**
 * All frequencies up to N/2, N a power of two. Masses farther out than a period fold onto it: the transform does not
 * see the difference.
 *
 * The transform errs by fftError(N)·√N·‖p − e‖₂ [Higham2002, Theorem 24.2], and folding by an ulp for each time that
 * masses wrap around.
 */
export function fullSpectrum(tilted: TiltedLattice, nodes: number): Spectrum {
  const x = new Float64Array(nodes);
  const { p, centre } = tilted;
  for (let j = 0; j < p.length; j++) {
    const at = (((j - centre) % nodes) + nodes) % nodes;
    x[at] = x[at]! + p[j]!;
  }
  x[0] = x[0]! - 1;
  let squares = 0;
  for (const value of x) squares += value * value;
  // How many masses at most meet at one place.
  const wraps = 1 + p.length / nodes;
  return { ...realFft(x), error: (fftError(nodes) + wraps * ULP) * Math.sqrt(nodes * squares) * 1.001 };
}

const BLOCK = 32;

/**
 * The first `count` frequencies of N, one by one: for few of them among very many.
 *
 * x ← x·e^{iα} + (p_j − e_j) from the last point of a block to its first, α = 2πk/N; the block's sum is then turned by
 * e^{iα(start − centre)}. At k = 0 the sum is 0: masses add up to 1.
 *
 *   work   count·cells products, where a transform of N takes N log₂ N
 *   error  u(6·32 + 4·turns + cells/32 + 16)·Σ|p − e|, turns the largest angle of a block at the highest frequency
 */
export function lowSpectrum(tilted: TiltedLattice, nodes: number, count: number): Spectrum {
  const { p, centre } = tilted;
  const re = new Float64Array(count);
  const im = new Float64Array(count);
  let weight = Math.abs(p[centre]! - 1);
  for (let j = 0; j < p.length; j++) if (j !== centre) weight += p[j]!;
  for (let k = 1; k < count; k++) {
    const angle = (2 * Math.PI * k) / nodes;
    const c = Math.cos(angle);
    const s = Math.sin(angle);
    let sumRe = 0;
    let sumIm = 0;
    // Blocks by Horner's rule, each turned to its place by an angle computed afresh.
    for (let start = 0; start < p.length; start += BLOCK) {
      let x = 0;
      let y = 0;
      for (let j = Math.min(start + BLOCK, p.length) - 1; j >= start; j--) {
        const t = x * c - y * s + p[j]! - (j === centre ? 1 : 0);
        y = x * s + y * c;
        x = t;
      }
      const turn = angle * (start - centre);
      const tc = Math.cos(turn);
      const ts = Math.sin(turn);
      sumRe += x * tc - y * ts;
      sumIm += x * ts + y * tc;
    }
    re[k] = sumRe;
    im[k] = sumIm;
  }
  // Horner: 5 roundings a step; angles: 4u·|angle·(start − centre)| ≤ 4uπ·cells·k/N at worst; then the sum of blocks.
  // The largest angle of a block, at the highest frequency.
  const turns = (2 * Math.PI * count * p.length) / nodes;
  const error = UNIT_ROUNDOFF * (6 * BLOCK + 4 * turns + p.length / BLOCK + 16) * weight;
  return { re, im, error };
}

/**
 * |φ(u) − φ(v)| ≤ |u − v|·E|ℓ − centre|, and 1 − |φ|² = E[1 − cos u(ℓ − ℓ′)]: what is negligible on a fine enough grid is so in
 * between, and near 0 the product falls as its variance says.
 *
 * How many of the lowest of N frequencies to take, so that the mean of the product's modulus over the others is at
 * most `tail` (docs/math-connect-the-dots.md, theorem 3). Null: more than the work allows, or than a full transform costs.
 *
 *   size      frequencies of the coarse grid, 32 times E|ℓ − centre| in steps, so that the slack is about a tenth
 *   slack     (π/size)·E|ℓ − centre| + the transform's error + e₀ + |c + iu|e₁
 *   far       from here on the grid proves the product to be below e^NEGLIGIBLE
 *   μ₄        fourth central moment; E(ℓ − ℓ′)² = 2σ², E(ℓ − ℓ′)⁴ = 2μ₄ + 6σ⁴
 */
export function cutFrequencies(
  uses: readonly { readonly lattice: TiltedLattice; readonly count: number }[],
  c: number,
  nodes: number,
  mostNodes: number,
): { count: number; tail: number } | null {
  // Fine enough for a slack of a tenth.
  let size = 1024;
  for (const { lattice: t } of uses) {
    let distance = 0;
    for (let j = 0; j < t.p.length; j++) distance += t.p[j]! * Math.abs(j - t.centre);
    while (size < 32 * distance && size < mostNodes) size *= 2;
  }
  // Two proofs of where the product is negligible for good. On a grid of `size` frequencies: between two of them |φ| changes
  // by at most half their distance times E|ℓ − centre|, the slack. Near 0, where the grid is too coarse to see the fall:
  // 1 − |φ|² ≥ u²σ² − u⁴(2μ₄ + 6σ⁴)/24, which falls in u up to `end`.
  const logs = new Float64Array(size / 2 + 1);
  const h = uses[0]!.lattice.step;
  const expansions: { times: number; second: number; fourth: number; error: number; end: number }[] = [];
  for (const { lattice: t, count: times } of uses) {
    const { re, im, error } = fullSpectrum(t, size);
    let [distance, mean, variance, fourth] = [0, 0, 0, 0];
    t.p.forEach((p, j) => {
      distance += p * Math.abs(j - t.centre);
      mean += p * (j - t.centre);
    });
    t.p.forEach((p, j) => {
      const square = (j - t.centre - mean) ** 2;
      variance += p * square;
      fourth += p * square * square;
    });
    const own = t.e0 + (Math.abs(c) + Math.PI / h) * t.e1;
    // |φ(u) − φ(v)| ≤ |u − v|·E|ℓ − centre|.
    const slack = (Math.PI / size) * distance * (1 + 1e-9) + error + own;
    for (let k = 0; k < logs.length; k++) {
      const square = Math.max(-1, 2 * re[k]! + re[k]! ** 2 + im[k]! ** 2);
      const modulus = Math.sqrt(1 + square);
      // T log(|φ̂| + slack).
      logs[k] =
        logs[k]! +
        times *
          (modulus > slack ? 0.5 * Math.log1p(square) + Math.log1p(slack / modulus) : Math.log(2 * slack));
    }
    // 1 − |φ|² = E[1 − cos u(ℓ − ℓ′)] ≥ (u²/2)E(ℓ − ℓ′)² − (u⁴/24)E(ℓ − ℓ′)⁴, falling while u² ≤ end².
    const second = variance * (1 - 1e-9);
    // cos x ≥ 1 − x²/2 and ≤ 1 − x²/2 + x⁴/24: the second is what bounds 1 − |φ|² from below.
    const quartic = ((2 * fourth + 6 * variance * variance) / 24) * (1 + 1e-9);
    expansions.push({ times, second, fourth: quartic, error: own, end: Math.sqrt(second / (2 * quartic)) });
  }
  // One past the last grid frequency at which the product is not negligible.
  let first = logs.length;
  while (first > 0 && logs[first - 1]! < NEGLIGIBLE) first--;
  // In units of 1/h: from here on the grid proves it.
  const far = ((first + 0.5) * 2 * Math.PI) / size;
  // Uses whose expansion does not reach to `far` count as |φ| ≤ 1.
  const bound = (u: number): number => {
    let log = 0;
    for (const { times, second, fourth, error, end } of expansions)
      if (far <= end) log += times * (0.5 * Math.log1p(u * u * (fourth * u * u - second)) + 2 * error);
    return log;
  };
  const provenAt = (u: number): boolean => bound(u) < NEGLIGIBLE;
  // The smallest u from which the expansion proves it, up to where the grid takes over.
  const cut = provenAt(far) ? halve(provenAt, 0, far, 60) : far;
  const count = Math.min(nodes / 2 + 1, Math.ceil((cut * nodes) / (2 * Math.PI)) + 1);
  const cells = uses.reduce((sum, { lattice }) => sum + lattice.p.length, 0);
  return count * cells <= (nodes > mostNodes ? MAXIMUM_PRODUCTS : 3 * nodes * Math.log2(nodes))
    ? { count, tail: 2 * Math.exp(NEGLIGIBLE) }
    : null;
}
