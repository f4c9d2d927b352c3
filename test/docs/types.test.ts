// Programs in the documents, as a strict TypeScript project that has installed the package sees them.
import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { blocksOf } from "../support/markdown.js";

const folder = mkdtempSync(join(tmpdir(), "dpsgd-types-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("every program of the README and of docs/ compiles, and so does an import of every entry point", () => {
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(resolve("."), join(folder, "node_modules", "dpsgd"));
  const pages = readdirSync("docs").filter((name) => name.endsWith(".md"));
  const programs = ["README.md", ...pages.map((name) => `docs/${name}`)].flatMap((page) =>
    blocksOf(readFileSync(page, "utf8"))
      .filter(({ language }) => language === "ts")
      .map(({ text }, i) => [`${page.replaceAll(/\W/g, "_")}_${i}.ts`, text] as const),
  );
  expect(programs.length).toBeGreaterThanOrEqual(3);
  const { exports } = JSON.parse(readFileSync("package.json", "utf8"));
  const entries = Object.keys(exports).filter((name) => !name.endsWith(".json"));
  const imports = entries.map((name, i) => `export * as e${i} from "dpsgd${name.slice(1)}";\n`).join("");
  for (const [name, text] of [...programs, ["entries.ts", imports] as const])
    writeFileSync(join(folder, name), text);
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  const compilerOptions = {
    target: "es2022",
    module: "nodenext",
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: true,
    noEmit: true,
    types: [],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  const { status, stdout } = spawnSync(
    process.execPath,
    [resolve("node_modules/typescript/bin/tsc"), "-p", folder],
    {
      encoding: "utf8",
    },
  );
  expect(stdout).toBe("");
  expect(status).toBe(0);
});
