// dpsgd plan: solves for what was left out and writes the plan that `dpsgd train` reads.
import { ACCOUNTANT_NAMES, NEIGHBORINGS } from "../formats/guarantee.js";
import type { PlanRequest } from "../formats/plan.js";
import { planToText } from "../formats/planReader.js";
import { runsFromText, searchOf } from "../formats/tuning.js";
import { plainNumber } from "../math/plainNumber.js";
import { emit, FRAMEWORKS, type Framework } from "../planner/emit.js";
import { PRESET_NAMES, preset, presetRequest } from "../planner/presets.js";
import { proxyOf } from "../planner/proxy.js";
import { plan } from "../planner/solve.js";
import { statement } from "../report/statement.js";
import { checkDistinctFiles, writeWholeFile } from "./files.js";
import type { VerbHelp } from "./help.js";
import { type Arguments, readArguments, readChoice, readNumbers, readText, UsageError } from "./options.js";
import {
  EMIT,
  GROUP,
  MAX_TPR,
  OF_ONE_PLAN,
  OUT,
  PLAN_OPTIONS,
  PRIOR,
  PROXY_BATCH,
  PROXY_OPTIONS,
  STATEMENT,
  TUNING_OPTIONS,
  TUNING_RUNS,
  UNIT,
} from "./planOptions.js";
import { printJson, say, tell } from "./print.js";
import {
  curveOf,
  groupOf,
  riskOf,
  showGroup,
  showPlan,
  showProxy,
  showRecipe,
  showRisk,
} from "./showPlan.js";
import { SWEEP, SWEEP_OPTIONS, sweepPlans } from "./sweep.js";

export const PLAN_HELP: VerbHelp = {
  usage: "dpsgd plan",
  summary: "noise, steps, batch or budget of a DP-SGD run, before it starts",
  about: [
    "Leave exactly one of --noise-multiplier, --epsilon, --delta, --steps (or --epochs) and --batch-size out: it is solved for.",
    "With --sweep, ranges of them follow as NAME=FIRST:LAST:xFACTOR, NAME=FIRST:LAST:+STEP or NAME=A,B,C, and every combination is planned.",
  ],
  options: PLAN_OPTIONS,
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
    options: PLAN_OPTIONS,
    positionals: args.includes(`--${SWEEP.name}`) ? Number.POSITIVE_INFINITY : 0,
  });
  const numbers = await readNumbers(values, PLAN_OPTIONS);
  const request = readRequest(values, numbers);
  if (values[SWEEP.name]) {
    for (const { name } of OF_ONE_PLAN)
      if (values[name] !== undefined)
        throw new UsageError(`--${name} must not be given beside --${SWEEP.name}: it is about one plan`);
    return sweepPlans(request, positionals, values, numbers);
  }
  for (const { name } of SWEEP_OPTIONS)
    if (values[name] !== undefined) throw new UsageError(`--${name} is of use with --${SWEEP.name} only`);
  checkUnknown(request);
  checkDistinctFiles(values, [OUT, STATEMENT]);
  const out = values.out === undefined ? undefined : readText(values, OUT);
  const made = plan(request as PlanRequest);
  const { proxy: factor } = numbers;
  const proxy = factor === undefined ? undefined : proxyOf(made, factor);
  const { prior = 0.5 } = numbers;
  if (numbers.prior !== undefined && !values.risk)
    throw new UsageError(`--${PRIOR.name} is of use with --risk only`);
  const risk = values.risk ? riskOf(curveOf(made.event, made.achieved), prior) : undefined;
  const group = numbers.group === undefined ? undefined : groupOf(made, numbers.group, risk && prior);
  const search = searchOf(made);
  const unit = unitOf(values);
  const stated =
    values.statement === undefined ? undefined : statement(made, { ...unit, ...(group && { group }) });
  const code =
    values.emit === undefined
      ? undefined
      : emit(made, readChoice(values, EMIT.name, Object.keys(FRAMEWORKS) as Framework[], "opacus"));
  if (out !== undefined) writeWholeFile(out, OUT, planToText(made));
  if (stated !== undefined && values.statement !== "")
    writeWholeFile(String(values.statement), STATEMENT, stated);
  const alone = [values.statement === "" ? stated : undefined, code].filter((text) => text !== undefined);
  if (values.json)
    printJson({
      ...made,
      ...(search && {
        search: { ...search, epsilon: curveOf(search.event, made.achieved).epsilonAt(made.achieved.delta) },
      }),
      ...(risk && { risk }),
      ...(group && { group }),
      ...(proxy && { proxy }),
      ...(stated !== undefined && { statement: stated }),
      ...(code !== undefined && { code }),
    });
  else if (alone.length > 0) say(alone.join("\n").trimEnd());
  else {
    showPlan(made);
    if (risk) showRisk(risk, "what an attacker who sees every step can gain at most");
    if (group) showGroup(group);
    if (proxy) showProxy(proxy);
    if (typeof values.preset === "string") showRecipe(preset(values.preset), out);
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
  PRIOR.name,
  GROUP.name,
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

/** "batch-size" → "batchSize". */
function camel(name: string): string {
  return name.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}
