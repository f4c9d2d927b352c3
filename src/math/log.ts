// Arithmetic on logarithms: sums and differences of numbers too large or small to be held.

/** The smallest positive double that has all its digits. */
export const SMALLEST_NORMAL = 2 ** -1022;

/** log(eᵃ + eᵇ). */
export function logAddExp(a: number, b: number): number {
  const high = Math.max(a, b);
  if (high === -Infinity || high === Infinity) return high;
  return high + Math.log1p(Math.exp(Math.min(a, b) - high));
}

/** log(eᵃ − eᵇ) for a ≥ b; −Infinity when equal. */
export function logSubExp(a: number, b: number): number {
  if (!(a >= b)) throw new RangeError(`a must be >= b, got a = ${a} and b = ${b}`);
  if (b === -Infinity || a === Infinity) return a;
  return a + log1mexp(b - a);
}

/** log(1 − eˣ) for x ≤ 0, accurate at both ends: −Infinity at 0. */
export function log1mexp(x: number): number {
  if (!(x <= 0)) throw new RangeError(`x must be <= 0, got ${x}`);
  return x > -Math.LN2 ? Math.log(-Math.expm1(x)) : Math.log1p(-Math.exp(x));
}

/** log Σ exp(values): −Infinity of an empty list. */
export function logSumExp(values: readonly number[]): number {
  let high = -Infinity;
  for (const value of values) if (value > high) high = value;
  if (high === -Infinity || high === Infinity) return high;
  let sum = 0;
  for (const value of values) sum += Math.exp(value - high);
  return high + Math.log(sum);
}

/** eˣ − 1 − x ≥ 0, accurate relative to itself at every x (≈ x²/2 near 0). */
export function expm1MinusX(x: number): number {
  if (Math.abs(x) > 0.7) return Math.expm1(x) - x;
  // Horner on x²/2 · (1 + x/3 · (1 + x/4 · (…))): 0.7¹⁶·2/18! = 1e−18 is left out.
  let sum = 1;
  for (let n = 17; n >= 3; n--) sum = 1 + (x / n) * sum;
  return 0.5 * x * x * sum;
}
