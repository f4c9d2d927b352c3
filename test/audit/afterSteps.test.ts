// What part of a plan's steps spend is one and the same to progress, metrics, report, budget and audit, whatever the plan pays for.
import { describe, expect, test } from "vitest";
import { everyAccountant } from "../../src/accounting/accountants.js";
import { tightestEpsilon } from "../../src/accounting/tightest.js";
import { audit } from "../../src/audit/audit.js";
import { budgetOf, budgetSpent, recordRun } from "../../src/audit/budget.js";
import { epsilonOverSteps } from "../../src/audit/epsilonOverSteps.js";
import { budgetBegin } from "../../src/formats/budget.js";
import type { PlanRequest } from "../../src/formats/plan.js";
import { eventAfter } from "../../src/formats/plannedEvent.js";
import { runsFromText } from "../../src/formats/tuning.js";
import { epsilonSpent } from "../../src/planner/epsilonSpent.js";
import { plan as planOf } from "../../src/planner/solve.js";
import { sampleEntries } from "../support/runs.js";

const since = "2026-01-31T12:00:00.000Z";
const base: PlanRequest = {
  examples: 60_000,
  batchSize: 256,
  steps: 20,
  noiseMultiplier: 1,
  delta: 1e-5,
};

const REQUESTS: { readonly [name: string]: PlanRequest } = {
  plain: base,
  "five runs": { ...base, tuningRuns: runsFromText("5") },
  "a secret number of runs": { ...base, accountant: "rdp", tuningRuns: runsFromText("poisson(5)") },
  "a search before the run": {
    ...base,
    tuningRuns: runsFromText("3"),
    finalAfterProxy: { batchSize: 64, noiseMultiplier: 2, steps: 10 },
  },
};

describe.each(Object.entries(REQUESTS))("a plan for %s", (_, request) => {
  const plan = planOf(request);
  const { neighboring, delta, epsilon } = plan.achieved;
  const accountants = everyAccountant(neighboring);
  const close = (a: number, b: number) => expect(Math.abs(a / b - 1)).toBeLessThan(1e-9);

  test("all of its steps spend its epsilon, to progress, audit and the report's curve", () => {
    expect(eventAfter(plan, plan.steps)).toEqual(plan.event);
    close(epsilonSpent(plan, plan.steps), epsilon);
    const report = audit(plan, sampleEntries(plan));
    expect(report).toMatchObject({ verdict: "holds", plan });
    const curve = epsilonOverSteps(report.event, plan.achieved);
    expect(curve.at(-1)!.steps).toBe(plan.steps);
    close(curve.at(-1)!.epsilon, tightestEpsilon(accountants, plan.event, delta).upper);
    for (let i = 1; i < curve.length; i++)
      expect(curve[i]!.epsilon).toBeGreaterThanOrEqual(curve[i - 1]!.epsilon);
  });

  test("half of them spend the same to progress as to the audit of a run that stopped there", () => {
    const half = plan.steps / 2;
    const report = audit(plan, sampleEntries(plan, half, false));
    close(
      tightestEpsilon(accountants, report.event, delta).upper,
      tightestEpsilon(accountants, eventAfter(plan, half), delta).upper,
    );
    const within = epsilonOverSteps(audit(plan, sampleEntries(plan)).event, plan.achieved);
    const at = within.find(({ steps }) => steps >= half)!;
    close(at.epsilon, tightestEpsilon(accountants, eventAfter(plan, at.steps), delta).upper);
  });

  test("a run that stopped stays charged for its whole plan", () => {
    const begin = budgetBegin({ epsilon: 100, delta, neighboring }, since);
    const report = audit(plan, sampleEntries(plan, plan.steps / 2, false));
    const head = { steps: plan.steps / 2, lines: 11, hash: "0".repeat(64) };
    const run = { runId: "0".repeat(32), folder: "/runs/a", head, at: since, report };
    const charged = budgetOf({ begin, entries: recordRun(budgetOf({ begin, entries: [] }), run) });
    expect(charged.runs[0]!.state).toBe("stopped");
    close(budgetSpent(charged).upper, tightestEpsilon(accountants, plan.event, delta).upper);
  });
});
