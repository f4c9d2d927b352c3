// Files that survive a power cut: written, synced, renamed. All that is written whole is written here.
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";

type Content = string | Uint8Array;

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

/** Makes a file, an error if there is one of that name, and waits until it is on disk. */
export function writeNew(path: string, content: Content | readonly Content[], mode = 0o644): void {
  const file = openSync(path, "wx", mode);
  try {
    for (const part of [content].flat() as Content[]) {
      const bytes = typeof part === "string" ? Buffer.from(part) : part;
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Ending of a file that is being written; what a crash leaves of one. */
export const PARTIAL = ".partial";

/**
 * Writes a whole file in the place of whatever is there: under a name that nobody can guess first, on disk, then renamed; so it is
 * there whole or not at all. Several parts are written one after the other.
 */
export function writeWhole(path: string, content: Content | readonly Content[], mode = 0o644): void {
  const partial = `${path}.${randomBytes(6).toString("hex")}${PARTIAL}`;
  try {
    writeNew(partial, content, mode);
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
  syncFolder(dirname(path));
}
