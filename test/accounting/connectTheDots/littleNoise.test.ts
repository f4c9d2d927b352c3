// Little noise: sampled steps whose losses are flat where most of the mass lies, and enormous where the rest is.
import fc from "fast-check";
import { expect, test } from "vitest";
import { accountant } from "../../../src/accounting/accountants.js";
import { connectTheDotsAccountant } from "../../../src/accounting/connectTheDots/index.js";
import { dpSgdEvent } from "../../../src/formats/event.js";

const log = (least: number, most: number) =>
  fc
    .double({ min: Math.log(least), max: Math.log(most), noNaN: true })
    .map((x) => Math.min(most, Math.max(least, Math.exp(x))));

// One step has a closed form, of which neither layer here makes use for several.
const one = (samplingRate: number, noiseMultiplier: number) =>
  accountant("pld").account(dpSgdEvent({ samplingRate, noiseMultiplier, steps: 1 }));

test("several steps spend at least what one of them does, and at most what all do added up", () => {
  const dots = connectTheDotsAccountant({ relativeWidth: 0.01, maximumNodes: 2 ** 14 });
  fc.assert(
    fc.property(
      log(1e-5, 0.5),
      log(0.05, 1),
      fc.integer({ min: 2, max: 40 }),
      log(0.1, 100),
      log(1e-12, 1e-3),
      (samplingRate, noiseMultiplier, steps, epsilon, delta) => {
        const single = one(samplingRate, noiseMultiplier);
        const all = dots.account(dpSgdEvent({ samplingRate, noiseMultiplier, steps }));
        const at = all.deltaIntervalAt(epsilon);
        expect(at.upper).toBeGreaterThanOrEqual(single.deltaIntervalAt(epsilon).lower * (1 - 1e-9));
        expect(at.lower).toBeLessThanOrEqual(steps * single.deltaIntervalAt(0).upper * (1 + 1e-9));
        expect(all.epsilonAt(delta)).toBeGreaterThanOrEqual(
          single.epsilonIntervalAt(delta).lower * (1 - 1e-9),
        );
      },
    ),
    { numRuns: 10 },
  );
}, 120_000);

// Most of the mass has the same loss to the last digit there: it was once left out of the moments.
test("twenty steps at noise multiplier 0.1 and rate 1e-3: the two sides of what a sampled record shows", () => {
  const curve = accountant("pld").account(
    dpSgdEvent({ samplingRate: 1e-3, noiseMultiplier: 0.1, steps: 20 }),
  );
  const { lower, upper } = curve.deltaIntervalAt(0.5);
  // Whether it was sampled at all, 1 − (1 − q)^20, less what noise of 0.1 hides: 2·Φ(−5) at the most of each.
  const sampled = 1 - 0.999 ** 20;
  expect(lower).toBeGreaterThan(sampled * (1 - 1e-4));
  expect(upper).toBeLessThanOrEqual(sampled * (1 + 1e-9));
  expect(curve.epsilonAt(1e-7)).toBeGreaterThan(100);
});
