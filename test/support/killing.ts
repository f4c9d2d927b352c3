// Starts the process that appends steps, kills it (SIGKILL) after a while, and compares ledger with what was applied.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { audit } from "../../src/audit/audit.js";
import type { AuditReport } from "../../src/formats/report.js";
import { hashLineNode } from "../../src/runs/ledgerFile.js";
import { readRunFolder } from "../../src/runs/runFolder.js";
import { samplePlan, zcdp } from "./runs.js";

export interface Kill {
  /** Steps that the process had applied when it died. */
  readonly applied: number;
  readonly report: AuditReport;
}

/** delay: milliseconds between the process's first word and its death. */
export async function killAfter(delay: number): Promise<Kill> {
  const scratch = mkdtempSync(join(tmpdir(), "dpsgd-kill-"));
  try {
    const folder = join(scratch, "run");
    const applied = join(scratch, "applied");
    const script = new URL("./appendSteps.mjs", import.meta.url).pathname;
    const child = spawn(
      process.execPath,
      [script, folder, applied, JSON.stringify(samplePlan(1_000_000, 900))],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    const exited = once(child, "exit");
    await once(child.stdout, "data");
    await new Promise((resolve) => setTimeout(resolve, delay));
    child.kill("SIGKILL");
    const [, signal] = await exited;
    if (signal !== "SIGKILL") throw new Error(`the process ended by itself (${signal})`);
    const { plan, ledgerText } = readRunFolder(folder);
    return {
      applied: (readFileSync(applied, "utf8").match(/\n/g) ?? []).length,
      report: audit(plan, ledgerText, { accountants: [zcdp], hash: hashLineNode }),
    };
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** What must hold after any kill; returns a complaint, or undefined. */
export function complaint({ applied, report }: Kill): string | undefined {
  if (report.verdict !== "holds") return `verdict ${report.verdict}: ${JSON.stringify(report.findings)}`;
  if (report.finished) return "a killed run looks finished";
  if (report.stepsDone < applied) return `${applied} steps applied, ${report.stepsDone} in the ledger`;
  if (report.stepsDone > applied + 1)
    return `${applied} steps applied, but ${report.stepsDone} in the ledger`;
  return undefined;
}
