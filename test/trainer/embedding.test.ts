// Embeddings of large vocabularies: of an example's gradient only the rows that occur in it are held.
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, test } from "vitest";
import { currentKernels, startBackend } from "../../src/engines/tensorflow/startBackend.js";
import { defaultMicroBatch } from "../../src/engines/threads/microBatchSize.js";
import { Network } from "../../src/trainer/layers/network.js";
import { SeededRandom } from "../../src/trainer/random/seeded.js";
import { normOf, sumOf } from "./support.js";

const words = (vocabulary: number, positions: number, units: number): Network =>
  new Network({
    name: "words",
    inputShape: [1, positions, 1],
    classes: 2,
    layers: [
      { kind: "flatten" },
      { kind: "embedding", vocabulary, units },
      { kind: "global-average-pool" },
      { kind: "dense", units: 2 },
    ],
  });

beforeAll(() => startBackend("wasm"));

test("50,000 words and 512 positions: a micro-batch of the default size takes memory by its positions", () => {
  const [vocabulary, positions, units] = [50_000, 512, 16];
  const network = words(vocabulary, positions, units);
  const examples = defaultMicroBatch(network, 1);
  expect(examples).toBeGreaterThanOrEqual(64);
  const random = new SeededRandom(1);
  const parameters = network.initialise(1);
  const heap = () => (tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } }).wasm.HEAPU8.length;
  const before = heap();
  tf.tidy(() => {
    const numbers = Float32Array.from({ length: examples * positions }, () => random.below(vocabulary));
    const images = tf.tensor4d(numbers, [examples, 1, positions, 1]);
    const labels = Array.from({ length: examples }, (_, n) => n % 2);
    const gradients = network.gradients(images, labels, 1, network.upload(parameters), currentKernels());
    const [table] = sumOf(
      network,
      gradients,
      gradients.squaredNorms.map((value) => 1 / Math.sqrt(value)),
    );
    // Every word that occurs moved, and no other.
    const occur = new Set(numbers);
    for (let word = 0; word < vocabulary; word += 7)
      expect(normOf([table!.subarray(word * units, (word + 1) * units)]) > 0).toBe(occur.has(word));
  });
  // Formed, the rows alone would take 3.2 MB an example.
  expect(heap() - before).toBeLessThan(0.6e6 * examples);
});

test("a word that occurs again and again, in several views, has one row, whose norm is that of the sum", () => {
  const network = words(5, 4, 3);
  tf.tidy(() => {
    const images = tf.tensor4d(Float32Array.of(2, 2, 4, 2, 2, 0, 2, 2), [2, 1, 4, 1]);
    const tensors = network.upload(network.initialise(1));
    for (const viewsAtOnce of [1, 2]) {
      const gradients = network.gradients(images, [1], 2, tensors, currentKernels(), viewsAtOnce);
      const parts = sumOf(network, gradients, Float64Array.of(1));
      const [table] = parts;
      expect([0, 1, 2, 3, 4].map((word) => normOf([table!.subarray(3 * word, 3 * word + 3)]) > 0)).toEqual([
        true,
        false,
        true,
        false,
        true,
      ]);
      // In each view three of four places hold word 2, and one word 4 or 0.
      for (let j = 0; j < 3; j++) expect(table![6 + j]! / (table![j]! + table![12 + j]!)).toBeCloseTo(3, 5);
      expect(Math.sqrt(gradients.squaredNorms[0]!)).toBeCloseTo(normOf(parts), 5);
    }
  });
});
