// DP-SGD from a plan: Poisson batches, clipped sums, noise, update; the ledger says each step before it happens.
import { randomInt } from "node:crypto";
import { appendFileSync, readFileSync } from "node:fs";
import { dpSgdEvent } from "../accounting/index.js";
import type { BackendChoice, BackendName, webgpu } from "../backends/index.js";
import type { Plan } from "../planner/index.js";
import { type Dataset, datasetFingerprint } from "./data/index.js";
import type { GradientEngine } from "./engine/gradientEngine.js";
import { startEngine } from "./engine/startEngine.js";
import { Network, type NetworkSpec } from "./layers/network.js";
import { buildModel } from "./models/index.js";
import { Optimizer } from "./optimizer.js";
import { GaussianNoise, PoissonSampler, SecureStream } from "./random/index.js";
import { createRunFolder, type RunFolder } from "./runFolder.js";
import { encodeSafetensors } from "./safetensors.js";

export interface TrainOptions {
  /** Its training images are the private data, and as many as the plan says; its test images count as public. */
  readonly data: Dataset;
  /** The name of a built-in model, or a network of one's own from the same layers. */
  readonly model: string | NetworkSpec;
  /** Run folder: new or empty. */
  readonly out: string;
  /** Default "auto": tfjs-node-gpu, webgpu (hardware, residual networks), tfjs-node, wasm, cpu, the first that starts. */
  readonly backend?: BackendName | "auto";
  /** Of the WebGPU engine, default "float16x2" (docs/gpu.md); the other backends compute in float32. */
  readonly precision?: webgpu.PrecisionName;
  /** Worker threads, 1 to MOST_WORKERS; default: one a core on wasm and cpu, one on the native backends (which use all cores themselves). */
  readonly workers?: number;
  /** Examples whose gradients are held at once, or "auto": the fastest found by trying. Memory and speed only. */
  readonly microBatch?: number | "auto";
  /** K: augmented views an example, ≥ 0; 0 (default) trains on the images as they are. */
  readonly augmentation?: number;
  /** Seed of the augmented views; default: drawn at random. Sampling and noise cannot be seeded. */
  readonly seedAugmentation?: number;
  /** Seed of the initial weights; default: drawn at random. */
  readonly seedInitialisation?: number;
  /** Per unit of mean clipped gradient (norm at most 1), constant; default 2 [De2022]. */
  readonly learningRate?: number;
  /** C > 0: the gradient norm from which on gradients are clipped; default 1 [De2022]. */
  readonly clipNorm?: number;
  /** In [0, 1); default 0. */
  readonly momentum?: number;
  /** Decay of the average of the parameters, in [0, 1), or false for none; default 0.9999 [De2022]. */
  readonly ema?: number | false;
  /** How often the test set is looked at before the end, evenly spread; default 4. */
  readonly evaluations?: number;
  /** Also puts accuracy and loss on the PRIVATE training set, and times, into metrics.jsonl: outside the guarantee. */
  readonly logPrivateMetrics?: boolean;
  /** Called once, when all is ready for the first step: which backend was taken, and why. */
  readonly onBackend?: (backend: BackendChoice) => void;
  readonly onProgress?: (progress: TrainProgress) => void;
  /**
   * Warnings for the operator, not to be published: that a gradient was not finite depends on private data.
   * Default: process.emitWarning.
   */
  readonly onWarning?: (message: string) => void;
  /** Aborting stops after the step in hand; the run stays a partial one, whose ledger audits. */
  readonly signal?: AbortSignal;
}

export interface TrainProgress {
  /** Steps done, and in all. */
  readonly step: number;
  readonly steps: number;
  /** Since the first step began: for a progress display, not to be published (it depends on the batches drawn). */
  readonly seconds: number;
  /** Expected examples (steps × expected batch) a second: the drawn number is private. */
  readonly examplesPerSecond: number;
  /** The latest measurement, on the public test set, in [0, 1]. */
  readonly testAccuracy: number | undefined;
}

export interface TrainResult {
  readonly out: string;
  readonly steps: number;
  /** Of the averaged weights if there is an average, else of the last ones; in [0, 1]. */
  readonly testAccuracy: number;
  /** Of the weights after the last step. */
  readonly testAccuracyLast: number;
  /** Of the averaged weights. */
  readonly testAccuracyAverage: number | undefined;
  readonly backend: BackendChoice;
  readonly workers: number;
  readonly parameters: number;
  /** From the start of the first step to the end, rounded up: finer times tell how many examples were drawn. */
  readonly seconds: number;
}

/** Training was asked to stop: the steps done are in the ledger, the weights were not written. */
export class TrainingStoppedError extends Error {
  override readonly name = "TrainingStoppedError";
  constructor(
    readonly stepsDone: number,
    readonly out: string,
  ) {
    super(`training stopped after step ${stepsDone}; ${out} holds an unfinished run`);
  }
}

/**
 * Trains by DP-SGD as the plan says and leaves plan, ledger, weights and metrics in `out`.
 *
 * Guarantee: each step's noisy sum has sensitivity 1 and noise of standard deviation plan.noiseMultiplier at least,
 * drawn once over the whole sum; its ledger line is on disk before the sum touches the parameters; the sum is divided
 * by the expected batch size. The ledger's end line is written last: what lacks it is not finished.
 * Edges: an empty batch is a step like any other. Throws RangeError, TypeError, RunFolderError or
 * BackendUnavailableError before the folder is made if anything asked for is not possible.
 */
export async function train(plan: Plan, options: TrainOptions): Promise<TrainResult> {
  const { data, learningRate = 2, clipNorm = 1, momentum = 0, ema = 0.9999, augmentation = 0 } = options;
  checkPlan(plan, data);
  positive("learningRate", learningRate);
  positive("clipNorm", clipNorm);
  fraction("momentum", momentum);
  if (ema !== false) fraction("ema", ema);
  whole("augmentation", augmentation);
  whole("evaluations", options.evaluations ?? 4);
  const seeds = {
    augmentation: options.seedAugmentation ?? randomInt(2 ** 47),
    initialisation: options.seedInitialisation ?? randomInt(2 ** 47),
  };
  whole("seedAugmentation", seeds.augmentation);
  whole("seedInitialisation", seeds.initialisation);
  const network = networkFor(options.model, data);
  const engine = await startEngine({
    backend: options.backend ?? "auto",
    network,
    data,
    augmentation: { views: augmentation, seed: seeds.augmentation },
    ...(options.precision === undefined ? {} : { precision: options.precision }),
    ...(options.workers === undefined ? {} : { workers: options.workers }),
    ...(options.microBatch === undefined ? {} : { microBatch: options.microBatch }),
    ...(options.onWarning === undefined ? {} : { onWarning: options.onWarning }),
  });
  try {
    const folder = createRunFolder(options.out, plan);
    options.onBackend?.(engine.backend);
    const parameters = network.initialise(seeds.initialisation);
    const optimizer = new Optimizer(parameters, {
      learningRate,
      rule: { kind: "sgd", momentum },
      averageDecay: ema === false ? undefined : ema,
    });
    return await run(plan, { ...options, clipNorm }, { engine, network, folder, optimizer, seeds });
  } finally {
    await engine.close();
  }
}

interface Parts {
  readonly engine: GradientEngine;
  readonly network: Network;
  readonly folder: RunFolder;
  readonly optimizer: Optimizer;
  readonly seeds: { readonly augmentation: number; readonly initialisation: number };
}

async function run(
  plan: Plan,
  options: TrainOptions & { readonly clipNorm: number },
  { engine, network, folder, optimizer, seeds }: Parts,
): Promise<TrainResult> {
  const { data, signal, onProgress, logPrivateMetrics = false } = options;
  const warn = options.onWarning ?? ((message: string) => process.emitWarning(message));
  // Two streams with keys of their own: nothing seen of the noise says anything about who was sampled.
  const sampler = new PoissonSampler(plan.examples, plan.samplingRate, new SecureStream());
  const noise = new GaussianNoise(new SecureStream());
  const ledger = folder.openLedger({
    software: SOFTWARE,
    startedAt: new Date().toISOString(),
    plan,
    dataset: { name: data.name, fingerprint: datasetFingerprint(data.original ?? data.train, folder.salt) },
    privateMetrics: logPrivateMetrics,
  });
  const metric = (line: object): void => appendFileSync(folder.file("metrics"), `${JSON.stringify(line)}\n`);
  const started = performance.now();
  const elapsed = (): number => (performance.now() - started) / 1000;
  const measure = async (step: number) => {
    const last = await engine.evaluate(optimizer.parameters, "test");
    const average = optimizer.average && (await engine.evaluate(optimizer.average, "test"));
    const accuracyOf = (part: typeof last | undefined) => part && part.correct / part.count;
    const train = logPrivateMetrics ? await engine.evaluate(optimizer.parameters, "train") : undefined;
    const result = { last: accuracyOf(last)!, average: accuracyOf(average) };
    metric({
      step,
      // A step takes longer the more examples were drawn: times are private metrics.
      ...(logPrivateMetrics ? { privateSeconds: round(elapsed()) } : {}),
      testAccuracy: result.last,
      testLoss: round(last.loss),
      ...(average ? { testAccuracyAverage: result.average, testLossAverage: round(average.loss) } : {}),
      ...(train ? { privateTrainAccuracy: accuracyOf(train), privateTrainLoss: round(train.loss) } : {}),
    });
    return result;
  };
  const shown = new Set(spread(plan.steps, options.evaluations ?? 4));
  let testAccuracy: number | undefined;
  // Whether some gradient was not finite depends on private data: said once, when the test set is looked at next (or at the
  // end), so that neither example nor step shows (docs/sharp-edges.md).
  let broken: "no" | "unsaid" | "said" = "no";
  const sayBroken = () => {
    if (broken !== "unsaid") return;
    broken = "said";
    warn("a gradient was not finite: its example contributes zero (the learning rate may be too large)");
  };
  try {
    for (let step = 1; step <= plan.steps; step++) {
      if (signal?.aborted) throw new TrainingStoppedError(step - 1, folder.path);
      const batch = { indices: sampler.draw(), step };
      const clipped = await engine.clippedSum(optimizer.parameters, batch, { norm: options.clipNorm });
      if (clipped.nonFinite && broken === "no") broken = "unsaid";
      const added = noise.addToSum(clipped.sum, {
        noiseMultiplier: plan.noiseMultiplier,
        sensitivity: clipped.sensitivity,
      });
      ledger.step({ samplingRate: sampler.samplingRate, noiseMultiplier: added.noiseMultiplier });
      optimizer.update(clipped.sum, plan.batchSize);
      if (shown.has(step)) {
        sayBroken();
        const { last, average } = await measure(step);
        testAccuracy = average ?? last;
      }
      const seconds = elapsed();
      onProgress?.({
        step,
        steps: plan.steps,
        seconds,
        examplesPerSecond: (step * plan.batchSize) / seconds,
        testAccuracy,
      });
    }
    const final = await measure(plan.steps);
    writeWeights(folder, network, optimizer, seeds, data.frontEnd);
    ledger.end();
    return {
      out: folder.path,
      steps: plan.steps,
      testAccuracy: final.average ?? final.last,
      testAccuracyLast: final.last,
      testAccuracyAverage: final.average,
      backend: engine.backend,
      workers: engine.workers,
      parameters: network.parameterCount,
      seconds: Math.ceil(elapsed()),
    };
  } finally {
    ledger.close();
    sayBroken();
  }
}

/** weights.safetensors: each parameter after the last step under its name, the averaged ones under "average/…". */
function writeWeights(
  folder: RunFolder,
  network: Network,
  optimizer: Optimizer,
  seeds: Parts["seeds"],
  frontEnd?: string,
): void {
  const named = (prefix: string, values: readonly Float32Array[]) =>
    network.parameters.map(({ name, shape }, index) => ({
      name: prefix + name,
      shape,
      values: values[index],
    }));
  const tensors = [
    ...named("", optimizer.parameters),
    ...named("average/", optimizer.average ?? []).filter((t) => t.values),
  ];
  folder.writeWhole(
    "model",
    `${JSON.stringify({ version: 1, software: SOFTWARE, network: network.spec, ...(frontEnd && { frontEnd }), seeds }, null, 2)}\n`,
  );
  folder.writeWhole(
    "weights",
    encodeSafetensors(tensors, { software: SOFTWARE, network: JSON.stringify(network.spec) }),
  );
}

/** Throws TypeError or RangeError, in one line, unless the trainer can do what the plan says on these data. */
function checkPlan(plan: Plan, data: Dataset): void {
  if (!(typeof plan === "object" && plan !== null && plan.kind === "dpsgd-plan"))
    throw new TypeError(`plan must be a dpsgd-plan, got kind ${String((plan as Plan | null)?.kind)}`);
  if (!(plan.version === 1)) throw new RangeError(`plan version must be 1, got ${String(plan.version)}`);
  whole("plan examples", plan.examples, 1);
  whole("plan steps", plan.steps, 1);
  positive("plan batchSize", plan.batchSize);
  positive("plan noiseMultiplier", plan.noiseMultiplier);
  if (!(plan.samplingRate > 0 && plan.samplingRate <= 1))
    throw new RangeError(`plan samplingRate must be in (0, 1], got ${plan.samplingRate}`);
  if (!(plan.batchSize / plan.examples === plan.samplingRate))
    throw new RangeError(
      `plan samplingRate must be batchSize / examples = ${plan.batchSize / plan.examples}, got ${plan.samplingRate}`,
    );
  if (!(JSON.stringify(plan.event) === JSON.stringify(dpSgdEvent(plan))))
    throw new RangeError(
      "plan event must be that of DP-SGD with the plan's samplingRate, noiseMultiplier and steps",
    );
  if (!(data.train.count === plan.examples))
    throw new RangeError(
      `data must have the ${plan.examples} examples of the plan, but ${data.name} has ${data.train.count}`,
    );
}

function networkFor(model: TrainOptions["model"], data: Dataset): Network {
  if (typeof model === "string") return buildModel(model, data.train.shape, data.classes);
  if (!(String(model.inputShape) === String(data.train.shape) && model.classes === data.classes))
    throw new RangeError(
      `model ${model.name} takes ${model.inputShape.join(" x ")} images of ${model.classes} classes, ` +
        `${data.name} has ${data.train.shape.join(" x ")} of ${data.classes}`,
    );
  return new Network(model);
}

/** `count` steps before the last, evenly spread. */
function spread(steps: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.floor((steps * (i + 1)) / (count + 1))).filter(
    (step) => step >= 1,
  );
}

const round = (value: number): number => Number(value.toPrecision(6));

function positive(name: string, value: number): void {
  if (!(value > 0 && value < Infinity)) throw new RangeError(`${name} must be > 0 and finite, got ${value}`);
}

function fraction(name: string, value: number): void {
  if (!(value >= 0 && value < 1)) throw new RangeError(`${name} must be in [0, 1), got ${value}`);
}

function whole(name: string, value: number, least = 0): void {
  if (!(Number.isSafeInteger(value) && value >= least))
    throw new RangeError(`${name} must be a whole number >= ${least}, got ${value}`);
}

const SOFTWARE = `dpsgd ${(JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string }).version}`;
