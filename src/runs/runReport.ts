// report.html of a finished run: the audit's page, with the plan and the accuracy besides; and the charts by themselves.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plan } from "../formats/plan.js";
import type { AuditReport } from "../formats/report.js";
import { roundedDown } from "../formats/rounded.js";
import { searchOf } from "../formats/tuning.js";
import { epsilonCurve } from "../report/auditModel.js";
import { auditPage } from "../report/auditPage.js";
import type { LineChartData } from "../report/charts/lineChartData.js";
import { lineChartSvg } from "../report/charts/lineChartSvg.js";
import type { Row } from "../report/model.js";
import { planSection, searchSection } from "../report/planModel.js";
import { writeWhole } from "./disk.js";
import { RUN_FILES } from "./runFolder.js";
import { mostRepetitions } from "./secretSearch.js";

interface Measured {
  readonly step: number;
  readonly testAccuracy: number;
  readonly testAccuracyAverage?: number;
}

/** Writes report.html, epsilon.svg and accuracy.svg into the run's folder. command: what audits it again. */
export function writeRunReport(folder: string, plan: Plan, report: AuditReport, command: string): void {
  const measured = readMetrics(join(folder, RUN_FILES.metrics));
  const accuracy = accuracyChart(measured);
  const page = auditPage({
    runs: [{ name: folder, report, plan }],
    command,
    more: [
      {
        title: "Accuracy on the public test set",
        rows: accuracyRows(measured.at(-1)),
        ...(accuracy && { chart: accuracy }),
      },
      ...planSections(plan),
    ],
  });
  const curve = epsilonCurve(report, plan);
  if (curve?.lines.some(({ points }) => points.length > 0))
    writeWhole(join(folder, RUN_FILES.epsilonChart), lineChartSvg({ ...curve, title: curve.description }));
  if (accuracy) writeWhole(join(folder, RUN_FILES.accuracyChart), lineChartSvg(accuracy));
  writeWhole(join(folder, RUN_FILES.report), page);
}

function planSections(plan: Plan) {
  const search = searchOf(plan);
  const most = search?.repetitions && mostRepetitions(search.repetitions, 0.99);
  return [
    { ...planSection(plan), title: "Plan" },
    ...(search ? [{ ...searchSection(search, plan, most), title: "The search that ε includes" }] : []),
  ];
}

function accuracyRows(last: Measured | undefined): Row[] {
  if (!last) return [];
  const { testAccuracy, testAccuracyAverage } = last;
  if (testAccuracyAverage === undefined) return [{ label: "weights", text: percent(testAccuracy) }];
  return [
    { label: "averaged weights", text: percent(testAccuracyAverage) },
    { label: "last weights", text: percent(testAccuracy) },
  ];
}

function accuracyChart(measured: readonly Measured[]): LineChartData | undefined {
  if (measured.length === 0) return undefined;
  const averaged = measured.flatMap(({ step, testAccuracyAverage }) =>
    testAccuracyAverage === undefined ? [] : [[step, testAccuracyAverage] as const],
  );
  const lines = [
    ...(averaged.length > 0 ? [{ name: "averaged weights", points: averaged }] : []),
    {
      name: averaged.length > 0 ? "last weights" : "weights",
      points: measured.map(({ step, testAccuracy }) => [step, testAccuracy] as const),
    },
  ];
  const last = accuracyRows(measured.at(-1)).map(({ label, text }) => `${label} ${text}`);
  return {
    title: "Accuracy on the public test set",
    xLabel: "steps",
    yLabel: "accuracy",
    percent: true,
    lines,
    description: `Accuracy on the public test set, at the end: ${last.join(", ")}`,
    caption: "Of the weights after so many steps. The test set is public: it costs no privacy.",
  };
}

const percent = (value: number): string => `${roundedDown(100 * value, 4)} %`;

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
