// What a plan says, and what it means for people in the data, as plain data.
import { accountant } from "../accounting/accountants.js";
import type { AttackRisk } from "../accounting/tradeoff.js";
import type { AccountantName } from "../formats/guarantee.js";
import type { Plan } from "../formats/plan.js";
import { roundedUp } from "../formats/rounded.js";
import { type PlannedSearch, runsText } from "../formats/tuning.js";
import type { GroupGuarantee } from "../planner/group.js";
import type { ProxyRun } from "../planner/proxy.js";
import { intervalText, type Section } from "./model.js";

export function planSection(plan: Plan): Section {
  const { noiseMultiplier, batchSize, examples, samplingRate, steps, achieved } = plan;
  return {
    title: "plan",
    rows: [
      { label: "noise multiplier", text: roundedUp(noiseMultiplier, 6), exact: String(noiseMultiplier) },
      { label: "batch size", text: `${batchSize} of ${examples} examples (q = ${roundedUp(samplingRate)})` },
      { label: "steps", text: `${steps} (${roundedUp((steps * batchSize) / examples, 3)} epochs)` },
      {
        label: "ε",
        text: intervalText({ lower: achieved.epsilonLowerBound, upper: achieved.epsilon }),
      },
      { label: "δ", text: roundedUp(achieved.delta) },
      { label: "proved by", text: `${achieved.accountant}, ${achieved.neighboring}` },
      { label: "holds for", text: "training on wasm, cpu or webgpu; on tfjs-node it is not proven" },
    ],
  };
}

/** Of the search that a plan pays for. mostRuns: of a secret number, what 99 of 100 searches do not exceed. */
export function searchSection(search: PlannedSearch, { achieved }: Plan, mostRuns?: number): Section {
  const { runs, repetitions } = search;
  const most = mostRuns === undefined ? "" : `, at most ${mostRuns} in 99 of 100 searches`;
  const alone = accountant(achieved.accountant as AccountantName, {
    neighboring: achieved.neighboring,
    effort: "quick",
  })
    .account(search.event)
    .epsilonIntervalAt(achieved.delta);
  return {
    title: "with the search for hyper-parameters, which ε includes",
    rows: [
      {
        label: "runs",
        text:
          runs.kind === "fixed"
            ? `${runs.count}, each paid for in full: all may be seen`
            : `${runsText(runs)}: a secret number, ${runs.mean} on average${most}`,
      },
      {
        label: "each run",
        text: search.before
          ? `${search.steps} steps, batch size ${roundedUp(search.batchSize, 6)}, noise multiplier ${roundedUp(search.noiseMultiplier, 6)}; then the plan's own run`
          : `as above${repetitions ? "; the best one is released" : ""}`,
      },
      { label: "one run alone", text: `ε ${intervalText(alone)}` },
    ],
  };
}

export type PlannedRisk = AttackRisk & { readonly prior: number };

export function riskSection({ advantage, rates, prior }: PlannedRisk, title: string): Section {
  // All of its digits: 0.1 becomes 10 %.
  const from = prior === 0.5 ? "even odds" : `${Number((100 * prior).toPrecision(15))} % sure`;
  return {
    title,
    rows: [
      { label: "advantage", text: `${roundedUp(advantage)} (true-positive less false-positive rate)` },
      ...rates.map(({ falsePositiveRate, truePositiveRate, posterior }) => ({
        label: `at false-positive rate ${roundedUp(falsePositiveRate)}`,
        text: `true-positive rate ${roundedUp(truePositiveRate)}; from ${from} to ${roundedUp(100 * posterior, 3)} % sure`,
      })),
    ],
  };
}

export function groupSection(group: GroupGuarantee): Section {
  const { size, epsilon, epsilonLowerBound, delta, accountant: name, neighboring } = group;
  const changed = neighboring === "add-or-remove-one" ? "added or removed" : "exchanged";
  return {
    title: `a group of ${size} records, ${changed} together, such as those of one person`,
    rows: [
      {
        label: "ε",
        text: `${intervalText({ lower: epsilonLowerBound, upper: epsilon })} at δ ${roundedUp(delta)}`,
      },
      { label: "proved by", text: `${name}, mixtures of Gaussians` },
    ],
  };
}

export function proxySection(proxy: ProxyRun): Section {
  return {
    title: `proxy run, ${roundedUp(100 * proxy.cost, 3)} % of the cost`,
    rows: [
      { label: "noise multiplier", text: roundedUp(proxy.noiseMultiplier, 6) },
      {
        label: "batch size",
        text: `${roundedUp(proxy.batchSize, 6)} (q = ${roundedUp(proxy.samplingRate)})`,
      },
      { label: "steps", text: `${proxy.steps}, learning rate as in the full run` },
    ],
  };
}
