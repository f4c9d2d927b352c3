// A data set's budget over all runs, as JSON lines, append-only, chained by SHA-256 like a ledger. Format: docs/budget.md.
import { ArgumentError, shown } from "./argumentError.js";
import type { PrivacyEvent } from "./event.js";
import { eventToJson } from "./eventJson.js";
import { NEIGHBORINGS, type Neighboring } from "./guarantee.js";
import { CHAIN_START, hashLine, type LedgerPosition } from "./ledger.js";

/** What all runs together may spend. */
export interface BudgetLimits {
  /** ε > 0, nats, finite. */
  readonly epsilon: number;
  /** In (0, 1). */
  readonly delta: number;
  readonly neighboring: Neighboring;
}

/** Line 1. */
export interface BudgetBegin extends BudgetLimits {
  readonly kind: "budget";
  readonly version: 2;
  /** ISO 8601, UTC, as all times here. */
  readonly createdAt: string;
}

/** A run is about to begin, or to go on: from now on it is charged for its plan, whatever happens. */
export interface BudgetReserve {
  readonly kind: "reserve";
  /** 32 hexadecimal digits: the run's identity, wherever its folder lies. */
  readonly runId: string;
  /** Where it was then, for people. */
  readonly folder: string;
  readonly at: string;
  /** All that its plan spends. */
  readonly event: PrivacyEvent;
}

/** What a run's ledger showed: at a stop, at its end, or when it was audited. */
export interface BudgetRecord {
  readonly kind: "record";
  readonly runId: string;
  readonly folder: string;
  readonly at: string;
  /** settled: the ledger is finished and sound. */
  readonly state: "stopped" | "settled";
  /** Where the ledger stood. */
  readonly head: LedgerPosition;
  /** What it showed was spent. */
  readonly event: PrivacyEvent;
}

/** A run that was reserved could not begin: no batch was drawn. */
export interface BudgetRelease {
  readonly kind: "release";
  readonly runId: string;
  readonly at: string;
}

export type BudgetEntry = BudgetReserve | BudgetRecord | BudgetRelease;

/** A budget file as it was read. */
export interface BudgetFile {
  readonly begin: BudgetBegin;
  readonly entries: readonly BudgetEntry[];
  /** SHA-256 of the last line, 64 hexadecimal digits. */
  readonly head: string;
}

/** What is no budget that this release reads; one line that says what was found and what is allowed. */
export class BudgetFormatError extends Error {
  override readonly name = "BudgetFormatError";
}

/** A new budget's first line. Throws ArgumentError. */
export function budgetBegin(limits: BudgetLimits, createdAt: string): BudgetBegin {
  const { epsilon, delta, neighboring } = limits;
  if (!(typeof epsilon === "number" && epsilon > 0 && epsilon < Infinity))
    throw new ArgumentError("epsilon", "> 0 and finite", shown(epsilon));
  if (!(typeof delta === "number" && delta > 0 && delta < 1))
    throw new ArgumentError("delta", "in (0, 1)", shown(delta));
  if (!NEIGHBORINGS.includes(neighboring))
    throw new ArgumentError("neighboring", `one of ${NEIGHBORINGS.join(", ")}`, shown(neighboring));
  return { kind: "budget", version: 2, epsilon, delta, neighboring, createdAt };
}

/** The text of a budget file. Lines once written are never changed: entries are only added at the end. */
export function budgetToText({ begin, entries }: Pick<BudgetFile, "begin" | "entries">): string {
  let previous = CHAIN_START;
  return [begin, ...entries]
    .map((entry) => {
      const line = JSON.stringify({ ...spelt(entry), previous });
      previous = hashLine(line);
      return `${line}\n`;
    })
    .join("");
}

/** An entry as JSON, its keys in the order of the interfaces above: one entry has one spelling. */
export function spelt(entry: BudgetBegin | BudgetEntry): Record<string, unknown> {
  switch (entry.kind) {
    case "budget": {
      const { kind, version, epsilon, delta, neighboring, createdAt } = entry;
      return { kind, version, epsilon, delta, neighboring, createdAt };
    }
    case "reserve": {
      const { kind, runId, folder, at, event } = entry;
      return { kind, runId, folder, at, event: eventToJson(event) };
    }
    case "record": {
      const { kind, runId, folder, at, state, event } = entry;
      const { steps, lines, hash } = entry.head;
      return { kind, runId, folder, at, state, head: { steps, lines, hash }, event: eventToJson(event) };
    }
    case "release": {
      const { kind, runId, at } = entry;
      return { kind, runId, at };
    }
  }
}
