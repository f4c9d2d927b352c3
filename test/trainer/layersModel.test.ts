// Layers models of TensorFlow.js as networks of ours: the same outputs, and refusals that name the layer.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import * as keras from "@tensorflow/tfjs-layers";
import { beforeAll, describe, expect, test } from "vitest";
import { startBackend } from "../../src/engines/tensorflow/startBackend.js";
import { fromLayersModel, ModelConversionError } from "../../src/runs/models/layersModel.js";
import { train } from "../../src/runs/train.js";
import { Network } from "../../src/trainer/layers/network.js";
import { decodeSafetensors } from "../../src/trainer/safetensors.js";
import { startingValues } from "../../src/trainer/startingValues.js";
import { dataOf, planOf } from "./support.js";

beforeAll(() => startBackend("cpu"));
const { layers } = keras;

/** Weights that are nowhere 0 or 1, so that a swapped or forgotten one shows. */
function shaken<T extends keras.LayersModel>(model: T): T {
  model.setWeights(
    model.getWeights().map((weight) => tf.add(weight, tf.randomNormal(weight.shape, 0, 0.3, "float32", 7))),
  );
  return model;
}

const sequential = () =>
  keras.sequential({
    layers: [
      layers.zeroPadding2d({ padding: 2, inputShape: [12, 10, 2] }),
      layers.conv2d({ filters: 4, kernelSize: 3, strides: 2, activation: "relu" }),
      layers.conv2d({ filters: 6, kernelSize: 2, padding: "same", useBias: false }),
      layers.activation({ activation: "tanh" }),
      layers.maxPooling2d({ poolSize: 2, strides: 1 }),
      layers.averagePooling2d({ poolSize: 2 }),
      layers.layerNormalization({}),
      layers.dropout({ rate: 0.5 }),
      layers.flatten(),
      layers.dense({ units: 5, activation: "tanh" }),
      layers.dense({ units: 3, activation: "softmax" }),
    ],
  });

function residual(): keras.LayersModel {
  const input = keras.input({ shape: [8, 8, 3] });
  const start = layers
    .conv2d({ filters: 4, kernelSize: 3, padding: "same" })
    .apply(input) as keras.SymbolicTensor;
  const body = layers
    .conv2d({ filters: 4, kernelSize: 3, padding: "same" })
    .apply(layers.reLU().apply(start)) as keras.SymbolicTensor;
  const sum = layers.add().apply([start, body]) as keras.SymbolicTensor;
  const deep = layers
    .conv2d({ filters: 6, kernelSize: 3, strides: 2, padding: "same", activation: "relu" })
    .apply(sum) as keras.SymbolicTensor;
  const side = layers.conv2d({ filters: 6, kernelSize: 1, strides: 2 }).apply(sum) as keras.SymbolicTensor;
  const second = layers.add().apply([side, deep]) as keras.SymbolicTensor;
  const pooled = layers.globalAveragePooling2d({}).apply(second);
  const logits = layers.dense({ units: 4 }).apply(pooled) as keras.SymbolicTensor;
  return keras.model({ inputs: input, outputs: logits });
}

test.each([
  ["a row of layers", sequential, [12, 10, 2], 3],
  ["residual blocks, with and without a shortcut of layers", residual, [8, 8, 3], 4],
  [
    "numbers in, not images",
    () =>
      keras.sequential({
        layers: [layers.dense({ units: 6, inputShape: [5], activation: "relu" }), layers.dense({ units: 2 })],
      }),
    [1, 1, 5],
    2,
  ],
  [
    "an embedding",
    () =>
      keras.sequential({
        layers: [
          layers.embedding({ inputDim: 7, outputDim: 4, inputLength: 6 }),
          layers.globalAveragePooling1d(),
          layers.dense({ units: 3 }),
        ],
      }),
    [1, 1, 6],
    3,
  ],
] as const)("%s: the outputs agree to 1e-5", (_, make, inputShape, classes) => {
  const model = shaken(make() as keras.LayersModel);
  const { network, weights, difference } = fromLayersModel(model);
  expect(network.inputShape).toEqual(inputShape);
  expect(network.classes).toBe(classes);
  expect(difference).toBeLessThanOrEqual(1e-5);
  expect(weights.map(({ name }) => name)).toEqual(new Network(network).allParameters.map(({ name }) => name));
  expect(new Network(network).parameterCount).toBe(model.countParams());
});

test("an original that computes something else is found out", () => {
  const model = sequential();
  const other = Object.create(model, {
    predict: { value: (x: tf.Tensor) => tf.mul(model.predict(x) as tf.Tensor, 1.001) },
  });
  expect(() => fromLayersModel(other)).toThrow(
    /must agree with the original to 0.00001, but its outputs differ by/,
  );
});

test.each([
  [
    () => layers.batchNormalization({ name: "bn" }),
    "layer bn (BatchNormalization) mixes the examples of a batch",
  ],
  [() => layers.batchNormalization({ name: "bn" }), "use GroupNormalization or LayerNormalization"],
  [
    () => layers.conv2d({ name: "c", filters: 2, kernelSize: [1, 3] }),
    "layer c (Conv2D) must have the same kernel_size",
  ],
  [() => layers.conv2d({ name: "c", filters: 2, kernelSize: 2, activation: "elu" }), "got elu"],
  [
    () => layers.depthwiseConv2d({ name: "d", kernelSize: 2 }),
    "layer d (DepthwiseConv2D) has no translation",
  ],
  [() => layers.softmax({ name: "s" }), "only the last layer may be a softmax"],
])("what cannot be trained privately is refused by name: %#", (layer, message) => {
  const model = keras.sequential({
    layers: [
      layers.inputLayer({ inputShape: [6, 6, 2] }),
      layer(),
      layers.flatten(),
      layers.dense({ units: 2 }),
    ],
  });
  expect(() => fromLayersModel(model)).toThrow(ModelConversionError);
  expect(() => fromLayersModel(model)).toThrow(message);
});

describe("what a layers model says about training", () => {
  const small = (given: { dense?: object; between?: keras.layers.Layer[]; last?: object } = {}) =>
    keras.sequential({
      layers: [
        layers.dense({ name: "first", units: 4, inputShape: [5], activation: "tanh", ...given.dense }),
        ...(given.between ?? []),
        layers.dense({ name: "last", units: 2, ...given.last }),
      ],
    });

  test("layers that are not trainable are frozen, by the names of their parameters", () => {
    const { network, weights } = fromLayersModel(shaken(small({ dense: { trainable: false } })));
    expect(network.frozen).toEqual(["1.dense/kernel", "1.dense/bias"]);
    const { network: built, values } = startingValues(network, { weights }, 1);
    expect(built.parameters.map(({ name }) => name)).toEqual(["3.dense/kernel", "3.dense/bias"]);
    expect(built.frozenValues.get("1.dense/kernel")).toEqual(weights[0].values);
    expect(values).toEqual(weights.slice(2).map((each) => each.values));
    expect(fromLayersModel(small()).network).not.toHaveProperty("frozen");
  });

  test("within residual blocks too, and where only weights were frozen", () => {
    const model = residual();
    model.layers.filter(({ name }) => /conv2d/.test(name))[1].trainable = false;
    expect(fromLayersModel(model).network.frozen).toEqual([
      "1.residual/body/1.conv2d/kernel",
      "1.residual/body/1.conv2d/bias",
    ]);
    model.trainable = false;
    expect(() => fromLayersModel(model)).toThrow("none of the model's layers is trainable: one must be");
  });

  test("a model that was frozen trains what is left, and its frozen weights stay to the bit", async () => {
    const { network, weights } = fromLayersModel(shaken(small({ dense: { trainable: false } })));
    const folder = mkdtempSync(join(tmpdir(), "dpsgd-frozen-"));
    try {
      const data = dataOf(40, [1, 1, 5], 2);
      const plan = planOf({ examples: 40, batchSize: 10, steps: 3, noiseMultiplier: 1 });
      const out = join(folder, "run");
      await train(plan, { data, model: network, weights, out, backend: "cpu", workers: 1, ema: false });
      const after = decodeSafetensors(readFileSync(join(out, "weights.safetensors"))).tensors;
      const changed = weights.map(({ name, values }) => [
        name,
        String(after.find((each) => each.name === name)!.values) !== String(values),
      ]);
      expect(changed).toEqual([
        ["1.dense/kernel", false],
        ["1.dense/bias", false],
        ["3.dense/kernel", true],
        ["3.dense/bias", true],
      ]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test("what is not carried out is listed: regularisers, constraints, dropout, what it was compiled with", () => {
    const model = small({
      dense: {
        kernelRegularizer: keras.regularizers.l2({ l2: 0.01 }),
        biasConstraint: keras.constraints.nonNeg(),
      },
      between: [layers.dropout({ name: "drop", rate: 0.5 }), layers.dropout({ name: "none", rate: 0 })],
    });
    expect(fromLayersModel(model).leftOut).toEqual([
      "kernel_regularizer of layer first (Dense)",
      "bias_constraint of layer first (Dense)",
      "layer drop (Dropout)",
    ]);
    expect(fromLayersModel(small()).leftOut).toEqual([]);
    const compiled = small();
    compiled.compile({ optimizer: "sgd", loss: "meanSquaredError" });
    expect(fromLayersModel(compiled).leftOut).toEqual([
      "the loss and the optimizer that it was compiled with",
    ]);
  });

  /** The model with another config of its first layer in its description. */
  const described = (changes: object, kind?: string): keras.LayersModel => {
    const model = small();
    return Object.create(model, {
      toJSON: {
        value: () => {
          const json = structuredClone(model.toJSON(null, false)) as unknown as {
            config: { layers: { class_name: string; config: object }[] };
          };
          Object.assign(json.config.layers[0].config, changes);
          if (kind) json.config.layers[0].class_name = kind;
          return json;
        },
      },
    });
  };

  test("a regulariser of what a layer gives is listed as well", () => {
    const activity = { activity_regularizer: { class_name: "L1L2", config: { l1: 0.1, l2: 0 } } };
    expect(fromLayersModel(described(activity)).leftOut).toEqual([
      "activity_regularizer of layer first (Dense)",
    ]);
  });

  test.each<[object, string]>([
    [{ lora_rank: 4 }, "layer first (Dense) has lora_rank 4, which has no translation"],
    [{ recurrent_dropout: 0.1 }, "has recurrent_dropout 0.1, which has no translation"],
    [{ trainable: "no" }, 'must have trainable true or false, got "no"'],
    [{ use_bias: 0 }, "must have use_bias true or false, got 0"],
    [{ dtype: "float16" }, 'must have dtype float32, got "float16"'],
    [{ dtype: { class_name: "DTypePolicy", config: { name: "mixed_float16" } } }, 'got "mixed_float16"'],
    [{ units: "4" }, 'layers[1].units must be a whole number >= 1, got "4"'],
    [{ keepdims: true }, "has keepdims true"],
  ])("an option that has no translation is refused by name: %j", (changes, message) => {
    expect(() => fromLayersModel(described(changes))).toThrow(ModelConversionError);
    expect(() => fromLayersModel(described(changes))).toThrow(message);
  });

  test.each<object>([
    { lora_rank: null, quantization_config: null },
    { sparse: false, ragged: false },
    { dtype: { class_name: "DTypePolicy", config: { name: "float32" } } },
    { kernel_initializer: { class_name: "Zeros", config: {} } },
    { trainable: null },
  ])("options that change nothing are taken: %j", (changes) => {
    const { network, leftOut } = fromLayersModel(described(changes));
    expect([network.frozen, leftOut]).toEqual([undefined, []]);
  });
});

test("a layer that is used twice is refused", () => {
  const input = keras.input({ shape: [4] });
  const shared = layers.dense({ units: 4, name: "twice" });
  const output = shared.apply(shared.apply(input)) as keras.SymbolicTensor;
  expect(() => fromLayersModel(keras.model({ inputs: input, outputs: output }))).toThrow(
    "layer twice is used 2 times",
  );
});
