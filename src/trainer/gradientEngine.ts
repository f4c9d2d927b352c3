// The one seam between the trainer and whatever computes gradients: the clipped sum of a batch.
import { positive } from "../formats/argumentChecks.js";
import { checkFields, type FieldsOf } from "../formats/knownFields.js";
import type { SumArithmetic } from "../formats/sumArithmetic.js";
import type { BackendChoice } from "./backendNames.js";
import type { EngineTimes } from "./stepTimes.js";

/**
 * Clipping to unit norm [De2022]: g ↦ g·min(1/C, 1/‖g‖₂). An example contributes at most norm 1 whatever C is, so the
 * learning rate does not depend on C; gradients shorter than C keep their relative length.
 */
export interface ClipRule {
  /** C: the gradient norm from which on gradients are clipped, > 0. */
  readonly norm: number;
  /**
   * γ > 0: automatic clipping instead, AUTO-S [Bu2023b]: g ↦ g/(‖g‖₂ + γ), whatever C. It too contributes at most norm 1,
   * and short gradients are drawn out towards 1.
   */
  readonly gamma?: number;
}

const CLIP_FIELDS = { norm: true, gamma: true } satisfies FieldsOf<ClipRule>;

/** Throws ArgumentError unless the rule bounds every example's contribution by 1. */
export function checkClipRule(rule: ClipRule): void {
  checkFields("clip", rule, CLIP_FIELDS, { path: "clip" });
  positive("clip.norm", rule.norm);
  if (rule.gamma !== undefined) positive("clip.gamma", rule.gamma);
}

/** Examples to sum over: indices into the training images, each at most once. */
export interface Batch {
  readonly indices: Uint32Array;
  /** Number of the step: with the augmentation's seed it determines the views. */
  readonly step: number;
}

/** Made only by clipping, accepted only by the noise: the sensitivity travels with the value. */
export interface ClippedSum {
  /**
   * Σ_n clip(g_n), flat, one array a parameter tensor. Not divided by anything, without noise: private. The arrays are the
   * caller's to change until the engine is asked for the next sum, which may take their place.
   */
  readonly sum: readonly Float64Array[];
  /** L2 norm by which one example more or fewer can move the whole sum. */
  readonly sensitivity: number;
  /** True if some example's gradient was NaN or infinite and so contributed zero. Private, like the sum. */
  readonly nonFinite: boolean;
  /** Where the time went, if the engine measures it. Private too. */
  readonly times?: EngineTimes;
}

/** Numbers of a labelled set that a model gets right. */
export interface Evaluation {
  readonly correct: number;
  readonly count: number;
  /** Mean cross-entropy, nats. */
  readonly loss: number;
}

/** Anything that computes clipped sums: one thread, several, other machines. */
export interface GradientEngine {
  readonly backend: BackendChoice;
  readonly workers: number;
  /** Of its sums, as the ledger states it. */
  readonly arithmetic: SumArithmetic;
  /**
   * The clipped sum over batch at `parameters` (flat arrays in the network's order). An empty batch gives zeros.
   * The sum is exact: it depends neither on how the batch is split nor on the order. `asked` is called once others are at
   * work on it: from then on this thread has time for something else. It may not be called at all.
   */
  clippedSum(
    parameters: readonly Float32Array[],
    batch: Batch,
    clip: ClipRule,
    asked?: () => void,
  ): Promise<ClippedSum>;
  /** Accuracy and loss on a whole set: `test` is public, `train` is not. */
  evaluate(parameters: readonly Float32Array[], set: "train" | "test"): Promise<Evaluation>;
  close(): Promise<void>;
}
