// What all parts of a step plan share: the program, the parameters, and each example's gradients.
import type { Network, NetworkSpec } from "../../trainer/layers/network.js";
import * as gpu from "../webgpu/index.js";
import { type UnitNetwork, unitsOf } from "./residualForm.js";

/** How a plan is solved for. */
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
  /** Of the clipped sum's grid, see `fixedPoint.ts`. */
  readonly fractionBits: number;
  /**
   * Filter gradients of whole micro-batches, in the row of the first example: a step without privacy, to measure what
   * keeping examples apart costs. Such a plan must not be clipped. Matrix units only.
   */
  readonly together?: boolean;
  /** Of the products on matrix units; default: those chosen by measurement. */
  readonly tiles?: gpu.Tiles;
}

/** An activation with its size: [example][row][column][view][channel]. */
export interface Activation {
  readonly buffer: GPUBuffer;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** A gradient, in the layout of the kernels that will read it. */
export interface Gradient {
  readonly buffer: GPUBuffer;
  readonly layout: gpu.Layout;
}

export class StepParts {
  readonly program: gpu.Program;
  readonly open: gpu.OpenDevice;
  readonly network: Network;
  readonly units: UnitNetwork;
  /** Rows of the buffers for an example: its views, or more where matrices need it. */
  readonly rows: number;
  readonly precision: gpu.Precision;
  /** Examples in flight. */
  readonly n: number;
  readonly together: boolean;
  readonly tiles: gpu.Tiles;
  /** Parameters of the network. */
  readonly count: number;
  readonly parameters: GPUBuffer;
  /** [example][parameter], float32. */
  readonly gradients: GPUBuffer;

  constructor(options: PlanOptions) {
    const { open, network, views, microBatch, precision, together = false } = options;
    const { tiles = gpu.TILES.chosen } = options;
    this.open = open;
    this.network = network;
    this.units = unitsOf(network);
    const all = [this.units.stem, ...this.units.blocks.flatMap(({ body }) => body.map((u) => u.convolution))];
    const strides = all.reduce((total, { stride }) => total * stride, 1);
    this.program = new gpu.Program(open);
    this.precision = gpu.PRECISIONS[precision];
    this.rows = rowsFor(
      views,
      network.spec,
      strides,
      this.precision.operand === "float16" ? open.level : "tiles",
    );
    this.n = microBatch;
    this.together = together;
    this.tiles = tiles;
    this.count = network.parameterCount;
    this.parameters = this.program.buffer(4 * this.count);
    this.gradients = this.program.buffer(4 * this.count * microBatch);
  }

  activation(layout: gpu.Layout): GPUBuffer {
    return this.program.buffer(gpu.bytesOf(this.precision.activation) * this.n * gpu.exampleSize(layout));
  }

  gradient(layout: gpu.Layout): GPUBuffer {
    return this.program.buffer(gpu.bytesOf(this.precision.gradient) * this.n * gpu.exampleSize(layout));
  }
}

/** Views are filled up until 16 rows fit into the narrowest image row. */
function rowsFor(views: number, spec: NetworkSpec, strides: number, level: gpu.Level): number {
  if (level === "tiles") return views;
  const narrowest = Math.max(1, Math.floor(spec.inputShape[1] / strides));
  let rows = views;
  while ((rows * narrowest) % 16 !== 0 && rows % 16 !== 0) rows++;
  return rows;
}
