// Several runs on one data set: what they spent together, all events composed.

import type { Accountant } from "../accounting/accountant.js";
import { everyAccountant } from "../accounting/accountants.js";
import { ArgumentError } from "../formats/argumentError.js";
import type { PrivacyEvent } from "../formats/event.js";
import type { Neighboring } from "../formats/guarantee.js";
import { checkFields, type FieldsOf } from "../formats/knownFields.js";
import {
  type AuditReport,
  type Certified,
  ENGINE_TOLERANCE,
  type Finding,
  type Recomputed,
  type Verdict,
} from "../formats/report.js";
import { certificateOf } from "./certified.js";
import { finder, recompute, smallestEpsilon } from "./recompute.js";

/** What several runs are claimed to spend together, and how it is computed. */
export interface JointOptions {
  /** In [0, 1]; default: the smallest δ among the runs' claims. */
  readonly delta?: number;
  /** What the runs are claimed to spend together; default: nothing is claimed of the sum. */
  readonly epsilon?: number;
  /** True if the caller compared every run's fingerprint with one and the same data set. */
  readonly sameDataset?: boolean;
  /** Whether to certify the sum too; default true. */
  readonly certify?: boolean;
  /** Default: every one by name, for the runs' relation. */
  readonly accountants?: readonly Accountant[];
}

const OPTION_FIELDS = {
  delta: true,
  epsilon: true,
  sameDataset: true,
  certify: true,
  accountants: true,
} satisfies FieldsOf<JointOptions>;

/** What several runs on one data set spent together. */
export interface JointAudit {
  /** "holds" only if every run's verdict is, and the claim on the sum, if there is one, is proven. */
  readonly verdict: Verdict;
  /** The claim on the sum, or null. */
  readonly claimedEpsilon: number | null;
  readonly delta: number | null;
  readonly neighboring: Neighboring | null;
  /** ε at delta of all runs together, by each accountant. */
  readonly recomputed: readonly Recomputed[];
  readonly certificate?: Certified;
  /** True if all runs are known to have used one data set; else they are counted as if they had. */
  readonly sameDataset: boolean;
  readonly findings: readonly Finding[];
  readonly event: PrivacyEvent;
}

/**
 * Composes what the runs' ledgers show, at one δ. The runs' own verdicts stay with their reports.
 *
 * Guarantee: the ε found bounds what the runs together reveal of any record, whichever of them used it: for a record that
 * some runs never saw, composing those too can only overstate. So runs whose data cannot be told to be one set are counted
 * as one, and a finding other-dataset says so. Steps may be composed whose plan was fixed before; see docs/budget.md on
 * choosing later plans by earlier results.
 * Edges: claims for different neighbouring relations have no common ε: verdict "unreadable". No runs: ArgumentError.
 */
export async function jointAudit(
  reports: readonly AuditReport[],
  options: JointOptions = {},
): Promise<JointAudit> {
  checkFields("jointAudit", options, OPTION_FIELDS);
  if (reports.length === 0) throw new ArgumentError("runs", "at least one", "none");
  const findings: Finding[] = [];
  const find = finder(findings);
  const sameDataset = options.sameDataset ?? oneFingerprint(reports);
  if (!sameDataset)
    findings.push({
      code: "other-dataset",
      severity: "warning",
      expected: "one data set, by equal fingerprints",
      found:
        "fingerprints that differ, as they do for one data set under different salts: the runs are counted as if they had used the same records, which never understates",
    });
  const claims = reports.flatMap((report) => report.claimed ?? []);
  const delta = options.delta ?? smallest(claims.map((claim) => claim.delta));
  const relations = [...new Set(claims.map((claim) => claim.neighboring))];
  const neighboring = relations.length === 1 ? relations[0]! : null;
  if (neighboring === null)
    find(
      "not-accounted",
      "claims for one neighbouring relation",
      relations.length === 0 ? "no readable claim" : relations.join(", "),
    );
  const event: PrivacyEvent = { kind: "composed", events: reports.map((report) => report.event) };
  let recomputed: Recomputed[] = [];
  let certificate: Certified | undefined;
  if (delta !== null && neighboring !== null) {
    const at = { delta, neighboring };
    recomputed = recompute(event, at, options.accountants ?? everyAccountant(neighboring), find);
    if (options.certify ?? true) certificate = await certificateOf(event, at, recomputed, find);
  }
  const claimedEpsilon = options.epsilon ?? null;
  const best = smallestEpsilon(recomputed);
  const within = claimedEpsilon === null || best <= claimedEpsilon * (1 + ENGINE_TOLERANCE);
  if (!within && recomputed.length > 0)
    find("epsilon-exceeded", `epsilon at most ${claimedEpsilon}`, `epsilon ${best}`);
  const exceeded =
    reports.some(({ verdict }) => verdict === "exceeded") || (!within && recomputed.length > 0);
  const sound =
    reports.every(({ verdict }) => verdict === "holds") &&
    recomputed.length > 0 &&
    !findings.some(({ severity }) => severity === "error");
  return {
    verdict: exceeded ? "exceeded" : sound ? "holds" : "unreadable",
    claimedEpsilon,
    delta,
    neighboring,
    recomputed,
    ...(certificate && { certificate }),
    sameDataset,
    findings,
    event,
  };
}

function oneFingerprint(reports: readonly AuditReport[]): boolean {
  const first = reports[0]!.run?.dataset.fingerprint;
  return first !== undefined && reports.every((report) => report.run?.dataset.fingerprint === first);
}

function smallest(values: readonly number[]): number | null {
  return values.length === 0 ? null : Math.min(...values);
}
