// The matrix kernels, their matrix units emulated, against the tiles; and their text as it is, before Dawn's compiler.
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import * as gpu from "../../src/engines/webgpu/index.js";
import { expectSameConvolution, expectSameWeightGradient } from "../support/emulatedMatrices.js";
import { openNullDevice, openTestDevice } from "../support/softwareVulkan.js";

vi.setConfig({ testTimeout: 240_000 });

const { open, why } = await openTestDevice();
afterAll(() => open?.close());

const shape = (inputChannels: number, outputChannels: number, stride = 1): gpu.ConvolutionShape => ({
  kernelSize: stride === 1 ? 3 : 2,
  stride,
  before: stride === 1 ? 1 : 0,
  after: stride === 1 ? 1 : 0,
  // 96 rows of the product: no tile's multiple but the smallest.
  ...{ height: 3 * stride, width: 8 * stride, views: 4, inputChannels, outputChannels },
});
const gradientOf = (own: gpu.ConvolutionShape) => {
  const forward = gpu.forwardConvolution(own);
  const plain = gpu.plainLayout(forward.rows, forward.columns, own.views, own.outputChannels);
  return gpu.gradientWindow({ ...plain, ...gpu.gradientBorder(own) });
};

describe.skipIf(!open)(why ? `matrix kernels (${why})` : "matrix kernels", () => {
  test.each([
    [16, 16, 1],
    [32, 64, 1],
  ])(
    "the tilings chosen for a convolution %d → %d, stride %d, are the tiles' product",
    async (ci, co, stride) => {
      const convolution = gpu.forwardConvolution(shape(ci, co, stride));
      const epilogue = { residual: false, output: "float32" } as const;
      const tilings = [gpu.TILES.chosen, gpu.TILES.former].map((tiles) =>
        tiles.convolution(convolution, epilogue),
      );
      await expectSameConvolution(open!, convolution, tilings);
    },
  );

  test("a convolution of operands in pairs", async () => {
    const convolution = gpu.splitConvolution(gpu.forwardConvolution(shape(16, 32)));
    await expectSameConvolution(open!, convolution, [
      gpu.TILES.chosen.convolution(convolution, { residual: false, output: "float32" }),
    ]);
  });

  test.each([
    [16, 16, 1, 2],
    [32, 64, 1, 3],
    [16, 128, 2, 5],
  ])(
    "the tilings chosen for the weight gradient of %d → %d, stride %d, in %d parts, are the tiles' product",
    async (ci, co, stride, splits) => {
      const own = shape(ci, co, stride);
      const work = { forward: gpu.forwardConvolution(own), gradient: gradientOf(own), splits };
      await expectSameWeightGradient(open!, work, [gpu.TILES.chosen.weightGradient(work)]);
    },
  );
});

describe("a device that has every feature and computes nothing", () => {
  let everything: gpu.OpenDevice | undefined;
  beforeAll(async () => {
    everything = await openNullDevice();
  });
  afterAll(() => everything?.close());

  test("finds no fault in the kernels, whatever the tiling, and they need at most 48 KiB of workgroup memory", async (context) => {
    if (!everything) return context.skip();
    for (const [ci, co] of [
      [64, 64],
      [64, 256],
    ]) {
      const convolution = gpu.forwardConvolution(shape(ci, co));
      const work = { forward: convolution, gradient: gradientOf(shape(ci, co)), splits: 2 };
      const epilogue = { residual: true, biasOffset: 16, output: "float16" } as const;
      const kernels = gpu.TILINGS_TO_TRY.flatMap((tiling) => [
        ...(gpu.convolutionTakes(convolution, tiling)
          ? [gpu.convolutionMatrix(convolution, epilogue, tiling)]
          : []),
        ...(gpu.weightGradientTakes(work, tiling) ? [gpu.weightGradientMatrix(work, tiling)] : []),
      ]);
      for (const { name, code } of kernels) {
        const { messages } = await everything.device.createShaderModule({ code }).getCompilationInfo();
        expect(
          messages.filter(({ type }) => type === "error").map(({ message }) => message),
          name,
        ).toEqual([]);
        const vectors = Number(/shared_: array<vec4u, (\d+)>/.exec(code)![1]);
        expect(16 * vectors, name).toBeLessThanOrEqual(49152);
      }
    }
  });
});
