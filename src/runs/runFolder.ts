// The folder of one run: its names, its creation, and reading it back for an audit. Nothing half-written looks finished.
import { isAscii } from "node:buffer";
import { randomBytes } from "node:crypto";
import { accessSync, constants, existsSync, mkdirSync, readFileSync, type Stats, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Plan } from "../formats/plan.js";
import { planToText } from "../formats/planReader.js";
import { CheckpointStore } from "./checkpoint.js";
import { newFingerprintSalt } from "./data/fingerprint.js";
import { syncFolder, writeNew, writeWhole } from "./disk.js";
import { hashLineNode, type LedgerBegin, type LedgerResumption, LedgerWriter } from "./ledgerFile.js";

/** What a run folder holds. Weights appear only when whole, under their final name. */
export const RUN_FILES = {
  /** The plan, as it was given. */
  plan: "plan.json",
  /** Which run it is, as its ledger says too: 32 hexadecimal digits. Not in the folders of older runs. */
  runId: "run.id",
  /** What was done, line by line; finished if its last line is an end line. */
  ledger: "ledger.jsonl",
  /** Measurements for people: rates, test accuracy; of private data only with --log-private-metrics. */
  metrics: "metrics.jsonl",
  /** The model's parameters after the last step. */
  weights: "weights.safetensors",
  /** Parameters that are not trained, only where there are any. */
  frozen: "frozen.safetensors",
  /** Names and shapes of the parameters, and how to rebuild the model. */
  model: "model.json",
  /** All of it for people, on one page, and its charts. */
  report: "report.html",
  epsilonChart: "epsilon.svg",
  accuracyChart: "accuracy.svg",
  /** The state of a run that is not finished, to go on from: a folder. */
  checkpoints: "checkpoints",
  /** SECRET: with it, guesses about the data can be tested against the ledger's fingerprint. Keep it with the data. */
  salt: "dataset.salt",
} as const;

/** A run folder that cannot be made or read: one line that names the path and what is wrong. */
export class RunFolderError extends Error {
  override readonly name = "RunFolderError";
}

/** The folder of a run in hand. Made by `createRunFolder`, found again by `openRunFolder`. */
export class RunFolder {
  readonly path: string;
  /** 32 bytes for datasetFingerprint, also in dataset.salt (readable by its owner only). */
  readonly salt: Uint8Array;
  /** 32 hexadecimal digits. */
  readonly runId: string;

  constructor(path: string, salt: Uint8Array, runId: string) {
    this.path = path;
    this.salt = salt;
    this.runId = runId;
  }

  file(name: keyof typeof RUN_FILES): string {
    return join(this.path, RUN_FILES[name]);
  }

  /** Starts the ledger, or goes on with that of a stopped run (see LedgerWriter). */
  openLedger(begin: Omit<LedgerBegin, "runId"> | LedgerResumption): LedgerWriter {
    return new LedgerWriter(this.file("ledger"), "plan" in begin ? { ...begin, runId: this.runId } : begin);
  }

  /** keep: how many checkpoints to have at any time. */
  checkpoints(keep?: number): CheckpointStore {
    return new CheckpointStore(this.file("checkpoints"), keep);
  }

  /** Writes a file of the run, see `writeWhole`. */
  writeWhole(name: "weights" | "frozen" | "model", content: string | Uint8Array): void {
    const path = this.file(name);
    try {
      writeWhole(path, content);
    } catch (error) {
      throw new RunFolderError(`${path} cannot be written (${(error as Error).message})`);
    }
  }
}

/**
 * Makes the folder (and those above it) and puts the plan in it. runId: as newRunId gives it.
 * Throws RunFolderError if path is a file, already holds a run, or cannot be written.
 */
export function createRunFolder(path: string, plan: Plan, runId = newRunId()): RunFolder {
  const found = statOf(path, "out folder");
  if (found && !found.isDirectory()) throw new RunFolderError(`out must be a folder, got the file ${path}`);
  const held = Object.values(RUN_FILES).find((name) => existsSync(join(path, name)));
  if (held !== undefined)
    throw new RunFolderError(
      `out must be a new or empty folder: ${path} already holds a run (${held}); dpsgd train --resume goes on with one that stopped`,
    );
  const salt = newFingerprintSalt();
  try {
    makeFolder(resolve(path));
    accessSync(path, constants.W_OK | constants.X_OK);
    // Exclusive: of two processes that start in one folder at once, one fails here.
    writeNew(join(path, RUN_FILES.plan), planToText(plan));
    writeNew(join(path, RUN_FILES.runId), `${runId}\n`);
    writeNew(join(path, RUN_FILES.salt), `${Buffer.from(salt).toString("hex")}\n`, 0o600);
  } catch (error) {
    throw new RunFolderError(`out folder ${path} cannot be written (${(error as Error).message})`);
  }
  syncFolder(path);
  return new RunFolder(path, salt, runId);
}

/** The identity of a run that is about to begin: 128 random bits, 32 hexadecimal digits. */
export function newRunId(): string {
  return randomBytes(16).toString("hex");
}

/** The folder of a run that stopped. Throws RunFolderError with one line if it is none. */
export function openRunFolder(path: string): RunFolder {
  readPlanFile(path);
  const runId = runIdOf(path) ?? newRunId();
  const file = join(path, RUN_FILES.runId);
  // Of an older run that never began: it has one from now on.
  if (!existsSync(file) && !existsSync(join(path, RUN_FILES.ledger))) writeNew(file, `${runId}\n`);
  return new RunFolder(path, readFingerprintSalt(path), runId);
}

/**
 * What an audit needs of a run folder, unread: the JSON in plan.json (where it is none, the beginning of its text, which
 * the audit finds unreadable) and the ledger.
 */
export interface StoredRun {
  readonly plan: unknown;
  readonly ledgerText: string;
}

/** Reads a run folder. Throws RunFolderError with one line if a file is missing. */
export function readRunFolder(path: string): StoredRun {
  return { ...readStoredPlan(path), ledgerText: readText(join(path, RUN_FILES.ledger)) };
}

/** The plan alone. */
export function readStoredPlan(path: string): Pick<StoredRun, "plan"> {
  const text = readPlanFile(path);
  try {
    return { plan: JSON.parse(text) };
  } catch {
    return { plan: text.slice(0, 40) };
  }
}

function readPlanFile(path: string): string {
  const found = statOf(path);
  if (!found) throw new RunFolderError(`run folder ${path} does not exist`);
  if (!found.isDirectory()) throw new RunFolderError(`run folder must be a folder, got the file ${path}`);
  return readText(join(path, RUN_FILES.plan));
}

/**
 * The identity of the run in a folder: what its ledger says, and before there is one, its file. Of an older run, which has neither,
 * the first half of its first ledger line's hash; undefined where there is none of these.
 * Throws RunFolderError if ledger and file do not agree.
 */
export function runIdOf(path: string): string | undefined {
  const file = join(path, RUN_FILES.runId);
  const written = existsSync(file) ? readText(file).trim() : undefined;
  if (written !== undefined && !/^[0-9a-f]{32}$/.test(written))
    throw new RunFolderError(`${file} must hold 32 hexadecimal digits`);
  const ledger = join(path, RUN_FILES.ledger);
  const text = existsSync(ledger) ? readText(ledger) : "";
  // A line that was not ended is none: no step can have followed it.
  const end = text.indexOf("\n");
  if (end <= 0) return written;
  const line = text.slice(0, end);
  const said = /"runId":"([0-9a-f]{32})"/.exec(line)?.[1] ?? hashLineNode(line).slice(0, 32);
  if (written !== undefined && written !== said)
    throw new RunFolderError(
      `${file} must hold the identity that the run's ledger has, ${said}, got ${written}`,
    );
  return said;
}

/** The salt of the run's fingerprint. Throws RunFolderError if it is missing or not 64 hexadecimal digits. */
export function readFingerprintSalt(path: string): Uint8Array {
  const file = join(path, RUN_FILES.salt);
  const text = readText(file).trim();
  if (!/^[0-9a-f]{64}$/.test(text)) throw new RunFolderError(`${file} must hold 64 hexadecimal digits`);
  return new Uint8Array(Buffer.from(text, "hex"));
}

/** mkdir -p. Node's own recursion never returns below a folder that takes no entries, such as /proc. */
function makeFolder(path: string): void {
  if (statOf(path)) return;
  const parent = dirname(path);
  if (parent !== path) makeFolder(parent);
  mkdirSync(path);
}

function statOf(path: string, what = "folder"): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw new RunFolderError(`${what} ${path} cannot be used (${(error as Error).message})`);
  }
}

function readText(path: string): string {
  try {
    const bytes = readFileSync(path);
    // ASCII, as nearly every ledger is, decodes twice as fast as Latin-1.
    return isAscii(bytes) ? bytes.toString("latin1") : bytes.toString("utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new RunFolderError(
      code === "ENOENT" ? `${path} is missing` : `${path} cannot be read (${message})`,
    );
  }
}
