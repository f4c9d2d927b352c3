// Reads a budget file, of this version or the one before. One that was damaged is no budget: nothing is guessed.
import { shown } from "./argumentError.js";
import {
  type BudgetBegin,
  type BudgetEntry,
  type BudgetFile,
  BudgetFormatError,
  budgetBegin,
  spelt,
} from "./budget.js";
import { eventFromJson } from "./eventJson.js";
import type { Neighboring } from "./guarantee.js";
import { record } from "./json.js";
import { CHAIN_START, hashLine, type LedgerPosition } from "./ledger.js";

/**
 * The budget in a file's text: of version 2, or of version 1, one JSON object, whose runs become entries of version 2.
 * identify: the identity of the run that version 1 knew by its folder. Throws BudgetFormatError.
 */
export function budgetFromText(text: string, identify: (folder: string) => string): BudgetFile {
  try {
    const older = parsed(text);
    return older === undefined ? fromLines(text) : fromVersion1(older, identify);
  } catch (error) {
    if (error instanceof BudgetFormatError) throw error;
    throw new BudgetFormatError(`budget: ${(error as Error).message.replaceAll(/\s+/g, " ")}`);
  }
}

function fromLines(text: string): BudgetFile {
  const lines = text.split("\n");
  if (lines.pop() !== "") throw new BudgetFormatError("budget must end with a line feed: it was cut");
  let previous = CHAIN_START;
  let begin: BudgetBegin | undefined;
  const entries: BudgetEntry[] = [];
  for (const [i, line] of lines.entries()) {
    const where = `budget's line ${i + 1}`;
    const value = parsed(line);
    if (value === undefined) throw new BudgetFormatError(`${where} must be JSON, got ${shown(line)}`);
    if (value.previous !== previous)
      throw new BudgetFormatError(`${where} must carry the hash of the line before: the file was changed`);
    const entry = begin ? readEntry(value, where) : readBegin(value, where);
    if (JSON.stringify({ ...spelt(entry), previous }) !== line)
      throw new BudgetFormatError(`${where} must be spelt as docs/budget.md says`);
    if (entry.kind === "budget") begin = entry;
    else entries.push(entry);
    previous = hashLine(line);
  }
  if (!begin) throw new BudgetFormatError("budget must have a first line, got nothing");
  return { begin, entries, head: previous };
}

function readBegin(value: Record<string, unknown>, where: string): BudgetBegin {
  if (value.kind !== "budget") fail(`${where}: kind`, '"budget"', value.kind);
  if (value.version !== 2)
    fail(`${where}: version`, "2 or 1, the ones that this release reads", value.version);
  record(value, where, [...["kind", "version", "epsilon", "delta", "neighboring", "createdAt", "previous"]]);
  const { epsilon, delta, neighboring, createdAt } = value as unknown as BudgetBegin;
  date(`${where}: createdAt`, createdAt);
  return budgetBegin({ epsilon, delta, neighboring }, createdAt);
}

const FIELDS: { readonly [K in BudgetEntry["kind"]]: readonly string[] } = {
  reserve: ["kind", "runId", "folder", "at", "event", "previous"],
  record: ["kind", "runId", "folder", "at", "state", "head", "event", "previous"],
  release: ["kind", "runId", "at", "previous"],
};

function readEntry(value: Record<string, unknown>, where: string): BudgetEntry {
  const kind = value.kind as BudgetEntry["kind"];
  if (!Object.hasOwn(FIELDS, kind)) fail(`${where}: kind`, Object.keys(FIELDS).join(", "), value.kind);
  const { runId, folder, at, state, head, event } = record(value, where, FIELDS[kind]);
  if (!(typeof runId === "string" && /^[0-9a-f]{32}$/.test(runId)))
    fail(`${where}: runId`, "32 hexadecimal digits", runId);
  date(`${where}: at`, at);
  const run = { runId: runId as string, at: at as string };
  if (kind === "release") return { kind, ...run };
  if (!(typeof folder === "string" && folder !== "")) fail(`${where}: folder`, "a folder", folder);
  const charged = { ...run, folder: folder as string, event: eventFromJson(event) };
  if (kind === "reserve") return { kind, ...charged };
  if (state !== "stopped" && state !== "settled") fail(`${where}: state`, "stopped or settled", state);
  return { kind, ...charged, state: state as "stopped" | "settled", head: readHead(head, `${where}: head`) };
}

function readHead(value: unknown, where: string): LedgerPosition {
  const { steps, lines, hash } = record(value, where, ["steps", "lines", "hash"]);
  for (const [name, count] of Object.entries({ steps, lines }))
    if (!(Number.isSafeInteger(count) && (count as number) >= 0))
      fail(`${where}.${name}`, "a whole number >= 0", count);
  if (!(typeof hash === "string" && /^[0-9a-f]{64}$/.test(hash)))
    fail(`${where}.hash`, "64 hexadecimal digits", hash);
  return { steps: steps as number, lines: lines as number, hash: hash as string };
}

/** Runs were known by their folders, and nothing was recorded of their ledgers but what was charged. */
function fromVersion1(value: Record<string, unknown>, identify: (folder: string) => string): BudgetFile {
  if (value.kind !== "dpsgd-budget") fail("budget's kind", '"dpsgd-budget"', value.kind);
  if (value.version !== 1)
    fail("budget's version", "2 or 1, the ones that this release reads", value.version);
  const { epsilon, delta, neighboring, runs } = value;
  const limits = {
    epsilon: epsilon as number,
    delta: delta as number,
    neighboring: neighboring as Neighboring,
  };
  if (!Array.isArray(runs)) fail("budget's runs", "a list", runs);
  const folders = new Set<unknown>();
  const known = new Set<string>();
  // Each was charged by itself: two folders never become one run, whatever lies in them now.
  const identityOf = (folder: string): string => {
    const found = identify(folder);
    const runId = known.has(found) ? hashLine(folder).slice(0, 32) : found;
    known.add(runId);
    return runId;
  };
  const entries = (runs as unknown[]).map((each, i): BudgetEntry => {
    const where = `budget's runs[${i}]`;
    if (typeof each !== "object" || each === null) fail(where, "an object", each);
    const { folder, state, since, charged } = each as Record<string, unknown>;
    if (!(typeof folder === "string" && folder !== "" && !folders.has(folder)))
      fail(`${where}.folder`, "a folder that stands once", folder);
    folders.add(folder);
    if (state !== "reserved" && state !== "settled") fail(`${where}.state`, "reserved or settled", state);
    date(`${where}.since`, since);
    const run = {
      runId: identityOf(folder as string),
      folder: folder as string,
      at: since as string,
      event: eventFromJson(charged),
    };
    return state === "reserved"
      ? { kind: "reserve", ...run }
      : { kind: "record", ...run, state: "settled", head: { steps: 0, lines: 0, hash: CHAIN_START } };
  });
  const createdAt = entries.map((each) => each.at).sort()[0] ?? new Date(0).toISOString();
  return { begin: budgetBegin(limits, createdAt), entries, head: CHAIN_START };
}

/** The JSON object in a text; undefined if it is none. */
function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value))
      fail("budget", "an object", value);
    const object = value as Record<string, unknown>;
    // A file of one line is of version 2 as well.
    return object.kind === "budget" && text.endsWith("\n") ? undefined : object;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function date(where: string, value: unknown): void {
  if (!(typeof value === "string" && Number.isFinite(Date.parse(value)))) fail(where, "a date", value);
}

function fail(where: string, allowed: string, found: unknown): never {
  throw new BudgetFormatError(`${where} must be ${allowed}, got ${shown(found)}`);
}
