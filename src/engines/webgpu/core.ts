// The WebGPU engine in its own process: images on the device, micro-batches through the step plan, one read a step.
import {
  type Augmentation,
  DEFAULT_PADDING,
  drawViews,
  UNCHANGED,
  type View,
  viewsPerExample,
} from "../../trainer/augmentation.js";
import type { LabelledImages } from "../../trainer/data/dataset.js";
import { linearScaling } from "../../trainer/data/normalisation.js";
import { fractionBits } from "../../trainer/fixedPoint.js";
import type { ClipRule, Evaluation } from "../../trainer/gradientEngine.js";
import type { Network } from "../../trainer/layers/network.js";
import type * as gpu from "../webgpu/index.js";
import { type CoreSum, checkDeviceIsolation, checkImages } from "./isolation.js";
import { bytesOf } from "./messages.js";
import { MICRO_BATCH_PHASES, MICRO_BATCHES_A_READ, PEAKS, planStep, type StepPlan } from "./plan.js";

export interface CoreOptions {
  readonly open: gpu.OpenDevice;
  readonly network: Network;
  readonly train: LabelledImages;
  readonly test: LabelledImages;
  readonly augmentation: Augmentation;
  readonly microBatch: number;
  readonly precision: gpu.PrecisionName;
  /** For tests of the second try; default: PEAKS of the precision. */
  readonly peaks?: readonly number[];
  /** Without privacy, for measurements: see PlanOptions. `clippedSum` must not be asked. */
  readonly together?: boolean;
  /** Default: those chosen by measurement. */
  readonly tiles?: gpu.Tiles;
}

export interface CoreBatch {
  readonly indices: Uint32Array;
  readonly step: number;
}

export class WebGpuCore {
  private constructor(
    private readonly options: CoreOptions,
    readonly plan: StepPlan,
    private readonly padding: number,
    /** Of the sums' grid. */
    readonly fractionBits: number,
    /** They lie behind the training images. */
    private readonly checks: LabelledImages,
  ) {}

  static async start(options: CoreOptions): Promise<WebGpuCore> {
    const {
      open,
      network,
      train,
      test,
      augmentation,
      microBatch,
      precision,
      together = false,
      tiles,
    } = options;
    const padding = augmentation.padding ?? DEFAULT_PADDING;
    const bits = fractionBits(train.count);
    const checks = checkImages(train, network.spec.classes);
    const plan = await planStep(
      {
        open,
        network,
        views: viewsPerExample(augmentation),
        microBatch,
        precision,
        padding,
        scaling: linearScaling(train),
        fractionBits: bits,
        together,
        ...(tiles ? { tiles } : {}),
      },
      {
        train: upload(open.device, bytesOf(train.pixels), bytesOf(checks.pixels)),
        test: upload(open.device, bytesOf(test.pixels)),
      },
    );
    return new WebGpuCore(options, plan, padding, bits, checks);
  }

  /** Throws MixedExamplesError unless every example adds the same whatever the others are. */
  checkIsolation(): Promise<void> {
    const { network, train, microBatch } = this.options;
    return checkDeviceIsolation(this, network, { first: train.count, microBatch });
  }

  /** Flat parameters, in the network's order. */
  clippedSum(parameters: Float32Array, batch: CoreBatch, clip: ClipRule): Promise<CoreSum> {
    return this.useClippedSum(parameters, batch, clip, (sum) => ({ ...sum, parts: sum.parts.slice() }));
  }

  /** Calls `use` with the sum: its parts lie in memory of the device's, and only until `use` returns. */
  async useClippedSum<T>(
    parameters: Float32Array,
    batch: CoreBatch,
    clip: ClipRule,
    use: (sum: CoreSum) => T,
  ): Promise<T> {
    const { program } = this.plan;
    const { indices } = batch;
    const count = parameters.length;
    if (this.options.together) throw new RangeError("a core whose examples are together cannot clip");
    this.setParameters(parameters);
    program.clear(this.plan.sums);
    const norms = new Float64Array(indices.length);
    // An example whose gradient overflowed added nothing: it is tried again with smaller gradients, alone with its like.
    let left = indices;
    let places = Uint32Array.from(indices.keys());
    for (const peak of this.options.peaks ?? PEAKS[this.options.precision]) {
      if (left.length === 0) break;
      const outcomes = await this.outcomesOf(left, batch.step, clip, peak);
      const broken: number[] = [];
      places.forEach((place, n) => {
        const added = outcomes[2 * n] > 0;
        norms[place] = added ? outcomes[2 * n + 1] : Infinity;
        if (!added) broken.push(n);
      });
      left = Uint32Array.from(broken, (n) => left[n]);
      places = Uint32Array.from(broken, (n) => places[n]);
    }
    const nonFinite = left.length > 0;
    return program.use(this.plan.sums, 8 * count, (bytes) =>
      use({ parts: new Int32Array(bytes, 0, 2 * count), norms, nonFinite }),
    );
  }

  /** Submits the micro-batches of these examples; resolves to each one's (factor, norm). */
  private async outcomesOf(
    indices: Uint32Array,
    step: number,
    clip: ClipRule,
    peak: number,
  ): Promise<Float32Array> {
    const outcomes = new Float32Array(2 * indices.length);
    const { microBatch } = this.options;
    const atOnce = MICRO_BATCHES_A_READ * microBatch;
    for (let first = 0; first < indices.length; first += atOnce) {
      const part = indices.subarray(first, first + atOnce);
      for (let from = 0; from < part.length; from += microBatch) this.submit(part, from, step, clip, peak);
      const read = await this.plan.program.read(this.plan.outcomes, 8 * part.length);
      outcomes.set(new Float32Array(read), 2 * first);
    }
    return outcomes;
  }

  async evaluate(parameters: Float32Array, set: "train" | "test"): Promise<Evaluation> {
    const { program, rows, logits } = this.plan;
    const { microBatch, network } = this.options;
    const images = this.options[set];
    const { classes } = network.spec;
    this.setParameters(parameters);
    let [correct, loss] = [0, 0];
    const atOnce = microBatch * rows;
    for (let from = 0; from < images.count; from += atOnce) {
      const count = Math.min(atOnce, images.count - from);
      const examples = Math.ceil(count / rows);
      // Every row is an image of its own; the last example's filling repeats the last image.
      const table = new Uint32Array(4 * examples * rows);
      for (let row = 0; row < examples * rows; row++)
        this.writeView(table, row, from + Math.min(row, count - 1), UNCHANGED);
      program.device.queue.writeBuffer(this.plan.views, 0, table);
      program.run([`augment ${set}`, "forward"], examples);
      const values = new Float32Array(await program.read(logits, 4 * examples * rows * classes));
      for (let n = 0; n < count; n++) {
        const own = values.subarray(n * classes, (n + 1) * classes);
        const label = images.labels[from + n];
        const top = own.reduce((a, b) => Math.max(a, b), -Infinity);
        if (own.indexOf(top) === label) correct++;
        loss += Math.log(own.reduce((total, value) => total + Math.exp(value - top), 0)) + top - own[label];
      }
    }
    return { correct, count: images.count, loss: loss / Math.max(1, images.count) };
  }

  /** Writes a micro-batch's views and labels and submits its kernels; nothing waits. */
  submit(indices: Uint32Array, from: number, step: number, clip: ClipRule, peak: number): void {
    const phases = MICRO_BATCH_PHASES.filter((phase) => !(this.options.together && phase === "clip"));
    const { program, rows } = this.plan;
    const { microBatch, train, augmentation } = this.options;
    const count = Math.min(microBatch, indices.length - from);
    const table = new Uint32Array(4 * count * rows);
    const labels = new Uint32Array(count);
    for (let n = 0; n < count; n++) {
      const index = indices[from + n];
      labels[n] = index < train.count ? train.labels[index] : this.checks.labels[index - train.count];
      const views = drawViews(train.shape, augmentation, step, index);
      for (let k = 0; k < rows; k++) this.writeView(table, n * rows + k, index, views[k] ?? UNCHANGED);
    }
    const { queue } = program.device;
    queue.writeBuffer(this.plan.views, 0, table);
    queue.writeBuffer(this.plan.labels, 0, labels);
    const micro = new ArrayBuffer(16);
    new Uint32Array(micro).set([0, from, count, 0]);
    const numbers = new Float32Array(micro);
    numbers[0] = clip.norm;
    numbers[3] = peak;
    queue.writeBuffer(this.plan.micro, 0, micro);
    program.run(phases, count);
  }

  setParameters(parameters: Float32Array): void {
    const { program } = this.plan;
    program.device.queue.writeBuffer(
      this.plan.parameters,
      0,
      parameters.buffer as ArrayBuffer,
      parameters.byteOffset,
      parameters.byteLength,
    );
    program.run(["parameters"], 1);
  }

  private writeView(table: Uint32Array, row: number, image: number, view: View): void {
    table[4 * row] = image;
    table[4 * row + 1] = view.top + this.padding;
    table[4 * row + 2] = view.left + this.padding;
    table[4 * row + 3] = view.mirrored ? 1 : 0;
  }
}

/** Bytes to a buffer, one part behind the other, in pieces: one write may not be as large as a data set. */
function upload(device: GPUDevice, ...parts: readonly Uint8Array[]): GPUBuffer {
  const length = parts.reduce((total, part) => total + part.length, 0);
  const size = Math.ceil(length / 16) * 16;
  const buffer = device.createBuffer({ size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST });
  const most = 2 ** 24;
  for (let from = 0; from < length; from += most) {
    const piece = new Uint8Array(Math.ceil(Math.min(most, length - from) / 4) * 4);
    let start = 0;
    for (const part of parts) {
      // What of the part lies within the piece.
      const own = part.subarray(Math.max(0, from - start), Math.max(0, from + most - start));
      if (own.length > 0) piece.set(own, Math.max(0, start - from));
      start += part.length;
    }
    device.queue.writeBuffer(buffer, from, piece);
  }
  return buffer;
}
