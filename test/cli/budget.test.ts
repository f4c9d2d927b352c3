// The budget file under real processes: starting at once, killed while they hold the lock, killed while they train.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { accountant } from "../../src/accounting/accountants.js";
import { dpSgdEvent, type PrivacyEvent } from "../../src/formats/event.js";
import { eventToJson } from "../../src/formats/eventJson.js";
import { addToBudget, createBudget, readBudget } from "../../src/runs/budgetFile.js";
import { dpsgdHere } from "../support/commandLine.js";
import { writeSmallData } from "../support/smallData.js";

// Whole trainings, on machines that others use too.
vi.setConfig({ testTimeout: 240_000 });

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dpsgd-budget-"));
  file = join(folder, "budget.json");
});
const data = mkdtempSync(join(tmpdir(), "dpsgd-budget-data-"));
beforeAll(() => {
  writeSmallData(data, 300);
});
afterAll(() => rmSync(data, { recursive: true, force: true }));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const stepsOf = (steps: number): PrivacyEvent =>
  dpSgdEvent({ samplingRate: 0.01, noiseMultiplier: 1.1, steps });
const epsilonOf = (steps: number) => accountant("pld").account(stepsOf(steps)).epsilonAt(1e-5);
const make = (epsilon: number) =>
  createBudget(file, { epsilon, delta: 1e-5, neighboring: "add-or-remove-one" });
const reserving = (name: string, count: number) =>
  spawn(
    process.execPath,
    [
      new URL("../support/reserveRuns.mjs", import.meta.url).pathname,
      file,
      name,
      String(count),
      JSON.stringify(stepsOf(10)),
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
const accepted = async (child: ReturnType<typeof reserving>): Promise<number> => {
  let text = "";
  child.stdout.on("data", (chunk) => (text += chunk));
  const [code] = await once(child, "close");
  expect(code).toBe(0);
  return Number(text);
};

test("processes that reserve at once get together exactly what there is, and none overwrites another", async () => {
  await make(epsilonOf(130));
  const children = ["a", "b", "c", "d"].map((name) => reserving(name, 5));
  const sums = await Promise.all(children.map(accepted));
  expect(sums.reduce((a, b) => a + b, 0)).toBe(13);
  const { runs } = readBudget(file);
  expect(runs).toHaveLength(13);
  expect(new Set(runs.map((run) => run.folder)).size).toBe(13);
  expect(readdirSync(folder)).toEqual(["budget.json"]);
});

test("a process killed while it holds the lock stops nobody, and the file is whole", async () => {
  await make(epsilonOf(100));
  const holder = reserving("holder", 0);
  await once(holder.stdout, "data");
  expect(existsSync(`${file}.lock`)).toBe(true);
  const waiting = [reserving("a", 3), reserving("b", 3), reserving("c", 3)].map(accepted);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(readBudget(file).runs).toHaveLength(0);
  holder.kill("SIGKILL");
  await once(holder, "close");
  expect(await Promise.all(waiting)).toEqual([3, 3, 3]);
  expect(readBudget(file).runs).toHaveLength(9);
  expect(readdirSync(folder).filter((name) => name.endsWith(".lock"))).toEqual([]);
});

test("a lock of another machine is never broken", async () => {
  await make(1);
  const lock = `${file}.lock`;
  const dead = spawn(process.execPath, ["-e", ""]);
  await once(dead, "close");
  writeFileSync(lock, JSON.stringify({ pid: dead.pid, host: `not-${hostname()}` }));
  let done = false;
  const change = addToBudget(file, () => []).then(() => {
    done = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(done).toBe(false);
  rmSync(lock);
  await change;
  writeFileSync(lock, JSON.stringify({ pid: dead.pid, host: hostname() }));
  await addToBudget(file, () => []);
  expect(existsSync(lock)).toBe(false);
});

test("what a change throws leaves the file as it was and the lock free", async () => {
  await make(1);
  const before = readFileSync(file, "utf8");
  const failing = addToBudget(file, () => {
    throw new RangeError("no");
  });
  await expect(failing).rejects.toThrow("no");
  expect(readFileSync(file, "utf8")).toBe(before);
  expect(readdirSync(folder)).toEqual(["budget.json"]);
});

test("train: reserves, settles, refuses with exit 1 what would exceed; a killed run stays charged for its plan", async () => {
  const planFile = join(folder, "plan.json");
  // Far more steps than it will live to take, however late it is killed.
  const numbers = "--examples 300 --batch-size 30 --steps 100000 --epsilon 1 --delta 1e-5".split(" ");
  expect((await dpsgdHere("plan", ...numbers, "--out", planFile)).status).toBe(0);
  const args = (out: string) =>
    ["train", planFile, "--data", data, "--model", "linear", "--backend", "cpu", "--workers", "1"].concat([
      ...["--out", join(folder, out), "--budget", file],
    ]);
  const without = await dpsgdHere(...args("first"));
  expect(without.status).toBe(2);
  expect(without.stderr).toContain("--budget must be a budget file");
  const limits = ["--epsilon", "1.05", "--delta", "1e-5"];
  expect((await dpsgdHere("audit", "--budget", file, ...limits)).status).toBe(0);

  const child = spawn(process.execPath, ["dist/cli/main.js", ...args("first")], { stdio: "ignore" });
  const exited = once(child, "exit");
  const ledger = join(folder, "first", "ledger.jsonl");
  const steps = () => (existsSync(ledger) ? (readFileSync(ledger, "utf8").match(/"step"/g)?.length ?? 0) : 0);
  while (steps() < 60 && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 10));
  // Reserved whole while it runs.
  expect(readBudget(file).runs).toMatchObject([{ state: "reserved", charged: { count: 100_000 } }]);
  child.kill("SIGKILL");
  expect((await exited)[1]).toBe("SIGKILL");

  const charged = await dpsgdHere("audit", join(folder, "first"), "--budget", file, "--json");
  expect(charged.status).toBe(0);
  const { budget, stepsDone } = JSON.parse(charged.stdout);
  expect(stepsDone).toBeLessThan(100_000);
  expect(budget).toMatchObject({
    holds: true,
    runs: [{ state: "stopped", charged: { event: { count: 100_000 } } }],
  });
  const refused = await dpsgdHere(...args("second"), "--json");
  expect(refused.status).toBe(1);
  expect(JSON.parse(refused.stdout)).toMatchObject({ answer: "no", epsilonBudget: 1.05 });
  expect(refused.stderr).toMatch(/^dpsgd train: the budget has no room for this run: epsilon 1\.\d+ with it/);
  expect(existsSync(join(folder, "second"))).toBe(false);
});

test("train: a run that could not begin is not charged, one that finished is settled", async () => {
  const planFile = join(folder, "plan.json");
  const numbers = "--examples 300 --batch-size 30 --steps 200 --epsilon 1 --delta 1e-5".split(" ");
  await dpsgdHere("plan", ...numbers, "--out", planFile);
  await dpsgdHere("audit", "--budget", file, "--epsilon", "1", "--delta", "1e-5");
  const train = (out: string, ...more: string[]) =>
    dpsgdHere(
      ...["train", planFile, "--data", data, "--model", "linear", "--workers", "1", "--out", out],
      ...["--budget", file, ...more],
    );
  expect((await train(planFile, "--backend", "cpu")).status).toBe(2);
  expect(readBudget(file).runs).toEqual([]);
  const out = join(folder, "run");
  expect((await train(out, "--backend", "cpu")).status).toBe(0);
  expect(readBudget(file).runs).toMatchObject([{ folder: out, state: "settled" }]);
  const shown = await dpsgdHere("audit", "--budget", file);
  expect(shown.stdout).toMatch(
    /^the budget holds\n {2}allowed {2}epsilon 1 at delta 1e-5.*\n {2}spent {4}epsilon (1|0\.999\d*),/,
  );
  const over = await dpsgdHere("audit", "--budget", file, "--epsilon", "2");
  expect(over.stderr).toBe("dpsgd audit: --epsilon must be that of the budget, 1, got 2\n");
});

test("an older run is charged for the sums that its audit was told of", async () => {
  const run = new URL("../../docs/results/cifar10-wrn-16-4", import.meta.url).pathname;
  await make(9);
  const charged = async (...more: string[]) => {
    const { stdout } = await dpsgdHere("audit", run, "--budget", file, "--no-certify", "--json", ...more);
    const { recomputed, budget } = JSON.parse(stdout);
    expect(budget.epsilonSpent).toBe(recomputed[0].epsilon);
    return budget.epsilonSpent;
  };
  expect(await charged("--backend", "webgpu")).toBeCloseTo(8, 6);
  expect(await charged()).toBeGreaterThan(10);
  expect(await charged("--micro-batch", "4096")).toBeGreaterThan(20);
  expect(await charged("--backend", "tfjs-node")).toBeNull();
});

test("a folder that is emptied and used again is another run: its budget is used up all the same", async () => {
  const planFile = join(folder, "plan.json");
  const numbers = "--examples 300 --batch-size 30 --steps 8 --epsilon 1 --delta 1e-5".split(" ");
  await dpsgdHere("plan", ...numbers, "--out", planFile);
  await make(1.2);
  const out = join(folder, "out");
  const train = () =>
    dpsgdHere(
      ...["train", planFile, "--data", data, "--model", "linear", "--backend", "cpu", "--workers", "1"],
      ...["--out", out, "--budget", file],
    );
  expect((await train()).status).toBe(0);
  rmSync(out, { recursive: true });
  const again = await train();
  expect(again.status).toBe(1);
  expect(again.stderr).toMatch(/the budget has no room for this run: epsilon 1\.\d+ with it, 1\.2 allowed/);
  const [run] = JSON.parse((await dpsgdHere("audit", "--budget", file, "--json")).stdout).runs;
  expect(run).toMatchObject({ folder: out, state: "settled", steps: 8 });
  expect(run.runId).toMatch(/^[0-9a-f]{32}$/);
});

test("an older copy of a run folder is found by its budget, and not continued", async () => {
  const planFile = join(folder, "plan.json");
  const numbers = "--examples 300 --batch-size 30 --steps 100000 --epsilon 1 --delta 1e-5".split(" ");
  await dpsgdHere("plan", ...numbers, "--out", planFile);
  await make(1.05);
  const out = join(folder, "out");
  const stopAfter = async (steps: number, ...args: string[]) => {
    const child = spawn(process.execPath, ["dist/cli/main.js", "train", ...args, "--budget", file], {
      stdio: "ignore",
    });
    const exited = once(child, "exit");
    const done = () =>
      existsSync(join(out, "ledger.jsonl"))
        ? (readFileSync(join(out, "ledger.jsonl"), "utf8").match(/"step":/g)?.length ?? 0)
        : 0;
    while (done() < steps && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill("SIGINT");
    await exited;
  };
  await stopAfter(20, ...[planFile, "--data", data, "--model", "linear", "--backend", "cpu", "--out", out]);
  const copy = join(folder, "copy");
  cpSync(out, copy, { recursive: true });
  const taken = readBudget(file).runs[0]!.head!.steps;
  await stopAfter(taken + 20, "--resume", out);
  expect(readBudget(file).runs).toMatchObject([{ state: "stopped" }]);
  expect(readBudget(file).runs[0]!.head!.steps).toBeGreaterThan(taken);

  rmSync(out, { recursive: true });
  cpSync(copy, out, { recursive: true });
  const audited = await dpsgdHere("audit", out, "--budget", file, "--json");
  expect(audited.status).toBe(1);
  const report = JSON.parse(audited.stdout);
  expect(report.verdict).toBe("unreadable");
  expect(report.findings.map(({ code }: { code: string }) => code)).toContain("head-changed");
  const resumed = await dpsgdHere("train", "--resume", out, "--budget", file);
  expect(resumed.status).toBe(2);
  expect(resumed.stderr).toMatch(
    /must hold the ledger that the budget recorded after \d+ steps: an older copy/,
  );
  // Recorded steps never decrease.
  expect(readBudget(file).runs[0]!.head!.steps).toBeGreaterThan(taken);
});

test("a budget of version 1 is read, and becomes one of version 2 with the next change", async () => {
  const older = {
    kind: "dpsgd-budget",
    version: 1,
    ...{ epsilon: 1, delta: 1e-5, neighboring: "add-or-remove-one" },
    runs: [
      {
        folder: "/gone",
        state: "settled",
        since: "2026-01-31T12:00:00.000Z",
        charged: eventToJson(stepsOf(10)),
      },
    ],
  };
  writeFileSync(file, JSON.stringify(older, null, 2));
  expect(readBudget(file).runs).toMatchObject([{ folder: "/gone", state: "settled", charged: stepsOf(10) }]);
  await accepted(reserving("a", 1));
  expect(readFileSync(file, "utf8")).toMatch(/^\{"kind":"budget","version":2,/);
  expect(readBudget(file).runs.map((run) => run.folder)).toEqual(["/gone", "/runs/a-0"]);
});
