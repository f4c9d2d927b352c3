// The scattering transform against its definition by direct convolution, and the front end's promises.
import fc from "fast-check";
import { expect, test } from "vitest";
import type { LabelledImages } from "../../../src/trainer/data/dataset.js";
import { Fourier2d } from "../../../src/trainer/features/fourier.js";
import { ScatteringFrontEnd } from "../../../src/trainer/features/frontEnd.js";
import { type ComplexGrid, LOW_PASS_SIGMA, morlet } from "../../../src/trainer/features/morlet.js";
import { COEFFICIENTS, mirrored, PADDING, Scattering } from "../../../src/trainer/features/scattering.js";

const random = (size: number, seed: number): Float64Array => {
  let state = seed;
  return Float64Array.from({ length: size }, () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state / 2147483648;
  });
};

test("the transform of any size is the sum that defines it, and backward undoes it", () => {
  for (const [height, width] of [
    [40, 20],
    [36, 18],
    [7, 11],
    [1, 6],
    [25, 8],
  ] as const) {
    const fourier = new Fourier2d(height, width);
    const [re, im] = [random(height * width, 1), random(height * width, 2)];
    const [a, b] = [re.slice(), im.slice()];
    fourier.forward(a, b);
    for (const [k, l] of [
      [0, 0],
      [height - 1, 1],
      [height >> 1, width - 1],
    ] as const) {
      let [sumRe, sumIm] = [0, 0];
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
          const angle = -2 * Math.PI * ((k * y) / height + (l * x) / width);
          const i = y * width + x;
          sumRe += re[i] * Math.cos(angle) - im[i] * Math.sin(angle);
          sumIm += re[i] * Math.sin(angle) + im[i] * Math.cos(angle);
        }
      expect(a[l * height + k]).toBeCloseTo(sumRe, 9);
      expect(b[l * height + k]).toBeCloseTo(sumIm, 9);
    }
    fourier.backward(a, b);
    for (let i = 0; i < re.length; i++) expect(a[i] / (height * width)).toBeCloseTo(re[i], 12);
  }
});

test("wavelets have mean zero, and mirroring one left to right is the one of angle −θ", () => {
  for (const scale of [0, 1])
    for (let t = 0; t < 8; t++) {
      const { re, im } = morlet(24, 20, scale, t);
      expect(re.reduce((a, b) => a + b)).toBeCloseTo(0, 12);
      expect(im.reduce((a, b) => a + b)).toBeCloseTo(0, 12);
      const twin = morlet(24, 20, scale, (6 - t + 8) % 8);
      // |x ∗ ψ| does not tell ψ from its conjugate.
      for (const [y, x] of [
        [1, 2],
        [3, 1],
        [0, 4],
      ])
        expect(Math.abs(re[y * 20 + x])).toBeCloseTo(Math.abs(twin.re[y * 20 + ((20 - x) % 20)]), 12);
    }
});

test("coefficients are those of the definition, by direct convolution on the padded image", {
  timeout: 240_000,
}, () => {
  const [height, width] = [12, 8];
  const plane = random(height * width, 7);
  const scattering = new Scattering(height, width);
  const [h, w] = [height + 2 * PADDING, width + 2 * PADDING];
  const reflect = (i: number, n: number) => (i < 0 ? -i : i < n ? i : 2 * n - 2 - i);
  const padded = (y: number, x: number) =>
    plane[reflect(y - PADDING, height) * width + reflect(x - PADDING, width)];

  /** |values ∗ ψ| at every `stride`-th pixel, zero elsewhere; term by term. */
  const modulus = (values: (y: number, x: number) => number, psi: ComplexGrid, stride: number) => {
    const out = new Float64Array(h * w);
    for (let y = 0; y < h; y += stride)
      for (let x = 0; x < w; x += stride) {
        let [re, im] = [0, 0];
        for (let v = 0; v < h; v++)
          for (let u = 0; u < w; u++) {
            const at = ((y - v + h) % h) * w + ((x - u + w) % w);
            re += values(v, u) * psi.re[at];
            im += values(v, u) * psi.im[at];
          }
        out[y * w + x] = Math.hypot(re, im);
      }
    return out;
  };
  /** The two-dimensional Gaussian around a place, periodic; stride² for the pixels that were left out. */
  const average = (values: (y: number, x: number) => number, stride: number, row: number, column: number) => {
    const [cy, cx] = [PADDING + 1.5 + 4 * row, PADDING + 1.5 + 4 * column];
    let sum = 0;
    for (let y = 0; y < h; y += stride)
      for (let x = 0; x < w; x += stride)
        for (let ey = -1; ey <= 1; ey++)
          for (let ex = -1; ex <= 1; ex++) {
            const square = (y + ey * h - cy) ** 2 + (x + ex * w - cx) ** 2;
            const weight =
              Math.exp(-square / (2 * LOW_PASS_SIGMA ** 2)) / (2 * Math.PI * LOW_PASS_SIGMA ** 2);
            sum += stride * stride * weight * values(y, x);
          }
    return sum;
  };

  const out = new Float64Array(3 * 2 * COEFFICIENTS);
  scattering.transform(plane, out, COEFFICIENTS, 0);
  const check = (values: Float64Array | typeof padded, stride: number, c: number) => {
    const at = typeof values === "function" ? values : (y: number, x: number) => values[y * w + x];
    for (const [row, column] of [
      [0, 0],
      [2, 1],
    ])
      expect(out[(row * 2 + column) * COEFFICIENTS + c]).toBeCloseTo(average(at, stride, row, column), 7);
  };
  check(padded, 1, 0);
  for (const t of [0, 3, 7]) {
    const first = modulus(padded, morlet(h, w, 0, t), 1);
    check(first, 1, 1 + t);
    for (const s of [0, 5])
      check(
        modulus((y, x) => first[y * w + x], morlet(h, w, 1, s), 2),
        2,
        1 + 16 + 8 * t + s,
      );
    check(modulus(padded, morlet(h, w, 1, t), 2), 2, 1 + 8 + t);
  }
});

test("the shapes are those of [TramerBoneh2021]: 81 × 7 × 7 for 28 × 28, 243 × 8 × 8 for CIFAR", () => {
  expect(new ScatteringFrontEnd([28, 28, 1]).shape).toEqual([7, 7, 81]);
  expect(new ScatteringFrontEnd([32, 32, 3], { mirror: false }).shape).toEqual([8, 8, 243]);
  expect(new ScatteringFrontEnd([32, 32, 3]).shape).toEqual([8, 4, 243]);
  expect(() => new ScatteringFrontEnd([30, 32, 3])).toThrow(
    "multiple of 4 and at least 8 for scattering, got 30",
  );
  expect(() => new ScatteringFrontEnd([32, 32, 3], { groups: 10 })).toThrow(
    "groups must be a divisor of 81, got 10",
  );
});

const imageOf = (shape: LabelledImages["shape"], pixels: Uint8Array): LabelledImages => ({
  count: pixels.length / (shape[0] * shape[1] * shape[2]),
  shape,
  pixels,
  labels: new Uint8Array(pixels.length / (shape[0] * shape[1] * shape[2])),
});

function featuresOf(frontEnd: ScatteringFrontEnd, images: LabelledImages, index: number): Uint8Array {
  const out = new Uint8Array(frontEnd.shape.reduce((a, b) => a * b, 1));
  frontEnd.features(images, index, out, 0);
  return out;
}

test("an image's features depend on that image alone, bit by bit", () => {
  const shape = [8, 8, 3] as const;
  const frontEnd = new ScatteringFrontEnd(shape);
  const image = fc.uint8Array({ minLength: 192, maxLength: 192 });
  fc.assert(
    fc.property(image, image, image, (own, other, another) => {
      const first = featuresOf(frontEnd, imageOf(shape, Uint8Array.of(...other, ...own)), 1);
      const second = featuresOf(frontEnd, imageOf(shape, Uint8Array.of(...another, ...own)), 1);
      expect(second).toEqual(first);
    }),
    { numRuns: 20 },
  );
});

test("with mirror, an image and its mirror image have nearly the same features; without, they have not", () => {
  const shape = [16, 16, 1] as const;
  const pixels = Uint8Array.from(random(256, 3), (value) => 255 * value);
  const flipped = pixels.map((_, i) => pixels[i - (i % 16) + 15 - (i % 16)]);
  const distance = (mirror: boolean) => {
    const frontEnd = new ScatteringFrontEnd(shape, { mirror });
    const a = featuresOf(frontEnd, imageOf(shape, pixels), 0);
    const b = featuresOf(frontEnd, imageOf(shape, flipped), 0);
    return Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0) / a.length) / 16;
  };
  // Nearly: groups of orientations, which are normalised together, do not mirror onto groups.
  expect(distance(true)).toBeLessThan(0.4 * distance(false));
  // Mirroring twice is nothing.
  for (let c = 0; c < COEFFICIENTS; c++) expect(mirrored(mirrored(c))).toBe(c);
});

test("a flat image has flat features: the floor under the variance keeps noise from being blown up", () => {
  const features = featuresOf(
    new ScatteringFrontEnd([8, 8, 1]),
    imageOf([8, 8, 1], new Uint8Array(64).fill(200)),
    0,
  );
  // All but the average's group are zero, stored as 128.
  const others = [...features].filter((_, i) => i % COEFFICIENTS >= 3);
  expect(new Set(others)).toEqual(new Set([128]));
});
