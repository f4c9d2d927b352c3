// A cheap stand-in for a run: smaller batch and noise by the same factor, so that every step looks alike [Sander2023, §4].
import { ArgumentError } from "../formats/argumentError.js";
import type { Plan } from "../formats/plan.js";

/** A cheap stand-in for a planned run. */
export interface ProxyRun {
  /** k: the plan's batch size and noise multiplier were divided by it. */
  readonly factor: number;
  readonly batchSize: number;
  readonly samplingRate: number;
  readonly noiseMultiplier: number;
  /** T and σ/B are the plan's: so is the learning rate that suits them. */
  readonly steps: number;
  readonly averageNoise: number;
  /** Cost in forward-backward passes of the proxy ÷ those of the plan: 1/k. */
  readonly cost: number;
  /** One sentence that must not be left out where the proxy is shown. */
  readonly warning: string;
}

/**
 * The run with B/k and σ/k at the same steps and learning rate: the noise of each averaged gradient is the same, the
 * cost a k-th. Throws RangeError unless k ≥ 1 leaves an expected batch of at least 1.
 */
export function proxyOf(plan: Plan, factor: number): ProxyRun {
  if (!(factor >= 1 && factor <= plan.batchSize))
    throw new ArgumentError("the proxy's factor", `in [1, batch size ${plan.batchSize}]`, `${factor}`);
  const batchSize = plan.batchSize / factor;
  const noiseMultiplier = plan.noiseMultiplier / factor;
  return {
    factor,
    batchSize,
    samplingRate: batchSize / plan.examples,
    noiseMultiplier,
    steps: plan.steps,
    averageNoise: noiseMultiplier / batchSize,
    cost: 1 / factor,
    warning:
      "the proxy run is NOT private: with so little noise it spends far more than the plan; run it on public data, or account for it",
  };
}
