// The live plan: proven whatever it is given of time, and where there is enough of it the planner's own to six digits.
import fc from "fast-check";
import { expect, test } from "vitest";
import { accountant } from "../../src/accounting/accountants.js";
import { NoSolutionError, type PlanRequest } from "../../src/formats/plan.js";
import { livePlan } from "../../src/page/live.js";
import { type FieldName, QUANTITIES, quantity, sliderValue, UNKNOWNS } from "../../src/page/quantities.js";
import { plan } from "../../src/planner/solve.js";

const RUNS = [
  { examples: 60_000, batchSize: 2048, steps: 300, epsilon: 3, delta: 1e-5, noiseMultiplier: 1.36 },
  { examples: 50_000, batchSize: 4096, steps: 875, epsilon: 1, delta: 1e-5, noiseMultiplier: 10 },
  { examples: 1_281_167, batchSize: 16_384, steps: 71_589, epsilon: 8, delta: 8e-7, noiseMultiplier: 2.5 },
];
/** Time enough for everything, and time for no question after the first that fits. */
const [FOR_EVER, HURRIED] = [Infinity, -1];

/** A published run with one slider moved anywhere. */
const moved = fc
  .record({
    run: fc.constantFrom(...RUNS),
    unknown: fc.constantFrom(...UNKNOWNS),
    slider: fc.constantFrom<FieldName[]>(
      ...QUANTITIES.map(({ name }) => name).filter((name) => name !== "epochs"),
    ),
    position: fc.integer({ min: 0, max: 300 }),
  })
  .filter(({ unknown, slider }) => unknown !== slider)
  .map(({ run, unknown, slider, position }) => {
    const limit = slider === "batchSize" ? run.examples : Infinity;
    const { [unknown]: _, ...given } = {
      ...run,
      [slider]: sliderValue(quantity(slider), position, Number.NaN, limit),
    };
    return { unknown, request: given as unknown as PlanRequest };
  })
  .filter(({ request }) => (request.batchSize ?? 1) <= request.examples);

test("wherever a slider stands and however little time there is, what is stated is true", () => {
  fc.assert(
    fc.property(moved, fc.boolean(), ({ request }, hurry) => {
      let made: ReturnType<typeof livePlan>;
      try {
        made = livePlan(request, hurry ? HURRIED : FOR_EVER);
      } catch (error) {
        expect(error).toBeInstanceOf(NoSolutionError);
        return;
      }
      const { achieved, event, warnings } = made.plan;
      expect(achieved.epsilon).toBeLessThanOrEqual(request.epsilon ?? Infinity);
      // What is known to ten digits: never above what is promised, never below what is said to be reached.
      const truth = accountant("pld", { effort: "contour" }).account(event).epsilonIntervalAt(achieved.delta);
      expect(achieved.epsilon).toBeGreaterThanOrEqual(truth.lower * (1 - 1e-12));
      expect(achieved.epsilonLowerBound).toBeLessThanOrEqual(truth.upper * (1 + 1e-12));
      expect(warnings.some((each) => each.startsWith("a quick bound"))).toBe(!made.tight);
      if (made.tight)
        expect(achieved.epsilon - achieved.epsilonLowerBound).toBeLessThanOrEqual(1e-6 * achieved.epsilon);
    }),
    { numRuns: 20 },
  );
});

test.each(UNKNOWNS)("solved for %s it is the planner's answer to six digits where it says so", (unknown) => {
  for (const run of RUNS) {
    const { [unknown]: _, ...request } = run;
    const { plan: made, tight } = livePlan(request as PlanRequest, FOR_EVER);
    expect(tight).toBe(true);
    const exact = plan(request as PlanRequest);
    const value = (of: typeof exact) =>
      unknown === "epsilon" || unknown === "delta" ? of.achieved[unknown] : of[unknown];
    // A batch is rounded down to what keeps ε within one part in 10³, by either.
    const digits = unknown === "batchSize" ? 1e-3 : unknown === "delta" ? 1e-5 : 2e-6;
    expect(Math.abs(value(made) / value(exact) - 1)).toBeLessThan(digits);
    expect(made.achieved.accountant).toBe("pld");
  }
});

test("without time it is what Rényi accounting allows, at the least", () => {
  const { epsilon: _, ...run } = RUNS[0]!;
  for (const unknown of ["noiseMultiplier", "steps", "batchSize"] as const) {
    const { [unknown]: __, ...request } = { ...run, epsilon: 3 };
    const renyi = plan({ ...request, accountant: "rdp" } as PlanRequest);
    const { plan: made, tight } = livePlan(request as PlanRequest, HURRIED);
    expect(tight).toBe(false);
    expect(made.warnings[0]).toMatch(/^the search was stopped early/);
    const better =
      unknown === "noiseMultiplier" ? renyi[unknown] / made[unknown] : made[unknown] / renyi[unknown];
    expect(better).toBeGreaterThan(1 - 1e-3);
    // The run is no better than that, but what is known of it is.
    expect(made.achieved.epsilon).toBeLessThan(0.98 * renyi.achieved.epsilon);
  }
});

test("Rényi accounting, asked for by name, answers for itself; so do events that the contour integral refuses", () => {
  const { noiseMultiplier: _, ...request } = RUNS[0]!;
  const asked = { ...request, accountant: "rdp" } as const;
  const { plan: made, tight } = livePlan(asked, HURRIED);
  expect(tight).toBe(true);
  expect(Math.abs(made.noiseMultiplier / plan(asked).noiseMultiplier - 1)).toBeLessThan(2e-6);
  const replacing = { ...request, neighboring: "replace-one" } as const;
  const loose = livePlan(replacing, FOR_EVER);
  expect(loose.tight).toBe(false);
  expect(loose.plan.achieved).toMatchObject({ accountant: "rdp", neighboring: "replace-one" });
  const renyi = plan({ ...replacing, accountant: "rdp" });
  expect(Math.abs(loose.plan.noiseMultiplier / renyi.noiseMultiplier - 1)).toBeLessThan(1e-3);
});

test("no question is asked that would exceed the moment, if it takes as long as the longest before it", () => {
  const { noiseMultiplier: _, ...request } = RUNS[0]!;
  // Each look at the clock is 3 ms later: the start, and one before each further question.
  const ask = (moment: number) => {
    let looks = 0;
    const { plan: made, tight } = livePlan(request as PlanRequest, moment, () => 3 * looks++);
    return { last: 3 * (looks - 1), tight, noise: made.noiseMultiplier };
  };
  const asked = [4, 10, 13, 16, 1000].map(ask);
  for (const [i, moment] of [4, 10, 13, 16].entries()) expect(asked[i]!.last).toBeLessThanOrEqual(moment + 3);
  expect(asked.map(({ tight }) => tight)).toEqual([...asked.map(() => false).slice(1), true]);
  // More time is never worse.
  for (let i = 1; i < asked.length; i++) expect(asked[i]!.noise).toBeLessThanOrEqual(asked[i - 1]!.noise);
});
