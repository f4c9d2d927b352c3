// Counterexamples wanted to docs/math-clipping.md: a contribution whose norm, in float64, exceeds 1, at any magnitude that
// float32 has; and the rounding of adding many contributions up, against its bound.
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { currentKernels, startBackend } from "../../src/backends/index.js";
import { clipFactor } from "../../src/trainer/engine/microBatch.js";
import { dense } from "../../src/trainer/layers/dense.js";
import type { Network } from "../../src/trainer/layers/network.js";
import { buildModel } from "../../src/trainer/models/index.js";
import { SeededRandom } from "../../src/trainer/random/index.js";
import { STARTED_BACKENDS } from "../support/startedBackends.js";
import { gradientsByEngine, normOf } from "./support.js";

/** Every binade of float32, subnormal ones included, often all of a vector in a few of them. */
const floats = (length: number): fc.Arbitrary<Float32Array> =>
  fc
    .tuple(
      fc.integer({ min: -149, max: 127 }),
      fc.constantFrom(0, 3, 30, 276),
      fc.array(fc.tuple(fc.double({ min: -2, max: 2, noNaN: true }), fc.nat(1000)), {
        minLength: length,
        maxLength: length,
      }),
    )
    .map(([exponent, spread, parts]) =>
      Float32Array.from(parts, ([mantissa, place]) => {
        const below = spread === 0 ? 0 : place % spread;
        return mantissa * 2 ** Math.max(-149, exponent - below - 1);
      }),
    );
const clipNorms = fc.integer({ min: -148, max: 127 }).map((exponent) => 2 ** exponent * 1.3);

/** Within what adding a few dozen squares in float64 can err. */
const NORM_LIMIT = 1 + 1e-14;

describe.each(STARTED_BACKENDS)("on %s", (backend) => {
  beforeAll(() => startBackend(backend));

  test("formed gradients: factor times row has norm at most 1", () => {
    let largest = 0;
    fc.assert(
      fc.property(floats(37), clipNorms, (row, norm) => {
        const contribution = tf.tidy(() => {
          const rows = tf.tensor2d(row, [1, row.length]);
          const [squared] = currentKernels().squaredNorms(rows);
          const factor = clipFactor(squared!, { norm });
          expect(Math.fround(factor)).toBe(factor);
          if (!Number.isFinite(squared)) return new Float32Array(0);
          return currentKernels()
            .weightedSum(rows, tf.tensor1d([factor]))
            .dataSync();
        });
        const length = normOf([contribution]);
        expect(length).toBeLessThanOrEqual(NORM_LIMIT);
        const [squared] = tf.tidy(() => currentKernels().squaredNorms(tf.tensor2d(row, [1, row.length])));
        const automatic = clipFactor(squared!, { norm: 1, gamma: norm });
        if (Number.isFinite(squared))
          expect(normOf([row.map((value) => Math.fround(value * automatic))])).toBeLessThanOrEqual(
            NORM_LIMIT,
          );
        largest = Math.max(largest, length);
      }),
      { numRuns: 300 },
    );
    expect(largest).toBeGreaterThan(0.999);
  });

  test.each([1, 2, 5])("ghost norms of a dense layer with %i views: the same", (views) => {
    const [inputs, units] = [7, 5];
    const layer = dense("layer", [inputs], { units });
    const kernel = tf.zeros([inputs, units]);
    const rows = (size: number) => {
      const one = floats(size);
      // Views that are equal, opposite or unrelated: their gradients add up, cancel or neither.
      return fc
        .tuple(
          one,
          fc.array(fc.tuple(one, fc.constantFrom(-1, 0, 1)), { minLength: views - 1, maxLength: views - 1 }),
        )
        .map(([first, others]) => [
          ...first,
          ...others.flatMap(([row, sign]) => (sign === 0 ? [...row] : [...first].map((v) => sign * v))),
        ]);
    };
    let largest = 0;
    fc.assert(
      fc.property(rows(inputs), rows(units), clipNorms, (x, dy, norm) => {
        const contribution = tf.tidy(() => {
          const { gradients } = layer.backward(
            tf.tensor2d(dy, [views, units]),
            [tf.tensor2d(x, [views, inputs])],
            [kernel],
            { kernels: currentKernels(), views, needsInputGradient: false, trained: [true, true] },
          );
          const [squared] = gradients![0]!.squaredNorms();
          if (!Number.isFinite(squared)) return [];
          const weights = tf.tensor1d([clipFactor(squared!, { norm })]);
          return gradients![0]!.weightedSums(weights).map((part) => part.dataSync());
        });
        const length = normOf(contribution);
        expect(length).toBeLessThanOrEqual(NORM_LIMIT);
        largest = Math.max(largest, length);
      }),
      { numRuns: 300 },
    );
    expect(largest).toBeGreaterThan(0.9);
    kernel.dispose();
  });
});

test("the factor is a float32, never above its exact value, and never infinite", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, noNaN: true }), clipNorms, (squared, norm) => {
      const factor = clipFactor(squared, { norm });
      const automatic = clipFactor(squared, { norm: 1, gamma: norm });
      expect(Math.fround(automatic)).toBe(automatic);
      expect(automatic).toBeLessThanOrEqual(
        squared < Infinity ? ((1 - 2 ** -20) / (norm + Math.sqrt(squared))) * (1 + 2 ** -50) : 0,
      );
      expect(Math.fround(factor)).toBe(factor);
      expect(Number.isFinite(factor)).toBe(true);
      expect(factor).toBeGreaterThanOrEqual(0);
      // (1 − 2^-20)·x is exact to a few units of 2^-53.
      const exact = squared < Infinity ? (1 - 2 ** -20) * Math.min(1 / norm, 1 / Math.sqrt(squared)) : 0;
      expect(factor).toBeLessThanOrEqual(exact * (1 + 2 ** -50));
    }),
  );
});

test("adding a micro-batch up in float32 errs by less than u·m²/2, and by far less than the margin of the noise", async () => {
  await startBackend("wasm");
  const network: Network = buildModel("cnn", [28, 28, 1], 10);
  const parameters = network.initialise(1);
  const random = new SeededRandom(5);
  const m = 64;
  const values = Float32Array.from({ length: m * 784 }, () => random.normal());
  const labels = Array.from({ length: m }, () => random.below(10));
  const clip = { norm: 1e-3 };
  const weigh = (squared: number) => clipFactor(squared, clip);
  const { squaredNorms, examples } = gradientsByEngine(network.spec, values, labels, 1, parameters, weigh);
  const together = tf.tidy(() => {
    const images = tf.tensor4d(values, [m, 28, 28, 1]);
    const { weightedSums } = network.gradients(
      images,
      labels,
      1,
      network.upload(parameters),
      currentKernels(),
    );
    return weightedSums(tf.tensor1d(Float32Array.from(squaredNorms, weigh))).map((part) => part.dataSync());
  });
  const error = normOf(
    together.map((part, index) =>
      Float64Array.from(part, (value, i) => value - examples.reduce((sum, one) => sum + one[index]![i]!, 0)),
    ),
  );
  expect(error).toBeGreaterThan(0);
  expect(error).toBeLessThanOrEqual((2 ** -24 * m * m) / 2);
  // All 32 micro-batches of a batch of 2,048 together stay below 2^-14 of the sensitivity 1.
  expect(32 * error).toBeLessThan(2 ** -14);
});
