// The programs under examples/: each runs as a newcomer runs it, and what it prints is checked against other sources.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { afterAll, expect, test } from "vitest";
import { hasChromium, launchChromium } from "../support/chromium.mjs";

const folder = mkdtempSync(join(tmpdir(), "dpsgd-examples-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(name: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [`examples/${name}`, ...args], {
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return stdout;
}
const numbers = (text: string): number[] => (text.match(/\d+(\.\d+)?(e[+-]\d+)?/g) ?? []).map(Number);

test("the README lists every example", () => {
  const readme = readFileSync("README.md", "utf8");
  const listed = [...readme.matchAll(/^\| `examples\/([\w.]+)\/?` \|/gm)].map(([, name]) => name);
  const there = readdirSync("examples").filter((name) => name !== "event.json");
  expect(listed.sort()).toEqual(there.sort());
});

test("epsilon.js: 6.578896 (reference 6.5788958505756; dp_accounting 0.6.0 PLD at mesh 1e-5: 6.578898), Rényi above it", () => {
  const [first, second, ...curve] = run("epsilon.js").trimEnd().split("\n");
  expect(first).toBe("at delta 1e-5 the run spends epsilon 6.578896 (proven: at least 6.578896)");
  expect(numbers(second!)[0]).toBeGreaterThan(6.5789);
  const deltas = curve.map((line) => numbers(line)[1]!);
  expect(deltas).toHaveLength(4);
  // δ falls with ε, through 1e-5 between 6 and 8.
  expect([...deltas].sort((a, b) => b - a)).toEqual(deltas);
  expect(deltas[2]).toBeGreaterThan(1e-5);
  expect(deltas[3]).toBeLessThan(1e-5);
});

test("noise.js: less noise for a larger budget, which is met and not exceeded", () => {
  const rows = run("noise.js").trimEnd().split("\n").map(numbers);
  expect(rows.map(([epsilon]) => epsilon)).toEqual([1, 3, 8]);
  for (const [epsilon, , steps, spent] of rows) {
    expect(steps).toBe(Math.floor((10 * 60_000) / 2048));
    expect(spent).toBeCloseTo(epsilon!, 5);
  }
  expect(rows[0]![1]).toBeGreaterThan(rows[1]![1]!);
  expect(rows[1]![1]).toBeGreaterThan(rows[2]![1]!);
});

test("batchSizes.js: the noise on the mean gradient falls with the batch", () => {
  const rows = run("batchSizes.js").trimEnd().split("\n").slice(1).map(numbers);
  expect(rows.map(([batch]) => batch)).toEqual([256, 1024, 4096, 16_384]);
  for (const [batch, noise, perExample, epochs] of rows) {
    expect(perExample! / (noise! / batch!)).toBeCloseTo(1, 2);
    expect(epochs).toBeCloseTo((1000 * batch!) / 50_000, 1);
  }
  for (let i = 1; i < rows.length; i++) expect(rows[i]![2]).toBeLessThan(rows[i - 1]![2]!);
});

test("trainAndAudit.js: learns, its claim holds, and the folder audits on the command line too", () => {
  const out = join(folder, "run");
  const [accuracy, claim, ...recomputed] = run("trainAndAudit.js", out).trimEnd().split("\n");
  // Guessing gets 50.
  expect(numbers(accuracy!)[0]).toBeGreaterThan(90);
  expect(claim).toBe("the claim of epsilon 2.0000 at delta 0.00001: holds");
  expect(recomputed.map((line) => line.split(": ")[0])).toEqual(["recomputed by pld", "recomputed by rdp"]);
  expect(spawnSync(process.execPath, ["dist/cli/main.js", "audit", out]).status).toBe(0);
});

test("otherLibrary.js: just below dp_accounting's own bound for that event; another claim is refuted", () => {
  // PLDAccountant of dp_accounting 0.6.0, pessimistic, value_discretization_interval 1e-4.
  const peer = 1.914585324296741;
  const [spent, verdict] = run("otherLibrary.js").trimEnd().split("\n");
  expect(numbers(spent!)[0]).toBeLessThanOrEqual(peer);
  expect(numbers(spent!)[0]).toBeGreaterThan(peer - 5e-5);
  expect(verdict).toBe("so epsilon 2.5 holds");
  expect(run("otherLibrary.js", "examples/event.json", "1.9", "1e-5")).toContain("so epsilon 1.9 is false");
});

test.skipIf(!hasChromium)(
  "page: built by its one line and opened as a file, it solves at every change",
  async () => {
    const html = readFileSync("examples/page/index.html", "utf8");
    expect(html).toContain(
      "npx esbuild examples/page/plan.js --bundle --format=iife --outfile=examples/page/plan.bundle.js",
    );
    const { outputFiles } = await build({
      entryPoints: ["examples/page/plan.js"],
      bundle: true,
      format: "iife",
      write: false,
      logLevel: "silent",
    });
    writeFileSync(join(folder, "index.html"), html);
    writeFileSync(join(folder, "plan.bundle.js"), outputFiles[0]!.text);
    const browser = await launchChromium();
    try {
      const page = await browser.newPage();
      await page.goto(pathToFileURL(join(folder, "index.html")).href);
      const shown = () => page.locator("output").textContent();
      // The demo's noise multiplier, as the command line prints it.
      expect(await shown()).toBe("noise multiplier 1.13772 spends epsilon 3");
      await page.fill("input[name=epsilon]", "1");
      expect(numbers((await shown())!)[0]).toBeGreaterThan(2);
      await page.fill("input[name=delta]", "2");
      expect(await shown()).toBe("delta must be in (0, 1), got 2");
    } finally {
      await browser.close();
    }
  },
);
