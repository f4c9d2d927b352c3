// dpsgd train --resume with real processes: killed, stopped by a full disk, in hand already, and what is refused.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { audit } from "../../src/audit/audit.js";
import { readBudget } from "../../src/runs/budgetFile.js";
import { readRunFolder } from "../../src/runs/runFolder.js";
import { dpsgdHere } from "../support/commandLine.js";
import { KillableRuns, stepsIn } from "../support/killedRuns.js";

// Each starts several processes one after the other: seconds on a free machine, much more on a busy one.
vi.setConfig({ testTimeout: 240_000 });
const runs = new KillableRuns(150);
afterAll(() => runs.remove());

test("kill -9 at a random moment: the resumed run ends with the planned epsilon and finite weights", async () => {
  const { out, stepsAtDeath, resumed } = await runs.killAndResume(Math.random() * 100);
  expect(resumed.stderr).toMatch(/^resumed after step \d+/m);
  expect(resumed.status, resumed.stderr).toBe(0);
  expect(runs.complaint(out)).toBe(undefined);
  // Steps of before the kill are still there, each once.
  expect(stepsAtDeath).toBeLessThanOrEqual(runs.steps);
});

test("with --redo-lost-steps every update is made, and the ledger has the lost steps besides", async () => {
  const { out, resumed } = await runs.killAndResume(20, [
    "--redo-lost-steps",
    "--checkpoint-every",
    "50",
    "--json",
  ]);
  expect(resumed.status, resumed.stderr).toBe(0);
  const { steps, lostSteps } = JSON.parse(resumed.stdout);
  expect(steps).toBe(runs.steps + lostSteps);
  expect(stepsIn(join(out, "ledger.jsonl"))).toBe(steps);
  const { plan, ledgerText } = readRunFolder(out);
  const report = audit(plan, ledgerText);
  expect(report.stepsDone).toBe(steps);
  expect(report.recomputed[0]!.epsilon!).toBeGreaterThanOrEqual(runs.plan.achieved.epsilon * (1 - 1e-12));
});

test("a run in hand is refused to a second process, and goes on undisturbed", async () => {
  const out = join(runs.folder, "in-hand");
  const data = ["--data", join(runs.folder, "data"), "--backend", "cpu", "--workers", "1"];
  const first = runs.start([
    "train",
    join(runs.folder, "plan.json"),
    ...data,
    "--model",
    "linear",
    "--out",
    out,
  ]);
  while (!existsSync(join(out, "run.lock")) && first.child.exitCode === null)
    await new Promise((done) => setTimeout(done, 5));
  const second = await dpsgdHere("train", "--resume", out);
  expect(second.status).toBe(2);
  expect(second.stderr).toMatch(
    /^dpsgd train: run folder .* is in use by process \d+ on .*; if there is no such run, remove .*run.lock\n$/,
  );
  expect((await first.ended).status).toBe(0);
  expect(runs.complaint(out)).toBe(undefined);
  const third = await dpsgdHere("train", "--resume", out);
  expect([third.status, third.stderr]).toEqual([2, `dpsgd train: run folder ${out} holds a finished run\n`]);
});

test("a budget that a run was reserved in is settled when it was stopped and resumed", async () => {
  const budget = join(runs.folder, "budget.json");
  expect((await dpsgdHere("audit", "--budget", budget, "--epsilon", "3.1", "--delta", "1e-5")).status).toBe(
    0,
  );
  const out = join(runs.folder, "budgeted");
  const data = ["--data", join(runs.folder, "data"), "--backend", "cpu", "--workers", "1"];
  const train = ["train", join(runs.folder, "plan.json"), ...data, "--model", "linear", "--budget", budget];
  const first = runs.start([...train, "--out", out]);
  while (!first.seen().includes("step ") && first.child.exitCode === null)
    await new Promise((done) => setTimeout(done, 5));
  first.child.kill("SIGTERM");
  expect((await first.ended).status).toBe(1);
  // The whole plan stays reserved: a second run has no room, the first one has.
  const second = await runs.start([...train, "--out", `${out}-2`]).ended;
  expect([second.status, second.stderr]).toEqual([1, expect.stringContaining("budget")]);
  const { status, stderr } = await runs.start(["train", "--resume", out, "--budget", budget]).ended;
  expect(status, stderr).toBe(0);
  expect(readBudget(budget).runs).toMatchObject([{ folder: out, state: "settled" }]);
  expect(runs.complaint(out)).toBe(undefined);
});

test.each([
  [["--resume", "/nowhere"], "run folder /nowhere does not exist"],
  [["--resume", ""], "--resume must be instead of PLAN and --out"],
  [
    ["plan.json", "--resume", "x"],
    "PLAN must not be given with --resume: the run has its own, got plan.json",
  ],
  [
    ["--resume", "x", "--learning-rate", "3"],
    "--learning-rate must not be given with --resume: the run goes on as it began",
  ],
  [["--resume", "x", "--out", "y"], "--out must not be given with --resume"],
  [["plan.json", "--redo-lost-steps"], "--redo-lost-steps must be given with --resume only"],
  [["plan.json", "--checkpoint-every", "0"], "--checkpoint-every must be a whole number >= 1, got 0"],
])("%j is refused in one line", async (args, message) => {
  const { status, stdout, stderr } = await dpsgdHere(
    "train",
    ...args,
    ...(args[0] === "plan.json" && !args.includes("--resume")
      ? ["--data", "mnist", "--model", "linear", "--out", "z"]
      : []),
  );
  expect([status, stdout]).toEqual([2, ""]);
  expect(stderr).toContain(message);
  expect(stderr.trimEnd()).not.toContain("\n");
});

/** A file system of its own with 400 kB, where this machine lets us mount one. */
const canMount =
  process.platform === "linux" &&
  spawnSync("unshare", ["-rm", "bash", "-c", "mount -t tmpfs -o size=64k none /mnt"]).status === 0;
test.runIf(canMount)(
  "on a disk that is full training stops before the step that has no line, and goes on when there is room",
  () => {
    const program = resolve("dist/cli/main.js");
    const saved = join(runs.folder, "from-full");
    mkdirSync(saved);
    const train = `train plan.json --data data --model linear --backend cpu --workers 1 --checkpoint-every 1000`;
    const script = `
    set -u; mount -t tmpfs -o size=40k none /mnt
    "$NODE" "$PROGRAM" ${train} --out /mnt/run; echo "status $?"
    df --output=avail /mnt | tail -1
    mount -o remount,size=400k /mnt
    "$NODE" "$PROGRAM" audit /mnt/run --json > /dev/null; echo "audit $?"
    "$NODE" "$PROGRAM" train --resume /mnt/run --json; echo "status $?"
    cp -r /mnt/run/. "$SAVED"`;
    const { stdout, stderr } = spawnSync("unshare", ["-rm", "bash", "-c", script], {
      encoding: "utf8",
      cwd: runs.folder,
      env: { ...process.env, NODE: process.execPath, PROGRAM: program, SAVED: saved },
    });
    expect(stderr).toMatch(
      /dpsgd train: ledger \/mnt\/run\/ledger.jsonl cannot be written \(ENOSPC[^\n]*: the step was not applied/,
    );
    expect(stdout).toMatch(/^status 3\n\s*\d\naudit 0\n.*status 0\n$/s);
    expect(runs.complaint(saved)).toBe(undefined);
    writeFileSync(join(saved, "seen"), readFileSync(join(saved, "ledger.jsonl")));
  },
);
