// Before training: that the gradient of one example does not change with another, for this network on this backend.
import * as tf from "@tensorflow/tfjs-core";
import type { Kernels } from "../../backends/index.js";
import type { LayerSpec, Network } from "../layers/network.js";
import { SeededRandom } from "../random/index.js";

/** A network that mixes examples: no example has a gradient of its own, and clipping would bound nothing. */
export class MixedExamplesError extends Error {
  override readonly name = "MixedExamplesError";
}

/**
 * Three examples of noise: the first and the last are changed, and gradient and norm of the one between must stay the same to
 * the bit. On the current backend, with the kernels that will train. Throws MixedExamplesError, naming network and parameters.
 */
export function checkIsolation(network: Network, kernels: Kernels, views = 1): void {
  const { spec, parameters } = network;
  // Away from zero, so that no bias and no offset is without effect.
  const tensors = network.upload(network.initialise(1).map((part) => part.map((value) => value + 0.01)));
  const size = views * spec.inputShape.reduce((a, b) => a * b, 1);
  const values = example(spec.layers, new SeededRandom(1));
  const inputs = values(3 * size);
  const changed = inputs.slice();
  changed.set(values(size));
  changed.set(values(size), 2 * size);
  try {
    const one = gradientBetween(network, kernels, tensors, views, inputs, [0, 1, 0]);
    const other = gradientBetween(network, kernels, tensors, views, changed, [1, 1, 1]);
    const names = parameters.filter((_, i) => !same(one.parts[i], other.parts[i])).map(({ name }) => name);
    if (names.length === 0 && same([one.squaredNorm], [other.squaredNorm])) return;
    const shown =
      names.length > 0 ? ` (${names.slice(0, 3).join(", ")}${names.length > 3 ? ", …" : ""})` : "";
    throw new MixedExamplesError(
      `${spec.name} mixes the examples of a batch on backend ${tf.getBackend()}: one's gradient changed with the others${shown}; clipping would bound nothing`,
    );
  } finally {
    tf.dispose(tensors);
  }
}

/** The gradient of the second of three examples, and its squared norm. */
function gradientBetween(
  network: Network,
  kernels: Kernels,
  parameters: readonly tf.Tensor[],
  views: number,
  inputs: Float32Array,
  labels: readonly number[],
): { readonly parts: readonly Float32Array[]; readonly squaredNorm: number } {
  let parts: Float32Array[] = [];
  let squaredNorm = Number.NaN;
  // Not as its result: a tidy looks through all that it returns, number by number.
  tf.tidy(() => {
    const images = tf.tensor(inputs, [3 * views, ...network.spec.inputShape]);
    const gradients = network.gradients(images, labels, views, parameters, kernels);
    parts = gradients.weightedSums(tf.tensor1d([0, 1, 0])).map((part) => part.dataSync() as Float32Array);
    squaredNorm = gradients.squaredNorms[1];
  });
  return { parts, squaredNorm };
}

/** Zeros of either sign are the same, and so is what is no number. */
function same(one: ArrayLike<number>, other: ArrayLike<number>): boolean {
  for (let i = 0; i < one.length; i++)
    if (one[i] !== other[i] && !(Number.isNaN(one[i]) && Number.isNaN(other[i]))) return false;
  return one.length === other.length;
}

/** Draws values that the first layers can take: whole numbers below the vocabulary where one of them is an embedding. */
function example(layers: readonly LayerSpec[], random: SeededRandom): (size: number) => Float32Array {
  const embedding = layers.find((layer) => layer.kind === "embedding");
  const draw =
    embedding?.kind === "embedding" ? () => random.below(embedding.vocabulary) : () => random.normal();
  return (size) => Float32Array.from({ length: size }, draw);
}
