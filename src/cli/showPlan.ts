// Plans as people read them, with what they mean: rounded so that no number flatters.
import type { PrivacyCurve } from "../accounting/accountant.js";
import { accountant } from "../accounting/accountants.js";
import { type AttackRisk, attackRisk, posteriorAt } from "../accounting/tradeoff.js";
import type { AccountantName } from "../formats/guarantee.js";
import type { Plan } from "../formats/plan.js";
import { roundedUp } from "../formats/rounded.js";
import { runsText, searchOf } from "../formats/tuning.js";
import { type GroupGuarantee, groupCurve, groupGuarantee } from "../planner/group.js";
import { type Preset, trainLine } from "../planner/presets.js";
import type { ProxyRun } from "../planner/proxy.js";
import { mostRepetitions } from "../runs/secretSearch.js";
import { printRows, say, shellWord, shownInterval } from "./print.js";

type Risk = AttackRisk & { readonly prior: number };

/** At each false-positive rate the posterior is from that prior; `accuracies` has the prior first. */
export function riskOf(curve: PrivacyCurve, prior: number): Risk {
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

type Group = GroupGuarantee & { readonly risk?: Risk };

export function groupOf(made: Plan, size: number, prior: number | undefined): Group {
  const guarantee = groupGuarantee(made, size);
  return prior === undefined ? guarantee : { ...guarantee, risk: riskOf(groupCurve(made, size), prior) };
}

export function showRisk(risk: Risk, title: string): void {
  const from = risk.prior === 0.5 ? "even odds" : `${shownPrior(risk.prior)} sure`;
  say(`\n${title}`);
  printRows([
    ["advantage", `${roundedUp(risk.advantage)} (true-positive less false-positive rate)`],
    ...risk.rates.map(
      ({ falsePositiveRate, truePositiveRate, posterior }) =>
        [
          `at false-positive rate ${roundedUp(falsePositiveRate)}`,
          `true-positive rate ${roundedUp(truePositiveRate)}; from ${from} to ${roundedUp(100 * posterior, 3)} % sure`,
        ] as const,
    ),
  ]);
}

/** All of its digits: 0.1 becomes 10 %. */
function shownPrior(prior: number): string {
  return `${Number((100 * prior).toPrecision(15))} %`;
}

export function showGroup(group: Group): void {
  const { size, epsilon, epsilonLowerBound, delta, accountant: name, neighboring } = group;
  const changed = neighboring === "add-or-remove-one" ? "added or removed" : "exchanged";
  say(`\na group of ${size} records, ${changed} together, such as those of one person`);
  printRows([
    [
      "epsilon",
      `${shownInterval({ lower: epsilonLowerBound, upper: epsilon })} at delta ${roundedUp(delta)}`,
    ],
    ["proved by", `${name}, mixtures of Gaussians`],
  ]);
  if (group.risk) showRisk(group.risk, `what an attacker can gain at most about the group of ${size}`);
}

export function showProxy(proxy: ProxyRun): void {
  say(`\nproxy run, ${roundedUp(100 * proxy.cost, 3)} % of the cost`);
  printRows([
    ["noise multiplier", roundedUp(proxy.noiseMultiplier, 6)],
    ["batch size", `${roundedUp(proxy.batchSize, 6)} (q = ${roundedUp(proxy.samplingRate)})`],
    ["steps", `${proxy.steps}, learning rate as in the full run`],
  ]);
}

/** out: where the plan is written, if it is. */
export function showRecipe({ name, recipe, publishedEpsilon, source }: Preset, out?: string): void {
  say("\nrecipe");
  printRows([
    ["model", `${recipe.model}${recipe.pretrained ? `, from ${recipe.pretrained}` : ""}`],
    ["views an example", String(recipe.augmentationMultiplicity)],
    [
      "learning rate",
      `${recipe.learningRate}, clip norm ${recipe.clipNorm}${recipe.momentum ? `, momentum ${recipe.momentum}` : ""}`,
    ],
    ["published", `epsilon ${publishedEpsilon}; ${source}`],
  ]);
  // One line however narrow the terminal, so that it can be copied.
  if (name.startsWith("results/"))
    say(
      `\n${out === undefined ? "with --out plan.json, train it" : "train it"}: ${trainLine(recipe, out && shellWord(out))}`,
    );
}

export function showPlan(made: Plan): void {
  const { achieved } = made;
  say("plan");
  printRows([
    ["noise multiplier", roundedUp(made.noiseMultiplier, 6)],
    ["batch size", `${made.batchSize} of ${made.examples} examples (q = ${roundedUp(made.samplingRate)})`],
    ["steps", `${made.steps} (${roundedUp((made.steps * made.batchSize) / made.examples, 3)} epochs)`],
    ["epsilon", shownInterval({ lower: achieved.epsilonLowerBound, upper: achieved.epsilon })],
    ["delta", roundedUp(achieved.delta)],
    ["proved by", `${achieved.accountant}, ${achieved.neighboring}`],
    ["holds for", "training on wasm, cpu or webgpu; on tfjs-node it is not proven"],
  ]);
  showSearch(made);
}

function showSearch(made: Plan): void {
  const search = searchOf(made);
  if (!search) return;
  const { runs, repetitions } = search;
  say("\nwith the search for hyper-parameters, which epsilon includes");
  printRows([
    [
      "runs",
      runs.kind === "fixed"
        ? `${runs.count}, each paid for in full: all may be seen`
        : `${runsText(runs)}: a secret number, ${runs.mean} on average, at most ${mostRepetitions(repetitions!, 0.99)} in 99 of 100 searches`,
    ],
    [
      "each run",
      search.before
        ? `${search.steps} steps, batch size ${roundedUp(search.batchSize, 6)}, noise multiplier ${roundedUp(search.noiseMultiplier, 6)}; then the plan's own run`
        : `as above${repetitions ? "; the best one is released" : ""}`,
    ],
    ["one run alone", `epsilon ${epsilonAlone(search.event, made)}`],
  ]);
}

function epsilonAlone(event: Plan["event"], { achieved }: Plan): string {
  return shownInterval(curveOf(event, achieved).epsilonIntervalAt(achieved.delta));
}

export function curveOf(event: Plan["event"], achieved: Plan["achieved"]): PrivacyCurve {
  return accountant(achieved.accountant as AccountantName, {
    neighboring: achieved.neighboring,
    effort: "quick",
  }).account(event);
}
