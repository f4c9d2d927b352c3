// report.html of a finished run: the audit's page, with the plan and the accuracy besides; and the charts by themselves.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { epsilonOverSteps } from "../audit/epsilonOverSteps.js";
import type { Plan } from "../formats/plan.js";
import type { AuditReport } from "../formats/report.js";
import { roundedDown, roundedUp } from "../formats/rounded.js";
import { auditPage } from "../report/auditPage.js";
import { facts, section, text } from "../report/htmlPage.js";
import { lineChart } from "../report/lineChart.js";
import { writeWhole } from "./disk.js";
import { RUN_FILES } from "./runFolder.js";

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
      section(
        "Accuracy on the public test set",
        facts(
          measured
            .slice(-1)
            .flatMap(({ testAccuracy, testAccuracyAverage }) => [
              ...(testAccuracyAverage === undefined
                ? []
                : [["averaged weights", percent(testAccuracyAverage)] as const]),
              [
                testAccuracyAverage === undefined ? "weights" : "last weights",
                percent(testAccuracy),
              ] as const,
            ]),
        ),
        ...(accuracy === undefined ? [] : [{ html: accuracy }]),
      ),
      section("Plan", facts(planRows(plan))),
    ],
  });
  writeWhole(join(folder, RUN_FILES.epsilonChart), epsilonChart(plan, report));
  if (accuracy !== undefined) writeWhole(join(folder, RUN_FILES.accuracyChart), accuracy);
  writeWhole(join(folder, RUN_FILES.report), page);
}

function planRows({ examples, batchSize, samplingRate, steps, noiseMultiplier }: Plan) {
  return [
    ["examples", text(examples)],
    ["expected batch", text(`${batchSize} (sampling rate ${roundedUp(samplingRate)})`)],
    ["steps", text(`${steps} (${roundedUp((steps * batchSize) / examples, 3)} epochs)`)],
    ["noise multiplier", text(noiseMultiplier)],
  ] as const;
}

/** ε after each part of the steps that the ledger shows, with what the plan claims. */
export function epsilonChart(plan: Plan, { event, stepsDone }: AuditReport): string {
  const { epsilon, delta } = plan.achieved;
  const spent = epsilonOverSteps(event, plan.achieved).filter((point) => point.epsilon < Infinity);
  return lineChart({
    title: `Privacy spent: ε at δ = ${roundedUp(delta)}`,
    xLabel: "step",
    yLabel: "ε",
    lines: [
      { name: "spent", points: spent.map((point) => [point.steps, point.epsilon] as const) },
      {
        name: `claimed: ${roundedUp(epsilon)}`,
        reference: true,
        points: [
          [0, epsilon],
          [Math.max(stepsDone, plan.steps), epsilon],
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

const percent = (value: number) => text(`${roundedDown(100 * value, 4)} %`);

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
