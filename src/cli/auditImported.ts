// Audits another framework's record of a run: dpsgd audit --import FORMAT FILE.
import { readFileSync } from "node:fs";
import { auditImport } from "../audit/auditImport.js";
import { certifyReport } from "../audit/certified.js";
import { ImportError, type ImportedRun, type ImportFormat, readImport } from "../audit/importedRun.js";
import { remaining } from "../audit/remaining.js";
import type { Neighboring } from "../formats/guarantee.js";
import { fileProblem } from "../runs/fileProblem.js";
import { writePage } from "./auditPageFile.js";
import type { AuditRunsOptions } from "./auditRuns.js";
import { UsageError } from "./options.js";
import { printJson } from "./print.js";
import { showReport } from "./showAudit.js";

export interface AuditImportedOptions
  extends Pick<AuditRunsOptions, "remaining" | "certify" | "json" | "html" | "epsilon" | "delta"> {
  readonly format: ImportFormat;
  readonly neighboring: Neighboring;
}

/** Prints what the record's run spent; exit status 0 if its claim holds, or nothing is claimed. */
export async function auditImported(path: string, options: AuditImportedOptions): Promise<number> {
  const { delta, epsilon, neighboring } = options;
  if (delta === undefined)
    throw new UsageError("--delta is missing: with --import, where epsilon is computed");
  const plain = auditImport(readRecord(path, options.format), {
    delta,
    neighboring,
    ...(epsilon !== undefined && { epsilon }),
  });
  const report = options.certify ? await certifyReport(plain) : plain;
  const whole = options.remaining ? { ...report, remaining: remaining(report) ?? null } : report;
  writePage(options.html, { runs: [{ name: path, report: whole }] });
  if (options.json) printJson(whole);
  else showReport(whole);
  return report.verdict === "holds" || report.verdict === "unclaimed" ? 0 : 1;
}

function readRecord(path: string, format: ImportFormat): ImportedRun {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`FILE must be a readable file, got ${path} (${fileProblem(error)})`);
  }
  try {
    return readImport(text, format);
  } catch (error) {
    if (error instanceof ImportError)
      throw new UsageError(`FILE must be a record of format ${format}, got ${path}: ${error.message}`);
    throw error;
  }
}
