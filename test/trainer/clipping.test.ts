// Counterexamples wanted to theorems 1 and 2 of docs/math-clipping.md: a contribution whose norm exceeds 1, at any magnitude
// that float32 has.
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { currentKernels, startBackend } from "../../src/engines/tensorflow/startBackend.js";
import { clipFactor } from "../../src/trainer/clipFactor.js";
import { dense } from "../../src/trainer/layers/dense.js";
import { STARTED_BACKENDS } from "../support/startedBackends.js";

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

/** Bits that grids have: of 2^40, 60,000 and up to 4,096 examples. */
const grids = fc.constantFrom(12, 36, 40);

/** Squared length of whole numbers, exactly. */
const squaredLength = (values: ArrayLike<number>): bigint =>
  Array.from(values).reduce((sum, value) => sum + BigInt(value) ** 2n, 0n);

describe.each(STARTED_BACKENDS)("on %s", (backend) => {
  beforeAll(() => startBackend(backend));

  test("formed gradients: what an example adds has norm at most 1, exactly", () => {
    let largest = 0;
    fc.assert(
      fc.property(floats(37), clipNorms, grids, fc.boolean(), (row, norm, bits, automatic) => {
        const kernels = currentKernels();
        const sum = kernels.exactSum(row.length);
        tf.tidy(() => {
          const rows = tf.tensor2d(row, [1, row.length]);
          const [squared] = kernels.squaredNorms(rows);
          const factor = clipFactor(squared!, automatic ? { norm: 1, gamma: norm } : { norm });
          kernels.addRows(sum, rows, Float64Array.of(factor * 2 ** bits));
        });
        const added = squaredLength(sum.values);
        sum.dispose();
        expect(added <= 4n ** BigInt(bits)).toBe(true);
        largest = Math.max(largest, Math.sqrt(Number(added)) * 2 ** -bits);
      }),
      { numRuns: 300 },
    );
    expect(largest).toBeGreaterThan(0.999);
  });

  test.each([1, 2, 5])("a dense layer with %i views: the same", (views) => {
    const [inputs, units] = [7, 5];
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
      fc.property(rows(inputs), rows(units), clipNorms, grids, fc.boolean(), (x, dy, norm, bits, bias) => {
        const kernels = currentKernels();
        const layer = dense("layer", [inputs], { units, bias });
        const sums = [inputs * units, ...(bias ? [units] : [])].map((size) => kernels.exactSum(size));
        tf.tidy(() => {
          const { gradients } = layer.backward(
            tf.tensor2d(dy, [views, units]),
            [tf.tensor2d(x, [views, inputs])],
            [tf.zeros([inputs, units])],
            { kernels, views, allViews: views, needsInputGradient: false, trained: [true, bias] },
          );
          const [squared] = gradients![0]!.squaredNorms();
          gradients![0]!.addTo(sums, Float64Array.of(clipFactor(squared!, { norm })), bits);
        });
        const added = sums.reduce((total, { values }) => total + squaredLength(values), 0n);
        for (const sum of sums) sum.dispose();
        expect(added <= 4n ** BigInt(bits)).toBe(true);
        largest = Math.max(largest, Math.sqrt(Number(added)) * 2 ** -bits);
      }),
      { numRuns: 300 },
    );
    expect(largest).toBeGreaterThan(0.9);
  });
});

test("the factor is never above its exact value, and never infinite", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, noNaN: true }), fc.double({ min: 1e-320 }), (squared, norm) => {
      if (!(norm < Infinity)) return;
      const margin = 1 - 2 ** -41;
      const factor = clipFactor(squared, { norm });
      const automatic = clipFactor(squared, { norm: 1, gamma: norm });
      for (const each of [factor, automatic]) {
        expect(Number.isFinite(each)).toBe(true);
        expect(each).toBeGreaterThanOrEqual(0);
      }
      const exact = squared < Infinity ? margin * Math.min(1 / norm, 1 / Math.sqrt(squared)) : 0;
      expect(factor).toBeLessThanOrEqual(exact);
      expect(automatic).toBeLessThanOrEqual(squared < Infinity ? margin / (norm + Math.sqrt(squared)) : 0);
    }),
  );
});
