// One thread's share of a clipped sum: micro-batches through the network, gradients clipped and added up.
import * as tf from "@tensorflow/tfjs-core";
import { type Augmentation, byteScaling, fillViews, viewsPerExample } from "../../trainer/augmentation.js";
import { clipFactor } from "../../trainer/clipFactor.js";
import type { LabelledImages } from "../../trainer/data/dataset.js";
import type { ClipRule, Evaluation } from "../../trainer/gradientEngine.js";
import type { Kernels } from "../../trainer/kernels.js";
import type { Network, NetworkInput } from "../../trainer/layers/network.js";
import { stopwatch } from "../../trainer/stepTimes.js";
import type { FeatureStore } from "./featureStore.js";
import type { PartialSum } from "./partialSum.js";

/** The network on the current backend of this thread. */
export class MicroBatchRunner {
  constructor(
    readonly network: Network,
    private readonly kernels: Kernels,
    private readonly train: LabelledImages,
    private readonly test: LabelledImages,
    private readonly augmentation: Augmentation,
    /**
     * Views of each example that go through the network in one pass. The same throughout a run, however few examples the last
     * micro-batch has: views of several passes are added in another order than those of one.
     */
    private readonly viewsAtOnce = viewsPerExample(augmentation),
    /** Where the features of frozen layers are kept, if they are. */
    private readonly stores: { readonly train?: FeatureStore; readonly test?: FeatureStore } = {},
  ) {}

  /** What goes into the network for examples indices[from … to): images, K views of each, or kept features. */
  private inputs(
    set: "train" | "test",
    parameters: readonly tf.Tensor[],
    batch: { readonly indices: Uint32Array; readonly step: number },
    [from, to]: readonly [number, number],
    augmentation: Augmentation,
  ): { readonly input: tf.Tensor; readonly kind: NetworkInput } {
    const images = set === "train" ? this.train : this.test;
    const asImages = (indices: Uint32Array, first: number, end: number): tf.Tensor4D => {
      const { shape: image, pixels } = images;
      const shape = [(end - first) * viewsPerExample(augmentation), ...image];
      if (augmentation.views === 0 && pixels instanceof Uint8Array) {
        const size = image[0] * image[1] * image[2];
        return this.kernels.fromBytes(shape, byteScaling(images), (bytes) => {
          // Not by subarray: of a Node.js Buffer that is slow.
          for (let n = first; n < end; n++)
            bytes.set(
              new Uint8Array(pixels.buffer, pixels.byteOffset + indices[n] * size, size),
              (n - first) * size,
            );
        });
      }
      return this.kernels.filled(shape, (values) =>
        fillViews(values, images, indices, first, end, augmentation, batch.step),
      );
    };
    const store = augmentation.views === 0 ? this.stores[set] : undefined;
    if (!store) return { input: asImages(batch.indices, from, to), kind: "images" };
    const rows = store.rows(batch.indices.slice(from, to), (missing) =>
      this.network.features(asImages(missing, 0, missing.length), parameters, this.kernels),
    );
    return { input: rows, kind: "features" };
  }

  /** Adds the clipped gradients of indices[from … to) at `parameters` (tensors) to partial. */
  addClipped(
    partial: PartialSum,
    parameters: readonly tf.Tensor[],
    batch: { readonly indices: Uint32Array; readonly step: number },
    from: number,
    to: number,
    clip: ClipRule,
  ): void {
    if (to <= from) return;
    const views = viewsPerExample(this.augmentation);
    const lap = stopwatch();
    const labels = batch.indices.subarray(from, to).map((index) => this.train.labels[index]);
    tf.tidy(() => {
      const { input, kind } = this.inputs("train", parameters, batch, [from, to], this.augmentation);
      partial.times.views += lap();
      const gradients = this.network.gradients(
        input,
        labels,
        views,
        parameters,
        this.kernels,
        this.viewsAtOnce,
        kind,
      );
      const { squaredNorms, normMilliseconds } = gradients;
      partial.times.gradients += lap() - normMilliseconds;
      partial.times.norms += normMilliseconds;
      const factors = squaredNorms.map((value) => clipFactor(value, clip));
      partial.nonFinite ||= factors.includes(0);
      partial.add(gradients, factors);
      partial.times.sums += lap();
    });
  }

  /** Accuracy and loss on images [from … to) of a set, without augmentation. */
  evaluate(parameters: readonly tf.Tensor[], set: "train" | "test", from: number, to: number): Evaluation {
    const images = set === "train" ? this.train : this.test;
    const indices = Uint32Array.from({ length: to - from }, (_, i) => from + i);
    const plain = { views: 0, seed: 0 };
    const logits = tf.tidy(() => {
      const { input, kind } = this.inputs(set, parameters, { indices, step: 0 }, [0, indices.length], plain);
      return this.network.logits(input, parameters, this.kernels, kind).dataSync() as Float32Array;
    });
    const { classes } = this.network.spec;
    let correct = 0;
    let loss = 0;
    for (let n = 0; n < to - from; n++) {
      const row = logits.subarray(n * classes, (n + 1) * classes);
      const label = images.labels[from + n];
      const top = row.reduce((a, b) => Math.max(a, b), -Infinity);
      if (row.indexOf(top) === label) correct++;
      loss += Math.log(row.reduce((total, value) => total + Math.exp(value - top), 0)) + top - row[label];
    }
    return { correct, count: to - from, loss: loss / Math.max(1, to - from) };
  }
}
