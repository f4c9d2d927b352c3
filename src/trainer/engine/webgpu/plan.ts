// The kernels of a private step in their order: forward pass, backward pass, norms and clipped sum, for one micro-batch.
import { webgpu as gpu } from "../../../backends/index.js";
import type { Network, NetworkSpec } from "../../layers/network.js";
import { type ConvolutionUnit, type NormUnit, type Unit, UnsupportedNetworkError, unitsOf } from "./units.js";

export interface PlanOptions {
  readonly open: gpu.OpenDevice;
  readonly network: Network;
  /** K: views an example, ≥ 1. */
  readonly views: number;
  /** Examples in flight. */
  readonly microBatch: number;
  readonly precision: gpu.PrecisionName;
  /** Rows and columns mirrored around the images. */
  readonly padding: number;
  /** Of the images' bytes. */
  readonly scaling: { readonly factor: ArrayLike<number>; readonly offset: ArrayLike<number> };
  /**
   * Filter gradients of whole micro-batches, in the row of the first example: a step without privacy, to measure what
   * keeping examples apart costs. Such a plan must not be clipped. Matrix units only.
   */
  readonly together?: boolean;
}

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

/** Outcomes kept until they are read. */
export const OUTCOMES = gpu.MOST_CONTRIBUTIONS;

/**
 * Largest gradient entry at the logits, and what examples are tried with again whose gradient is not finite. float16 begins
 * at 2^10: 2^6 below the largest number, 2^24 above the smallest normal one.
 */
export const PEAKS = { float16: [2 ** 10, 1], float16x2: [2 ** 10, 1], float32: [1] } as const;

/** An activation with its size: [example][row][column][view][channel]. */
interface Activation {
  readonly buffer: GPUBuffer;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** A gradient, in the layout of the kernels that will read it. */
interface Gradient {
  readonly buffer: GPUBuffer;
  readonly layout: gpu.Layout;
}

interface PreparedConvolution {
  readonly unit: ConvolutionUnit;
  readonly shape: gpu.ConvolutionShape;
  readonly forward: gpu.Convolution;
  readonly filter: gpu.StandardisedFilter;
  readonly weights: GPUBuffer;
  readonly transpose: GPUBuffer;
  readonly statistics: GPUBuffer | undefined;
}

/** What the backward pass needs of a unit. */
interface ForwardUnit {
  readonly norm: gpu.GroupNorm;
  readonly statistics: GPUBuffer;
  readonly input: Activation;
  readonly normal: Gradient;
  readonly convolution: PreparedConvolution;
}

export async function planStep(
  options: PlanOptions,
  images: { readonly train: GPUBuffer; readonly test: GPUBuffer },
): Promise<StepPlan> {
  return new Planner(options).plan(images);
}

/** Views are filled up until 16 rows fit into the narrowest image row. */
function rowsFor(views: number, spec: NetworkSpec, strides: number, level: gpu.Level): number {
  if (level === "tiles") return views;
  const narrowest = Math.max(1, Math.floor(spec.inputShape[1] / strides));
  let rows = views;
  while ((rows * narrowest) % 16 !== 0 && rows % 16 !== 0) rows++;
  return rows;
}

class Planner {
  private readonly program: gpu.Program;
  private readonly units;
  private readonly rows: number;
  private readonly precision: gpu.Precision;
  private readonly n: number;
  private readonly count: number;
  private readonly parameters: GPUBuffer;
  private readonly gradients: GPUBuffer;
  private readonly inputGradients = new Map<string, GPUBuffer>();

  constructor(private readonly options: PlanOptions) {
    const { open, network, views, microBatch } = options;
    this.units = unitsOf(network);
    const all = [this.units.stem, ...this.units.blocks.flatMap(({ body }) => body.map((u) => u.convolution))];
    const strides = all.reduce((total, { stride }) => total * stride, 1);
    this.program = new gpu.Program(open);
    this.precision = gpu.PRECISIONS[options.precision];
    this.rows = rowsFor(
      views,
      network.spec,
      strides,
      this.precision.operand === "float16" ? open.level : "tiles",
    );
    this.n = microBatch;
    this.count = network.parameterCount;
    this.parameters = this.program.buffer(4 * this.count);
    this.gradients = this.program.buffer(4 * this.count * microBatch);
  }

  async plan(images: { readonly train: GPUBuffer; readonly test: GPUBuffer }): Promise<StepPlan> {
    const { program, n, rows, count } = this;
    const { network, padding, scaling } = this.options;
    const { precision } = this;
    const [height, width, channels] = network.spec.inputShape;
    const views = program.buffer(16 * n * rows);
    const labels = program.buffer(4 * n);
    const micro = program.buffer(16);
    const stem = this.prepare(this.units.stem, {
      height,
      width,
      channels: Math.ceil(channels / 16) * 16,
      real: channels,
    });
    const input = this.inputOf(stem);
    for (const set of ["train", "test"] as const)
      program.add(
        `augment ${set}`,
        gpu.augment({ channels, padding, ...scaling }, input.layout, precision),
        images[set],
        views,
        input.buffer,
      );

    // Forward.
    let x = this.convolve(stem, input, undefined);
    const blocks = this.units.blocks.map(({ body, shortcut }) => {
      const start = x;
      const side = typeof shortcut === "string" ? undefined : this.forwardUnit(shortcut, start, undefined);
      const add = side?.output ?? (shortcut === "identity" ? start : undefined);
      const units: ForwardUnit[] = [];
      body.forEach((unit, index) => {
        const done = this.forwardUnit(unit, x, index === body.length - 1 ? add : undefined);
        units.push(done.unit);
        x = done.output;
      });
      return { units, side: side?.unit, identity: shortcut === "identity" };
    });
    const last = this.normOf(this.units.norm, x);
    const lastStatistics = this.statistics(last, x);
    const plain = gpu.plainLayout(x.height, x.width, rows, x.channels);
    const features = this.activation(plain);
    program.add(
      "forward",
      gpu.normalise(last, plain, precision, "activation"),
      x.buffer,
      lastStatistics,
      this.parameters,
      features,
    );
    const head: gpu.Head = {
      height: x.height,
      width: x.width,
      views: rows,
      realViews: this.options.views,
      channels: x.channels,
      classes: network.spec.classes,
      kernelOffset: this.units.kernelOffset,
      biasOffset: this.units.biasOffset,
    };
    const pooled = program.buffer(4 * n * rows * x.channels);
    const logits = program.buffer(4 * n * rows * head.classes);
    program.add("forward", gpu.pool(head, precision.activation), features, pooled);
    program.add("forward", gpu.logits(head), pooled, this.parameters, logits);

    // Backward.
    const dlogits = program.buffer(4 * n * rows * head.classes);
    const scales = program.buffer(4 * n);
    program.add("backward", gpu.lossGradient(head), logits, labels, micro, dlogits, scales);
    program.add("backward", gpu.denseGradients(head, count), pooled, dlogits, this.gradients);
    program.add("backward", gpu.poolGradient(head, precision.gradient), dlogits, this.parameters, features);
    const writers = blocks.map(({ units, side }) => [
      units.at(-1)!.convolution,
      ...(side ? [side.convolution] : []),
    ]);
    let dx = this.normBackward(
      { norm: last, statistics: lastStatistics, input: x, normal: { buffer: features, layout: plain } },
      features,
      writers.at(-1) ?? [stem],
      undefined,
    );
    for (let b = blocks.length - 1; b >= 0; b--) {
      const { units, side, identity } = blocks[b];
      const below = b > 0 ? writers[b - 1] : [stem];
      const outside = dx;
      const sideGradient = side && this.convolutionBackward(side, outside, true);
      for (let u = units.length - 1; u >= 0; u--) {
        const unit = units[u];
        const dh = this.convolutionBackward(unit, dx, false);
        if (u > 0) dx = this.normBackward(unit, dh, [units[u - 1].convolution], undefined);
        else if (side) {
          const own = this.normBackward(unit, dh, below, undefined, false);
          dx = this.normBackward(side, sideGradient!, below, own);
        } else dx = this.normBackward(unit, dh, below, identity ? outside : undefined);
      }
    }
    this.weightGradient(stem, input, dx);

    // Norms, factors, sum.
    const squares = program.buffer(4 * n * gpu.NORM_PARTS);
    const factors = program.buffer(4 * n);
    const outcomes = program.buffer(8 * OUTCOMES);
    const sums = program.buffer(8 * count);
    program.add("clip", gpu.squaredNorms(count), this.gradients, squares);
    program.add("clip", gpu.clipFactors(count), squares, scales, micro, factors, outcomes);
    program.add("clip", gpu.accumulate(count), this.gradients, factors, micro, sums);
    await program.build();
    return {
      program,
      rows,
      parameters: this.parameters,
      views,
      labels,
      micro,
      sums,
      outcomes,
      gradients: this.gradients,
      logits,
    };
  }

  private activation(layout: gpu.Layout): GPUBuffer {
    return this.program.buffer(gpu.bytesOf(this.precision.activation) * this.n * gpu.exampleSize(layout));
  }

  private gradient(layout: gpu.Layout): GPUBuffer {
    return this.program.buffer(gpu.bytesOf(this.precision.gradient) * this.n * gpu.exampleSize(layout));
  }

  /** Filters for a convolution of inputs of this size, built once a step from the parameters. */
  private prepare(
    unit: ConvolutionUnit,
    input: { height: number; width: number; channels: number; real?: number },
  ): PreparedConvolution {
    const { kernelSize, stride, padding, filters } = unit;
    const [before, after] = sidesOf(unit, input, this.options.network.spec.name);
    const shape: gpu.ConvolutionShape = {
      kernelSize,
      stride,
      before,
      after,
      height: input.height,
      width: input.width,
      views: this.rows,
      inputChannels: input.channels,
      outputChannels: filters,
    };
    if (!(gpu.outputSide(input.height, shape) >= 1 && gpu.outputSide(input.width, shape) >= 1))
      throw new RangeError(`padding ${padding} leaves no output`);
    const filter: gpu.StandardisedFilter = {
      taps: kernelSize * kernelSize,
      inputChannels: input.real ?? input.channels,
      paddedChannels: input.channels,
      outputChannels: filters,
      kernelOffset: unit.kernelOffset,
      gainOffset: unit.gainOffset,
    };
    const { program } = this;
    const { operand, split } = this.precision;
    const bytes = gpu.bytesOf(operand) * filter.taps * input.channels * filters;
    const [weights, transpose] = [program.buffer(split ? 2 * bytes : bytes), program.buffer(bytes)];
    const statistics = unit.gainOffset === undefined ? undefined : program.buffer(16 * filters);
    if (statistics) program.add("parameters", gpu.filterStatistics(filter), this.parameters, statistics);
    program.add(
      "parameters",
      gpu.buildFilters(filter, this.precision),
      this.parameters,
      weights,
      transpose,
      ...(statistics ? [statistics] : []),
    );
    return {
      unit,
      shape,
      forward: gpu.forwardConvolution(shape),
      filter,
      weights,
      transpose,
      statistics,
    };
  }

  private inputOf(convolution: PreparedConvolution): Gradient {
    const layout = gpu.inputLayout(convolution.shape);
    const { operand, split } = this.precision;
    const bytes = gpu.bytesOf(operand) * (split ? 2 : 1) * this.n * gpu.exampleSize(layout);
    return { buffer: this.program.buffer(bytes), layout };
  }

  /** The product on matrix units where they fit. */
  private product(convolution: gpu.Convolution, epilogue: gpu.Epilogue): gpu.Kernel {
    const { operand } = this.precision;
    return this.options.open.level === "matrices" && operand === "float16" && gpu.fitsMatrices(convolution)
      ? gpu.convolutionMatrix(convolution, epilogue)
      : gpu.convolutionTiles(convolution, operand, epilogue);
  }

  private convolve(
    convolution: PreparedConvolution,
    input: Gradient,
    residual: Activation | undefined,
  ): Activation {
    const { forward, unit } = convolution;
    const output = {
      height: forward.rows,
      width: forward.columns,
      channels: unit.filters,
      buffer: this.activation(gpu.plainLayout(forward.rows, forward.columns, this.rows, unit.filters)),
    };
    this.program.add(
      "forward",
      this.product(this.precision.split ? gpu.splitConvolution(forward) : forward, {
        output: this.precision.activation,
        scale: this.precision.inputScale * this.precision.filterScale,
        residual: residual !== undefined,
        ...(unit.biasOffset === undefined ? {} : { biasOffset: unit.biasOffset }),
      }),
      input.buffer,
      convolution.weights,
      output.buffer,
      ...(unit.biasOffset === undefined ? [] : [this.parameters]),
      ...(residual ? [residual.buffer] : []),
    );
    return output;
  }

  private normOf(unit: NormUnit, input: Activation): gpu.GroupNorm {
    const { height, width, channels } = input;
    if (channels % unit.groups !== 0)
      throw new RangeError(`groups must divide the ${channels} channels, got ${unit.groups}`);
    return { ...unit, height, width, channels, views: this.rows };
  }

  private statistics(norm: gpu.GroupNorm, input: Activation): GPUBuffer {
    const { program, n } = this;
    const statistics = program.buffer(8 * n * norm.views * norm.groups);
    const sums = this.columnSums(norm, 2);
    program.add("forward", gpu.columnMoments(norm, this.precision.activation), input.buffer, sums);
    program.add(
      "forward",
      gpu.groupStatistics(norm, this.precision.activation),
      input.buffer,
      sums,
      statistics,
    );
    return statistics;
  }

  private columnSums(norm: gpu.GroupNorm, kinds: number): gpu.Scratch {
    return this.program.scratch(
      "column sums",
      4 * this.n * gpu.partsOf(norm) * kinds * norm.views * norm.channels,
    );
  }

  private forwardUnit(
    unit: Unit,
    input: Activation,
    residual: Activation | undefined,
  ): { unit: ForwardUnit; output: Activation } {
    const norm = this.normOf(unit.norm, input);
    const statistics = this.statistics(norm, input);
    const convolution = this.prepare(unit.convolution, input);
    const normal = this.inputOf(convolution);
    this.program.add(
      "forward",
      gpu.normalise(norm, normal.layout, this.precision, "operand"),
      input.buffer,
      statistics,
      this.parameters,
      normal.buffer,
    );
    const output = this.convolve(convolution, normal, residual);
    return { unit: { norm, statistics, input, normal, convolution }, output };
  }

  /** Weight gradient and input gradient of a unit's convolution; returns the latter, in the layout of its input. */
  private convolutionBackward(unit: ForwardUnit, dy: Gradient, side: boolean): GPUBuffer {
    const { convolution } = unit;
    this.weightGradient(convolution, unit.normal, dy);
    // One buffer for all convolutions of the same shape: what a shape never writes stays zero.
    const key = `${side} ${JSON.stringify(convolution.shape)}`;
    const target = this.inputGradients.get(key) ?? this.gradient(unit.normal.layout);
    this.inputGradients.set(key, target);
    for (const part of gpu.inputGradientConvolutions(convolution.shape, dy.layout))
      this.program.add(
        "backward",
        this.product(part, { residual: false, output: this.precision.gradient }),
        dy.buffer,
        convolution.transpose,
        target,
      );
    return target;
  }

  private weightGradient(convolution: PreparedConvolution, input: Gradient, dy: Gradient): void {
    const { program, n, options } = this;
    const { forward, filter, statistics } = convolution;
    const { operand, split } = this.precision;
    // Of operands in pairs, the roundings alone: what the backward pass loses by that averages out.
    const { input: window } = forward;
    const work = {
      forward: split ? { ...forward, input: { ...window, exampleSize: 2 * window.exampleSize } } : forward,
      gradient: gpu.gradientWindow(dy.layout),
      splits: 1,
    };
    const matrices =
      options.open.level === "matrices" && operand === "float16" && gpu.weightGradientFitsMatrices(work);
    const size = filter.taps * filter.paddedChannels * filter.outputChannels;
    const rows = forward.rows * forward.columns * this.rows;
    if (options.together) {
      if (!matrices) throw new RangeError("together needs matrix units for every filter");
      const whole = { ...work, together: n };
      const [x, y] = gpu.weightGradientMatrix({ ...whole, splits: 1 }).workgroups(n);
      const splits = Math.max(
        1,
        Math.min(Math.floor((n * rows) / 512), Math.ceil(WORKGROUPS_TOGETHER / (x * y))),
      );
      const partial = program.scratch("partial weight gradients", 4 * splits * size);
      const sum = program.scratch("whole weight gradients", 4 * size);
      const back = gpu.kernelGradients(filter, 1, this.count, this.precision);
      program.add(
        "backward",
        gpu.weightGradientMatrix({ ...whole, splits }),
        input.buffer,
        dy.buffer,
        partial,
      );
      program.add("backward", gpu.sumOfParts(size, splits), partial, sum);
      program.add(
        "backward",
        { ...back, workgroups: () => back.workgroups(1) },
        sum,
        this.parameters,
        this.gradients,
        ...(statistics ? [statistics] : []),
      );
      return;
    }
    const build = (splits: number): gpu.Kernel =>
      matrices
        ? gpu.weightGradientMatrix({ ...work, splits })
        : gpu.weightGradientTiles({ ...work, splits }, operand);
    // Enough workgroups to fill a large device, each with 512 rows or more.
    const [x, y] = build(1).workgroups(n);
    const splits = Math.max(1, Math.min(16, Math.floor(rows / 512), Math.ceil(WORKGROUPS / (x * y * n))));
    const partial = program.scratch("partial weight gradients", 4 * n * splits * size);
    program.add("backward", build(splits), input.buffer, dy.buffer, partial);
    program.add(
      "backward",
      gpu.kernelGradients(filter, splits, this.count, this.precision),
      partial,
      this.parameters,
      this.gradients,
      ...(statistics ? [statistics] : []),
    );
  }

  /**
   * From the gradient after a norm to that of the activation before it, in the layout that the convolutions which made it
   * read, with their bias gradients.
   */
  private normBackward(
    { norm, statistics, input, normal }: Pick<ForwardUnit, "norm" | "statistics" | "input" | "normal">,
    dy: GPUBuffer,
    writers: readonly PreparedConvolution[],
    skip: Gradient | undefined,
    last = true,
  ): Gradient {
    const { program, n, count } = this;
    const { precision } = this;
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
    );
    program.add("backward", gpu.columnTotals(norm, 2), sums, totals);
    program.add("backward", gpu.normGradients(norm, count), totals, this.parameters, means, this.gradients);
    const borders = writers.map(({ shape }) => gpu.gradientBorder(shape));
    const layout: gpu.Layout = {
      ...gpu.plainLayout(norm.height, norm.width, norm.views, norm.channels),
      before: Math.max(...borders.map(({ before }) => before)),
      after: Math.max(...borders.map(({ after }) => after)),
    };
    const buffer = this.gradient(layout);
    program.add(
      "backward",
      gpu.normaliseGradient(norm, normal.layout, layout, skip !== undefined, precision),
      input.buffer,
      dy,
      statistics,
      means,
      this.parameters,
      buffer,
      sums,
      ...(skip ? [skip.buffer] : []),
    );
    if (last)
      for (const { unit } of writers)
        if (unit.biasOffset !== undefined)
          program.add("backward", gpu.biasGradients(norm, unit.biasOffset, count), sums, this.gradients);
    return { buffer, layout };
  }
}

/** Workgroups that a weight gradient should have at least. */
const WORKGROUPS = 1536;
/** Without privacy: enough for two on every multiprocessor of a large device, and few parts to add up. */
const WORKGROUPS_TOGETHER = 528;

/** Zeros before and after, the same for rows and columns. */
function sidesOf(
  { kernelSize, stride, padding }: ConvolutionUnit,
  image: { height: number; width: number },
  name: string,
): [number, number] {
  if (padding !== "same") return [padding, padding];
  const [rows, columns] = [image.height, image.width].map((side) =>
    Math.max(0, (Math.ceil(side / stride) - 1) * stride + kernelSize - side),
  );
  if (rows !== columns) throw new UnsupportedNetworkError(name, "padding that differs by rows and columns");
  return [Math.floor(rows / 2), Math.ceil(rows / 2)];
}
