// The house as the compiler cannot hold it: no circle of imports, type imports included, and no door but the last one opened from inside.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect, test } from "vitest";

const files = readdirSync("src", { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name) && !entry.name.endsWith(".d.ts"))
  .map((entry) => join(entry.parentPath, entry.name));
const known = new Set(files);

/** Files that a file imports or re-exports, also by type alone or on demand. */
const imports = new Map(
  files.map((file) => {
    const text = readFileSync(file, "utf8");
    const named = [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+)\.js"/g)].map(([, path]) =>
      join(dirname(file), path!),
    );
    const found = named.map((path) => [`${path}.ts`, `${path}.tsx`].find((each) => known.has(each)));
    return [file, found.filter((each) => each !== undefined)] as const;
  }),
);

test("no file imports itself by way of others", () => {
  const circles: string[] = [];
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file);
    if (at >= 0) circles.push([...path.slice(at), file].map((each) => relative("src", each)).join(" -> "));
    if (at >= 0 || done.has(file)) return;
    for (const next of imports.get(file) ?? []) walk(next, [...path, file]);
    done.add(file);
  };
  for (const file of files) walk(file, []);
  expect(circles).toEqual([]);
});

/** Lowest first; a floor may import those before it that its line names. */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  math: [],
  formats: ["math"],
  accounting: ["formats", "math"],
  planner: ["accounting", "formats", "math"],
  audit: ["planner", "accounting", "formats", "math"],
  report: ["audit", "planner", "accounting", "formats", "math"],
  trainer: ["formats", "math"],
  engines: ["trainer", "formats", "math"],
  runs: ["engines", "trainer", "report", "audit", "planner", "accounting", "formats", "math"],
  cli: ["runs", "engines", "trainer", "report", "audit", "planner", "accounting", "formats", "math"],
  page: ["report", "audit", "planner", "accounting", "formats", "math"],
  doors: ["runs", "engines", "trainer", "report", "audit", "planner", "accounting", "formats", "math"],
};

test("every floor imports floors below it alone", () => {
  const floorOf = (file: string): string => relative("src", file).split("/")[0]!;
  const upward = [...imports].flatMap(([file, found]) =>
    found
      .filter((each) => floorOf(each) !== floorOf(file) && !BELOW[floorOf(file)]!.includes(floorOf(each)))
      .map((each) => `${file} -> ${each}`),
  );
  expect(upward).toEqual([]);
  expect([...new Set(files.map(floorOf))].sort()).toEqual(Object.keys(BELOW).sort());
});
