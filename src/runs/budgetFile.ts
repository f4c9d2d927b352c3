// The budget file: read, added to and replaced under a lock, so that runs that start at once cannot both take the last of it.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { budgetOf, type DataBudget } from "../audit/budget.js";
import { ArgumentError } from "../formats/argumentError.js";
import {
  type BudgetEntry,
  type BudgetFile,
  BudgetFormatError,
  type BudgetLimits,
  budgetBegin,
  budgetToText,
} from "../formats/budget.js";
import { budgetFromText } from "../formats/budgetReader.js";
import { writeWhole } from "./disk.js";
import { fileProblem } from "./fileProblem.js";
import { LockedError, waitForLock } from "./lock.js";
import { runIdOf } from "./runFolder.js";

/** A budget that a process of another machine has held for longer than it needs. */
export class BudgetBusyError extends Error {
  override readonly name = "BudgetBusyError";
}

/** A run or a file that a budget cannot be used with; one line that says what to do. */
export class BudgetUseError extends Error {
  override readonly name = "BudgetUseError";
}

/** What the budget at path comes to. Throws ArgumentError. */
export function readBudget(path: string): DataBudget {
  return budgetOf(readBudgetFile(path));
}

function readBudgetFile(path: string): BudgetFile {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new ArgumentError("budget", "a budget file", `${path} (${fileProblem(error)})`);
  }
  try {
    return budgetFromText(text, identityOf);
  } catch (error) {
    if (error instanceof BudgetFormatError)
      throw new ArgumentError("budget", "a budget file", `${path}: ${error.message}`);
    throw error;
  }
}

/** Of a run that version 1 knew by its folder: its own, where it is still there; else one made of the folder's name. */
function identityOf(folder: string): string {
  return (existsSync(folder) ? runIdOf(folder) : undefined) ?? namedAfter(folder);
}

const namedAfter = (folder: string): string => createHash("sha256").update(folder).digest("hex").slice(0, 32);

/** Makes a budget. Throws ArgumentError where there is one, or it cannot be written. */
export async function createBudget(path: string, limits: BudgetLimits): Promise<DataBudget> {
  const begin = budgetBegin(limits, new Date().toISOString());
  return locked(path, () => {
    if (existsSync(path)) throw new ArgumentError("budget", "a new file", `${path}, which is there`);
    return write(path, { begin, entries: [] });
  });
}

/**
 * Adds to the budget at path what `change` makes of it, and returns what it then comes to.
 *
 * Guarantee: changes of several processes happen one after the other, and none is lost; a process that is killed leaves the old
 * file or the new one, whole and on disk. What change throws leaves the file as it was. A file of version 1 becomes one of version 2.
 */
export async function addToBudget(
  path: string,
  change: (budget: DataBudget) => readonly BudgetEntry[],
): Promise<DataBudget> {
  return locked(path, () => {
    const { begin, entries } = readBudgetFile(path);
    const budget = budgetOf({ begin, entries });
    const more = change(budget);
    return more.length === 0 ? budget : write(path, { begin, entries: [...entries, ...more] });
  });
}

function write(path: string, file: Pick<BudgetFile, "begin" | "entries">): DataBudget {
  try {
    writeWhole(fileOf(path), budgetToText(file));
  } catch (error) {
    throw notWritable(path, error);
  }
  return budgetOf(file);
}

/** The file itself: a link and what it leads to are one budget, with one lock. */
function fileOf(path: string): string {
  return existsSync(path) ? realpathSync(path) : path;
}

async function locked<T>(path: string, work: () => T): Promise<T> {
  const lock = `${fileOf(path)}.lock`;
  let unlock: () => void;
  try {
    unlock = await waitForLock(lock);
  } catch (error) {
    if (error instanceof LockedError)
      throw new BudgetBusyError(
        `budget ${path} is locked by ${error.owner}: if that is gone, delete ${lock}`,
      );
    throw notWritable(path, error);
  }
  try {
    return work();
  } finally {
    unlock();
  }
}

function notWritable(path: string, error: unknown): ArgumentError {
  return new ArgumentError("budget", "a file that can be written", `${path} (${fileProblem(error)})`);
}
