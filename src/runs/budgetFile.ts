// The budget file: read, changed and replaced under a lock, so that runs that start at once cannot both take the last of it.
import { existsSync, readFileSync } from "node:fs";
import { BudgetFormatError, budgetFromJson, budgetToJson, type DataBudget } from "../audit/budget.js";
import { ArgumentError } from "../formats/argumentError.js";
import { writeWhole } from "./disk.js";
import { fileProblem } from "./fileProblem.js";
import { LockedError, waitForLock } from "./lock.js";

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
  const unlock = await lockBudget(path);
  try {
    const changed = change(existsSync(path) ? readBudget(path) : undefined);
    try {
      writeWhole(path, budgetToJson(changed));
    } catch (error) {
      throw notWritable(path, error);
    }
    return changed;
  } finally {
    unlock();
  }
}

/** How to let the lock go, once it is ours. */
async function lockBudget(path: string): Promise<() => void> {
  const lock = `${path}.lock`;
  try {
    return await waitForLock(lock);
  } catch (error) {
    if (error instanceof LockedError)
      throw new BudgetBusyError(
        `budget ${path} is locked by ${error.owner}: if that is gone, delete ${lock}`,
      );
    throw notWritable(path, error);
  }
}

function notWritable(path: string, error: unknown): ArgumentError {
  return new ArgumentError("budget", "a file that can be written", `${path} (${fileProblem(error)})`);
}
