// The plan: the file that `dpsgd plan` writes and `dpsgd train` reads. achieved.epsilon ≤ request.epsilon, always.
import type { Guarantee, PrivacyEvent } from "../accounting/index.js";

/** What was asked for; one of the quantities is left out and solved for (here: the noise multiplier). */
export interface PlanRequest {
  /** Number of training examples N, a whole number ≥ 1. */
  readonly examples: number;
  /** Expected batch size B of Poisson sampling, 0 < B ≤ N; not necessarily whole. */
  readonly batchSize: number;
  /** Number of noisy updates T, a whole number ≥ 1. */
  readonly steps: number;
  /** ε > 0, nats. */
  readonly epsilon: number;
  /** δ in (0, 1). */
  readonly delta: number;
  readonly accountant: "pld" | "rdp";
  readonly neighboring: Guarantee["neighboring"];
}

export interface Plan {
  readonly kind: "dpsgd-plan";
  readonly version: 1;
  readonly request: PlanRequest;
  /** N, B and q = B/N, T: public constants of the run, never derived from the data again. */
  readonly examples: number;
  readonly batchSize: number;
  readonly samplingRate: number;
  readonly steps: number;
  /** σ: standard deviation of the noise on the clipped sum ÷ clip norm, dimensionless, > 0. */
  readonly noiseMultiplier: number;
  /** The whole run as an event: what the accountant was asked about. */
  readonly event: PrivacyEvent;
  readonly achieved: Guarantee;
}
