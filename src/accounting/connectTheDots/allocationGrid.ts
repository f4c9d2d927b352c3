// Where to keep the points of the laws of means of likelihood ratios: dense where it narrows δ. A rough pass with few
// points shows where the mass of each partial mean lies, given that the whole is where it matters. Nothing rests on it
// but the width of the result (docs/math-connect-the-dots.md, after theorem 10).
//
// What gathering a cell of width w costs is its probability times w² times how much δ feels it: its importance. Points are
// given ∝ (importance)^{1/3}, which makes the sum of importance/(points of the cell)² least. Importance is known for the
// whole mean first; that of a part's cell is where the whole ends up from there, with the rest independent.
import type { DominatingPair } from "./pair.js";

/** A law of likelihood ratios under Q: masses at rising values, and the P-mass at +∞. */
export interface RatioLaw {
  readonly values: Float64Array;
  readonly masses: Float64Array;
  readonly infinite: number;
}

/** A mean of `count` ratios as weight·(the mean before) + (1 − weight)·(the mean before, or one ratio). */
export interface AveragingStep {
  readonly count: number;
  readonly doubles: boolean;
  readonly weight: number;
}

export interface AllocationPlacement {
  /** For each body of the pair of one use, the coordinates between its cells, rising; finite. */
  readonly losses: readonly Float64Array[];
  /** For each step the points of its law, rising from 0. */
  readonly grids: readonly Float64Array[];
}

/** Beyond the stretches outside of which masses fall like e^{−12|x|}: there they are below 1e-120. */
const REACH = 12;
/** Cells of the rough laws. */
const ROUGH = 500;
/** Cells to either side over which importance is smoothed. */
const GAP = 2;
/** Decades of δ down to which points are given; beyond, fewer. */
const DECADES = 14;
/** Share of the points for the stretches where δ of removing, of adding, and the bulk of the law, which epochs compose. */
const SHARES = [0.5, 0.15, 0.25, 0.1] as const;

interface WeightedPoints {
  readonly masses: Float64Array;
  readonly values: Float64Array;
}

/** A law gathered in cells [grid[k], grid[k+1]), the last one open: their masses and means. */
interface RoughLaw extends WeightedPoints {
  readonly grid: Float64Array;
}

/**
 * largest: of the losses that are told apart. Null where P often shows larger ones.
 *
 * From one ratio up by rough laws of all partial means, then from the whole down: each part's importance is what it
 * ends up in.
 */
export function placeAllocation(
  base: DominatingPair,
  largest: number,
  steps: readonly AveragingStep[],
  points: number,
): AllocationPlacement | null {
  let beyond = 0;
  for (let i = 0; i < base.losses.length; i++)
    if (base.losses[i]! > largest) beyond += Math.exp(base.logP[i]!);
  for (const body of base.bodies ?? []) {
    const into = { logP: -Infinity, ratio: 0 };
    if (body.largestLoss > largest) body.mass(Math.max(body.from, body.inverse(largest)), body.to, into);
    beyond += Math.exp(into.logP);
  }
  if (!(beyond < 1e-2)) return null;
  const coordinates = (base.bodies ?? []).map((body) => {
    // Of Q and of P.
    const [from, to] = [body.extent(-1)[0] - REACH, body.extent(0)[1] + REACH];
    const [low, high] = [body.inverse(-largest), body.inverse(largest)];
    return [
      Math.max(body.from, from, Math.min(low, to)),
      Math.min(body.to, to, Math.max(high, from)),
    ] as const;
  });
  // Laws of one ratio, and of all partial means, in ROUGH cells each.
  const one = roughOf(base, coordinates);
  const laws: RoughLaw[] = [];
  let law = one;
  for (const step of steps) {
    law = roughMean(law, step.doubles ? law : one, step.weight);
    laws.push(law);
  }
  // Importance of each cell, from the whole mean down; `others`: the mean of all that is not in the part looked at.
  const total = steps.at(-1)?.count ?? 1;
  const whole = law;
  const wholes = wanted(whole);
  let importances: readonly Float64Array[] = wholes.map((importance) =>
    importance.map((x, k) => x * (widthOf(whole, k) / scaleOf(whole, k)) ** 2),
  );
  const grids: Float64Array[] = [];
  let others: { law: RoughLaw; count: number } | undefined;
  for (let i = steps.length - 1; i >= 0; i--) {
    grids[i] = gridOf(laws[i]!.grid, importances, points);
    const previous = i > 0 ? laws[i - 1]! : one;
    const count = i > 0 ? steps[i - 1]!.count : 1;
    // What this step adds to the part: another copy, or one ratio.
    const [other, otherCount] = steps[i]!.doubles ? [previous, count] : [one, 1];
    others = others
      ? {
          law: roughMean(others.law, other, others.count / (others.count + otherCount)),
          count: others.count + otherCount,
        }
      : { law: other, count: otherCount };
    importances = conditional(previous, others.law, count / total, whole, wholes);
  }
  // Ratios become coordinates of the body, where its loss is the ratio's logarithm.
  const grid = gridOf(one.grid, importances, points);
  const losses = (base.bodies ?? []).map((body, k) => {
    const [from, to] = coordinates[k]!;
    const rising = [from];
    let near: number | undefined;
    for (let j = 1; j < grid.length; j++) {
      const x = body.inverse(Math.log(grid[j]!), near);
      near = x;
      if (x > rising.at(-1)! && x < to) rising.push(x);
    }
    if (to > rising.at(-1)!) rising.push(to);
    return Float64Array.from(rising);
  });
  return { losses, grids };
}

/** The last k ≥ from with grid[k] ≤ value, by doubling steps. */
export function cellOf(grid: Float64Array, value: number, from: number): number {
  let step = 1;
  let low = from;
  while (low + step < grid.length && grid[low + step]! <= value) {
    low += step;
    step *= 2;
  }
  for (; step >= 1; step /= 2) if (low + step < grid.length && grid[low + step]! <= value) low += step;
  return low;
}

/** 0 and all values of weight·a + (1 − weight)·b, if they are fewer than `largest`: then nothing moves. */
export function sumsOf(
  a: { readonly values: Float64Array },
  b: { readonly values: Float64Array },
  weight: number,
  largest: number,
): Float64Array | null {
  if (a.values.length * b.values.length > 4 * largest) return null;
  const sums = [...a.values].flatMap((x) => [...b.values].map((y) => weight * x + (1 - weight) * y));
  const rising = sums.sort((x, y) => x - y).filter((x, i) => i === 0 || x > sums[i - 1]! * (1 + 1e-13));
  return rising.length < largest ? Float64Array.from(rising[0]! > 0 ? [0, ...rising] : rising) : null;
}

/** The law of e^{loss} under Q of one use, in ROUGH cells a body. */
function roughOf(base: DominatingPair, coordinates: readonly (readonly [number, number])[]): RoughLaw {
  const entries: [value: number, mass: number][] = [[0, base.unseen]];
  for (let i = 0; i < base.losses.length; i++)
    entries.push([Math.exp(base.losses[i]!), Math.exp(base.logP[i]! - base.losses[i]!)]);
  const into = { logP: 0, ratio: 0 };
  (base.bodies ?? []).forEach((body, k) => {
    const [from, to] = coordinates[k]!;
    for (let i = 0; i < ROUGH; i++) {
      const x = from + ((to - from) * i) / ROUGH;
      body.mass(x, from + ((to - from) * (i + 1)) / ROUGH, into);
      if (into.logP > -Infinity) entries.push([Math.exp(into.ratio), Math.exp(into.logP - into.ratio)]);
    }
  });
  entries.sort(([x], [y]) => x - y);
  const kept = entries.filter(([value, mass]) => value < Infinity && mass > 0);
  const values = Float64Array.from(kept, ([value]) => value);
  const grid = values.map((value, k) => (k === 0 ? 0 : Math.sqrt(values[k - 1]!) * Math.sqrt(value)));
  return { grid, values, masses: Float64Array.from(kept, ([, mass]) => mass) };
}

/**
 * The law of weight·a + (1 − weight)·b in cells of its own.
 *
 * Its means are kept cell by cell; no bound is.
 */
function roughMean(a: RoughLaw, b: RoughLaw, weight: number): RoughLaw {
  const grid = sumsOf(a, b, weight, ROUGH) ?? roughGrid(a, b, weight);
  const masses = new Float64Array(grid.length);
  const moments = new Float64Array(grid.length);
  for (let i = 0; i < a.values.length; i++) {
    const p = a.masses[i]!;
    let k = 0;
    for (let j = 0; j < b.values.length; j++) {
      const value = weight * a.values[i]! + (1 - weight) * b.values[j]!;
      k = cellOf(grid, value, k);
      masses[k] = masses[k]! + p * b.masses[j]!;
      moments[k] = moments[k]! + p * b.masses[j]! * (value - grid[k]!);
    }
  }
  const values = grid.map((start, k) => start + (masses[k]! > 0 ? moments[k]! / masses[k]! : 0));
  return { grid, masses, values };
}

/** ROUGH values, even in asinh((log − m)/s): m and s about the mean and the spread of the logarithm. */
function roughGrid(a: RoughLaw, b: RoughLaw, weight: number): Float64Array {
  const positive = ({ values }: RoughLaw) => values.find((value) => value > 0)!;
  const smallest = Math.max(1e-300, weight * positive(a) + (1 - weight) * positive(b));
  const largest = weight * a.values.at(-1)! + (1 - weight) * b.values.at(-1)!;
  const { mean: middle, variance } = logMoments(products(thinned(a), thinned(b), weight));
  const scale = Math.min(3, Math.max(1e-9, Math.sqrt(variance)));
  const from = Math.asinh((Math.log(smallest) - middle) / scale);
  const to = Math.asinh((Math.log(largest) - middle) / scale);
  const grid = [0];
  for (let k = 0; k < ROUGH; k++) {
    const value = Math.exp(middle + scale * Math.sinh(from + ((to - from) * k) / (ROUGH - 1)));
    if (value > grid.at(-1)!) grid.push(value);
  }
  return Float64Array.from(grid);
}

/** All sums, one by one. */
function products(a: WeightedPoints, b: WeightedPoints, weight: number): WeightedPoints {
  const values = new Float64Array(a.values.length * b.values.length);
  const masses = values.map(
    (_, n) => a.masses[Math.floor(n / b.values.length)]! * b.masses[n % b.values.length]!,
  );
  for (let n = 0; n < values.length; n++)
    values[n] =
      weight * a.values[Math.floor(n / b.values.length)]! + (1 - weight) * b.values[n % b.values.length]!;
  return { values, masses };
}

/** About 40 points of a law. */
function thinned({ values, masses }: WeightedPoints): WeightedPoints {
  const every = Math.ceil(values.length / 40);
  const count = Math.ceil(values.length / every);
  const thin = { values: new Float64Array(count), masses: new Float64Array(count) };
  for (let k = 0; k < count; k++) {
    let [mass, moment] = [0, 0];
    for (let i = k * every; i < Math.min((k + 1) * every, values.length); i++) {
      mass += masses[i]!;
      moment += masses[i]! * values[i]!;
    }
    thin.masses[k] = mass;
    thin.values[k] = mass > 0 ? moment / mass : values[k * every]!;
  }
  return thin;
}

/** Mean and variance of the logarithm, of what is positive. */
function logMoments({ values, masses }: WeightedPoints): { mean: number; variance: number } {
  let [all, sum, squares] = [0, 0, 0];
  values.forEach((value, i) => {
    const p = masses[i]!;
    if (!(value > 0 && p > 0)) return;
    const log = Math.log(value);
    all += p;
    sum += p * log;
    squares += p * log * log;
  });
  return all > 0
    ? { mean: sum / all, variance: Math.max(0, squares / all - (sum / all) ** 2) }
    : { mean: 0, variance: 1 };
}

/**
 * Of a cell; the last one, which is open, ends at its mean or at twice its start.
 *
 * Relative widths are what count: a law of means has values over many powers of ten.
 */
function widthOf({ grid, values }: RoughLaw, k: number): number {
  return (grid[k + 1] ?? Math.max(2 * grid[k]!, values[k]!)) - grid[k]!;
}

/** What widths are relative to: a value in the cell, never 0. */
function scaleOf({ grid }: RoughLaw, k: number): number {
  return k === 0 ? 0.5 * (grid[1] ?? 1) : grid[k]!;
}

/**
 * How much relative width in each cell of the law S of the whole costs: δ(ε) of removing moves by half the added variance times
 * the density at e^ε, ε by that over P(S > e^ε)·e^ε, relatively by that over ε; every decade of δ counts as much. The same
 * for adding, and the bulk, where each place counts by its probability.
 */
function wanted(law: RoughLaw): Float64Array[] {
  const { grid, masses, values } = law;
  const n = grid.length;
  const spread = Math.sqrt(logMoments({ values, masses }).variance);
  const side = (
    cells: readonly number[],
    gap: (moment: number, level: number, edge: number) => number,
  ): Float64Array => {
    const own = new Float64Array(n);
    let mass = 0;
    let moment = 0;
    let last = 0;
    for (const k of cells) {
      // Of the cells so far, all on the far side: their mass and E of the distance to the near edge of this one.
      const edge = cells === up ? grid[k]! : (grid[k + 1] ?? values[k]!);
      mass += masses[k]!;
      moment += masses[k]! * values[k]!;
      const log = Math.log(gap(moment, mass * edge, edge));
      if (mass > 0 && log < 0 && masses[k]! > 0 && last > -Infinity) {
        // log is log δ(ε) at ε = log(edge): δ = E(S − e^ε)₊, or E(1 − e^ε S)₊ for adding.
        const decades = -log / Math.LN10;
        const fade = 1 / (1 + (decades / DECADES) ** 4);
        const width = widthOf(law, k);
        const ratio = (masses[k]! * edge) / (width * mass * (Math.abs(Math.log(edge)) + 0.1 * spread));
        const gained = last === 0 ? 0 : Math.min(10, Math.abs(log - last));
        if (ratio < Infinity) own[k] = gained * fade * ratio;
      }
      last = mass > 0 ? log : 0;
    }
    return own;
  };
  const up = Array.from({ length: n }, (_, k) => n - 1 - k).filter((k) => values[k]! > 1);
  const down = Array.from({ length: n }, (_, k) => k).filter((k) => values[k]! < 1);
  return [
    side(up, (moment, level) => moment - level),
    side(down, (moment, level, edge) => (level - moment) / edge),
    masses.map((mass, k) => mass * scaleOf(law, k) ** 2),
    masses.map((mass, k) => mass * Math.min(1, scaleOf(law, k)) ** 2),
  ];
}

/**
 * The importance of the width of each cell of a part's law: by where the whole ends up, with the rest independent.
 *
 *   importance of cell i = Σ_k P(part in i, whole in k)·(importance of k ÷ mass of k)·(w·width_i/scale_k)²
 */
function conditional(
  part: RoughLaw,
  others: RoughLaw,
  weight: number,
  whole: RoughLaw,
  wholes: readonly Float64Array[],
): Float64Array[] {
  const { grid } = whole;
  const visitAll = (visit: (i: number, p: number, k: number) => void): void => {
    for (let i = 0; i < part.values.length; i++) {
      let k = 0;
      for (let j = 0; j < others.values.length; j++) {
        const p = part.masses[i]! * others.masses[j]!;
        k = cellOf(grid, weight * part.values[i]! + (1 - weight) * others.values[j]!, k);
        visit(i, p, k);
      }
    }
  };
  // What each cell of the whole holds here, which after many gatherings is not quite what it holds in the whole's law.
  const held = new Float64Array(grid.length);
  visitAll((_, p, k) => {
    held[k] = held[k]! + p;
  });
  const owns = wholes.map(() => new Float64Array(part.values.length));
  const shares = wholes.map((whole) => whole.map((x, k) => (held[k]! > 1e-290 ? x / held[k]! : 0)));
  const widths = part.grid.map((_, i) => widthOf(part, i));
  const scales = grid.map((_, k) => scaleOf(whole, k));
  visitAll((i, p, k) => {
    const width = (weight * widths[i]!) / scales[k]!;
    for (let s = 0; s < owns.length; s++) owns[s]![i] = owns[s]![i]! + p * shares[s]![k]! * width * width;
  });
  return owns;
}

/**
 * About `points` values rising from 0 to the last: a cell of importance I gets ∝ I^{1/3} of each kind's share of them, which
 * makes Σ I/(points of the cell)² least; a twentieth go evenly to all cells.
 */
function gridOf(cells: Float64Array, importances: readonly Float64Array[], points: number): Float64Array {
  const n = cells.length - 1;
  const wanted = new Float64Array(n).fill(0.05 / n);
  importances.forEach((importance, s) => {
    const density = new Float64Array(n);
    let total = 0;
    for (let k = 0; k < n; k++) {
      // Rough laws have gaps where few of their points decide: as much as the largest of the neighbours.
      let largest = 0;
      for (let j = Math.max(0, k - GAP); j <= Math.min(n, k + GAP); j++)
        largest = Math.max(largest, importance[j]!);
      density[k] = Math.cbrt(largest);
      total += density[k]!;
    }
    for (let k = 0; k < n; k++)
      wanted[k] = wanted[k]! + 0.95 * SHARES[s]! * (total > 0 ? density[k]! / total : 1 / n);
  });
  const grid = [0];
  let share = 0;
  for (let k = 0; k < n; k++) {
    const within = (points - 2) * wanted[k]!;
    const begin = share;
    share += within;
    const [start, end] = [cells[k]!, cells[k + 1]!];
    for (let next = Math.ceil(begin + 1e-9); next < share; next++) {
      const part = (next - begin) / within;
      const value = start > 0 ? start * (end / start) ** part : end * part;
      if (value > grid.at(-1)!) grid.push(value);
    }
  }
  if (cells[n]! > grid.at(-1)!) grid.push(cells[n]!);
  return Float64Array.from(grid);
}
