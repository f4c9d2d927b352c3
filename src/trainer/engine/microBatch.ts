// One thread's share of a clipped sum: micro-batches through the network, gradients clipped and added up.
import * as tf from "@tensorflow/tfjs-core";
import type { Kernels } from "../../backends/index.js";
import type { LabelledImages } from "../data/index.js";
import { type Network, type NetworkInput, sizeOf } from "../layers/network.js";
import { stopwatch } from "../stepTimes.js";
import type { FeatureStore } from "./featureStore.js";
import type { ClipRule, Evaluation } from "./gradientEngine.js";
import { viewsAtOnce } from "./microBatchSize.js";
import { type Augmentation, fillViews, viewsPerExample } from "./views.js";

/** Pays for all rounding after the norms: 2^-21 of the products (see ExampleGradients). */
const CLIP_MARGIN = 1 - 2 ** -20;
/** Larger factors are cut: float32 ends soon after, and infinity times zero would be no number. */
const LARGEST_FACTOR = 2 ** 126;

/**
 * The factor that an example's gradient is multiplied by: min(1/C, 1/‖g‖), or 1/(‖g‖ + γ), less the margin, as a float32;
 * 0 if the norm is not finite.
 *
 * Guarantee: factor · ‖numbers added‖ ≤ 1 (docs/math-clipping.md). Rounded towards zero: near the smallest floats rounding
 * to nearest could exceed any margin.
 */
export function clipFactor(squaredNorm: number, clip: ClipRule): number {
  if (!(squaredNorm < Infinity)) return 0;
  const norm = Math.sqrt(squaredNorm);
  const wanted = clip.gamma === undefined ? Math.min(1 / clip.norm, 1 / norm) : 1 / (norm + clip.gamma);
  const factor = CLIP_MARGIN * Math.min(wanted, LARGEST_FACTOR);
  const stored = Math.fround(factor);
  // Of a float32 and the one below it, the spacing is 2^-23 of it or 2^-149, whichever is more.
  return stored > factor ? Math.max(0, Math.fround(stored - Math.max(stored * 2 ** -24, 2 ** -149))) : stored;
}

/** A sum under construction: float64, so that its rounding stays far below that of the micro-batches. */
export class PartialSum {
  readonly sum: readonly Float64Array[];
  nonFinite = false;
  /** Milliseconds so far. */
  readonly times = { views: 0, gradients: 0, norms: 0, sums: 0 };

  constructor(network: Network) {
    this.sum = network.parameters.map(({ shape }) => new Float64Array(sizeOf(shape)));
  }
}

/** The network on the current backend of this thread. */
export class MicroBatchRunner {
  constructor(
    readonly network: Network,
    private readonly kernels: Kernels,
    private readonly train: LabelledImages,
    private readonly test: LabelledImages,
    private readonly augmentation: Augmentation,
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
    const pixels = (indices: Uint32Array, first: number, end: number): tf.Tensor4D => {
      const values = fillViews(images, indices, first, end, augmentation, batch.step);
      return tf.tensor4d(values, [(end - first) * viewsPerExample(augmentation), ...images.shape]);
    };
    const store = augmentation.views === 0 ? this.stores[set] : undefined;
    if (!store) return { input: pixels(batch.indices, from, to), kind: "images" };
    const rows = store.rows(batch.indices.slice(from, to), (missing) =>
      this.network.features(pixels(missing, 0, missing.length), parameters, this.kernels),
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
    const broken = tf.tidy(() => {
      const { input, kind } = this.inputs("train", parameters, batch, [from, to], this.augmentation);
      partial.times.views += lap();
      const { squaredNorms, normMilliseconds, weightedSums } = this.network.gradients(
        input,
        labels,
        views,
        parameters,
        this.kernels,
        viewsAtOnce(to - from, views),
        kind,
      );
      partial.times.gradients += lap() - normMilliseconds;
      partial.times.norms += normMilliseconds;
      const weights = Float32Array.from(squaredNorms, (value) => clipFactor(value, clip));
      // A factor of zero would not remove NaN or Infinity from a sum: such examples must not be in it at all.
      if (squaredNorms.some((value) => !Number.isFinite(value)))
        return [...squaredNorms].map((value) => !Number.isFinite(value));
      weightedSums(tf.tensor1d(weights)).forEach((tensor, index) => {
        const target = partial.sum[index];
        const part = tensor.dataSync();
        for (let i = 0; i < part.length; i++) target[i] += part[i];
      });
      partial.times.sums += lap();
      return undefined;
    });
    if (!broken) return;
    partial.nonFinite = true;
    const kept = batch.indices.subarray(from, to).filter((_, n) => !broken[n]);
    this.addClipped(partial, parameters, { indices: kept, step: batch.step }, 0, kept.length, clip);
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
