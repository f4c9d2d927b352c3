// What a data set's budget comes to, as plain data.
import { budgetHolds, budgetSpent, type DataBudget } from "../audit/budget.js";
import { roundedDown, roundedUp } from "../formats/rounded.js";
import { type Row, upperText, type VerdictWords } from "./model.js";

/** A budget with what it comes to: the JSON, and what is shown. */
export type BudgetAnswer = Pick<DataBudget, "epsilon" | "delta" | "neighboring" | "runs"> & {
  readonly holds: boolean;
  /** Upper bound on ε of all charges; null stands for ∞. */
  readonly epsilonSpent: number | null;
};

export function budgetAnswer(budget: DataBudget): BudgetAnswer {
  const { epsilon, delta, neighboring, runs } = budget;
  const { upper } = budgetSpent(budget);
  return {
    holds: budgetHolds(budget),
    epsilon,
    delta,
    neighboring,
    epsilonSpent: upper < Infinity ? upper : null,
    runs,
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
  const reserved = runs.filter(({ state }) => state === "reserved").length;
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
