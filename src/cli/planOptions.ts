// The options of dpsgd plan: what each may be, once for its help, its check and its messages.

import { LARGEST_GROUP } from "../accounting/groupEvent.js";
import { NEIGHBORINGS } from "../formats/guarantee.js";
import { FRAMEWORKS } from "../planner/emit.js";
import { type Option, positive, whole } from "./options.js";
import { SWEEP_OPTIONS } from "./sweep.js";

export const OUT: Option = {
  name: "out",
  value: "FILE",
  help: "the file to write the plan to, for dpsgd train",
};
export const MAX_TPR: Option = {
  name: "max-tpr",
  value: "R@F",
  help: "instead of --epsilon: the largest true-positive rate R of any attack at false-positive rate F, as 0.05@0.01",
};
export const TUNING_RUNS: Option = {
  name: "tuning-runs",
  value: "RUNS",
  help: "the plan also pays for a search: negative-binomial(η, mean) or poisson(mean), a secret number of runs of which only the best is released (dpsgd search), or a whole number of runs that may all be seen",
};
export const PROXY_BATCH: Option = {
  name: "final-after-proxy",
  value: "B'",
  help: "the search has runs of this batch size, and the plan's own run follows it",
  range: { allowed: "in (0, N]", accepts: (value) => value > 0 },
};
export const PROXY_OPTIONS: readonly Option[] = [
  {
    name: "proxy-noise-multiplier",
    value: "σ'",
    help: "of each run of that search",
    range: positive,
    otherwise: "the plan's",
  },
  {
    name: "proxy-steps",
    value: "T'",
    help: "of each run of that search",
    range: whole(1, 1e9, Math.floor),
    otherwise: "the plan's",
  },
];
export const TUNING_OPTIONS = [TUNING_RUNS, PROXY_BATCH, ...PROXY_OPTIONS];
export const STATEMENT: Option = {
  name: "statement",
  value: "[FILE]",
  help: "also a privacy statement in Markdown, for a paper or a data-protection file: there, or printed alone",
};
export const UNIT: Option = {
  name: "unit",
  value: "TEXT",
  help: "with --statement: what one example is, as patient",
  otherwise: "training example",
};
export const PRIOR: Option = {
  name: "prior",
  value: "P",
  help: "with --risk: how likely an attacker thought it before that a record was in",
  range: { allowed: "in (0, 1)", accepts: (value) => value > 0 && value < 1 },
  otherwise: "0.5",
};
export const GROUP: Option = {
  name: "group",
  value: "K",
  help: "also what K records together are promised, such as those of one person",
  range: whole(1, LARGEST_GROUP),
};
export const EMIT: Option = {
  name: "emit",
  value: "NAME",
  help: `print code that trains alike, and nothing else: ${Object.keys(FRAMEWORKS).join(", ")}`,
};
const RISK: Option = { name: "risk", help: "also what an attacker can gain at most" };
const PROXY: Option = {
  name: "proxy",
  value: "K",
  help: "also the run with B/K and σ/K at the same steps: a K-th of the cost, not private",
  range: { allowed: ">= 1 and finite", accepts: (value) => value >= 1 },
};
/** What is said or written about one plan, in the order of the help. */
export const OF_ONE_PLAN: readonly Option[] = [OUT, RISK, PRIOR, GROUP, PROXY, STATEMENT, UNIT, EMIT];
/** All of `dpsgd plan`, in the order of its help. */
export const PLAN_OPTIONS: readonly Option[] = [
  { name: "examples", value: "N", help: "training examples", range: whole(1) },
  {
    name: "batch-size",
    value: "B",
    help: "expected batch of Poisson sampling: every example enters with probability q = B/N",
    range: { allowed: "in (0, N]", accepts: (value) => value > 0 },
  },
  { name: "steps", value: "T", help: "noisy updates", range: whole(1, 1e9, Math.floor) },
  {
    name: "epochs",
    value: "E",
    help: "instead of --steps: expected passes over the data, T = floor(E N / B)",
    range: positive,
  },
  {
    name: "noise-multiplier",
    value: "σ",
    help: "standard deviation of the noise on the clipped sum / clip norm",
    range: positive,
  },
  { name: "epsilon", value: "ε", help: "privacy loss at δ, nats", range: positive },
  {
    name: "delta",
    value: "δ",
    help: "keep it well below 1/N",
    range: { allowed: "in (0, 1)", accepts: (value) => value > 0 && value < 1 },
  },
  {
    name: "max-advantage",
    value: "A",
    help: "instead of --epsilon: the most that any attack's true-positive rate may exceed its false-positive rate",
    range: { allowed: "in (0, 1)", accepts: (value) => value > 0 && value < 1 },
  },
  MAX_TPR,
  {
    name: "preset",
    value: "NAME",
    help: "a published configuration or one of docs/results.md; other options replace its numbers (docs/presets.md lists them)",
  },
  {
    name: "accountant",
    value: "NAME",
    help: "pld (exact, by numerical integration) or rdp (Rényi, looser)",
    otherwise: "pld, or rdp for a secret number of runs",
  },
  { name: "neighboring", value: "NAME", help: NEIGHBORINGS.join(", "), otherwise: NEIGHBORINGS[0]! },
  ...TUNING_OPTIONS,
  ...OF_ONE_PLAN,
  ...SWEEP_OPTIONS,
];
