// A data set's budget: what is charged for planned, finished, stopped and damaged runs, what is refused, and what its file tells.
import fc from "fast-check";
import { expect, test } from "vitest";
import { accountant } from "../../src/accounting/accountants.js";
import { audit } from "../../src/audit/audit.js";
import {
  BudgetExceededError,
  budgetHolds,
  budgetOf,
  budgetSpent,
  type DataBudget,
  recordRun,
  release,
  reserve,
} from "../../src/audit/budget.js";
import {
  type BudgetEntry,
  type BudgetFile,
  BudgetFormatError,
  budgetBegin,
  budgetToText,
} from "../../src/formats/budget.js";
import { budgetFromText } from "../../src/formats/budgetReader.js";
import { dpSgdEvent, flatten } from "../../src/formats/event.js";
import { eventToJson } from "../../src/formats/eventJson.js";
import type { LedgerEntry } from "../../src/formats/ledger.js";
import { readLedger } from "../../src/formats/ledgerReader.js";
import { asText, chain, sampleEntries, samplePlan } from "../support/runs.js";

const at = "2026-01-31T12:00:00.000Z";
const plan = samplePlan(20);
const idOf = (name: string) => Buffer.from(name.padEnd(16, "."), "latin1").toString("hex");
const run = (name: string, made = plan) => ({
  runId: idOf(name),
  folder: `/runs/${name}`,
  event: made.event,
  at,
});
/** ε of so many steps, by the exact accountant. */
const exact = (steps: number, noiseMultiplier = plan.noiseMultiplier) =>
  accountant("pld")
    .account(dpSgdEvent({ ...plan, noiseMultiplier, steps }))
    .epsilonAt(1e-5);

/** A budget file in memory: every change is an entry more. */
class Book {
  readonly entries: BudgetEntry[] = [];
  constructor(readonly epsilon: number) {}
  get file(): Pick<BudgetFile, "begin" | "entries"> {
    const limits = { epsilon: this.epsilon, delta: 1e-5, neighboring: "add-or-remove-one" } as const;
    return { begin: budgetBegin(limits, at), entries: this.entries };
  }
  get budget(): DataBudget {
    return budgetOf(this.file);
  }
  reserve(name: string, made = plan): this {
    this.entries.push(reserve(this.budget, run(name, made)));
    return this;
  }
  record(name: string, entries: readonly LedgerEntry[], made = plan): this {
    const text = asText(chain(entries));
    const { runId, folder } = run(name);
    const { head } = readLedger(text);
    const recorded = this.budget.runs.find((each) => each.runId === runId)?.head;
    const report = audit(made, text, { ...(recorded && { recorded }) });
    this.entries.push(...recordRun(this.budget, { runId, folder, head, at, report }));
    return this;
  }
  get counts(): number[][] {
    return this.budget.runs.map(({ charged }) => flatten(charged).map(({ count }) => count));
  }
}
const roomFor = (steps: number) => new Book(exact(steps));

test("as many runs fit as their composition allows, and not one more", () => {
  const book = roomFor(60);
  for (const name of ["a", "b", "c"]) book.reserve(name);
  expect(budgetSpent(book.budget).upper).toBeCloseTo(exact(60), 9);
  expect(budgetHolds(book.budget)).toBe(true);
  expect(() => book.reserve("d", samplePlan(1))).toThrow(BudgetExceededError);
  expect(() => book.reserve("d")).toThrow(
    /^the budget has no room for this run: epsilon \S+ with it, \S+ allowed at delta 0.00001 \(spent and reserved: \S+\)$/,
  );
  // Room that was only reserved comes back.
  book.entries.push(release(idOf("b"), at));
  expect(book.reserve("d").budget.runs.map(({ folder }) => folder)).toEqual([
    "/runs/a",
    "/runs/c",
    "/runs/d",
  ]);
});

test("runs are told apart by their identity: the same folder again is another run, and a moved one the same", () => {
  const book = new Book(10).reserve("a").record("a", sampleEntries(plan));
  // The folder was emptied and used again.
  book.entries.push(reserve(book.budget, { ...run("b"), folder: "/runs/a" }));
  expect(book.counts).toEqual([[20], [20]]);
  const { runId } = run("a");
  book.entries.push({ ...run("a"), kind: "reserve", runId, folder: "/moved/a" });
  expect(book.counts).toEqual([[20], [20]]);
  expect(book.budget.runs[0]!.folder).toBe("/moved/a");
});

test("a finished run is charged for its ledger: fewer steps and more noise leave room", () => {
  const entries = sampleEntries(plan).map((each) =>
    each.kind === "step" ? { ...each, noiseMultiplier: 9 } : each,
  );
  const { budget } = roomFor(20).reserve("a").record("a", entries);
  expect(budget.runs[0]).toMatchObject({ state: "settled", since: at, head: { steps: 20, lines: 22 } });
  expect(budgetSpent(budget).upper).toBeCloseTo(exact(20, 9), 9);
});

test("a stopped run stays charged for its plan, and for more where its ledger shows more", () => {
  const after = (entries: LedgerEntry[]) => roomFor(20).reserve("a").record("a", entries);
  const stopped = after(sampleEntries(plan, 7, false));
  expect(stopped.budget.runs[0]!.state).toBe("stopped");
  expect(stopped.counts).toEqual([[20]]);
  const longer = after(sampleEntries(plan, 23, false));
  expect(longer.counts).toEqual([[23]]);
  expect(budgetHolds(longer.budget)).toBe(false);
  const other = sampleEntries(plan, 7, false).map((each) =>
    each.kind === "step" && each.step > 4 ? { ...each, noiseMultiplier: 1 } : each,
  );
  // Three steps of another kind, and the plan whole.
  expect(after(other).counts[0]!.sort((a, b) => a - b)).toEqual([3, 20]);
});

test("what was recorded is never charged less: neither a shorter ledger nor a finished one in its place helps", () => {
  const book = roomFor(100).reserve("a").record("a", sampleEntries(plan));
  const [charge] = book.counts;
  const short = sampleEntries(plan, 1);
  expect(book.record("a", short).counts).toEqual([charge]);
  expect(book.record("a", sampleEntries(samplePlan(1), 1), samplePlan(1)).counts).toEqual([charge]);
  expect(book.budget.runs[0]!.head).toMatchObject({ steps: 20, lines: 22 });
  // Nor a release: it happened.
  book.entries.push(release(idOf("a"), at));
  expect(book.counts).toEqual([charge]);
});

test("recording the same again adds no entry", () => {
  const book = roomFor(20).reserve("a").record("a", sampleEntries(plan));
  const { length } = book.entries;
  expect(book.record("a", sampleEntries(plan)).entries).toHaveLength(length);
});

test("a ledger that cannot be relied on leaves the plan charged, also where it claims to be finished and short", () => {
  const entries = sampleEntries(plan).toSpliced(3, 4);
  const damaged = roomFor(20).reserve("a").record("a", entries);
  expect(damaged.budget.runs[0]!.state).toBe("stopped");
  expect(damaged.counts[0]![0]).toBeGreaterThanOrEqual(20);
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
      if (finished) entries.push({ kind: "end", steps: steps.length, finishedAt: at, files: {} });
      const book = known ? roomFor(1000).reserve("a") : roomFor(1000);
      const { charged } = book.record("a", entries).budget.runs[0]!;
      const count = (noise: number) =>
        flatten(charged).find(({ event }) => JSON.stringify(event).includes(`:${noise}}`))?.count ?? 0;
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
  const stopped = () => roomFor(30).reserve("a");
  expect(stopped().reserve("a").counts).toEqual([[20]]);
  expect(stopped().reserve("a", samplePlan(30)).counts).toEqual([[30]]);
  expect(() => stopped().reserve("a", samplePlan(31))).toThrow(BudgetExceededError);
});

const never = () => {
  throw new Error("identities are asked for in version 1 alone");
};

test("the file reads back as written, and grows at its end alone", () => {
  const book = roomFor(60)
    .reserve("a")
    .record("a", sampleEntries(plan, 7, false))
    .reserve("b");
  book.entries.push(release(idOf("b"), at));
  const text = budgetToText(book.file);
  const { begin, entries, head } = budgetFromText(text, never);
  expect({ begin, entries }).toEqual(book.file);
  const longer = budgetToText(book.reserve("c").file);
  expect(longer.startsWith(text)).toBe(true);
  expect(longer.slice(text.length)).toContain(head);
  expect(budgetFromText(budgetToText(roomFor(3).file), never).entries).toEqual([]);
});

test("a change of any byte is refused in one line, and so is a file cut anywhere but between its lines", () => {
  const text = budgetToText(roomFor(60).reserve("a").record("a", sampleEntries(plan)).reserve("b").file);
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.integer({ min: 32, max: 126 }), (place, code) => {
      const changed = text.slice(0, place) + String.fromCharCode(code) + text.slice(place + 1);
      if (changed === text) return;
      // The last line has no successor that fixes it: what is then read charges as the line says.
      if (place > text.lastIndexOf("\n", text.length - 2)) return;
      expect(() => budgetFromText(changed, never)).toThrow(BudgetFormatError);
    }),
    { numRuns: 300 },
  );
  const ends = new Set([...text.matchAll(/\n/g)].map((match) => match.index + 1));
  for (let length = 0; length < text.length; length += 7)
    if (!ends.has(length))
      expect(() => budgetFromText(text.slice(0, length), never)).toThrow(BudgetFormatError);
});

test("version 1 is read: its runs are known by the identities of their folders, and charged as they were", () => {
  const older = {
    kind: "dpsgd-budget",
    version: 1,
    ...{ epsilon: 3, delta: 1e-5, neighboring: "add-or-remove-one" },
    runs: [
      { folder: "/runs/a", state: "reserved", since: at, charged: eventToJson(plan.event) },
      { folder: "/runs/b", state: "settled", since: at, charged: eventToJson(samplePlan(7).event) },
    ],
  };
  const read = (change: object) => budgetFromText(JSON.stringify({ ...older, ...change }, null, 2), idOf);
  const budget = budgetOf(read({}));
  expect(budget).toMatchObject({ epsilon: 3, delta: 1e-5 });
  expect(budget.runs.map(({ runId, state }) => [runId, state])).toEqual([
    [idOf("/runs/a"), "reserved"],
    [idOf("/runs/b"), "settled"],
  ]);
  expect(budget.runs.map(({ charged }) => flatten(charged)[0]!.count)).toEqual([20, 7]);
  // Two folders that hold one run today were two charges: they stay two.
  const copied = budgetOf(budgetFromText(JSON.stringify(older), () => idOf("one")));
  expect(copied.runs.map(({ charged }) => flatten(charged)[0]!.count)).toEqual([20, 7]);
  for (const [change, message] of [
    [{ kind: "plan" }, `budget's kind must be "dpsgd-budget", got "plan"`],
    [{ version: 3 }, "budget's version must be 2 or 1"],
    [{ epsilon: -1 }, "budget: epsilon must be > 0 and finite, got -1"],
    [{ epsilon: null }, "budget: epsilon must be > 0 and finite, got null"],
    [{ delta: 1 }, "budget: delta must be in (0, 1), got 1"],
    [{ neighboring: "cousins" }, "budget: neighboring must be one of"],
    [{ runs: 3 }, "budget's runs must be a list"],
    [{ runs: [null] }, "budget's runs[0] must be an object"],
    [{ runs: [older.runs[0], older.runs[0]] }, "budget's runs[1].folder must be a folder that stands once"],
    [{ runs: [{ ...older.runs[0], charged: {} }] }, "budget: not a dpsgd-event"],
    [{ runs: [{ ...older.runs[0], state: "paid" }] }, "budget's runs[0].state must be reserved or settled"],
  ] as const) {
    expect(() => read(change)).toThrow(BudgetFormatError);
    expect(() => read(change)).toThrow(message);
  }
  for (const text of ["{", "[]", "", "null"])
    expect(() => budgetFromText(text, idOf)).toThrow(BudgetFormatError);
});
