// One process a run.
import { join } from "node:path";
import { LockedError, takeLock } from "./lock.js";
import { RunFolderError } from "./runFolder.js";

/** A run that another process has in hand. */
export class RunBusyError extends Error {
  override readonly name = "RunBusyError";
}

/**
 * Takes the run folder's lock and returns how to let it go. Throws RunBusyError while another process that lives has it.
 * The ledger itself refuses a second writer (LedgerWriter), so the lock is there for a clear message, not for soundness.
 */
export function lockRun(folder: string): () => void {
  const path = join(folder, "run.lock");
  try {
    return takeLock(path);
  } catch (error) {
    if (error instanceof LockedError)
      throw new RunBusyError(
        `run folder ${folder} is in use by ${error.owner}; if there is no such run, remove ${path}`,
      );
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "EACCES" || code === "EPERM" || code === "EROFS")
      throw new RunFolderError(`run folder ${folder} cannot be written (${message})`);
    throw error;
  }
}
