// The audit of another framework's run: ε recomputed from its record and compared with what was claimed of it.

import type { Accountant } from "../accounting/accountant.js";
import { everyAccountant } from "../accounting/accountants.js";
import { ArgumentError } from "../formats/argumentError.js";
import { flatten } from "../formats/event.js";
import type { Neighboring } from "../formats/guarantee.js";
import { checkFields, type FieldsOf } from "../formats/knownFields.js";
import type { AuditReport, Finding } from "../formats/report.js";
import { judge } from "./audit.js";
import type { ImportedRun } from "./importedRun.js";
import { finder, recompute } from "./recompute.js";

/** What was claimed of an imported run. */
export interface ImportAuditOptions {
  /** In [0, 1]: where ε is computed. */
  readonly delta: number;
  /** What is claimed at delta, nats; default: nothing, and the verdict is "unclaimed". */
  readonly epsilon?: number;
  /** Default: add-or-remove-one, as Opacus means it. */
  readonly neighboring?: Neighboring;
  /** Default: every one by name, for that relation. */
  readonly accountants?: readonly Accountant[];
}

const OPTION_FIELDS = {
  delta: true,
  epsilon: true,
  neighboring: true,
  accountants: true,
} satisfies FieldsOf<ImportAuditOptions>;

/**
 * Audits a run that `readImport` read. The record is taken at its word: there is no chain to check and no plan to compare
 * with, and a note says so.
 *
 * Guarantee: "holds" only if some accountant proves the claimed ε at δ for the record's event.
 */
export function auditImport(run: ImportedRun, options: ImportAuditOptions): AuditReport {
  checkFields("auditImport", options, OPTION_FIELDS);
  const { delta, epsilon, neighboring = "add-or-remove-one" } = options;
  if (!(epsilon === undefined || epsilon >= 0)) throw new ArgumentError("epsilon", ">= 0", `${epsilon}`);
  const findings: Finding[] = [];
  const find = finder(findings);
  find(
    "imported",
    "a ledger of dpsgd train",
    "another framework's record, taken at its word (whether batches were drawn as it says cannot be seen)",
  );
  const { event, steps } = run;
  const recomputed = recompute(
    event,
    { delta, neighboring },
    options.accountants ?? everyAccountant(neighboring),
    find,
  );
  const claimed =
    epsilon === undefined
      ? null
      : { epsilon, epsilonLowerBound: 0, delta, neighboring, accountant: "imported" };
  const contradicted = findings.some(({ severity }) => severity === "error") || recomputed.length === 0;
  const last = steps.at(-1);
  return {
    verdict: claimed ? judge(claimed, recomputed, findings, find) : contradicted ? "unreadable" : "unclaimed",
    claimed,
    recomputed,
    findings,
    stepsDone: flatten(event).reduce((total, { count }) => total + count, 0),
    stepsPlanned: null,
    stepPlanned: last ? { samplingRate: last.samplingRate, noiseMultiplier: last.noiseMultiplier } : null,
    finished: true,
    run: null,
    event,
  };
}
