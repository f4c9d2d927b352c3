// Features of whole data sets: computed once, by worker threads, and kept on disk if asked for.
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { compiledFile } from "../../engines/compiledFile.js";
import { callable, text, whole } from "../../formats/argumentChecks.js";
import { ArgumentError } from "../../formats/argumentError.js";
import { checkFields, type FieldsOf } from "../../formats/knownFields.js";
import { type Dataset, DatasetError, type LabelledImages } from "../../trainer/data/dataset.js";
import { ScatteringFrontEnd, type ScatteringOptions } from "../../trainer/features/frontEnd.js";
import { FeatureCache } from "./cache.js";

/** How scattering features are computed, and where they are kept. */
export interface FeatureOptions extends ScatteringOptions {
  /** Folder to keep features in. Features of private data are private: keep it with the data. Default: kept nowhere. */
  readonly cache?: string;
  /** Threads; default: one a core. */
  readonly workers?: number;
  /** Called now and then with the number of images done, of both parts. */
  readonly onProgress?: (progress: { readonly done: number; readonly count: number }) => void;
}

const FIELDS = {
  groups: true,
  mirror: true,
  cache: true,
  workers: true,
  onProgress: true,
} satisfies FieldsOf<FeatureOptions>;

/** What a thread is told. All arrays are in shared memory. */
export interface FeatureSetup {
  readonly images: LabelledImages;
  readonly options: ScatteringOptions;
  readonly out: SharedArrayBuffer;
  /** One int32: the next image that nobody has taken. */
  readonly next: SharedArrayBuffer;
}

/**
 * The data set with scattering features in place of pixels, to train on as it is: a linear model will do. `original` keeps
 * the images that the ledger's fingerprint speaks of.
 *
 * Guarantee: each example's features depend on that example alone (see ScatteringFrontEnd), so ε of what is trained on them
 * is that of training on the images. Throws ArgumentError, and DatasetError if images have no size that a front end takes.
 */
export async function scatteringFeatures(data: Dataset, options: FeatureOptions = {}): Promise<Dataset> {
  checkFields("scatteringFeatures", options, FIELDS);
  const { groups, mirror, cache, workers = availableParallelism(), onProgress } = options;
  whole("workers", workers, 1);
  if (cache !== undefined) text("cache", cache);
  if (onProgress !== undefined) callable("onProgress", onProgress);
  const scattering: ScatteringOptions = {
    ...(groups !== undefined && { groups }),
    ...(mirror !== undefined && { mirror }),
  };
  const { shape, description, scaling } = frontEndFor(data, scattering);
  const size = shape.reduce((a, b) => a * b, 1);
  const count = data.train.count + data.test.count;
  const store = cache === undefined ? undefined : new FeatureCache(cache);
  const part = async (images: LabelledImages, before: number): Promise<LabelledImages> => {
    const stored = store?.read(images, description, images.count * size);
    const pixels =
      stored ??
      (await extract(images, scattering, { size, workers }, (done) =>
        onProgress?.({ done: before + done, count }),
      ));
    if (store && !stored) store.write(images, description, pixels);
    return { count: images.count, shape, pixels, labels: images.labels, scaling };
  };
  const train = await part(data.train, 0);
  const test = await part(data.test, data.train.count);
  return { ...data, train, test, frontEnd: description, original: data.original ?? data.train };
}

function frontEndFor(data: Dataset, options: ScatteringOptions): ScatteringFrontEnd {
  try {
    return new ScatteringFrontEnd(data.train.shape, options);
  } catch (error) {
    // What is asked of the images is a matter of the data.
    if (error instanceof ArgumentError && error.field.startsWith("image "))
      throw new DatasetError(`${data.name}: ${error.message}`);
    throw error;
  }
}

async function extract(
  images: LabelledImages,
  options: ScatteringOptions,
  { size, workers }: { readonly size: number; readonly workers: number },
  onProgress: (done: number) => void,
): Promise<Uint8Array> {
  const out = new SharedArrayBuffer(images.count * size);
  const next = new SharedArrayBuffer(4);
  const setup: FeatureSetup = { images: inSharedMemory(images), options, out, next };
  const counter = new Int32Array(next);
  const timer = setInterval(() => onProgress(Math.min(images.count, Atomics.load(counter, 0))), 500);
  const threads: Worker[] = [];
  try {
    await Promise.all(
      Array.from(
        { length: workers },
        () =>
          new Promise<void>((resolve, reject) => {
            // None of the parent's flags: --input-type, for a program given by -e, would keep a thread from starting.
            const thread = new Worker(compiledFile("./worker.js", import.meta.url), {
              workerData: setup,
              execArgv: [],
            });
            threads.push(thread);
            thread.once("message", () => resolve());
            thread.once("error", reject);
            thread.once("exit", (code) =>
              reject(new Error(`a feature thread ended early, with status ${code}`)),
            );
          }),
      ),
    );
  } finally {
    clearInterval(timer);
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
  onProgress(images.count);
  return new Uint8Array(out);
}

/** Pixels where threads see them without copies; labels are of no use there. */
function inSharedMemory(images: LabelledImages): LabelledImages {
  const { pixels } = images;
  if (pixels.buffer instanceof SharedArrayBuffer) return images;
  const buffer = new SharedArrayBuffer(pixels.byteLength);
  const shared = pixels instanceof Uint8Array ? new Uint8Array(buffer) : new Float32Array(buffer);
  shared.set(pixels);
  return { ...images, pixels: shared, labels: new Uint8Array() };
}
