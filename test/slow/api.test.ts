// The public API: what every entry exports is documented, mentions nothing that is not exported, and is as docs/api says.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { API_FOLDER, complaints, entries } from "../support/apiReport.mjs";

const folder = mkdtempSync(join(tmpdir(), "dpsgd-api-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the public API is documented, whole, and as docs/api has it", () => {
  expect(complaints(folder)).toEqual([]);
  // A change of the public API is made on purpose: node test/support/apiReport.mjs writes the reports anew.
  for (const [name] of entries()) {
    const file = `${name}.api.md`;
    expect(readFileSync(join(folder, file), "utf8")).toBe(readFileSync(join(API_FOLDER, file), "utf8"));
  }
});

test("some eighty values are public, all entries together", async () => {
  const { exports } = JSON.parse(readFileSync("package.json", "utf8"));
  const names = new Set<string>();
  for (const entry of Object.values<any>(exports)) {
    const file = (entry.node ?? entry).default;
    if (file) for (const name of Object.keys(await import(join(process.cwd(), file)))) names.add(name);
  }
  expect(names.size).toBeGreaterThan(60);
  expect(names.size).toBeLessThanOrEqual(85);
});
