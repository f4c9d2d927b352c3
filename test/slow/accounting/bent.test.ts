// The bent contour over its whole range: how often it is narrow, and never against connecting the dots.
import fc from "fast-check";
import { expect, test } from "vitest";
import { connectTheDotsAccountant } from "../../../src/accounting/connectTheDots/index.js";
import { bentContourAccountant } from "../../../src/accounting/contour/cascadeAccountant.js";
import { dpSgdEvent } from "../../../src/formats/event.js";

const logUniform = (lo: number, hi: number) =>
  fc.double({ min: Math.log(lo), max: Math.log(hi), noNaN: true }).map(Math.exp);

test("within 1e-9 in nine of ten runs, and every interval meets that of connecting the dots", () => {
  const bent = bentContourAccountant();
  const dots = connectTheDotsAccountant({ relativeWidth: 0.01, maximumNodes: 2 ** 14 });
  const draws = fc.sample(
    fc.tuple(logUniform(1e-9, 0.5), logUniform(0.05, 1e4), logUniform(10, 1e9), logUniform(1e-14, 1e-2)),
    { numRuns: 60, seed: 3 },
  );
  let narrow = 0;
  for (const [samplingRate, noiseMultiplier, steps, delta] of draws) {
    const event = dpSgdEvent({ samplingRate, noiseMultiplier, steps: Math.round(steps) });
    const { lower, upper } = bent.account(event).epsilonIntervalAt(delta);
    const other = dots.account(event).epsilonIntervalAt(delta);
    expect(lower).toBeLessThanOrEqual(other.upper);
    expect(upper).toBeGreaterThanOrEqual(other.lower);
    if (upper - lower <= 1e-9 * upper) narrow++;
  }
  expect(narrow).toBeGreaterThanOrEqual(0.9 * draws.length);
}, 600_000);
