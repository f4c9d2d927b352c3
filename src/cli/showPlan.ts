// Plans in the terminal, with what they mean: the words of the report's model.
import type { PrivacyCurve } from "../accounting/accountant.js";
import { accountant } from "../accounting/accountants.js";
import { attackRisk, posteriorAt } from "../accounting/tradeoff.js";
import type { AccountantName } from "../formats/guarantee.js";
import type { Plan } from "../formats/plan.js";
import { searchOf } from "../formats/tuning.js";
import { type GroupGuarantee, groupCurve, groupGuarantee } from "../planner/group.js";
import { type Preset, trainLine } from "../planner/presets.js";
import type { ProxyRun } from "../planner/proxy.js";
import {
  groupSection,
  type PlannedRisk,
  planSection,
  proxySection,
  riskSection,
  searchSection,
} from "../report/planModel.js";
import { mostRepetitions } from "../runs/secretSearch.js";
import { printModel, printSection, say, shellWord } from "./print.js";

/** At each false-positive rate the posterior is from that prior; `accuracies` has the prior first. */
export function riskOf(curve: PrivacyCurve, prior: number): PlannedRisk {
  const risk = attackRisk(curve, { priors: [...new Set([prior, 0.5, 0.1, 0.01])] });
  return {
    ...risk,
    prior,
    rates: risk.rates.map((rate) => ({
      ...rate,
      posterior: posteriorAt(curve, prior, rate.falsePositiveRate),
    })),
  };
}

type Group = GroupGuarantee & { readonly risk?: PlannedRisk };

export function groupOf(made: Plan, size: number, prior: number | undefined): Group {
  const guarantee = groupGuarantee(made, size);
  return prior === undefined ? guarantee : { ...guarantee, risk: riskOf(groupCurve(made, size), prior) };
}

export function showRisk(risk: PlannedRisk, title: string): void {
  printSection(riskSection(risk, title));
}

export function showGroup(group: Group): void {
  printSection(groupSection(group));
  if (group.risk) showRisk(group.risk, `what an attacker can gain at most about the group of ${group.size}`);
}

export function showProxy(proxy: ProxyRun): void {
  printSection(proxySection(proxy));
}

/** out: where the plan is written, if it is. */
export function showRecipe({ name, recipe, publishedEpsilon, source }: Preset, out?: string): void {
  const momentum = recipe.momentum ? `, momentum ${recipe.momentum}` : "";
  printSection({
    title: "recipe",
    rows: [
      { label: "model", text: `${recipe.model}${recipe.pretrained ? `, from ${recipe.pretrained}` : ""}` },
      { label: "views an example", text: String(recipe.augmentationMultiplicity) },
      { label: "learning rate", text: `${recipe.learningRate}, clip norm ${recipe.clipNorm}${momentum}` },
      { label: "published", text: `ε ${publishedEpsilon}; ${source}` },
    ],
  });
  // One line however narrow the terminal, so that it can be copied.
  if (name.startsWith("results/"))
    say(
      `\n${out === undefined ? "with --out plan.json, train it" : "train it"}: ${trainLine(recipe, out && shellWord(out))}`,
    );
}

export function showPlan(made: Plan): void {
  const { title, rows } = planSection(made);
  say(title);
  printModel(rows);
  const search = searchOf(made);
  if (!search) return;
  const { repetitions } = search;
  printSection(searchSection(search, made, repetitions && mostRepetitions(repetitions, 0.99)));
}

export function curveOf(event: Plan["event"], achieved: Plan["achieved"]): PrivacyCurve {
  return accountant(achieved.accountant as AccountantName, {
    neighboring: achieved.neighboring,
    effort: "quick",
  }).account(event);
}
