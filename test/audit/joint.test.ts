// Several runs: the joint ε against the closed form and against one long run, and what stops it from being silent.
import fc from "fast-check";
import { expect, test } from "vitest";
import { accountant } from "../../src/accounting/accountants.js";
import { audit } from "../../src/audit/audit.js";
import { jointAudit } from "../../src/audit/joint.js";
import { dpSgdEvent } from "../../src/formats/event.js";
import type { LedgerEntry } from "../../src/formats/ledger.js";
import { plan } from "../../src/planner/solve.js";
import { epsilonOf, sampleEntries, samplePlan, zcdp } from "../support/runs.js";

const accountants = [zcdp];
const reportOf = (steps: number, noise = 4.25, planned = Math.max(1, steps)) => {
  const made = samplePlan(planned, noise);
  return audit(made, sampleEntries(made, steps, steps === planned), { accountants });
};
const anotherDataset = (entries: LedgerEntry[]): LedgerEntry[] =>
  entries.map((each) =>
    each.kind === "run" ? { ...each, dataset: { ...each.dataset, fingerprint: "cd".repeat(32) } } : each,
  );

test("runs of equal noise spend together what one run of all their steps spends", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 5 }),
      async (counts) => {
        const joint = await jointAudit(
          counts.map((steps) => reportOf(steps)),
          { accountants },
        );
        expect(joint.verdict).toBe("holds");
        expect(joint.recomputed[0]!.epsilon).toBeCloseTo(
          epsilonOf(
            counts.reduce((a, b) => a + b, 0),
            4.25,
          ),
          9,
        );
      },
    ),
    { numRuns: 30 },
  );
});

test("with the real accountants: 300 steps in two runs are 300 steps, and less than the sum of both epsilons", async () => {
  const whole = plan({ examples: 60_000, batchSize: 2048, steps: 300, epsilon: 3, delta: 1e-5 });
  const { request, noiseMultiplier } = whole;
  const { epsilon: _, ...rest } = request;
  const half = plan({ ...rest, noiseMultiplier, steps: 150 });
  const reports = [audit(half, sampleEntries(half)), audit(half, sampleEntries(half))];
  const joint = await jointAudit(reports);
  const exact = accountant("pld")
    .account(dpSgdEvent({ ...whole }))
    .epsilonAt(1e-5);
  expect(joint).toMatchObject({ verdict: "holds", sameDataset: true, delta: 1e-5, findings: [] });
  expect(joint.recomputed[0]).toMatchObject({ accountant: "pld", epsilon: exact });
  expect(joint.recomputed[0]!.epsilon!).toBeLessThan(2 * half.achieved.epsilon);
  expect(joint.certificate!.epsilon!).toBeGreaterThan(exact);
  // A claim on the sum is compared too.
  expect((await jointAudit(reports, { epsilon: exact })).verdict).toBe("holds");
  const over = await jointAudit(reports, { epsilon: exact * (1 - 1e-6) });
  expect(over).toMatchObject({ verdict: "exceeded", findings: [{ code: "epsilon-exceeded" }] });
});

test("fingerprints that differ are counted as one data set, aloud; the caller may know better", async () => {
  const made = samplePlan();
  const one = audit(made, sampleEntries(made), { accountants });
  const other = audit(made, anotherDataset(sampleEntries(made)), { accountants });
  const joint = await jointAudit([one, other], { accountants });
  expect(joint).toMatchObject({ verdict: "holds", sameDataset: false });
  expect(joint.findings[0]).toMatchObject({ code: "other-dataset", severity: "warning" });
  expect(joint.recomputed[0]!.epsilon).toBeCloseTo(epsilonOf(12, 4.25), 9);
  const known = await jointAudit([one, other], { accountants, sameDataset: true });
  expect(known.findings.map((each) => each.code)).not.toContain("other-dataset");
});

test("one bad run is enough: exceeded before unreadable, and both before holds", async () => {
  const good = reportOf(6);
  const exceeded = reportOf(7, 4.25, 6);
  const unreadable = audit(samplePlan(), sampleEntries(samplePlan()).toSpliced(3, 1), { accountants });
  const verdict = async (...reports: (typeof good)[]) => (await jointAudit(reports, { accountants })).verdict;
  expect(await verdict(good, good)).toBe("holds");
  expect(await verdict(good, exceeded)).toBe("exceeded");
  expect(await verdict(unreadable, exceeded)).toBe("exceeded");
  expect(await verdict(good, unreadable)).toBe("unreadable");
});

test("the smallest delta of the claims counts; different relations have no common epsilon", async () => {
  const made = samplePlan();
  const stricter = samplePlan(6, 4.25, { delta: 1e-9 });
  const replace = samplePlan(6, 4.25, { neighboring: "replace-one" });
  const report = (asked: object) => audit(asked, sampleEntries(made), { accountants });
  expect((await jointAudit([report(made), report(stricter)], { accountants })).delta).toBe(1e-9);
  expect((await jointAudit([report(made)], { accountants, delta: 1e-3 })).delta).toBe(1e-3);
  const mixed = await jointAudit([report(made), report(replace)], { accountants });
  expect(mixed).toMatchObject({ verdict: "unreadable", neighboring: null, recomputed: [] });
  await expect(jointAudit([])).rejects.toThrow("runs must be at least one, got none");
});
