// The main job on the embedded default: real MNIST, its table, its accuracy.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { blocksOf, expectPrinted } from "../support/markdown.js";

test("dpsgd demo prints the README's table: 95.5 % or more, both accountants", () => {
  const folder = mkdtempSync(join(tmpdir(), "dpsgd-demo-"));
  try {
    const out = join(folder, "mnist-run");
    const { status, stdout } = spawnSync(process.execPath, ["dist/cli/main.js", "demo", "--out", out], {
      encoding: "utf8",
    });
    expect(status).toBe(0);

    const table = blocksOf(readFileSync("README.md", "utf8")).find(({ text }) =>
      text.startsWith("MNIST by DP-SGD"),
    )!;
    expectPrinted(stdout.trimStart().replaceAll(out, "runs/mnist-run"), table.text);

    const value = (label: string) => Number.parseFloat(stdout.split(`  ${label}`)[1]!.trim());
    expect(value("test accuracy")).toBeGreaterThanOrEqual(95.5);
    const claimed = value("claimed epsilon");
    expect(claimed).toBeLessThanOrEqual(3);
    // The accountant of the plan proves the claim; Rényi's bound lies above the truth, by less than a quarter.
    expect(value("recomputed (pld)")).toBeLessThanOrEqual(claimed);
    expect(value("recomputed (rdp)")).toBeLessThanOrEqual(1.25 * claimed);
    const audited = spawnSync(process.execPath, ["dist/cli/main.js", "audit", out, "--json"], {
      encoding: "utf8",
    });
    expect(audited.status).toBe(0);
    expect(JSON.parse(audited.stdout)).toMatchObject({ verdict: "holds", finished: true, stepsDone: 600 });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
