// A data set of one's own: anything that can give its n-th example.
import { text, whole } from "../../formats/argumentChecks.js";
import { checkFields, type FieldsOf } from "../../formats/knownFields.js";
import {
  checkLabelledImages,
  type Dataset,
  DatasetError,
  type LabelledImages,
  MOST_CLASSES,
  type Scaling,
} from "./dataset.js";

/** Random access to examples; both methods may answer at once or later. */
export interface ExampleSource {
  /** Whole number ≥ 1. */
  readonly count: number;
  readonly shape: LabelledImages["shape"];
  /** height·width·channels values, bytes or numbers: the same kind for every example. */
  values(index: number): ArrayLike<number> | Promise<ArrayLike<number>>;
  /** Class number in [0, classes). */
  label(index: number): number | Promise<number>;
  /** Public constants; default: bytes to −1 … 1, numbers as they are. */
  readonly scaling?: Scaling;
}

/** A data set of one's own: its name, its classes, and where its examples come from. */
export interface DatasetOptions {
  readonly name: string;
  /** 2 to 65,536. */
  readonly classes: number;
  readonly train: ExampleSource;
  readonly test: ExampleSource;
}

const FIELDS = { name: true, classes: true, train: true, test: true } satisfies FieldsOf<DatasetOptions>;

/**
 * Reads each example once, in order, into memory: which examples a step draws is then seen by nobody, and the data
 * cannot change between steps. Throws ArgumentError, and DatasetError if an example is not as declared.
 */
export async function readDataset(options: DatasetOptions): Promise<Dataset> {
  checkFields("readDataset", options, FIELDS);
  const { name, classes } = options;
  text("name", name);
  whole("classes", classes, 2, MOST_CLASSES);
  const [train, test] = [
    await readSource(options.train, classes, `${name}: train`),
    await readSource(options.test, classes, `${name}: test`),
  ];
  if (!(String(train.shape) === String(test.shape)))
    throw new DatasetError(
      `${name}: training images are ${train.shape.join(" x ")}, test images ${test.shape.join(" x ")}`,
    );
  return { name, classes, train, test };
}

async function readSource(source: ExampleSource, classes: number, name: string): Promise<LabelledImages> {
  const { count, shape, scaling } = source;
  if (!(Number.isSafeInteger(count) && count >= 1))
    throw new DatasetError(`${name}: needs at least 1 image, got ${count}`);
  const size = shape[0] * shape[1] * shape[2];
  const labels = new Uint16Array(count);
  let pixels: Uint8Array | Float32Array | undefined;
  for (let i = 0; i < count; i++) {
    const [values, label] = [await source.values(i), await source.label(i)];
    pixels ??=
      values instanceof Uint8Array || values instanceof Uint8ClampedArray
        ? new Uint8Array(count * size)
        : new Float32Array(count * size);
    if (!(values.length === size))
      throw new DatasetError(
        `${name}: example ${i + 1} of ${count} must have ${size} values, got ${values.length}`,
      );
    if (!(Number.isInteger(label) && label >= 0 && label < classes))
      throw new DatasetError(
        `${name}: label ${i + 1} of ${count} must be in [0, ${classes - 1}], got ${label}`,
      );
    pixels.set(values, i * size);
    labels[i] = label;
  }
  const images: LabelledImages = { count, shape, pixels: pixels!, labels, ...(scaling && { scaling }) };
  checkLabelledImages(images, classes, name);
  return images;
}
