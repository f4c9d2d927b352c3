// The update: SGD with momentum or Adam on the noisy mean, and the average of the parameters over the run.
import { ArgumentError } from "../formats/argumentError.js";
import type { Schedule } from "./schedule.js";

/** Decay of the average at update t ≥ 0: min(μ, (1 + t)/(10 + t)) [De2022]. */
export const averageDecay = (decay: number, update: number): number =>
  Math.min(decay, (1 + update) / (10 + update));

/** How a noisy gradient g becomes an update. */
export type OptimizerRule =
  /** velocity ← momentum·velocity + g; w ← w − rate·velocity. momentum in [0, 1). */
  | { readonly kind: "sgd"; readonly momentum: number }
  /**
   * Adam [KingmaBa2015]. With `noiseCorrected` the known variance Φ of the noise is taken off the second moment, w ← w −
   * rate·m̂/√max(v̂ − Φ, epsilon²) [Tang2024]: else the noise alone would set the step's size. Without, m̂/(√v̂ + epsilon).
   */
  | {
      readonly kind: "adam";
      readonly beta1: number;
      readonly beta2: number;
      readonly epsilon: number;
      readonly noiseCorrected: boolean;
    };

export interface OptimizerOptions {
  /** Per unit of mean clipped gradient (norm at most 1): the unit-norm convention. */
  readonly learningRate: Schedule | number;
  /** Default: plain gradient descent. */
  readonly rule?: OptimizerRule;
  /** μ in [0, 1), undefined for no average. */
  readonly averageDecay: number | undefined;
}

/** What an update changes beside the parameters, by name; each has one array a parameter. For checkpoints. */
export interface OptimizerState {
  readonly updates: number;
  readonly arrays: Readonly<Record<string, readonly (Float32Array | Float64Array)[]>>;
}

/** Everything here works on noisy sums only: post-processing, free of privacy cost. */
export class Optimizer {
  /** Momentum's velocity, or Adam's first moment. */
  private readonly velocity: readonly Float64Array[];
  /** Adam's second moment. */
  private readonly squares: readonly Float64Array[] | undefined;
  readonly #average: readonly Float32Array[] | undefined;
  /** What the average keeps of itself in the update that it has not followed yet. */
  #behind: number | undefined;
  private readonly rule: OptimizerRule;
  private readonly rate: Schedule;
  private readonly decay: number | undefined;
  #updates = 0;

  /** parameters are changed in place. */
  constructor(
    readonly parameters: readonly Float32Array[],
    options: OptimizerOptions,
  ) {
    const { learningRate, rule = { kind: "sgd", momentum: 0 } } = options;
    this.rule = rule;
    this.rate = typeof learningRate === "number" ? () => learningRate : learningRate;
    this.decay = options.averageDecay;
    this.velocity = parameters.map((values) => new Float64Array(values.length));
    if (rule.kind === "adam") this.squares = parameters.map((values) => new Float64Array(values.length));
    if (this.decay !== undefined) this.#average = parameters.map((values) => values.slice());
  }

  /** The exponential moving average of the parameters, once a step; starts at the initial ones. */
  get average(): readonly Float32Array[] | undefined {
    this.catchUp();
    return this.#average;
  }

  /** Updates made so far. */
  get updates(): number {
    return this.#updates;
  }

  /** All that the next update depends on: the arrays themselves, not copies. */
  get state(): OptimizerState {
    return {
      updates: this.#updates,
      arrays: {
        parameters: this.parameters,
        velocity: this.velocity,
        ...(this.squares && { squares: this.squares }),
        ...(this.average && { average: this.average }),
      },
    };
  }

  /** Goes on from a state of an optimizer like this one. Throws ArgumentError if it is of another kind. */
  restore(state: OptimizerState): void {
    const own = this.state.arrays;
    const shapeOf = (arrays: OptimizerState["arrays"]) =>
      JSON.stringify(
        Object.entries(arrays)
          .map(([name, parts]) => [name, parts.map((part) => [part.constructor.name, part.length])])
          .sort(),
      );
    if (!(shapeOf(state.arrays) === shapeOf(own)))
      throw new ArgumentError("optimizer state", "that of the same optimizer and network", "another's");
    for (const [name, parts] of Object.entries(own))
      parts.forEach((part, index) => {
        part.set(state.arrays[name][index]);
      });
    this.#updates = state.updates;
  }

  /**
   * One update from a noisy sum: gradient = noisySum / expectedBatch, whatever the drawn batch was. noiseDeviation: the
   * standard deviation of the noise on each number of the sum, for the correction of Adam's second moment.
   */
  update(noisySum: readonly Float64Array[], expectedBatch: number, noiseDeviation = 0): void {
    this.catchUp();
    if (this.decay !== undefined) this.#behind = averageDecay(this.decay, this.#updates);
    const rate = this.rate(this.#updates + 1);
    this.#updates++;
    const { rule } = this;
    const step =
      rule.kind === "adam"
        ? this.adam(rule, rate, (noiseDeviation / expectedBatch) ** 2)
        : this.momentum(rule.momentum, rate);
    this.parameters.forEach((values, index) => {
      step(values, noisySum[index], expectedBatch, index);
    });
  }

  /**
   * Lets the average follow the last update, which waits until somebody asks for it: the next gradient does not need it, so
   * it can be formed while that is computed.
   */
  catchUp(): void {
    const keep = this.#behind;
    if (keep === undefined) return;
    this.#behind = undefined;
    this.parameters.forEach((values, index) => {
      follow(this.#average![index], values, keep);
    });
  }

  private momentum(momentum: number, rate: number): Step {
    return (values, sum, batch, index) =>
      descend(values, this.velocity[index], sum, { momentum, rate, batch });
  }

  private adam(
    { beta1, beta2, epsilon, noiseCorrected }: Extract<OptimizerRule, { kind: "adam" }>,
    rate: number,
    noiseVariance: number,
  ): Step {
    const [first, second] = [1 - beta1 ** this.#updates, 1 - beta2 ** this.#updates];
    return (values, sum, batch, index) => {
      const [velocity, squares] = [this.velocity[index], this.squares![index]];
      for (let i = 0; i < values.length; i++) {
        const gradient = sum[i] / batch;
        velocity[i] = beta1 * velocity[i] + (1 - beta1) * gradient;
        squares[i] = beta2 * squares[i] + (1 - beta2) * gradient * gradient;
        const variance = squares[i] / second;
        const size = noiseCorrected
          ? Math.sqrt(Math.max(variance - noiseVariance, epsilon * epsilon))
          : Math.sqrt(variance) + epsilon;
        values[i] -= (rate * velocity[i]) / first / size;
      }
    };
  }
}

// Loops over millions of numbers, in functions that see one kind of array each: V8 makes better code of them.

function descend(
  values: Float32Array,
  velocity: Float64Array,
  sum: Float64Array,
  { momentum, rate, batch }: { readonly momentum: number; readonly rate: number; readonly batch: number },
): void {
  for (let i = 0; i < values.length; i++) {
    const moved = momentum * velocity[i] + sum[i] / batch;
    velocity[i] = moved;
    values[i] -= rate * moved;
  }
}

function follow(average: Float32Array, values: Float32Array, keep: number): void {
  const take = 1 - keep;
  for (let i = 0; i < average.length; i++) average[i] = keep * average[i] + take * values[i];
}

type Step = (values: Float32Array, sum: Float64Array, batch: number, index: number) => void;
