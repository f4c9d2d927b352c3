// Public constants for scaling images. Means and deviations of one's own private data would have to be paid for in ε.
import type { LabelledImages, Scaling } from "./dataset.js";

/** CIFAR-10's, as [De2022] takes them: published constants, also for CIFAR-100. */
export const CIFAR_SCALING: Scaling = {
  mean: [0.49139968, 0.48215841, 0.44653091],
  deviation: [0.24703223, 0.24348513, 0.26158784],
};

/** Bytes to −1 … 1: MNIST and its kin, and whatever has no constants of its own. */
export const PLAIN_SCALING: Scaling = { mean: [0.5], deviation: [0.5] };

const AS_IT_IS: Scaling = { mean: [0], deviation: [1] };

/** How to compute inputs from stored values: value·factor[c] + offset[c]. */
export function linearScaling(images: LabelledImages): { factor: Float64Array; offset: Float64Array } {
  const bytes = images.pixels instanceof Uint8Array;
  const { mean, deviation } = images.scaling ?? (bytes ? PLAIN_SCALING : AS_IT_IS);
  const channels = images.shape[2];
  const at = (values: readonly number[], c: number) => values[values.length === 1 ? 0 : c];
  return {
    factor: Float64Array.from({ length: channels }, (_, c) => 1 / (at(deviation, c) * (bytes ? 255 : 1))),
    offset: Float64Array.from({ length: channels }, (_, c) => -at(mean, c) / at(deviation, c)),
  };
}
