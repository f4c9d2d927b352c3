// Memory of an example in flight: its formed gradients, whatever the number of its views.
import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { currentKernels, startBackend } from "../../src/engines/tensorflow/startBackend.js";
import { findMicroBatch } from "../../src/engines/threads/findMicroBatch.js";
import { defaultMicroBatch, viewsAtOnce } from "../../src/engines/threads/microBatchSize.js";
import { buildModel } from "../../src/trainer/models/index.js";
import { sumOf } from "./support.js";

const MB = 1e6;
const heapBytes = () => (tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } }).wasm.HEAPU8.length;

test("WRN-16-4 holds at most 12 MB an example, and more views take no more memory", {
  timeout: 300_000,
}, async () => {
  await startBackend("wasm");
  // Small images: their gradients are as large as those of large ones, their activations are not.
  const network = buildModel("wrn-16-4", [16, 16, 3], 10);
  const tensors = network.upload(network.initialise(1));
  const measure = (examples: number, views: number, atOnce: number) =>
    tf.tidy(() => {
      const images = tf.randomNormal([examples * views, 16, 16, 3]) as tf.Tensor4D;
      const before = tf.memory().numBytes;
      const labels = Array.from({ length: examples }, (_, n) => n);
      const gradients = network.gradients(images, labels, views, tensors, currentKernels(), atOnce);
      const held = tf.memory().numBytes - before;
      sumOf(network, gradients, new Float64Array(examples).fill(1));
      return { held: held / examples, heap: heapBytes() };
    });
  const one = measure(2, 1, 1);
  // All but the head, whose gradient is not formed.
  expect(one.held).toBeGreaterThan(10.9 * MB);
  expect(one.held).toBeLessThan(12 * MB);
  // A second pass needs room beside what the first one left; all others after it need no more.
  const few = measure(2, 2, 1);
  const many = measure(2, 6, 1);
  expect(many.held).toBeLessThan(12 * MB);
  expect(many.heap).toBe(few.heap);
  // All of them at once do need room for their activations: the measure can tell.
  const together = measure(2, 24, 24);
  expect(together.held).toBeLessThan(12 * MB);
  expect(together.heap).toBeGreaterThan(many.heap);
  tf.dispose(tensors);
});

test("a micro-batch has as many examples as fit, and its passes as many views as the cache bears", () => {
  const small = buildModel("cnn", [28, 28, 1], 10);
  const large = buildModel("wrn-28-10", [32, 32, 3], 10);
  expect([1, 16, 64, 1000].map((views) => defaultMicroBatch(small, views))).toEqual([256, 4, 1, 1]);
  expect(defaultMicroBatch(large, 1)).toBe(1);
  expect(defaultMicroBatch(buildModel("linear", [28, 28, 1], 10), 1)).toBe(1024);
  expect([1, 4, 64, 500].map((examples) => viewsAtOnce(examples, 16))).toEqual([16, 16, 1, 1]);
});

test("the size that auto finds is a whole number of examples, found without the data", async () => {
  await startBackend("wasm");
  const network = buildModel("linear", [8, 8, 1], 4);
  const found = findMicroBatch(network, currentKernels(), 2);
  expect(Number.isSafeInteger(found)).toBe(true);
  expect(found).toBeGreaterThanOrEqual(4);
  expect(found).toBeLessThanOrEqual(256);
});
