// The kernels of a training step's first and last layers, over every backend that starts: bytes to inputs, the cross-entropy's
// gradient, and exact sums of outer products.
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { currentKernels, startBackend } from "../../src/engines/tensorflow/startBackend.js";
import type { BackendName } from "../../src/trainer/backendNames.js";
import { STARTED_BACKENDS } from "../support/startedBackends.js";

let state = 4321;
/** Numbers in (−1, 1), the same in every run. */
const uniform = (): number => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 31 - 1;
};
const numbers = (count: number): Float32Array => Float32Array.from({ length: count }, uniform);
const close = (actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void => {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++)
    if (!(Math.abs(actual[i] - expected[i]) <= tolerance * (1 + Math.abs(expected[i]))))
      expect.fail(`element ${i}: ${actual[i]}, expected ${expected[i]}`);
};

describe.each(STARTED_BACKENDS)("kernels of the first and last layers on %s", (name) => {
  const kernels = async () => {
    await startBackend(name as BackendName);
    return currentKernels();
  };

  test("bytes become numbers by the factor and the offset of their channel, rounded twice", async () => {
    const k = await kernels();
    for (const [pixels, channels] of [
      [1, 1],
      [7, 1],
      [32, 1],
      [7, 3],
      [32, 3],
      [100, 5],
    ]) {
      const scaling = { factor: numbers(channels), offset: numbers(channels) };
      const bytes = Uint8Array.from({ length: pixels * channels }, (_, i) => (i * 83 + pixels) % 256);
      const found = k.fromBytes([pixels, channels], scaling, (out) => out.set(bytes));
      expect([...found.dataSync()]).toEqual(
        Array.from(bytes, (byte, i) => {
          const [factor, offset] = [scaling.factor[i % channels], scaling.offset[i % channels]];
          return Math.fround(Math.fround(byte * factor) + offset);
        }),
      );
    }
  });

  test("the cross-entropy's gradient is the softmax less the label, for logits of any size", async () => {
    const k = await kernels();
    for (const [n, classes] of [
      [1, 2],
      [3, 10],
      [8, 7],
      [70, 100],
    ])
      for (const size of [0, 1e-3, 1, 20, 1e4, 3e38]) {
        const logits = numbers(n * classes).map((value) => size * value);
        const labels = Uint32Array.from({ length: n }, (_, row) => (row * 7) % classes);
        const found = k.crossEntropyGradient(tf.tensor2d(logits, [n, classes]), labels, 1 / 3);
        const expected = Array.from({ length: n }, (_, row) => {
          const own = [...logits.slice(row * classes, (row + 1) * classes)];
          const powers = own.map((value) => Math.exp(value - Math.max(...own)));
          const sum = powers.reduce((total, value) => total + value, 0);
          return powers.map((value, c) => (value / sum - (c === labels[row] ? 1 : 0)) / 3);
        }).flat();
        // Of softmax and label the difference may cancel: the error is that of a float32 number of 1.
        close(found.dataSync(), expected, 4e-7);
      }
    const broken = [0, Number.NaN, 1, Number.POSITIVE_INFINITY, 1, 2, Number.NEGATIVE_INFINITY, 0, 0];
    const rows = [...k.crossEntropyGradient(tf.tensor2d(broken, [3, 3]), [0, 1, 2], 1).dataSync()];
    expect(rows.slice(0, 6).some(Number.isFinite)).toBe(false);
    close(rows.slice(6), [0, 0.5, -0.5], 4e-7);
  });

  test("rows become whole numbers of fifteen bits, with their norms, and outer products of them add up exactly", async () => {
    const k = await kernels();
    for (const [n, inputs, units] of [
      [1, 1, 1],
      [5, 7, 3],
      [70, 9, 10],
      [64, 32, 2],
      [130, 4, 6],
      [3, 30, 17],
      [2, 49, 1],
    ]) {
      const x = numbers(n * inputs);
      // Rows of any magnitude, of zeros, of hardly more, and of what is no number.
      const magnitudes = [1, 2 ** 120, 2 ** -99, 0, 2 ** -140, Number.NaN, Number.POSITIVE_INFINITY];
      x.forEach((value, at) => {
        x[at] = Math.fround(value * magnitudes[Math.floor(at / inputs) % (n === 70 ? 7 : 3)]);
      });
      const unit = 2 ** (n % 5);
      const rows = k.wholeRows(tf.tensor2d(x, [n, inputs]));
      const whole = Array.from({ length: n }, (_, row) => {
        const own = x.slice(row * inputs, (row + 1) * inputs);
        const largest = Math.max(...own.map(Math.abs));
        if (!(largest < Infinity)) {
          expect([rows.scales[row], rows.squaredNorms[row]]).toEqual([Number.NaN, Number.NaN]);
          return own.map(() => 0);
        }
        if (largest < 2 ** -100) {
          expect([rows.scales[row], rows.squaredNorms[row]]).toEqual([0, 0]);
          return own.map(() => 0);
        }
        expect(rows.scales[row]).toBe(Math.fround(32767 / largest));
        // The error: half a unit of fifteen bits, and what float32 rounds off a number of fifteen bits.
        const nearest = own.map((value) => {
          const scaled = Math.fround(value * rows.scales[row]);
          const below = Math.floor(scaled);
          const half = scaled - below;
          return half > 0.5 || (half === 0.5 && below % 2 !== 0) ? below + 1 : below;
        });
        nearest.forEach((value, i) => {
          expect(Math.abs(value - (own[i] * 32767) / largest)).toBeLessThanOrEqual(0.5 + 2 ** -8);
        });
        expect(Math.max(...nearest.map(Math.abs))).toBe(32767);
        expect(rows.squaredNorms[row]).toBe(nearest.reduce((sum, value) => sum + value * value, 0));
        return nearest;
      });
      // The largest that there may be, too; rows that count for nothing hold anything.
      const outputs = [2 ** 21 + 2 ** 7, -(2 ** 21), 1023, 1024, -1024, -1025.75];
      const weights = Float64Array.from({ length: n }, (_, row) =>
        rows.scales[row] > 0 && row % 5 !== 4 ? 2 ** ((row % 3) - 1) : 0,
      );
      const slopes = Float32Array.from({ length: n * units }, (_, at) => {
        const weight = weights[Math.floor(at / units)];
        return weight === 0 ? Number.NaN : (outputs[at % 7] ?? 1e5 * numbers(1)[0]) / weight;
      });
      const sum = k.exactSum(inputs * units);
      for (const times of [1, 2]) {
        k.addOuterProducts(sum, rows, tf.tensor2d(slopes, [n, units]), weights, unit);
        const expected = Array.from({ length: inputs * units }, (_, at) => {
          let total = 0n;
          whole.forEach((own, row) => {
            if (weights[row] === 0) return;
            const output = Math.trunc(weights[row] * slopes[row * units + (at % units)]);
            total += BigInt(times * unit) * BigInt(own[Math.floor(at / units)]) * BigInt(output);
          });
          return Number(total);
        });
        expect([...sum.values]).toEqual(expected);
      }
      slopes[0] = (2 ** 21 + 2 ** 7 + 2) / weights[0];
      expect(() => k.addOuterProducts(sum, rows, tf.tensor2d(slopes, [n, units]), weights, unit)).toThrow(
        RangeError,
      );
      sum.dispose();
    }
  });

  test("sums of the most extreme products do not overflow", async () => {
    const k = await kernels();
    for (const value of [1024, -1024, 1023, 2048 * 1023 + 1024, 2 ** 21 + 2 ** 7, -(2 ** 21) - 2 ** 7])
      for (const [n, sign] of [
        [64, 1],
        [64, -1],
        [129, 1],
      ]) {
        const inputs = 17;
        const rows = k.wholeRows(tf.fill([n, inputs], sign * 3) as tf.Tensor2D);
        const sum = k.exactSum(inputs);
        const slopes = tf.fill([n, 1], value) as tf.Tensor2D;
        k.addOuterProducts(sum, rows, slopes, new Float64Array(n).fill(1), 1);
        expect([...sum.values]).toEqual(Array.from({ length: inputs }, () => n * sign * 32767 * value));
        sum.dispose();
      }
  });

  test("a row of a product, of a softmax and of whole numbers has the same bits wherever it stands", async () => {
    const k = await kernels();
    if (!k.keepsExamplesApart) return;
    for (const [inputs, units] of [
      [784, 10],
      [12, 7],
      [17, 3],
    ]) {
      const [own, weights, bias] = [numbers(inputs), numbers(inputs * units), numbers(units)];
      const of = (n: number, place: number) => {
        const x = numbers(n * inputs);
        x.set(own, place * inputs);
        // What the others hold is no number, too.
        if (n > 2) x.fill(Number.NaN, ((place + 1) % n) * inputs, ((place + 1) % n) * inputs + 1);
        const rows = tf.tensor2d(x, [n, inputs]);
        const b = tf.tensor2d(weights, [inputs, units]);
        const logits = k.product(rows, b, false, tf.tensor1d(bias));
        const slopes = k.crossEntropyGradient(logits, new Uint8Array(n).fill(1), 0.5);
        const whole = k.wholeRows(rows);
        const sum = k.exactSum(inputs * units);
        const factors = new Float64Array(n);
        factors[place] = 1e5;
        k.addOuterProducts(sum, whole, slopes, factors, 1);
        const found = [
          ...[logits, slopes].flatMap((t) => [...t.dataSync().slice(place * units, (place + 1) * units)]),
          ...[whole.scales[place], whole.squaredNorms[place]],
          ...sum.values,
        ];
        sum.dispose();
        return found;
      };
      const alone = of(1, 0);
      for (const [n, place] of [
        [2, 1],
        [3, 0],
        [5, 4],
        [64, 63],
        [70, 65],
      ])
        expect(of(n, place)).toEqual(alone);
    }
  });
});
