// Steps of much noise: the moments of the cut interval, their bounds, and δ(ε) against 25 digits by other means.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bentContourAccountant } from "../../../src/accounting/contour/cascadeAccountant.js";
import { hyperbolicSolverOf } from "../../../src/accounting/contour/hyperbolic/hyperbolicSolver.js";
import { contourAccountant } from "../../../src/accounting/contour/index.js";
import { MixtureStep } from "../../../src/accounting/contour/vertical/stepMgf.js";
import { TruncatedMgf } from "../../../src/accounting/contour/vertical/truncatedMgf.js";
import { dpSgdEvent } from "../../../src/formats/event.js";
import reference from "../../reference/cut.json" with { type: "json" };

const logUniform = (lo: number, hi: number) =>
  fc.double({ min: Math.log(lo), max: Math.log(hi), noNaN: true }).map(Math.exp);
const direction = fc.constantFrom(1 as const, -1 as const);
const mixture = (q: number, sigma: number, count: number) =>
  new MixtureStep(sigma, [0, 1], [1 - q, q], count);
const truncated = (step: MixtureStep, towards: 1 | -1, totalCount: number, logDelta: number) =>
  new TruncatedMgf(step, { direction: towards, totalCount, logDelta }, { left: 1e9 });
const moment = (cut: TruncatedMgf, a: number, b: number) => {
  const made = { re: 0, im: 0, error: 0 };
  cut.moment(a, b, made);
  return made;
};

describe("against 25 digits by other means (test/reference/cut.json)", () => {
  it.each(reference.cases)(
    "$direction, q $samplingRate, sigma $noiseMultiplier, $steps steps: delta($epsilon) = $delta",
    (each) => {
      const mixtures = [mixture(Number(each.samplingRate), Number(each.noiseMultiplier), each.steps)];
      const composition = { gaussian: 0, mixtures, direction: each.direction === "add" ? -1 : 1 } as const;
      const unknown = { lower: -Infinity, upper: 0 };
      const { lower, upper } = hyperbolicSolverOf(composition)!.logDeltaAt(Number(each.epsilon), unknown)!;
      const log = Math.log(Number(each.delta));
      // Half an ulp of the reference as a double, and of its logarithm.
      expect(lower).toBeLessThanOrEqual(log + 2e-16 * (1 + Math.abs(log)));
      expect(upper).toBeGreaterThanOrEqual(log - 2e-16 * (1 + Math.abs(log)));
      expect(upper - lower).toBeLessThanOrEqual(each.steps === 2 ? 1e-8 : 1e-10);
    },
  );
});

describe("a moment of the cut interval", () => {
  it("is that of the whole line at real t, but for its error and the cut", () => {
    fc.assert(
      fc.property(
        logUniform(1e-6, 0.9),
        logUniform(5, 100),
        fc.double({ min: 0.01, max: 3, noNaN: true }),
        direction,
        (q, sigma, scaled, towards) => {
          const a = (scaled * sigma) / q / 100;
          const s = towards > 0 ? 1 + a : -a;
          const whole = mixture(q, sigma, 100);
          const [log] = whole.cumulants(s, whole.stepFor(s, [0], [-34]));
          const { re, im, error } = moment(truncated(whole, towards, 100, -60), a, 0);
          expect(im).toBe(0);
          expect(Math.abs(re - Math.expm1(log))).toBeLessThanOrEqual(error + 1e-12 * Math.exp(log));
          expect(error).toBeLessThan(1e-12 * Math.exp(log));
        },
      ),
      { numRuns: 40 },
    );
  });

  it("is the same however fine the grid, to the digits of its error, and is 1 at t = 0 and conjugate losses", () => {
    fc.assert(
      fc.property(
        logUniform(1e-9, 0.9),
        logUniform(3, 1e4),
        fc.double({ min: 0, max: 2, noNaN: true }),
        fc.double({ min: 0, max: 2, noNaN: true }),
        direction,
        (q, sigma, x, y, towards) => {
          // The first cut has many nodes, as few steps need, the second few.
          const fine = truncated(mixture(q, sigma, 1), towards, 1, -60);
          const coarse = truncated(mixture(q, sigma, 1000), towards, 1000, -50);
          const scale = sigma / q / 20;
          const one = moment(fine, x * scale, y * scale);
          const other = moment(coarse, x * scale, y * scale);
          const off = one.error + other.error;
          expect(Math.abs(one.re - other.re)).toBeLessThanOrEqual(off);
          expect(Math.abs(one.im - other.im)).toBeLessThanOrEqual(off);
          const none = moment(fine, 0, 0);
          expect(Math.abs(none.re) + Math.abs(none.im)).toBeLessThanOrEqual(none.error);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("stays below farSize from there on", () => {
    fc.assert(
      fc.property(
        logUniform(1e-9, 0.99),
        logUniform(3, 1e3),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        fc.double({ min: 0.1, max: 6, noNaN: true }),
        fc.double({ min: 1, max: 2, noNaN: true }),
        direction,
        (q, sigma, x, y, farther, towards) => {
          const cut = truncated(mixture(q, sigma, 1), towards, 1, -40);
          const scale = sigma / q;
          const bound = cut.farSize(x * scale, y * scale);
          for (const v of [1, farther, 2 * farther]) {
            const { re, im, error } = moment(cut, x * scale, v * y * scale);
            expect(bound).toBeGreaterThanOrEqual(Math.hypot(1 + re, im) - error);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("where noise is much", () => {
  const bent = bentContourAccountant();

  it("is within 1e-9 over the whole range, and meets straight lines", () => {
    const straight = contourAccountant({ maximumWork: 1e5 });
    fc.assert(
      fc.property(
        logUniform(1e-9, 0.999),
        logUniform(10, 1e4),
        logUniform(10, 1e9).map(Math.round),
        logUniform(1e-30, 0.5),
        (samplingRate, noiseMultiplier, steps, delta) => {
          const event = dpSgdEvent({ samplingRate, noiseMultiplier, steps });
          const { lower, upper } = bent.account(event).epsilonIntervalAt(delta);
          const plain = straight.account(event).epsilonIntervalAt(delta);
          expect(lower).toBeLessThanOrEqual(plain.upper);
          expect(upper).toBeGreaterThanOrEqual(plain.lower);
          expect(upper - lower).toBeLessThanOrEqual(1e-9 * upper);
        },
      ),
      { numRuns: 12, endOnFailure: true },
    );
  });

  it("holds for mixed runs with a Gaussian: in whatever order, and more than for its parts", () => {
    const run = (q: number, sigma: number, steps: number) =>
      dpSgdEvent({ samplingRate: q, noiseMultiplier: sigma, steps });
    const parts = [
      run(1e-6, 30, 1e5),
      run(1e-4, 100, 1000),
      { kind: "gaussian", noiseMultiplier: 1e4 } as const,
    ];
    const at = (events: typeof parts) => bent.account({ kind: "composed", events }).epsilonIntervalAt(1e-9);
    const all = at(parts);
    expect(all.upper - all.lower).toBeLessThanOrEqual(1e-9 * all.upper);
    const turned = at([...parts].reverse());
    expect(turned.lower).toBeLessThanOrEqual(all.upper);
    expect(turned.upper).toBeGreaterThanOrEqual(all.lower);
    for (const part of parts) expect(at([part]).lower).toBeLessThan(all.upper);
  });
});
