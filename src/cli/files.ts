// Files that commands write: whole or not at all.
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { writeWhole } from "../runs/disk.js";
import { fileProblem } from "../runs/fileProblem.js";
import { type Arguments, type Option, UsageError } from "./options.js";

/** Writes text to path, the value of option; a file that is there is whole. Throws UsageError. */
export function writeWholeFile(path: string, { name }: Option, text: string): void {
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory())
      throw Object.assign(new Error(), { code: "EISDIR" });
    writeWhole(path, text);
  } catch (error) {
    throw new UsageError(`--${name} must be a file that can be written, got ${path} (${fileProblem(error)})`);
  }
}

/** Throws UsageError where two of the options name one file: the second would replace the first. */
export function checkDistinctFiles(values: Arguments["values"], options: readonly Option[]): void {
  const seen = new Map<string, string>();
  for (const { name } of options) {
    const path = values[name];
    if (typeof path !== "string" || path === "") continue;
    const first = seen.get(resolve(path));
    if (first !== undefined)
      throw new UsageError(`--${name} must be another file than --${first}, got ${path} for both`);
    seen.set(resolve(path), name);
  }
}
