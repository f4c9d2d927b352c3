// Layers models of TensorFlow.js as networks of ours: the same outputs, and refusals that name the layer.
import * as tf from "@tensorflow/tfjs-core";
import * as keras from "@tensorflow/tfjs-layers";
import { beforeAll, expect, test } from "vitest";
import { startBackend } from "../../src/engines/tensorflow/startBackend.js";
import { fromLayersModel, ModelConversionError } from "../../src/runs/models/layersModel.js";
import { Network } from "../../src/trainer/layers/network.js";

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

test("a layer that is used twice is refused", () => {
  const input = keras.input({ shape: [4] });
  const shared = layers.dense({ units: 4, name: "twice" });
  const output = shared.apply(shared.apply(input)) as keras.SymbolicTensor;
  expect(() => fromLayersModel(keras.model({ inputs: input, outputs: output }))).toThrow(
    "layer twice is used 2 times",
  );
});
