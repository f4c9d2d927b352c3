// A run's place in a budget: reserved before training begins, settled by its ledger afterwards.
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { audit } from "../audit/audit.js";
import { type DataBudget, newBudget, release, reserve, settle } from "../audit/budget.js";
import { ArgumentError } from "../formats/argumentError.js";
import type { Plan } from "../formats/plan.js";
import type { OlderSums } from "../formats/report.js";
import { BudgetUseError, readBudget, updateBudget } from "./budgetFile.js";
import { hashLineNode } from "./ledgerFile.js";
import { RUN_FILES, readRunFolder } from "./runFolder.js";

/**
 * Runs `training` with its plan reserved in the budget at path; without a path just runs it.
 * Throws BudgetExceededError, before anything is done, if the budget has no room.
 */
export async function withinBudget<T>(
  path: string | undefined,
  run: { readonly plan: Plan; readonly out: string },
  training: () => Promise<T>,
): Promise<T> {
  if (path === undefined) return training();
  const folder = resolve(run.out);
  const has = (name: keyof typeof RUN_FILES): boolean => existsSync(join(folder, RUN_FILES[name]));
  const since = new Date().toISOString();
  const known = readBudget(path).runs.some((each) => each.folder === folder);
  if (has("ledger") && !known)
    throw new BudgetUseError(
      `out must be new to the budget: ${run.out} holds a run that is not in it; dpsgd audit ${run.out} --budget ${path} puts it there`,
    );
  await updateBudget(path, (budget) =>
    reserve(present(budget, path), { folder, event: run.plan.event, since }),
  );
  try {
    return await training();
  } finally {
    await updateBudget(path, (found) => {
      const budget = present(found, path);
      if (has("ledger")) return settleFolder(budget, folder, since);
      // A run makes its folder before it draws a batch: without a plan there it has not begun.
      return known || has("plan") ? budget : release(budget, folder);
    });
  }
}

/**
 * The budget at path, with run folders charged for what their ledgers show. limits: of a new file, where there is none.
 * older: what made the sums of runs whose ledgers do not say it.
 * Throws ArgumentError or BudgetUseError, also where limits differ from the file's.
 */
export async function chargeRuns(
  path: string,
  folders: readonly string[],
  limits: Partial<Pick<DataBudget, "epsilon" | "delta" | "neighboring">>,
  older: OlderSums = {},
): Promise<DataBudget> {
  const { epsilon, delta, neighboring = "add-or-remove-one" } = limits;
  const create = (): DataBudget => {
    if (epsilon !== undefined && delta !== undefined) return newBudget({ epsilon, delta, neighboring });
    throw new BudgetUseError(`budget ${path} does not exist: --epsilon and --delta, given together, make it`);
  };
  if (existsSync(path)) {
    const there = readBudget(path);
    for (const name of ["epsilon", "delta", "neighboring"] as const)
      if (limits[name] !== undefined && limits[name] !== there[name])
        throw new ArgumentError(name, `that of the budget, ${there[name]}`, String(limits[name]));
    if (folders.length === 0) return there;
  }
  return updateBudget(path, (found) =>
    folders.reduce(
      (budget, folder) => settleFolder(budget, resolve(folder), new Date().toISOString(), older),
      found ?? create(),
    ),
  );
}

function settleFolder(budget: DataBudget, folder: string, since: string, older: OlderSums = {}): DataBudget {
  const { plan, ledgerText } = readRunFolder(folder);
  return settle(budget, { folder, since, report: audit(plan, ledgerText, { hash: hashLineNode, older }) });
}

function present(budget: DataBudget | undefined, path: string): DataBudget {
  return budget ?? readBudget(path);
}
