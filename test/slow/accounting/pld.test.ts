// Connect the dots at length: where its lattice is never fine enough the interval is wide, and still holds the reference;
// allocations with heavy tails are as narrow as asked.
import { expect, test } from "vitest";
import { connectTheDotsAccountant } from "../../../src/accounting/connectTheDots/index.js";
import { dpSgdEvent, type PrivacyEvent } from "../../../src/formats/event.js";

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

/** σ, bins, epochs and δ. */
const ALLOCATIONS = [
  [0.2, 20, 1, 1e-6],
  [0.45, 300, 1, 1e-8],
  [0.5, 100, 3, 1e-6],
  [1, 1000, 10, 1e-6],
  [4, 10_000, 2, 1e-10],
] as const;

test.each(ALLOCATIONS)(
  "sigma %d, %d bins, %d epochs: the interval is as narrow as asked, and meets that of fewer points",
  (noiseMultiplier, bins, epochs, delta) => {
    const event: PrivacyEvent = {
      kind: "repeated",
      count: epochs,
      event: { kind: "balls-in-bins", bins, event: { kind: "gaussian", noiseMultiplier } },
    };
    const [fine, rough] = [{}, { maximumNodes: 2 ** 15 }].map((options) =>
      connectTheDotsAccountant(options).account(event).epsilonIntervalAt(delta),
    );
    expect(fine!.lower).toBeGreaterThan(0);
    expect(fine!.upper - fine!.lower).toBeLessThanOrEqual(1e-4 * fine!.upper);
    expect(rough!.lower).toBeLessThanOrEqual(fine!.upper);
    expect(rough!.upper).toBeGreaterThanOrEqual(fine!.lower);
  },
);
