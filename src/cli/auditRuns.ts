// Audits run folders: one by one, and together where there are several.
import { realpathSync } from "node:fs";
import { audit } from "../audit/audit.js";
import type { DataBudget } from "../audit/budget.js";
import { certifyReport } from "../audit/certified.js";
import { type JointAudit, jointAudit } from "../audit/joint.js";
import { type Remaining, remaining } from "../audit/remaining.js";
import type { Neighboring } from "../formats/guarantee.js";
import type { LedgerPosition } from "../formats/ledger.js";
import type { AuditReport, OlderSums, Verdict } from "../formats/report.js";
import { type BudgetAnswer, budgetAnswer } from "../report/budgetModel.js";
import { chargeRuns, recordedHead } from "../runs/budgetRun.js";
import { datasetFingerprint } from "../runs/data/fingerprint.js";
import { hashLineNode } from "../runs/ledgerFile.js";
import { RunFolderError, readFingerprintSalt, readRunFolder } from "../runs/runFolder.js";
import { auditEmpirically } from "./auditEmpirically.js";
import { type AuditPageFile, writePage } from "./auditPageFile.js";
import { openImages } from "./openData.js";
import { UsageError } from "./options.js";
import { printJson, say } from "./print.js";
import { showBudget, showJoint, showReport } from "./showAudit.js";

export interface AuditRunsOptions {
  readonly remaining: boolean;
  readonly certify: boolean;
  readonly json: boolean;
  /** Of runs whose ledger does not say it: what made their sums. */
  readonly older: OlderSums;
  /** As `openImages` takes it. */
  readonly data?: string;
  readonly epsilon?: number;
  readonly delta?: number;
  /** Whether each plan is trained once more, with canaries: how many, and the confidence of what they show. */
  readonly empirical?: { readonly canaries: number; readonly confidence: number };
  /** Where the report goes as a page, and the command line to put on it. */
  readonly html?: AuditPageFile;
  /** The budget file that the runs are charged to; epsilon and delta then are its own. */
  readonly budget?: string;
  /** Of a budget file that does not exist yet. */
  readonly neighboring?: Neighboring;
}

/** Prints what the folders' runs spent; exit status 0 only if every verdict is "holds", and so does the budget. */
export async function auditRuns(folders: readonly string[], options: AuditRunsOptions): Promise<number> {
  const { budget: file, epsilon, delta, ...rest } = options;
  if (file === undefined) return auditAll(folders, options);
  const { neighboring } = rest;
  const audited = async (): Promise<DataBudget> =>
    chargeRuns(
      file,
      folders,
      {
        ...(epsilon !== undefined && { epsilon }),
        ...(delta !== undefined && { delta }),
        ...(neighboring && { neighboring }),
      },
      options.older,
    );
  if (folders.length > 0)
    return auditAll(folders, rest, {
      charge: audited,
      recorded: (folder) => asUsage(() => recordedHead(file, folder)),
    });
  const budget = budgetAnswer(await audited());
  if (options.json) printJson(budget);
  else showBudget(budget);
  return budget.holds ? 0 : 1;
}

async function auditAll(
  folders: readonly string[],
  options: AuditRunsOptions,
  budgetFile?: {
    readonly charge: () => Promise<DataBudget>;
    readonly recorded: (folder: string) => LedgerPosition | undefined;
  },
): Promise<number> {
  const several = folders.length > 1;
  for (const name of ["epsilon", "delta"] as const)
    if (!several && options[name] !== undefined)
      throw new UsageError(`--${name} must be given with several runs only: one has its plan's`);
  const train = options.data === undefined ? undefined : (await openImages(options.data)).train;
  // All folders are read before any is audited: a slip in the last one costs no wait.
  const stored = folders.map((folder) => {
    const run = readStored(folder);
    const recorded = budgetFile?.recorded(folder);
    return {
      ...run,
      ...(recorded && { recorded }),
      ...(train && { datasetFingerprint: datasetFingerprint(train, saltOf(folder)) }),
    };
  });
  checkDistinct(folders);
  const reports: (AuditReport & { remaining?: Remaining | null })[] = [];
  for (const { plan, ledgerText, ...rest } of stored) {
    const plain = audit(plan, ledgerText, { hash: hashLineNode, older: options.older, ...rest });
    const certified = options.certify ? await certifyReport(plain) : plain;
    const report = options.empirical ? await auditEmpirically(certified, options.empirical) : certified;
    reports.push(options.remaining ? { ...report, remaining: remaining(report) ?? null } : report);
  }
  const budget = budgetFile && budgetAnswer(await budgetFile.charge());
  const status = (verdict: Verdict): number => (verdict === "holds" && (budget?.holds ?? true) ? 0 : 1);
  const runs = reports.map((report, i) => ({ name: folders[i]!, report, plan: stored[i]!.plan }));
  if (!several) {
    const report = reports[0]!;
    writePage(options.html, { runs, ...(budget && { budget }) });
    if (options.json) printJson({ ...report, ...(budget && { budget }) });
    else {
      showReport(report);
      showBelow(budget);
    }
    return status(report.verdict);
  }
  const compared =
    train && reports.every(({ findings }) => !findings.some(({ code }) => code === "other-dataset"));
  const joint = await jointAudit(reports, {
    certify: options.certify,
    ...(options.epsilon !== undefined && { epsilon: options.epsilon }),
    ...(options.delta !== undefined && { delta: options.delta }),
    ...(compared && { sameDataset: true }),
  });
  writePage(options.html, { runs, joint, ...(budget && { budget }) });
  if (options.json)
    printJson({
      verdict: joint.verdict,
      runs: reports.map((report, i) => ({ folder: folders[i], ...report })),
      joint,
      ...(budget && { budget }),
    });
  else {
    showAll(folders, reports, joint);
    showBelow(budget);
  }
  return status(joint.verdict);
}

function showBelow(budget: BudgetAnswer | undefined): void {
  if (!budget) return;
  say("");
  showBudget(budget);
}

function showAll(
  folders: readonly string[],
  reports: readonly (AuditReport & { remaining?: Remaining | null })[],
  joint: JointAudit,
): void {
  reports.forEach((report, i) => {
    showReport(report, folders[i]);
    say("");
  });
  showJoint(joint, reports.length);
}

/** Audits a run folder with every accountant, for the relation that its plan claims. */
export function auditFolder(folder: string): AuditReport {
  const { plan, ledgerText } = readStored(folder);
  return audit(plan, ledgerText, { hash: hashLineNode });
}

function readStored(folder: string): ReturnType<typeof readRunFolder> {
  return asUsage(() => readRunFolder(folder));
}

function saltOf(folder: string): Uint8Array {
  return asUsage(() => readFingerprintSalt(folder));
}

function asUsage<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof RunFolderError)
      throw new UsageError(`DIR must be a run folder of dpsgd train: ${error.message}`);
    throw error;
  }
}

/** A run given twice would be counted twice. */
function checkDistinct(folders: readonly string[]): void {
  const seen = new Map<string, string>();
  for (const folder of folders) {
    const real = realpathSync(folder);
    const before = seen.get(real);
    if (before !== undefined)
      throw new UsageError(`DIR must be different folders, got ${before} and ${folder}, which are one`);
    seen.set(real, folder);
  }
}
