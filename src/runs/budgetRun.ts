// A run's place in a budget: reserved before training begins, recorded by its ledger whenever it stops.
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { audit } from "../audit/audit.js";
import { type DataBudget, recordRun, release, reserve } from "../audit/budget.js";
import { ArgumentError } from "../formats/argumentError.js";
import type { BudgetEntry, BudgetLimits } from "../formats/budget.js";
import type { PrivacyEvent } from "../formats/event.js";
import type { LedgerPosition } from "../formats/ledger.js";
import { ledgerIncludes, readLedger } from "../formats/ledgerReader.js";
import type { OlderSums } from "../formats/report.js";
import { addToBudget, BudgetUseError, createBudget, readBudget } from "./budgetFile.js";
import { hashLineNode } from "./ledgerFile.js";
import { newRunId, RUN_FILES, readRunFolder, runIdOf } from "./runFolder.js";

/**
 * Runs `training` with what it may spend, `event`, reserved in the budget at path; without a path just runs it. training gets the identity that a new
 * run has to have.
 * Throws BudgetExceededError, before anything is done, if the budget has no room; BudgetUseError if the folder's ledger is not the
 * one that the budget recorded.
 */
export async function withinBudget<T>(
  path: string | undefined,
  run: { readonly event: PrivacyEvent; readonly out: string },
  training: (runId: string) => Promise<T>,
): Promise<T> {
  const folder = resolve(run.out);
  const has = (name: keyof typeof RUN_FILES): boolean => existsSync(join(folder, RUN_FILES[name]));
  const runId = runIdOf(folder) ?? newRunId();
  if (path === undefined) return training(runId);
  const known = readBudget(path).runs.some((each) => each.runId === runId);
  if (has("ledger") && !known)
    throw new BudgetUseError(
      `out must be new to the budget: ${run.out} holds a run that is not in it; dpsgd audit ${run.out} --budget ${path} puts it there`,
    );
  await addToBudget(path, (budget) => {
    checkHead(budget, folder, runId);
    return [reserve(budget, { runId, folder, at: now(), event: run.event })];
  });
  try {
    return await training(runId);
  } finally {
    await addToBudget(path, (budget) => {
      if (has("ledger") && runIdOf(folder) === runId) return recordFolder(budget, folder, {});
      // A run makes its folder before it draws a batch: without its own it has not begun.
      return known || (has("runId") && runIdOf(folder) === runId) ? [] : [release(runId, now())];
    });
  }
}

/** Refuses an older copy of a ledger: what was taken after it would be taken again, and counted once. */
function checkHead(budget: DataBudget, folder: string, runId: string): void {
  const head = headOf(budget, runId);
  if (head && !ledgerIncludes(readRunFolder(folder).ledgerText, head, hashLineNode))
    throw new BudgetUseError(
      `run folder ${folder} must hold the ledger that the budget recorded after ${head.steps} steps: an older copy was put back, and cannot be continued`,
    );
}

/**
 * The budget at path, with run folders charged for what their ledgers show. limits: of a new file, where there is none.
 * older: what made the sums of runs whose ledgers do not say it.
 * Throws ArgumentError or BudgetUseError, also where limits differ from the file's.
 */
export async function chargeRuns(
  path: string,
  folders: readonly string[],
  limits: Partial<BudgetLimits>,
  older: OlderSums = {},
): Promise<DataBudget> {
  const { epsilon, delta, neighboring = "add-or-remove-one" } = limits;
  if (existsSync(path)) {
    const there = readBudget(path);
    for (const name of ["epsilon", "delta", "neighboring"] as const)
      if (limits[name] !== undefined && limits[name] !== there[name])
        throw new ArgumentError(name, `that of the budget, ${there[name]}`, String(limits[name]));
    if (folders.length === 0) return there;
  } else {
    if (epsilon === undefined || delta === undefined)
      throw new BudgetUseError(
        `budget ${path} does not exist: --epsilon and --delta, given together, make it`,
      );
    await createBudget(path, { epsilon, delta, neighboring });
  }
  let budget = readBudget(path);
  for (const folder of folders)
    budget = await addToBudget(path, (found) => recordFolder(found, resolve(folder), older));
  return budget;
}

/** Where the budget at path last saw the ledger of the run in a folder; undefined where it never did, or there is no such file. */
export function recordedHead(path: string, folder: string): LedgerPosition | undefined {
  const runId = runIdOf(folder);
  return existsSync(path) && runId !== undefined ? headOf(readBudget(path), runId) : undefined;
}

/** Version 1 recorded no place: there it is the beginning, which every ledger has. */
function headOf(budget: DataBudget, runId: string): LedgerPosition | undefined {
  return budget.runs.find((run) => run.runId === runId)?.head ?? undefined;
}

function recordFolder(budget: DataBudget, folder: string, older: OlderSums): readonly BudgetEntry[] {
  const { plan, ledgerText } = readRunFolder(folder);
  const runId = runIdOf(folder);
  if (runId === undefined)
    throw new BudgetUseError(`run folder ${folder} must hold a run that began: its ledger has no line`);
  const recorded = headOf(budget, runId);
  const report = audit(plan, ledgerText, { hash: hashLineNode, older, ...(recorded && { recorded }) });
  const { head } = readLedger(ledgerText, hashLineNode);
  return recordRun(budget, { runId, folder, head, at: now(), report });
}

const now = (): string => new Date().toISOString();
