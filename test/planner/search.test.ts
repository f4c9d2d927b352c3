// The search for a budget's boundary, against functions whose boundary is known.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { searchBoundary } from "../../src/planner/search.js";

const counted = (f: (x: number) => number) => {
  const asked: number[] = [];
  return {
    asked,
    cost: (x: number) => {
      asked.push(x);
      return f(x);
    },
  };
};

describe("the boundary of what a budget allows", () => {
  test("a power law is found within the budget to 1e-9, in at most twelve evaluations from a guess within a factor of ten", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.3, max: 8, noNaN: true }),
        fc.double({ min: 1e-3, max: 1e3, noNaN: true }),
        fc.double({ min: 0.1, max: 10, noNaN: true }),
        fc.boolean(),
        (power, root, guess, rising) => {
          const { asked, cost } = counted((x) => 5 * (x / root) ** (rising ? power : -power));
          const found = searchBoundary({
            cost,
            target: 5,
            start: root * guess,
            least: 1e-9,
            most: 1e9,
            rising,
          })!;
          expect(found.cost).toBeLessThanOrEqual(5);
          expect(found.cost).toBeGreaterThanOrEqual(5 * (1 - 1e-9));
          expect(found.x / root).toBeCloseTo(1, 7);
          expect(asked.length).toBeLessThanOrEqual(12);
          expect(asked).toContain(found.x);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("whole numbers: the last that fits, and the next does not", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e9 }),
        fc.double({ min: 0.3, max: 3, noNaN: true }),
        fc.double({ min: 1, max: 1e9, noNaN: true }),
        (last, power, start) => {
          const { asked, cost } = counted((x) => (x / (last + 0.5)) ** power);
          const found = searchBoundary({
            cost,
            target: 1,
            start,
            least: 1,
            most: 1e9,
            rising: true,
            whole: true,
          })!;
          expect(found.x).toBe(last);
          expect(asked.length).toBeLessThanOrEqual(40);
          expect(asked.every(Number.isInteger)).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("infinite costs are walked out of, without probing far below what is needed", () => {
    const { asked, cost } = counted((x) => (x < 2 ? Infinity : 10 / (x - 1.9)));
    const found = searchBoundary({ cost, target: 1, start: 0.1, least: 1e-3, most: 1e12, rising: false })!;
    expect(found.x).toBeCloseTo(11.9, 6);
    expect(Math.min(...asked)).toBeGreaterThanOrEqual(0.1);
    expect(asked.length).toBeLessThan(25);
  });

  test("a jump across the target ends on the side that fits, without endless halving", () => {
    const { asked, cost } = counted((x) => (x > 3 ? 0.2 : 7));
    const found = searchBoundary({ cost, target: 1, start: 20, least: 1e-3, most: 1e12, rising: false })!;
    expect(found.cost).toBe(0.2);
    expect(found.x).toBeGreaterThan(3);
    expect(found.x).toBeLessThan(3.00001);
    expect(asked.length).toBeLessThan(50);
  });

  test("everything fits: the end of the range; nothing fits: undefined", () => {
    const range = { target: 1, start: 5, least: 1, most: 100, rising: true };
    expect(searchBoundary({ ...range, cost: () => 0 })).toEqual({
      x: 100,
      cost: 0,
      u: expect.anything(),
      f: -Infinity,
    });
    expect(searchBoundary({ ...range, cost: () => Infinity })).toBeUndefined();
  });

  test("a search that is stopped has the dearest that fits so far, and says so; none is stopped before one fits", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.3, max: 8, noNaN: true }),
        fc.double({ min: 1e-3, max: 1e3, noNaN: true }),
        fc.boolean(),
        fc.boolean(),
        fc.integer({ min: 0, max: 12 }),
        (power, start, rising, whole, patience) => {
          const { asked, cost } = counted((x) => 5 * (x / 30) ** (rising ? power : -power));
          let left = patience;
          const found = searchBoundary({
            cost,
            target: 5,
            start,
            least: 1,
            most: 1e9,
            rising,
            whole,
            stop: () => left-- <= 0,
          })!;
          const costs = asked.map((x) => 5 * (x / 30) ** (rising ? power : -power));
          expect(found.cost).toBe(Math.max(...costs.filter((each) => each <= 5)));
          expect(asked).toContain(found.x);
          // At most one question for each time that it was not told to stop, after the first that fits.
          const fits = costs.findIndex((each) => each <= 5);
          expect(asked.length - fits - 1).toBeLessThanOrEqual(patience);
          if (!found.stopped && !whole) expect(found.cost).toBeGreaterThanOrEqual(5 * (1 - 1e-9));
        },
      ),
      { numRuns: 300 },
    );
  });

  test("a slope that is known saves the questions that a step too far would cost, and changes no answer", () => {
    const run = (slope?: number) => {
      const { asked, cost } = counted((x) => 3 * Math.exp(1 / x ** 2 - 1 / 0.4 ** 2));
      const range = { target: 3, start: 0.36, least: 1e-3, most: 1e12, rising: false };
      return { asked, found: searchBoundary({ ...range, cost, ...(slope && { slope }) })! };
    };
    const [blind, told] = [run(), run(2 / 0.36 ** 2)];
    expect(told.found.x).toBeCloseTo(blind.found.x, 9);
    expect(told.asked.length).toBeLessThan(blind.asked.length);
    // Without, the first step is fifteen times as far.
    expect(told.asked[1]! - 0.36).toBeLessThan(0.25 * (blind.asked[1]! - 0.36));
  });

  test("whole numbers nearly: as soon as the cost is as close as asked, where the last that fits would take far longer", () => {
    const run = (nearly: boolean) => {
      const { asked, cost } = counted((x) => x / 123_456_789.5);
      const range = { target: 1, start: 1e6, least: 1, most: 1e9, rising: true, whole: true };
      return { asked, found: searchBoundary({ ...range, cost, slack: 1e-4, nearly })! };
    };
    expect(run(false).found.x).toBe(123_456_789);
    const { asked, found } = run(true);
    expect(found.cost).toBeLessThanOrEqual(1);
    expect(found.cost).toBeGreaterThanOrEqual(1 - 1e-4);
    expect(asked.length).toBeLessThan(run(false).asked.length);
  });

  test("a cost that is not a number is refused", () => {
    expect(() =>
      searchBoundary({ cost: () => NaN, target: 1, start: 5, least: 1, most: 9, rising: true }),
    ).toThrow(/NaN/);
  });
});
