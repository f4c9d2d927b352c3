// The minimum of a function of one variable that falls, then rises: bracketed by doubling, then Brent's parabolas
// [Brent1973, chapter 5].

const GOLDEN = (3 - Math.sqrt(5)) / 2;

/**
 * The least value seen of f on [low, high], f falling then rising (Infinity allowed, NaN not), starting at `start` with
 * steps of `step` that double. Stops when the bracket is narrower than 2·tolerance, or when the parabola through the last
 * points promises no more than `gain` of the value; at most ~150 evaluations.
 * Every value returned was evaluated, so an f that is a bound at every x stays one.
 */
export function minimize(
  f: (x: number) => number,
  start: number,
  low: number,
  high: number,
  step: number,
  tolerance: number,
  gain = 0,
): { x: number; value: number } {
  let x = Math.min(high, Math.max(low, start));
  let fx = f(x);
  let a = low;
  let b = high;
  // Walk downhill from the start, doubling the step, until the function rises on both sides of x.
  const walk = (direction: 1 | -1): boolean => {
    let moved = false;
    for (let size = step; ; size *= 2) {
      const next = Math.min(high, Math.max(low, x + direction * size));
      if (next === x) return moved;
      const value = f(next);
      const better = value < fx || (fx === Infinity && direction === -1);
      if (!better) {
        if (direction === 1) b = next;
        else a = next;
        return moved;
      }
      if (direction === 1) a = x;
      else b = x;
      x = next;
      fx = value;
      moved = true;
    }
  };
  if (fx === Infinity || !walk(1)) walk(-1);
  let w = x;
  let v = x;
  let fw = fx;
  let fv = fx;
  let previous = b - a;
  let last = previous;
  for (let i = 0; i < 80 && b - a > 2 * tolerance; i++) {
    const middle = 0.5 * (a + b);
    if (Math.abs(x - middle) <= 2 * tolerance - 0.5 * (b - a)) break;
    let move = Number.NaN;
    if (Math.abs(previous) > tolerance && fw < Infinity && fv < Infinity) {
      const r = (x - w) * (fx - fv);
      const s = (x - v) * (fx - fw);
      const p = (x - v) * s - (x - w) * r;
      const q = 2 * (s - r);
      const trial = q === 0 ? Number.NaN : -p / q;
      if (Math.abs(trial) < 0.5 * Math.abs(previous) && x + trial > a && x + trial < b) {
        move = trial;
        // Its curvature is the second divided difference.
        const bend = ((fw - fx) / (w - x) - (fv - fx) / (v - x)) / (w - v);
        if (bend * trial * trial <= gain * Math.abs(fx)) break;
      }
    }
    previous = last;
    if (Number.isNaN(move)) {
      previous = x < middle ? b - x : a - x;
      move = GOLDEN * previous;
    }
    if (Math.abs(move) < tolerance) move = x < middle ? tolerance : -tolerance;
    last = move;
    const u = x + move;
    const fu = f(u);
    if (fu <= fx) {
      if (u >= x) a = x;
      else b = x;
      v = w;
      fv = fw;
      w = x;
      fw = fx;
      x = u;
      fx = fu;
    } else {
      if (u < x) a = u;
      else b = u;
      if (fu <= fw || w === x) {
        v = w;
        fv = fw;
        w = u;
        fw = fu;
      } else if (fu <= fv || v === x || v === w) {
        v = u;
        fv = fu;
      }
    }
  }
  return { x, value: fx };
}
