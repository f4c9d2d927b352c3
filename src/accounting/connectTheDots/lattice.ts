// Connect-the-dots [Doroshenko2022]: the mass of each cell of a lattice of losses goes to the cell's two ends, so that
// its P-mass and its Q-mass both stay: the least pair on the lattice that dominates the given one
// (docs/math-connect-the-dots.md, theorem 1); and its masses tilted by e^{cℓ}, whose transforms are what is composed.
//
//   h  step of the lattice; cell j is [ℓ_j, ℓ_j + h), ℓ_j = offset + (first + j)h
//   p, q   P-mass and Q-mass of a cell; log(p/q) is known without cancellation (`Mass.ratio`)
//   up     share of p that goes to the upper end: (1 − (q/p)e^{ℓ_j})/(1 − e^{−h})
//
// That keeps both masses: of p·up at ℓ_j + h and p(1 − up) at ℓ_j the Q-masses are p·up·e^{−ℓ_j − h} and p(1 − up)e^{−ℓ_j},
// whose sum is q.
//
// Why it dominates: the law of ℓ + X, X the way to the end, has E[e^{−X}] = 1 within each cell, as the Q-mass stays; (1
// − e^{ε−y})₊ is convex in e^{−y}. One use at a time, with the others given: so for a whole composition.
//
//   c         tilt; e^{cℓ}/M weighs the masses       M     E_P[e^{cℓ}] on the lattice
//   moved     what a boundary, a point or log(p/q) may be off by     relative  error of a mass, relative to itself
//
// Sizes: a share that rounding makes wrong moves mass by a whole step, and so changes e^{cℓ} by e^{ch} at most; a
// boundary that is off by `moved` moves losses by as much. Both enter the transform with |c + iu|, as |e^{zℓ} − e^{zℓ′}|
// ≤ |z||ℓ − ℓ′| times the larger modulus. Errors of masses enter by themselves (docs/math-connect-the-dots.md, theorem
// 3).
//
// Edges: a point that lies on the lattice stays there (up = 0); one cell may hold points and stretches of several
// bodies, whose masses add up and whose errors are the largest of theirs; a pair without bodies has no tail beyond its
// lattice, but for what was left out of its points.
import { logAddExp } from "../../math/log.js";
import { UNIT_ROUNDOFF } from "../../math/rounding.js";
import type { DominatingPair, LossBody, Mass } from "./pair.js";

/** Panels of the bound on what lies outside of the lattice. */
const PANEL = 0.25;
const MAXIMUM_PANELS = 4000;

/**
 * Of a cell with mass p and share up: p(1 − up) lies at its lower end, p·up at its upper one.
 */
export interface Lattice {
  readonly step: number;
  /** Loss of the lower end of cell j: offset + (first + j)·step. */
  readonly offset: number;
  readonly first: number;
  /** log P-mass of cell j, and the share of it that goes to the upper end. */
  readonly logP: Float64Array;
  readonly up: Float64Array;
  /** Error of logP, and by how much the loss of the mass may really lie elsewhere. */
  readonly relative: Float64Array;
  readonly moved: Float64Array;
  /** What moving to the ends adds to a loss varies by at most this: step, or 0 if all lay on the lattice. */
  readonly spread: number;
  /** log of a bound on E_P[e^{c·loss}] over what is not on the lattice. */
  logTail(c: number): number;
}

/**
 * Theorem 1: the pair so made dominates, also under composition. Given ℓ, the end ℓ + X to which its mass goes has
 * E[e^{−X} | ℓ] = 1 once masses are grouped, and (1 − e^{ε−y})₊ is convex in e^{−y}: Jensen's inequality, one use at a time.
 *
 * For tilts c in [low, high], low ≥ −1; what is left out there is below e^{−60}/uses of the whole. Null: too large.
 *
 * Rounding: masses to 16u(8 + |log p| + |log q|), and `relative` of the pair; losses to what Newton's boundary misses,
 * and to 4u of a step for the share. Both are carried along, cell by cell, to `tilt`.
 */
export function discretise(
  pair: DominatingPair,
  step: number,
  offset: number,
  [low, high]: readonly [number, number],
  uses: number,
  mostCells: number,
): Lattice | null {
  const { bodies = [], relative: own = 0 } = pair;
  const index = (loss: number): number => (loss - offset) / step;
  let first = Infinity;
  let last = -Infinity;
  // A point that lies on the lattice but for rounding is left there, and the distance counted in `moved`: otherwise all
  // of its mass would be spread over a step.
  const placeOf = (i: number): number => {
    // Within rounding of a lattice point is on it.
    const at = index(pair.losses[i]!);
    const nearest = Math.round(at);
    return Math.abs(at - nearest) * step <= 1e-12 * (Math.abs(pair.losses[i]!) + step) ? nearest : at;
  };
  for (let i = 0; i < pair.losses.length; i++) {
    const j = Math.floor(placeOf(i));
    if (j < first) first = j;
    if (j > last) last = j;
  }
  // Of each body the stretch that matters at both ends of the range of tilts.
  const ranges = bodies.map((body): [number, number] => {
    // Together the uses leave out e^−60 of the moment.
    const budget = 60 + Math.log(uses);
    // From the outermost of the ends at both tilts.
    const a = trimmed(body, low, budget);
    const b = trimmed(body, high, budget);
    const from = Math.min(a[0], b[0]);
    const to = Math.max(a[1], b[1]);
    first = Math.min(first, Math.floor(index(body.loss(from))));
    last = Math.max(last, Math.ceil(index(body.loss(to))) - 1);
    return [from, to];
  });
  // From the least loss that matters to the largest.
  const cells = last - first + 1;
  // Also where a loss is not finite.
  if (!(cells <= mostCells)) return null;
  // Masses of points and bodies that meet in a cell add up; their shares are averaged by mass, their errors are the largest.
  const logP = new Float64Array(cells).fill(-Infinity);
  const up = new Float64Array(cells);
  const relative = new Float64Array(cells);
  const moved = new Float64Array(cells);
  let spread = 0;
  const put = (j: number, log: number, share: number, error: number, displacement: number): void => {
    // log of the mass of both; the share is the mean by mass.
    const sum = logAddExp(logP[j]!, log);
    up[j] = up[j]! + (share - up[j]!) * Math.exp(log - sum);
    logP[j] = sum;
    relative[j] = Math.max(relative[j]!, error + own + 4 * UNIT_ROUNDOFF);
    moved[j] = Math.max(moved[j]!, displacement + (share > 0 ? 4 * UNIT_ROUNDOFF * step : 0));
    // What lies on the lattice does not move, so V has no part of it.
    if (share > 0) spread = step;
  };
  // e^{−h} − 1.
  const fall = Math.expm1(-step);
  /** The share b/p of P-mass p that goes up, from log(p/q): (1 − (q/p)·e^ℓ)/(1 − e^{−h}). */
  // expm1(ℓ_j − ratio)/expm1(−h): for narrow cells both are small, and their quotient keeps its digits.
  const share = (j: number, ratio: number): number =>
    Math.min(1, Math.max(0, Math.expm1(offset + (first + j) * step - ratio) / fall));
  for (let i = 0; i < pair.losses.length; i++) {
    const at = placeOf(i);
    const j = Math.floor(at) - first;
    const loss = pair.losses[i]!;
    const log = pair.logP[i]!;
    // Of log p, of the loss and of log q = log p − ℓ.
    const error = 16 * UNIT_ROUNDOFF * (8 + Math.abs(log) + Math.abs(loss));
    // How far the point was moved to be on the lattice.
    const snapped = Math.abs(index(loss) - at) * step;
    put(j, log, at === j + first ? 0 : share(j, loss), error, error + snapped);
  }
  // Bodies cell by cell: x runs along with the losses, as the loss rises in x. The boundary where the loss is ℓ_{j+1} is
  // found by Newton steps; by how much the loss there misses it is the displacement of both cells beside it.
  const mass: Mass = { logP: 0, ratio: 0 };
  bodies.forEach((body, k) => {
    const [from, to] = ranges[k]!;
    // The first and the last cell that the stretch of the body touches.
    const begin = Math.floor(index(body.loss(from))) - first;
    const end = Math.max(begin + 1, Math.ceil(index(body.loss(to))) - first);
    let a = from;
    let near: number | undefined;
    let displacementBefore = 0;
    for (let j = begin; j < end; j++) {
      // ℓ_{j+1}: up to there the cell reaches.
      const loss = offset + (first + j + 1) * step;
      const b = j === end - 1 ? to : Math.min(to, Math.max(a, body.inverse(loss, near)));
      // The miss of ℓ at the boundary found, and the rounding of ℓ itself. At the end of the stretch nothing lies beyond
      // that could be missed.
      const displacement =
        b === to ? 0 : Math.abs(body.loss(b) - loss) + 8 * UNIT_ROUNDOFF * (1 + Math.abs(loss));
      // log p and log(p/q) of the cell, by the body's own formula.
      if (b > a) {
        body.mass(a, b, mass);
        if (mass.logP > -Infinity) {
          const error = 16 * UNIT_ROUNDOFF * (8 + Math.abs(mass.logP) + Math.abs(mass.logP - mass.ratio));
          put(j, mass.logP, share(j, mass.ratio), error, error + Math.max(displacement, displacementBefore));
        }
      }
      // The next cell is about as wide.
      near = j > begin ? b + (b - a) : b;
      a = b;
      displacementBefore = displacement;
    }
    spread = step;
  });
  const { logLeftOut } = pair;
  return {
    step,
    offset,
    first,
    logP,
    up,
    relative,
    moved,
    spread,
    logTail: (c) =>
      bodies.reduce(
        (sum, body, k) => logAddExp(sum, outside(body, c, ...ranges[k]!)),
        logLeftOut ? logLeftOut(c) : -Infinity,
      ),
  };
}

/**
 * Bounds on a tilted body, panel by panel: E_P[e^{c·loss}] over a panel is at most its P-mass times the larger end of e^{c·loss}.
 *
 * |x| beyond the extent falls like e^{−12|x|}: what lies there is at most the density at the end over 12.
 */
interface Panels {
  readonly from: number;
  readonly width: number;
  /** log of bounds on the tilted mass of each panel; first and last with all that lies beyond. */
  readonly logs: Float64Array;
  /** Whether the body goes on below the first panel, and above the last. */
  readonly open: readonly [boolean, boolean];
}

/**
 * E_P[e^{c·loss}] from above, panel by panel.
 *
 * e^{cℓ} is monotone along the body: its largest value on a panel is at an end. 1e-12 covers rounding.
 */
function panels(body: LossBody, c: number): Panels {
  const [a, b] = body.extent(c);
  const from = Math.max(a, body.from);
  const to = Math.min(b, body.to);
  const count = Math.min(MAXIMUM_PANELS, Math.max(1, Math.ceil((to - from) / PANEL)));
  const width = (to - from) / count;
  const logs = new Float64Array(count);
  let lossBefore = c * body.loss(from);
  for (let i = 0; i < count; i++) {
    const end = from + (i + 1) * width;
    const after = c * body.loss(end);
    logs[i] = body.logMassBound(end - width, end) + Math.max(lossBefore, after) + 1e-12;
    lossBefore = after;
  }
  // Beyond, at most the density at the end ÷ 12. A panel's bound is its width times the largest density, so
  // that what lies beyond adds at most a share of 1/(12·width) to it.
  const beyond = Math.log1p(1 / (12 * width));
  if (from > body.from) logs[0] = logs[0]! + beyond;
  if (to < body.to) logs[count - 1] = logs[count - 1]! + beyond;
  return { from, width, logs, open: [from > body.from, to < body.to] };
}

/**
 * The panels from either end whose bounds add up to less than the budget are dropped: the middle stretch, without ends
 * of which each is at most e^{−budget} of the bound.
 *
 * limit is e^−budget of the sum of all panels' bounds.
 */
function trimmed(body: LossBody, c: number, budget: number): [number, number] {
  const { from, width, logs } = panels(body, c);
  const limit = logs.reduce(logAddExp, -Infinity) - budget;
  let first = 0;
  let last = logs.length - 1;
  for (let sum = logs[0]!; first < last && sum < limit; sum = logAddExp(sum, logs[first]!)) first++;
  for (let sum = logs[last]!; last > first && sum < limit; sum = logAddExp(sum, logs[last]!)) last--;
  return [from + first * width, from + (last + 1) * width];
}

/**
 * log of a bound on E_P[e^{c·loss}] over x outside of [lo, hi].
 *
 * Panels that reach outside count whole: an upper bound. 1e-9 of a width is the rounding of the panels' own ends.
 */
export function outside(body: LossBody, c: number, lo: number, hi: number): number {
  const { from, width, logs, open } = panels(body, c);
  let sum = -Infinity;
  logs.forEach((log, i) => {
    const slack = 1e-9 * width;
    // The panel begins before lo, or ends after hi, or the body goes on beyond it.
    const lossBefore = from + i * width < lo - slack || (i === 0 && open[0]);
    const after = from + (i + 1) * width > hi + slack || (i === logs.length - 1 && open[1]);
    if (lossBefore || after) sum = logAddExp(sum, log);
  });
  return sum;
}

/**
 * The lattice masses under P·e^{c·loss}, scaled to sum to 1.
 *
 * |φ̂(u) − φ(u)| ≤ e0 + |c + iu|·e1 for the law tilted by e^{cℓ}, before what the transform itself errs by.
 */
export interface TiltedLattice {
  readonly step: number;
  /** Mass at point j, j = 0 … cells. */
  readonly p: Float64Array;
  /** The point near which the mass is, and its loss. */
  readonly centre: number;
  readonly centreLoss: number;
  /** log E_P[e^{c(loss − reference)}] on the lattice. */
  readonly log: number;
  readonly reference: number;
  /** |error of the transform at c + iu| ≤ e0 + |c + iu|·e1. */
  readonly e0: number;
  readonly e1: number;
}

/**
 * The masses p_j e^{c·loss}/M at the lattice's points, M = E_P[e^{c·loss}] on the lattice, each cell's mass at its two ends.
 * Their errors (theorem 3): e0, the weighted relative errors, what lies outside of the lattice and the rounding of sums;
 * e1, the weighted displacements, times e^{ch} since a wrong share moves mass by one step.
 *
 *   mass at ℓ_j       p_j(1 − up_j)e^{cℓ_j}             mass at ℓ_{j+1}   p_j·up_j·e^{cℓ_j}·e^{ch}
 *   e0  Σ mass·(relative + u(8 + 4|x|))/Σ mass + tail + u(72 + n/64), x the exponent
 *   e1  Σ mass·moved/Σ mass·e^{ch}
 */
export function tilt(lattice: Lattice, c: number): TiltedLattice {
  const { step, offset, first, logP, up, relative, moved } = lattice;
  const n = logP.length;
  // The mode of p_j e^{cℓ_j}.
  let best = -Infinity;
  let mode = 0;
  for (let j = 0; j < n; j++) {
    const log = logP[j]! + c * j * step;
    if (log > best) {
      best = log;
      mode = j;
    }
  }
  // Everything relative to the mode, so that no exponent overflows.
  const p = new Float64Array(n + 1);
  // x = log of p_j e^{cℓ_j} over that of the mode.
  const top = logP[mode]!;
  const rise = Math.exp(c * step);
  let sum = 0;
  let block = 0;
  let mean = 0;
  let e0 = 0;
  let e1 = 0;
  for (let j = 0; j < n; j++) {
    const x = logP[j]! - top + c * (j - mode) * step;
    // Below, exp is 0.
    if (x > -745) {
      const mass = Math.exp(x);
      const high = mass * up[j]! * rise;
      const low = mass * (1 - up[j]!);
      p[j] = p[j]! + low;
      p[j + 1] = p[j + 1]! + high;
      const all = low + high;
      block += all;
      const at = j - mode;
      // In steps from the mode.
      mean += low * at + high * (at + 1);
      e0 += all * (relative[j]! + UNIT_ROUNDOFF * (8 + 4 * Math.abs(x)));
      e1 += mass * moved[j]!;
    }
    // In blocks of 64: the sum errs by u(64 + n/64), which e0 has.
    if (j % 64 === 63 || j === n - 1) {
      sum += block;
      block = 0;
    }
  }
  mean /= sum;
  // Losses are counted from the mean, or from the point that holds more than half: φ − 1 is small where little mass is
  // elsewhere.
  let centre = Math.round(mean) + mode;
  let largest = 0;
  for (let j = 0; j <= n; j++) {
    // A probability, to a few round-offs.
    p[j] = p[j]! / sum;
    if (p[j]! > largest) {
      largest = p[j]!;
      if (largest > 0.5) centre = j;
    }
  }
  const reference = offset + (first + mode) * step;
  const log = top + Math.log(sum);
  // E_P[e^{cℓ}] of what is not on the lattice, over M.
  const tail = Math.exp(lattice.logTail(c) - c * reference - log);
  return {
    step,
    p,
    centre,
    centreLoss: offset + (first + centre) * step,
    log,
    reference,
    e0: e0 / sum + tail + (72 + n / 64) * UNIT_ROUNDOFF,
    // A share that is off moves mass by a step; what lies on the lattice moves by its own error alone.
    e1: (e1 / sum) * (lattice.spread > 0 ? Math.exp(Math.max(0, c) * step) : 1),
  };
}
