// The ledger: what a run really did, as JSON lines, append-only, chained by SHA-256. Format: docs/ledger.md.
// A step's line is on disk before its noisy sum is applied.
// It never holds anything that depends on the data beyond what the mechanism released: no batch size, no loss.
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { checkEvent } from "./checkEvent.js";
import { dpSgdEvent, type PrivacyEvent } from "./event.js";
import type { Plan } from "./plan.js";
import { checkSumArithmetic, type SumArithmetic } from "./sumArithmetic.js";

/** Line 1: which plan the run set out to follow. */
export interface LedgerRun {
  readonly kind: "run";
  /** Ledgers of version 1 have no `runId`, no `files` in their end line, perhaps no `arithmetic`, and plans of version 1. */
  readonly version: 1 | 2;
  /** Name and version of what wrote the ledger. */
  readonly software: string;
  /** Which run it is, wherever its folder lies: 128 random bits, 32 hexadecimal digits. In version 2. */
  readonly runId?: string;
  /** ISO 8601, UTC, with milliseconds, as Date.toISOString writes it. */
  readonly startedAt: string;
  /** The plan file's object, whole. Where a ledger is read, a plan of version 1 has become one of version 2. */
  readonly plan: Plan;
  /** Which data: a name, and their fingerprint under a salt that is kept secret (64 hexadecimal digits). */
  readonly dataset: { readonly name: string; readonly fingerprint: string };
  /** True if metrics computed on private data were printed or stored (outside the guarantee). */
  readonly privateMetrics: boolean;
  /** Which arithmetic made the sums; in version 1, left out by runs made before ledgers said it. */
  readonly arithmetic?: SumArithmetic;
}

/** One noisy sum, numbered from 1 without gaps, as the noise itself reported it. */
export interface LedgerStep {
  readonly kind: "step";
  readonly step: number;
  /** Probability with which each example entered this batch, independently. */
  readonly samplingRate: number;
  /** Standard deviation of the noise added to every coordinate of the sum ÷ L2 sensitivity of that sum. */
  readonly noiseMultiplier: number;
}

/** Any other use of the private data in the same run, as an event; reason says in words what it was. */
export interface LedgerEvent {
  readonly kind: "event";
  readonly reason: string;
  readonly event: PrivacyEvent;
}

/** A process took up a stopped run; steps = steps counted so far, a torn line included. */
export interface LedgerResume {
  readonly kind: "resume";
  readonly steps: number;
  /** How many of them are in the weights that it went on from: the others were spent and lost. */
  readonly kept: number;
  readonly resumedAt: string;
  /** That of the process that took up the run; left out as in the run line. */
  readonly arithmetic?: SumArithmetic;
}

/** Last line of a run that ended by itself; steps = number of step lines. */
export interface LedgerEnd {
  readonly kind: "end";
  readonly steps: number;
  readonly finishedAt: string;
  /** What the run released besides the ledger, by file name: SHA-256 in hexadecimal. In version 2. */
  readonly files?: Readonly<Record<string, string>>;
}

/** A place in a ledger: so many steps, so many lines, and the hash of the last of them, which fixes all before it. */
export interface LedgerPosition {
  readonly steps: number;
  readonly lines: number;
  readonly hash: string;
}

/** A line of a ledger. */
export type LedgerEntry = LedgerRun | LedgerStep | LedgerEvent | LedgerResume | LedgerEnd;

/** `previous` of line 1. */
export const CHAIN_START = "0".repeat(64);

/** SHA-256 of a line's UTF-8 bytes without its line feed, 64 lower-case hexadecimal digits: the next line's `previous`. */
export function hashLine(line: string): string {
  return bytesToHex(sha256(utf8ToBytes(line)));
}

/**
 * The line (without line feed) that states entry after a line whose hash is `previous`. One entry has one spelling:
 * keys in the order of the interfaces above, numbers as JSON.stringify writes them, no spaces, `previous` last.
 * Throws TypeError or RangeError, naming the field, if entry is not legal.
 */
export function ledgerLine(entry: LedgerEntry, previous: string): string {
  checkLedgerEntry(entry);
  if (!/^[0-9a-f]{64}$/.test(previous))
    throw new TypeError(`previous must be 64 hexadecimal digits, got ${previous}`);
  const ordered: Record<string, unknown> = {};
  for (const key of KEYS[entry.kind]) ordered[key] = (entry as unknown as Record<string, unknown>)[key];
  if (entry.kind === "run")
    ordered.dataset = { name: entry.dataset.name, fingerprint: entry.dataset.fingerprint };
  return JSON.stringify({ ...ordered, previous });
}

const KEYS: { readonly [K in LedgerEntry["kind"]]: readonly string[] } = {
  run: [
    "kind",
    "version",
    "software",
    "runId",
    "startedAt",
    "plan",
    "dataset",
    "privateMetrics",
    "arithmetic",
  ],
  step: ["kind", "step", "samplingRate", "noiseMultiplier"],
  event: ["kind", "reason", "event"],
  resume: ["kind", "steps", "kept", "resumedAt", "arithmetic"],
  end: ["kind", "steps", "finishedAt", "files"],
};

/** Throws TypeError or RangeError, naming the field, the value and what is allowed, unless entry is legal. */
export function checkLedgerEntry(entry: LedgerEntry): void {
  if (typeof entry !== "object" || entry === null)
    throw new TypeError(`ledger entry must be an object, got ${entry}`);
  const { arithmetic } = entry as LedgerRun;
  if (arithmetic !== undefined) checkSumArithmetic(arithmetic);
  switch (entry.kind) {
    case "run":
      if (!(entry.version === 1 || entry.version === 2))
        throw new RangeError(`version must be 2 or 1, got ${String(entry.version)}`);
      if (entry.version === 2 ? !/^[0-9a-f]{32}$/.test(entry.runId ?? "") : entry.runId !== undefined)
        throw new TypeError(
          `runId must be 32 hexadecimal digits in version 2 alone, got ${String(entry.runId)}`,
        );
      if (entry.version === 2 && arithmetic === undefined)
        throw new TypeError("arithmetic must be given in version 2");
      text("software", entry.software);
      date("startedAt", entry.startedAt);
      if (typeof entry.plan !== "object" || entry.plan === null)
        throw new TypeError("plan must be an object");
      if (typeof entry.dataset !== "object" || entry.dataset === null)
        throw new TypeError("dataset must be an object");
      text("dataset.name", entry.dataset.name);
      if (!/^[0-9a-f]{64}$/.test(entry.dataset.fingerprint))
        throw new TypeError(
          `dataset.fingerprint must be 64 hexadecimal digits, got ${entry.dataset.fingerprint}`,
        );
      if (typeof entry.privateMetrics !== "boolean")
        throw new TypeError(`privateMetrics must be true or false, got ${String(entry.privateMetrics)}`);
      return;
    case "step":
      count("step", entry.step, 1);
      if (!(typeof entry.samplingRate === "number" && entry.samplingRate >= 0 && entry.samplingRate <= 1))
        throw new RangeError(`samplingRate must be in [0, 1], got ${entry.samplingRate}`);
      if (
        !(
          typeof entry.noiseMultiplier === "number" &&
          entry.noiseMultiplier >= 0 &&
          entry.noiseMultiplier < Infinity
        )
      )
        throw new RangeError(`noiseMultiplier must be >= 0 and finite, got ${entry.noiseMultiplier}`);
      return;
    case "event":
      text("reason", entry.reason);
      checkEvent(entry.event);
      return;
    case "resume":
      count("steps", entry.steps, 0);
      count("kept", entry.kept, 0);
      if (!(entry.kept <= entry.steps))
        throw new RangeError(`kept must be at most steps ${entry.steps}, got ${entry.kept}`);
      date("resumedAt", entry.resumedAt);
      return;
    case "end":
      count("steps", entry.steps, 0);
      date("finishedAt", entry.finishedAt);
      for (const [name, digest] of Object.entries(entry.files ?? {}))
        if (!(name.length > 0 && /^[0-9a-f]{64}$/.test(digest)))
          throw new TypeError(`files must have 64 hexadecimal digits for each name, got ${String(digest)}`);
      return;
    default:
      throw new TypeError(
        `kind must be one of ${Object.keys(KEYS).join(", ")}, got ${String((entry as { kind: unknown }).kind)}`,
      );
  }
}

/**
 * What the entries spent, as an event: steps of equal rate and noise merged. However a ledger is cut into parts,
 * the events of the parts compose to the event of the whole.
 */
export function ledgerEvent(entries: Iterable<LedgerEntry>): PrivacyEvent {
  const events: PrivacyEvent[] = [];
  let steps: { samplingRate: number; noiseMultiplier: number; steps: number } | undefined;
  const close = (): void => {
    if (steps) events.push(dpSgdEvent(steps));
    steps = undefined;
  };
  for (const entry of entries) {
    checkLedgerEntry(entry);
    if (entry.kind === "event") events.push(entry.event);
    if (entry.kind !== "step") continue;
    const { samplingRate, noiseMultiplier } = entry;
    if (!(steps && steps.samplingRate === samplingRate && steps.noiseMultiplier === noiseMultiplier)) {
      close();
      steps = { samplingRate, noiseMultiplier, steps: 0 };
    }
    steps.steps++;
  }
  close();
  return events.length === 1 ? events[0]! : { kind: "composed", events };
}

function text(name: string, value: unknown): void {
  if (!(typeof value === "string" && value.length > 0))
    throw new TypeError(`${name} must be a text, got ${JSON.stringify(value)}`);
}

function date(name: string, value: unknown): void {
  const time = typeof value === "string" ? Date.parse(value) : Number.NaN;
  if (!(Number.isFinite(time) && new Date(time).toISOString() === value))
    throw new TypeError(`${name} must be a date like 2026-01-31T12:00:00.000Z, got ${JSON.stringify(value)}`);
}

function count(name: string, value: unknown, least: number): void {
  if (!(Number.isSafeInteger(value) && (value as number) >= least))
    throw new RangeError(`${name} must be a whole number >= ${least}, got ${value}`);
}
