// The trapezoid rule for E[r^s] errs by no more than its bounds say, where those are large enough to be seen, and a
// straight line to add is narrow at the lowest rates.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hyperbolicSolverOf } from "../../../src/accounting/contour/hyperbolic/hyperbolicSolver.js";
import { contourAccountant } from "../../../src/accounting/contour/index.js";
import { chooseStep } from "../../../src/accounting/contour/vertical/quadratureStep.js";
import { MixtureStep } from "../../../src/accounting/contour/vertical/stepMgf.js";
import { VerticalProfile } from "../../../src/accounting/contour/vertical/verticalProfile.js";
import { dpSgdEvent } from "../../../src/formats/event.js";

const logUniform = (low: number, high: number) =>
  fc.double({ min: Math.log(low), max: Math.log(high), noNaN: true }).map(Math.exp);

/** E[r^{s + iu}] by the rule of step h, by definition. */
function rule(mixture: MixtureStep, s: number, u: number, h: number): [number, number] {
  const { sigma } = mixture;
  const far = 14 * sigma;
  const from = Math.min(0, Math.max(s, -2)) - far;
  let re = 0;
  let im = 0;
  for (let i = Math.floor(from / h); i <= (Math.max(0, s) + far) / h; i++) {
    const x = i * h;
    const log = mixture.logRatio(x);
    const size = Math.exp((-x * x) / (2 * sigma * sigma) + s * log);
    re += size * Math.cos(u * log);
    im += size * Math.sin(u * log);
  }
  const unit = h / (sigma * Math.sqrt(2 * Math.PI));
  return [re * unit, im * unit];
}

/** Removing: powers of a few; adding: of up to a few over the rate, where r^s has not begun to matter. */
const powers = fc.oneof(
  fc.double({ min: 0.1, max: 6, noNaN: true }),
  logUniform(0.1, 30).map((x) => -x),
);

describe("the rule's error is within its bound", () => {
  it("at real powers, and at one complex power", () => {
    let seen = 0;
    fc.assert(
      fc.property(
        logUniform(1e-9, 0.3),
        logUniform(0.6, 5),
        powers,
        fc.double({ min: 0, max: 3, noNaN: true }),
        fc.double({ min: 0.7, max: 2.6, noNaN: true }),
        (q, sigma, power, turns, stride) => {
          const mixture = new MixtureStep(sigma, [0, 1], [1 - q, q], 1);
          const s = power > 0 ? power : power / q ** 0.5;
          const u = turns * Math.abs(s);
          const h = stride * sigma;
          const fine = rule(mixture, s, u, h / 16);
          const rough = rule(mixture, s, u, h);
          const moment = rule(mixture, s, 0, h / 16)[0];
          const error = Math.hypot(rough[0] - fine[0], rough[1] - fine[1]) / moment;
          const bound = Math.exp(Math.min(700, mixture.logQuadratureError(s, u, h)));
          if (error > 1e-13) seen++;
          expect(error).toBeLessThanOrEqual(bound + 1e-12);
        },
      ),
      { numRuns: 300 },
    );
    expect(seen).toBeGreaterThan(100);
  });

  it("up to the end of a contour, where losses are split by a cutoff", () => {
    let seen = 0;
    fc.assert(
      fc.property(
        logUniform(1e-7, 0.02),
        logUniform(0.6, 3),
        powers,
        logUniform(1e-9, 0.03),
        logUniform(2, 100),
        (q, sigma, power, tolerance, reach) => {
          const mixture = new MixtureStep(sigma, [0, 1], [1 - q, q], 1);
          const s = power > 0 ? Math.min(4, power) : power / q ** 0.7;
          const end = reach * Math.max(1, Math.abs(s));
          const log = Math.log(rule(mixture, s, 0, sigma / 40)[0]);
          const chosen = chooseStep(mixture, { s, end, logMoment: log, logTolerance: Math.log(tolerance) });
          if (!(chosen.h > sigma / 30)) return;
          for (const share of [0.2, 0.6, 1]) {
            const fine = rule(mixture, s, share * end, chosen.h / 8);
            const rough = rule(mixture, s, share * end, chosen.h);
            const error = Math.hypot(rough[0] - fine[0], rough[1] - fine[1]) / Math.exp(log);
            if (error > 1e-13) seen++;
            expect(error).toBeLessThanOrEqual(Math.exp(chosen.logError(share * end)) + 1e-12);
          }
        },
      ),
      { numRuns: 80 },
    );
    expect(seen).toBeGreaterThan(20);
  });
});

describe("straight lines to add, at the lowest rates", () => {
  const adding = (q: number, sigma: number, count: number) => ({
    gaussian: 0,
    mixtures: [new MixtureStep(sigma, [0, 1], [1 - q, q], count)],
    direction: -1 as const,
  });

  it.each([
    [1e-9, 3, 900_000_000, 1e-12],
    [3e-8, 4, 40_000_000, 1e-20],
    [1e-6, 3.5, 3_000_000, 1e-9],
  ])("q = %d, σ = %d, T = %i: meets what cutting off says", (q, sigma, steps, delta) => {
    const composition = adding(q, sigma, steps);
    const line = new VerticalProfile(composition, 1e-12, 1e6).epsilonAt(Math.log(delta), Math.log1p(-delta));
    const cut = hyperbolicSolverOf(composition)!.epsilonAt(Math.log(delta), { lower: 0, upper: Infinity })!;
    expect(line.lower).toBeLessThanOrEqual(cut.upper);
    expect(line.upper).toBeGreaterThanOrEqual(cut.lower);
    expect(line.upper - line.lower).toBeLessThanOrEqual(1e-9 * line.upper);
  });

  it("is narrow in a billion steps, which took two seconds and failed on a bent contour", () => {
    const composition = adding(1.0639058774392434e-9, 1.114909437313036, 925388215);
    const delta = 7.807146935101414e-18;
    const line = new VerticalProfile(composition, 1e-12, 1e6).epsilonAt(Math.log(delta), Math.log1p(-delta));
    expect(line.upper - line.lower).toBeLessThanOrEqual(1e-9 * line.upper);
    // The loss is nearly normal: of the Gaussian of the same variance ε is that to a few hundredths.
    const mu = 1.0639058774392434e-9 * Math.sqrt(925388215 * Math.expm1(1 / 1.114909437313036 ** 2));
    const like = contourAccountant()
      .account({ kind: "gaussian", noiseMultiplier: 1 / mu })
      .epsilonAt(delta);
    expect(Math.abs(line.upper / like - 1)).toBeLessThan(0.05);
  });
});

it("lines of other tolerances, of other grids and nodes, say the same", () => {
  fc.assert(
    fc.property(
      logUniform(1e-3, 0.3),
      logUniform(0.7, 5),
      logUniform(10, 1e6).map(Math.round),
      logUniform(1e-25, 1e-2),
      (samplingRate, noiseMultiplier, steps, delta) => {
        const event = dpSgdEvent({ samplingRate, noiseMultiplier, steps });
        const [one, other] = [1e-13, 1e-8].map((relativeWidth) =>
          contourAccountant({ relativeWidth, maximumWork: 1e6 }).account(event).epsilonIntervalAt(delta),
        );
        expect(one!.lower).toBeLessThanOrEqual(other!.upper);
        expect(one!.upper).toBeGreaterThanOrEqual(other!.lower);
      },
    ),
    { numRuns: 30 },
  );
});
