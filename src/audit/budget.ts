// A data set's budget across runs: what each run is charged, and whether another one fits. No files: docs/budget.md.
import { everyAccountant } from "../accounting/accountants.js";
import { type TightestBound, tightestEpsilon } from "../accounting/tightest.js";
import type {
  BudgetFile,
  BudgetLimits,
  BudgetRecord,
  BudgetRelease,
  BudgetReserve,
} from "../formats/budget.js";
import { flatten, type PrivacyEvent } from "../formats/event.js";
import { eventToJson } from "../formats/eventJson.js";
import { sameJson } from "../formats/json.js";
import type { LedgerPosition } from "../formats/ledger.js";
import { type AuditReport, ENGINE_TOLERANCE } from "../formats/report.js";
import { roundedUp } from "../formats/rounded.js";

/** What the entries of a budget file come to. */
export interface DataBudget extends BudgetLimits {
  readonly runs: readonly BudgetRun[];
}

/** One run, told apart by its identity. */
export interface BudgetRun {
  readonly runId: string;
  /** Where it was when it was last heard of. */
  readonly folder: string;
  /**
   * reserved: charged for its plan. stopped: for its plan, and for whatever its ledger showed beyond it, since it may be taken up
   * again. settled: for what its finished ledger showed.
   */
  readonly state: "reserved" | "stopped" | "settled";
  /** When it was first heard of, ISO 8601, UTC. */
  readonly since: string;
  /** The last place of its ledger that was recorded; null before any. */
  readonly head: LedgerPosition | null;
  readonly charged: PrivacyEvent;
}

/** A run that would take the total above the budget. */
export class BudgetExceededError extends Error {
  override readonly name = "BudgetExceededError";
  constructor(
    readonly budget: Pick<BudgetLimits, "epsilon" | "delta">,
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

/**
 * What a budget file's entries come to.
 *
 * A settled run is charged for what its ledger showed, any other for its plan as well; see `recordRun` for what keeps the former
 * from shrinking.
 */
export function budgetOf({ begin, entries }: Pick<BudgetFile, "begin" | "entries">): DataBudget {
  const runs = new Map<string, BudgetRun & { plan?: PrivacyEvent; seen?: PrivacyEvent }>();
  for (const entry of entries) {
    const { runId } = entry;
    const before = runs.get(runId);
    if (entry.kind === "release") {
      // What was recorded has happened: only a bare reservation can be taken back.
      if (before && !before.seen) runs.delete(runId);
      continue;
    }
    const since = before?.since ?? entry.at;
    const plan = entry.kind === "reserve" ? mostOf(entry.event, before?.plan) : before?.plan;
    const seen = entry.kind === "record" ? entry.event : before?.seen;
    const state = entry.kind === "reserve" ? "reserved" : entry.state;
    const head = entry.kind === "record" ? entry.head : (before?.head ?? null);
    const charged = state === "settled" ? seen! : mostOf(seen ?? plan!, plan);
    runs.set(runId, {
      ...{ runId, folder: entry.folder, state, since, head, charged },
      ...(plan && { plan }),
      ...(seen && { seen }),
    });
  }
  const { epsilon, delta, neighboring } = begin;
  return {
    epsilon,
    delta,
    neighboring,
    runs: [...runs.values()].map(({ plan: _, seen: __, ...run }) => run),
  };
}

/** ε of all charges, and of `more` on top, composed: each accountant's upper bound holds, so the smallest does. */
export function budgetSpent(budget: DataBudget, more?: PrivacyEvent): TightestBound {
  const events = budget.runs.map(({ charged }) => charged);
  const event: PrivacyEvent = { kind: "composed", events: more ? [...events, more] : events };
  return tightestEpsilon(everyAccountant(budget.neighboring), event, budget.delta);
}

export function budgetHolds(budget: DataBudget): boolean {
  return budgetSpent(budget).upper <= budget.epsilon * (1 + ENGINE_TOLERANCE);
}

/**
 * The entry that charges a run's plan, to be on disk before the run begins or goes on. Throws BudgetExceededError if that is too
 * much.
 *
 * Guarantee: whatever the run does within its plan, and wherever it stops, is charged from now on.
 * Edges: a run that is charged already (a stopped one, taken up again) stays charged for what it is, or the plan if that is more.
 */
export function reserve(budget: DataBudget, run: Omit<BudgetReserve, "kind">): BudgetReserve {
  const before = budget.runs.find(({ runId }) => runId === run.runId);
  const others = { ...budget, runs: budget.runs.filter((each) => each !== before) };
  const { upper } = budgetSpent(others, mostOf(run.event, before?.charged));
  if (!(upper <= budget.epsilon * (1 + ENGINE_TOLERANCE)))
    throw new BudgetExceededError(budget, budgetSpent(budget).upper, upper);
  return { kind: "reserve", ...run };
}

/**
 * The entries that record what a run's ledger shows; report: its audit, which was told where the ledger stood (`recorded`), if the
 * budget knows; head: where it stands now. None if all of it is there already.
 *
 * Guarantee: only a finished ledger without damage takes the plan's charge away. Any other run (stopped, killed, damaged) stays
 * charged for its plan, and for whatever its ledger shows beyond it: it may be taken up again, and its last steps may be lost.
 * A ledger that does not hold the place that was recorded takes nothing away: of each kind of step the larger count stands.
 * Edges: a run that was not in the budget is put there, whatever the total: it has happened.
 */
export function recordRun(
  budget: DataBudget,
  run: Pick<BudgetRecord, "runId" | "folder" | "head" | "at"> & { readonly report: AuditReport },
): readonly (BudgetReserve | BudgetRecord)[] {
  const { runId, folder, at, report } = run;
  const { plan, findings } = report;
  const before = budget.runs.find((each) => each.runId === runId);
  const replaced = findings.some(({ code }) => code === "head-changed");
  const state = report.finished && !findings.some(damaged) ? "settled" : "stopped";
  const head = (replaced && before?.head) || run.head;
  const event = replaced ? mostOf(report.event, before?.charged) : report.event;
  const charged = state === "settled" || !plan ? event : mostOf(event, plan.event);
  if (before?.state === state && sameJson(before.head, head) && sameJson(before.charged, charged)) return [];
  const reserved: BudgetReserve[] =
    before || !plan
      ? []
      : [{ kind: "reserve", runId, folder, at: report.run?.startedAt ?? at, event: plan.event }];
  return [...reserved, { kind: "record", runId, folder, at, state, head, event }];
}

/** The entry that takes back the reservation of a run that is known not to have begun. */
export function release(runId: string, at: string): BudgetRelease {
  return { kind: "release", runId, at };
}

/** An error that is not just too much ε: the ledger cannot be relied on. */
function damaged({ code, severity }: AuditReport["findings"][number]): boolean {
  return severity === "error" && code !== "epsilon-exceeded";
}

/** An event that costs at least what either costs: of each kind of step, the larger count; of searches alike, the larger run. */
function mostOf(a: PrivacyEvent, b: PrivacyEvent | undefined): PrivacyEvent {
  if (!b) return a;
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
