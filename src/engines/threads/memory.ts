// How much memory a micro-batch takes, measured on one and two examples, and how many examples a worker has room for.
import { freemem } from "node:os";
import * as tf from "@tensorflow/tfjs-core";
import type { BackendName } from "../../trainer/backendNames.js";
import type { LabelledImages } from "../../trainer/data/dataset.js";
import type { Kernels } from "../../trainer/kernels.js";
import { type Network, sizeOf } from "../../trainer/layers/network.js";
import { SeededRandom } from "../../trainer/random/seeded.js";
import { drawingOf } from "../isolation.js";
import { MOST_WASM_BYTES } from "../outOfMemory.js";
import { currentKernels, startBackend } from "../tensorflow/startBackend.js";
import { MicroBatchRunner } from "./microBatch.js";
import { viewsAtOnce } from "./microBatchSize.js";
import { PartialSum } from "./partialSum.js";

/** What memory grows to for a byte of tensors: kernels allocate inside, and gaps stay between tensors. Seen: up to 2.3. */
const GROWTH = 2.5;
/** All workers' share of the memory that is free when they start. */
const WORKERS_SHARE = 0.5;
/** Images that evaluation takes at once. */
const EVALUATION_BATCH = 200;

/** Bytes of tensors at the peak of a pass. */
interface Measured {
  /** Parameters, and what else there is once. */
  readonly fixed: number;
  /** Of one example: its gradients. */
  readonly example: number;
  /** Of one image in the network: activations. */
  readonly image: number;
}

/** One worker's memory for micro-batches of a network with so many views an example. */
export class WorkerMemory {
  private constructor(
    private readonly measured: Measured,
    private readonly views: number,
    private readonly backend: BackendName,
    private readonly workers: number,
    private readonly free: number,
  ) {}

  /**
   * Measures on the backend that runs in this thread, `backend` if there is none yet, on images of noise: nothing private
   * is looked at.
   */
  static async of(
    network: Network,
    { views, backend, workers }: { views: number; backend: BackendName; workers: number },
    free = freeBytes(backend),
  ): Promise<WorkerMemory> {
    if (!tf.getBackend()) await startBackend(backend);
    const kernels = currentKernels();
    // Of what values they are is all the same to memory, and drawing many takes longer than a pass.
    const values = network.parameters.map(({ shape }) => new Float32Array(sizeOf(shape)).fill(0.01));
    const before = tf.memory().numBytes;
    const parameters = network.upload(values);
    const partial = new PartialSum(network, kernels, 2);
    const bytes = tf.memory().numBytes - before;
    const peak = (examples: number, each: number) => {
      const pass = trialPass(network, kernels, examples, each);
      return peakBytes(() => pass(partial, parameters));
    };
    try {
      const one = peak(1, 1);
      const both = Math.max(0, peak(2, 1) - one);
      const fixed = bytes + Math.max(0, one - both);
      // With one view each there is no telling gradients from activations, and no need to.
      const image = views > 1 ? Math.min(both, Math.max(0, peak(1, 2) - one)) : both;
      return new WorkerMemory({ fixed, example: both - image, image }, views, backend, workers, free);
    } finally {
      partial.dispose();
      tf.dispose(parameters);
    }
  }

  /** Tensors alone, at the peak of a micro-batch. */
  bytes(examples: number): number {
    const { fixed, example, image } = this.measured;
    return fixed + examples * (example + viewsAtOnce(examples, this.views) * image);
  }

  /** The largest micro-batch there is surely room for: 0 if there is none even for one example. */
  get fitting(): number {
    const room = Math.min(this.most, (WORKERS_SHARE * this.free) / this.workers);
    const fits = (examples: number) => GROWTH * this.bytes(examples) <= room;
    // Of more examples fewer views go through the network at once: bytes need not grow with every example.
    let size = 1;
    if (!fits(size)) return 0;
    while (size < MOST_EXAMPLES && fits(2 * size)) size *= 2;
    for (let step = size / 2; step >= 1; step /= 2) if (fits(size + step)) size += step;
    return size;
  }

  /** Whether not even the tensors have room, whatever else. */
  hasNoRoomFor(examples: number): boolean {
    return !(this.bytes(examples) <= Math.min(this.most, this.free / this.workers));
  }

  /** Images that evaluation has room for at once. */
  get evaluationBatch(): number {
    const room = Math.min(this.most, (WORKERS_SHARE * this.free) / this.workers) / GROWTH;
    const images = (room - this.measured.fixed) / Math.max(1, this.measured.image);
    return Math.max(1, Math.min(EVALUATION_BATCH, Math.floor(images)));
  }

  /** Why a micro-batch does not fit and what would: one line for whoever chose it. `failed`: it was tried. */
  refusal(microBatch: number, failed: boolean): string {
    const limit =
      this.most <= this.free / this.workers
        ? this.backend === "wasm"
          ? "WASM has 4 GB at most"
          : "its backend found no more"
        : `the machine has ${gigabytes(this.free)} free for ${this.workers === 1 ? "one worker" : `${this.workers} workers`}`;
    if (microBatch === 1)
      return `not even one example fits in the memory of a worker (${limit}): use ${this.workers > 1 ? "fewer workers or " : ""}a smaller network`;
    // One that failed although it seemed to fit was misjudged: half of it is taken instead.
    const fitting = Math.min(this.fitting, failed ? Math.floor(microBatch / 2) : microBatch - 1);
    const advice =
      fitting >= 1 ? `one of ${fitting} would: use --micro-batch ${fitting}` : "try --micro-batch 1";
    return `a micro-batch of ${microBatch} examples does not fit in the memory of a worker (${limit}); ${advice}`;
  }

  /** What a worker's backend can have at most, however much the machine has. */
  private get most(): number {
    return this.backend === "wasm" ? MOST_WASM_BYTES : Infinity;
  }
}

/** No micro-batch needs to be larger. */
const MOST_EXAMPLES = 2 ** 20;

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toPrecision(2)} GB`;

/** What this process may still take, by the machine and by the limits of its container; of a GPU's memory nothing is known. */
function freeBytes(backend: BackendName): number {
  if (backend === "tfjs-node-gpu") return Infinity;
  const limit = process.constrainedMemory?.() ?? 0;
  // Without a limit it is 0, or no number of bytes that any machine has.
  return limit > 0 ? Math.min(freemem(), Math.max(0, limit - process.memoryUsage.rss())) : freemem();
}

/** Adds the clipped gradients of a micro-batch of noise to a sum, at parameters that were uploaded. */
export function trialPass(
  network: Network,
  kernels: Kernels,
  examples: number,
  views: number,
): (partial: PartialSum, parameters: readonly tf.Tensor[]) => void {
  const { inputShape, classes, layers } = network.spec;
  const random = new SeededRandom(1);
  const length = examples * sizeOf(inputShape);
  const images: LabelledImages = {
    count: examples,
    shape: inputShape,
    // An embedding takes the more memory the more different numbers it sees.
    pixels: layers.some(({ kind }) => kind === "embedding")
      ? Float32Array.from({ length }, drawingOf(layers, random))
      : Uint8Array.from({ length }, () => random.below(256)),
    labels: Uint16Array.from({ length: examples }, (_, n) => n % Math.min(classes, 2 ** 16)),
  };
  const augmentation = { views: views === 1 ? 0 : views, seed: 1 };
  const atOnce = viewsAtOnce(examples, views);
  const runner = new MicroBatchRunner(network, kernels, images, images, augmentation, atOnce);
  const batch = { indices: Uint32Array.from({ length: examples }, (_, n) => n), step: 1 };
  return (partial, parameters) => runner.addClipped(partial, parameters, batch, 0, examples, { norm: 1 });
}

/** The most bytes that tensors have at a time while it works, beyond those there were. */
function peakBytes(work: () => void): number {
  const engine = tf.engine() as unknown as {
    trackTensor: (...given: unknown[]) => void;
    readonly state: { readonly numBytes: number };
  };
  const before = engine.state.numBytes;
  let peak = before;
  const { trackTensor } = engine;
  engine.trackTensor = (...given) => {
    trackTensor.apply(engine, given);
    peak = Math.max(peak, engine.state.numBytes);
  };
  try {
    work();
  } finally {
    engine.trackTensor = trackTensor;
  }
  return peak - before;
}
