// Finds the boundary of what a budget allows: the last x whose cost still fits, in about ten evaluations.
export interface Search {
  /** Cost ≥ 0 at x, monotone in x; Infinity where nothing is guaranteed, never NaN. */
  cost(x: number): number;
  /** The budget, > 0 and finite. */
  readonly target: number;
  /** A guess, and the range of x, all > 0. */
  readonly start: number;
  /** About |d log cost / d log x| there, > 0: how far to step first. Default 1. */
  readonly slope?: number;
  readonly least: number;
  readonly most: number;
  /** True if cost rises with x (steps, batch size), false if it falls (noise multiplier). */
  readonly rising: boolean;
  /** Only whole x. */
  readonly whole?: boolean;
  /** Costs in [target·(1 − slack), target] end the search. Default 1e-9: well inside what anybody reads, well above round-off. */
  readonly slack?: number;
  /** Whether costs that close end a search among whole x too, where the next x may fit as well. Default: not. */
  readonly nearly?: boolean;
  /** Asked before each further evaluation once an x fits: if true, the dearest seen so far is the answer. */
  stop?(): boolean;
}

export interface Found {
  readonly x: number;
  readonly cost: number;
  /** The search was stopped: a dearer x may fit too. */
  readonly stopped?: true;
}

/** Ends this close (relative) are one place for everybody: where cost jumps there, the search ends too. */
const CLOSE = 1e-11;

/**
 * An x with cost(x) ≤ target that cannot be moved towards more cost by anything that matters: x is the end of its range,
 * or what is next to it (one part in 10¹¹; the next whole number) costs too much, or, for x that need not be whole,
 * cost(x) ≥ target·(1 − slack).
 * Only evaluated x are returned; of a search that was stopped, the dearest that fits so far. undefined if even the cheapest end of the range costs more than target.
 *
 * Works on u = ±log x, in which cost rises, with f(u) = log(cost/target): nearly a straight line for DP-SGD, so that
 * regula falsi with the Anderson–Björck factor needs few evaluations; bisection wherever f is infinite or progress is slow.
 */
export function searchBoundary(search: Search): Found | undefined {
  const { target, rising, whole = false, slack = 1e-9, nearly = !whole } = search;
  const sign = rising ? 1 : -1;
  const clamp = (x: number): number => Math.min(search.most, Math.max(search.least, x));
  const toU = (x: number): number => sign * Math.log(x);
  const toX = (u: number): number => {
    const x = clamp(Math.exp(sign * u));
    return whole ? clamp(Math.round(x)) : x;
  };
  const cheapest = rising ? search.least : search.most;
  const dearest = rising ? search.most : search.least;

  // inside: the dearest x seen that fits. outside: the cheapest x seen that does not.
  let inside: (Found & { u: number; f: number }) | undefined;
  let outside: (Found & { u: number; f: number }) | undefined;
  const evaluate = (x: number): { x: number; cost: number; u: number; f: number } => {
    const cost = search.cost(x);
    if (Number.isNaN(cost)) throw new RangeError(`cost at ${x} is NaN`);
    // Aims at the middle of the accepted band, so that round-off on either side of it still ends the search.
    const point = { x, cost, u: toU(x), f: Math.log(cost / target) + slack / 2 };
    if (cost <= target) inside = point;
    else outside = point;
    return point;
  };
  // Among whole numbers it is the next one that says whether x is the last that fits.
  const done = (): boolean => nearly && inside !== undefined && inside.cost >= target * (1 - slack);
  const stopped = (): boolean => inside !== undefined && search.stop?.() === true;

  // Grow a bracket from the guess; stride 1 in u is a factor e in x.
  let point = evaluate(whole ? clamp(Math.round(search.start)) : clamp(search.start));
  const { slope: firstSlope = 1 } = search;
  let stride = Math.min(2, Math.max(whole ? 0 : 1e-8, (1.2 * Math.abs(point.f)) / firstSlope));
  if (!Number.isFinite(stride)) stride = 1;
  while (!done() && !(inside && outside)) {
    const end = inside ? dearest : cheapest;
    if (point.x === end) return inside;
    if (stopped()) return { ...inside!, stopped: true };
    let next = toX(point.u + (inside ? stride : -stride));
    // The stride can be lost in rounding to whole numbers: move by one then.
    if (whole && next === point.x) next = clamp(point.x + (end > point.x ? 1 : -1));
    const before = point;
    point = evaluate(next);
    const slope = (point.f - before.f) / (point.u - before.u);
    stride =
      Number.isFinite(slope) && slope > 0.05
        ? Math.min(4 * stride, Math.max(0.3 * stride, (1.3 * Math.abs(point.f)) / slope))
        : Math.min(3, 2 * stride);
    if (!(stride > 1e-9)) stride = 1e-9;
  }

  // Regula falsi between the two. fInside and fOutside are the values used for the chord.
  let fInside = inside?.f ?? 0;
  let fOutside = outside?.f ?? 0;
  let lastFits: boolean | undefined;
  let lastWidth = Infinity;
  let slow = 0;
  for (let i = 0; i < 300 && !done(); i++) {
    const a = inside!;
    const b = outside!;
    const [low, high] = a.x < b.x ? [a.x, b.x] : [b.x, a.x];
    if (whole ? high - low <= 1 : high - low <= CLOSE * high) break;
    // A jump of the accountant's bound between ends this close is not worth thirty more evaluations.
    if (!whole && high - low <= 1e-6 * high && b.cost > 1.001 * a.cost) break;
    slow = Math.abs(b.u - a.u) > 0.5 * lastWidth ? slow + 1 : 0;
    lastWidth = Math.abs(b.u - a.u);
    let u = (a.u * fOutside - b.u * fInside) / (fOutside - fInside);
    if (slow >= 3 || !((u - a.u) * (u - b.u) < 0)) {
      u = (a.u + b.u) / 2;
      slow = 0;
    }
    let x = toX(u);
    if (whole) x = Math.min(high - 1, Math.max(low + 1, x));
    else if (!(x > low && x < high)) x = low + (high - low) / 2;
    if (x === low || x === high) break;
    if (stopped()) return { ...a, stopped: true };

    const now = evaluate(x);
    const fits = now.cost <= target;
    // Anderson-Björck: an end that stays for a second time is weighed down by how far the other moved.
    const factor = 1 - now.f / (fits ? fInside : fOutside);
    const weight = lastFits !== fits ? 1 : factor > 0 && factor < 1 ? factor : 0.5;
    if (fits) {
      fInside = now.f;
      fOutside *= weight;
    } else {
      fOutside = now.f;
      fInside *= weight;
    }
    lastFits = fits;
  }
  return inside;
}
