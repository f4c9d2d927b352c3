// Random allocation (balls in bins): one of t steps, drawn uniformly, uses the record. The likelihood ratio of an epoch is
// the mean S of t independent ratios, whose law is bounded from both sides in convex order by doubling
// [FeldmanShenfeld2026] (docs/math-pld.md, theorem 10).
import { type Mass, type Pair, pointsPair } from "./pair.js";

/** Points kept of the law of a mean; the width of a result falls with its square. */
const POINTS = 2048;
/** Ratios beyond e^{±this} are not tried: doubles would not hold their moments. */
const LARGEST = 300;
/** Tilts for which a grid is fine where their mass is. */
const TILTS = [-3, 0, 1, 2, 4, 8];
const UNIT = 2 ** -53;

/** A law of likelihood ratios under Q: masses at rising values, and the P-mass at +∞. */
interface Law {
  readonly values: Float64Array;
  readonly masses: Float64Array;
  readonly infinite: number;
}

/** The pairs of an epoch: `upper` dominates it, `lower` is what it shows after its outcomes are grouped. */
export interface Allocation {
  readonly upper: Pair;
  readonly lower: Pair;
}

/**
 * `base` the pair of one use, bins ≥ 1. Null where the ratios exceed e^{300}.
 * About 2·log₂ t products of 2048² masses, twice.
 */
export function allocated(base: Pair, bins: number): Allocation | null {
  const [upper, lower] = [true, false].map((above) => {
    const one = lawOf(base, above);
    if (!one) return null;
    const levels = { count: 0 };
    const law = meanOf(one, bins, above, levels);
    // Masses multiply: their relative errors add up over the bins.
    const relative = bins * (2 * POINTS + 64) * UNIT + levels.count * 4 * UNIT;
    return pairOf(law, relative, above);
  });
  return upper && lower ? { upper, lower } : null;
}

/** The mean of `count` copies, by doubling. */
function meanOf(one: Law, count: number, above: boolean, levels: { count: number }): Law {
  if (count === 1) return one;
  const half = Math.floor(count / 2);
  const a = meanOf(one, half, above, levels);
  levels.count++;
  const twice = combined(a, a, 0.5, above);
  if (count % 2 === 0) return twice;
  levels.count++;
  return combined(twice, one, (2 * half) / count, above);
}

/** The law of weight·a + (1 − weight)·b, on a grid of its own. */
function combined(a: Law, b: Law, weight: number, above: boolean): Law {
  const few = sumsOf(a, b, weight);
  if (few) return summed(a, b, weight, few, above);
  // Where a few hundred points put the mass, so that the grid is fine there.
  const rough = summed(thinned(a), thinned(b), weight, roughGrid(a, b, weight), false);
  return summed(a, b, weight, gridFor(rough), above);
}

/** 0 and all values of weight·a + (1 − weight)·b, if they are few: then nothing moves. */
function sumsOf(a: Law, b: Law, weight: number): Float64Array | null {
  if (a.values.length * b.values.length > 4 * POINTS) return null;
  const sums = [...a.values].flatMap((x) => [...b.values].map((y) => weight * x + (1 - weight) * y));
  const rising = sums.sort((x, y) => x - y).filter((x, i) => i === 0 || x > sums[i - 1]! * (1 + 1e-13));
  return rising.length < POINTS ? Float64Array.from(rising[0]! > 0 ? [0, ...rising] : rising) : null;
}

/**
 * The sum's mass gathered in the cells of `grid` (rising, from 0). above: each cell's mass goes to its two ends, its mean
 * kept; otherwise to its mean. What lies beyond the grid: its mass to the last point, the rest of its mean to +∞.
 */
function summed(a: Law, b: Law, weight: number, grid: Float64Array, above: boolean): Law {
  const cells = grid.length;
  const mass = new Float64Array(cells);
  const excess = new Float64Array(cells);
  const other = 1 - weight;
  for (let i = 0; i < a.values.length; i++) {
    const p = a.masses[i]!;
    if (p === 0) continue;
    const x = weight * a.values[i]!;
    let k = 0;
    let start = grid[0]!;
    let end = cells > 1 ? grid[1]! : Infinity;
    let sum = 0;
    let moment = 0;
    for (let j = 0; j < b.values.length; j++) {
      const value = x + other * b.values[j]!;
      if (value >= end) {
        mass[k] = mass[k]! + p * sum;
        excess[k] = excess[k]! + p * moment;
        sum = 0;
        moment = 0;
        if (k + 1 < cells) k = cellOf(grid, value, k + 1);
        start = grid[k]!;
        end = k + 1 < cells ? grid[k + 1]! : Infinity;
      }
      sum += b.masses[j]!;
      moment += b.masses[j]! * (value - start);
    }
    mass[k] = mass[k]! + p * sum;
    excess[k] = excess[k]! + p * moment;
  }
  return gathered(grid, mass, excess, weight * a.infinite + other * b.infinite, above);
}

/** The last k ≥ from with grid[k] ≤ value, by doubling steps. */
function cellOf(grid: Float64Array, value: number, from: number): number {
  let step = 1;
  let low = from;
  while (low + step < grid.length && grid[low + step]! <= value) {
    low += step;
    step *= 2;
  }
  for (; step >= 1; step /= 2) if (low + step < grid.length && grid[low + step]! <= value) low += step;
  return low;
}

/** From the mass and Σ mass·(value − start) of each cell to points. */
function gathered(
  grid: Float64Array,
  mass: Float64Array,
  excess: Float64Array,
  infinite: number,
  above: boolean,
): Law {
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
      if (above) beyond += excess[k]!;
      else if (mass[k]! > 0) values[k] = grid[k]! + excess[k]! / mass[k]!;
    }
  }
  return { values, masses, infinite: beyond };
}

/** About 200 points of a law. */
function thinned(law: Law): Law {
  const every = Math.ceil(law.values.length / 200);
  const values: number[] = [];
  const masses: number[] = [];
  for (let i = 0; i < law.values.length; i += every) {
    let mass = 0;
    let moment = 0;
    for (let j = i; j < Math.min(i + every, law.values.length); j++) {
      mass += law.masses[j]!;
      moment += law.masses[j]! * law.values[j]!;
    }
    if (mass > 0) {
      masses.push(mass);
      values.push(moment / mass);
    }
  }
  return { values: Float64Array.from(values), masses: Float64Array.from(masses), infinite: law.infinite };
}

/** 600 points, even in the logarithm where it is far from 0, between the least and the largest sum. */
function roughGrid(a: Law, b: Law, weight: number): Float64Array {
  const positive = ({ values }: Law) => (values[0]! > 0 ? values[0]! : values[1]!);
  const least = Math.max(1e-300, weight * positive(a) + (1 - weight) * positive(b));
  const most = weight * a.values.at(-1)! + (1 - weight) * b.values.at(-1)!;
  // Even in asinh(log/s): s about the spread of the mean of the logarithm.
  const spread = Math.max(1e-6, Math.sqrt(varianceOf(a) * weight ** 2 + varianceOf(b) * (1 - weight) ** 2));
  const scale = Math.min(1, spread);
  const from = Math.asinh(Math.log(least) / scale);
  const to = Math.asinh(Math.log(most) / scale);
  const grid = new Float64Array(601);
  for (let k = 0; k < 600; k++) grid[k + 1] = Math.exp(scale * Math.sinh(from + ((to - from) * k) / 599));
  return grid;
}

/** Of min(value, 3): the spread of the bulk. */
function varianceOf({ values, masses }: Law): number {
  let sum = 0;
  values.forEach((value, i) => {
    sum += masses[i]! * (Math.min(value, 3) - 1) ** 2;
  });
  return sum;
}

/** POINTS values, dense where the mass of any of the tilts is: the density that adds least variance, ∝ (density)^{1/3}. */
function gridFor({ values, masses }: Law): Float64Array {
  const logs: number[] = [];
  const kept: number[] = [];
  values.forEach((value, i) => {
    if (masses[i]! > 0 && value > 0) {
      logs.push(Math.log(value));
      kept.push(Math.log(masses[i]!));
    }
  });
  const n = logs.length;
  if (n < 2) return Float64Array.from([0, values.at(-1)! || 1]);
  const widths = logs.map((log, i) => ((logs[i + 1] ?? log) - (logs[i - 1] ?? log)) / 2);
  const weights = new Float64Array(n);
  for (const c of TILTS) {
    const tilted = logs.map((log, i) => kept[i]! + c * log - Math.log(widths[i]!));
    const top = Math.max(...tilted);
    const roots = tilted.map((x, i) => Math.exp((x - top) / 3) * widths[i]!);
    const sum = roots.reduce((x, y) => x + y, 0);
    roots.forEach((root, i) => {
      weights[i] = weights[i]! + root / sum / TILTS.length;
    });
  }
  // A twentieth of the points evenly, so that no stretch has none.
  const range = logs.at(-1)! - logs[0]!;
  const grid = [0];
  let share = 0;
  let at = logs[0]!;
  for (let i = 0; i < n; i++) {
    const density = 0.95 * weights[i]! + (0.05 * widths[i]!) / range;
    const points = density * (POINTS - 2);
    // Points evenly over this stretch, as the running total passes whole numbers.
    while (Math.floor(share + points) > grid.length - 1) {
      const part = (grid.length - share) / points;
      grid.push(Math.exp(at + Math.min(1, Math.max(0, part)) * widths[i]!));
    }
    share += points;
    at += widths[i]!;
  }
  grid.push(Math.exp(logs.at(-1)!));
  const rising = grid.filter((value, k) => k === 0 || value > grid[k - 1]!);
  return Float64Array.from(rising);
}

/** The law of e^{loss} under Q of one use. Null where e^{loss} is out of range. */
function lawOf(base: Pair, above: boolean): Law | null {
  const entries: { start: number; end: number; mass: number; value: number }[] = [];
  let infinite = base.infinite;
  entries.push({ start: -Infinity, end: -Infinity, mass: base.unseen, value: 0 });
  for (let i = 0; i < base.losses.length; i++) {
    const loss = base.losses[i]!;
    if (!(Math.abs(loss) <= LARGEST)) return null;
    entries.push({ start: loss, end: loss, mass: Math.exp(base.logP[i]! - loss), value: Math.exp(loss) });
  }
  const into: Mass = { logP: 0, ratio: 0 };
  for (const body of base.bodies ?? []) {
    const [a, b] = body.extent(0);
    const from = Math.max(body.from, a - 8);
    const to = Math.min(body.to, b + 8);
    if (!(body.loss(to) <= LARGEST && body.loss(from) >= -LARGEST)) return null;
    for (let k = 0; k < POINTS; k++) {
      const x = from + ((to - from) * k) / POINTS;
      const y = k === POINTS - 1 ? to : from + ((to - from) * (k + 1)) / POINTS;
      body.mass(x, y, into);
      if (into.logP > -Infinity)
        entries.push({
          start: body.loss(x),
          end: body.loss(y),
          mass: Math.exp(into.logP - into.ratio),
          value: Math.exp(into.ratio),
        });
    }
    for (const [x, y] of [
      [body.from, from],
      [to, body.to],
    ] as const) {
      if (!(x < y)) continue;
      body.mass(x, y, into);
      const mass = Math.exp(into.logP - into.ratio);
      if (above && x === to) {
        // The mean to +∞, the mass to 0.
        infinite += Math.exp(into.logP);
        entries.push({ start: -Infinity, end: -Infinity, mass, value: 0 });
      } else if (mass > 0)
        entries.push({ start: -Infinity, end: -Infinity, mass, value: Math.exp(into.ratio) });
    }
  }
  const ends = [...new Set(entries.flatMap(({ start, end }) => [Math.exp(start), Math.exp(end)]))];
  const grid = Float64Array.from([0, ...ends.filter((x) => x > 0)].sort((x, y) => x - y));
  const mass = new Float64Array(grid.length);
  const excess = new Float64Array(grid.length);
  for (const { mass: m, value } of entries) {
    const k = cellOf(grid, value, 0);
    mass[k] = mass[k]! + m;
    excess[k] = excess[k]! + m * (value - grid[k]!);
  }
  return gathered(grid, mass, excess, infinite, above);
}

/** The pair (P, Q) whose ratio has that law. */
function pairOf(law: Law, relative: number, above: boolean): Pair {
  const losses: number[] = [];
  const logP: number[] = [];
  let gone = 0;
  law.values.forEach((value, k) => {
    const mass = law.masses[k]!;
    if (!(mass > 0)) return;
    if (value === 0) gone += mass;
    else {
      losses.push(Math.log(value));
      logP.push(Math.log(mass) + losses.at(-1)!);
    }
  });
  const pair = pointsPair(losses, logP, Math.min(1, law.infinite), Math.min(1, gone));
  return { ...pair, relative, bound: above };
}
