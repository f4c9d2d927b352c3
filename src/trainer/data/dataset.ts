// Labelled images in memory.
import { text, whole } from "../../formats/argumentChecks.js";
import { ArgumentError, shown } from "../../formats/argumentError.js";
import { checkFields, type FieldsOf } from "../../formats/knownFields.js";

/** What the network is given for a stored value v of channel c: (v − mean[c])/deviation[c]. Public constants, always. */
export interface Scaling {
  /** For bytes in units of the whole range: (v/255 − mean)/deviation. One entry a channel, or one for all. */
  readonly mean: readonly number[];
  /** > 0. */
  readonly deviation: readonly number[];
}

/** count images, row by row, channel last; pixels[((i·height + y)·width + x)·channels + c]. */
export interface LabelledImages {
  readonly count: number;
  /** [height, width, channels], in pixels and channels. */
  readonly shape: readonly [height: number, width: number, channels: number];
  /** Bytes 0 … 255, or finite numbers of any size. */
  readonly pixels: Uint8Array | Float32Array;
  /** One class number in [0, classes) for each image. */
  readonly labels: Uint8Array | Uint16Array;
  /** Default: bytes to −1 … 1, numbers as they are. */
  readonly scaling?: Scaling;
}

/** Two sets of images with labels below `classes`. Only `train` is private: `test` stands for public data. */
export interface Dataset {
  readonly name: string;
  readonly classes: number;
  readonly train: LabelledImages;
  readonly test: LabelledImages;
  /** Where `train` and `test` are features: what made them of the images, and the training images themselves. */
  readonly frontEnd?: string;
  readonly original?: LabelledImages;
}

/** Labels are 16-bit numbers at most. */
export const MOST_CLASSES = 65_536;

/** Data that cannot be used: one line that says which file or part, what was found and what is allowed. */
export class DatasetError extends Error {
  override readonly name = "DatasetError";
}

const IMAGES_FIELDS = {
  count: true,
  shape: true,
  pixels: true,
  labels: true,
  scaling: true,
} satisfies FieldsOf<LabelledImages>;
const SCALING_FIELDS = { mean: true, deviation: true } satisfies FieldsOf<Scaling>;
const DATASET_FIELDS = {
  name: true,
  classes: true,
  train: true,
  test: true,
  frontEnd: true,
  original: true,
} satisfies FieldsOf<Dataset>;

/** Throws ArgumentError or DatasetError unless both sets are labelled images of one shape and nothing else is given with them. */
export function checkDataset(data: Dataset): void {
  if (typeof data !== "object" || data === null || Array.isArray(data))
    throw new ArgumentError("data", "a data set", shown(data));
  checkFields("a data set", data, DATASET_FIELDS, { path: "data" });
  text("data.name", data.name);
  whole("data.classes", data.classes, 2, MOST_CLASSES);
  // Whoever made them: a label that is no class would be another example's.
  for (const part of ["train", "test"] as const)
    checkLabelledImages(data[part], data.classes, `${data.name}: ${part}`, `data.${part}`);
  if (!(String(data.train.shape) === String(data.test.shape)))
    throw new DatasetError(
      `${data.name}: training images are ${data.train.shape.join(" x ")}, test images ${data.test.shape.join(" x ")}`,
    );
}

/**
 * Throws DatasetError unless sizes agree, every number is finite and every label is a whole number in [0, classes);
 * ArgumentError where something else is given with them. path: where they stand in what was given.
 */
export function checkLabelledImages(
  images: LabelledImages,
  classes: number,
  name: string,
  path = "images",
): void {
  checkFields("a set of images", images, IMAGES_FIELDS, {
    path,
    advice: { sampleWeights: "all count the same" },
  });
  const { count, shape, pixels, labels, scaling } = images;
  if (
    !(
      Array.isArray(shape) &&
      shape.length === 3 &&
      shape.every((side) => Number.isSafeInteger(side) && side >= 1)
    )
  )
    throw new DatasetError(`${name}: shape must be [height, width, channels], got ${shown(shape)}`);
  const [height, width, channels] = shape;
  if (!(Number.isSafeInteger(count) && count >= 1))
    throw new DatasetError(`${name}: needs at least 1 image, got ${count}`);
  if (!(pixels instanceof Uint8Array || pixels instanceof Float32Array))
    throw new DatasetError(`${name}: pixels must be a Uint8Array or a Float32Array, got ${kindOf(pixels)}`);
  if (!(labels instanceof Uint8Array || labels instanceof Uint16Array))
    throw new DatasetError(`${name}: labels must be a Uint8Array or a Uint16Array, got ${kindOf(labels)}`);
  if (scaling !== undefined) checkFields("scaling", scaling, SCALING_FIELDS, { path: `${path}.scaling` });
  if (!(pixels.length === count * height * width * channels))
    throw new DatasetError(
      `${name}: ${count} images of ${height} x ${width} x ${channels} need ${count * height * width * channels} pixel values, got ${pixels.length}`,
    );
  if (!(labels.length === count))
    throw new DatasetError(`${name}: ${count} images need ${count} labels, got ${labels.length}`);
  for (let i = 0; i < count; i++)
    if (!(labels[i] < classes))
      throw new DatasetError(
        `${name}: label ${i + 1} of ${count} must be in [0, ${classes - 1}], got ${labels[i]}`,
      );
  if (pixels instanceof Float32Array)
    for (let i = 0; i < pixels.length; i++)
      if (!Number.isFinite(pixels[i]))
        throw new DatasetError(
          `${name}: image ${Math.floor(i / (height * width * channels)) + 1} of ${count} must be of finite numbers, got ${pixels[i]}`,
        );
  for (const part of [scaling?.mean, scaling?.deviation])
    if (part && !((part.length === channels || part.length === 1) && part.every(Number.isFinite)))
      throw new DatasetError(
        `${name}: scaling must have 1 or ${channels} finite numbers, got [${part.join(", ")}]`,
      );
  if (scaling && !scaling.deviation.every((value) => value > 0))
    throw new DatasetError(
      `${name}: scaling must divide by numbers > 0, got [${scaling.deviation.join(", ")}]`,
    );
}

/** "Array", "Float64Array", "nothing". */
function kindOf(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  return Object.getPrototypeOf(value)?.constructor?.name ?? typeof value;
}
