// One direction of a composition: how fine to discretise it, and δ(ε) of the result with all errors
// (docs/math-connect-the-dots.md, theorems 1 to 6).
//
// One answer refines: a lattice of step base·2^−level is tilted at the saddle point and inverted, until the interval is as
// narrow as asked or a finer lattice costs too much. Intervals of all levels hold, so they are intersected. Where that
// fails there is the Chernoff bound; one use has no lattice at all. Where losses far larger than ε forbid the tilt at
// which ε would be well conditioned, they are cut off (theorem 5), and their probability is added to the upper end.
//
//   ε, δ   as asked                       L   total loss              V   ΣT h²/4, of what discretising adds
//   T, k   uses of a pair, its number     c   tilt at the saddle      m   mass at ℓ = +∞ of one use
import type { Interval } from "../accountant.js";
import { logSupremum } from "../hockeyStickSupremum.js";
import type { LatticeUse } from "./inversion.js";
import { invert } from "./inversion.js";
import { discretise, type Lattice, tilt } from "./lattice.js";
import { commonSpan, type LossBody, type Mass, upTo } from "./pair.js";
import { lossPanels, tiltedMomentsOf } from "./roughMoments.js";
import { onceAt } from "./singleUse.js";
import { type CountedPair, Tilts } from "./tilts.js";

export interface Effort {
  /** Relative width of ε (of δ, where ε·(slope of log δ) is small) at which refining stops. */
  readonly relativeWidth: number;
  /** Most cells of a lattice and most frequencies of a transform; a power of two. */
  readonly nodes: number;
}

/** reached: as narrow as asked for. */
interface DeltaBounds extends Interval {
  readonly reached: boolean;
}

const COARSE_CELLS = 2 ** 14;
const FIRST_CELLS = 2 ** 13;
const MAXIMUM_LEVELS = 24;
/** Where log δ changes by less than this over ε, it is δ whose width is kept to this times the one asked for. */
const LEAST_SLOPE = 0.05;
/** Periods, in units of ε, from which on the largest losses are cut off. */
const HEAVY = 20;
const MAXIMUM_CUTS = 4;
/** What δ is taken for while only an upper bound of it is known: this times the bound. */
const UNKNOWN = 1e-3;

/**
 * One direction of a composition: everything that a question about it needs, with lattices kept from one question to
 * the next.
 *
 * P(ℓ = ∞) = 1 − Π(1 − m)^T is apart from the lattice, and added to both ends; all else is of the finite losses.
 */
export class LatticeDirection {
  /** Probability of a loss of +∞, from below and above. */
  readonly infinite: Interval;
  /** No finite loss is larger. */
  readonly largestLoss: number;
  /** No mechanism is known to attain this: lower ends mean nothing. */
  readonly boundOnly: boolean;
  /** Uses of all pairs together. */
  readonly steps: number;
  private readonly base: number;
  /** All losses lie on the lattice of step `base`. */
  private readonly exact: boolean;
  private readonly offsets: readonly number[];
  private readonly tilts: Tilts;
  private readonly lattices = new Map<string, readonly Lattice[] | null>();
  private readonly cuts = new Map<number, LatticeDirection | null>();

  /** beyond: a bound on the probability of the losses that were cut off `parts` (see `cutAt`); they may be anything. */
  constructor(
    private readonly parts: readonly CountedPair[],
    private readonly effort: Effort,
    private readonly beyond = 0,
  ) {
    this.tilts = new Tilts(parts);
    let log = 0;
    let largest = 0;
    this.steps = parts.reduce((sum, part) => sum + part.count, 0);
    for (const { pair, count } of parts) {
      // log of the probability that no use shows its infinite loss; the largest losses add up.
      log += count * Math.log1p(-Math.min(1, pair.infinite));
      let highest = Math.max(-Infinity, ...(pair.bodies ?? []).map((body) => body.largestLoss));
      for (let i = 0; i < pair.losses.length; i++) highest = Math.max(highest, pair.losses[i]!);
      largest += count * highest;
    }
    // Of one use the mass at infinity is known to the last digit, and so is the largest loss where there is no other.
    const revealing = parts.filter(({ pair }) => pair.infinite > 0);
    const [first, second] = revealing;
    const single = second === undefined && first?.count === 1 && first.pair.exact === true;
    const infinite = single ? first.pair.infinite : log === -Infinity ? 1 : 0 - Math.expm1(log);
    // Outward, with what was cut off in the upper end: it may hold anything.
    const rounding = single ? 0 : 2 ** -49;
    this.infinite = {
      lower: infinite * (1 - rounding),
      upper: Math.min(1, infinite * (1 + rounding) + beyond),
    };
    this.largestLoss =
      this.steps === 1 && parts[0]?.pair.exact ? largest : largest + Math.abs(largest) * 2 ** -50;
    this.boundOnly = parts.some(({ pair }) => pair.bound);
    // The coarsest lattice: of the points if they have one in common, else half a standard deviation.
    let span: number | undefined = Infinity;
    this.offsets = parts.map(({ pair }) => pair.losses[0] ?? 0);
    for (const { pair } of parts)
      if (pair.losses.length > 0 && span !== undefined)
        span =
          pair.span === undefined
            ? undefined
            : pair.span === Infinity
              ? span
              : commonSpan(span, pair.span, 1e-13 * Math.max(pair.span, span === Infinity ? 0 : span));
    // Then V = 0, and lower ends lose nothing to discretising.
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

  /**
   * A first step for the lattice: half the standard deviation of one use, at most COARSE_CELLS for all losses.
   */
  private typical(): number {
    let variance = 0;
    let range = 0;
    for (const { pair, count } of this.parts) {
      const points = lossPanels(pair, 0, 1);
      const at = tiltedMomentsOf(points, 0);
      const top = tiltedMomentsOf(points, 1);
      variance += count * at.variance;
      range = Math.max(range, top.mean - at.mean + 12 * Math.sqrt(Math.max(at.variance, top.variance)));
    }
    return Math.max(Math.sqrt(variance / this.steps) / 2, range / COARSE_CELLS);
  }

  /**
   * The lattices of step base·2^−level for tilts near c; null if they are too large.
   *
   * A lattice serves tilts between 1.25^{k−1} and 1.25^k, or up to 0.1: what it leaves out is negligible at both ends
   * of the range.
   */
  private latticesAt(level: number, c: number): readonly Lattice[] | null {
    const octave = c <= 0.1 ? -Infinity : Math.ceil(Math.log(c) / Math.log(1.25) - 1e-9);
    const key = `${level} ${octave}`;
    let remembered = this.lattices.get(key);
    if (remembered === undefined) {
      const range =
        octave === -Infinity ? ([-1, 0.1] as const) : ([1.25 ** (octave - 1), 1.25 ** octave] as const);
      const lattices: Lattice[] = [];
      for (const [i, { pair }] of this.parts.entries()) {
        const lattice = discretise(
          pair,
          this.base * 2 ** -level,
          this.offsets[i]!,
          range,
          this.steps,
          this.effort.nodes,
        );
        if (lattice) lattices.push(lattice);
      }
      remembered = lattices.length === this.parts.length ? lattices : null;
      if (this.lattices.size >= 12) this.lattices.delete(this.lattices.keys().next().value!);
      this.lattices.set(key, remembered);
    }
    return remembered;
  }

  /**
   * Bounds on δ at ε ≥ 0: a pure function of both arguments. Refines until narrow enough, out of work, or proven to be
   * at most `floor`. Where rare losses are so large that one lattice cannot hold them and those that matter (low sampling
   * rates, few steps), they are cut off: each may be anything, which costs δ a bound on their probability.
   *
   * Why budget: cutting at b costs the upper end b, so b is a small share of the width asked for, times what δ is at least.
   * While only an upper bound is known UNKNOWN of it stands in, or one step's δ; the next round knows better.
   */
  deltaAt(epsilon: number, floor = -1): Interval {
    const goal = LEAST_SLOPE * this.effort.relativeWidth;
    const narrow = ({ lower, upper, reached }: DeltaBounds) =>
      reached || upper - lower <= goal * upper || upper <= floor;
    const heavy = this.steps > 1 && this.heavy(epsilon);
    let answer: DeltaBounds = heavy
      ? { lower: this.infinite.lower, upper: Math.min(1, this.chernoff(epsilon)), reached: false }
      : this.uncut(epsilon, floor);
    let budget = Math.max(answer.lower, UNKNOWN * answer.upper);
    if (heavy) for (const [i] of this.parts.entries()) budget = Math.max(budget, this.jump(i, epsilon));
    // Every round's interval holds: they are intersected.
    const meet = ({ lower, upper, reached }: DeltaBounds): DeltaBounds => ({
      lower: Math.max(answer.lower, Math.min(lower, answer.upper)),
      upper: Math.max(answer.lower, Math.min(upper, answer.upper)),
      reached,
    });
    for (let round = 0; round < MAXIMUM_CUTS && !narrow(answer); round++) {
      const cut = budget > 0 ? this.cutAt(0.1 * goal * budget) : null;
      if (!cut) break;
      answer = meet(cut.uncut(epsilon, floor));
      // Another cut only where this one was far from what it may cost. δ as it is known by now.
      const next = Math.max(answer.lower, UNKNOWN * answer.upper);
      if (next > 0.1 * budget && next < 10 * budget) break;
      budget = next;
    }
    // Cuts said nothing: without one, then.
    if (heavy && !narrow(answer) && answer.lower <= this.infinite.lower)
      answer = meet(this.uncut(epsilon, floor));
    return answer;
  }

  /**
   * Whether losses far larger than ε forbid the tilt at which ε would be well conditioned.
   *
   * Where the saddle's tilt would need a period of more than HEAVY·ε, or no tilt has one.
   */
  private heavy(epsilon: number): boolean {
    if (this.beyond > 0 || epsilon >= this.largestLoss || !this.parts.some(({ pair }) => pair.bodies))
      return false;
    const place = this.tilts.place(epsilon);
    return !place || (place.c > 0 && place.period > HEAVY * epsilon);
  }

  /** δ(ε) of one use of part i, about. */
  private jump(i: number, epsilon: number): number {
    const { losses, logP } = this.tilts.roughAt(0)[i]!;
    let sum = 0;
    for (let j = 0; j < losses.length; j++)
      if (losses[j]! > epsilon) sum -= Math.exp(logP[j]!) * Math.expm1(epsilon - losses[j]!);
    return sum;
  }

  /**
   * Theorem 5: with x_k a place on the body of part k, b ≥ ΣT_k P_k(x > x_k), and δ° what is left without the losses beyond,
   * δ° ≤ δ ≤ δ° + b: the integrand (1 − e^{ε−L})₊ is within [0, 1]; a union bound.
   *
   * This composition without its largest losses, of whose probability in all uses together `beyond` ≤ budget is a bound.
   */
  private cutAt(budget: number): LatticeDirection | null {
    // Whole powers of 4, so that questions close to each other share their lattices.
    const power = Math.floor(Math.log(budget) / Math.log(4));
    let remembered = this.cuts.get(power);
    if (remembered === undefined) {
      let beyond = 0;
      let cut = false;
      const parts = this.parts.map(({ pair, count }) => {
        const { bodies } = pair;
        if (!bodies) return { pair, count };
        const log = Math.log(4) * power - Math.log(count * this.parts.length * bodies.length);
        const kept = bodies.map((body) => {
          const end = log > -700 && body.largestLoss > 0 ? tailStart(body, log) : undefined;
          if (!end) return body;
          cut = true;
          beyond += count * Math.exp(end.logMass) * (1 + 1e-9 + (pair.relative ?? 0));
          return upTo(body, end.from);
        });
        return { pair: { ...pair, bodies: kept }, count };
      });
      remembered = cut ? new LatticeDirection(parts, this.effort, beyond) : null;
      if (this.cuts.size >= 6) this.cuts.delete(this.cuts.keys().next().value!);
      this.cuts.set(power, remembered);
    }
    return remembered;
  }

  /**
   * A level's interval width falls by 4 with each halving of the step where discretising is what is left (V ∝ h²), so
   * half the log₂ of the excess is how many levels to go down, and no more than 4 at once.
   */
  private uncut(epsilon: number, floor: number): DeltaBounds {
    if (this.infinite.lower === 1 || epsilon >= this.largestLoss)
      return { lower: this.boundOnly ? 0 : this.infinite.lower, upper: this.infinite.upper, reached: true };
    if (this.steps === 1) {
      const { lower, upper } = onceAt(this.parts[0]!.pair, epsilon);
      return {
        lower: this.boundOnly ? 0 : this.infinite.lower + lower,
        upper: Math.min(1, this.infinite.upper + upper),
        reached: true,
      };
    }
    const place = this.tilts.place(epsilon);
    let answer: Interval = { lower: this.infinite.lower, upper: this.chernoff(epsilon) };
    let narrow = false;
    if (!place) return { lower: this.boundOnly ? 0 : answer.lower, upper: answer.upper, reached: false };
    // Lattices that would be too fine for the losses that matter here start coarser, those too coarse for the tilt finer.
    const coarser = Math.min(0, -Math.ceil(Math.log2(this.tilts.cells(place.c, this.base) / FIRST_CELLS)));
    const finer = Math.min(MAXIMUM_LEVELS - 1, Math.ceil(Math.log2((this.base * Math.abs(place.c)) / 4)));
    const first = this.exact ? 0 : Math.max(coarser, finer);
    let reached = first - 1;
    let tooFine = MAXIMUM_LEVELS;
    for (let level = first; level > reached; ) {
      const lattices = this.latticesAt(level, place.c);
      const uses = lattices?.map(
        (lattice, i): LatticeUse => ({
          lattice: tilt(lattice, place.c),
          count: this.parts[i]!.count,
          spread: lattice.spread,
        }),
      );
      const now =
        uses &&
        invert(uses, {
          placement: place,
          epsilon,
          infinite: this.infinite,
          maximumNodes: this.effort.nodes,
        });
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
      // What errors are relative to: δ of the finite losses, or 1 − δ.
      const g = place.c > 0 ? upper - this.infinite.upper : 1 - lower;
      const width = this.boundOnly ? now.gain / g : (upper - lower) / g;
      // The slope of log g is about c, near the largest loss half of it.
      const slope = Math.abs(place.c) * (this.largestLoss < Infinity ? 0.5 : 1);
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

  /**
   * δ(ε) ≤ P(ℓ = ∞) + inf E[e^{c(ℓ − ε)}]·sup (1 − e^{−y})₊e^{−cy}: what holds where no lattice is fine enough.
   *
   * K(c) from above; 1e-9 covers rounding, and Number.MIN_VALUE what underflows.
   */
  private chernoff(epsilon: number): number {
    const { c } = this.tilts.saddle(epsilon);
    if (!(c > 0)) return 1;
    const log = this.tilts.momentBound(c) - c * epsilon + logSupremum(c);
    const bound = Math.exp(log + 1e-9 * (1 + Math.abs(log) + c * epsilon));
    return Number.isNaN(bound) ? 1 : Math.min(1, this.infinite.upper + bound + Number.MIN_VALUE);
  }

  /**
   * log δ(ε), about: where to start a search, and which direction to ask first.
   *
   * By the saddle-point approximation, with the mass at +∞; of the cut composition where large losses would spoil it.
   */
  estimate(epsilon: number): number {
    if (this.heavy(epsilon)) {
      // δ of one large loss, at the part where that is likeliest.
      const budget = Math.max(...this.parts.map((_, i) => this.jump(i, epsilon)));
      const cut = budget > 0 ? this.cutAt(1e-3 * budget) : null;
      if (cut) return cut.estimate(epsilon);
    }
    if (epsilon >= this.largestLoss) return Math.log(this.infinite.upper);
    const { c, log } = this.tilts.saddle(epsilon);
    const finite = c > 0 ? Math.exp(log) : 1 - Math.exp(log);
    return this.infinite.upper > 0
      ? Math.log(Math.min(1, this.infinite.upper + finite))
      : c > 0
        ? log
        : Math.log(finite);
  }
}

/**
 * Some x beyond which the P-mass is at most e^log, and that mass; undefined if the body ends before.
 *
 * Outward by steps of 4 until the mass beyond is small enough, then halved to 1e-3: the mass returned is that beyond
 * the x returned.
 */
function tailStart(body: LossBody, log: number): { from: number; logMass: number } | undefined {
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
