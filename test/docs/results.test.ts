// docs/results: the ledgers kept there prove the ε that docs/results.md names.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { audit } from "../../src/audit/index.js";
import { planFromJson } from "../../src/planner/index.js";
import { hashLineNode } from "../../src/trainer/index.js";

const folder = "docs/results";
const runs = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());

test.each(runs.map(({ name }) => name))("%s: the ledger holds its plan", (name) => {
  const read = (file: string) => readFileSync(join(folder, name, file), "utf8");
  const report = audit(planFromJson(read("plan.json")), read("ledger.jsonl"), {
    hash: hashLineNode,
    // Made before ledgers said it, by the WebGPU engine, whose sums were exact.
    older: { engine: "webgpu" },
  });
  expect(report.verdict).toBe("holds");
  expect(report.finished).toBe(true);
  const row = readFileSync("docs/results.md", "utf8")
    .split("\n")
    .find((line) => line.startsWith(`| \`results/${name}\``))!;
  const [, , , , , steps, , , epsilon, , accuracy] = row.split("|").map((cell) => cell.trim());
  expect(report.stepsDone).toBe(Number(steps));
  expect(Math.abs(report.recomputed[0]!.epsilon! - Number(epsilon))).toBeLessThan(1e-6);
  const last = JSON.parse(read("metrics.jsonl").trimEnd().split("\n").at(-1)!);
  expect(`${(100 * last.testAccuracyAverage).toFixed(1)} %`).toBe(accuracy!.split(";")[0]);
  // With it, anybody could test guesses about the data.
  expect(readdirSync(join(folder, name))).not.toContain("dataset.salt");
});

test("there is a ledger to prove", () => expect(runs.length).toBeGreaterThan(0));
