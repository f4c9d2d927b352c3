// What is printed: one JSON object for yes and for no, pages that fit the terminal, nothing that drives it.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { helpPage, type VerbHelp } from "../../src/cli/help.js";
import { harmless, shownInterval, wrapped } from "../../src/cli/print.js";
import { createRunFolder } from "../../src/runs/runFolder.js";
import { dpsgdHere } from "../support/commandLine.js";
import { samplePlan } from "../support/runs.js";

const folder = mkdtempSync(join(tmpdir(), "dpsgd-answers-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each([
  [
    "no such plan",
    [
      "plan",
      "--examples",
      "60000",
      "--batch-size",
      "2048",
      "--epsilon",
      "3",
      "--delta",
      "1e-5",
      "--noise-multiplier",
      "0.01",
    ],
    { answer: "no", nearest: { steps: 1 } },
  ],
  [
    "more noise than there is",
    [
      "plan",
      "--examples",
      "60000",
      "--batch-size",
      "2048",
      "--epsilon",
      "1e-9",
      "--delta",
      "1e-30",
      "--steps",
      "1e9",
    ],
    { answer: "no", nearest: { epsilon: expect.any(Number) } },
  ],
])(
  "%s: --json prints one object, the reason stands on standard error too, exit 1",
  async (_, args, expected) => {
    const { status, stdout, stderr } = await dpsgdHere(...args, "--json");
    const object = JSON.parse(stdout);
    expect(object).toMatchObject(expected);
    expect(stderr).toBe(`dpsgd ${args[0]}: ${object.reason}\n`);
    expect(status).toBe(1);
    expect((await dpsgdHere(...args)).stdout).toBe("");
  },
);

test("a fraction of a step is rounded down by plan, up by account, and refused as a plain number", async () => {
  const run = [
    "--examples",
    "60000",
    "--batch-size",
    "2048",
    "--steps",
    "10*N/B",
    "--delta",
    "1e-5",
    "--json",
  ];
  expect(JSON.parse((await dpsgdHere("plan", ...run, "--epsilon", "3")).stdout).steps).toBe(292);
  const spent = async (steps: string) =>
    JSON.parse(
      (
        await dpsgdHere(
          "account",
          ...run.map((each) => (each === "10*N/B" ? steps : each)),
          "--noise-multiplier",
          "2",
        )
      ).stdout,
    ).epsilon;
  expect(await spent("10*N/B")).toBe(await spent("293"));
  expect(await spent("292")).toBeLessThan(await spent("293"));
});

describe("audit", () => {
  test("of a plan.json that is no JSON says unreadable, as an answer", async () => {
    const path = join(folder, "run");
    createRunFolder(path, samplePlan(3));
    writeFileSync(join(path, "plan.json"), "{ \u001b[31m");
    writeFileSync(join(path, "ledger.jsonl"), `${"x\u001b[2J\u009b31m".repeat(30)}\n`.repeat(40));
    const { status, stdout } = await dpsgdHere("audit", path, "--json");
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ verdict: "unreadable", claimed: null });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none but line feeds may reach the terminal.
    const drives = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/;
    expect(stdout).not.toMatch(drives);
    const shown = (await dpsgdHere("audit", path)).stdout;
    expect(shown).not.toMatch(drives);
    expect(shown).toContain("the claim is UNREADABLE");
    // Ten findings and a hint, not a screen for every broken line.
    expect(shown).toMatch(/and \d+ findings more: --json lists them\n$/);
    expect(shown.split("\n").filter((line) => line.startsWith("error:")).length).toBeLessThanOrEqual(10);
  });
});

describe("pages", () => {
  const verbs = ["plan", "account", "train", "search", "audit", "models", "demo", "page"];
  test("help goes to standard output in at most 100 columns, help VERB is VERB --help", async () => {
    for (const verb of verbs) {
      const { stdout } = await dpsgdHere(verb, "--help");
      const body = stdout.slice(0, stdout.search(/^Examples?:/m));
      for (const line of body.split("\n")) expect(line.length, line).toBeLessThanOrEqual(100);
      expect((await dpsgdHere("help", verb)).stdout).toBe(stdout);
    }
  });

  test.each([40, 60, 80, 120])(
    "in %i columns no line but an example is longer, and no word is lost",
    async (width) => {
      const page: VerbHelp = (await import("../../src/cli/trainCommand.js")).TRAIN_HELP;
      const text = helpPage(page, width);
      for (const line of text.slice(0, text.search(/^Examples?:/m)).split("\n"))
        if (line.trim().includes(" ")) expect(line.length, line).toBeLessThanOrEqual(width);
      const words = (shown: string) => shown.split(/\s+/).join(" ");
      expect(words(text)).toBe(words(helpPage(page, 1000)));
    },
  );

  test("wrapped keeps a word that is too long whole", () => {
    expect(wrapped("aa bb cccccccccc d", 6, "  ")).toBe("  aa\n  bb\n  cccccccccc\n  d");
    expect(wrapped("aa bb", Number.POSITIVE_INFINITY)).toBe("aa bb");
  });

  test("an interval shows its lower end only where it differs in the digits shown", () => {
    expect(shownInterval({ lower: 2.999999, upper: 3 })).toBe("3");
    expect(shownInterval({ lower: 2.5, upper: 3.00000001 })).toBe("3.00001 (at least 2.5)");
    expect(shownInterval({ lower: 0, upper: 3 })).toBe("3");
    expect(shownInterval({ lower: 0, upper: 0 })).toBe("0");
    expect(shownInterval({ lower: 1, upper: Number.POSITIVE_INFINITY })).toBe("Infinity: no guarantee");
  });

  test("text of unknown origin cannot drive the terminal, and ends", () => {
    expect(harmless("a\u001b[31mb\nc\u009b\u202ed")).toBe("a\\u{1b}[31mb\\u{a}c\\u{9b}\\u{202e}d");
    expect(harmless("x".repeat(1000)).length).toBe(400);
  });
});
