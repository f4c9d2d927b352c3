// dpsgd plan: solves for what was left out and writes the plan that `dpsgd train` reads.
import {
  ACCOUNTANT_NAMES,
  type AccountantName,
  type AttackRisk,
  accountant,
  attackRisk,
  NEIGHBORINGS,
  type PrivacyCurve,
} from "../accounting/index.js";
import {
  mostRepetitions,
  type Plan,
  type PlanRequest,
  PRESET_NAMES,
  type Preset,
  type ProxyRun,
  plainNumber,
  plan,
  planToJson,
  preset,
  presetRequest,
  proxyOf,
  roundedUp,
  runsFromText,
  runsText,
  searchOf,
  statement,
  trainLine,
} from "../planner/index.js";
import { writeWholeFile } from "./files.js";
import type { VerbHelp } from "./help.js";
import {
  type Arguments,
  type Option,
  positive,
  readArguments,
  readChoice,
  readNumbers,
  readText,
  UsageError,
  whole,
} from "./options.js";
import { printJson, printRows, say, shownInterval, tell } from "./print.js";
import { SWEEP, SWEEP_OPTIONS, sweepPlans } from "./sweep.js";

const OUT: Option = { name: "out", value: "FILE", help: "the file to write the plan to, for dpsgd train" };
const MAX_TPR: Option = {
  name: "max-tpr",
  value: "R@F",
  help: "instead of --epsilon: the largest true-positive rate R of any attack at false-positive rate F, as 0.05@0.01",
};
const TUNING_RUNS: Option = {
  name: "tuning-runs",
  value: "RUNS",
  help: "the plan also pays for a search: negative-binomial(η, mean) or poisson(mean), a secret number of runs of which only the best is released (dpsgd search), or a whole number of runs that may all be seen",
};
const PROXY_BATCH: Option = {
  name: "final-after-proxy",
  value: "B'",
  help: "the search has runs of this batch size, and the plan's own run follows it",
  range: { allowed: "in (0, N]", accepts: (value) => value > 0 },
};
const PROXY_OPTIONS: readonly Option[] = [
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
const TUNING_OPTIONS = [TUNING_RUNS, PROXY_BATCH, ...PROXY_OPTIONS];
const STATEMENT: Option = {
  name: "statement",
  value: "[FILE]",
  help: "also a privacy statement in Markdown, for a paper or a data-protection file: there, or printed alone",
};
const UNIT: Option = {
  name: "unit",
  value: "TEXT",
  help: "with --statement: what one example is, as patient",
  otherwise: "training example",
};
const OPTIONS: readonly Option[] = [
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
  OUT,
  { name: "risk", help: "also what an attacker can gain at most" },
  {
    name: "proxy",
    value: "K",
    help: "also the run with B/K and σ/K at the same steps: a K-th of the cost, not private",
    range: { allowed: ">= 1 and finite", accepts: (value) => value >= 1 },
  },
  STATEMENT,
  UNIT,
  ...SWEEP_OPTIONS,
];

export const PLAN_HELP: VerbHelp = {
  usage: "dpsgd plan",
  summary: "noise, steps, batch or budget of a DP-SGD run, before it starts",
  about: [
    "Leave exactly one of --noise-multiplier, --epsilon, --delta, --steps (or --epochs) and --batch-size out: it is solved for.",
    "With --sweep, ranges of them follow as NAME=FIRST:LAST:xFACTOR, NAME=FIRST:LAST:+STEP or NAME=A,B,C, and every combination is planned.",
  ],
  options: OPTIONS,
  notes: [
    'Numbers may be expressions over N, B, T, E, q, sigma, epsilon, delta. A fraction of a step is no step: --steps "60*N/B" is rounded down.',
    "Exit status: 0 planned, 1 no such plan, 2 wrong usage.",
  ],
  examples: [
    'dpsgd plan --examples 60000 --batch-size 2048 --steps "60*N/B" --epsilon 3 --delta "1/N^1.1" --out plan.json',
    "dpsgd plan --examples 50000 --epsilon 8 --delta 1e-5 --sweep batch-size=256:32768:x2 steps=250:8000:x2 --svg frontier.svg",
  ],
};

const UNKNOWNS = ["noiseMultiplier", "epsilon", "delta", "steps", "batchSize"] as const;

export async function planCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, {
    options: OPTIONS,
    positionals: args.includes(`--${SWEEP.name}`) ? Number.POSITIVE_INFINITY : 0,
  });
  const numbers = await readNumbers(values, OPTIONS);
  const request = readRequest(values, numbers);
  if (values[SWEEP.name]) return sweepPlans(request, positionals, values, numbers);
  for (const { name } of SWEEP_OPTIONS)
    if (values[name] !== undefined) throw new UsageError(`--${name} is of use with --${SWEEP.name} only`);
  checkUnknown(request);
  const out = values.out === undefined ? undefined : readText(values, OUT);
  const made = plan(request as PlanRequest);
  const { proxy: factor } = numbers;
  const proxy = factor === undefined ? undefined : proxyOf(made, factor);
  const risk = values.risk ? riskOf(made) : undefined;
  if (out !== undefined) writeWholeFile(out, OUT, planToJson(made));
  const unit = unitOf(values);
  const search = searchOf(made);
  const stated = values.statement === undefined ? undefined : statement(made, unit);
  if (stated !== undefined && values.statement !== "")
    writeWholeFile(String(values.statement), STATEMENT, stated);
  if (values.json)
    printJson({
      ...made,
      ...(search && {
        search: { ...search, epsilon: curveOf(search.event, made.achieved).epsilonAt(made.achieved.delta) },
      }),
      ...(risk && { risk }),
      ...(proxy && { proxy }),
      ...(stated !== undefined && { statement: stated }),
    });
  else if (values.statement === "") say(stated!.trimEnd());
  else {
    show(made);
    if (risk) showRisk(risk);
    if (proxy) showProxy(proxy);
    if (typeof values.preset === "string") showRecipe(preset(values.preset));
    const written = [out, values.statement].filter((path) => path !== undefined);
    if (written.length > 0) say(`\nwritten to ${written.join(" and ")}`);
  }
  for (const warning of [...made.warnings, ...(proxy ? [proxy.warning] : [])]) tell(`warning: ${warning}`);
  return 0;
}

/** The options as a request, over the preset's where one is named; what is open is not checked yet. */
function readRequest(
  values: Arguments["values"],
  numbers: Readonly<Record<string, number>>,
): Partial<PlanRequest> {
  const fields = Object.entries(numbers).filter(([name]) => !OF_NO_REQUEST.includes(name));
  const asked: Partial<PlanRequest> = {
    ...Object.fromEntries(fields.map(([name, value]) => [camel(name), value])),
    ...(values[MAX_TPR.name] !== undefined && { maxTruePositiveRate: readMaxTpr(values) }),
    ...readTuning(values, numbers),
    ...(values.accountant !== undefined && {
      accountant: readChoice(values, "accountant", ACCOUNTANT_NAMES, "pld"),
    }),
    neighboring: readChoice(values, "neighboring", NEIGHBORINGS, "add-or-remove-one"),
  };
  if (values.preset === undefined) return asked;
  return presetRequest(readChoice(values, "preset", PRESET_NAMES, PRESET_NAMES[0]!), asked);
}

/** Numbers that say something beside the plan. */
const OF_NO_REQUEST: readonly string[] = [
  "proxy",
  ...[...SWEEP_OPTIONS, ...TUNING_OPTIONS].map(({ name }) => name),
];

function readTuning(
  values: Arguments["values"],
  numbers: Readonly<Record<string, number>>,
): Pick<PlanRequest, "tuningRuns" | "finalAfterProxy"> {
  const batchSize = numbers[PROXY_BATCH.name];
  for (const { name } of PROXY_OPTIONS)
    if (batchSize === undefined && values[name] !== undefined)
      throw new UsageError(`--${name} is of use with --${PROXY_BATCH.name} only`);
  const { "proxy-noise-multiplier": noiseMultiplier, "proxy-steps": steps } = numbers;
  return {
    ...(values[TUNING_RUNS.name] !== undefined && {
      tuningRuns: runsFromText(readText(values, TUNING_RUNS)),
    }),
    ...(batchSize !== undefined && {
      finalAfterProxy: {
        batchSize,
        ...(noiseMultiplier !== undefined && { noiseMultiplier }),
        ...(steps !== undefined && { steps }),
      },
    }),
  };
}

function readMaxTpr(values: Arguments["values"]): NonNullable<PlanRequest["maxTruePositiveRate"]> {
  const text = readText(values, MAX_TPR);
  const [rate, falsePositiveRate, more] = text.split("@").map((part) => plainNumber(part) ?? Number.NaN);
  if (!(falsePositiveRate! > 0 && rate! > falsePositiveRate! && rate! < 1 && more === undefined))
    throw new UsageError(
      `--${MAX_TPR.name} must be R@F with 0 < F < R < 1, such as 0.05@0.01, got ${JSON.stringify(text)}`,
    );
  return { rate: rate!, falsePositiveRate: falsePositiveRate! };
}

/** Throws UsageError unless exactly one unknown is left out. */
function checkUnknown(request: Partial<PlanRequest>): void {
  if (request.examples === undefined)
    throw new UsageError("--examples is missing: training examples, a whole number >= 1");
  if (request.steps !== undefined && request.epochs !== undefined)
    throw new UsageError("--epochs must not be given beside --steps: they say the same thing");
  const budgets = (["epsilon", "maxAdvantage", "maxTruePositiveRate"] as const).filter(
    (name) => request[name] !== undefined,
  );
  if (budgets.length > 1)
    throw new UsageError(
      `${budgets.map((name) => OPTION_OF[name]).join(" and ")} must not both be given: each is the budget`,
    );
  const missing = UNKNOWNS.filter(
    (name) =>
      request[name] === undefined &&
      !(name === "steps" && request.epochs !== undefined) &&
      !(name === "epsilon" && budgets.length > 0),
  );
  if (missing.length === 0)
    throw new UsageError(
      `one of ${UNKNOWNS.map((name) => OPTION_OF[name]).join(", ")} must be left out: it is what a plan solves for`,
    );
  if (missing.length > 1)
    throw new UsageError(
      `of ${missing.map((name) => OPTION_OF[name]).join(", ")} only one may be left out: it is what a plan solves for`,
    );
  if (missing[0] === "delta" && request.epsilon === undefined)
    throw new UsageError("--delta is missing: the stated epsilon depends on it, an attacker's gain does not");
}

const OPTION_OF = {
  noiseMultiplier: "--noise-multiplier",
  epsilon: "--epsilon",
  delta: "--delta",
  steps: "--steps",
  batchSize: "--batch-size",
  maxAdvantage: "--max-advantage",
  maxTruePositiveRate: "--max-tpr",
} as const;

function unitOf(values: Arguments["values"]): { unit?: string } {
  if (values[UNIT.name] === undefined) return {};
  if (values.statement === undefined) throw new UsageError(`--${UNIT.name} is of use with --statement only`);
  return { unit: readText(values, UNIT) };
}

function riskOf({ event, achieved }: Plan): AttackRisk {
  return attackRisk(curveOf(event, achieved));
}

function showRisk(risk: AttackRisk): void {
  say("\nwhat an attacker who sees every step can gain at most");
  printRows([
    ["advantage", `${roundedUp(risk.advantage)} (true-positive less false-positive rate)`],
    ...risk.rates.map(
      ({ falsePositiveRate, truePositiveRate, posterior }) =>
        [
          `at false-positive rate ${roundedUp(falsePositiveRate)}`,
          `true-positive rate ${roundedUp(truePositiveRate)}; from even odds to ${roundedUp(100 * posterior, 3)} % sure`,
        ] as const,
    ),
  ]);
}

function showProxy(proxy: ProxyRun): void {
  say(`\nproxy run, ${roundedUp(100 * proxy.cost, 3)} % of the cost`);
  printRows([
    ["noise multiplier", roundedUp(proxy.noiseMultiplier, 6)],
    ["batch size", `${roundedUp(proxy.batchSize, 6)} (q = ${roundedUp(proxy.samplingRate)})`],
    ["steps", `${proxy.steps}, learning rate as in the full run`],
  ]);
}

function showRecipe({ name, recipe, publishedEpsilon, source }: Preset): void {
  say("\nrecipe");
  printRows([
    ["model", `${recipe.model}${recipe.pretrained ? `, from ${recipe.pretrained}` : ""}`],
    ["views an example", String(recipe.augmentationMultiplicity)],
    [
      "learning rate",
      `${recipe.learningRate}, clip norm ${recipe.clipNorm}${recipe.momentum ? `, momentum ${recipe.momentum}` : ""}`,
    ],
    ["published", `epsilon ${publishedEpsilon}; ${source}`],
    ...(name.startsWith("results/") ? [["train", trainLine(recipe)] as const] : []),
  ]);
}

function show(made: Plan): void {
  const { achieved } = made;
  say("plan");
  printRows([
    ["noise multiplier", roundedUp(made.noiseMultiplier, 6)],
    ["batch size", `${made.batchSize} of ${made.examples} examples (q = ${roundedUp(made.samplingRate)})`],
    ["steps", `${made.steps} (${roundedUp((made.steps * made.batchSize) / made.examples, 3)} epochs)`],
    ["epsilon", shownInterval({ lower: achieved.epsilonLowerBound, upper: achieved.epsilon })],
    ["delta", roundedUp(achieved.delta)],
    ["proved by", `${achieved.accountant}, ${achieved.neighboring}`],
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

function curveOf(event: Plan["event"], achieved: Plan["achieved"]): PrivacyCurve {
  return accountant(achieved.accountant as AccountantName, { neighboring: achieved.neighboring, effort: "quick" }).account(event);
}

/** "batch-size" → "batchSize". */
function camel(name: string): string {
  return name.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}
