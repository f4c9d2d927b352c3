// Questions at the ends of the range: every one is answered, and soon, however large δ or however unlikely the loss.
import { expect, test } from "vitest";
import { accountant } from "../../../src/accounting/accountants.js";
import { dpSgdEvent } from "../../../src/formats/event.js";

test.each([
  [0.1, 1.0523666708546489, 4],
  [0.01, 0.5, 100],
])(
  "q = %d, σ = %d, T = %i: δ at tiny and at huge ε ends, in order",
  (samplingRate, noiseMultiplier, steps) => {
    const curve = accountant("pld").account(dpSgdEvent({ samplingRate, noiseMultiplier, steps }));
    let before = 1;
    // The widest step of the rule belongs to δ near 1; past the largest loss of adding a record its δ is 0.
    for (const epsilon of [1e-9, 1e-3, 3, 30, 100, 400]) {
      const { lower, upper } = curve.deltaIntervalAt(epsilon);
      expect(lower).toBeGreaterThanOrEqual(0);
      expect(upper).toBeGreaterThanOrEqual(lower);
      expect(lower).toBeLessThanOrEqual(before);
      before = upper;
    }
  },
);
