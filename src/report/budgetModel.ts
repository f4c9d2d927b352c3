// What a data set's budget comes to, as plain data.
import { type BudgetRun, budgetHolds, budgetSpent, type DataBudget } from "../audit/budget.js";
import type { BudgetLimits } from "../formats/budget.js";
import { type EventJson, eventToJson } from "../formats/eventJson.js";
import { roundedDown, roundedUp } from "../formats/rounded.js";
import { type Row, upperText, type VerdictWords } from "./model.js";

/** A budget with what it comes to: the JSON, and what is shown. */
export interface BudgetAnswer extends BudgetLimits {
  readonly holds: boolean;
  /** Upper bound on ε of all charges; null stands for ∞. */
  readonly epsilonSpent: number | null;
  readonly spent: { readonly epsilon: number | null; readonly delta: number };
  readonly limit: { readonly epsilon: number; readonly delta: number };
  readonly runs: readonly (Omit<BudgetRun, "charged" | "head"> & {
    readonly charged: EventJson;
    /** Steps and last line of its ledger as they were recorded; null before. */
    readonly steps: number | null;
    readonly head: string | null;
    /** Of this run alone; null stands for ∞. */
    readonly epsilon: number | null;
  })[];
}

export function budgetAnswer(budget: DataBudget): BudgetAnswer {
  const { epsilon, delta, neighboring } = budget;
  const finite = (x: number): number | null => (x < Infinity ? x : null);
  const spent = finite(budgetSpent(budget).upper);
  return {
    holds: budgetHolds(budget),
    epsilon,
    delta,
    neighboring,
    epsilonSpent: spent,
    spent: { epsilon: spent, delta },
    limit: { epsilon, delta },
    runs: budget.runs.map(({ charged, head, ...run }) => ({
      ...run,
      charged: eventToJson(charged),
      steps: head?.steps ?? null,
      head: head?.hash ?? null,
      epsilon: finite(budgetSpent({ ...budget, runs: [] }, charged).upper),
    })),
  };
}

export interface BudgetModel {
  readonly verdict: VerdictWords;
  readonly rows: readonly Row[];
}

export function budgetModel({
  runs,
  epsilonSpent,
  epsilon,
  delta,
  neighboring,
  holds,
}: BudgetAnswer): BudgetModel {
  const reserved = runs.filter(({ state }) => state !== "settled").length;
  const spent = `ε ${epsilonSpent === null ? "∞" : upperText(epsilonSpent)}`;
  return {
    verdict: {
      tone: holds ? "good" : "bad",
      headline: holds ? "The budget holds" : "The budget is exceeded",
      line: `${spent} spent of ${roundedDown(epsilon, 6)} at δ ${roundedUp(delta)}`,
      meaning: "",
    },
    rows: [
      { label: "allowed", text: `ε ${roundedDown(epsilon, 6)} at δ ${roundedUp(delta)}, ${neighboring}` },
      { label: "spent", text: `${spent}, reservations included` },
      { label: "runs", text: `${runs.length}${reserved === 0 ? "" : `, ${reserved} of them not finished`}` },
      ...runs.map(({ folder, state }) => ({ label: "", text: `${state} ${folder}` })),
    ],
  };
}
