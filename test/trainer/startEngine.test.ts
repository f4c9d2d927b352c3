// Which engine a run gets, and that a network which mixes examples gets none.
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, test } from "vitest";
import { checkIsolation, MixedExamplesError } from "../../src/engines/isolation.js";
import { type StartOptions, startEngine } from "../../src/engines/startEngine.js";
import { currentKernels, startBackend } from "../../src/engines/tensorflow/startBackend.js";
import type { Kernels } from "../../src/trainer/kernels.js";
import { Network, type NetworkSpec } from "../../src/trainer/layers/network.js";
import { buildModel } from "../../src/trainer/models/index.js";
import { smallData, smallResidual } from "../support/webgpuEngine.js";
import { dataOf, EVERY_LAYER } from "./support.js";

describe("a run that the WebGPU engine cannot do", () => {
  const residual = smallResidual("plain");
  const frozen = ["0.conv2d/kernel"];
  const values = new Map([["0.conv2d/kernel", residual.initialise(1)[0]]]);
  const good = {
    network: residual,
    data: smallData(),
    augmentation: { views: 0, seed: 1 },
    clip: { norm: 1 },
    workers: 1,
  };
  const cases: readonly [string, Partial<StartOptions>, RegExp][] = [
    ["automatic clipping", { clip: { norm: 1, gamma: 0.1 } }, /clips to a norm, and automatic/],
    [
      "frozen parameters",
      { network: new Network({ ...residual.spec, frozen }, values) },
      /trains all parameters, and some are frozen/,
    ],
    ["numbers that are no bytes", { data: numbers() }, /takes images of bytes, and/],
    ["another kind of network", { network: buildModel("linear", [6, 6, 3], 4) }, /no kernels for linear/],
  ];

  test.each(cases)("%s: auto takes another, and says why", async (_, changed, why) => {
    const engine = await startEngine({ ...good, ...changed, backend: "auto" });
    await engine.close();
    expect(engine.backend.name).not.toBe("webgpu");
    if (engine.backend.name !== "tfjs-node-gpu")
      expect(engine.backend.reason).toMatch(new RegExp(`; webgpu: ${why.source}`));
  });

  test.each(cases)("%s: webgpu by name is an error", async (_, changed, why) => {
    await expect(startEngine({ ...good, ...changed, backend: "webgpu" })).rejects.toThrow(
      changed.network && !changed.network.spec.frozen
        ? /^backend webgpu runs residual networks of group norms and convolutions such as wrn-16-4, not linear: /
        : new RegExp(`^backend must be another than webgpu, which ${why.source}`),
    );
  });

  test("devices that no WebGPU engine would use are refused", async () => {
    const devices = [{}, {}];
    await expect(startEngine({ ...good, devices, backend: "cpu" })).rejects.toThrow(
      "devices must be left out with backend cpu: they are webgpu's",
    );
    await expect(startEngine({ ...good, ...cases[0][1], devices, backend: "auto" })).rejects.toThrow(
      /^devices must be left out unless webgpu can train: clips to a norm/,
    );
  });

  test.each(["float16", "float16x2", "float32"] as const)(
    "the precision %s, which no WebGPU engine would compute in, is refused",
    async (precision) => {
      for (const backend of ["cpu", "wasm"] as const)
        await expect(startEngine({ ...good, precision, backend })).rejects.toThrow(
          `precision must be left out with backend ${backend}, which computes in float32, got ${precision}`,
        );
      await expect(startEngine({ ...good, ...cases[0][1], precision, backend: "auto" })).rejects.toThrow(
        /^precision must be left out unless webgpu can train: clips to a norm, and automatic clipping was asked for, got float/,
      );
    },
  );

  test("precisions and devices that there are not are refused, whatever the backend", async () => {
    for (const backend of ["wasm", "webgpu", "auto"] as const) {
      for (const precision of ["f16", "double", 16])
        await expect(startEngine({ ...good, backend, precision: precision as never })).rejects.toThrow(
          `precision must be one of float16, float16x2, float32, got ${precision}`,
        );
      for (const devices of [[], {}, [1], [{ A: 1 }], Array(17).fill({})])
        await expect(startEngine({ ...good, backend, devices: devices as never })).rejects.toThrow(
          "devices must be a list of 1 to 16 objects of environment variables, got",
        );
    }
  });

  test("workers are refused with webgpu by name, which has none", async () => {
    const images = smallData();
    await expect(startEngine({ ...good, data: images, backend: "webgpu" })).rejects.toThrow(
      "workers must be left out with backend webgpu, which has devices, got 1",
    );
  });

  function numbers() {
    const { train, test, ...data } = smallData();
    const asNumbers = (images: typeof train) => ({ ...images, pixels: Float32Array.from(images.pixels) });
    return { ...data, train: asNumbers(train), test: asNumbers(test) };
  }
});

describe("a network that mixes the examples of a batch", () => {
  let kernels: Kernels;
  beforeAll(async () => {
    await startBackend("wasm");
    kernels = currentKernels();
  });
  const network = new Network(EVERY_LAYER);

  test("every layer keeps examples apart, whatever the views", () => {
    for (const views of [1, 2]) checkIsolation(network, kernels, views);
    const words: NetworkSpec = {
      name: "words",
      inputShape: [1, 5, 1],
      classes: 2,
      layers: [
        { kind: "flatten" },
        { kind: "embedding", vocabulary: 7, units: 4 },
        { kind: "global-average-pool" },
        { kind: "dense", units: 2 },
      ],
    };
    checkIsolation(new Network(words), kernels);
  });

  test("one that does is refused by name: forward, backward or in the norms alone", () => {
    const mixing: readonly Partial<Kernels>[] = [
      // As batch normalisation would: the mean over the batch.
      { tanh: (x) => tf.sub(kernels.tanh(x), tf.mean(x, 0)) as typeof x },
      {
        tanhGradient: (y, dy) => tf.add(kernels.tanhGradient(y, dy), tf.mul(1e-6, tf.mean(dy))) as typeof dy,
      },
      { squaredNorms: (rows) => kernels.squaredNorms(rows).map((value, _, all) => value + 1e-9 * all[0]) },
    ];
    const checked = (part: Partial<Kernels>) => () =>
      checkIsolation(network, Object.assign(Object.create(kernels) as Kernels, part));
    for (const part of mixing) expect(checked(part)).toThrow(MixedExamplesError);
    expect(checked(mixing[0])).toThrow(
      /^every-layer mixes the examples of a batch on backend wasm: one's gradient changed with the others \(.+\)/,
    );
  });

  test.each([
    ["whatever their number", 2],
    ["in whole micro-batches only", 64],
  ])("an engine does not start for it: %s", async (_, from) => {
    const started = startEngine({
      backend: "cpu",
      network: Object.assign(Object.create(network) as Network, {
        gradients: (...[images, labels, ...rest]: Parameters<Network["gradients"]>) =>
          network.gradients(
            labels.length < from ? images : tf.sub(images, tf.mean(images, 0)),
            labels,
            ...rest,
          ),
      }),
      data: dataOf(8, [9, 8, 2], 3),
      augmentation: { views: 0, seed: 1 },
      clip: { norm: 1 },
      workers: 1,
    });
    await expect(started).rejects.toThrow(MixedExamplesError);
  });
});
