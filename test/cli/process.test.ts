// The built program as a process: on a terminal and off it, with readers that leave, full disks and Ctrl-C.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { decodeCheckpoint } from "../../src/runs/checkpoint.js";
import { writeSmallData } from "../support/smallData.js";

// Processes start slowly on a busy machine.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });
const folder = mkdtempSync(join(tmpdir(), "dpsgd-process-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const program = resolve("dist/cli/main.js");
const dpsgd = (...args: string[]) => spawnSync(process.execPath, [program, ...args], { encoding: "utf8" });
const shell = (script: string) =>
  spawnSync("bash", ["-c", script.replaceAll("dpsgd ", `"${process.execPath}" "${program}" `)], {
    encoding: "utf8",
    cwd: folder,
  });
const checkpointOf = (out: string): string =>
  join(out, "checkpoints", readdirSync(join(out, "checkpoints")).sort().at(-1)!);
const posix = process.platform !== "win32";
const ACCOUNT = "dpsgd account --sampling-rate 0.1 --noise-multiplier 3 --steps 9 --delta 1e-5";
const TRAIN = ["--data", join(folder, "small"), "--model", "linear", "--backend", "cpu", "--workers", "1"];

beforeAll(() => {
  writeSmallData(join(folder, "small"), 300);
  for (const [file, steps] of [
    ["short.json", "200"],
    ["long.json", "5000"],
  ] as const) {
    const run = ["--examples", "300", "--batch-size", "30", "--epsilon", "3", "--delta", "1e-5"];
    expect(dpsgd("plan", ...run, "--steps", steps, "--out", join(folder, file)).status).toBe(0);
  }
});

test("the version is the package's; without a verb the usage goes to standard error", () => {
  expect(dpsgd("--version").stdout).toBe(`${JSON.parse(readFileSync("package.json", "utf8")).version}\n`);
  const { status, stdout, stderr } = dpsgd();
  expect([status, stdout]).toEqual([2, ""]);
  expect(stderr).toContain("dpsgd VERB --help");
});

test.runIf(posix)("a reader that leaves early is no error", () => {
  const { stdout, stderr } = shell("set -o pipefail; dpsgd plan --help | true; echo $?");
  expect([stdout, stderr]).toEqual(["0\n", ""]);
});

test.runIf(process.platform === "linux")("an answer that cannot be written is a fault, in one line", () => {
  const { status, stderr } = shell(`${ACCOUNT} > /dev/full`);
  expect(status).toBe(3);
  expect(stderr).toMatch(/^dpsgd: standard output: ENOSPC[^\n]*\n$/);
});

test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
  "%s stops after the step in hand: exit 1, one object, a ledger that audits, a checkpoint to go on from",
  async (signal) => {
    const out = join(folder, `stopped by ${signal}`);
    const args = ["train", join(folder, "long.json"), ...TRAIN, "--out", out, "--json"];
    const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (text) => {
      stdout += text;
    });
    child.stderr.on("data", (text) => {
      if (!stderr.includes("step ") && String(text).includes("step ")) child.kill(signal);
      stderr += text;
    });
    const status = await new Promise((done) => child.on("close", done));
    expect(status).toBe(1);
    expect(stderr).toContain("stopping after the step in hand; Ctrl-C again stops at once\n");
    const [resume, stopped] = stderr.trimEnd().split("\n").slice(-2);
    expect(resume).toBe(`go on with: dpsgd train --resume '${out}'`);
    expect(stopped).toMatch(
      /^dpsgd train: training stopped after step \d+ of 5000; .* holds an unfinished run$/,
    );
    const { answer, stepsDone } = JSON.parse(stdout);
    expect(answer).toBe("no");
    expect(stepsDone).toBeGreaterThanOrEqual(1);
    const audited = dpsgd("audit", out, "--json");
    expect(audited.status).toBe(0);
    expect(JSON.parse(audited.stdout)).toMatchObject({ verdict: "holds", finished: false, stepsDone });
    expect(decodeCheckpoint(readFileSync(checkpointOf(out))).optimizer.updates).toBe(stepsDone);
    expect(existsSync(join(out, "run.lock"))).toBe(false);
  },
);

test.runIf(posix)(
  "a full disk during training is a fault, in one line, and the run does not look finished",
  () => {
    // No file may grow beyond 40 kB: a write stops in the middle of the ledger, as on a full disk.
    const run = "--examples 300 --batch-size 30 --epsilon 3 --delta 1e-5 --steps 1000 --out small.json";
    const train = "--data small --model linear --backend cpu --workers 1";
    const { status, stdout, stderr } = shell(
      `trap '' XFSZ; ulimit -f 40; dpsgd plan ${run} > plan.txt && dpsgd train small.json ${train} --out full --json`,
    );
    expect([status, stdout]).toEqual([3, ""]);
    expect(stderr.trimEnd().split("\n").at(-1)).toMatch(
      /^dpsgd train: ledger full\/ledger.jsonl cannot be written \(EFBIG[^\n]*: the step was not applied$/,
    );
    expect(stderr).not.toContain("    at ");
    // Not even the first checkpoint has room here: the run does not begin.
    const none = shell(`trap '' XFSZ; ulimit -f 4; dpsgd train small.json ${train} --out none`);
    expect(none.status).toBe(3);
    expect(none.stderr).toMatch(/^dpsgd train: checkpoint none\/[^\n]*cannot be written \(EFBIG[^\n]*\n$/m);
    expect(existsSync(join(folder, "none", "ledger.jsonl"))).toBe(false);
    expect(JSON.parse(dpsgd("audit", join(folder, "full"), "--json").stdout)).toMatchObject({
      finished: false,
    });
  },
);

const hasScript = posix && spawnSync("script", ["-qec", "true", "/dev/null"]).status === 0;
test.runIf(hasScript)(
  "on a terminal of 60 columns a bar shows, in one line that fits, without colours",
  () => {
    const command = `stty cols 60; NO_COLOR=1 dpsgd train short.json ${TRAIN.join(" ")} --out on-terminal`;
    const { stdout, status } = spawnSync(
      "script",
      ["-qec", command.replace("dpsgd ", `"${process.execPath}" "${program}" `), "/dev/null"],
      { encoding: "utf8", cwd: folder, env: { ...process.env, SHELL: "/bin/bash" } },
    );
    expect(status).toBe(0);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what a terminal is sent.
    expect(stdout).not.toMatch(/\u001b\[[\d;]*m/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what a terminal is sent.
    const lines = stdout.replaceAll(/\u001b(\[[?\d;]*[a-zA-Z]|[78])/g, "\n").split(/[\r\n]+/);
    const bars = lines.filter((line) => /^[=-]+ \d+\/200/.test(line));
    expect(bars.at(-1)).toMatch(
      /^=+ 200\/200 {2}(\d+ views\/s {2})?0 s left {2}epsilon [\d.]+ \(pld\) {2}last test [\d.]+ %$/,
    );
    for (const line of bars) expect(line.length).toBeLessThanOrEqual(60);
    expect(lines).toContain("trained");
  },
);
