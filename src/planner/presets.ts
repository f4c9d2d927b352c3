// Published configurations as plan requests: what was run, what it was said to spend, and what else its recipe needs.
import { ArgumentError } from "../formats/argumentError.js";
import type { PlanRequest } from "../formats/plan.js";

/** What a training run needs beside its plan. Learning rate for updates of unit clip norm. */
export interface Recipe {
  readonly model: string;
  readonly dataset: string;
  /** Views an example per step (K); one clip over their mean gradient. */
  readonly augmentationMultiplicity: number;
  /** Or an expression over the step t of T, as dpsgd train takes it. */
  readonly learningRate: number | string;
  readonly clipNorm: number;
  /** Default 0. */
  readonly momentum?: number;
  /** Options of `dpsgd train` that say what it ran on; absent: any backend. */
  readonly engine?: string;
  /** Fine-tuned from these weights; absent: from scratch. */
  readonly pretrained?: string;
}

export interface Preset {
  readonly name: string;
  /** As published: noise, batch and steps given, so that ε is what is solved for. */
  readonly request: PlanRequest &
    Required<Pick<PlanRequest, "batchSize" | "steps" | "noiseMultiplier" | "delta">>;
  /** ε as published, for this δ. */
  readonly publishedEpsilon: number;
  readonly recipe: Recipe;
  /** Where the numbers come from, and what about them does not add up. */
  readonly source: string;
}

/** CIFAR-10 from scratch at B = 4096: σ and T by published ε. 875 steps at ε = 1 are those of the code's last release. */
const CIFAR10 = [
  { epsilon: 1, noiseMultiplier: 10, steps: 875 },
  { epsilon: 2, noiseMultiplier: 6, steps: 1125 },
  { epsilon: 3, noiseMultiplier: 5, steps: 1593 },
  { epsilon: 4, noiseMultiplier: 4, steps: 1687 },
  { epsilon: 6, noiseMultiplier: 3, steps: 1843 },
  { epsilon: 8, noiseMultiplier: 3, steps: 2468 },
] as const;

function cifar10(model: "wrn-16-4" | "wrn-40-4"): Preset[] {
  return CIFAR10.map(({ epsilon, noiseMultiplier, steps }) => ({
    name: `de2022/cifar10-${model}-epsilon-${epsilon}`,
    request: { examples: 50_000, batchSize: 4096, steps, noiseMultiplier, delta: 1e-5 },
    publishedEpsilon: epsilon,
    recipe: {
      model,
      dataset: "cifar10",
      augmentationMultiplicity: model === "wrn-40-4" && epsilon === 8 ? 32 : 16,
      learningRate: 2,
      clipNorm: 1,
    },
    source:
      "[De2022], Appendix C" +
      (epsilon === 1 ? "; the paper's 725 steps are those of 45,000 examples" : "") +
      (epsilon === 8
        ? "; these numbers spend about 7.05 with 50,000 examples (7.98 with 45,000): ε = 8 allows 3,066 steps"
        : "") +
      (model === "wrn-40-4" ? "; noise and steps as for WRN-16-4" : ""),
  }));
}

export const PRESETS: readonly Preset[] = [
  ...cifar10("wrn-16-4"),
  ...cifar10("wrn-40-4"),
  {
    name: "de2022/cifar100-wrn-28-10-epsilon-1",
    request: { examples: 50_000, batchSize: 16_384, steps: 250, noiseMultiplier: 21.1, delta: 1e-5 },
    publishedEpsilon: 1,
    recipe: {
      model: "wrn-28-10",
      dataset: "cifar100",
      augmentationMultiplicity: 16,
      learningRate: 1,
      clipNorm: 1,
      pretrained: "ImageNet at 32×32",
    },
    source: "[De2022], configuration of the published code; the classifier is reset, all layers are trained",
  },
  {
    name: "de2022/imagenet-nf-resnet-50-epsilon-8",
    request: { examples: 1_281_167, batchSize: 16_384, steps: 71_589, noiseMultiplier: 2.5, delta: 8e-7 },
    publishedEpsilon: 8,
    recipe: {
      model: "nf-resnet-50",
      dataset: "imagenet",
      augmentationMultiplicity: 4,
      learningRate: 4,
      clipNorm: 1,
    },
    source:
      "[De2022], configuration of the published code; 71,589 steps are those of 1,271,167 examples (10,000 held out), and spend less here",
  },
];

const result = (
  name: string,
  request: Preset["request"],
  recipe: Omit<Recipe, "augmentationMultiplicity"> & Partial<Recipe>,
  publishedEpsilon = 3,
): Preset => ({
  name: `results/${name}`,
  request,
  publishedEpsilon,
  recipe: { augmentationMultiplicity: 1, ...recipe },
  source: "measured with dpsgd itself: docs/results.md",
});

/** What docs/results.md measured. Noise multipliers are those that its ε by the exact accountant needs, rounded up. */
export const RESULTS: readonly Preset[] = [
  result(
    "mnist-cnn",
    { examples: 60_000, batchSize: 2048, steps: 600, noiseMultiplier: 1.40553, delta: 1e-5 },
    { model: "cnn", dataset: "mnist", learningRate: "min(3, 9*(1-t/T))", momentum: 0.5, clipNorm: 0.1 },
  ),
  result(
    "fashion-mnist-cnn",
    { examples: 60_000, batchSize: 4096, steps: 400, noiseMultiplier: 2.09066, delta: 1e-5 },
    { model: "cnn", dataset: "fashion-mnist", learningRate: 3, momentum: 0.5, clipNorm: 0.1 },
  ),
  result(
    "fashion-mnist-scattering",
    { examples: 60_000, batchSize: 8192, steps: 400, noiseMultiplier: 3.92607, delta: 1e-5 },
    {
      model: "linear",
      dataset: "scattering-mirror:fashion-mnist",
      learningRate: 0.56,
      momentum: 0.9,
      clipNorm: 13,
    },
  ),
  result(
    "cifar10-scattering",
    { examples: 50_000, batchSize: 16_384, steps: 150, noiseMultiplier: 5.70329, delta: 1e-5 },
    { model: "linear", dataset: "scattering:CIFAR10-FOLDER", learningRate: 0.8, momentum: 0.9, clipNorm: 26 },
  ),
  result(
    "cifar10-wrn-16-4",
    { examples: 50_000, batchSize: 4096, steps: 1200, noiseMultiplier: 1.86613, delta: 1e-5 },
    {
      model: "wrn-16-4",
      dataset: "CIFAR10-FOLDER",
      augmentationMultiplicity: 4,
      learningRate: 4,
      clipNorm: 1,
      engine: "--backend webgpu --precision float16 --micro-batch 192",
    },
    8,
  ),
  result(
    "cifar10-wrn-16-4-16-views",
    { examples: 50_000, batchSize: 5120, steps: 1200, noiseMultiplier: 2.2675, delta: 1e-5 },
    {
      model: "wrn-16-4",
      dataset: "CIFAR10-FOLDER",
      augmentationMultiplicity: 16,
      learningRate: 4,
      clipNorm: 1,
      engine: "--backend webgpu --precision float16",
    },
    8,
  ),
];

export const PRESET_NAMES: readonly string[] = [...PRESETS, ...RESULTS].map(({ name }) => name);

/** The `dpsgd train` line of a recipe that this package can run as it is, for the plan in that file. */
export function trainLine(recipe: Recipe, plan = "plan.json"): string {
  const {
    dataset,
    model,
    learningRate,
    momentum,
    clipNorm,
    augmentationMultiplicity: views,
    engine,
  } = recipe;
  const rate = typeof learningRate === "string" ? JSON.stringify(learningRate) : learningRate;
  return [
    `dpsgd train ${plan} --data ${dataset} --model ${model}`,
    ...(views > 1 ? [`--augmentation ${views}`] : []),
    `--learning-rate ${rate} --momentum ${momentum ?? 0} --clip-norm ${clipNorm}`,
    ...(engine ? [engine] : []),
    "--out runs/first",
  ].join(" ");
}

/** The preset of that name. Throws RangeError that lists the names. */
export function preset(name: string): Preset {
  const found = [...PRESETS, ...RESULTS].find((each) => each.name === name);
  if (!found) throw new ArgumentError("preset", `one of ${PRESET_NAMES.join(", ")}`, JSON.stringify(name));
  return found;
}

/**
 * The preset's request with what is asked for otherwise put in its place. Asking for what the preset leaves open (ε)
 * leaves the noise multiplier open instead, unless that is asked for too; then the steps are.
 */
export function presetRequest(name: string, asked: Partial<PlanRequest> = {}): PlanRequest {
  const request: Record<string, unknown> = { ...preset(name).request };
  if (asked.epochs !== undefined) delete request.steps;
  Object.assign(request, asked);
  const full = (): boolean =>
    request.epsilon !== undefined &&
    request.noiseMultiplier !== undefined &&
    request.delta !== undefined &&
    request.batchSize !== undefined &&
    (request.steps !== undefined || request.epochs !== undefined);
  for (const field of ["noiseMultiplier", "steps", "batchSize", "delta"] as const)
    if (full() && asked[field] === undefined && !(field === "steps" && asked.epochs !== undefined))
      delete request[field];
  return request as unknown as PlanRequest;
}
