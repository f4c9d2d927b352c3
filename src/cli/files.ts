// Files that commands write: whole or not at all.
import { renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { fileProblem, type Option, UsageError } from "./options.js";

/** Writes text to path, the value of option; a file that is there is whole. Throws UsageError. */
export function writeWholeFile(path: string, { name }: Option, text: string): void {
  const part = `${path}.part`;
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory())
      throw Object.assign(new Error(), { code: "EISDIR" });
    writeFileSync(part, text);
    renameSync(part, path);
  } catch (error) {
    rmSync(part, { force: true });
    throw new UsageError(`--${name} must be a file that can be written, got ${path} (${fileProblem(error)})`);
  }
}
