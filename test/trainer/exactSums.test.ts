// Counterexamples wanted to theorems 3 and 4 of docs/math-clipping.md: two data sets that differ in one example and whose sums
// lie further apart than that example's own contribution, of norm at most 1. By construction, where float32 has them.
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { currentKernels, startBackend } from "../../src/engines/tensorflow/startBackend.js";
import { MicroBatchRunner } from "../../src/engines/threads/microBatch.js";
import { PartialSum } from "../../src/engines/threads/partialSum.js";
import { startThreads } from "../../src/engines/threads/threads.js";
import type { LabelledImages } from "../../src/trainer/data/dataset.js";
import { fractionBits } from "../../src/trainer/fixedPoint.js";
import type { GradientEngine } from "../../src/trainer/gradientEngine.js";
import { type LayerSpec, Network } from "../../src/trainer/layers/network.js";
import { STARTED_BACKENDS } from "../support/startedBackends.js";
import { dataOf, EVERY_LAYER, normOf } from "./support.js";

/** Where nothing is clipped but what is above it: contributions are inputs over it. */
const CLIP = 1e6;

/** What a clipped example adds to a weight: ±1/√2 for two classes that are equally likely. */
const CLIPPED = Math.SQRT1_2;

/**
 * As many clipped examples as take a sum just past 2^k, then tiny ones of the other sign, just under half a unit in the last
 * place of 2^k: there they vanish in float32. With one clipped example fewer the sum lies below 2^k, where the units are
 * half as large and each of the tiny ones counts in full.
 */
function acrossPower(n: number): number[][] {
  const k = Math.max(0, Math.round(Math.log2(0.35 * CLIPPED * n)));
  const tiny = 0.999 * 2 ** (k - 24);
  let clipped = 0;
  for (let sum = 0; sum < 2 ** k; clipped++) sum = Math.fround(sum + CLIPPED);
  return Array.from({ length: n }, (_, i) => [i < clipped ? 4 * CLIP : -2 * CLIP * tiny, 0]);
}

/** Two-pixel examples by what they do to a sum in float32; the first is taken away. */
const FAMILIES: { readonly [name: string]: (n: number) => number[][] } = {
  "tiny ones behind a power of two": acrossPower,
  "one large, then many just under half a unit in its last place": (n) =>
    Array.from({ length: n }, (_, i) => (i === 0 ? [CLIP, 0] : [CLIP * 2 ** -24 * 0.999, 0])),
  "the same with signs in turn": (n) =>
    Array.from({ length: n }, (_, i) =>
      i === 0 ? [CLIP, CLIP] : [CLIP * 2 ** -24 * (i % 2 ? 0.999 : -0.5), CLIP * 2 ** -25 * (i % 3)],
    ),
  "sums that cross binades": (n) =>
    Array.from({ length: n }, (_, i) => [CLIP * (2 / 3), -CLIP * 2 ** -(i % 24)]),
  "subnormal inputs": (n) =>
    Array.from({ length: n }, (_, i) => (i === 0 ? [CLIP, -CLIP] : [2 ** -(126 + (i % 24)), 2 ** -149])),
};

const NETWORKS: { readonly [name: string]: readonly LayerSpec[] } = {
  // No gradient is formed.
  dense: [{ kind: "flatten" }, { kind: "dense", units: 2 }],
  // Formed, a row an example.
  convolution: [{ kind: "conv2d", filters: 2, kernelSize: 1 }, { kind: "global-average-pool" }],
  scale: [{ kind: "scale" }, { kind: "bias" }, { kind: "flatten" }],
};

const networkOf = (layers: readonly LayerSpec[]): Network =>
  new Network({ name: "two-pixels", inputShape: [1, 1, 2], classes: 2, layers });

const imagesOf = (examples: readonly (readonly number[])[]): LabelledImages => ({
  count: examples.length,
  shape: [1, 1, 2],
  pixels: Float32Array.from(examples.flat()),
  labels: new Uint8Array(examples.length),
});

/** The clipped sum over `indices`, in whole numbers of the grid, and the grid. */
function sumOver(
  network: Network,
  images: LabelledImages,
  parameters: readonly Float32Array[],
  indices: Uint32Array,
  microBatch: number,
): { readonly sum: readonly number[]; readonly bits: number } {
  const kernels = currentKernels();
  const runner = new MicroBatchRunner(network, kernels, images, images, { views: 0, seed: 1 });
  const tensors = network.upload(parameters);
  const partial = new PartialSum(network, kernels, images.count);
  try {
    for (let from = 0; from < indices.length; from += microBatch)
      runner.addClipped(
        partial,
        tensors,
        { indices, step: 1 },
        from,
        Math.min(indices.length, from + microBatch),
        { norm: CLIP },
      );
    return { sum: partial.read().flatMap((part) => [...part]), bits: partial.fractionBits };
  } finally {
    partial.dispose();
    tf.dispose(tensors);
  }
}

/** sum(D) − sum(D without the first) must be what the first adds alone, of norm at most 1. */
function expectOwnContribution(network: Network, examples: readonly number[][], microBatch: number): bigint {
  const images = imagesOf(examples);
  // Zeros: both classes are equally likely, whatever the pixels.
  const parameters = network.parameters.map(
    ({ shape }) => new Float32Array(shape.reduce((a, b) => a * b, 1)),
  );
  const all = Uint32Array.from(examples.keys());
  const [whole, without, alone] = [all, all.subarray(1), all.subarray(0, 1)].map((indices) =>
    sumOver(network, images, parameters, indices, microBatch),
  );
  expect(whole!.sum.map((value, i) => value - without!.sum[i]!)).toEqual(alone!.sum);
  const squared = alone!.sum.reduce((total, value) => total + BigInt(value) ** 2n, 0n);
  expect(squared <= 4n ** BigInt(whole!.bits)).toBe(true);
  return squared;
}

test("a sum in float32 moves by more: 1.2 at 4,096 examples, 55 at 65,536", () => {
  // One weight of two alike, each example's contribution rounded to float32 and added in float32.
  const inFloat32 = (examples: number[][]) =>
    examples.reduce(
      (sum, [x]) => Math.fround(sum + Math.max(-CLIPPED, Math.min(CLIPPED, x! / (2 * CLIP)))),
      0,
    );
  for (const [n, least] of [
    [4096, 1.2],
    [65_536, 55],
  ] as const) {
    const examples = acrossPower(n);
    expect(Math.SQRT2 * (inFloat32(examples) - inFloat32(examples.slice(1)))).toBeGreaterThan(least);
  }
});

describe.each(STARTED_BACKENDS)("on %s", (backend) => {
  beforeAll(() => startBackend(backend));

  test.each(
    Object.keys(NETWORKS).flatMap((layers) =>
      Object.keys(FAMILIES).map((family) => [layers, family] as const),
    ),
  )(
    "one example fewer moves the sum of %s by its own contribution: %s, up to 65,536 at once",
    (layers, family) => {
      const network = networkOf(NETWORKS[layers]!);
      for (const [n, microBatch] of [
        [2, 2],
        [2048, 64],
        [4096, 4096],
        [65_536, 65_536],
      ] as const)
        expect(expectOwnContribution(network, FAMILIES[family]!(n), microBatch)).toBeGreaterThan(0n);
    },
  );

  test("and for examples of any size, in micro-batches of any size", () => {
    const size = fc
      .tuple(fc.integer({ min: -149, max: 100 }), fc.double({ min: -2, max: 2, noNaN: true }))
      .map(([exponent, mantissa]) => Math.fround(mantissa * 2 ** exponent));
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.values(NETWORKS)),
        fc.array(fc.tuple(size, size), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 41 }),
        (layers, others, microBatch) => {
          expectOwnContribution(networkOf(layers), [[CLIP / 3, -CLIP], ...others], microBatch);
        },
      ),
      { numRuns: 60 },
    );
  });
});

test("there is room for all examples, and for twice as many", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 40 }), (examples) => {
      const bits = fractionBits(examples);
      expect(BigInt(examples) << BigInt(bits)).toBeLessThanOrEqual(2n ** 52n);
      expect(bits === 40 || BigInt(examples) << BigInt(bits + 1) > 2n ** 52n).toBe(true);
    }),
  );
  for (const wrong of [0, 1.5, 2 ** 41, Number.NaN])
    expect(() => fractionBits(wrong)).toThrow(/^examples must be a whole number in \[1, 2\^40\], got /);
});

describe("sums by threads", () => {
  const data = dataOf(60, [9, 8, 2], 3);
  const network = new Network(EVERY_LAYER);
  const parameters = network.initialise(3);
  const engines: GradientEngine[] = [];
  afterAll(() => Promise.all(engines.map((engine) => engine.close())));
  const sumBy = async (workers: number, microBatch: number, indices: number[]) => {
    const backend = { name: "wasm", reason: "" } as const;
    const augmentation = { views: 0, seed: 1 };
    const engine = await startThreads({ backend, network, data, augmentation, workers, microBatch });
    engines.push(engine);
    const { sum, sensitivity } = await engine.clippedSum(
      parameters,
      { indices: Uint32Array.from(indices), step: 1 },
      { norm: 0.1 },
    );
    expect(sensitivity).toBe(1);
    return sum;
  };

  test("are the same to the last bit with any number of workers, any micro-batch and in any order", async () => {
    const indices = Array.from({ length: 50 }, (_, i) => i);
    const one = await sumBy(1, 64, indices);
    expect(normOf(one)).toBeGreaterThan(0);
    expect(await sumBy(3, 7, indices)).toEqual(one);
    expect(await sumBy(2, 1, indices.toReversed())).toEqual(one);
  });
});
