// Root finding for monotone predicates and functions, always ending on a side that was evaluated.

/**
 * The boundary of a monotone predicate on [lo, hi]: ok(hi) is true, ok(lo) false (neither is called at the ends).
 * Returns the smallest argument seen for which ok holds, within relative width `tolerance` of one for which it does not.
 * At most 2,100 evaluations even over the whole range of doubles (each halves the interval in value or in logarithm).
 */
export function bisectPredicate(
  ok: (x: number) => boolean,
  lo: number,
  hi: number,
  tolerance: number,
): number {
  let bad = lo;
  let good = hi;
  for (let i = 0; i < 2100; i++) {
    const width = Math.abs(good - bad);
    if (width <= tolerance * Math.max(Math.abs(good), Math.abs(bad))) break;
    // Far-apart ends of one sign are halved in the logarithm: relative width is what counts.
    const apart = good * bad > 0 && (good / bad > 4 || bad / good > 4);
    const middle = apart
      ? Math.sign(good) * Math.sqrt(Math.abs(good)) * Math.sqrt(Math.abs(bad))
      : bad + (good - bad) / 2;
    if (middle === good || middle === bad) break;
    if (ok(middle)) good = middle;
    else bad = middle;
  }
  return good;
}

/**
 * The same by plain halving, between numbers of like size: at most `steps` evaluations, or until the two sides are
 * `tolerance` apart, relatively to the larger argument `good`.
 */
export function halve(
  ok: (x: number) => boolean,
  bad: number,
  good: number,
  steps: number,
  tolerance = 0,
): number {
  let low = bad;
  let high = good;
  for (let i = 0; i < steps && high - low > tolerance * high; i++) {
    const middle = (low + high) / 2;
    if (ok(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/**
 * A root of a continuous f with f(lo)·f(hi) ≤ 0, by safeguarded regula falsi (Illinois): returns the bracket
 * [lower, upper] of it, of relative width ≤ tolerance, both ends evaluated. f may be ±Infinity, never NaN.
 */
export function bracketRoot(
  f: (x: number) => number,
  lo: number,
  hi: number,
  tolerance: number,
  maximumEvaluations = 200,
): { lower: number; upper: number } {
  let a = lo;
  let b = hi;
  let fa = f(a);
  let fb = f(b);
  if (Number.isNaN(fa) || Number.isNaN(fb) || fa * fb > 0)
    throw new RangeError(`no sign change between f(${lo}) = ${fa} and f(${hi}) = ${fb}`);
  let side = 0;
  for (let i = 0; i < maximumEvaluations && b - a > tolerance * Math.max(Math.abs(a), Math.abs(b)); i++) {
    // Regula falsi with the Illinois halving, and a plain bisection every third time: superlinear, never worse than 3 × bisection.
    let x = (a * fb - b * fa) / (fb - fa);
    if (i % 3 === 2 || !(x > a && x < b)) x = a + (b - a) / 2;
    if (x === a || x === b) break;
    const fx = f(x);
    if (Number.isNaN(fx)) throw new RangeError(`f(${x}) is NaN`);
    if (fx === 0) return { lower: x, upper: x };
    if (fx * fb > 0) {
      b = x;
      fb = fx;
      if (side === 1) fa /= 2;
      side = 1;
    } else {
      a = x;
      fa = fx;
      if (side === -1) fb /= 2;
      side = -1;
    }
  }
  return { lower: a, upper: b };
}
