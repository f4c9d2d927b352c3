// The ledger: what a run really did, as JSON lines, append-only. A step's line is on disk before its noisy sum is applied.
// It never holds anything that depends on the data beyond what the mechanism released: no batch size, no loss.

/** Line 1: which plan the run set out to follow. `plan` is the plan file's object, whole. */
export interface LedgerRun {
  readonly kind: "run";
  readonly version: 1;
  readonly software: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly plan: unknown;
  /** True if metrics computed on private data were printed or stored (outside the guarantee). */
  readonly privateMetrics: boolean;
}

/** One noisy sum, numbered from 1 without gaps, as the noise itself reported it. */
export interface LedgerStep {
  readonly kind: "step";
  readonly step: number;
  /** Probability with which each example entered this batch, independently. */
  readonly samplingRate: number;
  /** Standard deviation of the noise added to every coordinate of the sum ÷ L2 sensitivity of that sum. */
  readonly noiseMultiplier: number;
}

/** Last line of a run that ended by itself; steps = number of step lines. */
export interface LedgerEnd {
  readonly kind: "end";
  readonly steps: number;
  readonly finishedAt: string;
}

export type LedgerEntry = LedgerRun | LedgerStep | LedgerEnd;
