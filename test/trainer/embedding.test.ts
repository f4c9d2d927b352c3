// Embeddings of large vocabularies: of an example's gradient only the rows that occur in it are held.
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { currentKernels, startBackend } from "../../src/engines/tensorflow/startBackend.js";
import { defaultMicroBatch } from "../../src/engines/threads/microBatchSize.js";
import { startThreads } from "../../src/engines/threads/threads.js";
import { train } from "../../src/runs/train.js";
import {
  type Dataset,
  DatasetError,
  type LabelledImages,
  type Scaling,
} from "../../src/trainer/data/dataset.js";
import { checkVocabulary } from "../../src/trainer/data/vocabulary.js";
import { Network } from "../../src/trainer/layers/network.js";
import { SeededRandom } from "../../src/trainer/random/seeded.js";
import { normOf, planOf, sumOf } from "./support.js";

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

describe("numbers outside the vocabulary", () => {
  const network = words(7, 3, 2);
  const images = (values: number[][], scaling?: Scaling): LabelledImages => ({
    count: values.length,
    shape: [1, 3, 1],
    pixels: Float32Array.from(values.flat()),
    labels: new Uint8Array(values.length),
    ...(scaling && { scaling }),
  });
  const good = [
    [0, 6, 3],
    [1, 1, 2],
  ];
  const dataset = (train: LabelledImages, test = images(good)): Dataset => ({
    name: "own",
    classes: 2,
    train,
    test,
  });

  test.each([7, -1, 2.5, 1e9, -1e-9])(
    "%f is refused with its example, in training and in test data",
    (number) => {
      const bad = images([good[0]!, [0, number, 0]]);
      const message = `example 2 of 2 must be of whole numbers in [0, 7), the embedding's vocabulary, got ${bad.pixels[4]}`;
      expect(() => checkVocabulary(network.spec, dataset(bad))).toThrow(`own: train: ${message}`);
      expect(() => checkVocabulary(network.spec, dataset(images(good), bad))).toThrow(
        `own: test: ${message}`,
      );
      expect(() => checkVocabulary(network.spec, dataset(bad))).toThrow(DatasetError);
    },
  );

  test("exactly the whole numbers below it are taken, whatever the numbers", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -3, max: 10 }), { minLength: 3, maxLength: 3 }), (numbers) => {
        const check = () => checkVocabulary(network.spec, dataset(images([numbers])));
        if (numbers.every((number) => number >= 0 && number < 7)) check();
        else expect(check).toThrow(DatasetError);
      }),
    );
  });

  test("bytes count as what they are scaled to", () => {
    const bytes = (scaling?: Scaling) => ({ ...images(good, scaling), pixels: Uint8Array.from(good.flat()) });
    expect(() => checkVocabulary(network.spec, dataset(bytes()))).toThrow(
      "own: train: example 1 of 2 must be of whole numbers in [0, 7), the embedding's vocabulary, got 0, which is scaled to -1",
    );
    checkVocabulary(network.spec, dataset(bytes({ mean: [0], deviation: [1 / 255] })));
  });

  test("are refused by train and by startThreads before anything is done; other networks take any numbers", async () => {
    const data = dataset(images([good[0]!, [0, 7, 0]]));
    const message = /own: train: example 2 of 2 must be of whole numbers in \[0, 7\)/;
    const out = join(tmpdir(), "dpsgd-no-such-run");
    const plan = planOf({ examples: 2, batchSize: 1, steps: 1, noiseMultiplier: 1 });
    await expect(train(plan, { data, model: network.spec, out, backend: "wasm" })).rejects.toThrow(message);
    expect(existsSync(out)).toBe(false);
    await expect(
      startThreads({
        backend: { name: "wasm", reason: "" },
        network,
        data,
        augmentation: { views: 0, seed: 1 },
      }),
    ).rejects.toThrow(message);
    const layers = [{ kind: "flatten" }, { kind: "dense", units: 2 }] as const;
    checkVocabulary({ ...network.spec, layers }, data);
  });
});
