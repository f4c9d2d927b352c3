// Where a falling function crosses a value: both sides of the crossing evaluated.

/** Evaluations, at most. */
const MAXIMUM_EVALUATIONS = 60;

const logit = (p: number): number => Math.log(p) - Math.log1p(-p);

/** above: an argument at which f ≤ the value (or `largest`, where that is known); below: one at which f > it, or 0. */
export interface Crossing {
  readonly below: number;
  readonly above: number;
}

export interface CrossingSearch {
  /** An argument from which on f is known to be at most the value; may be Infinity. */
  readonly largest: number;
  /** Where to begin. */
  readonly start: number;
  /** Relative distance of both sides, if f is monotone and work allows. */
  readonly tolerance: number;
  /** |df/dx| about there (of logit f for a probability). */
  readonly firstSlope?: number;
}

/**
 * Where a falling probability f on x ≥ 0 crosses p: by secant steps in logit f, which is nearly a line where f is a tail.
 * f may be rough, never NaN.
 */
export function probabilityCrossing(f: (x: number) => number, p: number, search: CrossingSearch): Crossing {
  return zeroCrossing((x) => logit(f(x)) - logit(p), search);
}

/** Where a falling function on x ≥ 0 crosses 0; it may have either sign and be infinite, never NaN. */
export function zeroCrossing(
  f: (x: number) => number,
  { largest, start, tolerance, firstSlope }: CrossingSearch,
): Crossing {
  let below = 0;
  let above = largest;
  let x = start > 0 && start < largest ? start : largest < Infinity ? largest / 2 : 1;
  let last: { readonly x: number; readonly y: number } | null = null;
  for (let i = 0; i < MAXIMUM_EVALUATIONS; i++) {
    const y = f(x);
    if (y <= 0) above = x;
    else below = x;
    if (above < Infinity && above - below <= tolerance * above) break;
    // Nothing between here and 0 but 0 itself?
    if (i > 8 && below === 0 && f(0) <= 0) return { below: 0, above: 0 };
    const slope = last ? (y - last.y) / (last.x - x) : (firstSlope ?? Math.max(1, Math.abs(y)) / x);
    // Aim a little past the crossing, so that it gets enclosed.
    let next = x + y / slope + Math.sign(y || -1) * 0.4 * tolerance * x;
    if (!(slope > 0 && Math.abs(y) < Infinity) || i % 8 === 7) next = Number.NaN;
    if (above === Infinity) next = Math.min(4 * x, next > x ? next : 2 * x);
    else if (!(next > below && next < above))
      next = above > 4 * below ? Math.sqrt(Math.max(below, above / 1e4) * above) : (below + above) / 2;
    if (Number.isFinite(y)) last = { x, y };
    if (!(next > below && next < above)) break;
    x = next;
  }
  return { below, above };
}
