// A training that shows how its sums round: one example more, among others that float32 loses or keeps by it.
import { readFileSync } from "node:fs";
import { checkFields, type FieldsOf } from "../formats/knownFields.js";
import type { Plan } from "../formats/plan.js";
import { plan } from "../planner/solve.js";
import type { Dataset, LabelledImages } from "../trainer/data/dataset.js";
import type { NetworkSpec } from "../trainer/layers/network.js";
import { decodeSafetensors } from "../trainer/safetensors.js";
import { RUN_FILES } from "./runFolder.js";
import { train } from "./train.js";
import type { TrainOptions } from "./trainOptions.js";

/** n: examples, all of them in every batch and in one micro-batch. */
export const ROUNDING_EXAMPLES = 65_536;
/** C: contributions are inputs over it, or clipped. */
const CLIP_NORM = 1e6;
/** What a clipped example adds to each of the two weights. */
const CLIPPED = Math.SQRT1_2;
/** 2^k: where the sum of the clipped examples ends, and its units become twice as large. */
const POWER = 14;
/** Just under half a unit in the last place of a float32 above 2^k, and a whole one below. */
const TINY = 0.999 * 2 ** (POWER - 24);
/** How far the weights move in all, times the inputs: both classes stay equally likely. */
const DRIFT = 1e-5;

const NETWORK: NetworkSpec = {
  name: "rounding",
  inputShape: [1, 1, 1],
  classes: 2,
  layers: [{ kind: "flatten" }, { kind: "dense", units: 2, bias: false }],
};

/** Of the plan. */
export type RoundingMechanism = Pick<Plan, "noiseMultiplier" | "steps"> & { readonly delta: number };

export interface RoundingOptions extends Pick<TrainOptions, "backend" | "onWarning" | "signal"> {
  /** Run folders of the two trainings: new or empty. */
  readonly out: readonly [string, string];
}

const MECHANISM_FIELDS = {
  noiseMultiplier: true,
  steps: true,
  delta: true,
} satisfies FieldsOf<RoundingMechanism>;
const OPTION_FIELDS = {
  out: true,
  backend: true,
  onWarning: true,
  signal: true,
} satisfies FieldsOf<RoundingOptions>;

export interface RoundingRun {
  /** By how much the first example moved the noisy sums of all steps together, along its own contribution. */
  readonly moved: number;
  readonly plan: Plan;
}

/**
 * Trains twice by `train`, all examples in every batch, micro-batches of 65,536: once with its first example and once with zeros in
 * its place, which contribute nothing. Clipped examples take the sum just past 2^14; tiny ones of the other sign follow. In
 * float32 they vanish where the first example is in, and count in full, a unit each, where it is not: it moves the sum by
 * 58. Exact sums move by what it contributes, 1.
 */
export async function trainWithRoundingCanary(
  mechanism: RoundingMechanism,
  options: RoundingOptions,
): Promise<RoundingRun> {
  checkFields("trainWithRoundingCanary", options, OPTION_FIELDS);
  checkFields("mechanism", mechanism, MECHANISM_FIELDS, { path: "mechanism" });
  const { noiseMultiplier, steps, delta } = mechanism;
  const { out, ...rest } = options;
  const made = plan({
    examples: ROUNDING_EXAMPLES,
    batchSize: ROUNDING_EXAMPLES,
    steps,
    noiseMultiplier,
    delta,
  });
  // In units of the sum: what a step moves a weight by is this much of its noisy sum.
  const rate = DRIFT / (CLIP_NORM * 2 ** POWER * steps);
  const sums: number[] = [];
  for (const [index, first] of [4 * CLIP_NORM, 0].entries()) {
    await train(made, {
      ...rest,
      out: out[index]!,
      data: roundingData(first),
      model: NETWORK,
      weights: [{ name: "1.dense/kernel", shape: [1, 2], values: new Float32Array(2) }],
      seedInitialisation: 1,
      learningRate: rate * ROUNDING_EXAMPLES,
      clipNorm: CLIP_NORM,
      momentum: 0,
      ema: false,
      evaluations: 0,
      workers: 1,
      microBatch: ROUNDING_EXAMPLES,
    });
    const { tensors } = decodeSafetensors(readFileSync(`${out[index]}/${RUN_FILES.weights}`));
    const [zero, one] = tensors[0]!.values;
    // Along (−1, 1)/√2: the label is 0, whose weight the gradient takes down.
    sums.push(((zero! - one!) * CLIPPED) / rate);
  }
  return { moved: sums[0]! - sums[1]!, plan: made };
}

function roundingData(first: number): Dataset {
  const images = (pixels: Float32Array): LabelledImages => ({
    count: pixels.length,
    shape: [1, 1, 1],
    pixels,
    labels: new Uint8Array(pixels.length),
  });
  let clipped = 0;
  for (let sum = 0; sum < 2 ** POWER; clipped++) sum = Math.fround(sum + CLIPPED);
  const pixels = Float32Array.from({ length: ROUNDING_EXAMPLES }, (_, i) =>
    i === 0 ? first : i < clipped ? 4 * CLIP_NORM : -2 * CLIP_NORM * TINY,
  );
  return { name: "rounding", classes: 2, train: images(pixels), test: images(new Float32Array(2)) };
}
