// Citations: every key used in sources and documents stands in docs/references.md, and none stands there unused.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const KEY = /\[([A-Z][A-Za-z-]*(?:[12]\d{3})[a-z]?|[A-Z][A-Za-z]*-[A-Za-z-]+)(?:,[^\]]*)?\](?!\()/g;

function filesUnder(folder: string, ending: RegExp): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && ending.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

const defined = [...readFileSync("docs/references.md", "utf8").matchAll(/^- \*\*\[([^\]]+)\]\*\*/gm)].map(
  (m) => m[1]!,
);
const used = new Map<string, string>();
for (const file of [...filesUnder("src", /\.ts$/), ...filesUnder("docs", /\.md$/), "README.md"]) {
  if (file.endsWith("references.md")) continue;
  for (const match of readFileSync(file, "utf8").matchAll(KEY)) used.set(match[1]!, file);
}

test("every citation key is listed once in docs/references.md", () => {
  expect(new Set(defined).size).toBe(defined.length);
  const unknown = [...used].filter(([key]) => !defined.includes(key));
  expect(unknown).toEqual([]);
});

test("every listed reference is cited somewhere", () => {
  expect(defined.length).toBeGreaterThan(10);
  expect(defined.filter((key) => !used.has(key))).toEqual([]);
});

test("every path of a source or a test that a document or a comment names exists", () => {
  const missing = [
    ...filesUnder("src", /\.tsx?$/),
    ...filesUnder("docs", /\.md$/),
    "README.md",
    "CONTRIBUTING.md",
  ]
    .filter((file) => !file.startsWith(join("docs", "results")))
    .flatMap((file) =>
      [...readFileSync(file, "utf8").matchAll(/`((?:src|test|docs|examples)\/[a-z][\w./-]*)`/g)]
        .filter(([, path]) => !existsSync(path!))
        .map(([, path]) => `${file}: ${path}`),
    );
  expect(missing).toEqual([]);
});
