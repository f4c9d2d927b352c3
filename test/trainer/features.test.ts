// Features of frozen layers: computed once, kept for all threads, and the same sums as without keeping them.
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, test, vi } from "vitest";
import { currentKernels, startBackend } from "../../src/engines/tensorflow/startBackend.js";
import { FeatureStore, featureMemory } from "../../src/engines/threads/featureStore.js";
import { MicroBatchRunner } from "../../src/engines/threads/microBatch.js";
import { PartialSum } from "../../src/engines/threads/partialSum.js";
import { startThreads } from "../../src/engines/threads/threads.js";
import { Network } from "../../src/trainer/layers/network.js";
import { dataOf, EVERY_LAYER } from "./support.js";

beforeAll(() => startBackend("wasm"));

const data = dataOf(40, [9, 8, 2], 3);
const start = new Network(EVERY_LAYER).initialise(1);
const named = new Map(new Network(EVERY_LAYER).allParameters.map(({ name }, i) => [name, start[i]!]));
const network = new Network({ ...EVERY_LAYER, frozen: ["0.*", "3.*", "7.*"] }, named);
const trained = network.parameters.map(({ name }) => named.get(name)!.slice());
const clip = { norm: 0.1 };
const plain = { views: 0, seed: 1 };
const everyone = { indices: Uint32Array.from({ length: 31 }, (_, i) => i), step: 1 };

test("the frozen layers before the first trained one make the features", () => {
  // Flatten, dense and tanh are behind the last frozen convolution; the head alone is trained.
  expect(network.featureShape).toEqual([7]);
  expect(new Network({ ...EVERY_LAYER, frozen: ["3.*"] }, named).featureShape).toBeUndefined();
  expect(new Network(EVERY_LAYER).featureShape).toBeUndefined();
});

test("sums and evaluations are those of the whole network, and each image goes through the body once", async () => {
  const whole = new MicroBatchRunner(network, currentKernels(), data.train, data.test, plain);
  const stores = {
    train: new FeatureStore(featureMemory(40, [7])!, [7]),
    test: new FeatureStore(featureMemory(200, [7])!, [7]),
  };
  const kept = new MicroBatchRunner(network, currentKernels(), data.train, data.test, plain, 1, stores);
  const tensors = network.upload(trained);
  const sumOf = (runner: MicroBatchRunner) => {
    const partial = new PartialSum(network, currentKernels(), data.train.count);
    runner.addClipped(partial, tensors, everyone, 0, 20, clip);
    runner.addClipped(partial, tensors, everyone, 20, 31, clip);
    const sum = partial.read().map((part) => part.map((value) => value * 2 ** -partial.fractionBits));
    partial.dispose();
    return sum;
  };
  const expected = sumOf(whole);
  const features = vi.spyOn(network, "features");
  const first = sumOf(kept);
  expect(features.mock.calls.map(([images]) => images.shape[0])).toEqual([20, 11]);
  const again = sumOf(kept);
  expect(features).toHaveBeenCalledTimes(2);
  expect(again).toEqual(first);
  // To the last bit: what the body gives does not depend on which examples go through it together.
  expect(first).toEqual(expected);
  expect(kept.evaluate(tensors, "test", 0, 200)).toEqual(whole.evaluate(tensors, "test", 0, 200));
  tf.dispose(tensors);

  // Across threads too.
  const engine = await startThreads({
    ...{
      backend: { name: "wasm", reason: "" },
      network,
      data,
      augmentation: plain,
      workers: 2,
      microBatch: 7,
    },
  });
  try {
    for (let turn = 0; turn < 2; turn++) {
      const { sum } = await engine.clippedSum(trained, everyone, clip);
      expect(sum).toEqual(expected);
    }
  } finally {
    await engine.close();
  }
});

test("features of more than two gigabytes are not kept", () => {
  expect(featureMemory(60_000, [32, 32, 64])).toBeUndefined();
  expect(featureMemory(60_000, undefined)).toBeUndefined();
});
