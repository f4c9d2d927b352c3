// report.html of a finished run, on one page without other files: plan, curve of ε, accuracy, statement, audit; and its charts.
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AuditReport } from "../audit/index.js";
import { type Plan, roundedDown, roundedUp, statement } from "../planner/index.js";
import { epsilonSpent, RUN_FILES } from "../trainer/index.js";
import { escapeMarkup, lineChart } from "./lineChart.js";
import { shownInterval } from "./print.js";

/** Steps at which ε is computed for its curve, closer together at the beginning, where most is spent. */
const CURVE_POINTS = 40;

interface Measured {
  readonly step: number;
  readonly testAccuracy: number;
  readonly testAccuracyAverage?: number;
}

/** Writes report.html, epsilon.svg and accuracy.svg into the run's folder. */
export function writeRunReport(folder: string, plan: Plan, report: AuditReport): void {
  const measured = readMetrics(join(folder, RUN_FILES.metrics));
  const epsilon = epsilonChart(plan, report.stepsDone);
  const accuracy = accuracyChart(measured);
  writeWhole(join(folder, RUN_FILES.epsilonChart), epsilon);
  if (accuracy) writeWhole(join(folder, RUN_FILES.accuracyChart), accuracy);
  writeWhole(join(folder, RUN_FILES.report), page(plan, report, { epsilon, accuracy, measured }));
}

/** ε after each part of the steps, by the plan's accountant, with what the plan claims. */
export function epsilonChart(plan: Plan, steps: number): string {
  const points = [
    ...new Set(
      Array.from({ length: CURVE_POINTS }, (_, i) => Math.ceil(steps * ((i + 1) / CURVE_POINTS) ** 2)),
    ),
  ]
    .filter((step) => step > 0)
    .map((step) => [step, epsilonSpent(plan, step)] as const)
    .filter(([, epsilon]) => Number.isFinite(epsilon));
  const { epsilon, delta, accountant } = plan.achieved;
  return lineChart({
    title: `Privacy spent: ε at δ = ${roundedUp(delta)}`,
    xLabel: "step",
    yLabel: "ε",
    lines: [
      { name: `spent (${accountant})`, points: [[0, 0], ...points] },
      {
        name: `claimed: ${roundedUp(epsilon)}`,
        reference: true,
        points: [
          [0, epsilon],
          [Math.max(steps, plan.steps), epsilon],
        ],
      },
    ],
  });
}

function accuracyChart(measured: readonly Measured[]): string | undefined {
  if (measured.length === 0) return undefined;
  const averaged = measured.flatMap(({ step, testAccuracyAverage }) =>
    testAccuracyAverage === undefined ? [] : [[step, testAccuracyAverage] as const],
  );
  return lineChart({
    title: "Accuracy on the public test set",
    xLabel: "step",
    yLabel: "accuracy",
    percent: true,
    lines: [
      ...(averaged.length > 0 ? [{ name: "averaged weights", points: averaged }] : []),
      {
        name: averaged.length > 0 ? "last weights" : "weights",
        points: measured.map(({ step, testAccuracy }) => [step, testAccuracy] as const),
      },
    ],
  });
}

/** Lines that a crash cut are left out, and of two for one step the later counts. */
function readMetrics(path: string): Measured[] {
  const found = new Map<number, Measured>();
  for (const line of readFileSync(path, "utf8").split("\n"))
    try {
      const each = JSON.parse(line) as Measured;
      if (Number.isFinite(each.step) && Number.isFinite(each.testAccuracy)) found.set(each.step, each);
    } catch {
      // Not a whole line.
    }
  return [...found.values()].sort((a, b) => a.step - b.step);
}

const VERDICT = {
  holds: "The claim holds",
  exceeded: "The claim is exceeded",
  unreadable: "The ledger cannot be relied on",
  unclaimed: "Nothing was claimed",
} as const;

function page(
  plan: Plan,
  report: AuditReport,
  {
    epsilon,
    accuracy,
    measured,
  }: { epsilon: string; accuracy: string | undefined; measured: readonly Measured[] },
): string {
  const { claimed, findings, run, verdict } = report;
  const last = measured.at(-1);
  const percent = (value: number) => `${roundedDown(100 * value, 4)} %`;
  const best = report.recomputed.reduce<(typeof report.recomputed)[number] | undefined>(
    (one, each) => ((each.epsilon ?? Infinity) < (one?.epsilon ?? Infinity) ? each : one),
    undefined,
  );
  const words =
    best &&
    statement(plan, {
      ...(run && { dataset: run.dataset.name }),
      audited: {
        holds: verdict === "holds",
        event: report.event,
        steps: report.stepsDone,
        guarantee: { ...best, epsilon: best.epsilon ?? Infinity },
      },
    });
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Run report: ${escapeMarkup(run?.dataset.name ?? "DP-SGD")}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2430; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0.25rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; } td, th { text-align: left; vertical-align: top; padding: 0.2rem 1.2rem 0.2rem 0; }
th { font-weight: 400; color: #566072; white-space: nowrap; } svg { max-width: 100%; height: auto; }
code { background: #f2f4f7; padding: 0 0.2em; overflow-wrap: anywhere; } .verdict { font-weight: 600; }
.holds { color: #1f6f43; } .exceeded, .unreadable { color: #a3271d; } .quiet { color: #566072; }
@media print { body { margin: 0; } section { break-inside: avoid; } }
</style>
<h1>${escapeMarkup(run ? `DP-SGD on ${run.dataset.name}` : "DP-SGD")}</h1>
<p class="verdict ${verdict}">${VERDICT[verdict]}${claimed ? `: ε ≤ ${roundedUp(claimed.epsilon)} at δ = ${roundedUp(claimed.delta)}, ${claimed.neighboring}` : ""}</p>
${run ? `<p class="quiet">Begun ${escapeMarkup(run.startedAt.slice(0, 16).replace("T", " "))} UTC with ${escapeMarkup(run.software)}${report.finished ? "" : "; not finished"}</p>` : ""}
<section><h2>Result</h2>
${table([
  ["steps", `${report.stepsDone} of ${plan.steps}`],
  ...(last?.testAccuracyAverage !== undefined
    ? [["test accuracy", `${percent(last.testAccuracyAverage)} (averaged weights)`] as const]
    : []),
  ...(last
    ? [
        [
          last.testAccuracyAverage === undefined ? "test accuracy" : "",
          `${percent(last.testAccuracy)} (last weights)`,
        ] as const,
      ]
    : []),
  ...report.recomputed.map(
    (each) =>
      [
        `ε by ${each.accountant}`,
        shownInterval({ lower: each.epsilonLowerBound, upper: each.epsilon ?? Infinity }),
      ] as const,
  ),
])}</section>
<section>${epsilon}</section>
${accuracy ? `<section>${accuracy}</section>` : ""}
<section><h2>Plan</h2>
${table([
  ["examples", String(plan.examples)],
  ["expected batch", `${plan.batchSize} (sampling rate ${roundedUp(plan.samplingRate)})`],
  ["steps", `${plan.steps} (${roundedUp((plan.steps * plan.batchSize) / plan.examples, 3)} epochs)`],
  ["noise multiplier", String(plan.noiseMultiplier)],
  [
    "claimed",
    `ε = ${roundedUp(plan.achieved.epsilon, 6)} at δ = ${roundedUp(plan.achieved.delta)} by ${plan.achieved.accountant}, ${plan.achieved.neighboring}`,
  ],
])}</section>
${words ? `<section><h2>Statement</h2>\n${markdown(words)}</section>` : ""}
<section><h2>Audit</h2>
<p>${findings.length === 0 ? "The ledger lists every step as planned, and nothing was found." : "What the audit of the ledger found:"}</p>
${findings.length === 0 ? "" : table(findings.map(({ severity, code, expected, found, line }) => [`${severity}: ${code}${line === undefined ? "" : ` (line ${line})`}`, `expected ${expected}; found ${found}`] as const))}
<p class="quiet">Repeat it: <code>dpsgd audit</code> with the run's folder. What ε covers and what it does not: <code>docs/sharp-edges.md</code>.</p></section>
</html>
`;
}

function table(rows: readonly (readonly [name: string, text: string])[]): string {
  return `<table>${rows.map(([name, text]) => `<tr><th>${escapeMarkup(name)}</th><td>${escapeMarkup(text)}</td></tr>`).join("")}</table>`;
}

/** The Markdown that \`statement\` writes: paragraphs, bold, code and backslashes. */
function markdown(text: string): string {
  return text
    .trim()
    .split("\n\n")
    .map((paragraph) => {
      const marked = escapeMarkup(paragraph)
        .replaceAll(/`([^`]+)`/g, "<code>$1</code>")
        .replaceAll(/(?<!\\)\*\*(.+?)(?<!\\)\*\*/g, "<strong>$1</strong>");
      return `<p>${marked.replaceAll(/\\(&#\d+;|[\\`*_[\]])/g, "$1")}</p>`;
    })
    .join("\n");
}

function writeWhole(path: string, text: string): void {
  const partial = `${path}.partial`;
  try {
    writeFileSync(partial, text);
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}
