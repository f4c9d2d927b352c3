// docs/results: the ledgers kept there prove the ε that docs/results.md names.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { audit } from "../../src/audit/audit.js";
import { planFromJson } from "../../src/formats/planReader.js";
import { hashLineNode } from "../../src/runs/ledgerFile.js";

const folder = "docs/results";
const page = readFileSync("docs/results.md", "utf8");
const runs = readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? [entry.name] : [],
);
const stopped = runs.filter((name) => name.endsWith("-stopped"));
const finished = runs.filter((name) => !stopped.includes(name));

const read = (name: string, file: string) => readFileSync(join(folder, name, file), "utf8");
const metricsOf = (name: string) =>
  read(name, "metrics.jsonl")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
const percent = (share: number) => (100 * share).toFixed(1);
const audited = (name: string) =>
  audit(planFromJson(read(name, "plan.json")), read(name, "ledger.jsonl"), {
    hash: hashLineNode,
    // Those made before ledgers said it: by the WebGPU engine, whose sums were exact.
    older: { engine: "webgpu" },
  });

/** What the page's row of a run says. */
function rowOf(name: string) {
  const row = page.split("\n").find((line) => line.startsWith(`| \`${name}\``))!;
  const [, , , , , steps, , , epsilon, , accuracy] = row.split("|").map((cell) => cell.trim());
  return { steps: steps!, epsilon: Number(epsilon), accuracy: accuracy! };
}

test.each(finished)("%s: the ledger holds its plan", (name) => {
  const report = audited(name);
  expect(report.verdict).toBe("holds");
  expect(report.finished).toBe(true);
  const { steps, epsilon, accuracy } = rowOf(`results/${name}`);
  expect(report.stepsDone).toBe(Number(steps));
  expect(Math.abs(report.recomputed[0]!.epsilon! - epsilon)).toBeLessThan(1e-6);
  expect(`${percent(metricsOf(name).at(-1).testAccuracyAverage)} %`).toBe(accuracy.split(";")[0]);
});

test.each(stopped)("%s: the ledger holds its plan as far as it goes, and says what made its sums", (name) => {
  const report = audited(name);
  expect(report.verdict).toBe("holds");
  expect(report.finished).toBe(false);
  expect(report.findings.map(({ code, severity }) => [code, severity])).toEqual([
    ["resumed", "note"],
    ["unfinished", "note"],
  ]);
  expect(report.sums).toMatchObject({
    arithmetic: { engine: "webgpu", kernels: "float16", sums: "fixed-point", sensitivity: "proven" },
    proven: true,
  });
  const { steps, epsilon } = rowOf(`docs/results/${name}`);
  expect(`${report.stepsDone} of ${report.stepsPlanned}`).toBe(steps);
  expect(Math.abs(report.recomputed[0]!.epsilon! - epsilon)).toBeLessThan(1e-6);
  // The looks at the test set, but for the last one, which was at the checkpoint.
  const metrics = metricsOf(name);
  expect(page).toContain(`| stopped: ε | ${metrics.map((each) => each.epsilon.toFixed(2)).join(" | ")} | `);
  const accuracies = metrics.map(({ testAccuracyAverage }) => percent(testAccuracyAverage));
  expect(page).toContain(`| averaged weights, % | ${accuracies.join(" | ")} | `);
});

// With it, anybody could test guesses about the data.
test.each(runs)("%s keeps its salt to itself", (name) =>
  expect(readdirSync(join(folder, name))).not.toContain("dataset.salt"),
);

test("there are ledgers to prove, of a run that was stopped as well", () => {
  expect(finished.length).toBeGreaterThan(0);
  expect(stopped.length).toBeGreaterThan(0);
});
