// The bent contour: that it does not matter where losses are cut, nor which ray is taken; that it meets the straight
// contour and connecting the dots; and how narrow it is.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { connectTheDotsAccountant } from "../../../src/accounting/connectTheDots/index.js";
import { bentContourAccountant } from "../../../src/accounting/contour/cascadeAccountant.js";
import { hyperbolicSolverOf } from "../../../src/accounting/contour/hyperbolic/hyperbolicSolver.js";
import { LossRay, type RaySum } from "../../../src/accounting/contour/hyperbolic/lossRay.js";
import { newRaySum } from "../../../src/accounting/contour/hyperbolic/rotatedMgf.js";
import { contourAccountant } from "../../../src/accounting/contour/index.js";
import { MixtureStep } from "../../../src/accounting/contour/vertical/stepMgf.js";
import { VerticalProfile } from "../../../src/accounting/contour/vertical/verticalProfile.js";
import { dpSgdEvent, type PrivacyEvent } from "../../../src/formats/event.js";
import reference from "../../reference/contour.json" with { type: "json" };
import more from "../../reference/cut.json" with { type: "json" };

const run = (samplingRate: number, noiseMultiplier: number, steps: number): PrivacyEvent =>
  dpSgdEvent({ samplingRate, noiseMultiplier, steps });
const bent = bentContourAccountant();
const logUniform = (lo: number, hi: number) =>
  fc.double({ min: Math.log(lo), max: Math.log(hi), noNaN: true }).map(Math.exp);

const common = { step: 1 / 64, depth: 60, small: 1e-9 } as const;

describe("one ray", () => {
  it("gives the moment that the rule in x gives, whatever its angle and wherever losses are cut", () => {
    fc.assert(
      fc.property(
        logUniform(1e-6, 0.4),
        logUniform(0.4, 4),
        fc.double({ min: 0.05, max: 4, noNaN: true }),
        fc.double({ min: 0, max: 0.5, noNaN: true }),
        logUniform(0.05, 5),
        (q, sigma, c, angle, cut) => {
          const mixture = new MixtureStep(sigma, [0, 1], [1 - q, q], 1);
          const [log] = mixture.cumulants(1 + c, mixture.stepFor(1 + c, [0], [-34]));
          const ray = new LossRay({ ...common, rate: q, sigma, angle: angle / Math.max(1, sigma), cut });
          const sum: RaySum = newRaySum();
          ray.sum(0, 0, sum);
          const lost = sum.tailRe;
          ray.sum(c, 0, sum);
          expect(sum.bulkRe + sum.tailRe - lost).toBeCloseTo(Math.expm1(log), 10);
          expect(Math.abs(sum.bulkIm + sum.tailIm)).toBeLessThan(1e-10 * Math.exp(log));
          const size = { bulk: 0, tail: 0, curvature: 0 };
          ray.size(c, c, 0, size, { bulk: true, tail: true });
          expect(size.bulk).toBeGreaterThanOrEqual(Math.abs(1 + sum.bulkRe - lost));
          expect(size.tail).toBeGreaterThanOrEqual(Math.hypot(sum.tailRe, sum.tailIm) * (1 - 1e-12));
        },
      ),
      { numRuns: 15 },
    );
  });
});

describe("losses divided more than once", () => {
  it("have parts that add up to the tail above the first cut, on every ray", () => {
    fc.assert(
      fc.property(
        logUniform(1e-8, 0.4),
        logUniform(0.1, 4),
        fc.double({ min: 0, max: 3, noNaN: true }),
        fc.double({ min: 0, max: 0.5, noNaN: true }),
        logUniform(0.05, 5),
        fc.double({ min: 1.1, max: 4, noNaN: true }),
        (q, sigma, c, angle, cut, ratio) => {
          const turn = angle / Math.max(1, sigma);
          const part = (low: number, high: number) => {
            const sum: RaySum = newRaySum();
            new LossRay({ ...common, rate: q, sigma, angle: turn, cut: low, upper: high }).sum(c, 2 * c, sum);
            return sum;
          };
          const whole = part(cut, Infinity);
          const middle = part(cut, cut * ratio);
          const above = part(cut * ratio, Infinity);
          const off = whole.tailError + middle.tailError + above.tailError;
          expect(off).toBeLessThan(Infinity);
          expect(Math.abs(middle.tailRe + above.tailRe - whole.tailRe)).toBeLessThanOrEqual(off);
          expect(Math.abs(middle.tailIm + above.tailIm - whole.tailIm)).toBeLessThanOrEqual(off);
          expect(middle.bulkRe).toBe(whole.bulkRe);
        },
      ),
      { numRuns: 15 },
    );
  });

  it.each([
    ["few steps at a tiny delta", 1e-3, 2.1, 16, 2e-20],
    ["two large losses of little noise", 5.917e-8, 0.2114, 232, 1.434e-30],
    // Newton steps went back and forth between a few large losses and many small ones.
    ["many steps, of which a few sample the record", 1.8e-8, 0.7556, 190_683_873, 7.9e-17],
  ] as const)("keep the digits of %s", (_, q, sigma, steps, delta) => {
    const { lower, upper } = bent.account(run(q, sigma, steps)).epsilonIntervalAt(delta);
    expect(lower).toBeGreaterThan(0);
    expect(upper - lower).toBeLessThanOrEqual(1e-9 * upper);
  });
});

describe("against 25 digits by other means (test/reference/contour.json)", () => {
  const cases = reference.cases.filter((each) => each.steps === 2 && each.samplingRate < 0.6);
  it("holds delta of two steps, from the integral of the closed form of one", () => {
    let asked = 0;
    for (const { direction, samplingRate: q, noiseMultiplier, steps, epsilon, delta } of cases) {
      const mixtures = [new MixtureStep(noiseMultiplier, [0, 1], [1 - q, q], steps)];
      const turned = hyperbolicSolverOf({ gaussian: 0, mixtures, direction: direction === "add" ? -1 : 1 });
      const found = turned?.logDeltaAt(epsilon, { lower: -Infinity, upper: 0 });
      if (!found) continue;
      asked++;
      expect(found.lower).toBeLessThanOrEqual(Math.log(Number(delta)) + 1e-14);
      expect(found.upper).toBeGreaterThanOrEqual(Math.log(Number(delta)) - 1e-14);
      expect(found.upper - found.lower).toBeLessThan(1e-4);
    }
    expect(asked).toBeGreaterThan(3);
  });

  it.each(more.little.filter((each) => each.noiseMultiplier !== "0.1"))(
    "and of little noise: q $samplingRate, sigma $noiseMultiplier, delta($epsilon) = $delta",
    ({ samplingRate, noiseMultiplier, steps, epsilon, delta }) => {
      const q = Number(samplingRate);
      const mixtures = [new MixtureStep(Number(noiseMultiplier), [0, 1], [1 - q, q], steps)];
      const turned = hyperbolicSolverOf({ gaussian: 0, mixtures, direction: 1 })!;
      const { lower, upper } = turned.logDeltaAt(Number(epsilon), { lower: -Infinity, upper: 0 })!;
      expect(lower).toBeLessThanOrEqual(Math.log(Number(delta)) + 1e-14);
      expect(upper).toBeGreaterThanOrEqual(Math.log(Number(delta)) - 1e-14);
      expect(upper - lower).toBeLessThan(1e-9);
    },
  );
});

describe("where the straight contour is wide", () => {
  it("is narrow, and meets what the straight contour proves", () => {
    fc.assert(
      fc.property(
        logUniform(1e-7, 1e-2),
        logUniform(0.3, 4),
        logUniform(10, 1e6).map(Math.round),
        logUniform(1e-10, 1e-4),
        (q, sigma, steps, delta) => {
          const straight = contourAccountant({ maximumWork: 1e5 }).account(run(q, sigma, steps));
          const plain = straight.epsilonIntervalAt(delta);
          const { lower, upper } = bent.account(run(q, sigma, steps)).epsilonIntervalAt(delta);
          expect(lower).toBeLessThanOrEqual(plain.upper);
          expect(upper).toBeGreaterThanOrEqual(plain.lower);
          // At an ε far below the size of a loss, δ is that at 0 to many digits.
          expect(upper - lower).toBeLessThanOrEqual(1e-9 * Math.max(upper, q));
        },
      ),
      // A failure is a place to look at by hand: shrinking asks for minutes.
      { numRuns: 6, endOnFailure: true },
    );
  });

  it("meets connecting the dots, of mixed compositions too", () => {
    const dots = connectTheDotsAccountant({ relativeWidth: 0.01, maximumNodes: 2 ** 16 });
    for (const [event, delta] of [
      [run(1e-3, 0.5, 1000), 1e-5],
      [run(1e-3, 0.8, 20), 1e-6],
      [{ kind: "composed", events: [run(1e-3, 0.6, 50), run(5e-3, 1.1, 30)] }, 1e-7],
      [{ kind: "composed", events: [run(2e-3, 0.5, 40), { kind: "gaussian", noiseMultiplier: 8 }] }, 1e-6],
    ] as [PrivacyEvent, number][]) {
      const one = bent.account(event).epsilonIntervalAt(delta);
      const other = dots.account(event).epsilonIntervalAt(delta);
      expect(one.lower).toBeLessThanOrEqual(other.upper);
      expect(one.upper).toBeGreaterThanOrEqual(other.lower);
      expect(one.upper - one.lower).toBeLessThanOrEqual(1e-9 * one.upper);
    }
  });

  it("agrees with straight lines where those are narrow, in either direction", () => {
    fc.assert(
      fc.property(
        logUniform(3e-3, 0.3),
        logUniform(0.7, 3),
        fc.integer({ min: 50, max: 2000 }),
        logUniform(1e-10, 1e-4),
        fc.constantFrom(1 as const, -1 as const),
        (q, sigma, count, delta, direction) => {
          const composition = {
            gaussian: 0,
            mixtures: [new MixtureStep(sigma, [0, 1], [1 - q, q], count)],
            direction,
          };
          const line = new VerticalProfile(composition, 1e-12, 2e7).epsilonAt(
            Math.log(delta),
            Math.log1p(-delta),
          );
          const turned = hyperbolicSolverOf(composition)!.epsilonAt(Math.log(delta), line);
          if (line.upper === 0 || !turned) return;
          expect(turned.lower).toBeLessThanOrEqual(line.upper);
          expect(turned.upper).toBeGreaterThanOrEqual(line.lower);
          if (turned.upper < Infinity)
            expect(turned.upper - turned.lower).toBeLessThanOrEqual(1e-6 * turned.upper);
        },
      ),
      { numRuns: 8, endOnFailure: true },
    );
  });

  it("knows where nothing is spent: delta above the total variation", () => {
    expect(bent.account(run(5.4e-5, 1, 10)).epsilonIntervalAt(1e-4)).toEqual({ lower: 0, upper: 0 });
    expect(bent.account(run(5.4e-5, 1, 10)).epsilonAt(5e-5)).toBeGreaterThan(0);
  });

  it("goes from epsilon to delta and back on the safe side", () => {
    for (const [q, sigma, steps, delta] of [
      [1e-6, 1, 1e6, 1e-8],
      [1e-3, 0.5, 1000, 1e-5],
      [1e-4, 0.7, 100, 1e-12],
    ] as const) {
      const curve = bent.account(run(q, sigma, steps));
      const { lower, upper } = curve.epsilonIntervalAt(delta);
      expect(curve.deltaIntervalAt(upper).lower).toBeLessThanOrEqual(delta);
      expect(curve.deltaIntervalAt(lower).upper).toBeGreaterThanOrEqual(delta);
      const back = curve.deltaIntervalAt(upper);
      expect(back.upper - back.lower).toBeLessThanOrEqual(1e-7 * back.upper);
    }
  });
});
