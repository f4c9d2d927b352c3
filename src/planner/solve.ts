// plan(request): finds the one unknown so that the accountant's ε never exceeds the request, and re-checks it.
import {
  type Accountant,
  accountant as accountantFor,
  dpSgdEvent,
  type Guarantee,
  type PrivacyCurve,
} from "../accounting/index.js";
import { type Budget, budgetOf } from "./budget.js";
import { guessNoiseMultiplier, guessSamplingRate, guessSteps } from "./estimate.js";
import { roundedUp } from "./format.js";
import { NoSolutionError, type Plan, type PlanRequest } from "./plan.js";
import { type CheckedRequest, checkRequest, MOST_STEPS, stepsOf } from "./request.js";
import { searchBoundary } from "./search.js";

/** σ is looked for in this range: below it nothing is private, above it nothing is learnt. */
const NOISE_RANGE = { least: 1e-3, most: 1e12 };
/** achieved.epsilon is at least this part of the request, unless the request cannot be met that tightly. */
const TIGHT = 1 - 1e-3;
const SMALLEST_NORMAL = 2 ** -1022;

/** The part of a plan that the unknowns decide. */
interface Run {
  batchSize: number;
  steps: number;
  noiseMultiplier: number;
}

export interface PlanOptions {
  /** Asked instead of the one that the request names; for the request's neighboring. */
  readonly accountant?: Accountant;
  /**
   * Where to look for the noise multiplier first: the answer for a run much like this one, and that run. Saves about
   * half of the questions to the accountant; the answer stays within the same part of ε.
   */
  readonly alike?: Pick<Plan, "samplingRate" | "steps" | "noiseMultiplier"> & {
    readonly achieved: Pick<Guarantee, "epsilon" | "delta">;
  };
}

/**
 * Solves for the one quantity that request leaves out of noiseMultiplier, epsilon, delta, steps (or epochs), batchSize.
 * Guarantee: achieved.epsilon was computed by the accountant for exactly this plan, after all rounding, and is at most
 * request.epsilon. It lies within one part in 10⁹ of it for the noise multiplier and δ, within 10⁻³ for the batch size
 * (rounded down to a whole number where that is tight enough), and for whole steps one step more would exceed it.
 * Edges: where even the end of the range stays below request.epsilon (full batch, 1e9 steps), that end is the answer,
 * with a warning. Throws RangeError or TypeError for a bad request, NoSolutionError where nothing meets it.
 */
export function plan(asked: PlanRequest, options: PlanOptions = {}): Plan {
  const { request, unknown } = checkRequest(asked);
  const { accountant = accountantFor(request.accountant, { neighboring: request.neighboring }) } = options;
  if (accountant.neighboring !== request.neighboring)
    throw new RangeError(
      `accountant must be for neighboring ${request.neighboring}, got one for ${accountant.neighboring}`,
    );
  const warnings: string[] = [];
  const budget = budgetOf(request);
  const solver = new Solver(request, accountant, warnings, options.alike, budget);
  const { run, delta } = solver[unknown]();
  const { curve, event } = solver.curveOf(run);
  const { lower, upper } = curve.epsilonIntervalAt(delta);
  const achieved: Guarantee = {
    epsilon: upper,
    epsilonLowerBound: lower,
    delta,
    neighboring: request.neighboring,
    accountant: request.accountant,
  };
  const spent = budget ? budget.spent(curve, delta) : achieved.epsilon;
  if (!(spent <= (budget?.limit ?? Number.MAX_VALUE)))
    throw new Error(`plan re-check failed: ${spent} for request ${budget?.limit ?? "of any epsilon"}`);
  if (budget && spent < budget.limit * TIGHT && warnings.length === 0)
    warnings.push(
      `spends ${budget.words(spent)} of ${budget.limit}: the next whole number of steps would exceed it`,
    );
  if (!(delta * request.examples < 1))
    warnings.push(
      `delta ${roundedUp(delta)} is not below 1/examples = ${roundedUp(1 / request.examples)}: publishing one record outright would pass; choose a smaller delta`,
    );
  return {
    kind: "dpsgd-plan",
    version: 1,
    request,
    examples: request.examples,
    batchSize: run.batchSize,
    samplingRate: run.batchSize / request.examples,
    steps: run.steps,
    noiseMultiplier: run.noiseMultiplier,
    event,
    achieved,
    warnings,
  };
}

/** One method for each unknown. */
class Solver {
  constructor(
    private readonly request: CheckedRequest,
    private readonly accountant: Accountant,
    private readonly warnings: string[],
    private readonly alike: PlanOptions["alike"],
    /** Absent where ε is what is solved for. */
    private readonly budget: Budget | undefined,
  ) {}

  curveOf(run: Run): { event: Plan["event"]; curve: PrivacyCurve } {
    const event = dpSgdEvent({
      samplingRate: run.batchSize / this.request.examples,
      noiseMultiplier: run.noiseMultiplier,
      steps: run.steps,
    });
    return { event, curve: this.accountant.account(event) };
  }

  private epsilonOf(run: Run): number {
    return this.curveOf(run).curve.epsilonIntervalAt(this.request.delta!).upper;
  }

  /** What the run spends of the request's budget. */
  private spentBy(run: Run): number {
    return this.budget!.spent(this.curveOf(run).curve, this.request.delta!);
  }

  /** For a NoSolutionError: what would be spent, where that is one of the quantities of a plan. */
  private nearest(spent: number): { epsilon?: number } {
    return this.request.epsilon === undefined ? {} : { epsilon: spent };
  }

  noiseMultiplier(): { run: Run; delta: number } {
    const { delta, batchSize } = this.request as Required<PlanRequest>;
    const { limit, words } = this.budget!;
    const steps = stepsOf(this.request, batchSize);
    const found = this.searchNoise({ batchSize, steps });
    if (!found) {
      const least = this.spentBy({ batchSize, steps, noiseMultiplier: NOISE_RANGE.most });
      throw new NoSolutionError(
        `even noise multiplier ${NOISE_RANGE.most} leaves ${words(least)}, above ${limit}, at delta ${delta}`,
        this.nearest(least),
        "choose a larger budget or delta",
      );
    }
    if (found.cost < limit * TIGHT)
      this.warnings.push(
        `noise multiplier ${roundedUp(found.x)} already spends only ${words(found.cost)} at delta ${roundedUp(delta)}: a smaller delta or budget may be meant`,
      );
    return { run: { batchSize, steps, noiseMultiplier: found.x }, delta };
  }

  private searchNoise(run: { batchSize: number; steps: number }) {
    const { delta, examples } = this.request as Required<PlanRequest>;
    const { alike } = this;
    const { limit, guess: epsilon } = this.budget!;
    const guess = guessNoiseMultiplier({
      samplingRate: run.batchSize / examples,
      steps: run.steps,
      epsilon,
      delta,
    });
    // What the estimate was off by there, it is off by here too, nearly.
    const correction = alike
      ? alike.noiseMultiplier / guessNoiseMultiplier({ ...alike, ...alike.achieved })
      : 1;
    return searchBoundary({
      cost: (noiseMultiplier) => this.spentBy({ ...run, noiseMultiplier }),
      target: limit,
      start: guess * correction,
      ...NOISE_RANGE,
      rising: false,
    });
  }

  epsilon(): { run: Run; delta: number } {
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

  delta(): { run: Run; delta: number } {
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
    const { curve } = this.curveOf(run);
    let delta = Math.max(curve.deltaAt(epsilon), SMALLEST_NORMAL);
    for (let nudge = 1e-15; delta < 1 && nudge < 1; nudge *= 4) {
      if (this.curveOf(run).curve.epsilonIntervalAt(delta).upper <= epsilon) return delta;
      delta *= 1 + nudge;
    }
    return undefined;
  }

  steps(): { run: Run; delta: number } {
    const { delta, batchSize, noiseMultiplier, examples } = this.request as Required<PlanRequest>;
    const { limit, words, guess: epsilon } = this.budget!;
    const found = searchBoundary({
      cost: (steps) => this.spentBy({ batchSize, noiseMultiplier, steps }),
      target: limit,
      start: guessSteps({ samplingRate: batchSize / examples, noiseMultiplier, epsilon, delta }),
      least: 1,
      most: MOST_STEPS,
      rising: true,
      whole: true,
    });
    if (!found) {
      const one = this.spentBy({ batchSize, noiseMultiplier, steps: 1 });
      const enough = this.searchNoise({ batchSize, steps: 1 });
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

  batchSize(): { run: Run; delta: number } {
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
    const found = searchBoundary({
      cost,
      target: limit,
      start: rate * examples,
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
    // The fewest decimals that keep ε tight; always rounded down, so that q and with it ε fall.
    for (let unit = 1; unit > 1e-9 && found.x < examples; unit /= 10) {
      const rounded = Math.floor(found.x / unit) * unit;
      if (!(rounded >= 1)) continue;
      const spent = cost(rounded);
      if (spent <= limit && spent >= limit * TIGHT) return { run: runOf(rounded), delta };
    }
    return { run: runOf(found.x), delta };
  }
}

/** An ε to name when none is finite at the δ asked for. */
const NEAREST_EPSILON = 10;
