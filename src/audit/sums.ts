// By how much one example could move a run's sums, as its ledger shows it: the noise is measured against that.
import type { LedgerReading } from "../formats/ledgerReader.js";
import type { AuditedSums, OlderSums } from "../formats/report.js";
import { OLDER_MICRO_BATCH, olderSensitivity } from "./olderSums.js";
import type { Find } from "./recompute.js";

/** What the ledger says, or what older arithmetic proves; examples: N of the plan, if it could be read. */
export function auditedSums(
  reading: LedgerReading,
  examples: number | undefined,
  older: OlderSums,
  find: Find,
): AuditedSums {
  const arithmetic = reading.arithmetic ?? null;
  const stated = [
    ...(arithmetic ? [arithmetic] : []),
    ...reading.resumes.flatMap((line) => line.arithmetic ?? []),
  ];
  const doubtful = stated.find((each) => each.sensitivity === "not-proven");
  if (doubtful)
    find(
      "sensitivity-not-proven",
      "an engine on which an example adds the same bits wherever it stands",
      `${doubtful.engine}, which does not promise it: that one example moves a sum by at most 1 is not proven`,
    );
  // A process that does not say it is counted as an older one, and the whole run with it.
  if (arithmetic && reading.resumes.every((line) => line.arithmetic))
    return { arithmetic, proven: doubtful === undefined, sensitivity: 1 };
  const assumed = { engine: older.engine ?? "wasm", microBatch: older.microBatch ?? OLDER_MICRO_BATCH };
  const sensitivity = olderSensitivity(examples, assumed);
  if (reading.run)
    find(
      "older-sums",
      "a ledger that says which arithmetic made the sums",
      sensitivity === 1
        ? `an older run, made by ${assumed.engine} as you said: its sums were exact`
        : `an older run: ${
            sensitivity < Infinity
              ? `if ${assumed.engine} added it up in float32 in micro-batches of ${assumed.microBatch} of ${examples} examples, one example can move a sum by ${sensitivity.toPrecision(5)}, where 1 was counted; epsilon includes this (if another engine or micro-batch made it, say so: --backend, --micro-batch)`
              : `nothing is proven of sums by ${assumed.engine}`
          }`,
      1,
    );
  return {
    arithmetic,
    proven: sensitivity < Infinity && doubtful === undefined,
    sensitivity: sensitivity < Infinity ? sensitivity : null,
    assumed,
  };
}

/** In words, for a report's row. */
export function sumsText({ arithmetic, proven, sensitivity, assumed }: AuditedSums): string {
  if (assumed)
    return sensitivity === 1
      ? `exact (${assumed.engine}, as you said)`
      : sensitivity === null
        ? "sensitivity not proven"
        : `float32, sensitivity at most ${sensitivity.toPrecision(5)} (micro-batches of ${assumed.microBatch})`;
  if (!arithmetic) return "not known";
  const { engine, kernels, fractionBits } = arithmetic;
  return `exact to 2^-${fractionBits} (${engine}, ${kernels}); sensitivity 1${proven ? " is proven" : " is NOT proven"}`;
}

/** What the audit takes for granted of a run's sums, each as a clause after "that". */
export function assumedOfSums({ arithmetic, proven, assumed }: AuditedSums): readonly string[] {
  const clauses: string[] = [];
  if (assumed)
    clauses.push(
      `its sums were made by ${assumed.engine}${assumed.engine === "webgpu" ? "" : ` in micro-batches of at most ${assumed.microBatch}`}, which its ledger does not say`,
    );
  if (!proven)
    clauses.push(
      `one example moves a sum by no more than it contributes, which ${arithmetic?.engine ?? "its engine"} does not promise`,
    );
  return clauses;
}
