// Initial values from files: our own, PyTorch's layout, TensorFlow.js models as it writes them, and what does not fit.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import * as keras from "@tensorflow/tfjs-layers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { currentKernels, startBackend } from "../../src/engines/tensorflow/startBackend.js";
import { fromLayersModel } from "../../src/runs/models/layersModel.js";
import { loadLayersModel } from "../../src/runs/models/loadLayersModel.js";
import { readWeights } from "../../src/runs/models/readWeights.js";
import { Network, type NetworkSpec } from "../../src/trainer/layers/network.js";
import { matchWeights } from "../../src/trainer/models/matchWeights.js";
import { encodeSafetensors } from "../../src/trainer/safetensors.js";

const folder = mkdtempSync(join(tmpdir(), "dpsgd-weights-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeAll(() => startBackend("cpu"));

const spec: NetworkSpec = {
  name: "small",
  inputShape: [5, 5, 2],
  classes: 3,
  layers: [
    { kind: "conv2d", filters: 4, kernelSize: 3 },
    { kind: "relu" },
    { kind: "global-average-pool" },
    { kind: "dense", units: 3 },
  ],
};
const network = new Network(spec);
const values = network.initialise(3).map((part) => part.map((v) => v + 0.1));
const named = (prefix = "", shift = 0) =>
  network.parameters.map(({ name, shape }, index) => ({
    name: prefix + name,
    shape,
    values: values[index].map((v) => v + shift),
  }));
function write(name: string, tensors: Parameters<typeof encodeSafetensors>[0]): string {
  const path = join(folder, name);
  writeFileSync(path, encodeSafetensors(tensors));
  return path;
}

test("a run's own weights come back by name, the averaged ones where there are any", () => {
  const last = readWeights(write("last.safetensors", named()));
  expect([...matchWeights(network, last).values()]).toEqual(values);
  const both = readWeights(write("both.safetensors", [...named("", 7), ...named("average/")]));
  expect([...matchWeights(network, both).values()]).toEqual(values);
});

test("PyTorch's layout is turned round: the logits are those of its formulas", () => {
  // Its convolution is [out, in, h, w], its linear layer [out, in]: written out from the formulas here.
  const [kernel, bias, head, shift] = values;
  const conv = Float32Array.from({ length: kernel.length }, (_, at) => {
    const [w, h, c, o] = [at % 3, Math.floor(at / 3) % 3, Math.floor(at / 9) % 2, Math.floor(at / 18)];
    return kernel[((h * 3 + w) * 2 + c) * 4 + o];
  });
  const linear = Float32Array.from(
    { length: head.length },
    (_, at) => head[(at % 4) * 3 + Math.floor(at / 4)],
  );
  const path = write("torch.safetensors", [
    { name: "conv1.weight", shape: [4, 2, 3, 3], values: conv },
    { name: "conv1.bias", shape: [4], values: bias },
    { name: "fc.weight", shape: [3, 4], values: linear },
    { name: "fc.bias", shape: [3], values: shift },
  ]);
  expect([...matchWeights(network, readWeights(path)).values()]).toEqual(values);
});

test("a saved layers model is loaded, checked and translated; its weights alone are read by order too", async () => {
  const model = keras.sequential({
    layers: [
      keras.layers.conv2d({ filters: 4, kernelSize: 3, activation: "relu", inputShape: [5, 5, 2] }),
      keras.layers.globalAveragePooling2d({}),
      keras.layers.dense({ units: 3, activation: "softmax" }),
    ],
  });
  const where = join(folder, "saved");
  mkdirSync(where);
  await model.save({
    save: async ({ modelTopology, weightSpecs, weightData }) => {
      const bytes = Buffer.from(weightData as ArrayBuffer);
      // In two files, cut in the middle of a number.
      writeFileSync(join(where, "a.bin"), bytes.subarray(0, 37));
      writeFileSync(join(where, "b.bin"), bytes.subarray(37));
      const manifest = [{ paths: ["a.bin", "b.bin"], weights: weightSpecs }];
      writeFileSync(
        join(where, "model.json"),
        JSON.stringify({ format: "layers-model", modelTopology, weightsManifest: manifest }),
      );
      return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: "JSON" } };
    },
  });
  const path = join(where, "model.json");
  const loaded = await loadLayersModel(path);
  expect(loaded.network.layers).toEqual(
    spec.layers
      .map((layer) => ({ padding: 0, stride: 1, ...layer }))
      .map((layer) =>
        layer.kind === "conv2d" ? layer : spec.layers.find(({ kind }) => kind === layer.kind),
      ),
  );
  expect(loaded.weights).toEqual(fromLayersModel(model).weights);
  const found = matchWeights(network, readWeights(path));
  expect([...found.values()]).toEqual(loaded.weights.map((tensor) => tensor.values));
  const x = tf.randomNormal([2, 5, 5, 2]) as tf.Tensor4D;
  const logits = network.logits(x, network.upload([...found.values()]), currentKernels());
  const theirs = (model.predict(x) as tf.Tensor).dataSync();
  tf.softmax(logits)
    .dataSync()
    .forEach((value, i) => {
      expect(Math.abs(value - theirs[i])).toBeLessThan(1e-5);
    });
  // A graph model has no topology of layers, its weights are read alike.
  const graph = JSON.parse(readFileSync(path, "utf8"));
  writeFileSync(path, JSON.stringify({ ...graph, format: "graph-model", modelTopology: { node: [] } }));
  expect([...matchWeights(network, readWeights(path)).values()]).toEqual([...found.values()]);
  await expect(loadLayersModel(path)).rejects.toThrow("must be a TensorFlow.js layers model");
  writeFileSync(join(where, "b.bin"), Buffer.alloc(3));
  expect(() => readWeights(path)).toThrow("do not fit their files: a.bin, b.bin");
});

test("what is reset keeps its start; what else is missing or of another shape is refused by name", () => {
  const others = named().map((tensor) =>
    tensor.name === "3.dense/kernel" ? { ...tensor, shape: [4, 5], values: new Float32Array(20) } : tensor,
  );
  expect(() => matchWeights(network, others)).toThrow(
    "weights of 3.dense/kernel must have shape [4, 3], but 3.dense/kernel has [4, 5]; reset it to start it anew",
  );
  expect([...matchWeights(network, others, ["*.dense/*"]).keys()]).toEqual([
    "0.conv2d/kernel",
    "0.conv2d/bias",
  ]);
  expect(() => matchWeights(network, named().slice(1))).toThrow("weights must have 0.conv2d/kernel");
  expect(() => matchWeights(network, named("other/").slice(2))).toThrow("got 2 tensors of other names");
  expect(() => matchWeights(network, named(), ["head/*"])).toThrow(
    "reset must name parameters of the network, got head/*",
  );
  expect(() => readWeights(join(folder, "none.safetensors"))).toThrow("cannot be read");
  writeFileSync(join(folder, "bad.json"), "{}");
  expect(() => readWeights(join(folder, "bad.json"))).toThrow("it has no weightsManifest");
});
