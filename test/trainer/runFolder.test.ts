// Run folders and ledger files: made once, written in order, never half-written under a final name.
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { audit } from "../../src/audit/audit.js";
import { hashLine } from "../../src/formats/ledger.js";
import { readLedger } from "../../src/formats/ledgerReader.js";
import { hashLineNode, LedgerWriter } from "../../src/runs/ledgerFile.js";
import { createRunFolder, RUN_FILES, RunFolderError, readRunFolder } from "../../src/runs/runFolder.js";
import { ARITHMETIC, samplePlan, zcdp } from "../support/runs.js";

const scratch = mkdtempSync(join(tmpdir(), "dpsgd-run-"));
afterAll(() => rmSync(scratch, { recursive: true }));
let count = 0;
const fresh = () => join(scratch, `run-${count++}`);

const plan = samplePlan(3);
const run = {
  runId: "0".repeat(32),
  software: "dpsgd 0.1.0",
  startedAt: "2026-01-31T12:00:00.000Z",
  plan,
  dataset: { name: "sample", fingerprint: "ab".repeat(32) },
  privateMetrics: false,
  arithmetic: ARITHMETIC,
};

test("a run written through the folder audits, and the folder holds what it should", () => {
  const path = join(fresh(), "deeper");
  const folder = createRunFolder(path, plan);
  const ledger = folder.openLedger(run);
  for (let i = 1; i <= 3; i++) expect(ledger.step(plan)).toBe(i);
  ledger.end();
  folder.writeWhole("weights", Uint8Array.of(1, 2, 3));
  const stored = readRunFolder(path);
  expect(stored.plan).toEqual(plan);
  expect(audit(stored.plan, stored.ledgerText, { accountants: [zcdp] })).toMatchObject({
    verdict: "holds",
    finished: true,
    findings: [],
  });
  expect(readdirSync(path).sort()).toEqual([
    "dataset.salt",
    "ledger.jsonl",
    "plan.json",
    "run.id",
    RUN_FILES.weights,
  ]);
  expect(readFileSync(join(path, RUN_FILES.salt), "utf8").trim()).toBe(
    Buffer.from(folder.salt).toString("hex"),
  );
  if (process.platform !== "win32") expect(statSync(join(path, RUN_FILES.salt)).mode & 0o077).toBe(0);
});

test("each step's line is in the file when step returns, and holds nothing but the step", () => {
  const ledger = new LedgerWriter(fresh(), run);
  for (let i = 1; i <= 3; i++) {
    ledger.step({ ...plan, batchSize: 97 } as never);
    const lines = readFileSync(ledger.path, "utf8").trimEnd().split("\n");
    expect(lines.length).toBe(i + 1);
    expect(Object.keys(JSON.parse(lines[i]!))).toEqual([
      "kind",
      "step",
      "samplingRate",
      "noiseMultiplier",
      "previous",
    ]);
  }
  ledger.close();
});

test("after close nothing is written, and an illegal step is refused without a trace", () => {
  const closed = new LedgerWriter(fresh(), run);
  closed.close();
  closed.close();
  expect(() => closed.step(plan)).toThrow("is closed");
  const bad = new LedgerWriter(fresh(), run);
  expect(() => bad.step({ samplingRate: 0.1, noiseMultiplier: Number.NaN })).toThrow("noiseMultiplier");
  expect(readLedger(readFileSync(bad.path, "utf8"))).toMatchObject({ stepsDone: 0, problems: [] });
  expect(bad.step(plan)).toBe(1);
});

test("on a full disk the step is refused, and what is left audits with every applied step", () => {
  if (process.platform === "win32") return;
  const path = fresh();
  const applied = fresh();
  const script = new URL("../support/appendSteps.mjs", import.meta.url).pathname;
  // No file may grow beyond 4 kB: a write stops in the middle of a line, as on a full disk.
  const child = spawnSync(
    "bash",
    [
      "-c",
      `trap '' XFSZ; ulimit -f 4; exec "$@"`,
      "bash",
      process.execPath,
      script,
      path,
      applied,
      JSON.stringify(samplePlan(1000, 900)),
    ],
    { encoding: "utf8" },
  );
  expect(child.status).toBe(1);
  expect(child.stderr).toContain("cannot be written (EFBIG");
  const stored = readRunFolder(path);
  const report = audit(stored.plan, stored.ledgerText, { accountants: [zcdp] });
  expect(report).toMatchObject({ verdict: "holds", finished: false });
  expect(report.findings.map((finding) => finding.code)).toContain("torn-last-line");
  const steps = readFileSync(applied, "utf8").match(/\n/g)!.length;
  expect(steps).toBeGreaterThan(5);
  expect(report.stepsDone).toBe(steps + 1);
});

test("a ledger is never opened twice, and an illegal run line creates no file", () => {
  const path = fresh();
  new LedgerWriter(path, run).close();
  expect(() => new LedgerWriter(path, run)).toThrow("EEXIST");
  const other = fresh();
  expect(() => new LedgerWriter(other, { ...run, startedAt: "now" })).toThrow("startedAt");
  expect(existsSync(other)).toBe(false);
});

test("a folder that holds a run, is a file or cannot be made is refused in one line", () => {
  const path = fresh();
  createRunFolder(path, plan);
  const file = fresh();
  writeFileSync(file, "");
  const cases: [string, string][] = [
    [path, "already holds a run (plan.json)"],
    [file, "out must be a folder, got the file"],
    [join(file, "below"), "cannot be used"],
    ["/proc/nowhere", "cannot be written"],
  ];
  for (const [where, message] of cases) {
    expect(() => createRunFolder(where, plan), where).toThrow(RunFolderError);
    expect(() => createRunFolder(where, plan), where).toThrow(message);
  }
  const empty = fresh();
  mkdirSync(empty);
  expect(createRunFolder(empty, plan).path).toBe(empty);
});

test("a whole file appears under its name only when it is complete", () => {
  const path = fresh();
  const folder = createRunFolder(path, plan);
  // The name is taken by a folder: the rename fails, and nothing partial stays.
  mkdirSync(folder.file("weights"));
  expect(() => folder.writeWhole("weights", "x")).toThrow(RunFolderError);
  expect(readdirSync(path).filter((name) => name.includes("partial"))).toEqual([]);
});

test("reading names what is missing or damaged", () => {
  const path = fresh();
  expect(() => readRunFolder(path)).toThrow(`run folder ${path} does not exist`);
  createRunFolder(path, plan);
  expect(() => readRunFolder(path)).toThrow(`${join(path, "ledger.jsonl")} is missing`);
  writeFileSync(join(path, "ledger.jsonl"), "");
  writeFileSync(join(path, "plan.json"), "{");
  expect(audit(readRunFolder(path).plan, "", { accountants: [zcdp] })).toMatchObject({
    verdict: "unreadable",
    claimed: null,
  });
  rmSync(join(path, "plan.json"));
  expect(() => readRunFolder(path)).toThrow("plan.json is missing");
  expect(() => readRunFolder(join(path, "dataset.salt"))).toThrow("must be a folder");
});

test("OpenSSL's hash and the portable one agree", () => {
  for (const line of ["", "σ", "x".repeat(200)]) expect(hashLineNode(line)).toBe(hashLine(line));
});

test("the shell commands of docs/ledger.md check a ledger, and notice an edited one", (context) => {
  if (spawnSync("bash", ["-c", "command -v jq sha256sum"]).status !== 0)
    context.skip("needs bash, jq and sha256sum");
  const path = fresh();
  const ledger = createRunFolder(path, plan).openLedger(run);
  for (let i = 0; i < 3; i++) ledger.step(plan);
  ledger.end();
  const commands = [...readFileSync("docs/ledger.md", "utf8").matchAll(/```sh\n([\s\S]*?)```/g)].map(
    (match) => match[1]!,
  );
  const shell = (script: string) =>
    spawnSync("bash", ["-c", script.replaceAll("RUN/", `${path}/`)], { encoding: "utf8" }).stdout;
  const last = readFileSync(ledger.path, "utf8").trimEnd().split("\n").at(-1)!;
  expect(shell(commands[0]!)).toBe(`chain holds, last line ${hashLine(last)}\n`);
  expect(shell(commands[1]!)).toMatch(/^ *3 0.1\t4.25\nsame plan\n$/);
  writeFileSync(ledger.path, readFileSync(ledger.path, "utf8").replace('"step":2', '"step":9'));
  expect(shell(commands[0]!)).toContain("broken");
});
