// One thread's share of a clipped sum, on the grid of exact sums.
import { fractionBits } from "../../trainer/fixedPoint.js";
import type { ExactSum, Kernels } from "../../trainer/kernels.js";
import { type MicroBatchGradients, type Network, sizeOf } from "../../trainer/layers/network.js";

/** A sum under construction, in multiples of 2^-fractionBits: exact, so nothing in it depends on order or micro-batches. */
export class PartialSum {
  readonly fractionBits: number;
  private readonly sums: readonly ExactSum[];
  nonFinite = false;
  /** Milliseconds so far. */
  readonly times = { views: 0, gradients: 0, norms: 0, sums: 0 };

  /** examples: of the whole training set. Dispose it. */
  constructor(network: Network, kernels: Kernels, examples: number) {
    this.fractionBits = fractionBits(examples);
    this.sums = network.parameters.map(({ shape }) => kernels.exactSum(sizeOf(shape)));
  }

  add(gradients: Pick<MicroBatchGradients, "addTo">, factors: Float64Array): void {
    gradients.addTo(this.sums, factors, this.fractionBits);
  }

  /** One array a parameter. */
  read(): Float64Array[] {
    return this.sums.map(({ values }) => values.slice());
  }

  dispose(): void {
    for (const sum of this.sums) sum.dispose();
  }
}
