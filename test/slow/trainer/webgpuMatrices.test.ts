// Every tiling of the matrix kernels, their matrix units emulated, against the tiles: to the bit the same as one another.
import { afterAll, describe, test, vi } from "vitest";
import { webgpu as gpu } from "../../../src/backends/index.js";
import { expectSameConvolution, expectSameWeightGradient } from "../../support/emulatedMatrices.js";
import { openTestDevice } from "../../support/softwareVulkan.js";

vi.setConfig({ testTimeout: 1_800_000 });

const { open, why } = await openTestDevice();
afterAll(() => open?.close());

/** Device memory binds 32 KiB of workgroup memory on software; a card has more. */
const fits = (kernel: gpu.Kernel): boolean =>
  16 * Number(/shared_: array<vec4u, (\d+)>/.exec(kernel.code)![1]) <=
  open!.device.limits.maxComputeWorkgroupStorageSize;

describe.skipIf(!open)(why ? `matrix kernels (${why})` : "matrix kernels", () => {
  const own = {
    ...{ kernelSize: 2, stride: 1, before: 1, after: 0, height: 3, width: 8, views: 8 },
    ...{ inputChannels: 96, outputChannels: 256 },
  };
  const forward = gpu.forwardConvolution(own);
  const plain = gpu.plainLayout(forward.rows, forward.columns, own.views, own.outputChannels);
  const gradient = gpu.gradientWindow({ ...plain, ...gpu.gradientBorder(own) });
  const epilogue = { residual: true, output: "float32" } as const;
  const name = ({ rows, columns, down, across, depth }: gpu.MatrixTiling) =>
    `${down} × ${across} of ${rows} × ${columns} by ${16 * depth}`;

  test.each(gpu.TILINGS_TO_TRY.map((tiling) => [name(tiling), tiling] as const))("%s", async (_, tiling) => {
    const former = gpu.TILES.former;
    if (gpu.convolutionTakes(forward, tiling) && fits(gpu.convolutionMatrix(forward, epilogue, tiling)))
      await expectSameConvolution(open!, forward, [tiling, former.convolution(forward, epilogue)], 1);
    const work = { forward, gradient, splits: 2 };
    if (gpu.weightGradientTakes(work, tiling) && fits(gpu.weightGradientMatrix(work, tiling)))
      await expectSameWeightGradient(open!, work, [tiling], 1);
  });
});
