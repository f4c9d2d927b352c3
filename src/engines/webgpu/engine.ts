// Gradients on WebGPU devices, each in a process of its own: when a process dies, another one does its part again.
import { whole } from "../../formats/argumentChecks.js";
import { ArgumentError } from "../../formats/argumentError.js";
import type { SumArithmetic } from "../../formats/sumArithmetic.js";
import type { Augmentation } from "../../trainer/augmentation.js";
import type { BackendChoice } from "../../trainer/backendNames.js";
import type { Dataset, LabelledImages } from "../../trainer/data/dataset.js";
import { fractionBits } from "../../trainer/fixedPoint.js";
import {
  type Batch,
  type ClippedSum,
  type ClipRule,
  checkClipRule,
  type Evaluation,
  type GradientEngine,
} from "../../trainer/gradientEngine.js";
import { type Network, sizeOf } from "../../trainer/layers/network.js";
import { MixedExamplesError } from "../isolation.js";
import { BackendUnavailableError } from "../tensorflow/startBackend.js";
import { WorkerFailedError } from "../threads/threads.js";
import * as gpu from "../webgpu/index.js";
import { type Answer, DeviceProcess, ProcessDiedError } from "./deviceProcess.js";
import { bytesOf, type Message } from "./messages.js";
import type { ImagesHead, Reply, Request } from "./requests.js";
import { unitsOf } from "./residualForm.js";

export interface WebGpuOptions {
  readonly network: Network;
  readonly data: Dataset;
  readonly augmentation: Augmentation;
  /** Examples in flight, ≥ 1; default 64. A matter of memory and speed only. */
  readonly microBatch?: number;
  /** Default float16x2; without matrix units always float32. */
  readonly precision?: gpu.PrecisionName;
  /** Refuse software adapters. */
  readonly hardwareOnly?: boolean;
  /** For tests. */
  readonly level?: gpu.Level;
  /**
   * One process for each entry, 1 to MOST_DEVICES, with these environment variables on top of the trainer's own: what makes
   * the driver show a process another card than the first (docs/gpu.md). Default: one process, none.
   */
  readonly devices?: readonly DeviceEnvironment[];
  readonly onWarning?: (message: string) => void;
}

/** Environment variables of a process that holds a device: they make its driver show it one card. */
export type DeviceEnvironment = Readonly<Record<string, string>>;

/** Their fixed-point sums add up within 32 bits: MOST_PARTS would. */
export const MOST_DEVICES = 16;

/** In a row, without a step done in between. */
const MOST_DEATHS = 3;
const DEFAULT_MICRO_BATCH = 64;

/**
 * Starts the process, compiles the network's kernels, and checks that examples do not mix.
 *
 * Throws BackendUnavailableError where there is no device, UnsupportedNetworkError for a network without kernels, and
 * MixedExamplesError where what an example adds changes with the others.
 */
export async function startWebGpu(options: WebGpuOptions): Promise<GradientEngine> {
  const { network, data, augmentation, microBatch = DEFAULT_MICRO_BATCH, devices = [{}] } = options;
  const { precision = "float16x2", hardwareOnly = false, level } = options;
  unitsOf(network);
  if (network.spec.frozen)
    throw new ArgumentError(
      "frozen",
      "left out with backend webgpu, which trains all parameters",
      network.spec.frozen.join(", "),
    );
  whole("microBatch", microBatch, 1);
  if (!(devices.length >= 1 && devices.length <= MOST_DEVICES))
    throw new ArgumentError("devices", `1 to ${MOST_DEVICES}`, `${devices.length}`);
  const sets = [data.train, data.test];
  if (!sets.every(({ pixels }) => pixels instanceof Uint8Array))
    throw new ArgumentError("backend", "another than webgpu, which takes images of bytes", "webgpu");
  const [train, test] = sets.map(withoutArrays);
  const engine = new WebGpuEngine(
    network,
    microBatch,
    data.train.count,
    {
      head: {
        kind: "start",
        ...{ network: network.spec, train, test, augmentation, microBatch, precision, level, hardwareOnly },
      },
      body: sets.flatMap(({ pixels, labels }) => [bytesOf(pixels), bytesOf(Uint32Array.from(labels))]),
    },
    options,
  );
  try {
    await engine.open();
  } catch (error) {
    await engine.close();
    throw error;
  }
  return engine;
}

/** One device and its process, which is replaced when it dies. */
class Device {
  private process: DeviceProcess | undefined;

  constructor(
    private readonly start: Message<Request>,
    private readonly environment: DeviceEnvironment,
    private readonly warn: (message: string) => void,
  ) {}

  /** Resolves to what the device is, and computes with. */
  async open(): Promise<{ readonly description: string; readonly precision: gpu.PrecisionName }> {
    this.process = new DeviceProcess(this.environment);
    const { reply } = await this.process.ask(this.start);
    if (reply.kind === "no-device") throw new BackendUnavailableError("webgpu", reply.message);
    if (reply.kind === "mixed-examples") throw new MixedExamplesError(reply.message);
    if (reply.kind !== "started") throw failure(reply);
    return { description: `${reply.description}, ${reply.precision}`, precision: reply.precision };
  }

  /**
   * Asks until there is an answer. A process that died had told nobody anything: asking another one the same gives the same
   * sum, and nothing is released twice.
   */
  async ask(message: Message<Request>, asked?: () => void): Promise<Answer> {
    for (let deaths = 1; ; deaths++) {
      try {
        if (!this.process) throw new WorkerFailedError("the engine is closed");
        return await this.process.ask(message, asked);
      } catch (error) {
        if (!(error instanceof ProcessDiedError) || deaths >= MOST_DEATHS) throw error;
        this.warn(`${error.message}; a new one does the step again`);
        await this.open();
      }
    }
  }

  async close(): Promise<void> {
    await this.process?.close();
    this.process = undefined;
  }
}

class WebGpuEngine implements GradientEngine {
  backend: BackendChoice = { name: "webgpu", reason: "" };
  arithmetic: SumArithmetic;
  private readonly devices: readonly Device[];

  constructor(
    private readonly network: Network,
    private readonly microBatch: number,
    /** N, of the training set. */
    private readonly examples: number,
    start: Message<Request>,
    { devices = [{}], onWarning = (message) => process.emitWarning(message) }: WebGpuOptions,
  ) {
    this.arithmetic = {
      engine: "webgpu",
      kernels: "",
      sums: "fixed-point",
      fractionBits: fractionBits(examples),
      sensitivity: "proven",
    };
    this.devices = devices.map((environment) => new Device(start, environment, onWarning));
  }

  get workers(): number {
    return this.devices.length;
  }

  async open(): Promise<void> {
    const found = await Promise.all(this.devices.map((device) => device.open()));
    const descriptions = found.map(({ description }) => description);
    const kinds = [...new Set(descriptions)].map((kind) => {
      const count = descriptions.filter((each) => each === kind).length;
      return found.length === 1 ? kind : `${count} × ${kind}`;
    });
    this.backend = { name: "webgpu", reason: kinds.join("; ") };
    this.arithmetic = {
      ...this.arithmetic,
      kernels: [...new Set(found.map(({ precision }) => precision))].join("; "),
    };
  }

  async clippedSum(
    parameters: readonly Float32Array[],
    batch: Batch,
    clip: ClipRule,
    asked?: () => void,
  ): Promise<ClippedSum> {
    checkClipRule(clip);
    // Its kernels clip to the norm: what was asked for would silently be something else.
    if (clip.gamma !== undefined)
      throw new ArgumentError(
        "clip.gamma",
        "left out with backend webgpu, which clips to a norm",
        `${clip.gamma}`,
      );
    // The sum has room for each example once.
    if (!(batch.indices.length <= this.examples))
      throw new RangeError(
        `a batch holds each of the ${this.examples} examples at most once, got ${batch.indices.length}`,
      );
    const values = parameters.map(bytesOf);
    let unasked = this.devices.length;
    // A device that is asked again counts once more, below zero.
    const another = () => {
      if (--unasked === 0) asked?.();
    };
    const answers = await Promise.all(
      this.parts(batch.indices).map(async (indices, n) => {
        const { reply, body } = await this.devices[n].ask(
          {
            head: { kind: "clipped-sum", step: batch.step, clip },
            body: [...values, bytesOf(indices)],
          },
          another,
        );
        if (reply.kind !== "summed") throw failure(reply);
        return { nonFinite: reply.nonFinite, parts: new Int32Array(body.buffer, 0, body.length / 4) };
      }),
    );
    const total = answers.map(({ parts }) => parts).reduce(gpu.addFixedPoint);
    const flat = gpu.fromFixedPoint(total, this.arithmetic.fractionBits);
    let at = 0;
    const sum = this.network.parameters.map(({ shape }) => {
      const from = at;
      at += sizeOf(shape);
      return flat.subarray(from, at);
    });
    return { sum, sensitivity: 1, nonFinite: answers.some(({ nonFinite }) => nonFinite) };
  }

  async evaluate(parameters: readonly Float32Array[], set: "train" | "test"): Promise<Evaluation> {
    const { reply } = await this.devices[0].ask({
      head: { kind: "evaluate", set },
      body: parameters.map(bytesOf),
    });
    if (reply.kind !== "evaluated") throw failure(reply);
    return reply.evaluation;
  }

  async close(): Promise<void> {
    await Promise.all(this.devices.map((device) => device.close()));
  }

  /** One part a device, in whole micro-batches as equal as they can be; the last may be shorter, or empty. */
  private parts(indices: Uint32Array): Uint32Array[] {
    const { devices, microBatch } = this;
    const microBatches = Math.ceil(indices.length / microBatch);
    const edge = (n: number) => Math.floor((n * microBatches) / devices.length) * microBatch;
    return devices.map((_, n) =>
      indices.subarray(edge(n), n + 1 === devices.length ? indices.length : edge(n + 1)),
    );
  }
}

const withoutArrays = ({ pixels, labels, ...head }: LabelledImages): ImagesHead => head;

const failure = (reply: Reply): WorkerFailedError =>
  new WorkerFailedError(`the device process failed: ${"message" in reply ? reply.message : reply.kind}`);
