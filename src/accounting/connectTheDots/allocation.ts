// Random allocation (balls in bins): one of t steps, drawn uniformly, uses the record. The likelihood ratio of an epoch is
// the mean S of t independent ratios, whose law is bounded from both sides in convex order by doubling
// [FeldmanShenfeld2026] (docs/math-connect-the-dots.md, theorem 10).
//
//   S_1 = r,   S_2n = ½(S_n + S_n′),   S_{n+1} = (n S_n + r′)/(n + 1)      independent copies
//
// After each sum the law is gathered on a grid of few values. δ of either direction is E of a convex function of S, so
// moving a cell's mass to its two ends with the mean kept can only raise it (`above`), and moving it to its mean only lower
// it: both orders survive sums. Every term is positive, and nothing cancels.
//
//   t     bins (`bins`)               r, r′  likelihood ratios dP/dQ of one use, independent under Q
//   S_n   mean of n of them           w      weight of the first part of a sum (`weight`), n/(n + 1) or ½
//
// Why convex order: δ of removing is E(S − e^ε)₊ and δ of adding E(1 − e^ε S)₊, both of convex functions of S. If S ≤ S′
// in that order then also wS + (1 − w)T ≤ wS′ + (1 − w)T for an independent T, so that every sum may be gathered as it
// is made.
//
// What is lost: a regridding adds to the variance of the mean a quarter of the squared width of its cells at most, and
// relatively about as much at each of the log₂ t doublings. So the width of δ falls with the square of the points, above
// and below.
//
// Edges: ratios beyond e^{600} go to +∞ above, and below are grouped with the largest kept; Q-masses below e^−700,
// whose P-mass doubles would lose, likewise (those of ratios below 1 go to 0 and +∞ either way). Infinite losses of one
// use add up as P-mass: of a mean of t ratios each has a share of 1/t.
import { UNIT_ROUNDOFF } from "../../math/rounding.js";
import {
  type AllocationPlacement,
  type AveragingStep,
  cellOf,
  placeAllocation,
  type RatioLaw,
  sumsOf,
} from "./allocationGrid.js";
import { type DominatingPair, type Mass, pointsPair } from "./pair.js";

/** Ratios beyond e^{±this} are not told apart: doubles would not hold their moments. */
const LARGEST = 600;
/** Relative round-off of masses from which on more points are of no use. */
const ROUNDED = 1e-5;

/**
 * The pairs of an epoch: `upper` dominates it, `lower` is what it shows after its outcomes are grouped.
 *
 * δ_lower(ε) ≤ δ of the epoch ≤ δ_upper(ε), of both directions and of any number of epochs composed, but for `relative`
 * of the masses.
 */
export interface Allocation {
  readonly upper: DominatingPair;
  readonly lower: DominatingPair;
  /** More points bring the two closer. */
  readonly improves: boolean;
}

/**
 * An epoch is dominated by the mean over i of Q^{i−1} × P × Q^{t−i} against Q^t: its likelihood ratio under Q^t is S. A pair that
 * dominates at every ε can be turned into the dominated one by some randomisation (Blackwell's theorem), which may depend
 * on what came before; applied to all t coordinates one after the other.
 *
 * `base` the pair of one use, bins ≥ 1, points ≥ 256 those kept of each law: the width of a result falls with their square.
 * About 2·log₂ bins products of points² masses, twice. Null where ratios beyond e^{600} are likely.
 *
 * At t = 1 there is nothing to sum, and the pair is that of one use on its grid. Relative errors: of t factors t times
 * that of one, and 2·points·u for the sums of each cell; from ROUNDED on more points could not be seen through it.
 */
export function allocated(base: DominatingPair, bins: number, points: number): Allocation | null {
  const steps = stepsTo(bins);
  const placement = placeAllocation(base, LARGEST, steps, points);
  if (!placement) return null;
  // Without bodies, and while all sums fit, the law is exact and more points change nothing.
  let improves = base.bodies !== undefined;
  // The same sums on the same grids, gathered upward and to means.
  const [upper, lower] = [true, false].map((above) => {
    const one = lawOf(base, placement, above);
    if (!one) return null;
    let law: RatioLaw = one.law;
    steps.forEach((step, i) => {
      const other = step.doubles ? law : one.law;
      // All values of the sum themselves, where there are few: nothing moves then.
      const sums = sumsOf(law, other, step.weight, points);
      if (!sums) improves = true;
      law = summed(law, other, step.weight, sums ?? placement.grids[i]!, above);
    });
    // Masses multiply: their relative errors add up over the bins; each sum of a cell rounds as often as it has terms.
    const relative = bins * (one.relative + 2 * points * UNIT_ROUNDOFF) + steps.length * 4 * UNIT_ROUNDOFF;
    if (!(relative < ROUNDED)) improves = false;
    return pairOf(law, relative, above);
  });
  return upper && lower ? { upper, lower, improves } : null;
}

/**
 * How the mean of `count` copies is made by doubling and adding one.
 *
 *   count = 2h:      S_2h = ½(S_h + S_h′)
 *   count = 2h + 1:  S_{2h+1} = (2h·S_2h + r′)/(2h + 1)
 */
function stepsTo(count: number): AveragingStep[] {
  if (count === 1) return [];
  const half = Math.floor(count / 2);
  const steps = [...stepsTo(half), { count: 2 * half, doubles: true, weight: 0.5 }];
  if (count % 2 === 1) steps.push({ count, doubles: false, weight: (2 * half) / count });
  return steps;
}

/**
 * The law of weight·a + (1 − weight)·b, gathered in the cells of `grid` (rising, from 0). above: each cell's mass goes
 * to its two ends, its mean kept; otherwise to its mean. What lies beyond the grid: its mass to the last point, the
 * rest of its mean to +∞.
 *
 * Work is the product of both laws' points, or half of it for two copies of one law: pairs i < j count twice. Values
 * rise along j, so the cell moves to the right only.
 *
 *   mass    Σ of the probabilities of a cell        excess   Σ probability·(value − start of the cell)
 */
function summed(a: RatioLaw, b: RatioLaw, weight: number, grid: Float64Array, above: boolean): RatioLaw {
  const cells = grid.length;
  const mass = new Float64Array(cells);
  const excess = new Float64Array(cells);
  const other = 1 - weight;
  // Of two copies each two different values come in both orders. p_ip_j for i < j occurs as (i, j) and as (j, i).
  const twice = a === b;
  const { values, masses } = b;
  const scaled = values.map((value) => other * value);
  for (let i = 0; i < a.values.length; i++) {
    const p = a.masses[i]!;
    if (p === 0) continue;
    const x = weight * a.values[i]!;
    const from = twice ? i + 1 : 0;
    if (twice) {
      const k = cellOf(grid, x + scaled[i]!, 0);
      mass[k] = mass[k]! + p * p;
      excess[k] = excess[k]! + p * p * (x + scaled[i]! - grid[k]!);
    }
    const factor = twice ? 2 * p : p;
    let k = from < scaled.length ? cellOf(grid, x + scaled[from]!, 0) : 0;
    let start = grid[k]!;
    let end = k + 1 < cells ? grid[k + 1]! : Infinity;
    // Within one cell, before it is multiplied by p.
    let sum = 0;
    let moment = 0;
    for (let j = from; j < scaled.length; j++) {
      const value = x + scaled[j]!;
      // Out of the cell: what it has so far is put down.
      if (value >= end) {
        mass[k] = mass[k]! + factor * sum;
        excess[k] = excess[k]! + factor * moment;
        sum = 0;
        moment = 0;
        // Mostly the next cell.
        k++;
        if (k + 1 < cells && value >= grid[k + 1]!) k = cellOf(grid, value, k + 1);
        start = grid[k]!;
        end = k + 1 < cells ? grid[k + 1]! : Infinity;
      }
      sum += masses[j]!;
      moment += masses[j]! * (value - start);
    }
    mass[k] = mass[k]! + factor * sum;
    excess[k] = excess[k]! + factor * moment;
  }
  return gathered(grid, mass, excess, weight * a.infinite + other * b.infinite, above);
}

/**
 * From the mass and Σ mass·(value − start) of each cell to points. above: the share excess/width of the mass goes to the upper
 * end, which keeps the mean; the last cell's excess, which has no upper end, becomes P-mass at +∞. Otherwise the mass
 * goes to its mean.
 *
 *   up = mass·(mean − start)/(end − start) = excess/(end − start):   start·(mass − up) + end·up = mass·mean
 *
 * so that above no mean changes, hence no P-mass: P = E_Q[S]. min keeps rounding from taking more than all of the mass.
 */
function gathered(
  grid: Float64Array,
  mass: Float64Array,
  excess: Float64Array,
  infinite: number,
  above: boolean,
): RatioLaw {
  const cells = grid.length;
  const values = Float64Array.from(grid);
  const masses = new Float64Array(cells);
  let beyond = infinite;
  for (let k = 0; k < cells; k++) {
    if (above && k < cells - 1) {
      const up = Math.min(mass[k]!, excess[k]! / (grid[k + 1]! - grid[k]!));
      masses[k] = masses[k]! + (mass[k]! - up);
      masses[k + 1] = masses[k + 1]! + up;
    } else {
      masses[k] = masses[k]! + mass[k]!;
      // Its Q-mass at the last point, of the ratio there; what P-mass is beyond that goes to +∞: larger in convex order.
      if (above) beyond += excess[k]!;
      else if (mass[k]! > 0) values[k] = grid[k]! + excess[k]! / mass[k]!;
    }
  }
  return { values, masses, infinite: beyond };
}

/** log of Q-masses that are told apart; below, doubles would lose the P-mass that goes with them. */
const LEAST = -700;

/**
 * The law of e^{loss} under Q of one use, and the relative error of its masses. Null where no ratio is within.
 * P-mass of ratios that are too large: above, to +∞; otherwise to the cell before, whose mean rises.
 *
 *   value  e^{ratio}, the mean of r on a cell of the base's losses; mass  its Q-mass e^{logP − ratio}
 *
 * Each stretch of a body lies in a cell of its own, from one end's ratio to the other's, so its mean lies within. What
 * is too large or too unlikely goes, above, to the worse side: P-mass to +∞, Q-mass to the ratio 0; below,
 * ratios above 1 are grouped.
 */
function lawOf(
  base: DominatingPair,
  { losses }: AllocationPlacement,
  above: boolean,
): { law: RatioLaw; relative: number } | null {
  const entries: { start: number; end: number; mass: number; value: number }[] = [];
  let infinite = base.infinite;
  let relative = 0;
  let ungrouped = 0;
  const put = (logP: number, ratio: number, start: number, end: number): void => {
    const log = logP - ratio;
    // Kept: relative is the bound on the rounding of both logarithms.
    if (ratio <= LARGEST && log > LEAST) {
      entries.push({ start, end, mass: Math.exp(log), value: Math.exp(ratio) });
      relative = Math.max(relative, 16 * UNIT_ROUNDOFF * (8 + Math.abs(logP) + Math.abs(log)));
    } else if (above || ratio < 0) {
      // The mean to +∞, the mass to 0.
      infinite += Math.exp(logP);
      entries.push({ start: -Infinity, end: -Infinity, mass: Math.exp(log), value: 0 });
    } else ungrouped += Math.exp(logP);
  };
  entries.push({ start: -Infinity, end: -Infinity, mass: base.unseen, value: 0 });
  for (let i = 0; i < base.losses.length; i++)
    put(base.logP[i]!, base.losses[i]!, base.losses[i]!, base.losses[i]!);
  const into: Mass = { logP: 0, ratio: 0 };
  (base.bodies ?? []).forEach((body, k) => {
    const ends = losses[k]!;
    const last = ends.length - 1;
    for (let i = 0; i < last; i++) {
      body.mass(ends[i]!, ends[i + 1]!, into);
      if (into.logP > -Infinity) put(into.logP, into.ratio, body.loss(ends[i]!), body.loss(ends[i + 1]!));
    }
    // What lies beyond the first and the last coordinate of the grid.
    for (const [x, y] of [
      [body.from, ends[0]!],
      [ends[last]!, body.to],
    ] as const) {
      if (!(x < y)) continue;
      body.mass(x, y, into);
      if (!(into.logP > -Infinity)) continue;
      if (above && y === body.to) {
        infinite += Math.exp(into.logP);
        entries.push({ start: -Infinity, end: -Infinity, mass: Math.exp(into.logP - into.ratio), value: 0 });
      } else put(into.logP, into.ratio, -Infinity, -Infinity);
    }
  });
  if (ungrouped > 0) {
    // Outcomes grouped with those of the largest ratio.
    let largest = entries[0]!;
    for (const entry of entries) if (entry.value > largest.value) largest = entry;
    // Nothing left to group with.
    if (largest.value === 0) return null;
    largest.value += ungrouped / largest.mass;
  }
  // All cells' ends, in order, with 0 before them.
  const ends = [...new Set(entries.flatMap(({ start, end }) => [Math.exp(start), Math.exp(end)]))];
  const grid = Float64Array.from([0, ...ends.filter((x) => x > 0)].sort((x, y) => x - y));
  const mass = new Float64Array(grid.length);
  const excess = new Float64Array(grid.length);
  for (const { mass: m, value } of entries) {
    // The cell that holds the mean of r on this stretch.
    const k = cellOf(grid, value, 0);
    mass[k] = mass[k]! + m;
    excess[k] = excess[k]! + m * (value - grid[k]!);
  }
  return { law: gathered(grid, mass, excess, infinite, above), relative: relative + (base.relative ?? 0) };
}

/**
 * The pair (P, Q) whose ratio has that law.
 *
 * Q-mass `mass` at the ratio `value` has P-mass mass·value; at the ratio 0 it is what P never shows.
 */
function pairOf(law: RatioLaw, relative: number, above: boolean): DominatingPair {
  const losses: number[] = [];
  const logP: number[] = [];
  let unseen = 0;
  law.values.forEach((value, k) => {
    const mass = law.masses[k]!;
    if (!(mass > 0)) return;
    if (value === 0) unseen += mass;
    else {
      losses.push(Math.log(value));
      logP.push(Math.log(mass) + losses.at(-1)!);
    }
  });
  const pair = pointsPair(losses, logP, Math.min(1, law.infinite), Math.min(1, unseen));
  return { ...pair, relative, bound: above };
}
