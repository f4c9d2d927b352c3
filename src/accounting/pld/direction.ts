// One direction of a composition: where to tilt it, how fine to discretise it, and δ(ε) of the result with all errors.
import type { Interval } from "../accountant.js";
import { type Coarse, coarse, type Moments, momentsOf } from "./coarse.js";
import { invert } from "./invert.js";
import { discretise, type Lattice, outside, type Tilted, tilt } from "./lattice.js";
import { onceAt } from "./once.js";
import { type Body, commonSpan, type Mass, type Pair, upTo } from "./pair.js";
import { logSupremum, type Place } from "./place.js";

/** A pair and how often it happened. */
export interface Counted {
  readonly pair: Pair;
  readonly count: number;
}

export interface Effort {
  /** Relative width of ε (of δ, where ε·(slope of log δ) is small) at which refining stops. */
  readonly relativeWidth: number;
  /** Most cells of a lattice and most frequencies of a transform; a power of two. */
  readonly nodes: number;
}

/** reached: as narrow as asked for. */
interface Answer extends Interval {
  readonly reached: boolean;
}

const COARSE_CELLS = 2 ** 14;
const FIRST_CELLS = 2 ** 13;
const MOST_LEVELS = 24;
/** Where log δ changes by less than this over ε, it is δ whose width is kept to this times the one asked for. */
const LEAST_SLOPE = 0.05;
/** Periods, in units of ε, from which on the largest losses are cut off. */
const HEAVY = 20;
const MOST_CUTS = 4;
/** What δ is taken for while only an upper bound of it is known: this times the bound. */
const UNKNOWN = 1e-3;
/** log of the aliasing aimed at, relative to g. */
const ALIASING = -23;

export class Direction {
  /** Probability of a loss of +∞, from below and above. */
  readonly infinite: Interval;
  /** No finite loss is larger. */
  readonly most: number;
  /** No mechanism is known to attain this: lower ends mean nothing. */
  readonly boundOnly: boolean;
  /** Uses of all pairs together. */
  readonly steps: number;
  private readonly base: number;
  /** All losses lie on the lattice of step `base`. */
  private readonly exact: boolean;
  private readonly offsets: readonly number[];
  private readonly lattices = new Map<string, readonly Lattice[] | null>();
  private readonly rough = new Map<number, readonly Coarse[]>();
  private readonly cuts = new Map<number, Direction | null>();

  /** beyond: a bound on the probability of the losses that were cut off `parts` (see `cutAt`); they may be anything. */
  constructor(
    private readonly parts: readonly Counted[],
    private readonly effort: Effort,
    private readonly beyond = 0,
  ) {
    let log = 0;
    let most = 0;
    this.steps = parts.reduce((sum, part) => sum + part.count, 0);
    for (const { pair, count } of parts) {
      log += count * Math.log1p(-Math.min(1, pair.infinite));
      let highest = Math.max(-Infinity, ...(pair.bodies ?? []).map((body) => body.most));
      for (let i = 0; i < pair.losses.length; i++) highest = Math.max(highest, pair.losses[i]!);
      most += count * highest;
    }
    // Of one use the mass at infinity is known to the last digit, and so is the largest loss where there is no other.
    const revealing = parts.filter(({ pair }) => pair.infinite > 0);
    const single = revealing.length === 1 && revealing[0]!.count === 1 && revealing[0]!.pair.exact === true;
    const infinite = single ? revealing[0]!.pair.infinite : log === -Infinity ? 1 : 0 - Math.expm1(log);
    const off = single ? 0 : 2 ** -49;
    this.infinite = { lower: infinite * (1 - off), upper: Math.min(1, infinite * (1 + off) + beyond) };
    this.most = this.steps === 1 && parts[0]!.pair.exact ? most : most + Math.abs(most) * 2 ** -50;
    this.boundOnly = parts.some(({ pair }) => pair.bound);
    // The coarsest lattice: of the points if they have one in common, else half a standard deviation.
    let span: number | undefined = Infinity;
    this.offsets = parts.map(({ pair }) => (pair.losses.length > 0 ? pair.losses[0]! : 0));
    for (const { pair } of parts)
      if (pair.losses.length > 0 && span !== undefined)
        span =
          pair.span === undefined
            ? undefined
            : pair.span === Infinity
              ? span
              : commonSpan(span, pair.span, 1e-13 * Math.max(pair.span, span === Infinity ? 0 : span));
    const exact = span !== undefined && parts.every(({ pair }) => !pair.bodies);
    this.exact = exact;
    if (exact) this.base = span === Infinity ? 1 : span!;
    else {
      const spread = this.typical();
      this.base =
        span === undefined || span === Infinity
          ? spread
          : span * 2 ** -Math.max(0, Math.ceil(Math.log2(span / spread)));
    }
  }

  /** A first step for the lattice: half the standard deviation of one use, at most COARSE_CELLS for all losses. */
  private typical(): number {
    let variance = 0;
    let range = 0;
    for (const { pair, count } of this.parts) {
      const points = coarse(pair, 0, 1);
      const at = momentsOf(points, 0);
      const top = momentsOf(points, 1);
      variance += count * at.variance;
      range = Math.max(range, top.mean - at.mean + 12 * Math.sqrt(Math.max(at.variance, top.variance)));
    }
    return Math.max(Math.sqrt(variance / this.steps) / 2, range / COARSE_CELLS);
  }

  /** The lattices of step base·2^−level for tilts near c; null if they are too large. */
  private at(level: number, c: number): readonly Lattice[] | null {
    const octave = c <= 0.1 ? -Infinity : Math.ceil(Math.log(c) / Math.log(1.25) - 1e-9);
    const key = `${level} ${octave}`;
    let found = this.lattices.get(key);
    if (found === undefined) {
      const range =
        octave === -Infinity ? ([-1, 0.1] as const) : ([1.25 ** (octave - 1), 1.25 ** octave] as const);
      const made: Lattice[] = [];
      for (const [i, { pair }] of this.parts.entries()) {
        const lattice = discretise(
          pair,
          this.base * 2 ** -level,
          this.offsets[i]!,
          range,
          this.steps,
          this.effort.nodes,
        );
        if (lattice) made.push(lattice);
      }
      found = made.length === this.parts.length ? made : null;
      if (this.lattices.size >= 12) this.lattices.delete(this.lattices.keys().next().value!);
      this.lattices.set(key, found);
    }
    return found;
  }

  private roughAt(c: number): readonly Coarse[] {
    const octave = c <= 1 ? 0 : Math.ceil(Math.log2(c) / 2 - 1e-9);
    let points = this.rough.get(octave);
    if (!points) {
      const [low, high] = octave === 0 ? [-1, 1] : [4 ** (octave - 1), 4 ** octave];
      points = this.parts.map(({ pair }) => coarse(pair, low, high));
      this.rough.set(octave, points);
    }
    return points;
  }

  /** Of the composition: log E[e^{c·loss}], from above for c > 0, and its first two derivatives about. */
  private moments(c: number): Moments {
    const points = this.roughAt(c);
    const all = { log: 0, error: 0, mean: 0, variance: 0 };
    this.parts.forEach(({ count, pair }, i) => {
      const one = momentsOf(points[i]!, c);
      const left = Math.exp((pair.logLeftOut?.(c) ?? -Infinity) - one.log);
      all.log += count * (one.log + one.error + left + (pair.relative ?? 0));
      all.mean += count * one.mean;
      all.variance += count * one.variance;
    });
    return all;
  }

  /** log E[e^{c·loss}] of the composition for c > 0, from above: with all that lies beyond the panels. */
  private momentBound(c: number): number {
    const points = this.roughAt(c);
    let log = this.moments(c).log;
    this.parts.forEach(({ pair: { bodies = [] }, count }, i) => {
      const { log: within } = momentsOf(points[i]!, c);
      let beyond = 0;
      bodies.forEach((body, k) => {
        beyond += Math.exp(outside(body, c, ...points[i]!.ranges[k]!) - within);
      });
      log += count * Math.log1p(beyond);
    });
    return log;
  }

  /** The c at which K(c) − cε − log|c|(1 + c) is least, K = log E[e^{c·loss}], and g(ε) about. */
  private saddle(epsilon: number): { c: number; log: number; curvature: number } {
    const { mean, variance } = this.moments(0);
    const below = epsilon < mean - Math.sqrt(variance);
    // y = log c for c > 0; c = −1/(1 + e^{−y}) in (−1, 0).
    const at = (y: number): number => (below ? -1 / (1 + Math.exp(-y)) : Math.exp(y));
    let [lo, hi] = below ? [-36, 36] : [-60, 60];
    let y = below
      ? 0
      : Math.max(
          -30,
          Math.min(
            30,
            Math.log((Math.max(0, epsilon - mean) + Math.sqrt(variance)) / Math.max(variance, 1e-300)),
          ),
        );
    let best = { c: at(y), log: 0, curvature: 1 };
    for (let i = 0; i < 60; i++) {
      const c = at(y);
      const k = this.moments(c);
      if (k.log === Infinity) {
        hi = y;
        y = (lo + hi) / 2;
        continue;
      }
      const bend = k.variance + 1 / (c * c) + 1 / ((1 + c) * (1 + c));
      best = {
        c,
        log: Math.min(
          0,
          k.log - c * epsilon - Math.log(Math.abs(c)) - Math.log1p(c) - 0.5 * Math.log(2 * Math.PI * bend),
        ),
        curvature: bend,
      };
      const slope = k.mean - epsilon - 1 / c - 1 / (1 + c);
      if (slope * slope < 1e-3 * bend) break;
      const up = below ? slope < 0 : slope > 0;
      if (up) hi = y;
      else lo = y;
      const rate = bend * (below ? c * (1 + c) : c);
      let next = y + Math.max(-2, Math.min(2, -slope / rate));
      if (!(next > lo && next < hi)) next = (lo + hi) / 2;
      if (Math.abs(next - y) < 1e-9) break;
      y = next;
    }
    return best;
  }

  /** Tilt at the saddle point, or below it where a second mode of the tilted losses would need a much longer period. */
  private place(epsilon: number): Place | null {
    const { c, log } = this.saddle(epsilon);
    let best = this.placeAt(c, epsilon, log);
    for (let x = 0.7 * c; c > 0 && best && best.period * c > 60 && x > 0.02 * c; x *= 0.7) {
      // Digits lost there: the prefactor over δ.
      if (this.moments(x).log - x * epsilon - log > 14) break;
      const other = this.placeAt(x, epsilon, log);
      if (other && other.period < 0.7 * best.period) best = other;
    }
    return best && (best.c > 0 ? { ...best, logMoment2: this.momentBound(best.c2) } : best);
  }

  private placeAt(c: number, epsilon: number, log: number): Place | null {
    const b = Math.abs(c);
    const near = (-log - ALIASING) / b;
    let best: Place | null = null;
    for (const f of c > 0 ? [1.05, 1.1, 1.2, 1.4, 1.7, 2.3, 3.5, 6, 12, 40] : [0.1, 0.3, 0.6, 0.8, 1]) {
      const x = c > 0 ? b * f : -(b + (1 - b) * f);
      // Between −1 and 0 no moment exceeds 1.
      const k = c > 0 ? this.moments(x).log : 0;
      const far = k - x * epsilon + logSupremum(x) - log - ALIASING;
      if (!(far < Infinity)) break;
      const period = Math.max(near, far / (Math.abs(x) - b));
      if (!best || period < best.period) best = { c, log, period, c2: x, logMoment2: k };
      else if (period > 1.5 * best.period) break;
    }
    return best;
  }

  /** How many times the losses that matter at the tilt c are wider than the lattice's first step. */
  private cells(c: number): number {
    let cells = 1;
    for (const { losses, logP } of this.roughAt(c)) {
      let most = -Infinity;
      for (let i = 0; i < losses.length; i++) most = Math.max(most, logP[i]! + c * losses[i]!);
      let [lo, hi] = [Infinity, -Infinity];
      for (let i = 0; i < losses.length; i++)
        if (logP[i]! + c * losses[i]! > most - 60) {
          lo = Math.min(lo, losses[i]!);
          hi = Math.max(hi, losses[i]!);
        }
      cells = Math.max(cells, (hi - lo) / this.base);
    }
    return cells;
  }

  /**
   * Bounds on δ at ε ≥ 0: a pure function of both arguments. Refines until narrow enough, out of work, or proven to be
   * at most `floor`. Where rare losses are so large that one lattice cannot hold them and those that matter (low sampling
   * rates, few steps), they are cut off: each may be anything, which costs δ a bound on their probability.
   */
  deltaAt(epsilon: number, floor = -1): Interval {
    const goal = LEAST_SLOPE * this.effort.relativeWidth;
    const narrow = ({ lower, upper, reached }: Answer) =>
      reached || upper - lower <= goal * upper || upper <= floor;
    const heavy = this.steps > 1 && this.heavy(epsilon);
    let answer: Answer = heavy
      ? { lower: this.infinite.lower, upper: Math.min(1, this.chernoff(epsilon)), reached: false }
      : this.whole(epsilon, floor);
    let budget = Math.max(answer.lower, UNKNOWN * answer.upper);
    if (heavy) for (const [i] of this.parts.entries()) budget = Math.max(budget, this.jump(i, epsilon));
    const meet = ({ lower, upper, reached }: Answer): Answer => ({
      lower: Math.max(answer.lower, Math.min(lower, answer.upper)),
      upper: Math.max(answer.lower, Math.min(upper, answer.upper)),
      reached,
    });
    for (let round = 0; round < MOST_CUTS && !narrow(answer); round++) {
      const cut = budget > 0 ? this.cutAt(0.1 * goal * budget) : null;
      if (!cut) break;
      answer = meet(cut.whole(epsilon, floor));
      // Another cut only where this one was far from what it may cost.
      const next = Math.max(answer.lower, UNKNOWN * answer.upper);
      if (next > 0.1 * budget && next < 10 * budget) break;
      budget = next;
    }
    if (heavy && !narrow(answer) && answer.lower <= this.infinite.lower)
      answer = meet(this.whole(epsilon, floor));
    return answer;
  }

  /** Whether losses far larger than ε forbid the tilt at which ε would be well conditioned. */
  private heavy(epsilon: number): boolean {
    if (this.beyond > 0 || epsilon >= this.most || !this.parts.some(({ pair }) => pair.bodies)) return false;
    const place = this.place(epsilon);
    return !place || (place.c > 0 && place.period > HEAVY * epsilon);
  }

  /** δ(ε) of one use of part i, about. */
  private jump(i: number, epsilon: number): number {
    const { losses, logP } = this.roughAt(0)[i]!;
    let sum = 0;
    for (let j = 0; j < losses.length; j++)
      if (losses[j]! > epsilon) sum -= Math.exp(logP[j]!) * Math.expm1(epsilon - losses[j]!);
    return sum;
  }

  /** This composition without its largest losses, of whose probability in all uses together `beyond` ≤ budget is a bound. */
  private cutAt(budget: number): Direction | null {
    // Whole powers of 4, so that questions close to each other share their lattices.
    const power = Math.floor(Math.log(budget) / Math.log(4));
    let found = this.cuts.get(power);
    if (found === undefined) {
      let beyond = 0;
      let cut = false;
      const parts = this.parts.map(({ pair, count }) => {
        const { bodies } = pair;
        if (!bodies) return { pair, count };
        const log = Math.log(4) * power - Math.log(count * this.parts.length * bodies.length);
        const kept = bodies.map((body) => {
          const end = log > -700 && body.most > 0 ? tailStart(body, log) : undefined;
          if (!end) return body;
          cut = true;
          beyond += count * Math.exp(end.logMass) * (1 + 1e-9 + (pair.relative ?? 0));
          return upTo(body, end.from);
        });
        return { pair: { ...pair, bodies: kept }, count };
      });
      found = cut ? new Direction(parts, this.effort, beyond) : null;
      if (this.cuts.size >= 6) this.cuts.delete(this.cuts.keys().next().value!);
      this.cuts.set(power, found);
    }
    return found;
  }

  private whole(epsilon: number, floor: number): Answer {
    if (this.infinite.lower === 1 || epsilon >= this.most)
      return { lower: this.boundOnly ? 0 : this.infinite.lower, upper: this.infinite.upper, reached: true };
    if (this.steps === 1) {
      const { lower, upper } = onceAt(this.parts[0]!.pair, epsilon);
      return {
        lower: this.boundOnly ? 0 : this.infinite.lower + lower,
        upper: Math.min(1, this.infinite.upper + upper),
        reached: true,
      };
    }
    const place = this.place(epsilon);
    let answer: Interval = { lower: this.infinite.lower, upper: this.chernoff(epsilon) };
    let narrow = false;
    if (!place) return { lower: this.boundOnly ? 0 : answer.lower, upper: answer.upper, reached: false };
    // Lattices that would be too fine for the losses that matter here start coarser, those too coarse for the tilt finer.
    const coarser = Math.min(0, -Math.ceil(Math.log2(this.cells(place.c) / FIRST_CELLS)));
    const finer = Math.min(MOST_LEVELS - 1, Math.ceil(Math.log2((this.base * Math.abs(place.c)) / 4)));
    const first = this.exact ? 0 : Math.max(coarser, finer);
    let reached = first - 1;
    let tooFine = MOST_LEVELS;
    for (let level = first; level > reached; ) {
      const lattices = this.at(level, place.c);
      const parts = lattices?.map((lattice, i): [Tilted, number, number] => [
        tilt(lattice, place.c),
        this.parts[i]!.count,
        lattice.spread,
      ]);
      const now = parts && invert(parts, place, epsilon, this.infinite, this.effort.nodes);
      if (!now) {
        // As fine as the work allows.
        tooFine = level;
        level = Math.floor((reached + level) / 2);
        continue;
      }
      reached = level;
      answer = { lower: Math.max(answer.lower, now.lower), upper: Math.min(answer.upper, now.upper) };
      const { lower, upper } = answer;
      if (upper <= floor) break;
      const g = place.c > 0 ? upper - this.infinite.upper : 1 - lower;
      const width = this.boundOnly ? now.gain / g : (upper - lower) / g;
      // The slope of log g is about c, near the largest loss half of it.
      const slope = Math.abs(place.c) * (this.most < Infinity ? 0.5 : 1);
      const goal = this.effort.relativeWidth * Math.max(LEAST_SLOPE, slope * epsilon);
      narrow = width <= goal;
      if (narrow || !now.improves) break;
      level += Math.max(1, Math.min(4, Math.ceil(0.5 * Math.log2(width / goal))));
      level = Math.min(level, tooFine - 1);
    }
    return {
      lower: this.boundOnly ? 0 : Math.min(answer.lower, answer.upper),
      upper: answer.upper,
      reached: narrow,
    };
  }

  /** δ(ε) ≤ P(ℓ = ∞) + inf E[e^{c(ℓ − ε)}]·sup (1 − e^{−y})₊e^{−cy}: what holds where no lattice is fine enough. */
  private chernoff(epsilon: number): number {
    const { c } = this.saddle(epsilon);
    if (!(c > 0)) return 1;
    const log = this.momentBound(c) - c * epsilon + logSupremum(c);
    const bound = Math.exp(log + 1e-9 * (1 + Math.abs(log) + c * epsilon));
    return Number.isNaN(bound) ? 1 : Math.min(1, this.infinite.upper + bound + Number.MIN_VALUE);
  }

  /** log δ(ε), about: where to start a search, and which direction to ask first. */
  estimate(epsilon: number): number {
    if (this.heavy(epsilon)) {
      const budget = Math.max(...this.parts.map((_, i) => this.jump(i, epsilon)));
      const cut = budget > 0 ? this.cutAt(1e-3 * budget) : null;
      if (cut) return cut.estimate(epsilon);
    }
    if (epsilon >= this.most) return Math.log(this.infinite.upper);
    const { c, log } = this.saddle(epsilon);
    const finite = c > 0 ? Math.exp(log) : 1 - Math.exp(log);
    return this.infinite.upper > 0
      ? Math.log(Math.min(1, this.infinite.upper + finite))
      : c > 0
        ? log
        : Math.log(finite);
  }
}

/** Some x beyond which the P-mass is at most e^log, and that mass; undefined if the body ends before. */
function tailStart(body: Body, log: number): { from: number; logMass: number } | undefined {
  const mass: Mass = { logP: 0, ratio: 0 };
  const massFrom = (x: number): number => {
    body.mass(x, body.to, mass);
    return mass.logP;
  };
  const [low, high] = body.extent(0);
  let above = Math.max(low, body.from);
  let below = Math.min(high, body.to);
  while (massFrom(below) > log) {
    if (below >= body.to || below > high + 1000) return undefined;
    above = below;
    below = Math.min(body.to, below + 4);
  }
  for (let i = 0; i < 60 && below - above > 1e-3; i++) {
    const middle = above + (below - above) / 2;
    if (massFrom(middle) > log) above = middle;
    else below = middle;
  }
  return below < body.to ? { from: below, logMass: massFrom(below) } : undefined;
}
