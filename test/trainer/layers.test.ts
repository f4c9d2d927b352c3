// Per-example gradients against finite differences of a float64 loss, one example at a time, on every backend that starts.
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { currentKernels, startBackend } from "../../src/engines/tensorflow/startBackend.js";
import { ArgumentError } from "../../src/formats/argumentError.js";
import { clipFactor } from "../../src/trainer/clipFactor.js";
import { type LayerSpec, Network, type NetworkSpec } from "../../src/trainer/layers/network.js";
import { buildModel } from "../../src/trainer/models/index.js";
import { SeededRandom } from "../../src/trainer/random/seeded.js";
import { STARTED_BACKENDS } from "../support/startedBackends.js";
import {
  EMBEDDED,
  EVERY_LAYER,
  gradientsByDifferences,
  gradientsByEngine,
  normOf,
  RESIDUAL,
  trainedOf,
} from "./support.js";

const random = new SeededRandom(7);
const normals = (count: number, scale = 1): Float32Array =>
  Float32Array.from({ length: count }, () => random.normal() * scale);
/** Random images; whole numbers for the embedding. */
const inputsOf = (spec: NetworkSpec, images: number): Float32Array =>
  spec === EMBEDDED
    ? Float32Array.from({ length: images * inputSize(spec) }, () => random.below(5))
    : normals(images * inputSize(spec));
const inputSize = (spec: NetworkSpec): number => spec.inputShape.reduce((a, b) => a * b, 1);

/** The same for every backend, computed once: trained scales, gains and biases, not the ones and zeros of the start. */
const oracles = new Map<string, ReturnType<typeof newOracle>>();
function oracleOf(spec: NetworkSpec, views: number) {
  const key = `${spec.name} ${views}`;
  if (!oracles.has(key)) oracles.set(key, newOracle(spec, views));
  return oracles.get(key)!;
}
function newOracle(spec: NetworkSpec, views: number) {
  const parameters = new Network(spec)
    .initialise(3)
    .map((part) => part.map((v) => v + 0.2 * random.normal()));
  const labels = [0, 2, 1];
  const values = inputsOf(spec, labels.length * views);
  return {
    parameters,
    labels,
    values,
    expected: gradientsByDifferences(spec, values, labels, views, parameters),
  };
}

/** Relative to the size of the whole tensor: single elements may be sums that cancel. */
function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  expect(actual.length).toBe(expected.length);
  const size = Math.max(normOf([expected]), 1e-6);
  for (let i = 0; i < expected.length; i++)
    if (!(Math.abs(actual[i] - expected[i]) <= tolerance * size))
      expect.fail(`element ${i}: ${actual[i]}, expected ${expected[i]}`);
}

describe.each(STARTED_BACKENDS)("on %s", (backend) => {
  test.each(
    [EVERY_LAYER, RESIDUAL, EMBEDDED].flatMap((spec) =>
      [1, 3].map((views) => [spec.name, views, spec] as const),
    ),
  )(
    "per-example gradients of the network %s with %i views agree with finite differences, example by example",
    async (_, views, spec) => {
      const { parameters, labels, values, expected } = oracleOf(spec, views);
      await startBackend(backend);
      const { squaredNorms, examples } = gradientsByEngine(spec, values, labels, views, parameters);
      for (let n = 0; n < labels.length; n++) {
        expected[n].forEach((gradient, index) => {
          expectClose(examples[n][index], gradient, 1e-5);
        });
        const norm = normOf(examples[n]);
        expect(Math.sqrt(squaredNorms[n])).toBeGreaterThanOrEqual(norm * (1 - 2 ** -21));
        expect(Math.sqrt(squaredNorms[n])).toBeLessThanOrEqual(norm * 1.001);
      }
    },
  );

  test("changing example j leaves every other example's gradient bit-identical", async () => {
    await startBackend(backend);
    const cnn = buildModel("cnn", [28, 28, 1], 10);
    for (const spec of [EVERY_LAYER, cnn.spec]) {
      const parameters = new Network(spec).initialise(11);
      const size = inputSize(spec);
      const values = normals(5 * size);
      const before = gradientsByEngine(spec, values, [0, 1, 2, 0, 1], 1, parameters);
      const changed = values.slice();
      changed.set(normals(size, 100), 2 * size);
      const after = gradientsByEngine(spec, changed, [0, 1, 1, 0, 1], 1, parameters);
      for (const n of [0, 1, 3, 4]) {
        expect(after.squaredNorms[n]).toBe(before.squaredNorms[n]);
        expect(after.examples[n]).toEqual(before.examples[n]);
      }
      expect(after.squaredNorms[2]).not.toBe(before.squaredNorms[2]);
    }
  });

  test("no clipped contribution has norm above 1, for inputs and weights of every size and views that cancel", async () => {
    await startBackend(backend);
    let largest = 0;
    for (const scale of [1e-15, 1e-6, 1e-2, 1, 30, 1e4, 1e12])
      for (const views of [1, 2, 4]) {
        const parameters = new Network(EVERY_LAYER).initialise(random.below(1000));
        const size = inputSize(EVERY_LAYER);
        const values = normals(3 * views * size, scale);
        // Example 1's views are all but equal, example 2's are opposite: their gradients add up or cancel.
        for (let v = 1; v < views; v++)
          for (let i = 0; i < size; i++) {
            values[(views + v) * size + i] = values[views * size + i];
            values[(2 * views + v) * size + i] = (v % 2 ? -1 : 1) * values[2 * views * size + i];
          }
        const clip = { norm: 1e-12 };
        const { squaredNorms, examples } = gradientsByEngine(
          EVERY_LAYER,
          values,
          [0, 1, 2],
          views,
          parameters,
          (s) => clipFactor(s, clip),
        );
        examples.forEach((parts, n) => {
          const norm = normOf(parts);
          if (Number.isFinite(squaredNorms[n])) expect(norm).toBeLessThanOrEqual(1);
          if (norm > largest) largest = norm;
        });
      }
    // The margin is there, and it is small.
    expect(largest).toBeGreaterThan(0.999);
  });

  test("gradients shorter than C keep their length relative to C", () => {
    expect(clipFactor(0.25, { norm: 1 })).toBeCloseTo(1, 5);
    expect(clipFactor(0.25, { norm: 0.5 })).toBeCloseTo(2, 5);
    expect(clipFactor(0.25, { norm: 0.1 })).toBeCloseTo(2, 5);
    expect(clipFactor(0, { norm: 2 })).toBeCloseTo(0.5, 5);
    for (const broken of [Number.NaN, Number.POSITIVE_INFINITY, -1])
      expect(clipFactor(broken, { norm: 1 })).toBe(0);
  });

  test.each([EVERY_LAYER, RESIDUAL, EMBEDDED])(
    "views in several passes give the same gradients as all at once: network $name",
    async (spec) => {
      const views = 3;
      const { parameters, labels, values, expected } = oracleOf(spec, views);
      await startBackend(backend);
      const atOnce = gradientsByEngine(spec, values, labels, views, parameters);
      // Passes of one view each, and of two and one.
      for (const viewsAtOnce of [1, 2]) {
        const inPasses = gradientsByEngine(spec, values, labels, views, parameters, () => 1, viewsAtOnce);
        for (let n = 0; n < labels.length; n++) {
          expected[n].forEach((gradient, index) => {
            expectClose(inPasses.examples[n][index], gradient, 1e-5);
            expectClose(inPasses.examples[n][index], atOnce.examples[n][index], 2e-6);
          });
          const norm = normOf(inPasses.examples[n]);
          expect(Math.sqrt(inPasses.squaredNorms[n])).toBeGreaterThanOrEqual(norm * (1 - 2 ** -21));
          expect(Math.sqrt(inPasses.squaredNorms[n])).toBeLessThanOrEqual(norm * 1.001);
        }
      }
    },
  );

  test.each([
    [EVERY_LAYER, ["0.conv2d/*", "9.dense/kernel"]],
    [EVERY_LAYER, ["*/kernel"]],
    [RESIDUAL, ["0.*", "*/gain", "*layer-norm/scale"]],
    [RESIDUAL, ["*conv2d*", "*dense*"]],
    [RESIDUAL, ["1.residual/*", "*bias"]],
  ] as const)(
    "frozen parameters have no gradient, and the others the same as before: $0.name without $1",
    async (spec, frozen) => {
      const { parameters, labels, values, expected } = oracleOf(spec, 3);
      const partly = { ...spec, frozen };
      const trained = new Network(partly).parameters.map(({ name }) => name);
      expect(trained.length).toBeGreaterThan(0);
      await startBackend(backend);
      for (const viewsAtOnce of [3, 2]) {
        const { squaredNorms, examples } = gradientsByEngine(
          partly,
          values,
          labels,
          3,
          parameters,
          () => 1,
          viewsAtOnce,
        );
        for (let n = 0; n < labels.length; n++) {
          const kept = trainedOf(new Network(partly), expected[n]);
          expect(examples[n].length).toBe(trained.length);
          kept.forEach((gradient, index) => {
            expectClose(examples[n][index], gradient, 1e-5);
          });
          const norm = normOf(examples[n]);
          expect(Math.sqrt(squaredNorms[n])).toBeGreaterThanOrEqual(norm * (1 - 2 ** -21));
          expect(Math.sqrt(squaredNorms[n])).toBeLessThanOrEqual(norm * 1.001);
        }
      }
    },
  );

  test("no tensor outlives a micro-batch", async () => {
    await startBackend(backend);
    const parameters = new Network(EVERY_LAYER).initialise(1);
    const before = tf.memory().numTensors;
    gradientsByEngine(EVERY_LAYER, normals(2 * inputSize(EVERY_LAYER)), [0, 1], 1, parameters);
    void currentKernels();
    expect(tf.memory().numTensors).toBe(before);
  });
});

test("layers that mix examples are refused by name, with what to use instead", () => {
  const of = (...layers: object[]) =>
    new Network({ ...EVERY_LAYER, layers: layers as unknown as NetworkSpec["layers"] });
  for (const kind of ["batch-norm", "batchnorm", "BatchNormalization"])
    expect(() => of({ kind })).toThrow(
      `layers[0].kind must be a layer that keeps examples apart, such as group-norm or layer-norm, got ${kind}, which mixes the examples of a batch, so that no example has a gradient of its own to clip`,
    );
  expect(() => of({ kind: "dropout" })).toThrow("layers[0].kind must be one of conv2d, dense,");
  expect(() => of({ kind: "residual", body: [{ kind: "batch-norm" }] })).toThrow(
    "layers[0].body[0].kind must be a layer that keeps examples apart",
  );
  expect(() => of({ kind: "residual", body: [{ kind: "flatten" }] })).toThrow(
    "shortcut of 0.residual must be of the body's output shape, [144], got [9, 8, 2]",
  );
  // A window without pixels would look at the next image's.
  expect(() => of({ kind: "max-pool", size: 0, stride: 1 })).toThrow(
    "layers[0].size must be a whole number >= 1, got 0",
  );
  expect(() => of({ kind: "max-pool", size: 1, stride: 0.5 })).toThrow("stride must be a whole number >= 1");
  expect(() => of({ kind: "group-norm", groups: 3 })).toThrow(
    "groups of 0.group-norm must be a divisor of the 2 channels, got 3",
  );
  expect(() =>
    of({ kind: "scale" }, { kind: "flatten" }, { kind: "embedding", vocabulary: 3, units: 2 }),
  ).toThrow("layers[2] must be the first layer, or the first after flatten, where it is an embedding");
  expect(() => of({ kind: "residual", body: [{ kind: "embedding", vocabulary: 3, units: 2 }] })).toThrow(
    "layers[0].body[0] must be the first layer",
  );
});

describe("a network's description", () => {
  const bad = (changes: object) => new Network({ ...EVERY_LAYER, ...changes } as never);
  const layer = (given: object, before: object[] = []) => bad({ layers: [...before, given] });
  const within = (given: object) => layer({ kind: "residual", body: [{ kind: "relu" }, given] });

  test.each<[object, string]>([
    [
      { kind: "dense", units: 2, activation: "relu" },
      'layers[0].activation must be left out: dense has no such field (a layer of its own: {"kind": "relu"}), got "relu"',
    ],
    [
      { kind: "dense", unit: 2 },
      "layers[0].unit must be left out: dense has no such field (did you mean units?), got 2",
    ],
    [{ kind: "dense" }, "layers[0].units must be a whole number >= 1, got nothing"],
    [{ kind: "dense", units: "2" }, 'layers[0].units must be a whole number >= 1, got "2"'],
    [{ kind: "dense", units: Number.NaN }, "layers[0].units must be a whole number >= 1, got NaN"],
    [{ kind: "dense", units: 2, bias: "false" }, 'layers[0].bias must be true or false, got "false"'],
    [{ kind: "dense", units: 2, bias: 0 }, "layers[0].bias must be true or false, got 0"],
    [
      { kind: "dense", units: 2, initialisation: "zeros" },
      'layers[0].initialisation must be "normal" or "truncated-normal", got "zeros"',
    ],
    [
      { kind: "dense", units: 2, useBias: false },
      "layers[0].useBias must be left out: dense has no such field (did you mean bias?)",
    ],
    [
      { kind: "conv2d", filters: 2, kernelSize: [3, 3] },
      "layers[0].kernelSize must be a whole number >= 1, got [3,3]",
    ],
    [{ kind: "conv2d", filters: 2, kernelSize: 3, strides: 2 }, "(did you mean stride?), got 2"],
    [{ kind: "conv2d", filters: 2, kernelSize: 3, dilation: 2 }, "layers[0].dilation must be left out"],
    [
      { kind: "conv2d", filters: 2, kernelSize: 3, padding: "valid" },
      'layers[0].padding must be a whole number >= 0 or "same", got "valid"',
    ],
    [{ kind: "conv2d", filters: 2, kernelSize: 3, padding: -1 }, "layers[0].padding must be"],
    [
      { kind: "conv2d", filters: 2, kernelSize: 3, weightStandardised: 1 },
      "layers[0].weightStandardised must be true",
    ],
    [
      { kind: "conv2d", filters: 2, kernelSize: 3, groups: 0 },
      "layers[0].groups must be a whole number >= 1, got 0",
    ],
    [
      { kind: "group-norm", groups: 1, eps: 1e-3 },
      "layers[0].eps must be left out: group-norm has no such field (did you mean epsilon?)",
    ],
    [{ kind: "group-norm", groups: 1, epsilon: -1 }, "layers[0].epsilon must be > 0 and finite, got -1"],
    [
      { kind: "layer-norm", epsilon: Number.POSITIVE_INFINITY },
      "layers[0].epsilon must be > 0 and finite, got Infinity",
    ],
    [{ kind: "layer-norm", axis: 1 }, "layers[0].axis must be left out"],
    [{ kind: "scale", value: 2 }, "layers[0].value must be left out"],
    [
      { kind: "embedding", vocabulary: 2.5, units: 2 },
      "layers[0].vocabulary must be a whole number in [1, 2^24], got 2.5",
    ],
    [{ kind: "embedding", vocabulary: 2 }, "layers[0].units must be a whole number >= 1, got nothing"],
    [{ kind: "max-pool", size: 2 }, "layers[0].stride must be a whole number >= 1, got nothing"],
    [{ kind: "average-pool", size: 2, stride: 1 }, "layers[0].stride must be left out"],
    [{ kind: "relu", max: 6 }, "layers[0].max must be left out: relu has no such field, got 6"],
    [{ kind: "relu", trainable: false }, "(frozen of the network names what keeps its values)"],
    [{ kind: "residual" }, "layers[0].body must be a list of layers, got nothing"],
    [{ kind: "residual", body: { kind: "relu" } }, "layers[0].body must be a list of layers"],
    [
      { kind: "residual", body: [], shortcut: "identity" },
      'layers[0].shortcut must be a list of layers, got "identity"',
    ],
    [{ units: 2 }, "layers[0].kind must be one of conv2d, dense, "],
    [["relu"], "layers[0] must be a layer such as"],
  ])("%j is refused with its path", (given, message) => {
    expect(() => layer(given)).toThrow(message);
    expect(() => layer(given)).toThrow(ArgumentError);
    // Deep within as well.
    expect(() => within(given)).toThrow(message.replaceAll("layers[0]", "layers[0].body[1]"));
  });

  test.each<[object, string]>([
    [
      { layer: [] },
      "model.layer must be left out: a network has no such field (did you mean layers?), got []",
    ],
    [{ loss: "mse" }, "model.loss must be left out"],
    [{ name: "" }, "model.name must be a text that is not empty"],
    [
      { inputShape: [9, 8] },
      "model.inputShape must be [height, width, channels], whole numbers >= 1, got [9,8]",
    ],
    [{ inputShape: [9, 8, 0] }, "model.inputShape must be"],
    [{ inputShape: "9x8x2" }, "model.inputShape must be"],
    [{ classes: 0 }, "model.classes must be a whole number >= 1, got 0"],
    [{ classes: "3" }, 'model.classes must be a whole number >= 1, got "3"'],
    [{ layers: undefined }, "layers must be a list of layers, got nothing"],
    [{ layers: [] }, "layers must be such that a parameter is there to train, got none"],
    [{ frozen: "0.*" }, 'model.frozen must be a list of texts, got "0.*"'],
  ])("%j is refused", (changes, message) => {
    expect(() => bad(changes)).toThrow(message);
    expect(() => bad(changes)).toThrow(ArgumentError);
  });

  test("an unknown field is refused in every layer, wherever it stands", () => {
    for (const spec of [EVERY_LAYER, RESIDUAL, EMBEDDED]) {
      const change = (layers: readonly LayerSpec[], path: string): void => {
        layers.forEach((each, index) => {
          const here = `${path}[${index}]`;
          expect(() => withField(spec, here)).toThrow(
            `${here}.surplus must be left out: ${each.kind} has no such field`,
          );
          if (each.kind !== "residual") return;
          change(each.body, `${here}.body`);
          change(each.shortcut ?? [], `${here}.shortcut`);
        });
      };
      change(spec.layers, "layers");
    }
    function withField(spec: NetworkSpec, path: string): Network {
      const copy = structuredClone(spec);
      const steps = path.split(/[[\].]+/).filter(Boolean);
      const found = steps.reduce(
        (at, step) => at[step] as Record<string, unknown>,
        copy as unknown as Record<string, unknown>,
      );
      found.surplus = 1;
      return new Network(copy);
    }
  });
});

test("what is frozen must exist and leave something to train", () => {
  const frozen = (...patterns: string[]) => new Network({ ...EVERY_LAYER, frozen: patterns });
  expect(() => frozen("1.dense/*")).toThrow(
    /^frozen must be of the network's parameters, 0.conv2d\/kernel, .*, got 1.dense\/\*$/,
  );
  expect(() => frozen("*")).toThrow("frozen must be such that a parameter is left to train, got *");
  // Dots and brackets are themselves, not patterns.
  expect(() => frozen("0xconv2d/kernel")).toThrow("frozen must be of the network's parameters");
  const whole = new Network(EVERY_LAYER).initialise(5);
  expect(frozen("0.conv2d/*").initialise(5)).toEqual(whole.slice(2));
  expect(() => frozen("0.conv2d/*").upload(whole.slice(2))).toThrow(
    "frozenValues must be there for 0.conv2d/kernel, which is frozen, got none",
  );
});

test("the models have the published number of parameters", () => {
  expect(buildModel("cnn", [28, 28, 1], 10).parameterCount).toBe(26_010);
  expect(buildModel("linear", [28, 28, 1], 10).parameterCount).toBe(7850);
  expect(buildModel("cnn-cifar", [32, 32, 3], 10).parameterCount).toBe(550_570);
  expect(buildModel("wrn-16-4", [32, 32, 3], 10).parameterCount).toBe(2_753_818);
  expect(buildModel("wrn-40-4", [32, 32, 3], 10).parameterCount).toBe(8_961_306);
  expect(buildModel("wrn-28-10", [32, 32, 3], 10).parameterCount).toBe(36_500_378);
  expect(buildModel("wrn-28-10", [32, 32, 3], 100).parameterCount).toBe(36_558_068);
  expect(buildModel("wrn-16-4", [32, 32, 3], 10).multiplyAdds).toBe(392_612_352);
  expect(() => buildModel("resnet", [28, 28, 1], 10)).toThrow(
    "model must be one of cnn, cnn-cifar, linear, wrn-D-k, got resnet",
  );
  expect(() => buildModel("wrn-17-4", [32, 32, 3], 10)).toThrow(
    "model must be wrn-D-k of a depth D = 6 n + 4",
  );
  expect(() => buildModel("wrn-16-4-gn", [32, 32, 3], 10)).toThrow("model must be one of");
  expect(() => buildModel("cnn", [3, 3, 1], 10)).toThrow(
    "kernelSize of 0.conv2d must be at most its input with the padding, 7 x 7, got 8",
  );
});

test("initial weights have variance 1/fan-in, biases are zero, and the seed alone decides them", () => {
  const network = buildModel("cnn", [28, 28, 1], 10);
  const [kernel, bias] = network.initialise(42).slice(2, 4);
  const variance = kernel.reduce((sum, v) => sum + v * v, 0) / kernel.length;
  // 8,192 normal numbers: the sample variance has relative deviation 0.016; eight of them is an alarm in 1e-15.
  expect(Math.abs(variance * 256 - 1)).toBeLessThan(8 * Math.sqrt(2 / 8192));
  expect(bias.every((v) => v === 0)).toBe(true);
  expect(network.initialise(42)[2]).toEqual(kernel);
  expect(network.initialise(43)[2]).not.toEqual(kernel);
});
