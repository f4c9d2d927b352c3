// The convolutions of a step: their filters, forward products, and the gradients of inputs and of each example's weights.
import * as gpu from "../webgpu/index.js";
import { type ConvolutionUnit, UnsupportedNetworkError } from "./residualForm.js";
import type { Activation, Gradient, StepParts } from "./stepParts.js";

/** Workgroups that a weight gradient should have at least. */
const WORKGROUPS = 1536;
/** Without privacy: enough for two on every multiprocessor of a large device, and few parts to add up. */
const WORKGROUPS_TOGETHER = 528;

/** Parts of an example's rows: enough workgroups to fill a large device, each with 512 rows or more. */
export function splitsOf(whole: gpu.Kernel, n: number, rows: number): number {
  const [x, y] = whole.workgroups(n);
  return Math.max(1, Math.min(16, Math.floor(rows / 512), Math.ceil(WORKGROUPS / (x * y * n))));
}

export interface PreparedConvolution {
  readonly unit: ConvolutionUnit;
  readonly shape: gpu.ConvolutionShape;
  readonly forward: gpu.Convolution;
  readonly filter: gpu.StandardisedFilter;
  readonly weights: GPUBuffer;
  readonly transpose: GPUBuffer;
  readonly statistics: GPUBuffer | undefined;
}

/** A convolution and what it read, in the layout that its kernels read. */
export interface Convolved {
  readonly convolution: PreparedConvolution;
  readonly normal: Gradient;
}

export class Convolutions {
  private readonly inputGradients = new Map<string, GPUBuffer>();

  constructor(private readonly step: StepParts) {}

  /** Filters for a convolution of inputs of this size, built once a step from the parameters. */
  prepare(
    unit: ConvolutionUnit,
    input: { height: number; width: number; channels: number; real?: number },
  ): PreparedConvolution {
    const { kernelSize, stride, padding, filters } = unit;
    const [before, after] = sidesOf(unit, input, this.step.network.spec.name);
    const shape: gpu.ConvolutionShape = {
      kernelSize,
      stride,
      before,
      after,
      height: input.height,
      width: input.width,
      views: this.step.rows,
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
    const { program } = this.step;
    const { operand, split } = this.step.precision;
    const bytes = gpu.bytesOf(operand) * filter.taps * input.channels * filters;
    const [weights, transpose] = [program.buffer(split ? 2 * bytes : bytes), program.buffer(bytes)];
    const statistics = unit.gainOffset === undefined ? undefined : program.buffer(16 * filters);
    if (statistics) program.add("parameters", gpu.filterStatistics(filter), this.step.parameters, statistics);
    program.add(
      "parameters",
      gpu.buildFilters(filter, this.step.precision),
      this.step.parameters,
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

  inputOf(convolution: PreparedConvolution): Gradient {
    const layout = gpu.inputLayout(convolution.shape);
    const { operand, split } = this.step.precision;
    const bytes = gpu.bytesOf(operand) * (split ? 2 : 1) * this.step.n * gpu.exampleSize(layout);
    return { buffer: this.step.program.buffer(bytes), layout };
  }

  /** The product on matrix units where they fit. */
  private product(convolution: gpu.Convolution, epilogue: gpu.Epilogue): gpu.Kernel {
    const { operand } = this.step.precision;
    return this.step.open.level === "matrices" && operand === "float16" && gpu.fitsMatrices(convolution)
      ? gpu.convolutionMatrix(convolution, epilogue, this.step.tiles.convolution(convolution, epilogue))
      : gpu.convolutionTiles(convolution, operand, epilogue);
  }

  convolve(convolution: PreparedConvolution, input: Gradient, residual: Activation | undefined): Activation {
    const { forward, unit } = convolution;
    const output = {
      height: forward.rows,
      width: forward.columns,
      channels: unit.filters,
      buffer: this.step.activation(
        gpu.plainLayout(forward.rows, forward.columns, this.step.rows, unit.filters),
      ),
    };
    this.step.program.add(
      "forward",
      this.product(this.step.precision.split ? gpu.splitConvolution(forward) : forward, {
        output: this.step.precision.activation,
        scale: this.step.precision.inputScale * this.step.precision.filterScale,
        residual: residual !== undefined,
        ...(unit.biasOffset === undefined ? {} : { biasOffset: unit.biasOffset }),
      }),
      input.buffer,
      convolution.weights,
      output.buffer,
      ...(unit.biasOffset === undefined ? [] : [this.step.parameters]),
      ...(residual ? [residual.buffer] : []),
    );
    return output;
  }

  /** Weight gradient and input gradient of a unit's convolution; returns the latter, in the layout of its input. */
  backward({ convolution, normal }: Convolved, dy: Gradient, side: boolean): GPUBuffer {
    this.weightGradient(convolution, normal, dy);
    // One buffer for all convolutions of the same shape: what a shape never writes stays zero.
    const key = `${side} ${JSON.stringify(convolution.shape)}`;
    const target = this.inputGradients.get(key) ?? this.step.gradient(normal.layout);
    this.inputGradients.set(key, target);
    for (const part of gpu.inputGradientConvolutions(convolution.shape, dy.layout))
      this.step.program.add(
        "backward",
        this.product(part, { residual: false, output: this.step.precision.gradient }),
        dy.buffer,
        convolution.transpose,
        target,
      );
    return target;
  }

  /** Each example's gradient of the trained weights; of the whole micro-batch at once where examples are together. */
  weightGradient(convolution: PreparedConvolution, input: Gradient, dy: Gradient): void {
    const { forward, filter } = convolution;
    const { open, precision, together, rows: perPixel } = this.step;
    // Of operands in pairs, the roundings alone: what the backward pass loses by that averages out.
    const { input: window } = forward;
    const work = {
      forward: precision.split
        ? { ...forward, input: { ...window, exampleSize: 2 * window.exampleSize } }
        : forward,
      gradient: gpu.gradientWindow(dy.layout),
    };
    const matrices =
      open.level === "matrices" &&
      precision.operand === "float16" &&
      gpu.weightGradientFitsMatrices({ ...work, splits: 1 });
    if (together && !matrices) throw new RangeError("together needs matrix units for every filter");
    const build = (splits: number): gpu.Kernel => {
      const whole = { ...work, splits, ...(together ? { together: this.step.n } : {}) };
      return matrices
        ? gpu.weightGradientMatrix(whole, this.step.tiles.weightGradient(whole))
        : gpu.weightGradientTiles(whole, precision.operand);
    };
    const size = filter.taps * filter.paddedChannels * filter.outputChannels;
    const rows = forward.rows * forward.columns * perPixel;
    const operands = [input.buffer, dy.buffer] as const;
    if (together) this.summedTogether(convolution, build, operands, size, rows);
    else this.keptApart(convolution, build, operands, size, rows);
  }

  private keptApart(
    { filter, statistics }: PreparedConvolution,
    build: (splits: number) => gpu.Kernel,
    operands: readonly GPUBuffer[],
    size: number,
    rows: number,
  ): void {
    const { program, n, count, precision, parameters, gradients } = this.step;
    const splits = splitsOf(build(1), n, rows);
    const partial = program.scratch("partial weight gradients", 4 * n * splits * size);
    program.add("backward", build(splits), ...operands, partial);
    program.add(
      "backward",
      gpu.kernelGradients(filter, splits, count, precision),
      partial,
      parameters,
      gradients,
      ...(statistics ? [statistics] : []),
    );
  }

  private summedTogether(
    { filter, statistics }: PreparedConvolution,
    build: (splits: number) => gpu.Kernel,
    operands: readonly GPUBuffer[],
    size: number,
    rows: number,
  ): void {
    const { program, n, count, precision, parameters, gradients } = this.step;
    const [x, y] = build(1).workgroups(n);
    const splits = Math.max(
      1,
      Math.min(Math.floor((n * rows) / 512), Math.ceil(WORKGROUPS_TOGETHER / (x * y))),
    );
    const partial = program.scratch("partial weight gradients", 4 * splits * size);
    const sum = program.scratch("whole weight gradients", 4 * size);
    const back = gpu.kernelGradients(filter, 1, count, precision);
    program.add("backward", build(splits), ...operands, partial);
    program.add("backward", gpu.sumOfParts(size, splits), partial, sum);
    program.add(
      "backward",
      { ...back, workgroups: () => back.workgroups(1) },
      sum,
      parameters,
      gradients,
      ...(statistics ? [statistics] : []),
    );
  }
}

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
