// Gradients by data-parallel worker threads: each has its own TensorFlow.js instance and takes micro-batches in turn.
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { whole } from "../../formats/argumentChecks.js";
import { checkFields, type FieldsOf } from "../../formats/knownFields.js";
import type { SumArithmetic } from "../../formats/sumArithmetic.js";
import { type Augmentation, checkAugmentation, viewsPerExample } from "../../trainer/augmentation.js";
import type { BackendChoice, BackendName } from "../../trainer/backendNames.js";
import type { Dataset, LabelledImages } from "../../trainer/data/dataset.js";
import { checkVocabulary } from "../../trainer/data/vocabulary.js";
import { fractionBits } from "../../trainer/fixedPoint.js";
import {
  type Batch,
  type ClippedSum,
  type ClipRule,
  checkClipRule,
  type Evaluation,
  type GradientEngine,
} from "../../trainer/gradientEngine.js";
import { type Network, type NetworkSpec, sizeOf } from "../../trainer/layers/network.js";
import type { EngineTimes } from "../../trainer/stepTimes.js";
import { compiledFile } from "../compiledFile.js";
import { OutOfMemoryError, saysOutOfMemory } from "../outOfMemory.js";
import { currentKernels } from "../tensorflow/startBackend.js";
import { type FeatureMemory, featureMemory } from "./featureStore.js";
import { findMicroBatch } from "./findMicroBatch.js";
import { WorkerMemory } from "./memory.js";
import { defaultMicroBatch } from "./microBatchSize.js";

/** What a thread is told once. All arrays are in shared memory: nothing is copied per thread. */
export interface ThreadSetup {
  readonly backend: BackendName;
  readonly network: NetworkSpec;
  /** Values of the parameters that are not trained. */
  readonly frozen: ReadonlyMap<string, Float32Array>;
  /** Where the features of frozen layers are kept; absent where there are none or too many. */
  readonly features: { readonly train?: FeatureMemory; readonly test?: FeatureMemory };
  readonly train: LabelledImages;
  readonly test: LabelledImages;
  readonly augmentation: Augmentation;
  readonly microBatch: number;
  /** Threads that share the examples of a step. */
  readonly workers: number;
  /** Images at once where no gradients are wanted. */
  readonly evaluationBatch: number;
  /** All parameters, one after the other, float32. */
  readonly parameters: SharedArrayBuffer;
  /** The batch's indices, uint32, as long as the training set. */
  readonly indices: SharedArrayBuffer;
  /** One int32: the next micro-batch that nobody has taken. */
  readonly next: SharedArrayBuffer;
  /** This thread's own sum, float64, in the order of the parameters. */
  readonly sum: SharedArrayBuffer;
}

export type ThreadRequest =
  | { readonly kind: "clipped-sum"; readonly count: number; readonly step: number; readonly clip: ClipRule }
  | { readonly kind: "evaluate"; readonly set: "train" | "test" };

export type ThreadReply =
  | { readonly kind: "ready" }
  | { readonly kind: "clipped-sum"; readonly nonFinite: boolean; readonly times: EngineTimes }
  | { readonly kind: "evaluate"; readonly evaluation: Evaluation }
  | { readonly kind: "failed"; readonly message: string; readonly outOfMemory: boolean };

/** A thread that died or failed: the step was not done, nothing of it was applied. */
export class WorkerFailedError extends Error {
  override readonly name = "WorkerFailedError";
  constructor(
    message: string,
    /** Another attempt would fail as well. */
    readonly outOfMemory = false,
  ) {
    super(message);
  }
}

/** Threads that an engine may have: each holds a backend of its own, and more than a few a core only cost memory. */
export const MOST_WORKERS = Math.max(16, 4 * availableParallelism());

export interface EngineOptions {
  readonly backend: BackendChoice;
  readonly network: Network;
  readonly data: Dataset;
  readonly augmentation: Augmentation;
  /** Threads, 1 to MOST_WORKERS; default: one a core. */
  readonly workers?: number;
  /** Examples whose gradients are held at once, ≥ 1, or "auto": the fastest found by trying. Memory and speed only. */
  readonly microBatch?: number | "auto";
  /** Hears, for the operator, of threads that died and were replaced. */
  readonly onWarning?: (message: string) => void;
}

/** A request is computed anew this often after threads died; a thread that dies each time is a fault. */
const MOST_RESTARTS = 2;

const FIELDS = {
  backend: true,
  network: true,
  data: true,
  augmentation: true,
  workers: true,
  microBatch: true,
  onWarning: true,
} satisfies FieldsOf<EngineOptions>;

/**
 * Starts the threads and waits until each can compute. A thread that cannot start, or a micro-batch that there is no memory for,
 * is an error. Throws ArgumentError.
 */
export async function startThreads(options: EngineOptions): Promise<GradientEngine> {
  checkFields("startThreads", options, FIELDS);
  checkAugmentation(options.augmentation);
  const { workers = availableParallelism(), network } = options;
  whole("workers", workers, 1, MOST_WORKERS);
  const given = options.microBatch;
  if (!(given === undefined || given === "auto")) whole("microBatch", given, 1);
  checkVocabulary(network.spec, options.data);
  const views = viewsPerExample(options.augmentation);
  const memory = await WorkerMemory.of(network, { views, workers, backend: options.backend.name });
  const microBatch =
    given === "auto"
      ? findMicroBatch(network, currentKernels(), views, memory.fitting)
      : (given ?? defaultMicroBatch(network, views, memory.fitting));
  // No micro-batch has more examples than there are.
  if (memory.hasNoRoomFor(Math.min(microBatch, options.data.train.count)))
    throw new OutOfMemoryError(memory.refusal(microBatch, false));
  const found =
    options.microBatch === "auto" ? `; micro-batches of ${microBatch} were the fastest tried` : "";
  const backend = { ...options.backend, reason: options.backend.reason + found };
  const engine = new ThreadEngine({ ...options, backend }, workers, microBatch, memory);
  try {
    await engine.ready;
  } catch (error) {
    await engine.close();
    throw error;
  }
  return engine;
}

class ThreadEngine implements GradientEngine {
  readonly backend: BackendChoice;
  readonly arithmetic: SumArithmetic;
  readonly ready: Promise<unknown>;
  private readonly threads: Thread[];
  private closed = false;
  private readonly warn: (message: string) => void;
  private readonly network: Network;
  private readonly parameters: Float32Array;
  private readonly indices: Uint32Array;
  private readonly next = new Int32Array(new SharedArrayBuffer(4));
  private readonly sums: readonly Float64Array[];

  constructor(
    options: EngineOptions,
    readonly workers: number,
    private readonly microBatch: number,
    private readonly memory: WorkerMemory,
  ) {
    this.backend = options.backend;
    this.warn = options.onWarning ?? (() => {});
    this.network = options.network;
    this.arithmetic = arithmeticOf(options.backend.name, options.data.train.count);
    const size = this.network.parameterCount;
    const [train, test] = [options.data.train, options.data.test].map(share);
    this.parameters = new Float32Array(new SharedArrayBuffer(4 * size));
    this.indices = new Uint32Array(new SharedArrayBuffer(4 * train.count));
    const frozen = new Map(
      [...this.network.frozenValues].map(([name, values]) => {
        const copy = new Float32Array(new SharedArrayBuffer(values.byteLength));
        copy.set(values);
        return [name, copy] as const;
      }),
    );
    const room = (images: LabelledImages) => featureMemory(images.count, this.network.featureShape);
    // Of augmented images the features are new at every step.
    const [ofTrain, ofTest] = [options.augmentation.views === 0 ? room(train) : undefined, room(test)];
    const features = { ...(ofTrain && { train: ofTrain }), ...(ofTest && { test: ofTest }) };
    this.sums = Array.from({ length: workers }, () => new Float64Array(new SharedArrayBuffer(8 * size)));
    this.threads = this.sums.map(
      (sum) =>
        new Thread({
          backend: options.backend.name,
          network: this.network.spec,
          frozen,
          features,
          train,
          test,
          augmentation: options.augmentation,
          microBatch,
          workers,
          evaluationBatch: memory.evaluationBatch,
          parameters: this.parameters.buffer as SharedArrayBuffer,
          indices: this.indices.buffer as SharedArrayBuffer,
          next: this.next.buffer as SharedArrayBuffer,
          sum: sum.buffer as SharedArrayBuffer,
        }),
    );
    this.ready = Promise.all(this.threads.map((thread) => thread.ready));
  }

  async clippedSum(
    parameters: readonly Float32Array[],
    batch: Batch,
    clip: ClipRule,
    asked?: () => void,
  ): Promise<ClippedSum> {
    checkClipRule(clip);
    this.indices.set(batch.indices);
    const { step, indices } = batch;
    const answers = this.ask(parameters, { kind: "clipped-sum", count: indices.length, step, clip });
    asked?.();
    const replies = await answers;
    let nonFinite = false;
    const times = { views: 0, gradients: 0, norms: 0, sums: 0 };
    for (const reply of replies) {
      if (reply.kind !== "clipped-sum") continue;
      nonFinite ||= reply.nonFinite;
      for (const part of Object.keys(times) as (keyof EngineTimes)[]) times[part] += reply.times[part];
    }
    // Whole numbers: they add exactly, and dividing by a power of two is exact as well.
    const unit = 2 ** -this.arithmetic.fractionBits;
    let at = 0;
    const sum = this.network.parameters.map(({ shape }) => {
      const total = new Float64Array(sizeOf(shape));
      for (const part of this.sums) for (let i = 0; i < total.length; i++) total[i] += part[at + i];
      at += total.length;
      for (let i = 0; i < total.length; i++) total[i] *= unit;
      return total;
    });
    return { sum, sensitivity: 1, nonFinite, times };
  }

  async evaluate(parameters: readonly Float32Array[], set: "train" | "test"): Promise<Evaluation> {
    const replies = await this.ask(parameters, { kind: "evaluate", set });
    let [correct, count, loss] = [0, 0, 0];
    for (const reply of replies)
      if (reply.kind === "evaluate") {
        correct += reply.evaluation.correct;
        count += reply.evaluation.count;
        loss += reply.evaluation.loss * reply.evaluation.count;
      }
    return { correct, count, loss: loss / count };
  }

  async close(): Promise<void> {
    this.closed = true;
    await Promise.all(this.threads.map((thread) => thread.close()));
  }

  /**
   * All threads' answers. Where a thread died it is replaced and the whole request computed anew: an answer depends on
   * request and parameters alone, and nothing of a first attempt was released, so a second costs no privacy.
   */
  private async ask(parameters: readonly Float32Array[], request: ThreadRequest): Promise<ThreadReply[]> {
    let at = 0;
    for (const values of parameters) {
      this.parameters.set(values, at);
      at += values.length;
    }
    for (let restarts = 0; ; restarts++) {
      Atomics.store(this.next, 0, 0);
      const answers = await Promise.allSettled(this.threads.map((thread) => thread.ask(request)));
      const failed = answers.flatMap((answer, index) =>
        answer.status === "rejected" ? [{ index, reason: answer.reason as WorkerFailedError }] : [],
      );
      if (failed.length === 0)
        return answers.map((answer) => (answer as PromiseFulfilledResult<ThreadReply>).value);
      if (request.kind === "clipped-sum" && failed.some(({ reason }) => reason.outOfMemory))
        throw new WorkerFailedError(this.memory.refusal(this.microBatch, true), true);
      if (this.closed || restarts === MOST_RESTARTS) throw failed[0].reason;
      this.warn(`${failed[0].reason.message}; it was replaced, and its work is done again`);
      await Promise.all(failed.map(({ index }) => this.replace(index)));
    }
  }

  private async replace(index: number): Promise<void> {
    await this.threads[index].close();
    this.threads[index] = new Thread(this.threads[index].setup);
    // Closed meanwhile: the new thread must not outlive the engine.
    if (this.closed) await this.threads[index].close();
    await this.threads[index].ready;
  }
}

/** Of the current backend, which must be the one named. */
function arithmeticOf(engine: BackendName, examples: number): SumArithmetic {
  const { variant, keepsExamplesApart } = currentKernels();
  return {
    engine,
    kernels: variant,
    sums: "fixed-point",
    fractionBits: fractionBits(examples),
    sensitivity: keepsExamplesApart ? "proven" : "not-proven",
  };
}

/** One worker thread with at most one question open. Its death fails the question, now or when it is asked. */
class Thread {
  /** When it can compute. */
  readonly ready: Promise<ThreadReply>;
  private readonly worker: Worker;
  private failure: Error | undefined;
  private waiting: { resolve: (reply: ThreadReply) => void; reject: (error: Error) => void } | undefined;

  constructor(readonly setup: ThreadSetup) {
    this.worker = new Worker(compiledFile("./worker.js", import.meta.url), { workerData: setup });
    this.worker.on("message", (reply: ThreadReply) => {
      // What computed until there was no memory left is not asked again.
      if (reply.kind === "failed" && reply.outOfMemory) {
        this.fail(`a worker thread failed: ${reply.message}`, true);
        return;
      }
      const waiting = this.waiting;
      this.waiting = undefined;
      if (reply.kind === "failed")
        waiting?.reject(new WorkerFailedError(`a worker thread failed: ${reply.message}`));
      else waiting?.resolve(reply);
    });
    this.worker.on("error", (error) =>
      this.fail(`a worker thread failed: ${error.message}`, saysOutOfMemory(error)),
    );
    this.worker.on("exit", (code) => this.fail(`a worker thread ended early, with status ${code}`));
    this.ready = this.reply();
    // Whoever waits for it hears of a failure; nobody else need.
    this.ready.catch(() => {});
  }

  ask(request: ThreadRequest): Promise<ThreadReply> {
    const answer = this.reply();
    if (!this.failure) this.worker.postMessage(request);
    return answer;
  }

  /** The thread's next message. */
  private reply(): Promise<ThreadReply> {
    if (this.failure) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
    });
  }

  async close(): Promise<void> {
    this.failure ??= new WorkerFailedError("the engine is closed");
    await this.worker.terminate();
  }

  private fail(message: string, outOfMemory = false): void {
    this.failure ??= new WorkerFailedError(message, outOfMemory);
    this.waiting?.reject(this.failure);
    this.waiting = undefined;
  }
}

/** The same images in memory that threads can share; what is there already is not copied. */
function share(images: LabelledImages): LabelledImages {
  return { ...images, pixels: shared(images.pixels), labels: shared(images.labels) };
}

function shared<T extends Uint8Array | Uint16Array | Float32Array>(values: T): T {
  if (values.buffer instanceof SharedArrayBuffer) return values;
  // Not the value's own constructor: files are read as Buffers, which are Uint8Arrays of another kind.
  const memory = new SharedArrayBuffer(values.byteLength);
  const copy =
    values instanceof Float32Array
      ? new Float32Array(memory)
      : values instanceof Uint16Array
        ? new Uint16Array(memory)
        : new Uint8Array(memory);
  copy.set(values);
  return copy as T;
}
