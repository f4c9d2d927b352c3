// Where a falling δ(ε) crosses a value: both sides of the crossing evaluated.

const logit = (delta: number): number => Math.log(delta) - Math.log1p(-delta);

/**
 * above: an ε with f(ε) ≤ δ (or `most`, where that is known); below: one with f(ε) > δ, or 0; they are `tolerance`
 * apart, relatively, if f is monotone and work allows (60 evaluations). f may be rough, never NaN.
 * firstSlope: |d logit f/dε| about there.
 */
export function crossing(
  f: (epsilon: number) => number,
  delta: number,
  most: number,
  start: number,
  tolerance: number,
  firstSlope?: number,
): { below: number; above: number } {
  return search((x) => logit(f(x)) - logit(delta), most, start, tolerance, firstSlope);
}

/** The same for any falling function of either sign, which may be infinite. */
export function search(
  f: (epsilon: number) => number,
  most: number,
  start: number,
  tolerance: number,
  firstSlope?: number,
): { below: number; above: number } {
  let below = 0;
  let above = most;
  let x = start > 0 && start < most ? start : most < Infinity ? most / 2 : 1;
  let before: { x: number; y: number } | null = null;
  for (let i = 0; i < 60; i++) {
    const y = f(x);
    if (y <= 0) above = x;
    else below = x;
    if (above < Infinity && above - below <= tolerance * above) break;
    // Nothing between here and 0 but 0 itself?
    if (i > 8 && below === 0 && f(0) <= 0) return { below: 0, above: 0 };
    const slope = before ? (y - before.y) / (before.x - x) : (firstSlope ?? Math.max(1, Math.abs(y)) / x);
    // Aim a little past the crossing, so that it gets enclosed.
    let next = x + y / slope + Math.sign(y || -1) * 0.4 * tolerance * x;
    if (!(slope > 0 && Math.abs(y) < Infinity) || i % 8 === 7) next = Number.NaN;
    if (above === Infinity) next = Math.min(4 * x, next > x ? next : 2 * x);
    else if (!(next > below && next < above))
      next = above > 4 * below ? Math.sqrt(Math.max(below, above / 1e4) * above) : (below + above) / 2;
    if (Number.isFinite(y)) before = { x, y };
    if (!(next > below && next < above)) break;
    x = next;
  }
  return { below, above };
}
