// The audit: recomputes ε from what a run's ledger shows and compares it, and each step, with the plan.

import type { Accountant } from "../accounting/accountant.js";
import { everyAccountant } from "../accounting/accountants.js";
import { ArgumentError, shown } from "../formats/argumentError.js";
import type { Guarantee } from "../formats/guarantee.js";
import { checkFields, type FieldsOf } from "../formats/knownFields.js";
import type { LedgerEntry, LedgerPosition } from "../formats/ledger.js";
import {
  type LedgerReading,
  ledgerIncludes,
  MOST_PROBLEMS,
  readingEvent,
  readLedger,
  readLedgerEntries,
} from "../formats/ledgerReader.js";
import type { Plan } from "../formats/plan.js";
import { eventWith } from "../formats/plannedEvent.js";
import { planFromJson, samePlan } from "../formats/planReader.js";
import type { OlderSums } from "../formats/report.js";
import {
  type AuditReport,
  ENGINE_TOLERANCE,
  type Finding,
  type Recomputed,
  type Verdict,
} from "../formats/report.js";
import { type Find, finder, recompute, smallestEpsilon } from "./recompute.js";
import { auditedSums } from "./sums.js";

/** What an audit may be told besides plan and ledger. */
export interface AuditOptions {
  /**
   * Asked one by one; those for another neighbouring relation than the claim's are left out, with a finding.
   * Default: every accountant by name, for the claim's relation.
   */
  readonly accountants?: readonly Accountant[];
  /** Of the data that the run is said to have used, under the salt kept with them; compared if given. */
  readonly datasetFingerprint?: string;
  /** SHA-256 of a text's UTF-8 bytes in hexadecimal; default: the portable one. Node's own is about five times faster. */
  readonly hash?: (line: string) => string;
  /** A place that the ledger once had, as a budget or a person recorded it: a ledger without it was cut or replaced. */
  readonly recorded?: LedgerPosition;
  /** What made the sums of a run whose ledger does not say it. Default: WASM, micro-batches of 64. */
  readonly older?: OlderSums;
}

const OPTION_FIELDS = {
  accountants: true,
  datasetFingerprint: true,
  hash: true,
  older: true,
  recorded: true,
} satisfies FieldsOf<AuditOptions>;

/**
 * Audits a run. plan: the plan file's object, or undefined to take the one in the ledger;
 * ledger: the ledger file's text (UTF-8, decoded), or its entries (then there is no hash chain to check).
 *
 * Guarantee: "holds" only if the ledger is sound as far as it can show by itself, every use of the data that it shows
 * or may have lost is counted, and a proven upper bound on ε at the claimed δ is at most the claimed ε. Of runs made before
 * sums were exact, ε is that of the sensitivity which their arithmetic proves; of runs on an engine whose sensitivity is not
 * proven, ε is what it would be if it were, and the finding sensitivity-not-proven says so.
 * Edges: a partial run is audited for ε so far; a torn last line counts as a step; never throws on bad input.
 */
export function audit(
  plan: unknown,
  ledger: string | Iterable<LedgerEntry>,
  options: AuditOptions = {},
): AuditReport {
  checkFields("audit", options, OPTION_FIELDS);
  if (
    typeof ledger !== "string" &&
    typeof (ledger as Partial<Iterable<LedgerEntry>> | null)?.[Symbol.iterator] !== "function"
  )
    throw new ArgumentError("ledger", "the text of a ledger, or its entries", shown(ledger));
  const reading = typeof ledger === "string" ? readLedger(ledger, options.hash) : readLedgerEntries(ledger);
  const findings: Finding[] = [];
  const find = finder(findings);
  for (const { code, expected, found, line } of reading.problems) find(code, expected, found, line);
  if (reading.problemCount > MOST_PROBLEMS)
    find(
      "more-findings",
      `${MOST_PROBLEMS} findings in the ledger's lines at most`,
      `${reading.problemCount}`,
    );

  const { recorded } = options;
  if (recorded && typeof ledger === "string" && !ledgerIncludes(ledger, recorded, options.hash))
    find(
      "head-changed",
      `the ledger that was recorded, with ${recorded.steps} steps and the line of hash ${recorded.hash}`,
      `another, with ${reading.stepsDone} steps: steps that were taken may be missing from it`,
    );

  const claim = planOf(plan, reading, find);
  if (claim) compare(claim, reading, find);
  compareRun(plan, reading, options, find);

  const sums = auditedSums(reading, claim?.examples, options.older ?? {}, find);
  const sensitivity = sums.sensitivity ?? Infinity;
  const own = readingEvent(against(reading, sensitivity), claim && weaker(claim, sensitivity));
  const event = claim ? eventWith(claim, own, sensitivity) : own;
  const recomputed = claim
    ? recompute(
        event,
        claim.achieved,
        options.accountants ?? everyAccountant(claim.achieved.neighboring),
        find,
      )
    : [];
  return {
    verdict: claim ? judge(claim.achieved, recomputed, findings, find) : "unreadable",
    claimed: claim?.achieved ?? null,
    recomputed,
    findings,
    stepsDone: reading.stepsDone,
    stepsPlanned: claim?.steps ?? null,
    stepPlanned: claim ? { samplingRate: claim.samplingRate, noiseMultiplier: claim.noiseMultiplier } : null,
    plan: claim ?? null,
    finished: reading.end !== undefined,
    run: reading.run
      ? { software: reading.run.software, startedAt: reading.run.startedAt, dataset: reading.run.dataset }
      : null,
    sums,
    ownEvent: own,
    event,
  };
}

/** The noise against what one example can really move. */
const weaker = <T extends { readonly noiseMultiplier: number }>(step: T, sensitivity: number): T =>
  sensitivity === 1 ? step : { ...step, noiseMultiplier: step.noiseMultiplier / sensitivity };

const against = (reading: LedgerReading, sensitivity: number): LedgerReading => ({
  ...reading,
  steps: reading.steps.map((group) => weaker(group, sensitivity)),
});

/** The plan that the run is held to: the one given, or else the ledger's. */
function planOf(given: unknown, reading: LedgerReading, find: Find): Plan | undefined {
  if (given === undefined) return reading.run?.plan;
  try {
    return planFromJson(given);
  } catch (error) {
    find("unreadable-plan", "a plan of version 2 or 1", (error as Error).message);
    return undefined;
  }
}

/** Step by step: counts, rates, noise. */
function compare(claim: Plan, reading: LedgerReading, find: Find): void {
  if (reading.stepsDone > claim.steps)
    find("more-steps", `${claim.steps} steps at most`, `${reading.stepsDone} steps`);
  for (const { samplingRate, noiseMultiplier, count, line } of reading.steps.slice(0, MOST_PROBLEMS)) {
    const steps = count === 1 ? "" : ` in ${count} steps`;
    if (samplingRate !== claim.samplingRate)
      find("other-rate", `sampling rate ${claim.samplingRate}`, `${samplingRate}${steps}`, line);
    if (noiseMultiplier !== claim.noiseMultiplier)
      find(
        noiseMultiplier < claim.noiseMultiplier ? "less-noise" : "more-noise",
        `noise multiplier ${claim.noiseMultiplier}`,
        `${noiseMultiplier}${steps}`,
        line,
      );
  }
  for (const event of reading.otherEvents.slice(0, MOST_PROBLEMS))
    find("other-event", "steps of the plan only", `an event of kind ${event.kind}`);
}

/** What the run line says beside the plan. */
function compareRun(plan: unknown, reading: LedgerReading, options: AuditOptions, find: Find): void {
  const { run } = reading;
  if (!run) return;
  if (plan !== undefined && !samePlan(plan, run.plan))
    find("other-plan", "the plan given and the plan in the ledger to be equal", "different plans", 1);
  if (options.datasetFingerprint !== undefined && options.datasetFingerprint !== run.dataset.fingerprint)
    find(
      "other-dataset",
      `fingerprint ${options.datasetFingerprint}, that of the data given`,
      `${run.dataset.fingerprint} in the ledger`,
      1,
    );
  for (const { steps, kept, line } of reading.resumes.slice(0, MOST_PROBLEMS))
    find(
      "resumed",
      "one process from beginning to end",
      `taken up by another after ${steps} steps, ${kept === steps ? "all" : kept} of them in its weights; all are counted`,
      line,
    );
  if (run.privateMetrics)
    find(
      "private-metrics",
      "no metrics of private data",
      "metrics of private data were printed or stored",
      1,
    );
  if (!reading.end)
    find(
      "unfinished",
      "an end line",
      `${reading.stepsDone} steps and no end line: epsilon is that of the run so far`,
    );
}

/** What the rows and findings say of a claim; adds the finding epsilon-exceeded. */
export function judge(
  { epsilon }: Pick<Guarantee, "epsilon">,
  recomputed: readonly Recomputed[],
  findings: readonly Finding[],
  find: Find,
): Verdict {
  const best = smallestEpsilon(recomputed);
  const proven = best <= epsilon * (1 + ENGINE_TOLERANCE);
  if (!proven && recomputed.length > 0) {
    find("epsilon-exceeded", `epsilon at most ${epsilon}`, `epsilon ${best}`);
    return "exceeded";
  }
  return proven && !findings.some((finding) => finding.severity === "error") ? "holds" : "unreadable";
}
