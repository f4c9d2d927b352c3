// Tails of the binomial distribution, all terms positive.
import { UNIT_ROUNDOFF } from "./rounding.js";

/** Most terms summed. */
const MOST = 1e7;

/**
 * P(X ≥ k) and P(X < k) for X ~ Bin(n, p): n a whole number ≥ 0, p in (0, 1), k whole. Relative error of either at
 * most `relative`, but that a probability below 1e-300 is given as 1e-300. Null: more than 1e7 terms would matter.
 */
export function binomialTail(
  n: number,
  p: number,
  k: number,
): { atLeast: number; below: number; relative: number } | null {
  if (k <= 0) return { atLeast: 1, below: 0, relative: 0 };
  if (k > n) return { atLeast: 0, below: 1, relative: 0 };
  const mode = Math.min(n, Math.floor((n + 1) * p));
  const odds = p / (1 - p);
  let terms = 0;
  const sums = { atLeast: 0, below: 0 };
  const add = (j: number, term: number) => {
    if (j >= k) sums.atLeast += term;
    else sums.below += term;
  };
  // From the mode outwards, relative to the largest term, until what is left is nothing beside either sum.
  const walk = (from: number, step: 1 | -1): void => {
    let term = 1;
    for (let j = from; ; j += step) {
      if (j !== mode || step === 1) add(j, term);
      const ratio = step === 1 ? ((n - j) / (j + 1)) * odds : j / (n - j + 1) / odds;
      term *= ratio;
      // Past k the terms that follow are of one side and fall at least as fast: their sum is at most term/(1 − ratio).
      const side = step === 1 ? (j + 1 >= k ? sums.atLeast : 0) : j <= k ? sums.below : 0;
      if (term === 0 || (ratio < 1 && term < 1e-18 * (1 - ratio) * side)) return;
      if (++terms > MOST) return;
    }
  };
  walk(mode, 1);
  walk(mode, -1);
  if (terms > MOST) return null;
  const total = sums.atLeast + sums.below;
  return {
    atLeast: Math.max(sums.atLeast / total, 1e-300),
    below: Math.max(sums.below / total, 1e-300),
    relative: (6 * terms + 40) * UNIT_ROUNDOFF + 1e-17,
  };
}
