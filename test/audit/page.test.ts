// The audit's page: verdict first, nothing from outside, nothing that can become markup, numbers that never flatter.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { h } from "preact";
import { renderToString } from "preact-render-to-string";
import { expect, test } from "vitest";
import { accountant } from "../../src/accounting/accountants.js";
import { audit } from "../../src/audit/audit.js";
import { auditImport } from "../../src/audit/auditImport.js";
import { epsilonOverSteps } from "../../src/audit/epsilonOverSteps.js";
import { readImport } from "../../src/audit/importedRun.js";
import { jointAudit } from "../../src/audit/joint.js";
import { dpSgdEvent } from "../../src/formats/event.js";
import type { LedgerEntry } from "../../src/formats/ledger.js";
import { planToText } from "../../src/formats/planReader.js";
import type { AuditReport } from "../../src/formats/report.js";
import { plan } from "../../src/planner/solve.js";
import { auditModel, findingWords } from "../../src/report/auditModel.js";
import { auditPage } from "../../src/report/auditPage.js";
import { budgetAnswer } from "../../src/report/budgetModel.js";
import { spelled } from "../../src/report/model.js";
import { Markdown } from "../../src/report/view/text.js";
import { dpsgdHere } from "../support/commandLine.js";
import { ARITHMETIC, asText, chain, olderEntries, sampleEntries } from "../support/runs.js";

const made = plan({ examples: 60_000, batchSize: 2048, steps: 60, epsilon: 3, delta: 1e-5 });
const entries = sampleEntries(made);
const pageOf = (report: AuditReport, name = "runs/a", asked: unknown = made): string =>
  auditPage({ runs: [{ name, report, plan: asked }], command: `dpsgd audit ${name}` });
const lessNoise = (each: LedgerEntry): LedgerEntry =>
  each.kind === "step" && each.step > 30 ? { ...each, noiseMultiplier: 0.7 } : each;

const holds = pageOf(audit(made, entries));
const exceeded = pageOf(audit(made, entries.map(lessNoise)));
const unreadable = pageOf(audit(made, entries.toSpliced(30, 1)));

test("the verdict comes first, then what was spent, the curve, findings, statement and how to reproduce it", () => {
  const order = [
    "The claim holds",
    "What was claimed, what was found",
    "The run",
    "ε over the steps",
    "Findings",
    "Statement",
    "How to reproduce it",
  ];
  const places = order.map((each) => holds.indexOf(`>${each}<`));
  expect(places.every((place, i) => place > (places[i - 1] ?? 0))).toBe(true);
  expect(holds).toContain("(ε, δ)-differential privacy with ε = 3 at δ = 10⁻⁵");
  expect(holds).toContain("None: the ledger is whole, and every step is as planned.");
  expect(holds).toContain("<code>dpsgd audit runs/a</code>");
});

test("a claim that is not confirmed gets no statement, and its findings with their lines", () => {
  expect(exceeded).toContain(">The claim is exceeded<");
  expect(exceeded).toContain("<code>less-noise</code> (line 32)");
  expect(unreadable).toContain(">The claim is unreadable<");
  expect(unreadable).toContain("<code>missing-step</code>");
  expect(unreadable).toContain("what can be read of it shows ε at most");
  expect(exceeded).not.toContain("what can be read of it");
  for (const page of [exceeded, unreadable]) {
    expect(page).toContain("None can be given: the claim is not confirmed.");
    expect(page).not.toContain("Privacy statement");
  }
  const nothing = pageOf(audit("no plan", "no ledger"), "x", "no plan");
  expect(nothing).toContain(">The claim is unreadable<");
  expect(nothing).not.toContain("<svg");
});

test("what the verdict takes for granted stands beside ε in the statement", () => {
  const withSums = (change: object): LedgerEntry[] =>
    entries.map((each) => {
      if (each.kind !== "run") return each;
      const { arithmetic: _, ...rest } = each;
      return { ...rest, arithmetic: { ...ARITHMETIC, ...change } };
    });
  expect(holds).not.toContain("This assumes");
  const doubtful = withSums({ engine: "tfjs-node", sensitivity: "not-proven" });
  expect(pageOf(audit(made, doubtful))).toContain(
    "This assumes that one example moves a sum by no more than it contributes, which tfjs-node does not promise.",
  );
  const told = audit(made, olderEntries(entries), { older: { engine: "webgpu" } });
  expect(pageOf(told)).toContain(
    "This assumes that its sums were made by webgpu, which its ledger does not say.",
  );
});

test("no page asks for anything from outside, and none has a script", () => {
  for (const page of [holds, exceeded, unreadable]) {
    expect(page.replaceAll('xmlns="http://www.w3.org/2000/svg"', "")).not.toMatch(
      /https?:|<script|<link|<img|src=|url\(|@import/,
    );
    expect(page).toContain("default-src 'none'");
  }
});

test("several runs: what they spent together stands above each of them", async () => {
  const reports = [audit(made, entries), audit(made, entries.map(lessNoise))];
  const joint = await jointAudit(reports, { certify: false });
  const runs = reports.map((report, i) => ({ name: `runs/${i}`, report, plan: made }));
  const page = auditPage({ runs, joint, command: "dpsgd audit runs/0 runs/1" });
  const places = [
    "A claim is exceeded",
    "What was spent together",
    "runs/0",
    "The claim holds",
    "runs/1",
  ].map((each) => page.indexOf(`>${each}<`));
  expect(places.every((place, i) => place > (places[i - 1] ?? 0))).toBe(true);
});

test("text of unknown origin cannot become markup, wherever it stands", () => {
  const tags = (page: string) => (page.match(/</g) ?? []).length;
  const report = audit(made, entries);
  const named = (name: string) => {
    const run = { ...report.run!, dataset: { ...report.run!.dataset, name }, software: name };
    const findings = [
      { code: "other-event" as const, severity: "warning" as const, expected: name, found: name },
    ];
    return tags(pageOf({ ...report, run, findings }, name));
  };
  const expected = named("plain");
  const hostile = fc.oneof(
    fc.constantFrom("<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "</style>", "'&<", "<!--"),
    fc.string({ minLength: 1 }),
  );
  fc.assert(
    fc.property(hostile, (name) => {
      // Bold and code in a data set's name are markup of the statement's own kind: harmless, and left out here.
      fc.pre(!/[*`]/.test(name));
      expect(named(name)).toBe(expected);
    }),
    { numRuns: 6 },
  );
  const turned = pageOf(report, "a\u202e\u0007b");
  expect(turned).toContain("Privacy audit of a\\u{202e}\\u{7}b");
  for (const hidden of ["\u202e", "\u0007"]) expect(turned).not.toContain(hidden);
  const words = renderToString(h(Markdown, { text: "**a<b** `c&d` \\*e\\*" }));
  expect(words).toBe("<p><strong>a&lt;b</strong> <code>c&amp;d</code> *e*</p>");
});

test("the terminal says the model's rows and verdict word for word, its symbols spelled out; so does the page", async () => {
  const folder = mkdtempSync(join(tmpdir(), "dpsgd-words-"));
  const broken = entries.toSpliced(30, 1);
  writeFileSync(join(folder, "plan.json"), planToText(made));
  writeFileSync(join(folder, "ledger.jsonl"), asText(chain(broken)));
  const { stdout } = await dpsgdHere("audit", folder, "--no-certify", "--html", join(folder, "audit.html"));
  const page = readFileSync(join(folder, "audit.html"), "utf8");
  const { verdict, rows, findings } = auditModel({
    name: folder,
    report: audit(made, asText(chain(broken))),
  });
  const [first, ...lines] = stdout.trimEnd().split("\n");
  expect(first!.toLowerCase()).toBe(verdict.headline.toLowerCase());
  expect(lines.slice(0, rows.length).map((line) => line.trim().split(/ {2,}/))).toEqual(
    rows.map(({ label, text }) => [spelled(label), spelled(text)]),
  );
  for (const { label, text } of rows) expect(page).toContain(`<th scope="row">${label}</th><td>${text}</td>`);
  expect(findings.length).toBeGreaterThan(0);
  for (const [i, { severity, code }] of findings.entries()) {
    expect(lines[rows.length + i]).toMatch(new RegExp(`^${severity}: ${code} `));
    expect(page).toContain(`<strong>${severity}</strong> <code>${code}</code>`);
  }
  expect(page).toContain(verdict.meaning);
  rmSync(folder, { recursive: true });
});

test("the gravest findings come first, and a budget has its verdict", () => {
  const finding = (severity: "note" | "error" | "warning") => ({
    code: "resumed" as const,
    severity,
    expected: "",
    found: "",
  });
  const found = findingWords([finding("note"), finding("error"), finding("warning")]);
  expect(found.map(({ tone }) => tone)).toEqual(["bad", "doubt", "plain"]);
  const budget = budgetAnswer({ epsilon: 2, delta: 1e-5, neighboring: "add-or-remove-one", runs: [] });
  const page = auditPage({
    runs: [{ name: "a", report: audit(made, entries), plan: made }],
    command: "x",
    budget,
  });
  expect(page).toContain(">The budget holds<");
  expect(page).toContain(">ε 2 at δ 1e-5, add-or-remove-one<");
});

test("shown bounds are never below the accountants', and what is left is never above", () => {
  const report = audit(made, entries.map(lessNoise));
  const page = pageOf(report);
  const shown = [...page.matchAll(/by (\w+)<\/th><td>ε ([\d.]+)/g)];
  expect(shown.map(([, name]) => name)).toEqual(report.recomputed.map((each) => each.accountant));
  shown.forEach(([, , value], i) => {
    const { epsilon } = report.recomputed[i]!;
    expect(Number(value)).toBeGreaterThanOrEqual(epsilon!);
    expect(Number(value)).toBeLessThan(epsilon! * 1.00001);
  });
});

test("the curve is the accountants' ε of the first steps, kind by kind, and rises", () => {
  const report = audit(made, entries.map(lessNoise));
  const curve = epsilonOverSteps(report.event, made.achieved, { points: 12 });
  expect(curve[0]).toEqual({ steps: 0, epsilon: 0 });
  expect(curve.at(-1)!.steps).toBe(60);
  curve.forEach(({ steps, epsilon }, i) => {
    expect(epsilon).toBeGreaterThanOrEqual(curve[i - 1]?.epsilon ?? 0);
    const first = dpSgdEvent({ ...made, steps: Math.min(30, steps) });
    const then = dpSgdEvent({ ...made, noiseMultiplier: 0.7, steps: Math.max(0, steps - 30) });
    const whole = accountant("pld").account({ kind: "composed", events: [first, then] });
    expect(epsilon).toBeLessThanOrEqual(whole.epsilonAt(1e-5));
    expect(epsilon).toBeGreaterThanOrEqual(whole.epsilonIntervalAt(1e-5).lower);
  });
});

test("no guarantee, no steps and no claim have their pages too", () => {
  const of = (table: string, epsilon?: number) =>
    pageOf(
      auditImport(readImport(table, "csv"), { delta: 1e-5, ...(epsilon && { epsilon }) }),
      "a.csv",
      undefined,
    );
  expect(of("0,0.1,5", 1)).toContain("no ε is guaranteed");
  expect(of("1.1,0.01,0")).toContain(">The run has no claim<");
  expect(of("1.1,0.01,1000")).toContain("<svg");
});
