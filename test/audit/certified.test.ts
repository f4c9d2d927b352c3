// The certified row of an audit: above the exact ε, below its claim where that was made by RDP, and a contradiction is loud.
import { expect, test } from "vitest";
import type { Accountant } from "../../src/accounting/accountant.js";
import { accountant } from "../../src/accounting/accountants.js";
import { audit } from "../../src/audit/audit.js";
import { certifyReport } from "../../src/audit/certified.js";
import type { LedgerEntry } from "../../src/formats/ledger.js";
import { plan } from "../../src/planner/solve.js";
import { sampleEntries, zcdp } from "../support/runs.js";

const made = plan({
  examples: 60_000,
  batchSize: 2048,
  steps: 300,
  epsilon: 3,
  delta: 1e-5,
  accountant: "rdp",
});
const entries = sampleEntries(made);

test("a claim made by RDP is certified within a percent, and the verdict stays", async () => {
  const report = await certifyReport(audit(made, entries));
  const exact = accountant("pld").account(made.event).epsilonIntervalAt(1e-5);
  expect(report.verdict).toBe("holds");
  expect(report.findings).toEqual([]);
  expect(report.certificate!.epsilon!).toBeGreaterThan(exact.lower);
  expect(report.certificate!.epsilon!).toBeLessThan(3 * 1.01);
  expect(report.certificate).toMatchObject({ delta: 1e-5, digits: 50, neighboring: "add-or-remove-one" });
  expect(JSON.parse(JSON.stringify(report))).toEqual(report);
});

test("what cannot be certified says why and changes no verdict: another relation, too many kinds of step", async () => {
  const replace = plan({ ...made.request, neighboring: "replace-one" });
  const other = await certifyReport(audit(replace, sampleEntries(replace)));
  expect(other.verdict).toBe("holds");
  expect(other.certificate).toBeUndefined();
  expect(other.findings.at(-1)).toMatchObject(matching({ code: "not-accounted", found: /not replace-one/ }));

  const varied: LedgerEntry[] = entries.map((each) =>
    each.kind === "step" ? { ...each, noiseMultiplier: each.noiseMultiplier + each.step / 1000 } : each,
  );
  const many = await certifyReport(audit(made, varied, { accountants: [zcdp] }));
  expect(many.certificate).toBeUndefined();
  expect(many.findings.at(-1)).toMatchObject(matching({ code: "not-accounted", found: /300 kinds of step/ }));
});

test("no noise has the certificate null, which stands for infinity", async () => {
  const bare: LedgerEntry[] = entries.map((each) =>
    each.kind === "step" ? { ...each, noiseMultiplier: 0 } : each,
  );
  const report = await certifyReport(audit(made, bare));
  expect(report.verdict).toBe("exceeded");
  expect(report.certificate!.epsilon).toBe(null);
});

test("contradicting-bounds: an accountant that is wrong is found out by the others and by the certificate", async () => {
  const lying = (lower: number, upper: number): Accountant => ({
    name: "lying",
    neighboring: "add-or-remove-one",
    account: (event) => ({
      ...accountant("rdp").account(event),
      epsilonIntervalAt: () => ({ lower, upper }),
    }),
  });
  const low = audit(made, entries, { accountants: [accountant("pld"), lying(0, 0.1)] });
  expect(low.verdict).toBe("unreadable");
  expect(low.findings).toMatchObject([{ code: "contradicting-bounds" }]);
  const high = await certifyReport(audit({ ...made }, entries, { accountants: [lying(2.9999, 2.9999)] }));
  expect(high.verdict).toBe("holds");
  const tooHigh = {
    ...made,
    request: { ...made.request, epsilon: 9 },
    achieved: { ...made.achieved, epsilon: 9 },
  };
  const found = await certifyReport(audit(tooHigh, sampleEntries(tooHigh), { accountants: [lying(8, 8)] }));
  expect(found.verdict).toBe("unreadable");
  expect(found.findings.at(-1)).toMatchObject({ code: "contradicting-bounds" });
});

test("without a readable plan there is no delta to certify at", async () => {
  const report = audit("no plan", entries);
  expect(await certifyReport(report)).toBe(report);
});

function matching({ code, found }: { code: string; found: RegExp }) {
  return { code, found: expect.stringMatching(found) };
}
