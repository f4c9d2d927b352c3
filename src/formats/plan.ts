// The plan: the file that `dpsgd plan` writes and `dpsgd train` reads. achieved.epsilon ≤ request.epsilon, always.
import type { PrivacyEvent } from "./event.js";
import type { AccountantName, Guarantee } from "./guarantee.js";

/**
 * How many runs a search has. A random number is drawn once, in secret, and only the best run is released
 * [PapernotSteinke2022]; of a fixed number every run may be looked at, and every one is paid for in full.
 * mean in (1, 10⁴] (Poisson: (0, 10⁴]); η > −1: 1 is geometric, 0 logarithmic, smaller is cheaper and more uneven.
 */
export type TuningRuns =
  | { readonly kind: "negative-binomial"; readonly eta: number; readonly mean: number }
  | { readonly kind: "poisson"; readonly mean: number }
  | { readonly kind: "fixed"; readonly count: number };

/** The runs of a search at another batch size than that of the final run, which follows it. */
export interface ProxySearch {
  readonly batchSize: number;
  /** Default: the final run's. */
  readonly noiseMultiplier?: number;
  /** Default: the final run's. */
  readonly steps?: number;
}

/**
 * What is asked for. Of noiseMultiplier, epsilon, delta, steps (or epochs) and batchSize
 * exactly one is left out, and is solved for. In place of epsilon an attacker's gain may be limited (maxAdvantage or
 * maxTruePositiveRate); delta then says at which δ the plan states its ε.
 */
export interface PlanRequest {
  /** Number of training examples N, a whole number ≥ 1. */
  readonly examples: number;
  /** Expected batch size B of Poisson sampling, 0 < B ≤ N; not necessarily whole. */
  readonly batchSize?: number;
  /** Number of noisy updates T, a whole number in [1, 1e9]. */
  readonly steps?: number;
  /** Instead of steps: passes over the data in expectation, > 0; T = ⌊epochs · N / B⌋, at least 1. */
  readonly epochs?: number;
  /** σ: standard deviation of the noise on the clipped sum ÷ clip norm, dimensionless, > 0. */
  readonly noiseMultiplier?: number;
  /** ε > 0, nats, finite. */
  readonly epsilon?: number;
  /** δ in (0, 1). */
  readonly delta?: number;
  /** Instead of epsilon: the largest TPR − FPR that any membership attack may have, in (0, 1). */
  readonly maxAdvantage?: number;
  /** Instead of epsilon: the largest true-positive rate of any attack at that false-positive rate; 0 < fpr < rate < 1. */
  readonly maxTruePositiveRate?: { readonly rate: number; readonly falsePositiveRate: number };
  /** A search for hyper-parameters that the plan pays for: its runs are like the plan's own, or those of finalAfterProxy. */
  readonly tuningRuns?: TuningRuns;
  /** The search (default: one run) has runs of another batch size, and one final run of the plan's own follows it. */
  readonly finalAfterProxy?: ProxySearch;
  /** Default: pld; rdp for a search of which only the best run is released. */
  readonly accountant?: AccountantName;
  /** Default: add-or-remove-one. */
  readonly neighboring?: Guarantee["neighboring"];
}

/** The quantities of which exactly one is unknown; epochs stands for steps. */
export type Unknown = "noiseMultiplier" | "epsilon" | "delta" | "steps" | "batchSize";

/**
 * The form of plans, version 2. Plans of version 1 had no `unit`, `schedule` and `holdout`; they are read as plans of version 2
 * that say what version 1 meant.
 */
export interface Plan {
  readonly kind: "dpsgd-plan";
  readonly version: 2;
  /** As asked, with accountant and neighboring filled in; the unknown is absent. */
  readonly request: PlanRequest & Required<Pick<PlanRequest, "accountant" | "neighboring">>;
  /** N, B and q = B/N, T: public constants of the run, never derived from the data again. */
  readonly examples: number;
  readonly batchSize: number;
  readonly samplingRate: number;
  readonly steps: number;
  /** σ: standard deviation of the noise on the clipped sum ÷ clip norm, dimensionless, > 0. */
  readonly noiseMultiplier: number;
  /** Whose presence ε hides: one example. Room for others, such as all examples of a person. */
  readonly unit: "example";
  /** Rate and noise of each step: the same throughout. Room for others. */
  readonly schedule: "constant";
  /** Private examples that training leaves out for measurements, which are paid for: none. Room for others. */
  readonly holdout: null;
  /** All that is spent, a search that is paid for included, as an event: what the accountant was asked about. */
  readonly event: PrivacyEvent;
  readonly achieved: Guarantee;
  /** What a reader of the plan should know before trusting it; empty if nothing. One sentence each. */
  readonly warnings: readonly string[];
}

/** A request that no plan can meet; the message says why, `nearest` what could be reached instead. */
export class NoSolutionError extends Error {
  override readonly name = "NoSolutionError";
  constructor(
    readonly reason: string,
    readonly nearest: Readonly<Partial<Record<Unknown, number>>>,
    advice: string,
  ) {
    super(`no such plan: ${reason}; ${advice}`);
  }
}
