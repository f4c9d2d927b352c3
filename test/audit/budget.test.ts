// A data set's budget: what is charged for planned, finished, stopped and damaged runs, and what is refused.
import fc from "fast-check";
import { expect, test } from "vitest";
import { accountant } from "../../src/accounting/accountants.js";
import { audit } from "../../src/audit/audit.js";
import {
  BudgetExceededError,
  BudgetFormatError,
  budgetFromJson,
  budgetHolds,
  budgetSpent,
  budgetToJson,
  type DataBudget,
  newBudget,
  release,
  reserve,
  settle,
} from "../../src/audit/budget.js";
import { dpSgdEvent, flatten } from "../../src/formats/event.js";
import { eventFromJson } from "../../src/formats/eventJson.js";
import type { LedgerEntry } from "../../src/formats/ledger.js";
import { asText, chain, sampleEntries, samplePlan } from "../support/runs.js";

const since = "2026-01-31T12:00:00.000Z";
const plan = samplePlan(20);
const run = (folder: string, made = plan) => ({ folder, event: made.event, since });
/** ε of so many steps, by the exact accountant. */
const exact = (steps: number, noiseMultiplier = plan.noiseMultiplier) =>
  accountant("pld")
    .account(dpSgdEvent({ ...plan, noiseMultiplier, steps }))
    .epsilonAt(1e-5);
const roomFor = (steps: number): DataBudget =>
  newBudget({ epsilon: exact(steps), delta: 1e-5, neighboring: "add-or-remove-one" });
const report = (entries: LedgerEntry[], made = plan) => audit(made, asText(chain(entries)));
const charges = (budget: DataBudget) => budget.runs.map(({ charged }) => flatten(eventFromJson(charged)));
const counts = (budget: DataBudget) => charges(budget).map((each) => each.map(({ count }) => count));

test("as many runs fit as their composition allows, and not one more", () => {
  let budget = roomFor(60);
  for (const folder of ["a", "b", "c"]) budget = reserve(budget, run(folder));
  expect(budgetSpent(budget).upper).toBeCloseTo(exact(60), 9);
  expect(budgetHolds(budget)).toBe(true);
  expect(() => reserve(budget, run("d", samplePlan(1)))).toThrow(BudgetExceededError);
  expect(() => reserve(budget, run("d"))).toThrow(
    /^the budget has no room for this run: epsilon \S+ with it, \S+ allowed at delta 0.00001 \(spent and reserved: \S+\)$/,
  );
  // Room that was only reserved comes back.
  expect(reserve(release(budget, "b"), run("d")).runs.map(({ folder }) => folder)).toEqual(["a", "c", "d"]);
});

test("a finished run is charged for its ledger: fewer steps and more noise leave room", () => {
  const entries = sampleEntries(plan).map((each) =>
    each.kind === "step" ? { ...each, noiseMultiplier: 9 } : each,
  );
  const budget = settle(reserve(roomFor(20), run("a")), { folder: "a", report: report(entries), since });
  expect(budget.runs[0]).toMatchObject({ state: "settled", since });
  expect(budgetSpent(budget).upper).toBeCloseTo(exact(20, 9), 9);
});

test("a stopped run stays charged for its plan, and for more where its ledger shows more", () => {
  const reserved = reserve(roomFor(20), run("a"));
  const after = (entries: LedgerEntry[]) => settle(reserved, { folder: "a", report: report(entries), since });
  const stopped = after(sampleEntries(plan, 7, false));
  expect(stopped.runs[0]!.state).toBe("reserved");
  expect(counts(stopped)).toEqual([[20]]);
  const longer = after(sampleEntries(plan, 23, false));
  expect(counts(longer)).toEqual([[23]]);
  expect(budgetHolds(longer)).toBe(false);
  const other = sampleEntries(plan, 7, false).map((each) =>
    each.kind === "step" && each.step > 4 ? { ...each, noiseMultiplier: 1 } : each,
  );
  // Three steps of another kind, and the plan whole.
  expect(counts(after(other))).toEqual([[20, 3]]);
});

test("a ledger that cannot be relied on leaves the plan charged, also where it claims to be finished and short", () => {
  const entries = sampleEntries(plan).toSpliced(3, 4);
  const damaged = settle(reserve(roomFor(20), run("a")), { folder: "a", report: report(entries), since });
  expect(damaged.runs[0]!.state).toBe("reserved");
  expect(counts(damaged)[0]![0]).toBeGreaterThanOrEqual(20);
});

test("charging errs on the safe side: no sequence of plans, stops and resumptions is charged less than its ledger", () => {
  const noises = fc.constantFrom(1, 2, 4.25);
  fc.assert(
    fc.property(fc.array(noises, { maxLength: 25 }), fc.boolean(), fc.boolean(), (steps, finished, known) => {
      const entries: LedgerEntry[] = [
        sampleEntries(plan)[0]!,
        ...steps.map((noiseMultiplier, i) => ({
          kind: "step" as const,
          step: i + 1,
          samplingRate: plan.samplingRate,
          noiseMultiplier,
        })),
      ];
      if (finished) entries.push({ kind: "end", steps: steps.length, finishedAt: since, files: {} });
      const begun = known ? reserve(roomFor(1000), run("a")) : roomFor(1000);
      const [charged] = charges(settle(begun, { folder: "a", report: report(entries), since }));
      const count = (noise: number) =>
        charged!.find(({ event }) => JSON.stringify(event).includes(`:${noise}}`))?.count ?? 0;
      for (const noise of [1, 2, 4.25]) {
        const done = steps.filter((each) => each === noise).length;
        if (finished) expect(count(noise)).toBe(done);
        else expect(count(noise)).toBe(Math.max(done, noise === 4.25 ? 20 : 0));
      }
    }),
    { numRuns: 60 },
  );
});

test("taking up a stopped run costs nothing more; another plan in its place costs what it adds", () => {
  const stopped = reserve(roomFor(30), run("a"));
  expect(counts(reserve(stopped, run("a")))).toEqual([[20]]);
  expect(counts(reserve(stopped, run("a", samplePlan(30))))).toEqual([[30]]);
  expect(() => reserve(stopped, run("a", samplePlan(31)))).toThrow(BudgetExceededError);
});

test("the file reads back as written, and what is none is refused in one line", () => {
  const budget = reserve(reserve(roomFor(60), run("a")), run("b"));
  expect(budgetFromJson(budgetToJson(budget))).toEqual(budget);
  const bad = (change: object) => () => budgetFromJson(JSON.stringify({ ...budget, ...change }));
  for (const [change, message] of [
    [{ kind: "plan" }, `budget's kind must be "dpsgd-budget", got "plan"`],
    [{ version: 2 }, "budget's version must be 1"],
    [{ epsilon: -1 }, "budget's epsilon must be > 0 and finite, got -1"],
    [{ epsilon: null }, "budget's epsilon must be > 0 and finite, got null"],
    [{ delta: 1 }, "budget's delta must be in (0, 1), got 1"],
    [{ neighboring: "cousins" }, "budget's neighboring must be one of"],
    [{ runs: 3 }, "budget's runs must be a list"],
    [{ runs: [null] }, "budget's runs[0] must be an object"],
    [{ runs: [budget.runs[0], budget.runs[0]] }, "budget's runs[1].folder must be a folder that stands once"],
    [{ runs: [{ ...budget.runs[0], charged: {} }] }, "budget's runs[0].charged: not a dpsgd-event"],
    [{ runs: [{ ...budget.runs[0], state: "paid" }] }, "budget's runs[0].state must be reserved or settled"],
  ] as const) {
    expect(bad(change)).toThrow(BudgetFormatError);
    expect(bad(change)).toThrow(message);
  }
  expect(() => budgetFromJson("{")).toThrow(BudgetFormatError);
  expect(() => budgetFromJson("[]")).toThrow("budget must be an object, got []");
});
