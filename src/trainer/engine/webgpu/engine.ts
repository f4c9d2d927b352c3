// Gradients on a WebGPU device in a process of its own: when that process dies, another one does the step again.
import { type ChildProcess, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { type BackendChoice, BackendUnavailableError, type webgpu as gpu } from "../../../backends/index.js";
import type { Dataset, LabelledImages } from "../../data/index.js";
import { type Network, type NetworkSpec, sizeOf } from "../../layers/network.js";
import {
  type Batch,
  type ClippedSum,
  type ClipRule,
  checkClipRule,
  type Evaluation,
  type GradientEngine,
} from "../gradientEngine.js";
import { WorkerFailedError } from "../threads.js";
import type { Augmentation } from "../views.js";
import { bytesOf, listen, type Message, send } from "./messages.js";
import { unitsOf } from "./units.js";

export type ImagesHead = Omit<LabelledImages, "pixels" | "labels">;

export type Request =
  | {
      readonly kind: "start";
      readonly network: NetworkSpec;
      readonly train: ImagesHead;
      readonly test: ImagesHead;
      readonly augmentation: Augmentation;
      readonly microBatch: number;
      readonly precision: gpu.PrecisionName;
      readonly level: gpu.Level | undefined;
      readonly hardwareOnly: boolean;
    }
  | { readonly kind: "clipped-sum"; readonly step: number; readonly clip: ClipRule }
  | { readonly kind: "evaluate"; readonly set: "train" | "test" };

export type Reply =
  | { readonly kind: "started"; readonly description: string; readonly precision: gpu.PrecisionName }
  | { readonly kind: "summed"; readonly nonFinite: boolean }
  | { readonly kind: "evaluated"; readonly evaluation: Evaluation }
  | { readonly kind: "no-device"; readonly message: string }
  | { readonly kind: "failed"; readonly message: string };

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
  readonly onWarning?: (message: string) => void;
}

/** In a row, without a step done in between. */
const MOST_DEATHS = 3;
const DEFAULT_MICRO_BATCH = 64;

/**
 * Starts the process and compiles the network's kernels.
 *
 * Throws BackendUnavailableError where there is no device, UnsupportedNetworkError for a network without kernels.
 */
export async function startWebGpu(options: WebGpuOptions): Promise<GradientEngine> {
  unitsOf(options.network);
  if (options.network.spec.frozen)
    throw new RangeError("frozen must name no parameters with backend webgpu: it trains all of them");
  const { microBatch = DEFAULT_MICRO_BATCH } = options;
  if (!(Number.isSafeInteger(microBatch) && microBatch >= 1))
    throw new RangeError(`microBatch must be a whole number >= 1, got ${microBatch}`);
  const engine = new WebGpuEngine(options, microBatch);
  try {
    await engine.start();
  } catch (error) {
    await engine.close();
    throw error;
  }
  return engine;
}

class WebGpuEngine implements GradientEngine {
  backend: BackendChoice = { name: "webgpu", reason: "" };
  readonly workers = 1;
  private worker: DeviceProcess | undefined;
  private readonly warn: (message: string) => void;

  constructor(
    private readonly options: WebGpuOptions,
    private readonly microBatch: number,
  ) {
    this.warn = options.onWarning ?? ((message) => process.emitWarning(message));
  }

  async start(): Promise<void> {
    const {
      network,
      data,
      augmentation,
      precision = "float16x2",
      hardwareOnly = false,
      level,
    } = this.options;
    this.worker = new DeviceProcess();
    const { train, test } = data;
    for (const { pixels } of [train, test])
      if (!(pixels instanceof Uint8Array))
        throw new RangeError("backend webgpu needs images of bytes, these are other numbers");
    const head: Request = {
      kind: "start",
      network: network.spec,
      train: withoutArrays(train),
      test: withoutArrays(test),
      augmentation,
      microBatch: this.microBatch,
      precision,
      level,
      hardwareOnly,
    };
    const { reply } = await this.worker.ask({
      head,
      body: [train, test].flatMap(({ pixels, labels }) => [
        bytesOf(pixels),
        bytesOf(Uint32Array.from(labels)),
      ]),
    });
    if (reply.kind === "no-device") throw new BackendUnavailableError("webgpu", reply.message);
    if (reply.kind !== "started") throw failure(reply);
    this.backend = { name: "webgpu", reason: `${reply.description}, ${reply.precision}` };
  }

  async clippedSum(parameters: readonly Float32Array[], batch: Batch, clip: ClipRule): Promise<ClippedSum> {
    checkClipRule(clip);
    // Its kernels clip to the norm: what was asked for would silently be something else.
    if (clip.gamma !== undefined)
      throw new RangeError("clip gamma must be left out with backend webgpu: it clips to a norm");
    const { reply, body } = await this.ask({
      head: { kind: "clipped-sum", step: batch.step, clip },
      body: [...parameters, batch.indices].map(bytesOf),
    });
    if (reply.kind !== "summed") throw failure(reply);
    const flat = new Float64Array(body.buffer);
    let at = 0;
    const sum = this.options.network.parameters.map(({ shape }) => {
      const from = at;
      at += sizeOf(shape);
      return flat.subarray(from, at);
    });
    return { sum, sensitivity: 1, nonFinite: reply.nonFinite };
  }

  async evaluate(parameters: readonly Float32Array[], set: "train" | "test"): Promise<Evaluation> {
    const { reply } = await this.ask({ head: { kind: "evaluate", set }, body: parameters.map(bytesOf) });
    if (reply.kind !== "evaluated") throw failure(reply);
    return reply.evaluation;
  }

  async close(): Promise<void> {
    await this.worker?.close();
    this.worker = undefined;
  }

  /**
   * Asks until there is an answer. A process that died had told nobody anything: asking another one the same gives the same
   * sum, and nothing is released twice.
   */
  private async ask(message: Message<Request>): Promise<Answer> {
    for (let deaths = 1; ; deaths++) {
      try {
        if (!this.worker) throw new WorkerFailedError("the engine is closed");
        return await this.worker.ask(message);
      } catch (error) {
        if (!(error instanceof ProcessDiedError) || deaths >= MOST_DEATHS) throw error;
        this.warn(`${error.message}; a new one does the step again`);
        await this.start();
      }
    }
  }
}

const withoutArrays = ({ pixels, labels, ...head }: LabelledImages): ImagesHead => head;

const failure = (reply: Reply): WorkerFailedError =>
  new WorkerFailedError(`the device process failed: ${"message" in reply ? reply.message : reply.kind}`);

class ProcessDiedError extends WorkerFailedError {}

interface Answer {
  readonly reply: Reply;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** The process, with at most one question open. */
class DeviceProcess {
  private readonly child: ChildProcess;
  private dead: ProcessDiedError | undefined;
  private waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined;

  constructor() {
    this.child = spawn(process.execPath, [processFile()], {
      // What drivers print is no output of the trainer's.
      stdio: ["ignore", "ignore", process.env.DPSGD_DEVICE_LOG ? "inherit" : "ignore", "pipe", "pipe"],
    });
    this.child.on("exit", (code, signal) => this.die(signal ?? `status ${code}`));
    this.child.on("error", (error) => this.die(error.message));
    // A pipe that breaks breaks with the process, which says so.
    for (const stream of this.child.stdio.slice(3)) stream?.on("error", () => {});
    listen<Reply>(this.child.stdio[4] as Readable, (reply, body) => {
      const waiting = this.waiting;
      this.waiting = undefined;
      waiting?.resolve({ reply, body });
    });
  }

  ask(message: Message<Request>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.dead) return reject(this.dead);
      this.waiting = { resolve, reject };
      send(this.child.stdio[3] as Writable, message);
    });
  }

  async close(): Promise<void> {
    if (this.dead) return;
    const gone = new Promise((resolve) => this.child.once("exit", resolve));
    (this.child.stdio[3] as Writable).end();
    const patience = setTimeout(() => this.child.kill("SIGKILL"), 2000);
    await gone;
    clearTimeout(patience);
  }

  private die(how: string): void {
    this.dead ??= new ProcessDiedError(`the device process ended (${how})`);
    this.waiting?.reject(this.dead);
    this.waiting = undefined;
  }
}

/** The compiled file, also when this file itself runs as TypeScript under a test runner. */
function processFile(): string {
  const url = import.meta.url.endsWith(".ts")
    ? new URL("../../../../dist/trainer/engine/webgpu/process.js", import.meta.url)
    : new URL("./process.js", import.meta.url);
  return url.pathname;
}
