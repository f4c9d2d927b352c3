// The discrete Fourier transform of a real list of power-of-two length, with a proven bound on its round-off.
import { UNIT_ROUNDOFF } from "./rounding.js";

/** e^{2πik/n}, k < n/2, for the lengths in use. */
const tables = new Map<number, { cos: Float64Array; sin: Float64Array }>();

function twiddles(n: number): { cos: Float64Array; sin: Float64Array } {
  let table = tables.get(n);
  if (!table) {
    const cos = new Float64Array(n / 2);
    const sin = new Float64Array(n / 2);
    for (let k = 0; k < n / 2; k++) {
      cos[k] = Math.cos((2 * Math.PI * k) / n);
      sin[k] = Math.sin((2 * Math.PI * k) / n);
    }
    table = { cos, sin };
    if (tables.size > 3) tables.delete(tables.keys().next().value!);
    tables.set(n, table);
  }
  return table;
}

/** X_k = Σ_j z_j e^{+2πijk/n} in place, n a power of two. */
function transform(re: Float64Array, im: Float64Array): void {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j]!, re[i]!];
      [im[i], im[j]] = [im[j]!, im[i]!];
    }
  }
  const { cos, sin } = twiddles(n);
  for (let size = 2; size <= n; size *= 2) {
    const half = size / 2;
    const stride = n / size;
    for (let start = 0; start < n; start += size)
      for (let a = start, t = 0; a < start + half; a++, t += stride) {
        const b = a + half;
        const c = cos[t]!;
        const s = sin[t]!;
        const x = re[b]! * c - im[b]! * s;
        const y = re[b]! * s + im[b]! * c;
        re[b] = re[a]! - x;
        im[b] = im[a]! - y;
        re[a] = re[a]! + x;
        im[a] = im[a]! + y;
      }
  }
}

/**
 * X_k = Σ_j x_j e^{+2πijk/n} for k = 0 … n/2, n = x.length ≥ 4 a power of two. Overwrites nothing.
 * Guarantee: ‖error‖₂ ≤ {@link fftError}(n)·‖X‖₂, ‖X‖₂ = √n·‖x‖₂ over all n frequencies.
 */
export function realFft(x: Float64Array): { re: Float64Array; im: Float64Array } {
  const n = x.length;
  const half = n / 2;
  // Even places as real parts, odd ones as imaginary parts: half the length.
  const zr = new Float64Array(half);
  const zi = new Float64Array(half);
  for (let j = 0; j < half; j++) {
    zr[j] = x[2 * j]!;
    zi[j] = x[2 * j + 1]!;
  }
  transform(zr, zi);
  const { cos, sin } = twiddles(n);
  const re = new Float64Array(half + 1);
  const im = new Float64Array(half + 1);
  for (let k = 0; k <= half; k++) {
    const a = k % half;
    const b = (half - k) % half;
    const er = 0.5 * (zr[a]! + zr[b]!);
    const ei = 0.5 * (zi[a]! - zi[b]!);
    const or = 0.5 * (zi[a]! + zi[b]!);
    const oi = 0.5 * (zr[b]! - zr[a]!);
    const c = k === half ? -1 : cos[k]!;
    const s = k === half ? 0 : sin[k]!;
    re[k] = er + or * c - oi * s;
    im[k] = ei + or * s + oi * c;
  }
  return { re, im };
}

/**
 * [Higham2002, Theorem 24.2] ‖error‖₂ ≤ L·η/(1 − L·η)·‖X‖₂ with L levels, η = μ + γ₄(√2 + μ), μ ≤ 9u the error of the
 * twiddles. The half-length trick costs two more levels at most. η ≤ 16u, u = 2⁻⁵³.
 */
export function fftError(n: number): number {
  return (Math.log2(n) + 2) * 16 * UNIT_ROUNDOFF * 1.001;
}
