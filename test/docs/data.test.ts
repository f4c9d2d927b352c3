// docs/data.md: its program runs as it stands there.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { blocksOf } from "../support/markdown.js";

const text = readFileSync("docs/data.md", "utf8");

test("its program prints what its comment says", { timeout: 240_000 }, () => {
  const programs = blocksOf(text).filter(({ language }) => language === "ts");
  expect(programs).toHaveLength(1);
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", programs[0]!.text], {
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  const said = [...programs[0]!.text.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, line]) => line);
  expect(said).toHaveLength(1);
  expect(stdout.trimEnd().split("\n")).toEqual(said);
});
