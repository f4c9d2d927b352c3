// One contract for the kernels over every backend that starts: each against sums written out in plain loops.
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { filterGradientsBy, patchesInTwo } from "../../src/engines/tensorflow/im2col.js";
import { currentKernels, startBackend } from "../../src/engines/tensorflow/startBackend.js";
import { stockKernels } from "../../src/engines/tensorflow/stockKernels.js";
import type { BackendName } from "../../src/trainer/backendNames.js";
import { STARTED_BACKENDS } from "../support/startedBackends.js";

let state = 12345;
/** Numbers in (−1, 1), the same in every run. */
const uniform = (): number => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 31 - 1;
};
const numbers = (count: number): Float32Array => Float32Array.from({ length: count }, uniform);
const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const tensor = (shape: number[]): tf.Tensor4D => tf.tensor(numbers(size(shape)), shape) as tf.Tensor4D;
const close = (actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 2e-5): void => {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++)
    if (!(Math.abs(actual[i] - expected[i]) <= tolerance * (1 + Math.abs(expected[i]))))
      expect.fail(`element ${i}: ${actual[i]}, expected ${expected[i]}`);
};

test("WASM and plain JS start everywhere", () => {
  expect(STARTED_BACKENDS).toEqual(expect.arrayContaining(["wasm", "cpu"]));
});

/** With patches that are gathered in two steps, as tfjs-node's are where pieces are short. */
const inTwoKernels = { ...stockKernels, filterGradients: filterGradientsBy(patchesInTwo) };

describe.each([...STARTED_BACKENDS.map((name) => [name, "own"]), ["cpu", "in two"]])(
  "kernels on %s (%s)",
  (name, kind) => {
    const kernels = async () => {
      await startBackend(name as BackendName);
      return kind === "in two" ? inTwoKernels : currentKernels();
    };

    // [views, H, W, C, P, kh, kw, stride]: odd channels, one channel, several views, rows left over by the stride; widths
    // that stride and filter divide, so that pixels are taken by twos and threes.
    test.each([
      [1, 9, 9, 1, 16, 4, 4, 2],
      [2, 7, 8, 3, 8, 3, 2, 2],
      [3, 5, 5, 4, 5, 3, 3, 1],
      [1, 6, 6, 5, 10, 1, 1, 1],
      [1, 7, 8, 2, 3, 4, 4, 2],
      [2, 6, 9, 1, 4, 2, 3, 3],
      // 3 x 3 by tiles, of 4 x 4 and of 2 x 2, forwards and backwards; sums that do not fill a panel or a block.
      [2, 6, 6, 8, 16, 3, 3, 1],
      [1, 8, 8, 24, 8, 3, 3, 1],
      [1, 10, 6, 72, 40, 3, 3, 1],
    ])(
      "convolutions, filter and input gradients are the written-out sums: %j",
      async (views, h, w, c, p, kh, kw, stride) => {
        const k = await kernels();
        const n = 3;
        const [ho, wo] = [Math.floor((h - kh) / stride) + 1, Math.floor((w - kw) / stride) + 1];
        const x = tensor([n * views, h, w, c]);
        const sides = [1, 0, 0, 1] as const;
        const dy = tensor([n * views, ho, wo, p]);
        const filter = tensor([kh, kw, c, p]);
        const shift = tf.tensor1d(numbers(p));
        const [xs, ds, fs, bs] = [x, dy, filter, shift].map((t) => t.dataSync());
        const outputs = Float64Array.from({ length: dy.size }, (_, at) => bs[at % p]);
        const expected = new Float64Array(n * kh * kw * c * p);
        const expectedBias = new Float64Array(n * p);
        const expectedInput = new Float64Array(x.size);
        for (let m = 0; m < n * views; m++)
          for (let oy = 0; oy < ho; oy++)
            for (let ox = 0; ox < wo; ox++)
              for (let q = 0; q < p; q++) {
                const to = ((m * ho + oy) * wo + ox) * p + q;
                const d = ds[to];
                const example = Math.floor(m / views);
                expectedBias[example * p + q] += d;
                for (let ky = 0; ky < kh; ky++)
                  for (let kx = 0; kx < kw; kx++)
                    for (let ch = 0; ch < c; ch++) {
                      const at = ((m * h + oy * stride + ky) * w + ox * stride + kx) * c + ch;
                      const tap = ((ky * kw + kx) * c + ch) * p + q;
                      expected[example * kh * kw * c * p + tap] += xs[at] * d;
                      expectedInput[at] += fs[tap] * d;
                      outputs[to] += fs[tap] * xs[at];
                    }
              }
        // Sums of many terms, by tiles: against the size of the whole sum (test/engines/convolution.test.ts says how near).
        const tolerance = Math.max(2e-5, 4e-6 * Math.sqrt(kh * kw * Math.max(c, p)));
        close(k.convolution(x, filter, stride, shift).dataSync(), outputs, tolerance);
        const unshifted = outputs.map((value, at) => value - bs[at % p]);
        close(k.convolution(x, filter, stride).dataSync(), unshifted, tolerance);
        const convolution = { kernelHeight: kh, kernelWidth: kw, stride };
        const gradients = k.filterGradients(x, dy, views, convolution);
        expect(gradients.shape).toEqual([n, kh * kw * c * p]);
        close(gradients.dataSync(), expected);
        close(k.positionSums(dy, views).dataSync(), expectedBias);
        close(
          k.inputGradient(dy, filter, x.shape, stride, [0, 0, 0, 0]).dataSync(),
          expectedInput,
          tolerance,
        );
        // Had row 0 and the last column been padding: the gradient of the image within.
        const image = [n * views, h - 1, w - 1, c] as const;
        close(
          k.inputGradient(dy, filter, image, stride, sides).dataSync(),
          expectedInput.filter((_, at) => Math.floor(at / (w * c)) % h > 0 && Math.floor(at / c) % w < w - 1),
          tolerance,
        );
      },
    );

    test.each([
      [2, 1, 16],
      [2, 2, 3],
      [3, 2, 4],
    ])("max pooling's gradient goes to the first maximum of each window: %j", async (window, stride, c) => {
      const k = await kernels();
      const shape = [2, 7, 7, c];
      const x = tf.round(tf.mul(tensor(shape), 3)) as tf.Tensor4D;
      const y = k.maxPool(x, window, stride);
      close(y.dataSync(), tf.maxPool(x, window, stride, "valid").dataSync(), 0);
      const dy = tensor(y.shape);
      const [xs, ds] = [x.dataSync(), dy.dataSync()];
      const expected = new Float64Array(x.size);
      const out = y.shape[1];
      for (let m = 0; m < 2; m++)
        for (let oy = 0; oy < out; oy++)
          for (let ox = 0; ox < out; ox++)
            for (let ch = 0; ch < c; ch++) {
              let best = -1;
              for (let ky = 0; ky < window; ky++)
                for (let kx = 0; kx < window; kx++) {
                  const at = ((m * 7 + oy * stride + ky) * 7 + ox * stride + kx) * c + ch;
                  if (best < 0 || xs[at] > xs[best]) best = at;
                }
              expected[best] += ds[((m * out + oy) * out + ox) * c + ch];
            }
      const actual = k.maxPoolGradient(x, y, dy, window, stride).dataSync();
      if (name === "cpu") {
        // Stock backends may give a tie to another place of the window: the total is what they share.
        const total = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0);
        close([total(actual)], [total(expected)], 1e-4);
      } else close(actual, expected);
    });

    test("padding puts zeros on every side, as many as asked", async () => {
      const k = await kernels();
      const x = tensor([2, 3, 5, 3]);
      const expected = tf.pad(x, [
        [0, 0],
        [2, 1],
        [0, 3],
        [0, 0],
      ]);
      expect(k.pad(x, [2, 1, 0, 3]).shape).toEqual([2, 6, 8, 3]);
      expect(k.pad(x, [2, 1, 0, 3]).dataSync()).toEqual(expected.dataSync());
      expect(k.pad(x, [0, 0, 0, 0])).toBe(x);
    });

    // [images, positions, channels, groups]: one channel a group, several, one group; more positions than fit a vector.
    test.each([
      [2, 7, 6, 3],
      [4, 40, 16, 16],
      [2, 9, 32, 16],
      [2, 5, 12, 1],
      [2, 1, 3, 1],
      [2, 16, 64, 16],
    ])(
      "normalisation and its gradients are the written-out formulas: %j",
      async (m, positions, c, groups) => {
        const k = await kernels();
        const [epsilon, width, together] = [1e-3, c / groups, 2];
        const shape: [number, number, number] = [m, positions, c];
        const x = tf.add(tf.mul(tf.tensor3d(numbers(size(shape)), shape), 3), 2) as tf.Tensor3D;
        const dy = tf.tensor3d(numbers(size(shape)), shape);
        const [scale, offset] = [numbers(c), numbers(c)];
        const [xs, ds] = [x.dataSync(), dy.dataSync()];
        const [outputs, gradients] = [new Float64Array(x.size), new Float64Array(x.size)];
        const rows = [0, 1].map(() => new Float64Array((m / together) * c));
        for (let i = 0; i < m; i++)
          for (let g = 0; g < groups; g++) {
            const own = Array.from({ length: positions * width }, (_, j) => {
              const channel = g * width + (j % width);
              return (i * positions + Math.floor(j / width)) * c + channel;
            });
            const meanOf = (value: (at: number) => number) =>
              own.reduce((sum, at) => sum + value(at), 0) / own.length;
            const mean = meanOf((at) => xs[at]);
            const inverse = 1 / Math.sqrt(meanOf((at) => (xs[at] - mean) ** 2) + epsilon);
            const normal = (at: number) => (xs[at] - mean) * inverse;
            const d = (at: number) => ds[at] * scale[at % c];
            const [meanD, meanDN] = [meanOf(d), meanOf((at) => d(at) * normal(at))];
            for (const at of own) {
              outputs[at] = normal(at) * scale[at % c] + offset[at % c];
              gradients[at] = inverse * (d(at) - meanD - normal(at) * meanDN);
              const row = Math.floor(i / together) * c + (at % c);
              rows[0][row] += ds[at] * normal(at);
              rows[1][row] += ds[at];
            }
          }
        const trained = [tf.tensor1d(scale), tf.tensor1d(offset)] as const;
        const { output, ...statistics } = k.normalise(x, ...trained, { groups, epsilon });
        expect([output.shape, statistics.mean.shape, statistics.inverse.shape]).toEqual([
          shape,
          [m, groups],
          [m, groups],
        ]);
        close(output.dataSync(), outputs);
        const options = { together, needsInputGradient: true };
        const found = k.normaliseGradient(dy, x, statistics, trained[0], options);
        close(found.input!.dataSync(), gradients);
        close(found.scale.dataSync(), rows[0]);
        close(found.offset.dataSync(), rows[1]);
        expect(
          k.normaliseGradient(dy, x, statistics, trained[0], { ...options, needsInputGradient: false }).input,
        ).toBeUndefined();
      },
    );

    test("the gradient of the ReLU passes where its output is positive", async () => {
      const k = await kernels();
      const y = tf.relu(tf.tensor1d([...numbers(101), 0, -0, 1e-30]));
      const dy = tf.tensor1d(numbers(104));
      const [ys, ds] = [y.dataSync(), dy.dataSync()];
      close(
        k.reluGradient(y, dy).dataSync(),
        ds.map((value, i) => (ys[i] > 0 ? value : 0)),
        0,
      );
    });

    test.each([
      [3, 18, 8],
      [2, 7, 5],
      [1, 36, 16],
    ])(
      "gradients of standardised filters become those of weights and gains: %j",
      async (n, fanIn, filters) => {
        const k = await kernels();
        const [rows, unit] = [numbers(n * fanIn * filters), numbers(fanIn * filters)];
        const slope = numbers(filters);
        const projected = Float32Array.from({ length: filters }, (_, p) => (p % 3 === 0 ? 0 : 1));
        const [expected, gains] = [new Float64Array(rows.length), new Float64Array(n * filters)];
        for (let i = 0; i < n; i++)
          for (let p = 0; p < filters; p++) {
            const at = (d: number) => (i * fanIn + d) * filters + p;
            let [mean, along] = [0, 0];
            for (let d = 0; d < fanIn; d++) {
              mean += rows[at(d)] / fanIn;
              along += rows[at(d)] * unit[d * filters + p];
            }
            gains[i * filters + p] = along;
            for (let d = 0; d < fanIn; d++)
              expected[at(d)] =
                slope[p] * (rows[at(d)] - mean - projected[p] * unit[d * filters + p] * along);
          }
        const [weights, gain] = k.standardisedGradients(
          tf.tensor2d(rows, [n, fanIn * filters]),
          tf.tensor2d(unit, [fanIn, filters]),
          tf.tensor1d(slope),
          tf.tensor1d(projected),
        );
        expect([weights.shape, gain.shape]).toEqual([
          [n, fanIn * filters],
          [n, filters],
        ]);
        close(weights.dataSync(), expected);
        close(gain.dataSync(), gains);
      },
    );

    test("tanh and its gradient agree with Math.tanh, the limits included", async () => {
      const k = await kernels();
      const values = new Float32Array([...numbers(1001).map((v) => v * 12), 0, -0, 1e-20, 20, -20, 9, 100]);
      const x = tf.tensor1d(values);
      const y = k.tanh(x);
      close(y.dataSync(), Float64Array.from(values, Math.tanh), 4e-7);
      for (const v of y.dataSync()) expect(Math.abs(v)).toBeLessThanOrEqual(1);
      const dy = numbers(values.length);
      close(
        k.tanhGradient(y, tf.tensor1d(dy)).dataSync(),
        y.dataSync().map((v, i) => dy[i] * (1 - v * v)),
        2e-6,
      );
      expect([...k.tanh(tf.tensor1d([Number.NaN, 0, 1, 2])).dataSync()].map(Number.isNaN)).toEqual([
        true,
        false,
        false,
        false,
      ]);
    });

    test("squared norms are never below the exact ones, and barely above", async () => {
      const k = await kernels();
      for (const width of [1, 7, 640, 5003]) {
        const rows = tf.tensor2d(numbers(4 * width), [4, width]);
        const values = rows.dataSync();
        const norms = k.squaredNorms(rows);
        for (let n = 0; n < 4; n++) {
          let exact = 0;
          for (let j = 0; j < width; j++) exact += values[n * width + j] ** 2;
          expect(norms[n]).toBeGreaterThanOrEqual(exact);
          expect(norms[n]).toBeLessThanOrEqual(exact * (1 + 1e-3));
        }
      }
      const broken = k.squaredNorms(tf.tensor2d([1, Number.NaN, 1, 1, Number.POSITIVE_INFINITY, 0], [3, 2]));
      expect([...broken].map(Number.isFinite)).toEqual([false, true, false]);
    });

    test("products take the second factor transposed", async () => {
      const k = await kernels();
      for (const [m, n, p] of [
        [3, 5, 4],
        [9, 37, 10],
        [4, 1, 1],
        [13, 8, 23],
        [3, 784, 10],
        [1, 8, 9],
        [4, 16, 32],
      ]) {
        const [left, right] = [numbers(m * n), numbers(n * p)];
        const expected = Array.from({ length: m * p }, (_, at) =>
          Array.from({ length: n }, (_, i) => left[Math.floor(at / p) * n + i] * right[i * p + (at % p)]),
        ).map((terms) => terms.reduce((sum, term) => sum + term, 0));
        const [a, b] = [tf.tensor2d(left, [m, n]), tf.tensor2d(right, [n, p])];
        for (const product of [k.product(a, b), k.product(a, tf.transpose(b) as tf.Tensor2D, true)]) {
          expect(product.shape).toEqual([m, p]);
          close(product.dataSync(), expected);
        }
        const bias = numbers(p);
        close(
          k.product(a, b, false, tf.tensor1d(bias)).dataSync(),
          expected.map((value, at) => value + bias[at % p]),
        );
      }
    });

    test("rows are added up exactly, each number cut to a whole one, and rows of factor 0 are not read", async () => {
      const k = await kernels();
      for (const width of [1, 3, 8, 16, 45]) {
        const [n, rows] = [7, numbers(7 * width)];
        const factors = Float64Array.from({ length: n }, (_, i) => (i % 3 === 1 ? 0 : 1e9 / (i + 0.3)));
        factors.forEach((factor, i) => {
          if (factor === 0)
            rows.fill([Number.NaN, Number.POSITIVE_INFINITY][i % 2], i * width, (i + 1) * width);
        });
        const sum = k.exactSum(width);
        for (const times of [1, 2]) {
          k.addRows(sum, tf.tensor2d(rows, [n, width]), factors);
          // The oracle: each product in float64, as the documentation says, and whole numbers that add without rounding.
          const expected = Array.from({ length: width }, (_, j) => {
            let total = 0n;
            factors.forEach((factor, i) => {
              if (factor !== 0)
                total += BigInt(Math.trunc(factor * Math.fround(rows[i * width + j]))) * BigInt(times);
            });
            return Number(total);
          });
          expect([...sum.values]).toEqual(expected);
        }
        sum.dispose();
      }
    });
  },
);

test("stock filter gradients of many examples, whose patches are written out in parts, are those of a few", async () => {
  await startBackend("cpu");
  // 16 examples of 32 x 32 positions with 1,152 numbers each: more than 2^24.
  const [x, dy] = [tensor([16, 34, 34, 128]), tensor([16, 32, 32, 2])];
  const convolution = { kernelHeight: 3, kernelWidth: 3, stride: 1 };
  const of = (from: number, count: number): tf.Tensor2D =>
    tf.tidy(() =>
      stockKernels.filterGradients(
        tf.slice(x, [from, 0, 0, 0], [count, -1, -1, -1]),
        tf.slice(dy, [from, 0, 0, 0], [count, -1, -1, -1]),
        2,
        convolution,
      ),
    );
  const few = [0, 4, 8, 12].flatMap((from) => [...of(from, 4).dataSync()]);
  expect([...of(0, 16).dataSync()].every((value, i) => value === few[i])).toBe(true);
  tf.dispose([x, dy]);
});
