// The WebGPU engine beside the WASM engine, whose gradients are tested against float64 differences, on a small residual network.
import { currentKernels, startBackend } from "../../src/engines/tensorflow/startBackend.js";
import { MicroBatchRunner } from "../../src/engines/threads/microBatch.js";
import { PartialSum } from "../../src/engines/threads/partialSum.js";
import { WebGpuCore } from "../../src/engines/webgpu/core.js";
import * as gpu from "../../src/engines/webgpu/index.js";
import type { Dataset } from "../../src/trainer/data/dataset.js";
import { type LayerSpec, Network } from "../../src/trainer/layers/network.js";
import { SeededRandom } from "../../src/trainer/random/seeded.js";
import { dataOf } from "../trainer/support.js";

const unit = (filters: number, kernelSize: number, stride: number, groups: number): LayerSpec[] => [
  { kind: "relu" },
  { kind: "group-norm", groups },
  { kind: "conv2d", filters, kernelSize, stride, padding: "same", weightStandardised: true },
];

/** The norm before the ReLU, as in the shortcuts of wrn-D-k-gn-relu-shortcut. */
const normFirst = ([relu, norm, convolution]: readonly LayerSpec[]): LayerSpec[] => [norm, relu, convolution];

/**
 * "plain": one block with an identity shortcut, the fewest kernels to compile. "strided": a strided shortcut with a convolution.
 * "deep": also a second convolution in that block, and a block with an identity shortcut after it. "norm first": as strided,
 * but the shortcut's ReLU comes after its norm, and a unit of the same kind follows.
 */
export function smallResidual(kind: "plain" | "strided" | "deep" | "norm first"): Network {
  const identity: LayerSpec = { kind: "residual", body: unit(kind === "plain" ? 8 : 12, 3, 1, 4) };
  const strided: LayerSpec = {
    kind: "residual",
    body: [...unit(12, 3, 2, 4), ...(kind === "deep" ? unit(12, 3, 1, 6) : [])],
    shortcut: kind === "norm first" ? normFirst(unit(12, 1, 2, 2)) : unit(12, 1, 2, 2),
  };
  return new Network({
    name: "small-residual",
    inputShape: [6, 6, 3],
    classes: 4,
    layers: [
      { kind: "conv2d", filters: 8, kernelSize: 3, padding: "same", weightStandardised: true },
      ...{
        plain: [identity],
        strided: [strided],
        deep: [strided, identity],
        "norm first": [strided, ...normFirst(unit(12, 3, 1, 4))],
      }[kind],
      { kind: "relu" },
      { kind: "group-norm", groups: 4 },
      { kind: "global-average-pool" },
      { kind: "dense", units: 4 },
    ],
  });
}

export const smallData = (): Dataset => {
  const data = dataOf(12, [6, 6, 3], 4);
  // Software takes a while for each image.
  const [count, size] = [24, 6 * 6 * 3];
  const { pixels, labels } = data.test;
  const test = { ...data.test, count, pixels: pixels.slice(0, count * size), labels: labels.slice(0, count) };
  return { ...data, test };
};

/** Initial values away from 0 and 1, so that no offset or gain can be forgotten. */
export function someParameters(network: Network): Float32Array[] {
  const random = new SeededRandom(9);
  return network.initialise(3).map((values) => values.map((value) => value + 0.1 * random.normal()));
}

const BATCH = { indices: Uint32Array.of(0, 3, 4, 7, 9, 11, 2), step: 2 };
const AUGMENTATION = { views: 3, seed: 7 };

/** Clipped sums and norms by both; clip norm 1. */
export async function bothEngines(
  open: gpu.OpenDevice,
  network: Network,
  options: { precision: gpu.PrecisionName; microBatch: number; peaks?: readonly number[] },
) {
  const data = smallData();
  const parameters = someParameters(network);
  const core = await WebGpuCore.start({
    open,
    network,
    ...data,
    augmentation: AUGMENTATION,
    ...options,
  });
  const flat = Float32Array.from(parameters.flatMap((values) => [...values]));
  const { parts, ...rest } = await core.clippedSum(flat, BATCH, { norm: 1 });
  const got = { sum: gpu.fromFixedPoint(parts, core.fractionBits), ...rest };
  const evaluation = await core.evaluate(flat, "test");

  await startBackend("wasm");
  const runner = new MicroBatchRunner(network, currentKernels(), data.train, data.test, AUGMENTATION);
  const tensors = network.upload(parameters);
  const sumOf = (indices: Uint32Array, norm: number): number[] => {
    const partial = new PartialSum(network, currentKernels(), data.train.count);
    runner.addClipped(partial, tensors, { indices, step: BATCH.step }, 0, indices.length, { norm });
    const flat = partial.read().flatMap((part) => [...part]);
    partial.dispose();
    return flat.map((whole) => whole * 2 ** -partial.fractionBits);
  };
  // Clipped at a norm that none reaches, an example adds its gradient over that norm.
  const norms = [...BATCH.indices].map((index) => 1e3 * Math.hypot(...sumOf(Uint32Array.of(index), 1e3)));
  return {
    got,
    evaluation,
    expected: {
      norms,
      sum: sumOf(BATCH.indices, 1),
      evaluation: runner.evaluate(tensors, "test", 0, data.test.count),
    },
  };
}

/** ‖a − b‖ / ‖b‖. */
export function relativeError(a: ArrayLike<number>, b: readonly number[]): number {
  return Math.hypot(...b.map((value, i) => a[i] - value)) / Math.hypot(...b);
}
