// Writes a ledger so that no step can happen without its line: exclusive file, one write and one sync a line.
import { hash } from "node:crypto";
import { closeSync, fdatasyncSync, fsyncSync, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import {
  CHAIN_START,
  type LedgerEntry,
  type LedgerRun,
  type LedgerStep,
  ledgerLine,
} from "../accounting/ledger.js";

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
  #steps = 0;

  /** Creates path (an error if it exists) and writes the run line; the file's name is on disk too when this returns. */
  constructor(path: string, run: Omit<LedgerRun, "kind" | "version">) {
    this.path = path;
    const entry: LedgerRun = { kind: "run", version: 1, ...run };
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
   * Writes the end line and closes the file: the run ended by itself. The time is that of the next full minute: how long
   * the steps took depends on the batches drawn.
   */
  end(finishedAt: Date = new Date()): void {
    const minute = 60_000;
    const rounded = new Date(Math.ceil(finishedAt.getTime() / minute) * minute);
    this.#append({ kind: "end", steps: this.#steps, finishedAt: rounded.toISOString() });
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
  }
}

/** Puts a folder's list of names on disk, so that a new file survives a power cut. Not possible on every system. */
export function syncFolder(folder: string): void {
  let file: number | undefined;
  try {
    file = openSync(folder, "r");
    fsyncSync(file);
  } catch {
    // Windows cannot sync a folder; its file systems journal names by themselves.
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
