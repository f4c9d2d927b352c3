// Training end to end on small data: what is written when, how much noise, what is refused, and that it learns.
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { accountant } from "../../src/accounting/accountants.js";
import { BudgetExceededError } from "../../src/audit/budget.js";
import { ArgumentError } from "../../src/formats/argumentError.js";
import type { Neighboring } from "../../src/formats/guarantee.js";
import { planToText } from "../../src/formats/planReader.js";
import { createBudget, readBudget } from "../../src/runs/budgetFile.js";
import { loadDataset } from "../../src/runs/data/loadDataset.js";
import { LedgerWriter } from "../../src/runs/ledgerFile.js";
import { checkProven } from "../../src/runs/provenPlan.js";
import { TrainingStoppedError } from "../../src/runs/run.js";
import { runIdOf } from "../../src/runs/runFolder.js";
import { resumeTraining, train } from "../../src/runs/train.js";
import type { TrainOptions } from "../../src/runs/trainOptions.js";
import { checkTrainOptions } from "../../src/runs/trainOptions.js";
import type { NetworkSpec } from "../../src/trainer/layers/network.js";
import { Optimizer } from "../../src/trainer/optimizer.js";
import { decodeSafetensors, encodeSafetensors } from "../../src/trainer/safetensors.js";
import type { StepTimes } from "../../src/trainer/stepTimes.js";
import { closeSharedThreads } from "../support/sharedThreads.js";
import { dataOf, planOf } from "./support.js";

vi.mock("../../src/engines/threads/threads.js", async (original) =>
  (await import("../support/sharedThreads.js")).sharingThreads(
    await original<typeof import("../../src/engines/threads/threads.js")>(),
  ),
);
afterAll(closeSharedThreads);

const data = dataOf(120);
const model: NetworkSpec = {
  name: "small",
  inputShape: [8, 8, 1],
  classes: 4,
  layers: [
    { kind: "conv2d", filters: 8, kernelSize: 3, stride: 2 },
    { kind: "tanh" },
    { kind: "flatten" },
    { kind: "dense", units: 4 },
  ],
};
const plan = planOf({ examples: 120, batchSize: 30, steps: 6, noiseMultiplier: 2 });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dpsgd-train-"));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});
const options = (more: Partial<TrainOptions> = {}): TrainOptions => ({
  data,
  model,
  out: join(folder, "run"),
  backend: "wasm",
  workers: 1,
  ...more,
});
const ledgerLines = (out = join(folder, "run")) =>
  readFileSync(join(out, "ledger.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

test("each step's ledger line is on disk before its noisy sum touches the parameters", async () => {
  const seen: string[] = [];
  const step = LedgerWriter.prototype.step;
  vi.spyOn(LedgerWriter.prototype, "step").mockImplementation(function (this: LedgerWriter, spent) {
    const number = step.call(this, spent);
    seen.push(`ledger ${number}`);
    return number;
  });
  const update = Optimizer.prototype.update;
  let applied = 0;
  vi.spyOn(Optimizer.prototype, "update").mockImplementation(function (this: Optimizer, sum, expected) {
    applied++;
    // Not only called before: the file holds the line now.
    expect(ledgerLines().filter((line) => line.kind === "step").length).toBe(applied);
    seen.push(`update ${applied}`);
    update.call(this, sum, expected);
  });
  await train(plan, options());
  expect(seen).toEqual([1, 2, 3, 4, 5, 6].flatMap((n) => [`ledger ${n}`, `update ${n}`]));
});

test("a step whose ledger line cannot be written is not applied, and the run does not look finished", async () => {
  const step = LedgerWriter.prototype.step;
  vi.spyOn(LedgerWriter.prototype, "step").mockImplementation(function (this: LedgerWriter, spent) {
    if (this.steps === 2) throw new Error("disk full");
    return step.call(this, spent);
  });
  const update = vi.spyOn(Optimizer.prototype, "update");
  await expect(train(plan, options())).rejects.toThrow("disk full");
  expect(update).toHaveBeenCalledTimes(2);
  expect(ledgerLines().map((line) => line.kind)).toEqual(["run", "step", "step"]);
  expect(existsSync(join(folder, "run", "weights.safetensors"))).toBe(false);
});

test("the ledger says what was done and nothing else: rate and noise of every step, then the end", async () => {
  const result = await train(plan, options());
  const lines = ledgerLines();
  expect(lines.map((line) => line.kind)).toEqual(["run", ...Array(6).fill("step"), "end"]);
  expect(lines[0].plan).toEqual(plan);
  expect(lines[0].privateMetrics).toBe(false);
  for (const line of lines.slice(1, -1)) {
    expect([line.samplingRate, line.noiseMultiplier]).toEqual([0.25, 2]);
    expect(Object.keys(line).sort()).toEqual(["kind", "noiseMultiplier", "previous", "samplingRate", "step"]);
  }
  expect(result.steps).toBe(6);
  const metrics = readFileSync(join(folder, "run", "metrics.jsonl"), "utf8");
  expect(metrics).not.toMatch(/rain/);
  const last = JSON.parse(metrics.trimEnd().split("\n").at(-1)!);
  expect([last.testAccuracy, last.testAccuracyAverage]).toEqual([
    result.testAccuracyLast,
    result.testAccuracyAverage,
  ]);
});

test("metrics of private data are measured only when asked for, and then the ledger says so", async () => {
  await train(plan, options({ logPrivateMetrics: true }));
  expect(ledgerLines()[0].privateMetrics).toBe(true);
  expect(readFileSync(join(folder, "run", "metrics.jsonl"), "utf8")).toMatch(/"privateTrainAccuracy":/);
});

test("noise of the planned deviation is drawn once a step over the whole sum, empty batches included", async () => {
  // At this rate a batch is empty but once in 1e9 steps: what reaches the optimizer is noise alone.
  const quiet = planOf({ examples: 120, batchSize: 1e-9, steps: 40, noiseMultiplier: 3 });
  const sums: number[] = [];
  vi.spyOn(Optimizer.prototype, "update").mockImplementation((sum, expected) => {
    expect(expected).toBe(1e-9);
    for (const part of sum) sums.push(...part);
  });
  await train(quiet, options());
  expect(ledgerLines().filter((line) => line.kind === "step").length).toBe(40);
  const count = sums.length;
  expect(count).toBeGreaterThan(10_000);
  const mean = sums.reduce((a, b) => a + b, 0) / count;
  const variance = sums.reduce((a, b) => a + b * b, 0) / count;
  // Seven standard errors each: a false alarm in about 1e-12 of runs.
  expect(Math.abs(mean)).toBeLessThan((7 * 3) / Math.sqrt(count));
  expect(Math.abs(variance / 9 - 1)).toBeLessThan(7 * Math.sqrt(2 / count));
  // Neighbouring steps and coordinates are independent.
  const lagged = sums.slice(1).reduce((total, v, i) => total + v * sums[i], 0) / (9 * (count - 1));
  expect(Math.abs(lagged)).toBeLessThan(7 / Math.sqrt(count));
});

test("weights are stored whole and read back to the bit", async () => {
  await train(plan, options({ seedInitialisation: 4 }));
  const { tensors, metadata } = decodeSafetensors(readFileSync(join(folder, "run", "weights.safetensors")));
  const names = ["0.conv2d/kernel", "0.conv2d/bias", "3.dense/kernel", "3.dense/bias"];
  expect(tensors.map(({ name }) => name)).toEqual([...names, ...names.map((name) => `average/${name}`)]);
  expect(tensors[0].shape).toEqual([3, 3, 1, 8]);
  expect(JSON.parse(metadata.network)).toEqual(model);
  const again = decodeSafetensors(encodeSafetensors(tensors, metadata));
  expect(again.tensors).toEqual(tensors);
  const bytes = encodeSafetensors(tensors);
  expect(() => decodeSafetensors(bytes.subarray(0, bytes.length - 1))).toThrow("does not fit its file");
  expect(() => decodeSafetensors(bytes.subarray(0, 5))).toThrow("shorter than its header");
});

test("aborting stops after the step in hand and leaves a ledger without an end", async () => {
  const stop = new AbortController();
  const run = train(
    plan,
    options({ signal: stop.signal, onProgress: ({ step }) => step === 3 && stop.abort() }),
  );
  await expect(run).rejects.toBeInstanceOf(TrainingStoppedError);
  expect(ledgerLines().map((line) => line.kind)).toEqual(["run", "step", "step", "step"]);
  expect(existsSync(join(folder, "run", "weights.safetensors"))).toBe(false);
});

test.each<[string, object, object, RegExp]>([
  ["another kind of file", { kind: "report" }, {}, /plan's kind must be "dpsgd-plan", got "report"/],
  ["another version", { version: 3 }, {}, /plan's version must be 2 or 1, .*, got 3/],
  [
    "other data",
    { examples: 121, samplingRate: 30 / 121 },
    {},
    /plan's examples must be 120, as the rest of the plan says, got 121/,
  ],
  ["no noise", { noiseMultiplier: 0 }, {}, /plan's noiseMultiplier must be > 0 and finite, got 0/],
  [
    "NaN noise",
    { noiseMultiplier: Number.NaN },
    {},
    /plan's noiseMultiplier must be > 0 and finite, got NaN/,
  ],
  [
    "a batch above N",
    { batchSize: 240, samplingRate: 2 },
    {},
    /plan's batchSize must be in \(0, examples 120\], got 240/,
  ],
  [
    "a rate that is not B/N",
    { samplingRate: 0.1 },
    {},
    /plan's samplingRate must be 0.25, as the rest of the plan says, got 0.1/,
  ],
  [
    "an event that is not the plan's",
    { event: { kind: "none" } },
    {},
    /plan's event must be .*, as the rest of the plan says/,
  ],
  ["an unknown model", {}, { model: "vgg" }, /model must be one of cnn, cnn-cifar, linear, wrn-D-k, got vgg/],
  [
    "a model for other images",
    {},
    { model: { ...model, inputShape: [9, 9, 1] } },
    /model must be one for the 8 x 8 x 1 images of 4 classes of bands, got small, which takes 9 x 9 x 1 images/,
  ],
  ["a bad learning rate", {}, { learningRate: Number.NaN }, /learningRate must be > 0 and finite, got NaN/],
  ["a bad clip norm", {}, { clipNorm: 0 }, /clipNorm must be > 0 and finite, got 0/],
  ["a bad momentum", {}, { momentum: 1 }, /momentum must be in \[0, 1\), got 1/],
  ["a bad number of views", {}, { augmentation: -1 }, /augmentation must be a whole number >= 0, got -1/],
  [
    "a label that is no class, which would stand in the next example's row,",
    {},
    { data: { ...data, train: { ...data.train, labels: data.train.labels.with(0, 4) } } },
    /bands: train: label 1 of 120 must be in \[0, 3\], got 4/,
  ],
  ["an unknown backend", {}, { backend: "cuda" }, /backend must be one of auto/],
  [
    "a clip norm beside automatic clipping",
    {},
    { clipNorm: 1, clipGamma: 0.1 },
    /clipNorm must be left out beside clipGamma/,
  ],
  [
    "Adam's epsilon for another optimizer",
    {},
    { adamEpsilon: 1e-6 },
    /adamEpsilon must be left out with optimizer sgd/,
  ],
  [
    "momentum for Adam",
    {},
    { momentum: 0.9, optimizer: "adam" },
    /momentum must be 0 with optimizer adam, got 0.9/,
  ],
  ["a number as text", {}, { momentum: "0.5" }, /momentum must be in \[0, 1\), got "0.5"/],
  ["a clip norm as text", {}, { clipNorm: "1" }, /clipNorm must be > 0 and finite, got "1"/],
  ["a rate that is no number", {}, { learningRate: true }, /learningRate must be > 0 and finite, got true/],
  ["a decay as text", {}, { ema: "none" }, /ema must be in \[0, 1\), got "none"/],
  [
    "a flag as text",
    {},
    { logPrivateMetrics: "false" },
    /logPrivateMetrics must be true or false, got "false"/,
  ],
  ["a bad seed", {}, { seedInitialisation: -1 }, /seedInitialisation must be a whole number >= 0, got -1/],
  ["names that are no list", {}, { freeze: "body" }, /freeze must be a list of texts, got "body"/],
  ["a folder that is no text", {}, { out: 5 }, /out must be a text that is not empty, got 5/],
  ["a signal that is none", {}, { signal: { aborted: false } }, /signal must be an AbortSignal, got/],
  ["a listener that is none", {}, { onProgress: true }, /onProgress must be a function, got true/],
  ["no checkpoints", {}, { checkpointEvery: 0 }, /checkpointEvery must be a whole number >= 1, got 0/],
  ["no data", {}, { data: undefined }, /data must be a data set with its train and test images, got nothing/],
  [
    "weights of examples",
    {},
    { data: { ...data, sampleWeights: [1] } },
    /data.sampleWeights must be left out/,
  ],
  [
    "labels that are no whole numbers",
    {},
    { data: { ...data, test: { ...data.test, labels: Array(200).fill(-1) } } },
    /bands: test: labels must be a Uint8Array or a Uint16Array, got Array/,
  ],
  [
    "a scaling that nothing would use",
    {},
    { data: { ...data, train: { ...data.train, scaling: { mean: [0], std: [1] } } } },
    /data.train.scaling.std must be left out/,
  ],
  [
    "a precision that the backend has not",
    {},
    { precision: "float16" },
    /precision must be left out with backend wasm, which computes in float32, got float16/,
  ],
  ["devices that the backend has not", {}, { devices: [{}] }, /devices must be left out with backend wasm/],
])("%s is refused in one line, and no folder is made", async (_, changes, more, message) => {
  const error = await train({ ...plan, ...changes } as never, options(more as never)).catch(
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(Error);
  expect((error as Error).message).toMatch(message);
  expect((error as Error).message).not.toContain("\n");
  expect(existsSync(join(folder, "run"))).toBe(false);
});

describe("a plan's claim", () => {
  const achieved = { ...plan.achieved, epsilon: 1 };

  test("is refused where what it says will be done spends more, and no folder is made", async () => {
    const error = await train({ ...plan, achieved }, options()).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ArgumentError);
    expect((error as Error).message).toMatch(
      /^plan must be of an epsilon that is proven for what it says will be done, [\d.]+ at delta 0.00001, got a claim of 1$/,
    );
    expect(existsSync(join(folder, "run"))).toBe(false);
  });

  test.each([
    [{ achieved: undefined }, /plan's achieved must be an object, got nothing/],
    [
      { achieved: { ...achieved, neighboring: "swap" } },
      /plan's achieved.neighboring must be "add-or-remove-one", as the rest of the plan says, got "swap"/,
    ],
    [{ achieved: { ...achieved, epsilon: Number.NaN } }, /plan's achieved.epsilon must be >= 0, got NaN/],
    [{ achieved: { ...achieved, delta: 1 } }, /plan's achieved.delta must be in \(0, 1\), got 1/],
  ])("must be one: %j", async (changes, message) => {
    await expect(train({ ...plan, ...changes } as never, options())).rejects.toThrow(message);
  });

  test("is held against each neighbouring relation by itself", async () => {
    const spent = (neighboring: Neighboring) =>
      accountant("pld", { neighboring }).account(plan.event).epsilonAt(1e-5);
    const claiming = (neighboring: Neighboring, epsilon: number) =>
      checkProven({ ...plan, achieved: { ...achieved, neighboring, epsilon } });
    const [one, replaced] = [spent("add-or-remove-one"), spent("replace-one")];
    expect(replaced).toBeGreaterThan(1.2 * one);
    claiming("add-or-remove-one", one);
    claiming("replace-one", replaced);
    expect(() => claiming("replace-one", one)).toThrow("plan must be of an epsilon that is proven");
  });
});

describe("a budget", () => {
  const spent = accountant("pld").account(plan.event).epsilonAt(1e-5);
  const budget = () => join(folder, "budget.json");
  const make = (epsilon: number) =>
    createBudget(budget(), { epsilon, delta: 1e-5, neighboring: "add-or-remove-one" });

  test("is reserved by train, charged for what the ledger shows, and refuses what would exceed it", async () => {
    await make(1.2 * spent);
    await train(plan, options({ budget: budget() }));
    const [run] = readBudget(budget()).runs;
    expect(run).toMatchObject({ folder: join(folder, "run"), charged: plan.event });
    const next = options({ budget: budget(), out: join(folder, "next") });
    await expect(train(plan, next)).rejects.toBeInstanceOf(BudgetExceededError);
    expect(existsSync(join(folder, "next"))).toBe(false);
    expect(readBudget(budget()).runs).toHaveLength(1);
  });

  test("is given back by a run that could not begin, and kept by one that was stopped and goes on", async () => {
    await make(1.2 * spent);
    writeFileSync(join(folder, "file"), "");
    const nowhere = options({ budget: budget(), out: join(folder, "file") });
    await expect(train(plan, nowhere)).rejects.toThrow("out must be a folder");
    expect(readBudget(budget()).runs).toEqual([]);
    const stop = new AbortController();
    const stopped = { budget: budget(), signal: stop.signal, onProgress: () => stop.abort() };
    await expect(train(plan, options(stopped))).rejects.toBeInstanceOf(TrainingStoppedError);
    expect(readBudget(budget()).runs).toHaveLength(1);
    const { model: _, out, ...process } = options({ budget: budget() });
    await resumeTraining(out, process);
    expect(readBudget(budget()).runs).toMatchObject([{ charged: plan.event }]);
  });

  test("is one file, whatever links lead to it", async () => {
    await make(1.2 * spent);
    const link = join(folder, "link.json");
    symlinkSync(budget(), link);
    await train(plan, options({ budget: link }));
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readBudget(budget()).runs).toHaveLength(1);
    const next = options({ budget: budget(), out: join(folder, "next") });
    await expect(train(plan, next)).rejects.toBeInstanceOf(BudgetExceededError);
  });

  test("is not charged by a folder that holds another run's plan, and the identity is the ledger's", async () => {
    await make(1.2 * spent);
    mkdirSync(join(folder, "run"));
    writeFileSync(join(folder, "run", "plan.json"), planToText(plan));
    await expect(train(plan, options({ budget: budget() }))).rejects.toThrow("already holds a run");
    expect(readBudget(budget()).runs).toEqual([]);
    const out = join(folder, "next");
    await train(plan, options({ budget: budget(), out }));
    writeFileSync(join(out, "run.id"), `${"ab".repeat(16)}\n`);
    expect(() => runIdOf(out)).toThrow(
      /run.id must hold the identity that the run's ledger has, [0-9a-f]{32}, got abab/,
    );
    rmSync(join(out, "run.id"));
    expect(runIdOf(out)).toBe(readBudget(budget()).runs[0]!.runId);
  });

  test("must be a file that there is", async () => {
    await expect(train(plan, options({ budget: budget() }))).rejects.toThrow(
      "budget must be a budget file, got",
    );
    await expect(train(plan, options({ budget: 3 as never }))).rejects.toThrow("budget must be a text");
    expect(existsSync(join(folder, "run"))).toBe(false);
  });
});

describe("an option that train does not have", () => {
  test.each([
    ["clipNrom", 1, "did you mean clipNorm?"],
    ["optimiser", "adam", "did you mean optimizer?"],
    ["learningrate", 1, "did you mean learningRate?"],
    ["lr", 1, "did you mean learningRate?"],
    ["weightDecay", 0.1, "weights do not decay"],
    ["nesterov", true, "momentum is the plain one"],
    ["noiseMultiplier", 9, "the plan says it"],
    ["epsilon", 1, "the plan says it"],
    ["poissonSampling", false, "sampling always is"],
    ["gradientAccumulationSteps", 4, "microBatch bounds the memory"],
    ["lossFunction", "mse", "it is the cross-entropy, always"],
    ["classWeights", [1, 2], "every example counts the same"],
    ["validationData", data, "the test images of data are looked at"],
  ])("%s is refused by name, with a hint at what there is", async (field, value, hint) => {
    const error = await train(plan, options({ [field]: value } as object)).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error).toMatchObject({ field, allowed: `left out: train has no such option (${hint})` });
    expect((error as Error).message).not.toContain("\n");
    expect(existsSync(join(folder, "run"))).toBe(false);
  });

  test("is refused whatever it is called", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (letters) => {
        const field = `${letters}?`;
        expect(() => checkTrainOptions(options({ [field]: 1 } as object))).toThrow(ArgumentError);
      }),
    );
  });

  test("that is undefined is left out", async () => {
    expect(() => checkTrainOptions(options({ clipNrom: undefined } as object))).not.toThrow();
    expect(() => checkTrainOptions(null as never)).toThrow("options of train must be an object, got null");
  });

  test("what the run began with is refused where it goes on", async () => {
    const { out: _, model: __, ...process } = options();
    for (const [field, value] of Object.entries({ clipNorm: 1, model: "cnn", out: "x", ema: false }))
      await expect(resumeTraining(folder, { ...process, [field]: value } as never)).rejects.toThrow(
        `${field} must be left out: resumeTraining has no such option (the run goes on as it began), got`,
      );
    await expect(resumeTraining(folder, { ...process, redoLostSteps: "no" } as never)).rejects.toThrow(
      'redoLostSteps must be true or false, got "no"',
    );
  });
});

test("a folder that holds a run, or is a file, is refused", async () => {
  await train(plan, options());
  await expect(train(plan, options())).rejects.toThrow("already holds a run");
  writeFileSync(join(folder, "file"), "");
  await expect(train(plan, options({ out: join(folder, "file") }))).rejects.toThrow("out must be a folder");
});

test("a step's time is told part by part, for benchmarks", async () => {
  const all: StepTimes[] = [];
  const started = performance.now();
  await train(plan, options({ onStepTimes: (times) => all.push(times) }));
  const wall = performance.now() - started;
  expect(all).toHaveLength(6);
  let total = 0;
  for (const { engine, checkpoint, ...parts } of all) {
    expect(Object.keys(parts)).toEqual(["sampling", "gradients", "noise", "ledger", "update"]);
    // Within the wait for the sum, each.
    expect(engine!.gradients).toBeLessThanOrEqual(parts.gradients);
    expect(checkpoint).toBeLessThanOrEqual(parts.gradients);
    for (const part of Object.values(parts)) total += part;
  }
  expect(total).toBeGreaterThan(0);
  expect(total).toBeLessThan(wall);
});

test("twenty private steps on real MNIST digits learn", async () => {
  const mnist = loadDataset("mnist");
  const part = (images: typeof mnist.train, count: number) => ({
    ...images,
    count,
    pixels: images.pixels.subarray(0, count * 784),
    labels: images.labels.subarray(0, count),
  });
  const few = { ...mnist, train: part(mnist.train, 4000), test: part(mnist.test, 500) };
  const result = await train(planOf({ examples: 4000, batchSize: 250, steps: 20, noiseMultiplier: 0.5 }), {
    ...options(),
    data: few,
    model: "cnn",
    learningRate: 1.2,
    momentum: 0.8,
    clipNorm: 0.1,
    evaluations: 0,
  });
  // Guessing gets 0.1; runs of this recipe get 0.75 to 0.85.
  expect(result.testAccuracyLast).toBeGreaterThan(0.5);
});

test("times of private steps are not stored unless asked for; the ledger's end is a full minute", async () => {
  const { seconds } = await train(plan, options());
  expect(Number.isInteger(seconds)).toBe(true);
  expect(readFileSync(join(folder, "run", "metrics.jsonl"), "utf8")).not.toMatch(/seconds/i);
  expect(ledgerLines().at(-1).finishedAt).toMatch(/:00\.000Z$/);
  const out = join(folder, "private");
  await train(plan, options({ out, logPrivateMetrics: true }));
  expect(readFileSync(join(out, "metrics.jsonl"), "utf8")).toContain("privateSeconds");
});

test("a gradient that is not finite is warned of once, at a look at the test set, and not stored", async () => {
  const [warnings, steps]: [string[], number[]] = [[], []];
  await train(plan, {
    ...options({ learningRate: 1e40, evaluations: 1 }),
    onProgress: ({ step }) => steps.push(step),
    onWarning: (message) => {
      warnings.push(message);
      // Of six steps the third is followed by the one look; else it is said after the last.
      expect([2, 6]).toContain(steps.length);
    },
  });
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toContain("a gradient was not finite");
  expect(warnings[0]).not.toMatch(/\d/);
  for (const file of ["metrics.jsonl", "ledger.jsonl"])
    expect(readFileSync(join(folder, "run", file), "utf8")).not.toMatch(/finite/);
});
