// Every tiling of the matrix kernels, their matrix units emulated, against the tiles: to the bit the same as one another.
import { afterAll, describe, expect, test, vi } from "vitest";
import { WebGpuCore } from "../../../src/engines/webgpu/core.js";
import * as gpu from "../../../src/engines/webgpu/index.js";
import { type LayerSpec, Network } from "../../../src/trainer/layers/network.js";
import {
  expectSameConvolution,
  expectSameWeightGradient,
  withEmulatedMatrices,
} from "../../support/emulatedMatrices.js";
import { openTestDevice } from "../../support/softwareVulkan.js";
import { relativeError, someParameters } from "../../support/webgpuEngine.js";
import { dataOf } from "../../trainer/support.js";

vi.setConfig({ testTimeout: 1_800_000 });

const { open, why } = await openTestDevice();
afterAll(() => open?.close());

/** Software has 32 KiB of workgroup memory, a card more. */
const fits = (kernel: gpu.Kernel): boolean =>
  16 * Number(/shared_: array<vec4u, (\d+)>/.exec(kernel.code)![1]) <=
  open!.device.limits.maxComputeWorkgroupStorageSize;

describe.skipIf(!open)(why ? `matrix kernels (${why})` : "matrix kernels", () => {
  const own = {
    ...{ kernelSize: 2, stride: 1, before: 1, after: 0, height: 2, width: 8, views: 8 },
    ...{ inputChannels: 192, outputChannels: 256 },
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

  test.each(["float16x2", "float16"] as const)(
    "the engine's clipped sum in %s is that of the same engine without matrix units, and its examples do not mix",
    async (precision) => {
      const unit = (filters: number, stride: number, kernelSize = 3): LayerSpec[] => [
        { kind: "relu" },
        { kind: "group-norm", groups: 4 },
        { kind: "conv2d", filters, kernelSize, stride, padding: "same", weightStandardised: true },
      ];
      const network = new Network({
        name: "small-wide-residual",
        inputShape: [8, 8, 3],
        classes: 4,
        layers: [
          { kind: "conv2d", filters: 16, kernelSize: 3, padding: "same", weightStandardised: true },
          { kind: "residual", body: [...unit(32, 2), ...unit(32, 1)], shortcut: unit(32, 2, 1) },
          { kind: "relu" },
          { kind: "group-norm", groups: 4 },
          { kind: "global-average-pool" },
          { kind: "dense", units: 4 },
        ],
      });
      const { open: other } = await openTestDevice();
      const matrices = withEmulatedMatrices(other!);
      const flat = Float32Array.from(someParameters(network).flatMap((values) => [...values]));
      const batch = { indices: Uint32Array.of(0, 3, 4, 7, 9), step: 2 };
      const sums = [];
      for (const device of [matrices, open!]) {
        const core = await WebGpuCore.start({
          ...{ open: device, network, ...dataset(), precision },
          augmentation: { views: 2, seed: 7 },
          microBatch: 3,
        });
        const { parts, nonFinite } = await core.clippedSum(flat, batch, { norm: 1 });
        expect(nonFinite).toBe(false);
        sums.push([...gpu.fromFixedPoint(parts, core.fractionBits)]);
        if (device === matrices) await core.checkIsolation();
      }
      other!.close();
      expect(relativeError(sums[0], sums[1])).toBeLessThan(precision === "float16" ? 5e-2 : 2e-3);
    },
  );
});

const dataset = () => dataOf(12, [8, 8, 3], 4);
