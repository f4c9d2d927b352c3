// Writes a ledger so that no step can happen without its line: exclusive file, one write and one sync a line.
import { hash } from "node:crypto";
import { closeSync, fdatasyncSync, fstatSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import {
  CHAIN_START,
  type LedgerEntry,
  type LedgerPosition,
  type LedgerResume,
  type LedgerRun,
  type LedgerStep,
  ledgerLine,
} from "../formats/ledger.js";
import { type LedgerReading, ledgerIncludes, readLedger } from "../formats/ledgerReader.js";
import { syncFolder } from "./disk.js";

/** A ledger that no process may go on writing: one line that names the file and what is wrong. */
export class LedgerResumeError extends Error {
  override readonly name = "LedgerResumeError";
}

/** What a run line says, but for what the format fixes. */
export type LedgerBegin = Omit<LedgerRun, "kind" | "version" | "runId" | "arithmetic"> &
  Required<Pick<LedgerRun, "runId" | "arithmetic">>;
/** What a resume line says; how many steps there were, the ledger knows. */
export type LedgerResumption = Omit<LedgerResume, "kind" | "steps" | "arithmetic"> &
  Required<Pick<LedgerResume, "arithmetic">>;

/** What a stopped run's ledger says, checked to be one that can be continued. */
export interface StoppedLedger {
  readonly reading: LedgerReading & { readonly run: LedgerRun };
  /** Whether `position` is a place in it: then nothing before was changed or cut off. */
  includes(position: LedgerPosition): boolean;
}

/**
 * Reads the ledger of a run that stopped. Tolerates what a crash leaves, a torn last line; anything else that the reader
 * finds (docs/ledger.md) is an error here: nothing can be built on such a ledger. Throws LedgerResumeError.
 */
export function readStoppedLedger(path: string): StoppedLedger {
  const text = readFileSync(path, "utf8");
  const reading = readLedger(text, hashLineNode);
  const { run, end } = reading;
  const wrong = reading.problems.find(({ code }) => code !== "torn-last-line");
  if (wrong)
    throw new LedgerResumeError(
      `ledger ${path} is damaged (line ${wrong.line}: ${wrong.code}): a run is not continued on it`,
    );
  if (end) throw new LedgerResumeError(`ledger ${path} has its end line: the run is finished`);
  if (!run) throw new LedgerResumeError(`ledger ${path} has no run line`);
  return {
    reading: { ...reading, run },
    includes: (position) => ledgerIncludes(text, position, hashLineNode),
  };
}

/** hashLine of dpsgd/accounting, some five times faster through OpenSSL: give it to `audit` for long ledgers. */
export function hashLineNode(line: string): string {
  return hash("sha256", line, "hex");
}

/**
 * The only writer of one ledger file.
 *
 * Guarantee: when `step` returns, its line is on disk (write and fdatasync done); when it throws, the step must not be
 * applied, and this writer writes nothing more. Lines are only ever appended, each chained to the one before.
 */
export class LedgerWriter {
  readonly path: string;
  #file: number | undefined;
  #previous = CHAIN_START;
  #version: LedgerRun["version"] = 2;
  #steps = 0;
  #lines = 0;
  #bytes = 0;

  /**
   * Given a run: creates path (an error if it exists) and writes the run line; the file's name is on disk too when this
   * returns. Given a resumption: continues the ledger of a stopped run (see readStoppedLedger) with a resume line, after
   * ending a torn last line, which counts as a step. `kept`: how many of its steps are in the weights at hand.
   */
  constructor(path: string, begin: LedgerBegin | LedgerResumption) {
    this.path = path;
    if (!("plan" in begin)) {
      this.#continue(begin);
      return;
    }
    const entry: LedgerRun = { kind: "run", version: 2, ...begin };
    // Checked before the file exists: a refused run leaves nothing behind.
    ledgerLine(entry, CHAIN_START);
    this.#file = openSync(path, "ax", 0o644);
    this.#append(entry);
    syncFolder(dirname(path));
  }

  /** Steps on disk so far. */
  get steps(): number {
    return this.#steps;
  }

  get position(): LedgerPosition {
    return { steps: this.#steps, lines: this.#lines, hash: this.#previous };
  }

  /** Puts the next step on disk and returns its number, from 1. Call it before the noisy sum is applied or shown. */
  step(spent: Pick<LedgerStep, "samplingRate" | "noiseMultiplier">): number {
    const { samplingRate, noiseMultiplier } = spent;
    this.#append({ kind: "step", step: this.#steps + 1, samplingRate, noiseMultiplier });
    return ++this.#steps;
  }

  /** Puts another use of the data on disk; call it before its result is used. */
  event(reason: string, event: Extract<LedgerEntry, { kind: "event" }>["event"]): void {
    this.#append({ kind: "event", reason, event });
  }

  /**
   * Writes the end line and closes the file: the run ended by itself. files: SHA-256 of what it released, by file name. The time
   * is that of the next full minute: how long the steps took depends on the batches drawn.
   */
  end(files: Readonly<Record<string, string>> = {}, finishedAt: Date = new Date()): void {
    const minute = 60_000;
    const rounded = new Date(Math.ceil(finishedAt.getTime() / minute) * minute);
    this.#append({
      kind: "end",
      steps: this.#steps,
      finishedAt: rounded.toISOString(),
      // A run that an older version began goes on in its format.
      ...(this.#version === 2 && { files }),
    });
    this.close();
  }

  /** Closes the file without an end line: the run stays a partial one. Safe to call twice. */
  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #append(entry: LedgerEntry): void {
    if (this.#file === undefined) throw new Error(`ledger ${this.path} is closed`);
    const line = ledgerLine(entry, this.#previous);
    const bytes = Buffer.from(`${line}\n`);
    try {
      if (fstatSync(this.#file).size !== this.#bytes) throw new Error("another process wrote to it");
      // One write puts the whole line in the file but on a full disk; what is missing then fails on the next turn.
      for (let written = 0; written < bytes.length; )
        written += writeSync(this.#file, bytes, written, bytes.length - written);
      fdatasyncSync(this.#file);
    } catch (error) {
      this.close();
      throw new Error(
        `ledger ${this.path} cannot be written (${(error as Error).message}): the step was not applied`,
      );
    }
    this.#previous = hashLineNode(line);
    this.#bytes += bytes.length;
    this.#lines++;
  }

  #continue(begin: LedgerResumption): void {
    const { stepsDone: steps, run } = readStoppedLedger(this.path).reading;
    this.#version = run.version;
    const entry = { kind: "resume", steps, ...begin } as const;
    ledgerLine(entry, CHAIN_START);
    const text = readFileSync(this.path, "utf8");
    const lines = text.split("\n");
    const torn = lines.at(-1) !== "";
    this.#file = openSync(this.path, "a");
    // What was torn off is ended where it stands: lines are never removed, and the reader counts it.
    if (torn) writeSync(this.#file, "\n");
    this.#bytes = Buffer.byteLength(text) + (torn ? 1 : 0);
    this.#lines = torn ? lines.length : lines.length - 1;
    this.#previous = hashLineNode(lines[this.#lines - 1]!);
    this.#steps = steps;
    this.#append(entry);
  }
}
