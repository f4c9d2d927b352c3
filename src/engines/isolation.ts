// Before training: that what one example adds does not change with the others, for this network on this backend.
import * as tf from "@tensorflow/tfjs-core";
import { clipFactor } from "../trainer/clipFactor.js";
import type { Kernels } from "../trainer/kernels.js";
import type { LayerSpec, Network } from "../trainer/layers/network.js";
import { SeededRandom } from "../trainer/random/seeded.js";
import { PartialSum } from "./threads/partialSum.js";

/** A network that mixes examples: no example has a gradient of its own, and clipping would bound nothing. */
export class MixedExamplesError extends Error {
  override readonly name = "MixedExamplesError";
}

/** Multiply-adds of one image up to which whole micro-batches are tried as well. */
const CHEAP = 2e7;

/**
 * One example, alone and among others: what it adds to the clipped sum, and its norm, must be the same to the bit whatever the
 * others hold, how many they are and where it stands among them. Otherwise one example fewer would change what the rest
 * adds, each by up to 2. Tried with noise and where activations tie: ReLUs at exactly 0, equal pixels under a pooling window.
 * On the current backend, with the kernels that will train. Of kernels that do not keep size and place apart to the bit, only
 * what the others hold is varied. Throws MixedExamplesError, naming network and parameters.
 */
export function checkIsolation(network: Network, kernels: Kernels, views = 1, microBatch = 4): void {
  const { spec, parameters } = network;
  const size = views * spec.inputShape.reduce((a, b) => a * b, 1);
  const random = new SeededRandom(1);
  const draw = drawingOf(spec.layers, random);
  const noise = () => Float32Array.from({ length: size }, draw);
  const whole = Math.min(microBatch, 64);
  for (const tied of [false, true]) {
    // Away from zero, so that no bias and no offset is without effect; or all of one size, so that sums of them tie.
    const values = network
      .initialise(1)
      .map((part) => part.map((value) => (tied ? Math.sign(value) / 8 : value + 0.01)));
    const own = tied ? new Float32Array(size).fill(1) : noise();
    const among = (count: number, place: number): Examples => ({
      place,
      examples: Array.from({ length: count }, (_, n) => (n === place ? own : noise())),
    });
    const settings = kernels.keepsExamplesApart
      ? [among(1, 0), among(3, 1), among(2, tied ? 1 : 0)]
      : [among(3, 1), among(3, 1)];
    if (kernels.keepsExamplesApart && network.multiplyAdds * views <= CHEAP)
      settings.push(among(5, 4), among(whole, 0), among(whole, whole - 1));
    const tensors = network.upload(values);
    try {
      const [alone, ...others] = settings.map((each) => contribution(network, kernels, tensors, views, each));
      for (const other of others) {
        const names = parameters.filter((_, i) => !same(alone!.parts[i]!, other.parts[i]!));
        if (names.length === 0 && same([alone!.squaredNorm], [other.squaredNorm])) continue;
        const shown = names
          .slice(0, 3)
          .map(({ name }) => name)
          .concat(names.length > 3 ? "…" : []);
        throw new MixedExamplesError(
          `${spec.name} mixes the examples of a batch on backend ${tf.getBackend()}: one's gradient changed with the others${shown.length > 0 ? ` (${shown.join(", ")})` : ""}; clipping would bound nothing`,
        );
      }
    } finally {
      tf.dispose(tensors);
    }
  }
}

/** A micro-batch, and which of its examples is looked at. */
interface Examples {
  readonly examples: readonly Float32Array[];
  readonly place: number;
}

/** What that example alone adds to the clipped sum, and its squared norm. */
function contribution(
  network: Network,
  kernels: Kernels,
  parameters: readonly tf.Tensor[],
  views: number,
  { examples, place }: Examples,
): { readonly parts: readonly Float64Array[]; readonly squaredNorm: number } {
  const partial = new PartialSum(network, kernels, 1);
  const inputs = new Float32Array(examples.length * examples[0]!.length);
  examples.forEach((each, n) => {
    inputs.set(each, n * each.length);
  });
  // The one in question has the same label wherever it stands.
  const labels = examples.map((_, n) => (n === place ? 1 : n) % network.spec.classes);
  try {
    let squaredNorm = Number.NaN;
    tf.tidy(() => {
      const images = tf.tensor(inputs, [examples.length * views, ...network.spec.inputShape]);
      const gradients = network.gradients(images, labels, views, parameters, kernels);
      squaredNorm = gradients.squaredNorms[place]!;
      const factors = new Float64Array(examples.length);
      factors[place] = clipFactor(squaredNorm, { norm: 1 });
      partial.add(gradients, factors);
    });
    return { parts: partial.read(), squaredNorm };
  } finally {
    partial.dispose();
  }
}

/** Zeros of either sign are the same, and so is what is no number. */
function same(one: ArrayLike<number>, other: ArrayLike<number>): boolean {
  for (let i = 0; i < one.length; i++)
    if (one[i] !== other[i] && !(Number.isNaN(one[i]) && Number.isNaN(other[i]))) return false;
  return one.length === other.length;
}

/** Draws values that the first layers can take: whole numbers below the vocabulary where one of them is an embedding. */
export function drawingOf(layers: readonly LayerSpec[], random: SeededRandom): () => number {
  const embedding = layers.find((layer) => layer.kind === "embedding");
  return embedding?.kind === "embedding" ? () => random.below(embedding.vocabulary) : () => random.normal();
}
