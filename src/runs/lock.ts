// One lock for run folders and budgets: a file that names its owner, and that a dead owner does not keep.
import { randomBytes } from "node:crypto";
import { linkSync, readFileSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { writeNew } from "./disk.js";

/** A process, wherever it runs. */
export interface LockOwner {
  readonly pid: number;
  readonly host: string;
  /** When it began, as Linux counts it: a number that is given again is another process. Empty elsewhere. */
  readonly began: string;
}

/** A lock that is held by a process that lives, or that may live on another machine. */
export class LockedError extends Error {
  override readonly name = "LockedError";
  constructor(
    readonly path: string,
    /** In words, "process 12 on HOST". */
    readonly owner: string,
  ) {
    super(`${path} is held by ${owner}`);
  }
}

/** Milliseconds between tries, so that waiting costs little. */
const PAUSE = 20;
/** How long a process of another machine is waited for, of which nobody here knows whether it lives. */
const PATIENCE = 30_000;

/** Takes the lock, the file `path`, and returns how to let it go. Throws LockedError while another holds it. */
export function takeLock(path: string): () => void {
  const mine = `${path}.${randomBytes(6).toString("hex")}`;
  const own: LockOwner = { pid: process.pid, host: hostname(), began: beganOf(process.pid) };
  writeNew(mine, `${JSON.stringify(own)}\n`);
  try {
    // A link appears with its content or not at all, and only if the name is free.
    if (linked(mine, path)) return () => rmSync(path, { force: true });
    removeAbandoned(path, mine);
    if (linked(mine, path)) return () => rmSync(path, { force: true });
    throw new LockedError(path, inWords(ownerOf(path)));
  } finally {
    rmSync(mine, { force: true });
  }
}

/**
 * The same, but waits: for a process of this machine as long as it lives, for one of another machine half a minute. Then
 * LockedError.
 */
export async function waitForLock(path: string): Promise<() => void> {
  for (const started = Date.now(); ; await sleep(PAUSE)) {
    try {
      return takeLock(path);
    } catch (error) {
      if (!(error instanceof LockedError)) throw error;
      const owner = ownerOf(path);
      // Of another machine, or nobody can tell whose.
      if (owner?.host !== hostname() && Date.now() - started > PATIENCE) throw error;
    }
  }
}

/**
 * Deletes a lock whose owner, a process of this machine, is dead. Under a second lock, and after another look: else of two
 * that saw the dead one, the slower could delete the lock that the faster has just taken. A second lock whose own owner died in
 * that instant is removed the same way.
 */
function removeAbandoned(path: string, mine: string): void {
  if (!abandoned(path)) return;
  const removing = `${path}.removing`;
  if (!linked(mine, removing)) {
    if (abandoned(removing)) rmSync(removing, { force: true });
    return;
  }
  try {
    if (abandoned(path)) rmSync(path, { force: true });
  } finally {
    rmSync(removing, { force: true });
  }
}

/** Of another machine's processes nothing is known: they keep their locks. */
function abandoned(path: string): boolean {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return false;
  }
  const owner = parsed(text);
  // Without an owner: of a version whose locks were not linked, cut off by a crash.
  if (!owner) return true;
  if (owner.host !== hostname()) return false;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return true;
  }
  return owner.began !== undefined && beganOf(owner.pid) !== owner.began;
}

function ownerOf(path: string): LockOwner | undefined {
  try {
    return parsed(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

function parsed(text: string): LockOwner | undefined {
  try {
    const owner = JSON.parse(text) as LockOwner;
    return Number.isSafeInteger(owner.pid) && typeof owner.host === "string" ? owner : undefined;
  } catch {
    return undefined;
  }
}

const inWords = (owner: LockOwner | undefined): string =>
  owner ? `process ${owner.pid} on ${owner.host}` : "another process";

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** "" where there is no such process, or it is dead and only not yet buried, and where /proc is not. */
function beganOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // Fields 3 and 22, counted behind the name, which may hold anything but ends with the last parenthesis.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return /[ZXx]/.test(fields[0] ?? "") ? "" : (fields[19] ?? "");
  } catch {
    return "";
  }
}
