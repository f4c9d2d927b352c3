// The seeded generator: repeatable, uniform, and never a substitute for the secure one.
import { expect, test } from "vitest";
import { SeededRandom } from "../../../src/trainer/random/seeded.js";
import { binomialIsPlausible, distributionIsPlausible, normalCdf } from "../../support/statistics.js";

const words = (random: SeededRandom, count = 8) => Array.from({ length: count }, () => random.nextWord());

test("equal seeds give equal numbers, different seeds different ones", () => {
  expect(words(new SeededRandom(7))).toEqual(words(new SeededRandom(7)));
  const seen = new Set(
    [0, 1, 2, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1].map((s) => words(new SeededRandom(s)).join()),
  );
  expect(seen.size).toBe(6);
});

test("children are repeatable, differ from each other and do not depend on what was drawn before", () => {
  const parent = new SeededRandom(42);
  const early = words(parent.child(3));
  parent.nextWord();
  expect(words(parent.child(3))).toEqual(early);
  const seen = new Set(Array.from({ length: 1000 }, (_, i) => words(parent.child(i), 2).join()));
  expect(seen.size).toBe(1000);
});

test("uniform and normal draws follow their distributions", () => {
  const random = new SeededRandom(1);
  expect(
    distributionIsPlausible(
      Float64Array.from({ length: 50_000 }, () => random.uniform()),
      (x) => x,
    ),
  ).toBe(true);
  expect(
    distributionIsPlausible(
      Float64Array.from({ length: 50_000 }, () => random.normal()),
      normalCdf,
    ),
  ).toBe(true);
});

test("below(n) is uniform on 0 … n − 1", () => {
  const random = new SeededRandom(5);
  const counts = [0, 0, 0, 0, 0, 0, 0];
  for (let i = 0; i < 70_000; i++) counts[random.below(7)]! += 1;
  for (const count of counts) expect(binomialIsPlausible(count, 70_000, 1 / 7)).toBe(true);
  expect(random.below(1)).toBe(0);
});

test("bad seeds and bounds are refused", () => {
  for (const seed of [Number.NaN, -1, 0.5, 2 ** 53])
    expect(() => new SeededRandom(seed)).toThrow(`seed must be a whole number in [0, 2^53 - 1], got ${seed}`);
  expect(() => new SeededRandom(1).below(0)).toThrow("bound must be a whole number in [1, 2^32], got 0");
});
