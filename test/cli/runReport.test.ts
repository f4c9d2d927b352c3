// report.html of a run: one page, self-contained, with the run's own numbers; and its charts.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { audit } from "../../src/audit/audit.js";
import { epsilonSpent } from "../../src/planner/epsilonSpent.js";
import { plan as makePlan } from "../../src/planner/solve.js";
import { lineChart } from "../../src/report/lineChart.js";
import { epsilonChart, writeRunReport } from "../../src/runs/runReport.js";
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
    "ε at most 2 at δ = 1e-5, claimed 2; 40 of 40 steps",
    "80 %",
    "75 %",
    "<h2>Plan</h2>",
    "<h2>Findings</h2>",
    "Privacy statement.",
    String(plan.noiseMultiplier),
    "dpsgd audit RUN",
  ])
    expect(page).toContain(text);
  expect(page.match(/<svg /g)).toHaveLength(2);
  expect(page).toContain(readFileSync(join(folder, "accuracy.svg"), "utf8"));
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
  expect(page).toContain("&#60;script&#62;");
});

test("the curve of epsilon ends at what the accountant says, and never falls", () => {
  const svg = epsilonChart(plan, audit(plan, sampleEntries(plan)));
  const [curve] = [...svg.matchAll(/polyline points="([^"]+)"/g)].map(([, points]) =>
    points!.split(" ").map((point) => point.split(",").map(Number)),
  );
  const heights = curve!.map(([, y]) => y!);
  expect(heights).toEqual([...heights].sort((a, b) => b - a));
  // The claim's level is that of the whole plan: both lines end at one height.
  const reference = svg.match(/polyline points="[^"]*,([\d.]+)" fill="none" stroke="#6b7485"/)![1];
  expect(epsilonSpent(plan, 40)).toBeCloseTo(plan.achieved.epsilon, 9);
  expect(heights.at(-1)).toBeCloseTo(Number(reference), 1);
});

test("a chart of nothing, or of what is no number, is refused", () => {
  const chart = { title: "t", xLabel: "x", yLabel: "y" };
  expect(() => lineChart({ ...chart, lines: [] })).toThrow(RangeError);
  expect(() => lineChart({ ...chart, lines: [{ name: "a", points: [[0, Number.NaN]] }] })).toThrow(
    RangeError,
  );
  expect(lineChart({ ...chart, lines: [{ name: "a", points: [[1, 0.5]] }] })).not.toMatch(/NaN|Infinity/);
});
