// Connect the dots where its lattice is never fine enough: the interval is wide, and still holds the reference.
import { expect, test } from "vitest";
import { dpSgdEvent } from "../../../src/accounting/index.js";
import { connectTheDotsAccountant } from "../../../src/accounting/pld/index.js";

/** Rate, σ, steps, δ and ε, from a contour integral whose step was halved without change. */
const CASES = [
  [1e-6, 1, 1e6, 1e-8, 0.00524760615561055],
  [1e-5, 0.7, 1e5, 1e-7, 0.03744967902487043],
  [1e-4, 1, 1e4, 1e-6, 0.0469565556676095],
] as const;

test.each(CASES)(
  "rate %d, sigma %d, %d steps: the interval holds epsilon",
  (samplingRate, noiseMultiplier, steps, delta, epsilon) => {
    const { lower, upper } = connectTheDotsAccountant()
      .account(dpSgdEvent({ samplingRate, noiseMultiplier, steps }))
      .epsilonIntervalAt(delta);
    expect(lower).toBeLessThanOrEqual(epsilon);
    expect(upper).toBeGreaterThanOrEqual(epsilon);
  },
);
