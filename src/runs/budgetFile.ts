// The budget file: read, changed and replaced under a lock, so that runs that start at once cannot both take the last of it.
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BudgetFormatError, budgetFromJson, budgetToJson, type DataBudget } from "../audit/budget.js";
import { ArgumentError } from "../formats/argumentError.js";
import { fileProblem } from "./fileProblem.js";
import { syncFolder } from "./ledgerFile.js";

/** How long another process may hold the lock: it needs it for a few hundredths of a second. */
const PATIENCE = 30_000;
/** Milliseconds between tries, so that waiting costs little. */
const PAUSE = 20;

/** A budget that another process has held for longer than it needs. */
export class BudgetBusyError extends Error {
  override readonly name = "BudgetBusyError";
}

/** A run or a file that a budget cannot be used with; one line that says what to do. */
export class BudgetUseError extends Error {
  override readonly name = "BudgetUseError";
}

/** Reads the budget at path. Throws ArgumentError. */
export function readBudget(path: string): DataBudget {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new ArgumentError("budget", "a budget file", `${path} (${fileProblem(error)})`);
  }
  try {
    return budgetFromJson(text);
  } catch (error) {
    if (error instanceof BudgetFormatError)
      throw new ArgumentError("budget", "a budget file", `${path}: ${error.message}`);
    throw error;
  }
}

/**
 * Replaces the budget at path by what `change` makes of it, and returns that. Where there is no file, change gets undefined.
 *
 * Guarantee: changes of several processes happen one after the other, and none is lost; a process that is killed leaves the old
 * file or the new one, whole and on disk. What change throws leaves the file as it was.
 */
export async function updateBudget(
  path: string,
  change: (budget: DataBudget | undefined) => DataBudget,
): Promise<DataBudget> {
  const lock = await takeLock(path);
  try {
    const changed = change(existsSync(path) ? readBudget(path) : undefined);
    const part = `${path}.${process.pid}.part`;
    try {
      const file = openSync(part, "w", 0o644);
      try {
        writeFileSync(file, budgetToJson(changed));
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
      renameSync(part, path);
    } catch (error) {
      rmSync(part, { force: true });
      throw notWritable(path, error);
    }
    syncFolder(dirname(path));
    return changed;
  } finally {
    rmSync(lock, { force: true });
  }
}

/** The lock's path once it is ours. It names its owner, so that one left behind by a killed process can be told. */
async function takeLock(path: string): Promise<string> {
  const lock = `${path}.lock`;
  const mine = `${lock}.${process.pid}`;
  try {
    writeFileSync(mine, JSON.stringify({ pid: process.pid, host: hostname() }));
  } catch (error) {
    throw notWritable(path, error);
  }
  try {
    for (const started = Date.now(); ; await sleep(PAUSE)) {
      // A link appears with its content or not at all, and only if the name is free.
      if (linked(mine, lock)) return lock;
      removeAbandoned(lock, mine);
      if (Date.now() - started > PATIENCE)
        throw new BudgetBusyError(
          `budget ${path} is locked by ${ownerOf(lock) ?? "another process"}: if that is gone, delete ${lock} and ${lock}.removing`,
        );
    }
  } finally {
    rmSync(mine, { force: true });
  }
}

/**
 * Deletes a lock whose owner, a process of this machine, is dead. Under a second lock, and after another look: else of two
 * that saw the dead one, the slower could delete the lock that the faster has just taken.
 */
function removeAbandoned(lock: string, mine: string): void {
  if (!abandoned(lock)) return;
  const removing = `${lock}.removing`;
  if (!linked(mine, removing)) return;
  try {
    if (abandoned(lock)) rmSync(lock, { force: true });
  } finally {
    rmSync(removing, { force: true });
  }
}

function abandoned(lock: string): boolean {
  const owner = ownerOf(lock);
  const [, pid, host] = /^process (\d+) on (.*)$/.exec(owner ?? "") ?? [];
  if (pid === undefined || host !== hostname()) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

/** "process 12 on HOST", or undefined if nobody holds the lock. */
function ownerOf(lock: string): string | undefined {
  try {
    const { pid, host } = JSON.parse(readFileSync(lock, "utf8"));
    return `process ${pid} on ${host}`;
  } catch {
    return undefined;
  }
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw notWritable(to, error);
  }
}

function notWritable(path: string, error: unknown): ArgumentError {
  return new ArgumentError("budget", "a file that can be written", `${path} (${fileProblem(error)})`);
}
