// Real training processes that are killed (SIGKILL) and resumed until they end, and what must hold of the runs they leave.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { accountant } from "../../src/accounting/accountants.js";
import { audit } from "../../src/audit/audit.js";
import type { Plan } from "../../src/formats/plan.js";
import { planToText } from "../../src/formats/planReader.js";
import { plan as makePlan } from "../../src/planner/solve.js";
import { hashLineNode } from "../../src/runs/ledgerFile.js";
import { readRunFolder } from "../../src/runs/runFolder.js";
import { decodeSafetensors } from "../../src/trainer/safetensors.js";
import { writeSmallData } from "./smallData.js";

const program = resolve("dist/cli/main.js");

/** A small data set and a plan for it, in a folder of their own. */
export class KillableRuns {
  readonly folder = mkdtempSync(join(tmpdir(), "dpsgd-killed-"));
  readonly plan: Plan;
  #count = 0;

  constructor(readonly steps: number) {
    writeSmallData(join(this.folder, "data"), 300);
    this.plan = makePlan({ examples: 300, batchSize: 60, steps, epsilon: 3, delta: 1e-5 });
    writeFileSync(join(this.folder, "plan.json"), planToText(this.plan));
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /**
   * Trains, is killed when it has taken `steps` steps or soon after, and is resumed to the end. Tried anew where the process
   * was faster than the kill.
   */
  async killAndResume(steps: number, more: readonly string[] = []) {
    for (;;) {
      const run = await this.#killOnce(steps, more);
      if (run.first.signal === "SIGKILL" && !this.#finishedBeforeTheKill(run.out, run.resumed)) return run;
    }
  }

  async #killOnce(steps: number, more: readonly string[]) {
    const out = join(this.folder, `run-${this.#count++}`);
    const data = ["--data", join(this.folder, "data"), "--backend", "cpu", "--workers", "1"];
    const begun = this.start([
      "train",
      join(this.folder, "plan.json"),
      ...data,
      "--model",
      "linear",
      "--out",
      out,
    ]);
    const ledger = join(out, "ledger.jsonl");
    while (!(existsSync(ledger) && stepsIn(ledger) >= steps) && begun.child.exitCode === null)
      await new Promise((done) => setTimeout(done, 1));
    begun.child.kill("SIGKILL");
    const first = await begun.ended;
    const stepsAtDeath = stepsIn(ledger);
    const resumed = await this.start(["train", "--resume", out, ...data, ...more]).ended;
    return { out, first, stepsAtDeath, resumed };
  }

  start(args: readonly string[]) {
    const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (text) => {
      stdout += text;
    });
    child.stderr.on("data", (text) => {
      stderr += text;
    });
    const ended = once(child, "close").then(([status, signal]) => ({ status, signal, stdout, stderr }));
    return { child, ended, seen: () => stderr };
  }

  /** A complaint about a run that was killed and resumed to its end, or undefined. */
  complaint(out: string): string | undefined {
    const { plan, ledgerText } = readRunFolder(out);
    const report = audit(plan, ledgerText, { hash: hashLineNode });
    if (!report.finished) return "not finished";
    if (report.verdict !== "holds") return `verdict ${report.verdict}: ${JSON.stringify(report.findings)}`;
    // What was planned, at least: never fewer steps, nor a smaller ε, than the plan's.
    if (report.stepsDone < this.steps) return `${report.stepsDone} steps`;
    const spent = accountant("pld").account(report.event).epsilonAt(this.plan.achieved.delta);
    if (!(spent >= this.plan.achieved.epsilon * (1 - 1e-9))) return `epsilon ${spent}`;
    const { tensors } = decodeSafetensors(readFileSync(join(out, "weights.safetensors")));
    for (const { name, values } of tensors)
      if (!values.every(Number.isFinite)) return `${name} is not finite`;
    if (existsSync(join(out, "checkpoints")) || existsSync(join(out, "run.lock")))
      return "checkpoints or lock left behind";
    return undefined;
  }

  /** The kill came after everything of the run had been written, before its process had ended: resuming must say so. */
  #finishedBeforeTheKill(out: string, resumed: { status: number; stderr: string }): boolean {
    return resumed.status === 2 && /holds a finished run/.test(resumed.stderr) && !this.complaint(out);
  }
}

export function stepsIn(ledger: string): number {
  return (readFileSync(ledger, "utf8").match(/"kind":"step"/g) ?? []).length;
}
