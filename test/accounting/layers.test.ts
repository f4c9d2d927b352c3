// Every layer that a user can ask by itself: the program in docs/math.md, whose intervals must meet.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as full from "../../src/accounting/index.js";
import { blocksOf } from "../support/markdown.js";

test("the layers that docs/math.md asks prove intervals that meet, and Rényi's bound lies above", () => {
  const { text } = blocksOf(readFileSync("docs/math.md", "utf8")).find(({ language }) => language === "ts")!;
  const [, names] = /import \{([^}]*)\} from "dpsgd\/accounting\/full"/.exec(text)!;
  const printed: [string, number, number][] = [];
  const body = text.replace(/import [^;]*;/, "");
  new Function("full", "console", `const {${names}} = full;${body}`)(full, {
    log: (...row: [string, number, number]) => printed.push(row),
  });
  const [rdp, ...exact] = printed.toReversed();
  expect(exact.length).toBe(3);
  const highest = Math.max(...exact.map(([, lower]) => lower));
  const lowest = Math.min(...exact.map(([, , upper]) => upper));
  expect(highest).toBeLessThanOrEqual(lowest);
  expect(lowest - highest).toBeLessThan(1e-9 * lowest);
  expect(rdp![2]).toBeGreaterThan(lowest);
});
