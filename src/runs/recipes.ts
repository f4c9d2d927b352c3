// Recipes: what to plan and how to train, for results that were measured.
import type { PlanRequest } from "../formats/plan.js";
import type { TrainOptions } from "./trainOptions.js";

export interface Recipe {
  /** As loadDataset takes it. */
  readonly data: string;
  readonly request: PlanRequest;
  readonly training: Pick<
    TrainOptions,
    "model" | "learningRate" | "clipNorm" | "momentum" | "ema" | "augmentation"
  > & {
    readonly model: string;
  };
}

/**
 * MNIST at ε = 3, δ = 1e-5: the network of [Papernot2021], about twenty epochs (docs/results.md).
 * Without momentum a rate of 12 diverged where 8 still did well: in momentum's terms 12·(1 − momentum).
 */
export const mnistDemo: Recipe = {
  data: "mnist",
  request: {
    examples: 60_000,
    batchSize: 2048,
    steps: 600,
    epsilon: 3,
    delta: 1e-5,
    accountant: "pld",
    neighboring: "add-or-remove-one",
  },
  training: { model: "cnn", learningRate: "min(3, 9*(1-t/T))", clipNorm: 0.1, momentum: 0.5, ema: 0.9999 },
};
