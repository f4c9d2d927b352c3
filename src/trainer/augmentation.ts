// Network inputs from stored pixels: scaling, and K augmented views an example (pad, crop, flip) [De2022, §3].
import { flag, whole } from "../formats/argumentChecks.js";
import { checkFields, type FieldsOf } from "../formats/knownFields.js";
import type { LabelledImages } from "./data/dataset.js";
import { linearScaling } from "./data/normalisation.js";
import { type ByteScaling, scaled } from "./kernels.js";
import { SeededRandom } from "./random/seeded.js";

export interface Augmentation {
  /** K ≥ 0: views an example; 0 is the image itself, once, unchanged. */
  readonly views: number;
  /** Not a matter of privacy: equal seeds give equal views. */
  readonly seed: number;
  /** Rows and columns mirrored around the image, edge included, before a crop of the image's size; default 4, at most the image. */
  readonly padding?: number;
  /** Mirror left and right with probability ½; default: images with three channels only, digits are not symmetric. */
  readonly flip?: boolean;
}

const FIELDS = { views: true, seed: true, padding: true, flip: true } satisfies FieldsOf<Augmentation>;

/** Throws ArgumentError. */
export function checkAugmentation(augmentation: Augmentation): void {
  checkFields("augmentation", augmentation, FIELDS, { path: "augmentation" });
  const { views, seed, padding, flip } = augmentation;
  whole("augmentation.views", views);
  whole("augmentation.seed", seed);
  if (padding !== undefined) whole("augmentation.padding", padding);
  if (flip !== undefined) flag("augmentation.flip", flip);
}

/** Network input of a stored value in a channel, by the images' public constants. */
type Scale = (value: number, channel: number) => number;

/** Of images of bytes: the network input of a byte is `scaled(byte, …)`. */
export function byteScaling(images: LabelledImages): ByteScaling {
  const { factor, offset } = linearScaling(images);
  return { factor: Float32Array.from(factor), offset: Float32Array.from(offset) };
}

const tables = new WeakMap<LabelledImages, readonly Float32Array[]>();

/** Of images of bytes, for each channel: the network input of each byte. */
/** What the network is given for each byte of each channel. */
export function byteTables(images: LabelledImages): readonly Float32Array[] {
  let found = tables.get(images);
  if (!found) {
    const scaling = byteScaling(images);
    found = Array.from(scaling.factor, (_, c) =>
      Float32Array.from({ length: 256 }, (_, value) => scaled(value, scaling, c)),
    );
    tables.set(images, found);
  }
  return found;
}

function scaleOf(images: LabelledImages): Scale {
  if (images.pixels instanceof Uint8Array) {
    const own = byteTables(images);
    return (value, channel) => own[channel][value];
  }
  const { factor, offset } = linearScaling(images);
  return (value, channel) => value * factor[channel] + offset[channel];
}

/** Rows of network input for each example: at least one. */
export const viewsPerExample = (augmentation: Augmentation): number => Math.max(1, augmentation.views);

/** One view: by how much the image is shifted down and to the right, and whether it is mirrored first. */
export interface View {
  readonly top: number;
  readonly left: number;
  readonly mirrored: boolean;
}

export const DEFAULT_PADDING = 4;
export const UNCHANGED: View = { top: 0, left: 0, mirrored: false };

/** The views of one example at one step; the image as it is if there are to be none. */
export function drawViews(
  shape: LabelledImages["shape"],
  augmentation: Augmentation,
  step: number,
  index: number,
): View[] {
  if (augmentation.views === 0) return [UNCHANGED];
  const { padding = DEFAULT_PADDING, flip = shape[2] === 3 } = augmentation;
  // No further than the image itself: beyond its mirror image lie other examples.
  const [rows, columns] = [Math.min(padding, shape[0]), Math.min(padding, shape[1])];
  // By the example's own number: its views do not depend on who else is in the batch, nor on the micro-batch.
  const random = new SeededRandom(augmentation.seed).child(step).child(index);
  return Array.from({ length: augmentation.views }, () => ({
    top: random.below(2 * rows + 1) - rows,
    left: random.below(2 * columns + 1) - columns,
    mirrored: flip && random.below(2) === 1,
  }));
}

/** Writes inputs of examples indices[from … to), the views of each in a row, into out: float32 [(to − from)·K, h, w, c]. */
export function fillViews(
  out: Float32Array,
  images: LabelledImages,
  indices: Uint32Array,
  from: number,
  to: number,
  augmentation: Augmentation,
  step: number,
): void {
  const [height, width, channels] = images.shape;
  const size = height * width * channels;
  const views = viewsPerExample(augmentation);
  const scale = scaleOf(images);
  for (let n = from; n < to; n++) {
    const source = indices[n] * size;
    let target = (n - from) * views * size;
    if (augmentation.views === 0) {
      for (let i = 0; i < size; i += channels)
        for (let c = 0; c < channels; c++) out[target + i + c] = scale(images.pixels[source + i + c], c);
      continue;
    }
    for (const { top, left, mirrored } of drawViews(images.shape, augmentation, step, indices[n])) {
      for (let y = 0; y < height; y++) {
        const row = source + mirror(y + top, height) * width * channels;
        for (let x = 0; x < width; x++) {
          const column = row + mirror((mirrored ? width - 1 - x : x) + left, width) * channels;
          for (let c = 0; c < channels; c++) out[target++] = scale(images.pixels[column + c], c);
        }
      }
    }
  }
}

/** Position in an image continued by its mirror image, edge included: −1 ↦ 0, −2 ↦ 1, size ↦ size − 1. */
function mirror(position: number, size: number): number {
  if (position < 0) return -1 - position;
  return position < size ? position : 2 * size - 1 - position;
}
