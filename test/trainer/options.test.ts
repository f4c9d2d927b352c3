// What the library is told beside train and resumeTraining: unknown fields and values of the wrong kind are refused by name.
import { describe, expect, test } from "vitest";
import { startThreads } from "../../src/engines/threads/threads.js";
import { ArgumentError } from "../../src/formats/argumentError.js";
import { trainWithCanaries } from "../../src/runs/canaries.js";
import { loadImageFolder } from "../../src/runs/data/imageFolder.js";
import { loadDataset, openDataset } from "../../src/runs/data/loadDataset.js";
import { scatteringFeatures } from "../../src/runs/features/extract.js";
import { trainWithRoundingCanary } from "../../src/runs/roundingCanary.js";
import { drawRepetitions, mostRepetitions, secretSearch } from "../../src/runs/secretSearch.js";
import { readDataset } from "../../src/trainer/data/exampleSource.js";
import { ScatteringFrontEnd } from "../../src/trainer/features/frontEnd.js";
import { checkClipRule } from "../../src/trainer/gradientEngine.js";
import { Network } from "../../src/trainer/layers/network.js";
import { startingValues } from "../../src/trainer/startingValues.js";
import { dataOf, EVERY_LAYER } from "./support.js";

const data = dataOf(20);
const network = new Network(EVERY_LAYER);
const engine = {
  backend: { name: "wasm", reason: "" },
  network,
  data,
  augmentation: { views: 0, seed: 1 },
} as const;
const source = { count: 1, shape: [1, 1, 1] as const, values: () => [0], label: () => 0 };
const set = { name: "own", classes: 2, train: source, test: source };
const mechanism = { samplingRate: 0.5, noiseMultiplier: 1, steps: 2, delta: 1e-5 };
const tensor = { name: "a", shape: [2], values: new Float32Array(2) };
const run = () => ({ outcome: 1, score: 1 });

const CALLS: readonly [string, (given: never) => unknown, object, string][] = [
  [
    "startThreads",
    startThreads,
    { ...engine, precision: "float16" },
    "precision must be left out: startThreads",
  ],
  ["startThreads", startThreads, { ...engine, worker: 1 }, "(did you mean workers?)"],
  [
    "startThreads",
    startThreads,
    { ...engine, augmentation: { views: 1, seed: 1, flp: true } },
    "augmentation.flp must be left out: augmentation has no such field (did you mean flip?), got true",
  ],
  [
    "startThreads",
    startThreads,
    { ...engine, augmentation: { views: Number.NaN, seed: 1 } },
    "augmentation.views must be a whole number >= 0, got NaN",
  ],
  [
    "startThreads",
    startThreads,
    { ...engine, augmentation: { views: 1, seed: 1, padding: -1 } },
    "augmentation.padding must be a whole number >= 0, got -1",
  ],
  ["a clip rule", checkClipRule, { norm: 1, gama: 1 }, "clip.gama must be left out"],
  ["a clip rule", checkClipRule, { norm: "1" }, 'clip.norm must be > 0 and finite, got "1"'],
  ["readDataset", readDataset, { ...set, validation: source }, "validation must be left out: readDataset"],
  ["readDataset", readDataset, { ...set, classes: 1 }, "classes must be a whole number in [2, 65536], got 1"],
  ["readDataset", readDataset, { ...set, name: 7 }, "name must be a text that is not empty, got 7"],
  ["loadDataset", (options) => loadDataset("mnist", options), { folder: "x" }, "folder must be left out"],
  ["loadDataset", (options) => loadDataset("mnist", options), { directory: 1 }, "directory must be a text"],
  ["loadDataset", loadDataset, {}, "name must be a text that is not empty, got {}"],
  ["openDataset", openDataset, {}, "name must be a text that is not empty, got {}"],
  [
    "loadImageFolder",
    (options) => loadImageFolder("x", "x", options),
    { size: 8 },
    "size must be left out: loadImageFolder has no such option (did you mean side?), got 8",
  ],
  [
    "scatteringFeatures",
    (options) => scatteringFeatures(data, options),
    { mirrored: true },
    "mirrored must be left out: scatteringFeatures has no such option (did you mean mirror?), got true",
  ],
  [
    "scatteringFeatures",
    (options) => scatteringFeatures(data, options),
    { workers: 0 },
    "workers must be a whole number >= 1, got 0",
  ],
  [
    "scatteringFeatures",
    (options) => scatteringFeatures(data, options),
    { groups: 10 },
    "groups must be a divisor of 81, got 10",
  ],
  [
    "ScatteringFrontEnd",
    (options) => new ScatteringFrontEnd([8, 8, 1], options),
    { mirror: "no" },
    'mirror must be true or false, got "no"',
  ],
  [
    "trainWithCanaries",
    (options) => trainWithCanaries(mechanism, options),
    { out: "x", clipNorm: 3 },
    "clipNorm must be left out: trainWithCanaries has no such option",
  ],
  [
    "trainWithCanaries",
    (given) => trainWithCanaries(given, { out: "x" }),
    { ...mechanism, epsilon: 1 },
    "mechanism.epsilon must be left out",
  ],
  [
    "trainWithCanaries",
    (options) => trainWithCanaries(mechanism, options),
    { out: "x", canaries: 65 },
    "canaries must be a power of two in [64, 65536], got 65",
  ],
  [
    "trainWithRoundingCanary",
    (options) => trainWithRoundingCanary({ noiseMultiplier: 1, steps: 1, delta: 1e-5 }, options),
    { out: ["x", "y"], microBatch: 3 },
    "microBatch must be left out",
  ],
  ["drawRepetitions", drawRepetitions, { kind: "geometric" }, "repetitions.kind must be one of"],
  [
    "drawRepetitions",
    drawRepetitions,
    { kind: "poisson", mean: -1 },
    "repetitions.mean must be >= 0 and finite, got -1",
  ],
  [
    "secretSearch",
    (repetitions) => secretSearch(repetitions, run),
    { kind: "negative-binomial", eta: 0, gama: 0.1 },
    "repetitions.gama must be left out",
  ],
  [
    "secretSearch",
    (repetitions) => secretSearch(repetitions, run),
    { kind: "negative-binomial", eta: -1, gamma: 0.1 },
    "repetitions.eta must be > -1 and finite, got -1",
  ],
  [
    "mostRepetitions",
    (repetitions) => mostRepetitions(repetitions, 1),
    { kind: "poisson", mean: 1 },
    "share must be in (0, 1), got 1",
  ],
  [
    "weights to start from",
    (given) => startingValues(EVERY_LAYER, { weights: given }, 1),
    [{ ...tensor, dtype: "float16" }],
    "weights[0].dtype must be left out",
  ],
  [
    "weights to start from",
    (given) => startingValues(EVERY_LAYER, { weights: given }, 1),
    [{ ...tensor, values: new Float32Array(3) }],
    "weights[0].values must be a Float32Array of the size of its shape, got a",
  ],
  [
    "weights to start from",
    (given) => startingValues(EVERY_LAYER, { weights: given }, 1),
    [tensor, { ...tensor, values: Float32Array.of(1, Number.NaN) }],
    "weights[1].values must be finite numbers, got NaN in a",
  ],
];

describe("refused by name, in one line", () => {
  test.each(CALLS.map(([name, call, given, message]) => ({ name, call, given, message })))(
    "$name: $message",
    async ({ call, given, message }) => {
      const error = await (async () => call(given as never))().catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(ArgumentError);
      expect((error as Error).message).toContain(message);
      expect((error as Error).message).not.toContain("\n");
    },
  );

  test.each([null, 5, "text", []])("options that are no object: %j", (given) => {
    expect(() => loadDataset("mnist", given as never)).toThrow(
      "options of loadDataset must be an object, got",
    );
  });
});
