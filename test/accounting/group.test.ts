// The event of a person who owns several records, against the mixture written out and against the neighbours' roles.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { contourAccountant } from "../../src/accounting/contour/index.js";
import { groupEvent } from "../../src/accounting/groupEvent.js";
import { randomAllocationEvent } from "../../src/formats/allocationEvent.js";
import { dpSgdEvent, type PrivacyEvent } from "../../src/formats/event.js";

const epsilon = (event: PrivacyEvent, delta = 1e-6) =>
  contourAccountant().account(event).epsilonIntervalAt(delta);

describe("a group of k records", () => {
  test("under Poisson sampling is a mixture over how many of them are drawn, binomial and rounded to more", () => {
    const event = groupEvent(dpSgdEvent({ samplingRate: 0.25, noiseMultiplier: 2, steps: 7 }), 3);
    expect(event).toMatchObject({
      kind: "repeated",
      count: 7,
      event: { kind: "gaussian-mixture", standardDeviation: 2, sensitivities: [0, 1, 2, 3] },
    });
    const { probabilities } = (event as unknown as { event: { probabilities: number[] } }).event;
    [27, 27, 9, 1].forEach((weight, i) => {
      expect(probabilities[i]).toBeCloseTo(weight / 64, 10);
      if (i > 0) expect(probabilities[i]).toBeGreaterThanOrEqual(weight / 64);
    });
    expect(probabilities.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 14);
  });

  test("costs more than one record and less than all of them always drawn, the more the larger it is", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.001, max: 0.3, noNaN: true }),
        fc.double({ min: 0.8, max: 8, noNaN: true }),
        fc.integer({ min: 2, max: 6 }),
        (samplingRate, noiseMultiplier, size) => {
          const run = dpSgdEvent({ samplingRate, noiseMultiplier, steps: 50 });
          const fewer = epsilon(groupEvent(run, size - 1));
          const group = epsilon(groupEvent(run, size));
          expect(group.upper).toBeGreaterThanOrEqual(fewer.lower);
          const always = epsilon(
            groupEvent(dpSgdEvent({ samplingRate: 1, noiseMultiplier, steps: 50 }), size),
          );
          expect(group.lower).toBeLessThanOrEqual(always.upper);
          // Group privacy of the Gaussian by its noise alone.
          expect(
            epsilon({
              kind: "repeated",
              count: 50,
              event: { kind: "gaussian", noiseMultiplier: noiseMultiplier / size },
            }).upper,
          ).toBeCloseTo(always.upper, 9);
        },
      ),
      { numRuns: 15, seed: 2024 },
    );
  });

  test("of pure mechanisms and zCDP scales, and nothing is made up for the rest", () => {
    expect(groupEvent({ kind: "epsilon-delta", epsilon: 0.5, delta: 0 }, 4)).toMatchObject({ epsilon: 2 });
    expect(groupEvent({ kind: "discrete-laplace", parameter: 1, sensitivity: 3 }, 4)).toMatchObject({
      sensitivity: 12,
    });
    expect(() => groupEvent({ kind: "epsilon-delta", epsilon: 0.5, delta: 1e-9 }, 4)).toThrow(
      "size must be 1 for epsilon-delta, for whose groups no event is proven, got 4",
    );
    expect(() =>
      groupEvent(
        { kind: "poisson-sampled", samplingRate: 0.1, event: { kind: "laplace", noiseMultiplier: 1 } },
        2,
      ),
    ).toThrow("size must be 1 for poisson-sampled laplace, for whose groups no event is proven, got 2");
    expect(() => groupEvent({ kind: "none" }, 0)).toThrow("size must be a whole number >= 1, got 0");
  });
});

test("a random allocation to k of t steps is k allocations to one of t/k", () => {
  const event = { kind: "gaussian", noiseMultiplier: 2 } as const;
  const balls = (bins: number) => ({ kind: "balls-in-bins", bins, event });
  expect(randomAllocationEvent({ event, steps: 11, selected: 3 })).toEqual({
    kind: "composed",
    events: [
      { kind: "repeated", count: 1, event: balls(3) },
      { kind: "repeated", count: 2, event: balls(4) },
    ],
  });
  expect(() => randomAllocationEvent({ event, steps: 2, selected: 3 })).toThrow(
    "selected must be in [1, steps 2], got 3",
  );
});
