// Before training on a device: that what an example adds does not change with the others, their number or its place.
import type { LabelledImages } from "../../trainer/data/dataset.js";
import type { ClipRule } from "../../trainer/gradientEngine.js";
import type { Network } from "../../trainer/layers/network.js";
import { SeededRandom } from "../../trainer/random/seeded.js";
import { MixedExamplesError } from "../isolation.js";
import * as gpu from "../webgpu/index.js";

/** Images that lie behind the training images on the device: never drawn, never counted. */
export const CHECK_IMAGES = 6;

/** A step's clipped sum, and each example's gradient norm: both private. */
export interface CoreSum {
  /** In fixed point, see `fromFixedPoint`: sums of several devices add without rounding. */
  readonly parts: Int32Array;
  readonly norms: Float64Array;
  readonly nonFinite: boolean;
}

/** The part of the engine's core that is checked. */
export interface CheckedCore {
  readonly fractionBits: number;
  clippedSum(
    parameters: Float32Array,
    batch: { readonly indices: Uint32Array; readonly step: number },
    clip: ClipRule,
  ): Promise<CoreSum>;
}

/**
 * Noise, one value everywhere (all values tie in every ReLU, norm and mean), two and four values in stripes and at random:
 * what is rounded, and what is equal, differs from one to the next.
 */
export function checkImages(images: LabelledImages, classes: number): LabelledImages {
  const random = new SeededRandom(1);
  const size = images.shape.reduce((a, b) => a * b, 1);
  const kinds: readonly ((at: number) => number)[] = [
    () => random.below(256),
    () => random.below(256),
    () => 128,
    () => 255 * random.below(2),
    (at) => (at % 7 < 3 ? 0 : 255),
    () => 85 * random.below(4),
  ];
  const pixels = Uint8Array.from({ length: CHECK_IMAGES * size }, (_, i) =>
    kinds[Math.floor(i / size)](i % size),
  );
  const labels = Uint8Array.from({ length: CHECK_IMAGES }, (_, i) => i % classes);
  return { ...images, count: CHECK_IMAGES, pixels, labels };
}

/**
 * Each check image alone first; then lists of them, at many places and many times each: two, a micro-batch less one, a whole
 * one, and one more, which falls into the next. Sums are exact: that of a list must be what its images add alone, to the bit,
 * so that S with an example and S without it differ by the same numbers, whatever S. Parameters away from zero.
 *
 * Throws MixedExamplesError, naming the network and how many examples there were, or where there is nothing to compare.
 */
export async function checkDeviceIsolation(
  core: CheckedCore,
  network: Network,
  { first, microBatch }: { readonly first: number; readonly microBatch: number },
): Promise<void> {
  const parameters = new Float32Array(network.parameterCount);
  let at = 0;
  for (const part of network.initialise(1)) for (const value of part) parameters[at++] = value + 0.01;
  const sumOf = async (images: readonly number[]): Promise<Float64Array> => {
    const indices = Uint32Array.from(images, (image) => first + image);
    const { parts } = await core.clippedSum(parameters, { indices, step: 1 }, { norm: 1 });
    return gpu.fromFixedPoint(parts, core.fractionBits);
  };
  const alone: Float64Array[] = [];
  for (let image = 0; image < CHECK_IMAGES; image++) alone.push(await sumOf([image]));
  // Zeros would be the sum of zeros whatever the kernels do.
  if (alone.every((own) => own.every((value) => value === 0)))
    throw new MixedExamplesError(
      `${network.spec.name} cannot be shown to keep the examples of a batch apart on backend webgpu: no image of the check has a finite gradient`,
    );
  for (const images of checkLists(microBatch)) {
    const sum = await sumOf(images);
    for (const [image, own] of alone.entries()) {
      const count = images.filter((each) => each === image).length;
      if (count > 0) for (let i = 0; i < sum.length; i++) sum[i] -= count * own[i];
    }
    if (sum.some((rest) => rest !== 0))
      throw new MixedExamplesError(
        `${network.spec.name} mixes the examples of a batch on backend webgpu: what ${images.length} examples add is not the sum of what each adds alone, in micro-batches of ${microBatch}; clipping would bound nothing`,
      );
  }
}

/** Pairs, in which every image comes first once and last once; and longer lists at random, two of each length. */
function checkLists(microBatch: number): number[][] {
  const random = new SeededRandom(2);
  const pairs = Array.from({ length: CHECK_IMAGES }, (_, image) => [image, (image + 1) % CHECK_IMAGES]);
  const lengths = [microBatch - 1, microBatch, microBatch + 1].filter((length) => length > 2);
  const longer = [...lengths, ...lengths].map((length) =>
    Array.from({ length }, () => random.below(CHECK_IMAGES)),
  );
  return [...pairs, ...longer];
}
