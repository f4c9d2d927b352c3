// The update: SGD with optional momentum on the noisy mean, and the average of the parameters over the run.

/** Decay of the average at update t ≥ 0: min(μ, (1 + t)/(10 + t)) [De2022]. */
export const averageDecay = (decay: number, update: number): number =>
  Math.min(decay, (1 + update) / (10 + update));

/** Everything here works on noisy sums only: post-processing, free of privacy cost. */
export class Optimizer {
  private readonly velocity: readonly Float64Array[];
  /** The exponential moving average of the parameters, once a step; starts at the initial ones. */
  readonly average: readonly Float32Array[] | undefined;
  private updates = 0;

  /**
   * parameters are changed in place. learningRate > 0 in the unit-norm convention (per unit of mean clipped gradient);
   * momentum in [0, 1): velocity ← momentum·velocity + gradient; averageDecay μ in [0, 1), undefined for no average.
   */
  constructor(
    readonly parameters: readonly Float32Array[],
    private readonly options: {
      readonly learningRate: number;
      readonly momentum: number;
      readonly averageDecay: number | undefined;
    },
  ) {
    this.velocity = parameters.map((values) => new Float64Array(values.length));
    if (options.averageDecay !== undefined) this.average = parameters.map((values) => values.slice());
  }

  /** One update from a noisy sum: gradient = noisySum / expectedBatch, whatever the drawn batch was. */
  update(noisySum: readonly Float64Array[], expectedBatch: number): void {
    const { learningRate, momentum, averageDecay: decay } = this.options;
    const keep = decay === undefined ? 0 : averageDecay(decay, this.updates);
    this.updates++;
    this.parameters.forEach((values, index) => {
      const [velocity, gradient, average] = [this.velocity[index], noisySum[index], this.average?.[index]];
      for (let i = 0; i < values.length; i++) {
        velocity[i] = momentum * velocity[i] + gradient[i] / expectedBatch;
        values[i] -= learningRate * velocity[i];
        if (average) average[i] = keep * average[i] + (1 - keep) * values[i];
      }
    });
  }
}
