// A training run that shows what it leaks: canaries, each put in by a fair coin, and how strongly each shows in the weights.
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { ArgumentError, shown } from "../formats/argumentError.js";
import { checkFields, type FieldsOf } from "../formats/knownFields.js";
import type { Plan } from "../formats/plan.js";
import { plan } from "../planner/solve.js";
import type { Dataset, LabelledImages } from "../trainer/data/dataset.js";
import { Network, type NetworkSpec } from "../trainer/layers/network.js";
import { SecureStream } from "../trainer/random/secureStream.js";
import { decodeSafetensors } from "../trainer/safetensors.js";
import { RUN_FILES } from "./runFolder.js";
import { train } from "./train.js";
import type { TrainOptions } from "./trainOptions.js";

/** The mechanism to put to the test: DP-SGD at this rate, noise and number of steps. */
export interface CanaryMechanism {
  readonly samplingRate: number;
  readonly noiseMultiplier: number;
  readonly steps: number;
  readonly delta: number;
}

/** A training with canaries: the data they go among, and how it is trained. */
export interface CanaryOptions
  extends Pick<TrainOptions, "backend" | "workers" | "onProgress" | "signal" | "onWarning"> {
  /** Run folder of the training: new or empty. */
  readonly out: string;
  /** m: a power of two in [64, 65536]; default 1024. */
  readonly canaries?: number;
}

const MECHANISM_FIELDS = {
  samplingRate: true,
  noiseMultiplier: true,
  steps: true,
  delta: true,
} satisfies FieldsOf<CanaryMechanism>;
const OPTION_FIELDS = {
  out: true,
  canaries: true,
  backend: true,
  workers: true,
  onProgress: true,
  onWarning: true,
  signal: true,
} satisfies FieldsOf<CanaryOptions>;

/** What a training with canaries left. */
export interface CanaryRun {
  /** By canary: the more, the likelier it was in. Computed from the released weights alone. */
  readonly scores: Float64Array;
  /** By canary: whether its coin put it in. */
  readonly included: readonly boolean[];
  /** What was trained: the mechanism, on 2m examples. */
  readonly plan: Plan;
}

/** Pixels of its own that each canary has: half of them white, half black, on grey. */
const PIXELS = 8;
const GREY = 127;
/** Far below every gradient's norm, so that every example's gradient is clipped to norm 1, whatever was learned. */
const CLIP_NORM = 0.1;
/** How far noise moves a weight over the whole run: little enough that the network stays undecided. */
const DRIFT = 0.01;

/**
 * Trains softmax regression on 2m grey images by `train`, as any run is trained. In m of the places stands a canary, if its
 * coin says so: an image that is grey but for eight pixels that are grey in all others.
 *
 * Clipped, a canary's gradient is always the same vector: ±√(8/9)/4 on the weights of its own pixels, the rest on the biases and,
 * since grey is not quite zero, a thousandth everywhere. So a run is T draws of a Dirac canary in gradient space
 * [NasrHayesSteinke2023], that passed through the forward pass, the clipping and all the rest of the real trainer.
 * The score is what the final weights moved along that vector. Grey adds the same to white and to black pixels, and cancels.
 *
 * Two sets that differ in one coin differ in what a canary adds there, of norm at most 1, and in biases that the score does
 * not see: whatever bounds add-or-remove-one of the mechanism bounds what the scores tell.
 */
export async function trainWithCanaries(
  mechanism: CanaryMechanism,
  options: CanaryOptions,
): Promise<CanaryRun> {
  checkFields("trainWithCanaries", options, OPTION_FIELDS);
  checkFields("mechanism", mechanism, MECHANISM_FIELDS, { path: "mechanism" });
  const { canaries = 1024, out, ...rest } = options;
  if (!(Number.isInteger(Math.log2(canaries)) && canaries >= 64 && canaries <= 65_536))
    throw new ArgumentError("canaries", "a power of two in [64, 65536]", shown(canaries));
  const { samplingRate, noiseMultiplier, steps, delta } = mechanism;
  // A power of two: the batch is the rate times it, exactly, and the plan's rate the mechanism's.
  const examples = 2 * canaries;
  const batchSize = samplingRate * examples;
  const made = plan({ examples, batchSize, steps, noiseMultiplier, delta });
  const included = coins(canaries);
  const model = modelFor(canaries);
  const seedInitialisation = randomInt(2 ** 47);
  await train(made, {
    ...rest,
    out,
    data: canaryData(model, included),
    model,
    seedInitialisation,
    learningRate: (DRIFT * batchSize) / (noiseMultiplier * Math.sqrt(steps)),
    clipNorm: CLIP_NORM,
    momentum: 0,
    ema: false,
    evaluations: 0,
  });
  const [before] = new Network(model).initialise(seedInitialisation);
  const after = decodeSafetensors(readFileSync(`${out}/${RUN_FILES.weights}`)).tensors[0]!.values;
  const scores = Float64Array.from(included, (_, canary) => {
    let score = 0;
    for (let i = 0; i < PIXELS; i++) {
      const weight = 2 * (canary * PIXELS + i);
      const moved = after[weight + 1]! - before![weight + 1]! - (after[weight]! - before![weight]!);
      score += isWhite(i) === (labelOf(canary) === 1) ? moved : -moved;
    }
    return score;
  });
  return { scores, included, plan: made };
}

const isWhite = (pixel: number): boolean => pixel % 2 === 0;
/** In turn, so that neither label is more frequent and the biases stay where they are. */
const labelOf = (place: number): number => place % 2;

function modelFor(canaries: number): NetworkSpec {
  return {
    name: "canaries",
    inputShape: [PIXELS, canaries, 1],
    classes: 2,
    layers: [{ kind: "flatten" }, { kind: "dense", units: 2 }],
  };
}

function canaryData(model: NetworkSpec, included: readonly boolean[]): Dataset {
  const size = included.length * PIXELS;
  const grey = (count: number): LabelledImages => ({
    count,
    shape: [...model.inputShape] as LabelledImages["shape"],
    pixels: new Uint8Array(count * size).fill(GREY),
    labels: Uint8Array.from({ length: count }, (_, place) => labelOf(place)),
  });
  const train = grey(2 * included.length);
  included.forEach((isIn, canary) => {
    if (!isIn) return;
    for (let i = 0; i < PIXELS; i++) train.pixels[canary * size + canary * PIXELS + i] = isWhite(i) ? 255 : 0;
  });
  return { name: "canaries", classes: 2, train, test: grey(2) };
}

/** Fair and independent, from the operating system's randomness. */
function coins(count: number): boolean[] {
  const stream = new SecureStream();
  return Array.from({ length: count }, () => stream.nextWord() >= 2 ** 31);
}
