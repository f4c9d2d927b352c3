// The Poisson sampler: each example independently with probability q. Every check fails a fair sampler once in 10^9 runs.
import { expect, test } from "vitest";
import { PoissonSampler, samplingThreshold } from "../../../src/trainer/random/poissonSampler.js";
import { SecureStream } from "../../../src/trainer/random/secureStream.js";
import { SeededRandom } from "../../../src/trainer/random/seeded.js";
import { binomialIsPlausible, chiSquareIsPlausible } from "../../support/statistics.js";

test("the threshold is the largest 64-bit rate that does not exceed q", () => {
  for (const q of [0, 2 ** -70, 2 ** -64, 1e-9, 1 / 3, 2048 / 60_000, 0.1, 0.5, 1 - 2 ** -53, 1]) {
    const { high, low } = samplingThreshold(q);
    const words = (BigInt(high) << 32n) + BigInt(low);
    // q as an exact fraction m/2^1074, so that both comparisons are exact.
    const exact = BigInt(q * 2 ** 537 * 2 ** 486) << 51n;
    expect(words << 1010n <= exact, `q = ${q}`).toBe(true);
    expect((words + 1n) << 1010n > exact, `q = ${q}`).toBe(true);
  }
});

test("rate 1 draws everything, rate 0 nothing, and both are batches", () => {
  expect([...new PoissonSampler(5, 1).draw()]).toEqual([0, 1, 2, 3, 4]);
  expect(new PoissonSampler(5, 0).draw()).toEqual(new Uint32Array(0));
});

test("each example enters with probability q, and none more than the others", () => {
  const sampler = new PoissonSampler(400, 0.03);
  const draws = 4000;
  const counts = new Float64Array(400);
  for (let i = 0; i < draws; i++) for (const index of sampler.draw()) counts[index]! += 1;
  expect(
    binomialIsPlausible(
      counts.reduce((a, b) => a + b),
      400 * draws,
      0.03,
    ),
  ).toBe(true);
  for (const [index, count] of counts.entries())
    expect(binomialIsPlausible(count, draws, 0.03), `example ${index}: ${count} of ${draws}`).toBe(true);
});

test("neighbours in one batch, and one example in consecutive batches, are drawn independently", () => {
  const q = 0.2;
  const sampler = new PoissonSampler(2000, q);
  let together = 0;
  let again = 0;
  const rounds = 300;
  for (let i = 0; i < rounds; i++) {
    const first = new Set(sampler.draw());
    const second = new Set(sampler.draw());
    for (let j = 0; j < 2000; j += 2) if (first.has(j) && first.has(j + 1)) together++;
    for (let j = 0; j < 2000; j++) if (first.has(j) && second.has(j)) again++;
  }
  expect(binomialIsPlausible(together, rounds * 1000, q * q)).toBe(true);
  expect(binomialIsPlausible(again, rounds * 2000, q * q)).toBe(true);
});

test("batch sizes are binomial, empty batches included", () => {
  const sampler = new PoissonSampler(3, 0.2);
  const sizes = [0, 0, 0, 0];
  const draws = 60_000;
  for (let i = 0; i < draws; i++) sizes[sampler.draw().length]! += 1;
  const binomial = [0.8 ** 3, 3 * 0.2 * 0.8 ** 2, 3 * 0.2 ** 2 * 0.8, 0.2 ** 3];
  for (const [size, p] of binomial.entries())
    expect(binomialIsPlausible(sizes[size]!, draws, p), `${sizes[size]} batches of ${size}`).toBe(true);
});

test("the sizes of large batches vary as binomial ones do", () => {
  const sampler = new PoissonSampler(60_000, 2048 / 60_000);
  const draws = 400;
  const variance = 2048 * (1 - 2048 / 60_000);
  let sum = 0;
  for (let i = 0; i < draws; i++) sum += (sampler.draw().length - 2048) ** 2 / variance;
  expect(chiSquareIsPlausible(sum, draws)).toBe(true);
});

test("indices increase and stay in range", () => {
  const batch = new PoissonSampler(100_000, 0.5).draw();
  expect(batch.length).toBeGreaterThan(1024);
  for (let i = 1; i < batch.length; i++) expect(batch[i]! > batch[i - 1]!).toBe(true);
  expect(batch.at(-1)!).toBeLessThan(100_000);
});

test("two samplers share nothing", () => {
  const one = new PoissonSampler(20_000, 0.5).draw();
  const other = new Set(new PoissonSampler(20_000, 0.5).draw());
  expect(binomialIsPlausible(one.filter((i) => other.has(i)).length, 20_000, 0.25)).toBe(true);
});

test("bad arguments and seeded streams are refused", () => {
  expect(() => new PoissonSampler(0, 0.1)).toThrow("examples must be a whole number in [1, 2^32 - 1], got 0");
  expect(() => new PoissonSampler(2.5, 0.1)).toThrow("got 2.5");
  for (const rate of [Number.NaN, -0.1, 1.1])
    expect(() => new PoissonSampler(10, rate)).toThrow(`samplingRate must be in [0, 1], got ${rate}`);
  expect(() => new PoissonSampler(10, 0.1, new SeededRandom(1) as unknown as SecureStream)).toThrow(
    "cannot be seeded",
  );
});

test("words are uniform: each bit is a fair coin and independent of the one before", () => {
  const stream = new SecureStream();
  const words = Uint32Array.from({ length: 200_000 }, () => stream.nextWord());
  for (let bit = 0; bit < 32; bit++) {
    let ones = 0;
    let repeats = 0;
    for (let i = 0; i < words.length; i++) {
      ones += (words[i]! >>> bit) & 1;
      if (i > 0) repeats += ~((words[i]! ^ words[i - 1]!) >>> bit) & 1;
    }
    expect(binomialIsPlausible(ones, words.length, 0.5), `bit ${bit}`).toBe(true);
    expect(binomialIsPlausible(repeats, words.length - 1, 0.5), `bit ${bit} repeated`).toBe(true);
  }
});

test("units lie in (0, 1]", () => {
  const stream = new SecureStream();
  for (let i = 0; i < 10_000; i++) {
    const unit = stream.nextUnit();
    expect(unit > 0 && unit <= 1).toBe(true);
  }
});
