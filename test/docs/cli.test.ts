// docs/cli.md: every option that --help prints and no other, with its range and default; its examples print what is shown.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { ACCOUNT_HELP } from "../../src/cli/accountCommand.js";
import { AUDIT_HELP } from "../../src/cli/auditCommand.js";
import { DEMO_HELP } from "../../src/cli/demoCommand.js";
import { MODELS_HELP } from "../../src/cli/modelsCommand.js";
import { COMMON_OPTIONS } from "../../src/cli/options.js";
import { PAGE_HELP } from "../../src/cli/pageCommand.js";
import { PLAN_HELP } from "../../src/cli/planCommand.js";
import { SEARCH_HELP } from "../../src/cli/searchCommand.js";
import { TRAIN_HELP } from "../../src/cli/trainCommand.js";
import { dpsgdHere } from "../support/commandLine.js";
import { blocksOf, expectPrinted } from "../support/markdown.js";

const text = readFileSync("docs/cli.md", "utf8");
const folder = mkdtempSync(join(tmpdir(), "dpsgd-docs-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function sectionOf(verb: string): string {
  const start = text.search(new RegExp(`^## dpsgd ${verb}`, "m"));
  const end = text.indexOf("\n## ", start);
  return text.slice(start, end < 0 ? undefined : end);
}

test.each([
  ["plan", PLAN_HELP],
  ["account", ACCOUNT_HELP],
  ["train", TRAIN_HELP],
  ["search", SEARCH_HELP],
  ["audit", AUDIT_HELP],
  ["models", MODELS_HELP],
  ["demo", DEMO_HELP],
  ["page", PAGE_HELP],
] as const)(
  "the table of %s has the options that --help prints, with range and default",
  async (verb, help) => {
    const rows = [...sectionOf(verb).matchAll(/^\| `--.*$/gm)].map(([row]) =>
      row.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|")),
    );
    const expected = [...help.options, ...COMMON_OPTIONS].map(
      ({ name, value, range, otherwise, help: what }) => [
        "",
        `\`--${name}${value ? ` ${value}` : ""}\``,
        what,
        range?.allowed ?? "",
        otherwise ?? "",
        "",
      ],
    );
    expect(rows).toEqual(expected);
    // The page itself, as a user sees it, has no option besides.
    const { stdout } = await dpsgdHere(verb, "--help");
    const printed = [...stdout.matchAll(/^ {2}--([\w-]+)/gm)].map(([, name]) => name);
    expect(printed).toEqual([...help.options, ...COMMON_OPTIONS].map(({ name }) => name));
  },
);

test("every example prints what the page shows", { timeout: 120_000 }, () => {
  const blocks = blocksOf(text);
  const examples = blocks.flatMap((block, i) =>
    block.language === "sh" ? [[block, blocks[i + 1]!] as const] : [],
  );
  expect(examples.length).toBeGreaterThanOrEqual(6);
  const program = `dpsgd() { "${process.execPath}" "${resolve("dist/cli/main.js")}" "$@"; }`;
  for (const [commands, shown] of examples) {
    expect(shown.language, commands.text).toBe("");
    const { stdout, stderr } = spawnSync("bash", ["-c", `${program}\n${commands.text}`], {
      cwd: folder,
      encoding: "utf8",
    });
    // Progress is not shown on the page; what refuses is.
    const refusals = stderr.split("\n").filter((line) => line.startsWith("dpsgd "));
    expectPrinted(`${stdout}${refusals.map((line) => `${line}\n`).join("")}`, shown.text);
  }
});
