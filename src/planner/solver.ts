// One search for each quantity that a plan may leave open, against one accountant's curves.
import type { Accountant, PrivacyCurve } from "../accounting/accountant.js";
import { NoSolutionError, type Plan, type PlanRequest, type Unknown } from "../formats/plan.js";
import { type CheckedRequest, MOST_STEPS, stepsOf } from "../formats/request.js";
import { roundedUp } from "../formats/rounded.js";
import { wholeEvent } from "../formats/tuning.js";
import { SMALLEST_NORMAL } from "../math/log.js";
import type { Budget } from "./budget.js";
import { guessNoiseMultiplier, guessSamplingRate, guessSlope, guessSteps } from "./estimate.js";
import { type Found, searchBoundary } from "./search.js";

/** σ is looked for in this range: below it nothing is private, above it nothing is learnt. */
const NOISE_RANGE = { least: 1e-3, most: 1e12 };
/** achieved.epsilon is at least this part of the request, unless the request cannot be met that tightly. */
export const TIGHT = 1 - 1e-3;

/** The part of a plan that the unknowns decide. */
export interface Run {
  batchSize: number;
  steps: number;
  noiseMultiplier: number;
}

export interface Solution {
  readonly run: Run;
  readonly delta: number;
}

/** One method for each unknown. */
export class Solver {
  readonly warnings: string[] = [];
  /** No question was asked whose answer a tighter accountant could turn. */
  narrow = true;
  /** δ is as small as doubles are: its ε matters to nobody, and would take the longest to narrow. */
  least = false;
  private readonly curves = new Map<string, { event: Plan["event"]; curve: PrivacyCurve }>();

  constructor(
    private readonly request: CheckedRequest,
    private readonly accountant: Accountant,
    /** Absent where ε is what is solved for. */
    private readonly budget: Budget | undefined,
    /** Where to search from: a guess of the noise, or what a looser accountant allows of this run. */
    private readonly near: {
      readonly start?: number | undefined;
      readonly slack?: number | undefined;
      readonly stop?: (() => boolean) | undefined;
      readonly from?: Run | undefined;
      /** Each question takes long, and its answer is rough in the last digits. */
      readonly thorough?: boolean;
    },
  ) {}

  solve(unknown: Unknown): Solution | NoSolutionError {
    try {
      return this[unknown]();
    } catch (error) {
      if (error instanceof NoSolutionError) return error;
      throw error;
    }
  }

  /** Of a run that was asked about before, the same curve again: it holds what it has found. */
  curveOf(run: Run): { event: Plan["event"]; curve: PrivacyCurve } {
    const key = `${run.batchSize} ${run.steps} ${run.noiseMultiplier}`;
    let found = this.curves.get(key);
    if (!found) {
      const event = wholeEvent(this.request, run);
      found = { event, curve: this.accountant.account(event) };
      this.curves.set(key, found);
    }
    return found;
  }

  /** ε at δ; a limit between bounds that are apart is one that only a tighter accountant can decide. */
  private epsilonOf(run: Run, delta = this.request.delta!): number {
    const { lower, upper } = this.curveOf(run).curve.epsilonIntervalAt(delta);
    const limit = this.request.epsilon ?? upper;
    if (lower < limit * TIGHT && upper >= limit * TIGHT) this.narrow = false;
    return upper;
  }

  /** What the run spends of the request's budget. */
  private spentBy(run: Run): number {
    return this.request.epsilon === undefined
      ? this.budget!.spent(this.curveOf(run).curve, this.request.delta!)
      : this.epsilonOf(run);
  }

  /** The last x of a range whose run stays within the budget, and what that spends. */
  private search(
    runOf: (x: number) => Run,
    range: { start: number; slope?: number; least: number; most: number; rising: boolean; whole?: boolean },
  ): Found | undefined {
    const { limit } = this.budget!;
    const spent = (x: number): number => this.spentBy(runOf(x));
    const { slack, stop, thorough } = this.near;
    if (!thorough) {
      const options = { ...(slack !== undefined && { slack, nearly: true }), ...(stop && { stop }) };
      const found = searchBoundary({ cost: spent, target: limit, ...options, ...range });
      if (found?.stopped)
        this.warnings.push(
          `the search was stopped early: it spends ${this.budget!.words(found.cost)} of ${limit}`,
        );
      return found;
    }
    // δ at the ε asked for is one question where ε at δ is many. Its bound is rough in the digits that the slack leaves
    // out, and that of ε a little above it: step back until that fits too.
    const found = searchBoundary({
      cost: (x) => this.curveOf(runOf(x)).curve.deltaAt(limit),
      target: this.request.delta!,
      slack: 2e-4,
      ...range,
    });
    if (!found) return undefined;
    const { least, most, rising, whole = false } = range;
    let { x } = found;
    for (let back = 1e-5; back < 1; back *= 3) {
      const cost = spent(x);
      if (cost <= limit) return { x, cost };
      if (x === (rising ? least : most)) return undefined;
      const moved = rising ? x * (1 - back) : x * (1 + back);
      x = Math.max(least, Math.min(most, whole ? Math.min(x - 1, Math.floor(moved)) : moved));
    }
    return undefined;
  }

  /** For a NoSolutionError: what would be spent, where that is one of the quantities of a plan. */
  private nearest(spent: number): { epsilon?: number } {
    return this.request.epsilon === undefined ? {} : { epsilon: spent };
  }

  noiseMultiplier(): Solution {
    const { delta, batchSize } = this.request as Required<PlanRequest>;
    const { limit, words } = this.budget!;
    const steps = stepsOf(this.request, batchSize);
    const found = this.searchNoise({ batchSize, steps });
    if (!found) {
      const least = this.spentBy({ batchSize, steps, noiseMultiplier: NOISE_RANGE.most });
      const searching = this.request.finalAfterProxy?.noiseMultiplier !== undefined;
      throw new NoSolutionError(
        `${searching ? "the search alone spends" : `even noise multiplier ${NOISE_RANGE.most.toExponential()} leaves`} ${words(least)}, above ${limit}, at delta ${delta}`,
        this.nearest(least),
        searching ? "give the search more noise or fewer steps" : "choose a larger budget or delta",
      );
    }
    if (found.cost < limit * TIGHT && !found.stopped)
      this.warnings.push(
        `noise multiplier ${roundedUp(found.x)} already spends only ${words(found.cost)} at delta ${roundedUp(delta)}: a smaller delta or budget may be meant`,
      );
    return { run: { batchSize, steps, noiseMultiplier: found.x }, delta };
  }

  private searchNoise(run: { batchSize: number; steps: number }) {
    const { delta, examples } = this.request as Required<PlanRequest>;
    const { start, from } = this.near;
    const { guess: epsilon } = this.budget!;
    const guess = guessNoiseMultiplier({
      samplingRate: run.batchSize / examples,
      steps: run.steps,
      epsilon,
      delta,
    });
    const first = from?.noiseMultiplier ?? start ?? guess;
    return this.search((noiseMultiplier) => ({ ...run, noiseMultiplier }), {
      start: first,
      slope: guessSlope(first),
      ...NOISE_RANGE,
      rising: false,
    });
  }

  epsilon(): Solution {
    const { delta, batchSize, noiseMultiplier } = this.request as Required<PlanRequest>;
    const run = { batchSize, steps: stepsOf(this.request, batchSize), noiseMultiplier };
    const epsilon = this.epsilonOf(run);
    if (!(epsilon < Infinity)) {
      const nearest = this.curveOf(run).curve.deltaAt(NEAREST_EPSILON);
      throw new NoSolutionError(
        `noise multiplier ${noiseMultiplier} gives no finite epsilon at delta ${delta}`,
        { delta: nearest },
        `choose more noise, or a larger delta (delta ${roundedUp(nearest)} gives epsilon ${NEAREST_EPSILON})`,
      );
    }
    return { run, delta };
  }

  delta(): Solution {
    const { epsilon, batchSize, noiseMultiplier, examples } = this.request as Required<PlanRequest>;
    const run = { batchSize, steps: stepsOf(this.request, batchSize), noiseMultiplier };
    const { curve } = this.curveOf(run);
    const delta = this.provenDelta(run);
    if (delta === undefined) {
      const nearest = curve.epsilonAt(1 / examples);
      throw new NoSolutionError(
        `epsilon ${epsilon} holds for no delta below 1 after ${run.steps} steps at noise multiplier ${noiseMultiplier}`,
        { epsilon: nearest },
        `at delta 1/examples it would be epsilon ${roundedUp(nearest)}`,
      );
    }
    if (curve.epsilonAt(delta) < epsilon * TIGHT)
      this.warnings.push(
        `epsilon ${roundedUp(curve.epsilonAt(delta))} already holds at delta ${roundedUp(delta)}`,
      );
    return { run, delta };
  }

  /**
   * The smallest δ in (0, 1), but for round-off, at which the accountant proves the ε asked for when asked afresh;
   * undefined if none.
   */
  private provenDelta(run: Run): number | undefined {
    const epsilon = this.request.epsilon!;
    const { lower, upper } = this.curveOf(run).curve.deltaIntervalAt(epsilon);
    // Nothing smaller can be written: no accountant could do better.
    if (upper <= SMALLEST_NORMAL && this.curveOf(run).curve.epsilonAt(SMALLEST_NORMAL) <= epsilon) {
      this.least = true;
      return SMALLEST_NORMAL;
    }
    if (lower < upper * TIGHT) this.narrow = false;
    let delta = Math.max(upper, SMALLEST_NORMAL);
    // A tenth of what the bound leaves open at a time, or there would be many questions of round-off each.
    const open = Math.max(1e-15, 0.1 * (1 - lower / delta));
    for (let nudge = Math.min(Math.max(1e-10, 0.01 * open), open); delta < 1 && nudge < 1e4; nudge *= 4) {
      if (this.epsilonOf(run, delta) <= epsilon) return delta;
      delta *= 1 + nudge;
    }
    return undefined;
  }

  steps(): Solution {
    const { delta, batchSize, noiseMultiplier, examples } = this.request as Required<PlanRequest>;
    const { limit, words, guess: epsilon } = this.budget!;
    const found = this.search((steps) => ({ batchSize, noiseMultiplier, steps }), {
      start:
        this.near.from?.steps ??
        this.near.start ??
        guessSteps({ samplingRate: batchSize / examples, noiseMultiplier, epsilon, delta }),
      least: 1,
      most: MOST_STEPS,
      rising: true,
      whole: true,
    });
    if (!found) {
      const one = this.spentBy({ batchSize, noiseMultiplier, steps: 1 });
      const enough = this.near.stop?.() ? undefined : this.searchNoise({ batchSize, steps: 1 });
      throw new NoSolutionError(
        `one step at noise multiplier ${noiseMultiplier} already spends ${words(one)}, above ${limit}`,
        { steps: 1, ...this.nearest(one), ...(enough && { noiseMultiplier: enough.x }) },
        enough
          ? `one step needs noise multiplier ${roundedUp(enough.x)} or more`
          : "choose a larger budget, or a smaller batch size",
      );
    }
    if (found.x === MOST_STEPS)
      this.warnings.push(
        `${MOST_STEPS} steps, the most that a plan may have, spend only ${words(found.cost)}`,
      );
    return { run: { batchSize, noiseMultiplier, steps: found.x }, delta };
  }

  batchSize(): Solution {
    const { request } = this;
    const { delta, noiseMultiplier, examples } = request as Required<PlanRequest>;
    const { limit, words, guess: epsilon } = this.budget!;
    const runOf = (batchSize: number): Run => ({
      batchSize,
      noiseMultiplier,
      steps: Math.min(MOST_STEPS, stepsOf(request, batchSize)),
    });
    const cost = (batchSize: number): number => this.spentBy(runOf(batchSize));
    const rate = guessSamplingRate({
      noiseMultiplier,
      epsilon,
      delta,
      ...(request.steps === undefined ? { epochs: request.epochs! } : { steps: request.steps }),
    });
    const found = this.search(runOf, {
      start: this.near.from?.batchSize ?? this.near.start ?? rate * examples,
      least: 1,
      most: examples,
      rising: true,
    });
    if (!found) {
      const one = cost(1);
      throw new NoSolutionError(
        `an expected batch of 1 example at noise multiplier ${noiseMultiplier} already spends ${words(one)}, above ${limit}`,
        { batchSize: 1, ...this.nearest(one) },
        "choose a larger budget or noise multiplier, or fewer steps",
      );
    }
    if (found.x === examples && found.cost < limit * TIGHT)
      this.warnings.push(
        `the full batch of ${examples} examples spends only ${words(found.cost)}: there is room for more steps or less noise`,
      );
    if (found.stopped) return { run: runOf(found.x), delta };
    // The fewest decimals that keep ε tight; always rounded down, so that q and with it ε fall.
    for (let parts = 1; parts < 1e9 && found.x < examples; parts *= 10) {
      const rounded = Math.floor(found.x * parts) / parts;
      if (!(rounded >= 1)) continue;
      const spent = cost(rounded);
      if (spent <= limit && spent >= limit * TIGHT) return { run: runOf(rounded), delta };
    }
    return { run: runOf(found.x), delta };
  }
}

/** An ε to name when none is finite at the δ asked for. */
const NEAREST_EPSILON = 10;
