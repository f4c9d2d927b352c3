// What an audit says: plain JSON, verdict first.
import type { PrivacyEvent } from "./event.js";
import type { Guarantee } from "./guarantee.js";
import type { LedgerRun } from "./ledger.js";
import type { LedgerProblemCode } from "./ledgerReader.js";
import type { Plan } from "./plan.js";
import type { SumArithmetic } from "./sumArithmetic.js";

/**
 * - holds: the ledger is sound, and some accountant proves the claimed ε for what it shows.
 * - exceeded: no accountant proves the claimed ε for what it shows.
 * - unreadable: the ledger or plan cannot be relied on: not in the format, edited, incomplete, or of another plan.
 * - unclaimed: nothing was claimed of an imported run; ε is what its record shows.
 */
export type Verdict = "holds" | "exceeded" | "unreadable" | "unclaimed";

/** What a finding is about; docs/ledger.md has an example of each. */
export type FindingCode =
  | LedgerProblemCode
  | "other-plan"
  | "head-changed"
  | "other-dataset"
  | "more-steps"
  | "less-noise"
  | "more-noise"
  | "other-rate"
  | "other-event"
  | "resumed"
  | "older-sums"
  | "sensitivity-not-proven"
  | "private-metrics"
  | "unfinished"
  | "imported"
  | "not-accounted"
  | "epsilon-exceeded"
  | "contradicting-bounds"
  | "empirical-excess"
  | "empirical-rounding"
  | "more-findings";

/**
 * error: the verdict cannot be "holds". warning: the run departed from its plan, or released something outside the
 * guarantee; the recomputed ε has what it costs. note: for information.
 */
export type Severity = "error" | "warning" | "note";

/** One thing that an audit found: its code, how much it weighs, what was expected and what was there. */
export interface Finding {
  readonly code: FindingCode;
  readonly severity: Severity;
  readonly expected: string;
  readonly found: string;
  /** Line of the ledger, from 1, where one is to blame. */
  readonly line?: number;
}

/** ε at the claimed δ for what the ledger shows, by one accountant; epsilon is an upper bound, null stands for ∞. */
export interface Recomputed {
  readonly accountant: string;
  readonly epsilon: number | null;
  readonly epsilonLowerBound: number;
  readonly delta: number;
  readonly neighboring: Guarantee["neighboring"];
}

/** What an audit found: verdict, recomputed ε, findings, and what they are about. */
export interface AuditReport {
  readonly verdict: Verdict;
  /** What the plan claims; null if no plan could be read, or nothing is claimed of an imported run. */
  readonly claimed: Guarantee | null;
  readonly recomputed: readonly Recomputed[];
  readonly findings: readonly Finding[];
  /** Steps that were taken or may have been. */
  readonly stepsDone: number;
  readonly stepsPlanned: number | null;
  /** What the plan says of each step; null if no plan could be read. */
  readonly stepPlanned: { readonly samplingRate: number; readonly noiseMultiplier: number } | null;
  /** The plan that the run was held to; null if none could be read, left out of imported records. */
  readonly plan?: Plan | null;
  /** True if the ledger has its end line; else ε is that of the run so far. */
  readonly finished: boolean;
  /** What the ledger's first line says of the run; null if it could not be read. */
  readonly run: Pick<LedgerRun, "software" | "startedAt" | "dataset"> | null;
  /** By how much one example could move the run's sums; left out of imported records. */
  readonly sums?: AuditedSums;
  /** What the run itself spent; left out of imported records. */
  readonly ownEvent?: PrivacyEvent;
  /** What the accountants were asked about: that, with the search that the plan pays for. */
  readonly event: PrivacyEvent;
  /** From `certifyReport`. */
  readonly certificate?: Certified;
  /** From `withEmpirical`. */
  readonly empirical?: Empirical;
}

/** A bound on ε at the claimed δ in arithmetic that rounds upward; epsilon null stands for ∞. */
export type Certified = Omit<Certificate, "epsilon"> & { readonly epsilon: number | null };

/** What `certify` proves: ε = epsilon at δ, by the Rényi divergence of this order. */
export interface Certificate {
  /** Upper bound on ε in nats, rounded up to a double; Infinity if there is none. */
  readonly epsilon: number;
  /** The same bound, with all digits that were computed with. */
  readonly epsilonDigits: string;
  readonly delta: number;
  /** The whole order α ≥ 2 whose bound is the smallest. */
  readonly order: number;
  /** Decimal digits of the arithmetic. */
  readonly digits: number;
  readonly neighboring: "add-or-remove-one";
}

/** What made the sums of a run whose ledger does not say it. */
export interface OlderSums {
  /** Default wasm. */
  readonly engine?: string;
  /** Examples of a micro-batch, ≥ 1; default 64, the most that was taken unless asked for. */
  readonly microBatch?: number;
}

/** What is known of the sums of a run. */
export interface AuditedSums {
  /** As the ledger's first line states it; null in runs made before ledgers did. */
  readonly arithmetic: SumArithmetic | null;
  /** Whether the sensitivity is proven for every process that took steps. */
  readonly proven: boolean;
  /** By how much one example can move a sum, over what was counted: 1 where sums were exact; null: nothing is known. */
  readonly sensitivity: number | null;
  /** Of older runs: what was taken to have made the sums. */
  readonly assumed?: Required<OlderSums>;
}

/** What canaries showed ε to be at least, beside what it is claimed to be at most. */
export interface Empirical {
  /** True if the canaries show more than the event allows, with confidence. */
  readonly refuted: boolean;
  /** In (0, 1): the probability with which each statement here is true, whatever the mechanism. */
  readonly confidence: number;
  /** An upper bound on the probability that the event, done as it says, shows its canaries as clearly as this run did. */
  readonly pValue: number;
  /** At least this ε at delta, if noise is all that can be wrong: the trade-off curve is that of the event with some noise. */
  readonly epsilonLowerBound: number;
  /** At least this ε at delta, assuming nothing of the mechanism. */
  readonly epsilonLowerBoundAny: number;
  /** What the event spends at most, at delta, by the exact accountant; null stands for ∞. */
  readonly epsilon: number | null;
  readonly delta: number;
  readonly canaries: number;
  /** Steps of the event. */
  readonly steps: number;
  /** How well the canaries were told apart, for each number of guesses that was fixed before. */
  readonly tallies: readonly GuessTally[];
  /** What one example among many moved a sum by, where that was tried too. */
  readonly rounding?: RoundingFound;
}

/** How well the canaries were told apart. */
export interface GuessTally {
  /** m ≥ 1: canaries, each in with probability ½, independently of all else. */
  readonly canaries: number;
  /** r in [0, m]: guesses made; the auditor abstains from the rest. Must not depend on the coins. */
  readonly guesses: number;
  /** v in [0, r]: guesses that were right. */
  readonly correct: number;
}

/** What one example among many moved the sums by. */
export interface RoundingFound {
  /** True if the example moved the sums by more than the sensitivity 1: a sound trainer is refuted once in a billion times. */
  readonly refuted: boolean;
  /** In each step the example moved the sum by this much at least, with probability 1 − 10^-9. */
  readonly movedAtLeast: number;
  readonly examples: number;
  readonly steps: number;
}

/** How much each finding weighs; docs/ledger.md has an example of each. */
export const SEVERITY: { readonly [code in FindingCode]: Severity } = {
  "missing-run-line": "error",
  "malformed-line": "error",
  "broken-chain": "error",
  "missing-step": "error",
  "repeated-step": "error",
  "reordered-step": "error",
  "misplaced-line": "error",
  "wrong-count": "error",
  "torn-last-line": "warning",
  "unreadable-plan": "error",
  "other-plan": "error",
  "head-changed": "error",
  "other-dataset": "error",
  "more-steps": "warning",
  "less-noise": "warning",
  "more-noise": "note",
  "other-rate": "warning",
  "other-event": "warning",
  resumed: "note",
  "older-sums": "warning",
  "sensitivity-not-proven": "warning",
  "private-metrics": "warning",
  unfinished: "note",
  imported: "note",
  "not-accounted": "note",
  "epsilon-exceeded": "error",
  "contradicting-bounds": "error",
  "empirical-excess": "error",
  "empirical-rounding": "error",
  "more-findings": "error",
};

/**
 * Two engines may differ in the last digits of exp and log, and the accountants' sums carry that on: an ε recomputed
 * elsewhere may exceed the very same one by that much. Nobody quotes an ε to nine digits.
 */
export const ENGINE_TOLERANCE = 1e-9;
