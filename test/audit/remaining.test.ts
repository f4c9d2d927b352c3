// What is left of a claim: against the closed form of zCDP, at the edge with the real accountants, and never too much.
import fc from "fast-check";
import { expect, test } from "vitest";
import { everyAccountant } from "../../src/accounting/accountants.js";
import { tightestEpsilon } from "../../src/accounting/tightest.js";
import { audit } from "../../src/audit/audit.js";
import { remaining } from "../../src/audit/remaining.js";
import { dpSgdEvent } from "../../src/formats/event.js";
import { plan } from "../../src/planner/solve.js";
import { asText, chain, DELTA, epsilonOf, sampleEntries, samplePlan, zcdp } from "../support/runs.js";

const accountants = [zcdp];

test("any part of a run leaves exactly the steps that the closed form leaves", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 0, max: 60 }),
      fc.double({ min: 0.5, max: 30, noNaN: true }),
      (planned, done, noise) => {
        const made = samplePlan(planned, noise);
        const left = remaining(audit(made, sampleEntries(made, done, false), { accountants }), {
          accountants,
        })!;
        // ρ + 2√(ρL) ≤ ε is ρ ≤ (√(L + ε) − √L)², and ρ = steps/2σ²: here the claim was made for `planned` steps.
        expect(left.steps).toBe(Math.max(0, planned - done));
        expect(left.epsilonSpent).toBe(epsilonOf(done, noise));
        expect(left.epsilonAfter).toBeCloseTo(epsilonOf(Math.max(planned, done), noise), 9);
      },
    ),
    { numRuns: 100 },
  );
});

test("with the real accountants the last step fits, and one more is over the claim", () => {
  const made = plan({ examples: 60_000, batchSize: 2048, steps: 300, epsilon: 3, delta: 1e-5 });
  const report = audit(made, sampleEntries(made, 120, false));
  const left = remaining(report)!;
  expect(left.steps).toBe(180);
  expect(left.epsilonAfter!).toBeLessThanOrEqual(made.achieved.epsilon);
  const more = dpSgdEvent({ ...made, steps: 301 });
  expect(tightestEpsilon(everyAccountant("add-or-remove-one"), more, 1e-5).upper).toBeGreaterThan(
    made.achieved.epsilon,
  );
  expect(left).toMatchObject({ samplingRate: made.samplingRate, noiseMultiplier: made.noiseMultiplier });
});

test("more noise than planned leaves more steps than planned, less noise fewer", () => {
  const made = samplePlan(20, 5);
  const left = (noiseMultiplier: number) => {
    const entries = sampleEntries(made, 10, false).map((each) =>
      each.kind === "step" ? { ...each, noiseMultiplier } : each,
    );
    return remaining(audit(made, entries, { accountants }), { accountants })!.steps;
  };
  // ρ of ten steps is 10/2σ²: at twice the noise it is that of 2.5 planned steps, so that 17 (of 17.5) are left.
  expect(left(10)).toBe(17);
  expect(left(5)).toBe(10);
  // At 5/√1.5 it is that of 15.
  expect(left((5 / Math.sqrt(1.5)) * (1 + 1e-9))).toBe(5);
});

test("a finished run has nothing left; a ledger that cannot be relied on has nothing left", () => {
  const made = samplePlan(6);
  const lines = chain(sampleEntries(made, 3, false));
  const of = (text: string) => remaining(audit(made, text, { accountants }), { accountants })!;
  expect(of(asText(chain(sampleEntries(made)))).steps).toBe(0);
  expect(of(asText(lines)).steps).toBe(3);
  const edited = lines.with(2, lines[2]!.replace("4.25", "9.25"));
  expect(of(asText(edited))).toMatchObject({ steps: 0, delta: DELTA });
  expect(remaining(audit("no plan", lines.join("\n")))).toBeUndefined();
});

test("steps that spend nothing are as many as a run may have", () => {
  // So much noise that no accountant says more than zero.
  const free = samplePlan(5, 1e160, { epsilon: 1 });
  const nothing = remaining(audit(free, sampleEntries(free, 2, false), { accountants }), { accountants })!;
  expect(nothing).toMatchObject({ steps: 1e9 - 2, epsilonSpent: 0, epsilonAfter: 0 });
});
