// What a plan asks of the accountants where an attacker's gain is the budget.
import { beforeEach, expect, test, vi } from "vitest";
import { accountant } from "../../src/accounting/accountants.js";
import { advantage, truePositiveRateAt } from "../../src/accounting/tradeoff.js";
import { plan } from "../../src/planner/solve.js";

/** δ asked of the bent contour, at tenths of a second each. */
let asked = 0;
vi.mock(import("../../src/accounting/contour/cascadeAccountant.js"), async (original) => {
  const { bentContourAccountant, ...rest } = await original();
  return {
    ...rest,
    bentContourAccountant(options) {
      const bent = bentContourAccountant(options);
      return {
        ...bent,
        account(event) {
          const curve = bent.account(event);
          const deltaIntervalAt = curve.deltaIntervalAt.bind(curve);
          curve.deltaIntervalAt = (epsilon) => {
            asked++;
            return deltaIntervalAt(epsilon);
          };
          return curve;
        },
      };
    },
  };
});
beforeEach(() => {
  asked = 0;
});

const run = { examples: 60_000, batchSize: 256, steps: 3515, delta: 1e-5 };

test("at low sampling rates a limit on an attacker's gain is met closely, by straight contours alone", () => {
  const rate = plan({ ...run, maxTruePositiveRate: { rate: 0.03, falsePositiveRate: 0.01 } });
  const quick = (event: typeof rate.event) => accountant("pld", { effort: "quick" }).account(event);
  const found = truePositiveRateAt(quick(rate.event), 0.01);
  expect(found).toBeLessThanOrEqual(0.03);
  expect(found).toBeGreaterThan(0.03 * (1 - 1e-6));
  const least = plan({ ...run, maxAdvantage: 0.2 });
  const { upper } = advantage(quick(least.event));
  expect(upper).toBeLessThanOrEqual(0.2);
  expect(upper).toBeGreaterThan(0.2 * (1 - 1e-6));
  expect(asked).toBe(0);
});

test("the counter counts", () => {
  accountant("pld", { effort: "contour" })
    .account(plan({ ...run, noiseMultiplier: 1.1 }).event)
    .deltaAt(1);
  expect(asked).toBe(1);
});
