// The WebGPU engine: the same clipped sum as the other engines, and a clear refusal of what it has no kernels for.
import { afterAll, describe, expect, test } from "vitest";
import { MixedExamplesError } from "../../src/engines/isolation.js";
import { WebGpuCore } from "../../src/engines/webgpu/core.js";
import { startWebGpu } from "../../src/engines/webgpu/engine.js";
import { CHECK_IMAGES, checkDeviceIsolation } from "../../src/engines/webgpu/isolation.js";
import { UnsupportedNetworkError, unitsOf } from "../../src/engines/webgpu/residualForm.js";
import { buildModel } from "../../src/trainer/models/index.js";
import { openTestDevice } from "../support/softwareVulkan.js";
import { bothEngines, relativeError, smallData, smallResidual } from "../support/webgpuEngine.js";

const { open, why } = await openTestDevice();
afterAll(() => open?.close());

test("a network without kernels is refused by name, with what was expected", async () => {
  const network = buildModel("cnn", [28, 28, 1], 10);
  const refused = await startWebGpu({
    network,
    data: smallData(),
    augmentation: { views: 0, seed: 1 },
  }).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(UnsupportedNetworkError);
  expect(String(refused)).toMatch(
    /backend webgpu runs residual networks .* not cnn: expected group-norm, found tanh/,
  );
});

test("of a wide residual network the shortcuts alone take the norm first where the name says so", () => {
  const units = (name: string) => unitsOf(buildModel(name, [32, 32, 3], 10));
  const [usual, changed] = ["wrn-16-2", "wrn-16-2-gn-relu-shortcut"].map(units);
  expect(changed.blocks.map(({ body }) => body)).toEqual(usual.blocks.map(({ body }) => body));
  const orders = ({ blocks }: typeof usual) =>
    blocks.map(({ shortcut }) =>
      typeof shortcut === "string" ? shortcut : [shortcut.norm.relu, shortcut.norm.reluAfter],
    );
  const usually = [true, false];
  expect(orders(usual)).toEqual([usually, "identity", usually, "identity", usually, "identity"]);
  const first = [false, true];
  expect(orders(changed)).toEqual([first, "identity", first, "identity", first, "identity"]);
});

describe("before training, what an example adds is held against the others", () => {
  const network = smallResidual("plain");
  const [first, microBatch] = [12, 5];
  /** What the example adds at a place of a batch, in units: the same everywhere, but for the fault. */
  type Contribution = (index: number, place: number, indices: Uint32Array) => number;
  const faults: readonly [string, Contribution][] = [
    ["the place", (index, place) => index + (place === 3 ? 1 : 0)],
    ["the number of examples", (index, _, indices) => index + (indices.length === microBatch ? 1 : 0)],
    ["the example before it", (index, place, indices) => index + (indices[place - 1] === first ? 1 : 0)],
    ["the end of a micro-batch", (index, place) => index - (place % microBatch === microBatch - 1 ? 1 : 0)],
    ["the second micro-batch", (index, place) => index + Math.floor(place / microBatch)],
  ];
  const check = (contribution: Contribution) =>
    checkDeviceIsolation(
      {
        fractionBits: 40,
        clippedSum: async (_, { indices }) => ({
          parts: Int32Array.of(
            0,
            indices.reduce((sum, index, place) => sum + contribution(index, place, indices), 0),
          ),
          norms: new Float64Array(indices.length),
          nonFinite: false,
        }),
      },
      network,
      { first, microBatch },
    );

  test("and passes if it is the same", async () => {
    await expect(check((index) => index)).resolves.toBeUndefined();
  });
  test.each(faults)("and is refused if it depends on %s", async (_, contribution) => {
    await expect(check(contribution)).rejects.toThrow(MixedExamplesError);
  });
  test("and is refused if there is nothing to compare", async () => {
    await expect(check(() => 0)).rejects.toThrow("no image of the check has a finite gradient");
  });
});

describe.skipIf(!open)(why ? `WebGPU engine (${why})` : "WebGPU engine", () => {
  test("in float32, norms, clipped sum and logits are those of the WASM engine to 1e-5", async () => {
    const { got, evaluation, expected } = await bothEngines(open!, smallResidual("plain"), {
      precision: "float32",
      microBatch: 4,
    });
    expect(got.nonFinite).toBe(false);
    got.norms.forEach((norm, n) => {
      expect(Math.abs(norm / expected.norms[n] - 1)).toBeLessThan(1e-5);
    });
    expect(relativeError(got.sum, expected.sum)).toBeLessThan(1e-5);
    expect(evaluation.correct).toBe(expected.evaluation.correct);
    expect(Math.abs(evaluation.loss - expected.evaluation.loss)).toBeLessThan(1e-5);
  }, 240_000);

  test("its examples do not mix; where a kernel leaves out the last of a micro-batch, it is refused", async () => {
    const network = smallResidual("plain");
    const core = await WebGpuCore.start({
      open: open!,
      network,
      ...smallData(),
      // As above: the same kernels, compiled once.
      augmentation: { views: 3, seed: 7 },
      microBatch: 3,
      precision: "float32",
    });
    await expect(core.checkIsolation()).resolves.toBeUndefined();
    // Noise gives gradients: the check does not compare zeros.
    const parameters = Float32Array.from(network.initialise(1).flatMap((part) => [...part]));
    const indices = Uint32Array.from({ length: CHECK_IMAGES }, (_, image) => smallData().train.count + image);
    const { norms } = await core.clippedSum(parameters, { indices, step: 1 }, { norm: 1 });
    for (const norm of norms) expect(norm).toBeGreaterThan(0.01);
    const { program } = core.plan;
    const run = program.run.bind(program);
    program.run = (phases, n) => {
      for (const phase of phases) run([phase], phase === "backward" && n === 3 ? 2 : n);
    };
    await expect(core.checkIsolation()).rejects.toThrow(
      "small-residual mixes the examples of a batch on backend webgpu: what 3 examples add is not the sum of what each adds alone, in micro-batches of 3; clipping would bound nothing",
    );
  }, 240_000);
});
