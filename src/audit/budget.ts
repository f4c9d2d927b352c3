// A data set's budget across runs: what each run is charged, and whether another one fits. Plain data, no files: docs/budget.md.
import { everyAccountant } from "../accounting/accountants.js";
import { type TightestBound, tightestEpsilon } from "../accounting/tightest.js";
import { flatten, type PrivacyEvent } from "../formats/event.js";
import { type EventJson, eventFromJson, eventToJson } from "../formats/eventJson.js";
import { NEIGHBORINGS, type Neighboring } from "../formats/guarantee.js";
import { sameJson } from "../formats/json.js";
import { type AuditReport, ENGINE_TOLERANCE } from "../formats/report.js";
import { roundedUp } from "../formats/rounded.js";

export interface DataBudget {
  readonly kind: "dpsgd-budget";
  readonly version: 1;
  /** What all runs together may spend at delta, nats. */
  readonly epsilon: number;
  readonly delta: number;
  readonly neighboring: Neighboring;
  readonly runs: readonly BudgetRun[];
}

export interface BudgetRun {
  /** The run folder; each stands once. */
  readonly folder: string;
  /** reserved: charged for its plan, or what its ledger shows where that is more. settled: for its finished ledger. */
  readonly state: "reserved" | "settled";
  /** ISO 8601, UTC. */
  readonly since: string;
  readonly charged: EventJson;
}

/** A budget file that cannot be read; one line that says what was found and what is allowed. */
export class BudgetFormatError extends Error {
  override readonly name = "BudgetFormatError";
}

/** A run that would take the total above the budget. */
export class BudgetExceededError extends Error {
  override readonly name = "BudgetExceededError";
  constructor(
    readonly budget: Pick<DataBudget, "epsilon" | "delta">,
    /** ε of the runs charged so far, and with the one that was refused. */
    readonly epsilonSpent: number,
    readonly epsilonThen: number,
  ) {
    const [spent, then] = [epsilonSpent, epsilonThen].map((each) => roundedUp(each, 6));
    super(
      `the budget has no room for this run: epsilon ${then} with it, ${budget.epsilon} allowed at delta ${budget.delta} (spent and reserved: ${spent})`,
    );
  }
}

export function newBudget(limits: Pick<DataBudget, "epsilon" | "delta" | "neighboring">): DataBudget {
  const { epsilon, delta, neighboring } = limits;
  return checkBudget({ kind: "dpsgd-budget", version: 1, epsilon, delta, neighboring, runs: [] });
}

export function budgetToJson(budget: DataBudget): string {
  return `${JSON.stringify(budget, null, 2)}\n`;
}

/** Reads what budgetToJson wrote. Throws BudgetFormatError. */
export function budgetFromJson(text: string): DataBudget {
  try {
    return checkBudget(JSON.parse(text));
  } catch (error) {
    if (error instanceof BudgetFormatError) throw error;
    throw new BudgetFormatError(`budget must be JSON: ${(error as Error).message.replaceAll(/\s+/g, " ")}`);
  }
}

/** ε of all charges, and of `more` on top, composed: each accountant's upper bound holds, so the smallest does. */
export function budgetSpent(budget: DataBudget, more?: PrivacyEvent): TightestBound {
  const events = budget.runs.map(({ charged }) => eventFromJson(charged));
  const event: PrivacyEvent = { kind: "composed", events: more ? [...events, more] : events };
  return tightestEpsilon(everyAccountant(budget.neighboring), event, budget.delta);
}

export function budgetHolds(budget: DataBudget): boolean {
  return budgetSpent(budget).upper <= budget.epsilon * (1 + ENGINE_TOLERANCE);
}

/**
 * The budget with a run's plan charged to it, before the run begins. Throws BudgetExceededError if that is too much.
 *
 * Guarantee: whatever the run does within its plan, and wherever it stops, is charged from now on.
 * Edges: a run that is charged already (a stopped one, taken up again) stays charged for what it is, or the plan if that is more.
 */
export function reserve(
  budget: DataBudget,
  run: { readonly folder: string; readonly event: PrivacyEvent; readonly since: string },
): DataBudget {
  const { folder, event, since } = run;
  const before = budget.runs.find((each) => each.folder === folder);
  const charged = before ? mostOf(eventFromJson(before.charged), event) : event;
  const { upper } = budgetSpent(release(budget, folder), charged);
  if (!(upper <= budget.epsilon * (1 + ENGINE_TOLERANCE)))
    throw new BudgetExceededError(budget, budgetSpent(budget).upper, upper);
  return withRun(budget, {
    folder,
    state: "reserved",
    since: before?.since ?? since,
    charged: eventToJson(charged),
  });
}

/**
 * The budget with a run charged for what its ledger shows; report: its audit.
 *
 * Guarantee: only a finished ledger without damage replaces the plan's charge. Any other run (stopped, killed, damaged) stays
 * charged for its plan, and for whatever its ledger shows beyond it: it may be taken up again, and its last steps may be lost.
 * Edges: a run that was not in the budget is put there, whatever the total: it has happened.
 */
export function settle(
  budget: DataBudget,
  run: { readonly folder: string; readonly report: AuditReport; readonly since: string },
): DataBudget {
  const { folder, report, since } = run;
  const before = budget.runs.find((each) => each.folder === folder);
  const sound = report.finished && !report.findings.some(damaged);
  const { plan, event } = report;
  let charged = event;
  if (!sound) {
    if (before) charged = mostOf(charged, eventFromJson(before.charged));
    if (plan) charged = mostOf(charged, plan.event);
  }
  return withRun(budget, {
    folder,
    state: sound ? "settled" : "reserved",
    since: before?.since ?? report.run?.startedAt ?? since,
    charged: eventToJson(charged),
  });
}

/** An error that is not just too much ε: the ledger cannot be relied on. */
function damaged({ code, severity }: AuditReport["findings"][number]): boolean {
  return severity === "error" && code !== "epsilon-exceeded";
}

/** The budget without a run: where it must be one that is known not to have begun. */
export function release(budget: DataBudget, folder: string): DataBudget {
  return { ...budget, runs: budget.runs.filter((each) => each.folder !== folder) };
}

/** The run in its place, or last. */
function withRun(budget: DataBudget, run: BudgetRun): DataBudget {
  const known = budget.runs.some(({ folder }) => folder === run.folder);
  return {
    ...budget,
    runs: known
      ? budget.runs.map((each) => (each.folder === run.folder ? run : each))
      : [...budget.runs, run],
  };
}

/** An event that costs at least what either costs: of each kind of step, the larger count; of searches alike, the larger run. */
function mostOf(a: PrivacyEvent, b: PrivacyEvent): PrivacyEvent {
  if (a.kind === "repeat-and-select" && b.kind === "repeat-and-select")
    if (sameJson(a.repetitions, b.repetitions)) return { ...a, event: mostOf(a.event, b.event) };
  const counts = new Map<string, ReturnType<typeof flatten>[number]>();
  for (const each of [...flatten(a), ...flatten(b)]) {
    const key = JSON.stringify(eventToJson(each.event));
    const seen = counts.get(key);
    if (!seen || seen.count < each.count) counts.set(key, each);
  }
  const events = [...counts.values()].map(
    ({ event, count }): PrivacyEvent => ({ kind: "repeated", event, count }),
  );
  return events.length === 1 ? events[0]! : { kind: "composed", events };
}

function checkBudget(value: unknown): DataBudget {
  const fail = (field: string, allowed: string, found: unknown): never => {
    throw new BudgetFormatError(
      `budget's ${field} must be ${allowed}, got ${JSON.stringify(found) ?? found}`,
    );
  };
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new BudgetFormatError(`budget must be an object, got ${JSON.stringify(value)}`);
  const { kind, version, epsilon, delta, neighboring, runs } = value as Record<string, unknown>;
  if (kind !== "dpsgd-budget") fail("kind", '"dpsgd-budget"', kind);
  if (version !== 1) fail("version", "1, the only one this release reads", version);
  if (!(typeof epsilon === "number" && epsilon > 0 && epsilon < Infinity))
    fail("epsilon", "> 0 and finite", epsilon);
  if (!(typeof delta === "number" && delta > 0 && delta < 1)) fail("delta", "in (0, 1)", delta);
  if (!NEIGHBORINGS.includes(neighboring as Neighboring))
    fail("neighboring", `one of ${NEIGHBORINGS.join(", ")}`, neighboring);
  if (!Array.isArray(runs)) fail("runs", "a list", runs);
  const folders = new Set<string>();
  const checked = (runs as unknown[]).map((each, i): BudgetRun => {
    if (typeof each !== "object" || each === null) fail(`runs[${i}]`, "an object", each);
    const { folder, state, since, charged } = each as Record<string, unknown>;
    if (!(typeof folder === "string" && folder !== "" && !folders.has(folder)))
      fail(`runs[${i}].folder`, "a folder that stands once", folder);
    folders.add(folder as string);
    if (state !== "reserved" && state !== "settled") fail(`runs[${i}].state`, "reserved or settled", state);
    if (!(typeof since === "string" && Number.isFinite(Date.parse(since))))
      fail(`runs[${i}].since`, "a date", since);
    try {
      eventFromJson(charged);
    } catch (error) {
      throw new BudgetFormatError(`budget's runs[${i}].charged: ${(error as Error).message}`);
    }
    return { folder, state, since, charged } as BudgetRun;
  });
  return { kind, version, epsilon, delta, neighboring, runs: checked } as DataBudget;
}
