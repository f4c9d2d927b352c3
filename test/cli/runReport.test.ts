// report.html of a run: one page, self-contained, with the run's own numbers; and its charts.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { everyAccountant } from "../../src/accounting/accountants.js";
import { tightestEpsilon } from "../../src/accounting/tightest.js";
import { audit } from "../../src/audit/audit.js";
import { smallestEpsilon } from "../../src/audit/recompute.js";
import type { PlanRequest } from "../../src/formats/plan.js";
import { eventAfter } from "../../src/formats/plannedEvent.js";
import { plan as makePlan } from "../../src/planner/solve.js";
import { epsilonCurve } from "../../src/report/auditModel.js";
import { lineChartSvg } from "../../src/report/charts/lineChartSvg.js";
import { writeRunReport } from "../../src/runs/runReport.js";
import { asText, chain, sampleEntries } from "../support/runs.js";

const folder = mkdtempSync(join(tmpdir(), "dpsgd-report-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const plan = makePlan({ examples: 1000, batchSize: 100, steps: 40, epsilon: 2, delta: 1e-5 });

function report(entries = sampleEntries(plan)): string {
  const metrics = [
    { step: 10, testAccuracy: 0.5, testAccuracyAverage: 0.4 },
    { step: 20, testAccuracy: 0.1 },
    // Again after a crash: this one counts.
    { step: 20, testAccuracy: 0.75, testAccuracyAverage: 0.8 },
  ].map((line) => JSON.stringify(line));
  writeFileSync(join(folder, "metrics.jsonl"), `${metrics.join("\n")}\n{"step":30,"testAcc`);
  writeRunReport(folder, plan, audit(plan, asText(chain(entries))), "dpsgd audit RUN");
  return readFileSync(join(folder, "report.html"), "utf8");
}

test("it has plan, curve of epsilon, accuracy, statement and audit, and needs no other file", () => {
  const page = report();
  for (const text of [
    "The claim holds",
    "ε at most 2 at δ 1e-5, claimed 2; 40 of 40 steps",
    "80 %",
    "75 %",
    "<h3>Plan</h3>",
    "<h3>Findings</h3>",
    "Privacy statement.",
    String(plan.noiseMultiplier),
    "dpsgd audit RUN",
  ])
    expect(page).toContain(text);
  expect(page.match(/<svg /g)).toHaveLength(2);
  // Its charts have the page's colours, in the dark too; the files are white whatever shows them.
  expect(page).not.toMatch(/<svg[^>]*>\s*<(style|rect)/);
  for (const name of ["accuracy.svg", "epsilon.svg"])
    expect(readFileSync(join(folder, name), "utf8")).toContain('fill="#ffffff"');
  expect(page.replaceAll('xmlns="http://www.w3.org/2000/svg"', "")).not.toMatch(
    /https?:|src=|href=|<script|@import|url\(/,
  );
  expect(page).not.toMatch(/undefined|NaN|\*\*/);
});

test("of a run that spent more it says so, and findings are listed", () => {
  const page = report(sampleEntries(plan, 50));
  expect(page).toContain("The claim is exceeded");
  expect(page).toContain("more-steps");
});

test("text from elsewhere is no markup", () => {
  const [first, ...rest] = sampleEntries(plan);
  const page = report([
    { ...first, dataset: { name: "<script>alert(1)</script>", fingerprint: "ab".repeat(32) } } as never,
    ...rest,
  ]);
  expect(page).not.toContain("<script");
  expect(page).toContain("&lt;script>");
});

describe.each<[string, Partial<PlanRequest>]>([
  ["of one run", {}],
  ["that pays for three runs", { tuningRuns: { kind: "fixed", count: 3 } }],
  ["that pays for a search before it", { finalAfterProxy: { batchSize: 50 } }],
])("the curve of a plan %s", (_, more) => {
  const made = makePlan({ examples: 1000, batchSize: 100, steps: 40, epsilon: 2, delta: 1e-5, ...more });

  test("ends at the audit's own epsilon, never falls, and says in words what is drawn", () => {
    const report = audit(made, sampleEntries(made));
    const curve = epsilonCurve(report, made)!;
    const [spent] = curve.lines;
    const heights = spent!.points.map(([, y]) => y);
    expect(heights).toEqual([...heights].sort((a, b) => a - b));
    expect(spent!.points.at(-1)).toEqual([40, smallestEpsilon(report.recomputed)]);
    expect(heights.at(-1)).toBeCloseTo(made.achieved.epsilon, 9);
    expect(curve.description).toBe("ε at δ 1e-5 grows to ε 2 after 40 steps");
  });

  test("after each of its steps is what the plan's event says", () => {
    const [spent] = epsilonCurve(audit(made, sampleEntries(made)), made)!.lines;
    const accountants = everyAccountant("add-or-remove-one");
    for (const [steps, epsilon] of spent!.points.slice(1, -1))
      expect(epsilon).toBe(tightestEpsilon(accountants, eventAfter(made, steps), 1e-5).upper);
  });
});

test("a chart of nothing, or of what is no number, is refused", () => {
  const chart = { title: "t", xLabel: "x", yLabel: "y", description: "d", caption: "c" };
  const svgOf = (points: [number, number][]) => lineChartSvg({ ...chart, lines: [{ name: "a<b", points }] });
  expect(() => lineChartSvg({ ...chart, lines: [] })).toThrow(RangeError);
  expect(() => svgOf([[0, Number.NaN]])).toThrow(RangeError);
  const svg = svgOf([[1, 0.5]]);
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  expect(svg).toContain("a&lt;b</text>");
});
