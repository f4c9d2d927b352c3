// The WebGPU engine: the same clipped sum as the other engines, and a clear refusal of what it has no kernels for.
import { afterAll, describe, expect, test } from "vitest";
import { startWebGpu } from "../../src/trainer/engine/webgpu/engine.js";
import { UnsupportedNetworkError } from "../../src/trainer/engine/webgpu/units.js";
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
});
