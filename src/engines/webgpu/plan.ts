// The kernels of a private step in their order: forward pass, backward pass, norms and clipped sum, for one micro-batch.
import * as gpu from "../webgpu/index.js";
import { Convolutions, type Convolved } from "./convolutions.js";
import { type Normed, Norms } from "./norms.js";
import type { Unit } from "./residualForm.js";
import { type Activation, type PlanOptions, StepParts } from "./stepParts.js";

/** Buffers that the engine fills and reads. */
export interface StepPlan {
  readonly program: gpu.Program;
  /** Rows of the buffers for an example: K, or more where matrices need it. */
  readonly rows: number;
  readonly parameters: GPUBuffer;
  readonly views: GPUBuffer;
  readonly labels: GPUBuffer;
  /** (bits of C, first outcome, examples, bits of the peak): see `PEAKS`. */
  readonly micro: GPUBuffer;
  readonly sums: GPUBuffer;
  readonly outcomes: GPUBuffer;
  readonly gradients: GPUBuffer;
  readonly logits: GPUBuffer;
}

/** Phases: "parameters" once a step; "augment train" or "augment test", "forward", "backward", "clip" for a micro-batch. */
export const MICRO_BATCH_PHASES = ["augment train", "forward", "backward", "clip"] as const;

/** Micro-batches whose outcomes are kept until they are read. */
export const MICRO_BATCHES_A_READ = 1024;

/**
 * Largest gradient entry at the logits, and what examples are tried with again whose gradient is not finite. float16 begins
 * at 2^10: 2^6 below the largest number, 2^24 above the smallest normal one.
 */
export const PEAKS = { float16: [2 ** 10, 1], float16x2: [2 ** 10, 1], float32: [1] } as const;

/** What the backward pass needs of a unit. */
type ForwardUnit = Normed & Convolved;

export async function planStep(
  options: PlanOptions,
  images: { readonly train: GPUBuffer; readonly test: GPUBuffer },
): Promise<StepPlan> {
  return new Planner(options).plan(images);
}

class Planner {
  private readonly step: StepParts;
  private readonly convolutions: Convolutions;
  private readonly norms: Norms;

  constructor(private readonly options: PlanOptions) {
    this.step = new StepParts(options);
    this.convolutions = new Convolutions(this.step);
    this.norms = new Norms(this.step);
  }

  async plan(images: { readonly train: GPUBuffer; readonly test: GPUBuffer }): Promise<StepPlan> {
    const { step, convolutions, norms } = this;
    const { program, network, units, rows, n, count, precision, parameters, gradients } = step;
    const { padding, scaling, fractionBits } = this.options;
    const [height, width, channels] = network.spec.inputShape;
    const views = program.buffer(16 * n * rows);
    const labels = program.buffer(4 * n);
    const micro = program.buffer(16);
    const stem = convolutions.prepare(units.stem, {
      height,
      width,
      channels: Math.ceil(channels / 16) * 16,
      real: channels,
    });
    const input = convolutions.inputOf(stem);
    for (const set of ["train", "test"] as const)
      program.add(
        `augment ${set}`,
        gpu.augment({ channels, padding, ...scaling }, input.layout, precision),
        images[set],
        views,
        input.buffer,
      );

    // Forward.
    let x = convolutions.convolve(stem, input, undefined);
    const blocks = units.blocks.map(({ body: asked, shortcut }) => {
      const start = x;
      const side = typeof shortcut === "string" ? undefined : this.forwardUnit(shortcut, start, undefined);
      const add = side?.output ?? (shortcut === "identity" ? start : undefined);
      const body: ForwardUnit[] = [];
      asked.forEach((unit, index) => {
        const done = this.forwardUnit(unit, x, index === asked.length - 1 ? add : undefined);
        body.push(done.unit);
        x = done.output;
      });
      return { body, side: side?.unit, identity: shortcut === "identity" };
    });
    const last = norms.normOf(units.norm, x);
    const lastStatistics = norms.statistics(last, x);
    const plain = gpu.plainLayout(x.height, x.width, rows, x.channels);
    const features = step.activation(plain);
    program.add(
      "forward",
      gpu.normalise(last, plain, precision, "activation"),
      x.buffer,
      lastStatistics,
      parameters,
      features,
    );
    const head: gpu.Head = {
      height: x.height,
      width: x.width,
      views: rows,
      realViews: this.options.views,
      channels: x.channels,
      classes: network.spec.classes,
      kernelOffset: units.kernelOffset,
      biasOffset: units.biasOffset,
    };
    const pooled = program.buffer(4 * n * rows * x.channels);
    const logits = program.buffer(4 * n * rows * head.classes);
    program.add("forward", gpu.pool(head, precision.activation), features, pooled);
    program.add("forward", gpu.logits(head), pooled, parameters, logits);

    // Backward.
    const dlogits = program.buffer(4 * n * rows * head.classes);
    const scales = program.buffer(4 * n);
    program.add("backward", gpu.lossGradient(head), logits, labels, micro, dlogits, scales);
    program.add("backward", gpu.denseGradients(head, count), pooled, dlogits, gradients);
    program.add("backward", gpu.poolGradient(head, precision.gradient), dlogits, parameters, features);
    const writers = blocks.map(({ body, side }) => [
      body.at(-1)!.convolution,
      ...(side ? [side.convolution] : []),
    ]);
    let dx = norms.backward(
      { norm: last, statistics: lastStatistics, input: x, normal: { buffer: features, layout: plain } },
      features,
      writers.at(-1) ?? [stem],
      undefined,
    );
    for (let b = blocks.length - 1; b >= 0; b--) {
      const { body, side, identity } = blocks[b];
      const below = b > 0 ? writers[b - 1] : [stem];
      const outside = dx;
      const sideGradient = side && convolutions.backward(side, outside, true);
      for (let u = body.length - 1; u >= 0; u--) {
        const unit = body[u];
        const dh = convolutions.backward(unit, dx, false);
        if (u > 0) dx = norms.backward(unit, dh, [body[u - 1].convolution], undefined);
        else if (side) {
          const own = norms.backward(unit, dh, below, undefined, false);
          dx = norms.backward(side, sideGradient!, below, own);
        } else dx = norms.backward(unit, dh, below, identity ? outside : undefined);
      }
    }
    convolutions.weightGradient(stem, input, dx);

    // Norms, factors, sum.
    const squares = program.buffer(4 * n * gpu.NORM_PARTS);
    const factors = program.buffer(4 * n);
    const outcomes = program.buffer(8 * n * MICRO_BATCHES_A_READ);
    const sums = program.buffer(8 * count);
    program.add("clip", gpu.squaredNorms(count), gradients, squares);
    program.add("clip", gpu.clipFactors(count), squares, scales, micro, factors, outcomes);
    program.add("clip", gpu.accumulate(count, fractionBits), gradients, factors, micro, sums);
    await program.build();
    return {
      program,
      rows,
      parameters,
      views,
      labels,
      micro,
      sums,
      outcomes,
      gradients,
      logits,
    };
  }

  private forwardUnit(
    unit: Unit,
    input: Activation,
    residual: Activation | undefined,
  ): { unit: ForwardUnit; output: Activation } {
    const norm = this.norms.normOf(unit.norm, input);
    const statistics = this.norms.statistics(norm, input);
    const convolution = this.convolutions.prepare(unit.convolution, input);
    const normal = this.convolutions.inputOf(convolution);
    this.step.program.add(
      "forward",
      gpu.normalise(norm, normal.layout, this.step.precision, "operand"),
      input.buffer,
      statistics,
      this.step.parameters,
      normal.buffer,
    );
    const output = this.convolutions.convolve(convolution, normal, residual);
    return { unit: { norm, statistics, input, normal, convolution }, output };
  }
}
