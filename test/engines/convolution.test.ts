// The convolutions of WASM, by each variant of their code: how near they come to float64, and that examples stay apart to the bit.
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { startBackend } from "../../src/engines/tensorflow/startBackend.js";
import { wasmKernels } from "../../src/engines/wasm/kernels.js";
import { bestVariant, type Variant } from "../../src/engines/wasm/variant.js";
import type { Kernels } from "../../src/trainer/kernels.js";

/** Relaxed SIMD comes with Node 22; Node 20 has none, and its tests are left out there. */
const VARIANTS: readonly Variant[] = bestVariant() === "relaxed-simd" ? ["simd", "relaxed-simd"] : ["simd"];

test("relaxed SIMD is used on every Node that the package runs on", () => {
  expect(bestVariant()).toBe("relaxed-simd");
  expect(VARIANTS).toEqual(["simd", "relaxed-simd"]);
});

interface Case {
  readonly size: readonly [height: number, width: number];
  readonly channels: number;
  readonly filters: number;
  readonly kernel: readonly [height: number, width: number];
  readonly stride: number;
  readonly views: number;
  readonly seed: number;
}

/** Numbers of a normal distribution, nearly; the same for the same seed. */
function numbers(count: number, seed: number): Float32Array {
  let state = seed >>> 0;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  return Float32Array.from({ length: count }, () => uniform() + uniform() + uniform());
}

const outSides = ({ size, kernel, stride }: Case) =>
  size.map((side, axis) => Math.floor((side - kernel[axis]) / stride) + 1) as [number, number];

interface Example {
  readonly x: Float32Array;
  readonly dy: Float32Array;
}

const exampleOf = (c: Case, seed: number): Example => {
  const [ho, wo] = outSides(c);
  return {
    x: numbers(c.views * c.size[0] * c.size[1] * c.channels, seed),
    dy: numbers(c.views * ho * wo * c.filters, seed + 1),
  };
};

const filterOf = (c: Case): Float32Array =>
  numbers(c.kernel[0] * c.kernel[1] * c.channels * c.filters, c.seed + 7);

const joined = (parts: readonly Float32Array[]): Float32Array =>
  Float32Array.from(parts.flatMap((part) => [...part]));

/** All that the kernels make of examples side by side, one list an example. */
function results(kernels: Kernels, c: Case, examples: readonly Example[]): Record<string, Float32Array>[] {
  const [ho, wo] = outSides(c);
  const images = examples.length * c.views;
  return tf.tidy(() => {
    const x = tf.tensor4d(joined(examples.map((e) => e.x)), [images, ...c.size, c.channels]);
    const dy = tf.tensor4d(joined(examples.map((e) => e.dy)), [images, ho, wo, c.filters]);
    const filter = tf.tensor4d(filterOf(c), [...c.kernel, c.channels, c.filters]);
    const shift = tf.tensor1d(numbers(c.filters, c.seed + 9));
    // Image by image, and as rows of gradients.
    const positions = ho * wo;
    const perImage = tf.reshape(dy, [images, positions, c.filters]) as tf.Tensor3D;
    const [gain, ones] = [tf.tensor1d(numbers(c.filters, 5)), tf.ones([c.filters]) as tf.Tensor1D];
    const normalised = kernels.normalise(perImage, gain, gain, { groups: 1, epsilon: 1e-5 });
    const normalisedGradient = kernels.normaliseGradient(
      tf.mul(perImage, 3) as tf.Tensor3D,
      perImage,
      normalised,
      gain,
      { together: c.views, needsInputGradient: true },
    );
    const unit = tf.tensor2d(numbers(positions * c.filters, 6), [positions, c.filters]);
    const rows = tf.reshape(tf.mul(dy, 2), [images, positions * c.filters]) as tf.Tensor2D;
    const tanh = kernels.tanh(dy);
    const pixels = tf.reshape(x, [images, -1]) as tf.Tensor2D;
    const matrix = tf.tensor2d(numbers(pixels.shape[1] * 5, 8), [pixels.shape[1], 5]);
    const turned = tf.transpose(matrix) as tf.Tensor2D;
    const convolution = { kernelHeight: c.kernel[0], kernelWidth: c.kernel[1], stride: c.stride };
    const all = {
      outputs: kernels.convolution(x, filter, c.stride, shift),
      filterGradients: kernels.filterGradients(x, dy, c.views, convolution),
      inputGradient: kernels.inputGradient(dy, filter, x.shape, c.stride, [0, 0, 0, 0]),
      sums: kernels.positionSums(dy, c.views),
      product: kernels.product(pixels, matrix),
      productOfTurned: kernels.product(pixels, turned, true),
      tanh,
      tanhGradient: kernels.tanhGradient(tanh, dy),
      reluGradient: kernels.reluGradient(tanh, dy),
      normalised: normalised.output,
      normalisedGradient: normalisedGradient.input!,
      scales: normalisedGradient.scale,
      standardised: kernels.standardisedGradients(rows, unit, gain, ones)[0],
      ...(c.size.every((side) => side >= 2) && {
        pooled: kernels.maxPool(x, 2, 1),
        pooledGradient: kernels.maxPoolGradient(
          x,
          kernels.maxPool(x, 2, 1),
          tf.maxPool(x, 2, 1, "valid"),
          2,
          1,
        ),
      }),
    };
    return examples.map((_, n) =>
      Object.fromEntries(
        Object.entries(all).map(([name, tensor]) => {
          const values = tensor.dataSync() as Float32Array;
          const each = values.length / examples.length;
          return [name, values.slice(n * each, (n + 1) * each)];
        }),
      ),
    );
  });
}

/** The sums written out in float64, for one example. */
function writtenOut(c: Case, { x, dy }: Example) {
  const [ho, wo] = outSides(c);
  const [h, w] = c.size;
  const [kh, kw] = c.kernel;
  const [C, P] = [c.channels, c.filters];
  const filter = filterOf(c);
  const shift = numbers(P, c.seed + 9);
  const outputs = Float64Array.from({ length: dy.length }, (_, at) => shift[at % P]);
  const filterGradients = new Float64Array(filter.length);
  const inputGradient = new Float64Array(x.length);
  for (let m = 0; m < c.views; m++)
    for (let oy = 0; oy < ho; oy++)
      for (let ox = 0; ox < wo; ox++)
        for (let ky = 0; ky < kh; ky++)
          for (let kx = 0; kx < kw; kx++)
            for (let ch = 0; ch < C; ch++) {
              const from = ((m * h + oy * c.stride + ky) * w + ox * c.stride + kx) * C + ch;
              const tap = ((ky * kw + kx) * C + ch) * P;
              const to = ((m * ho + oy) * wo + ox) * P;
              for (let p = 0; p < P; p++) {
                outputs[to + p] += x[from] * filter[tap + p];
                filterGradients[tap + p] += x[from] * dy[to + p];
                inputGradient[from] += filter[tap + p] * dy[to + p];
              }
            }
  return { outputs, filterGradients, inputGradient };
}

/** Root of the mean squared error, relative to that of the true values. */
function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [error, size] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    error += (actual[i] - expected[i]) ** 2;
    size += expected[i] ** 2;
  }
  return Math.sqrt(error / Math.max(size, 1e-300));
}

/** Odd shapes of every kind: by windows and by tiles of either size, with panels and tiles that are not full. */
const cases = fc
  .record({
    kind: fc.constantFrom("windows", "tiles", "every other pixel"),
    height: fc.integer({ min: 3, max: 12 }),
    width: fc.integer({ min: 3, max: 12 }),
    channels: fc.integer({ min: 1, max: 20 }),
    filters: fc.integer({ min: 1, max: 20 }),
    kernelHeight: fc.integer({ min: 1, max: 3 }),
    kernelWidth: fc.integer({ min: 1, max: 3 }),
    stride: fc.integer({ min: 1, max: 3 }),
    views: fc.integer({ min: 1, max: 2 }),
    seed: fc.nat(1e6),
  })
  .map(({ kind, height, width, kernelHeight, kernelWidth, ...rest }): Case => {
    const eights = { channels: 8 * (1 + (rest.channels % 3)), filters: 8 * (1 + (rest.filters % 3)) };
    switch (kind) {
      case "tiles":
        return {
          ...rest,
          ...eights,
          size: [2 + 2 * (height >> 1), 2 + 2 * (width >> 1)],
          kernel: [3, 3],
          stride: 1,
        };
      case "every other pixel":
        return {
          ...rest,
          ...eights,
          size: [12 + (height % 2), width > 7 ? 22 : 12],
          kernel: [4, 4],
          stride: 2,
        };
      default:
        return { ...rest, size: [height, width], kernel: [kernelHeight, kernelWidth] };
    }
  });

describe.each(VARIANTS)("convolutions of variant %s", (variant) => {
  let kernels: Kernels;
  beforeAll(async () => {
    await startBackend("wasm");
    kernels = wasmKernels(variant);
    expect(kernels.variant).toBe(variant);
  });

  test("come within 1.5e-6 of float64, in the mean over all numbers, on shapes of every kind", () => {
    fc.assert(
      fc.property(cases, (c) => {
        const example = exampleOf(c, c.seed);
        const [actual] = results(kernels, c, [example]);
        for (const [name, expected] of Object.entries(writtenOut(c, example)))
          expect(relativeError(actual[name], expected), name).toBeLessThan(1.5e-6);
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  // What a network of that width has: the error of one sum, in units of the root of its number of terms.
  test.each([
    // By windows; by tiles of 5 x 5; by tiles of 2 x 2; by tiles of 4 x 4, with filter gradients of either.
    { size: [15, 15], channels: 64, filters: 64, kernel: [4, 4], stride: 2, bound: 8e-7 },
    { size: [13, 13], channels: 64, filters: 64, kernel: [4, 4], stride: 2, bound: 2.5e-6 },
    { size: [12, 12], channels: 16, filters: 32, kernel: [4, 4], stride: 2, bound: 1.2e-6 },
    { size: [12, 12], channels: 128, filters: 64, kernel: [3, 3], stride: 1, bound: 1.2e-6 },
    { size: [10, 10], channels: 256, filters: 64, kernel: [3, 3], stride: 1, bound: 2e-6 },
    { size: [34, 34], channels: 32, filters: 64, kernel: [3, 3], stride: 1, bound: 1.2e-6 },
  ] as const)("wide convolutions come within $bound of float64: %j", ({ bound, ...shape }) => {
    const c: Case = { ...shape, views: 1, seed: 3 };
    const example = exampleOf(c, 5);
    const [actual] = results(kernels, c, [example]);
    for (const [name, expected] of Object.entries(writtenOut(c, example)))
      expect(relativeError(actual[name], expected), name).toBeLessThan(bound);
  });

  test("an example's numbers are the same bits whatever the size of the batch, its place and its neighbours", () => {
    const neighbourhood = fc.record({
      before: fc.integer({ min: 0, max: 5 }),
      after: fc.integer({ min: 0, max: 5 }),
      kind: fc.constantFrom("numbers", "not finite", "the same", "large"),
    });
    fc.assert(
      fc.property(cases, neighbourhood, (c, { before, after, kind }) => {
        // Whole numbers in every third case: ties in the windows of pooling.
        const own = exampleOf(c, c.seed);
        const example = c.seed % 3 === 0 ? { x: own.x.map(Math.round), dy: own.dy } : own;
        const neighbour = (n: number): Example => {
          const other = exampleOf(c, c.seed + 100 + n);
          const changed = (values: Float32Array) =>
            values.map((value, i) => {
              if (kind === "large") return value * 1e30;
              if (kind === "not finite" && (i + n) % 3 === 0)
                return i % 2 ? Number.NaN : Number.POSITIVE_INFINITY;
              return value;
            });
          return kind === "the same" ? example : { x: changed(other.x), dy: changed(other.dy) };
        };
        const [alone] = results(kernels, c, [example]);
        const batch = Array.from({ length: before + 1 + after }, (_, n) =>
          n === before ? example : neighbour(n),
        );
        const together = results(kernels, c, batch)[before];
        for (const [name, values] of Object.entries(alone)) {
          const [a, b] = [values, together[name]].map((each) => new Int32Array(each.buffer));
          expect(a.length, name).toBe(b.length);
          expect(
            a.every((bits, i) => bits === b[i]),
            name,
          ).toBe(true);
        }
      }),
      { numRuns: 80, seed: 2 },
    );
  });

  test("views summed in several passes are the same bits as in one", () => {
    for (const c of [
      { size: [6, 6], channels: 8, filters: 8, kernel: [3, 3], stride: 1, views: 1, seed: 4 },
      { size: [7, 5], channels: 3, filters: 16, kernel: [2, 2], stride: 2, views: 1, seed: 4 },
    ] as const) {
      const views = [0, 1, 2].map((view) => exampleOf(c, 10 * view));
      const [ho, wo] = outSides(c);
      const convolution = { kernelHeight: c.kernel[0], kernelWidth: c.kernel[1], stride: c.stride };
      const of = (from: number, to: number, into?: tf.Tensor2D): tf.Tensor2D => {
        const part = views.slice(from, to);
        const x = tf.tensor4d(joined(part.map((e) => e.x)), [to - from, ...c.size, c.channels]);
        const dy = tf.tensor4d(joined(part.map((e) => e.dy)), [to - from, ho, wo, c.filters]);
        return kernels.filterGradients(x, dy, to - from, convolution, into);
      };
      tf.tidy(() => {
        const atOnce = of(0, 3).dataSync();
        expect(of(2, 3, of(0, 2)).dataSync()).toEqual(atOnce);
        expect(of(1, 3, of(0, 1)).dataSync()).toEqual(atOnce);
      });
    }
  });
});
