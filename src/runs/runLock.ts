// One process a run: a lock file that names its owner, and that a dead owner does not keep.
import { randomBytes } from "node:crypto";
import { readFileSync, renameSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { writeSynced } from "./ledgerFile.js";
import { RunFolderError } from "./runFolder.js";

/** A run that another process has in hand. */
export class RunBusyError extends Error {
  override readonly name = "RunBusyError";
}

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** When the process began, as Linux counts it: a number that is given again is another process. Empty elsewhere. */
  readonly began: string;
}

/**
 * Takes the run folder's lock and returns how to let it go. Throws RunBusyError while another process that lives has it.
 * Two processes that take over a dead one's lock in the same instant both see it: the ledger itself then refuses the
 * second (LedgerWriter), so the lock is there for a clear message, not for soundness.
 */
export function lockRun(folder: string): () => void {
  const path = join(folder, "run.lock");
  const own: Owner = { pid: process.pid, host: hostname(), began: beganOf(process.pid) };
  const take = () => writeSynced(path, `${JSON.stringify(own)}\n`, "wx");
  try {
    take();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "EACCES" || code === "EPERM" || code === "EROFS")
      throw new RunFolderError(`run folder ${folder} cannot be written (${message})`);
    if (code !== "EEXIST") throw error;
    const owner = ownerOf(path);
    if (owner && lives(owner))
      throw new RunBusyError(
        `run folder ${folder} is in use by process ${owner.pid} on ${owner.host}; if there is no such run, remove ${path}`,
      );
    const aside = `${path}.${randomBytes(6).toString("hex")}`;
    renameSync(path, aside);
    rmSync(aside, { force: true });
    take();
  }
  return () => rmSync(path, { force: true });
}

function ownerOf(path: string): Owner | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Owner;
  } catch {
    // Cut off by a crash: nobody has it.
    return undefined;
  }
}

/** Whether the owner may still be at work; of another machine's processes nothing is known. */
function lives({ pid, host, began }: Owner): boolean {
  if (host !== hostname()) return true;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  return beganOf(pid) === began;
}

/** "" where there is no such process, or it is dead and only not yet buried, and where /proc is not. */
function beganOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // Fields 3 and 22, counted behind the name, which may hold anything but ends with the last parenthesis.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return /[ZXx]/.test(fields[0]) ? "" : fields[19];
  } catch {
    return "";
  }
}
