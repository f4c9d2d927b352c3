// What a run does besides its plan: options checked once, when it begins, and kept in its checkpoints as plain JSON.
import type { Plan } from "../formats/plan.js";
import { planFromJson } from "../formats/planReader.js";
import { checkLabelledImages, type Dataset } from "./data/dataset.js";
import type { ClipRule } from "./gradientEngine.js";
import { Network, type NetworkSpec } from "./layers/network.js";
import { buildModel } from "./models/index.js";
import { randomSeed } from "./random/secureStream.js";
import type { FineTuning } from "./startingValues.js";

/** How noisy gradients become updates. */
export const OPTIMIZER_NAMES = ["sgd", "adam", "adam-corrected"] as const;
export type OptimizerName = (typeof OPTIMIZER_NAMES)[number];

/** Options that belong to the run, not to the process: a resumed run has those that it began with. */
export interface RunOptions extends FineTuning {
  /** The name of a built-in model, or a network of one's own from the same layers. */
  readonly model: string | NetworkSpec;
  /** K: augmented views an example, ≥ 0; 0 (default) trains on the images as they are. */
  readonly augmentation?: number;
  /** Seed of the augmented views; default: drawn at random. Sampling and noise cannot be seeded. */
  readonly seedAugmentation?: number;
  /** Seed of the initial weights; default: drawn at random. */
  readonly seedInitialisation?: number;
  /**
   * Per unit of mean clipped gradient (norm at most 1): a number, or an expression over the step t = 1 … T and T; default 2,
   * constant [De2022].
   */
  readonly learningRate?: number | string;
  /** C > 0: the gradient norm from which on gradients are clipped; default 1 [De2022]. */
  readonly clipNorm?: number;
  /** γ > 0: automatic clipping, g ↦ g/(‖g‖ + γ), in place of clipNorm [Bu2023b]. */
  readonly clipGamma?: number;
  /** Default "sgd"; "adam-corrected" takes the noise's variance off the second moment [Tang2024]. */
  readonly optimizer?: OptimizerName;
  /** In [0, 1); default 0. For "sgd" only. */
  readonly momentum?: number;
  /** Of Adam, > 0; default 1e-8; corrected: a tenth of the noise's standard deviation on the mean gradient. */
  readonly adamEpsilon?: number;
  /** Decay of the average of the parameters, in [0, 1), or false for none; default 0.9999 [De2022]. */
  readonly ema?: number | false;
  /** How often the test set is looked at before the end, evenly spread; default 4. */
  readonly evaluations?: number;
  /** Also puts accuracy and loss on the PRIVATE training set, and times, into metrics.jsonl: outside the guarantee. */
  readonly logPrivateMetrics?: boolean;
  /** How the data are found again when the run is resumed, as loadDataset takes it; default: their name. */
  readonly dataSource?: string;
}

/** The same, checked and complete. */
export interface RunSettings {
  readonly network: NetworkSpec;
  readonly augmentation: number;
  readonly seeds: { readonly augmentation: number; readonly initialisation: number };
  readonly learningRate: number | string;
  readonly clipNorm: number;
  readonly clipGamma?: number;
  readonly optimizer: OptimizerName;
  readonly momentum: number;
  readonly adamEpsilon?: number;
  readonly ema: number | false;
  readonly evaluations: number;
  readonly logPrivateMetrics: boolean;
  readonly dataSource: string;
  /** Of the data, where features stand in place of images. */
  readonly frontEnd?: string;
}

/** Throws TypeError or RangeError, in one line, unless the trainer can do what the options say on these data. */
export function runSettings(data: Dataset, options: RunOptions): RunSettings {
  const { learningRate = 2, clipNorm = 1, momentum = 0, ema = 0.9999, augmentation = 0 } = options;
  const { evaluations = 4, logPrivateMetrics = false, dataSource = data.name } = options;
  if (typeof learningRate === "number") positive("learningRate", learningRate);
  positive("clipNorm", clipNorm);
  const { optimizer = "sgd", clipGamma, adamEpsilon } = options;
  if (clipGamma !== undefined) positive("clipGamma", clipGamma);
  if (!OPTIMIZER_NAMES.includes(optimizer))
    throw new RangeError(`optimizer must be one of ${OPTIMIZER_NAMES.join(", ")}, got ${String(optimizer)}`);
  if (adamEpsilon !== undefined) positive("adamEpsilon", adamEpsilon);
  if (momentum !== 0 && optimizer !== "sgd")
    throw new RangeError(`momentum must be 0 with optimizer ${optimizer}, got ${momentum}`);
  fraction("momentum", momentum);
  if (ema !== false) fraction("ema", ema);
  whole("augmentation", augmentation);
  whole("evaluations", evaluations);
  const seeds = {
    augmentation: options.seedAugmentation ?? randomSeed(),
    initialisation: options.seedInitialisation ?? randomSeed(),
  };
  whole("seedAugmentation", seeds.augmentation);
  whole("seedInitialisation", seeds.initialisation);
  const network = networkFor(options.model, data).spec;
  return {
    network,
    augmentation,
    seeds,
    learningRate,
    clipNorm,
    ...(clipGamma !== undefined && { clipGamma }),
    optimizer,
    momentum,
    ...(adamEpsilon !== undefined && { adamEpsilon }),
    ema,
    evaluations,
    logPrivateMetrics,
    dataSource,
    ...(data.frontEnd !== undefined && { frontEnd: data.frontEnd }),
  };
}

export const clipRuleOf = ({ clipNorm, clipGamma }: RunSettings): ClipRule => ({
  norm: clipNorm,
  ...(clipGamma !== undefined && { gamma: clipGamma }),
});

/** The plan, read strictly. Throws PlanFormatError, RangeError or DatasetError unless the trainer can do it on these data. */
export function checkPlan(given: Plan, data: Dataset): Plan {
  const plan = planFromJson(given);
  if (!(data.train.count === plan.examples))
    throw new RangeError(
      `data must have the ${plan.examples} examples of the plan, but ${data.name} has ${data.train.count}`,
    );
  // Whoever made them: a label that is no class would be another example's.
  checkLabelledImages(data.train, data.classes, `${data.name}: train`);
  checkLabelledImages(data.test, data.classes, `${data.name}: test`);
  return plan;
}

function networkFor(model: RunOptions["model"], data: Dataset): Network {
  if (typeof model === "string") return buildModel(model, data.train.shape, data.classes);
  if (!(String(model.inputShape) === String(data.train.shape) && model.classes === data.classes))
    throw new RangeError(
      `model ${model.name} takes ${model.inputShape.join(" x ")} images of ${model.classes} classes, ` +
        `${data.name} has ${data.train.shape.join(" x ")} of ${data.classes}`,
    );
  return new Network(model);
}

function positive(name: string, value: number): void {
  if (!(value > 0 && value < Infinity)) throw new RangeError(`${name} must be > 0 and finite, got ${value}`);
}

function fraction(name: string, value: number): void {
  if (!(value >= 0 && value < 1)) throw new RangeError(`${name} must be in [0, 1), got ${value}`);
}

/** Throws RangeError unless value is a whole number ≥ least. */
export function whole(name: string, value: number, least = 0): void {
  if (!(Number.isSafeInteger(value) && value >= least))
    throw new RangeError(`${name} must be a whole number >= ${least}, got ${value}`);
}
