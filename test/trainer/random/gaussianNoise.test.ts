// Gaussian noise: its distribution, its independence, and the grid that hides the sum's floating-point details.
import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import {
  GaussianNoise,
  NOISE_MARGIN,
  nearestWhole,
  ZIGGURAT,
} from "../../../src/trainer/random/gaussianNoise.js";
import { PoissonSampler } from "../../../src/trainer/random/poissonSampler.js";
import { SecureStream } from "../../../src/trainer/random/secureStream.js";
import { SeededRandom } from "../../../src/trainer/random/seeded.js";
import {
  binomialIsPlausible,
  chiSquareIsPlausible,
  distributionIsPlausible,
  FALSE_ALARM,
  normalCdf,
} from "../../support/statistics.js";

/** Standard normal by the claim, divided by the documented margin. */
function sample(count: number, standardDeviation = 1): Float64Array {
  const target = new Float64Array(count);
  new GaussianNoise().addTo(target, standardDeviation);
  return target.map((x) => x / (standardDeviation * NOISE_MARGIN));
}

test("the ziggurat's layers close at the top: f(x255) + V/x255 = 1", () => {
  const top = ZIGGURAT.edges[255]!;
  expect(Math.abs(Math.exp(-0.5 * top * top) + ZIGGURAT.area / top - 1)).toBeLessThan(1e-14);
  // Twice 256 layers under one half of the curve hold √(2π)/2 and the corners that rejection cuts off.
  expect(256 * ZIGGURAT.area).toBeGreaterThan(Math.sqrt(Math.PI / 2));
});

test("the nearest whole number is one at most half away, up to where every number is whole", () => {
  const check = (x: number) => {
    const got = nearestWhole(x);
    expect(Number.isInteger(got)).toBe(true);
    expect(Math.abs(got - x)).toBeLessThanOrEqual(0.5);
  };
  const large = fc.double({ min: -(2 ** 60), max: 2 ** 60, noNaN: true });
  const small = fc.double({ min: -4, max: 4, noNaN: true });
  fc.assert(fc.property(fc.oneof(large, small), check));
  // Beside the halves of every size, where adding a half would round the wrong way.
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 53 }),
      fc.boolean(),
      fc.integer({ min: -2, max: 2 }),
      (e, odd, ulps) => {
        const half = 2 ** e + (odd ? 1 : 0) + 0.5;
        const x = half + ulps * 2 ** (e - 52);
        check(x);
        check(-x);
      },
    ),
  );
  for (const x of [0, -0, 0.49999999999999994, -0.49999999999999994, 0.5, -0.5, 2 ** 52 + 1, 2 ** 53 - 1])
    check(x);
});

test("draws follow the normal distribution (Dvoretzky–Kiefer–Wolfowitz)", () => {
  expect(distributionIsPlausible(sample(400_000), normalCdf)).toBe(true);
  expect(distributionIsPlausible(sample(100_000, 37.5), normalCdf)).toBe(true);
  expect(distributionIsPlausible(sample(100_000, 1e-20), normalCdf)).toBe(true);
});

test("the variance is the one asked for, and pairs are uncorrelated", () => {
  const draws = sample(1_000_000);
  let squares = 0;
  let halfSums = 0;
  let sameSign = 0;
  for (let i = 0; i < draws.length; i++) squares += draws[i]! ** 2;
  for (let i = 0; i < draws.length; i += 2) {
    halfSums += (draws[i]! + draws[i + 1]!) ** 2 / 2;
    if (draws[i]! > 0 === draws[i + 1]! > 0) sameSign++;
  }
  expect(chiSquareIsPlausible(squares, draws.length)).toBe(true);
  expect(chiSquareIsPlausible(halfSums, draws.length / 2)).toBe(true);
  expect(binomialIsPlausible(sameSign, draws.length / 2, 0.5)).toBe(true);
});

test("tails have their weight on either side", () => {
  const draws = sample(1_000_000);
  for (const edge of [1, 2, 3, 3.654, 4, 4.5]) {
    const weight = normalCdf(-edge);
    expect(binomialIsPlausible(draws.filter((x) => x > edge).length, draws.length, weight)).toBe(true);
    expect(binomialIsPlausible(draws.filter((x) => x < -edge).length, draws.length, weight)).toBe(true);
  }
});

test("a noised sum lies on the grid, whatever the low bits of the sum were", () => {
  const grid = 2 ** -32;
  for (const start of [0, 1 / 3, Math.PI * 1e-12, -123.456, 5e-324]) {
    const target = new Float64Array(1000).fill(start);
    new GaussianNoise().addTo(target, 1);
    for (const x of target) expect(Number.isInteger(x / grid)).toBe(true);
  }
});

test("every cell near the middle of a coarse copy of the grid is reached: no holes in float32", () => {
  // Low bits of the grid index are uniform up to e^(−10^18): each value of the lowest six bits has weight 1/64.
  const target = new Float32Array(300_000);
  new GaussianNoise().addTo(target, 2 ** 10);
  const counts = new Float64Array(64);
  let kept = 0;
  for (const x of target) {
    // float32 has 24 bits: within ±256, a quarter of a deviation, its spacing is at most 2^-16.
    if (Math.abs(x) >= 256) continue;
    counts[Math.floor((((x * 2 ** 16) % 64) + 64) % 64)]! += 1;
    kept++;
  }
  for (const [low, count] of counts.entries())
    expect(binomialIsPlausible(count, kept, 1 / 64), `low bits ${low}: ${count}`).toBe(true);
});

test("noise is added once to every coordinate of every part, and the report quotes the multiplier", () => {
  const parts = [new Float32Array(50_000).fill(3), new Float64Array(50_000).fill(-7)];
  const report = new GaussianNoise().addToSum(parts, { noiseMultiplier: 1.5, sensitivity: 0.2 });
  expect(report.noiseMultiplier).toBe(1.5);
  expect(report.standardDeviation / report.sensitivity).toBeGreaterThanOrEqual(report.noiseMultiplier);
  expect(report.standardDeviation).toBeCloseTo(0.3, 4);
  for (const [part, mean] of [
    [parts[0]!, 3],
    [parts[1]!, -7],
  ] as const) {
    const scaled = Float64Array.from(part, (x) => (x - mean) / report.standardDeviation);
    expect(distributionIsPlausible(scaled, normalCdf)).toBe(true);
  }
});

test("two sources, and two calls on one, share nothing", () => {
  const noise = new GaussianNoise();
  const targets = [0, 1, 2].map(() => new Float64Array(20_000));
  noise.addTo(targets[0]!, 1);
  noise.addTo(targets[1]!, 1);
  new GaussianNoise().addTo(targets[2]!, 1);
  for (const [a, b] of [
    [0, 1],
    [0, 2],
    [1, 2],
  ] as const) {
    let squares = 0;
    for (let i = 0; i < 20_000; i++) squares += (targets[a]![i]! - targets[b]![i]!) ** 2 / 2;
    expect(chiSquareIsPlausible(squares / NOISE_MARGIN ** 2, 20_000)).toBe(true);
  }
});

test("draws made ahead are noise like any other, used once, also by who adds noise in between", async () => {
  const noise = new GaussianNoise();
  const seen: number[] = [];
  const add = (count: number) => {
    const target = new Float64Array(count);
    noise.addTo(target, 1);
    seen.push(...target);
  };
  await noise.drawAhead(70_000, setImmediate);
  add(50_000);
  // Some are left: they go first, and a call in the middle of the next must not get them as well.
  const going = noise.drawAhead(100_000, setImmediate);
  add(30_000);
  await going;
  add(60_000);
  add(60_000);
  expect(
    distributionIsPlausible(
      Float64Array.from(seen, (x) => x / NOISE_MARGIN),
      normalCdf,
    ),
  ).toBe(true);
  // On a grid of 2^-32 two of 200,000 draws agree now and then (about two pairs); a draw used twice would be thousands.
  expect(seen.length - new Set(seen).size).toBeLessThan(50);
});

test("sampling does not read the noise's stream: separate streams by default", () => {
  // A shared stream would make the sampler's picks a function of noise words; two defaults are two keys.
  const sampler = new PoissonSampler(64, 0.5);
  const noise = new GaussianNoise();
  const target = new Float64Array(64);
  let agreements = 0;
  const rounds = 500;
  for (let r = 0; r < rounds; r++) {
    target.fill(0);
    noise.addTo(target, 1);
    const batch = new Set(sampler.draw());
    for (let i = 0; i < 64; i++) if (target[i]! < 0 === batch.has(i)) agreements++;
  }
  expect(binomialIsPlausible(agreements, rounds * 64, 0.5)).toBe(true);
});

test("bad arguments are refused before anything changes", () => {
  const noise = new GaussianNoise();
  for (const bad of [Number.NaN, 0, -1, Number.POSITIVE_INFINITY])
    expect(() => noise.addTo(new Float32Array(1), bad)).toThrow(
      `standardDeviation must be > 0 and finite, got ${bad}`,
    );
  const target = Float32Array.of(1, Number.NaN);
  expect(() => noise.addTo(target, 1)).toThrow("sum[1] must be finite, got NaN");
  expect(target[0]).toBe(1);
  expect(() => noise.addToSum([], { noiseMultiplier: 0, sensitivity: 1 })).toThrow(
    "noiseMultiplier must be > 0",
  );
  expect(() => noise.addToSum([], { noiseMultiplier: 1, sensitivity: Number.NaN })).toThrow("sensitivity");
  expect(() => new GaussianNoise(new SeededRandom(1) as unknown as SecureStream)).toThrow("cannot be seeded");
});

test("a coordinate costs hardly more than the four words of its two draws: the bench measures their time", () => {
  const words = vi.spyOn(SecureStream.prototype, "nextWord");
  try {
    const count = 100_000;
    new GaussianNoise().addTo(new Float64Array(count), 1);
    const each = words.mock.calls.length / count;
    // Some draws in a hundred hit the corner of their layer and need more: 4.09 words, with a standard error of 0.002.
    expect(each).toBeGreaterThan(4);
    expect(each).toBeLessThan(4.12);
  } finally {
    words.mockRestore();
  }
});

test("the false-alarm rate is one in a thousand million", () => {
  expect(FALSE_ALARM).toBe(1e-9);
  expect(normalCdf(0)).toBe(0.5);
  expect(normalCdf(1.959963984540054)).toBeCloseTo(0.975, 13);
});
