// Code blocks of a document, and whether a program prints what a document shows.
import { spawnSync } from "node:child_process";
import { transform } from "esbuild";
import { expect } from "vitest";

export interface CodeBlock {
  /** "" where none is given. */
  readonly language: string;
  /** With its final line feed. */
  readonly text: string;
}

export function blocksOf(document: string): CodeBlock[] {
  return [...document.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language, text]) => ({
    language: language!,
    text: text!,
  }));
}

const NUMBER = /(?<![\w.])\d+(?:\.\d+)?(?:e[+-]?\d+)?/g;
/** Lines whose numbers differ from run to run. */
const VARIES = /accuracy|time {2}|seconds|steps .* in |examples\/s/;

/**
 * The same lines, but for the numbers in lines of accuracy and time; other numbers agree to eight digits (accountants may
 * gain a digit, and engines differ in the last ones). A … stands for anything within a line.
 */
export function expectPrinted(printed: string, shown: string): void {
  const [actual, expected] = [printed, shown].map((text) => text.trimEnd().split("\n"));
  const words = (line: string) => line.replaceAll(NUMBER, "#").split("…")[0]!;
  expect(actual!.map((line, i) => words(line).slice(0, words(expected![i] ?? line).length))).toEqual(
    expected!.map(words),
  );
  expected!.forEach((line, i) => {
    if (VARIES.test(line)) return;
    const found = actual![i]!.match(NUMBER) ?? [];
    (line.split("…")[0]!.match(NUMBER) ?? []).forEach((number, k) => {
      const [a, b] = [Number(found[k]), Number(number)];
      expect(Math.abs(a - b), `${actual![i]} instead of ${line}`).toBeLessThanOrEqual(1e-8 * Math.abs(b));
    });
  });
}

/** Runs a document's only program; each line that it prints must be the comment behind its console.log. */
export async function expectProgramPrints(document: string, lines: number): Promise<void> {
  const programs = blocksOf(document).filter(({ language }) => language === "ts");
  expect(programs).toHaveLength(1);
  const { text } = programs[0]!;
  const { code } = await transform(text, { loader: "ts" });
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", code], {
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  const said = [...text.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, line]) => line);
  expect(said).toHaveLength(lines);
  expect(stdout.trimEnd().split("\n")).toEqual(said);
}
