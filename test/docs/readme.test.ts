// README.md: its commands and its program run as they stand there (test/slow/demo.test.ts runs the demo).
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { blocksOf, expectProgramPrints } from "../support/markdown.js";

const text = readFileSync("README.md", "utf8");
const blocks = blocksOf(text);
const folder = mkdtempSync(join(tmpdir(), "dpsgd-readme-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("every command of npm that it names is there", () => {
  const { scripts } = JSON.parse(readFileSync("package.json", "utf8"));
  const named = [...text.matchAll(/npm (?:run )?(start|test|build|bench|check)/g)].map(([, name]) => name!);
  expect(new Set(named)).toEqual(new Set(["start", "test", "build"]));
  for (const name of named) expect(Object.keys(scripts)).toContain(name);
});

test("its command lines do what they say, one after the other", { timeout: 120_000 }, () => {
  const commands = blocks.filter(({ language, text }) => language === "sh" && text.includes("npx dpsgd"));
  expect(commands).toHaveLength(1);
  const script = commands[0]!.text.replaceAll(
    "npx dpsgd",
    `"${process.execPath}" "${resolve("dist/cli/main.js")}"`,
  );
  const { status, stdout } = spawnSync("bash", ["-ec", script], { cwd: folder, encoding: "utf8" });
  expect(status).toBe(0);
  for (const line of ["written to plan.json", "trained", "the claim holds", "  epsilon    6.5789"])
    expect(stdout.split("\n")).toContain(line);
});

test("its program prints what its comments say", () => expectProgramPrints(text, 2));
