// The group norms of a step, with their ReLU: statistics, and the gradients of inputs, gains and offsets.
import * as gpu from "../webgpu/index.js";
import type { PreparedConvolution } from "./convolutions.js";
import type { NormUnit } from "./residualForm.js";
import type { Activation, Gradient, StepParts } from "./stepParts.js";

/** A norm with what it read and made. */
export interface Normed {
  readonly norm: gpu.GroupNorm;
  readonly statistics: GPUBuffer;
  readonly input: Activation;
  readonly normal: Gradient;
}

export class Norms {
  constructor(private readonly step: StepParts) {}

  normOf(unit: NormUnit, input: Activation): gpu.GroupNorm {
    const { height, width, channels } = input;
    if (channels % unit.groups !== 0)
      throw new RangeError(`groups must divide the ${channels} channels, got ${unit.groups}`);
    return { ...unit, height, width, channels, views: this.step.rows };
  }

  statistics(norm: gpu.GroupNorm, input: Activation): GPUBuffer {
    const { program, n } = this.step;
    const statistics = program.buffer(8 * n * norm.views * norm.groups);
    const sums = this.columnSums(norm, 2);
    program.add("forward", gpu.columnMoments(norm, this.step.precision.activation), input.buffer, sums);
    program.add(
      "forward",
      gpu.groupStatistics(norm, this.step.precision.activation),
      input.buffer,
      sums,
      statistics,
    );
    return statistics;
  }

  private columnSums(norm: gpu.GroupNorm, kinds: number): gpu.Scratch {
    return this.step.program.scratch(
      "column sums",
      4 * this.step.n * gpu.partsOf(norm) * kinds * norm.views * norm.channels,
    );
  }

  /**
   * From the gradient after a norm to that of the activation before it, in the layout that the convolutions which made it
   * read, with their bias gradients.
   */
  backward(
    { norm, statistics, input, normal }: Normed,
    dy: GPUBuffer,
    writers: readonly PreparedConvolution[],
    skip: Gradient | undefined,
    last = true,
  ): Gradient {
    const { program, n, count, precision, parameters, gradients } = this.step;
    const sums = this.columnSums(norm, 2);
    const totals = program.scratch("totals", 8 * n * norm.views * norm.channels);
    const means = program.scratch("means", 8 * n * norm.views * norm.groups);
    program.add(
      "backward",
      gpu.gradientMoments(norm, normal.layout, precision),
      input.buffer,
      dy,
      statistics,
      sums,
      ...(norm.reluAfter ? [parameters] : []),
    );
    program.add("backward", gpu.columnTotals(norm, 2), sums, totals);
    program.add("backward", gpu.normGradients(norm, count), totals, parameters, means, gradients);
    const borders = writers.map(({ shape }) => gpu.gradientBorder(shape));
    const layout: gpu.Layout = {
      ...gpu.plainLayout(norm.height, norm.width, norm.views, norm.channels),
      before: Math.max(...borders.map(({ before }) => before)),
      after: Math.max(...borders.map(({ after }) => after)),
    };
    const buffer = this.step.gradient(layout);
    program.add(
      "backward",
      gpu.normaliseGradient(norm, normal.layout, layout, skip !== undefined, precision),
      input.buffer,
      dy,
      statistics,
      means,
      parameters,
      buffer,
      sums,
      ...(skip ? [skip.buffer] : []),
    );
    if (last)
      for (const { unit } of writers)
        if (unit.biasOffset !== undefined)
          program.add("backward", gpu.biasGradients(norm, unit.biasOffset, count), sums, gradients);
    return { buffer, layout };
  }
}
