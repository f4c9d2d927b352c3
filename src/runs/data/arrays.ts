// A data set from four arrays, named as Keras names them: x_train, y_train, x_test, y_test.
import {
  checkLabelledImages,
  type Dataset,
  DatasetError,
  type LabelledImages,
} from "../../trainer/data/dataset.js";
import type { NpyArray } from "./npy.js";

export const ARRAY_NAMES = ["x_train", "y_train", "x_test", "y_test"] as const;

/** More classes than this are a mistake: labels that are no class numbers. */
const MOST_CLASSES = 2 ** 16;

/**
 * x is [N, height, width], [N, height, width, channels] or [N, features]; y is [N] or [N, 1], whole numbers from 0.
 * Bytes are scaled to −1 … 1, other numbers are taken as they are. The number of classes is that of the test labels,
 * which are public: it must not depend on the private ones. where: the file or folder, for refusals.
 */
export function datasetFromArrays(
  arrays: ReadonlyMap<string, NpyArray>,
  name: string,
  where: string,
): Dataset {
  for (const each of ARRAY_NAMES)
    if (!arrays.has(each))
      throw new DatasetError(
        `${where}: array ${each} is missing: ${ARRAY_NAMES.join(", ")} needed, got ${[...arrays.keys()].join(", ") || "none"}`,
      );
  const testLabels = labelsOf(arrays.get("y_test")!, `${where}: y_test`);
  const classes = 1 + testLabels.reduce((a, b) => Math.max(a, b), 0);
  const part = (side: "train" | "test"): LabelledImages => {
    const labels = side === "test" ? testLabels : labelsOf(arrays.get("y_train")!, `${where}: y_train`);
    const { shape, values } = arrays.get(`x_${side}`)!;
    if (!(shape.length >= 2 && shape.length <= 4))
      throw new DatasetError(
        `${where}: x_${side} must be [N, height, width], [N, height, width, channels] or [N, features], got [${shape.join(", ")}]`,
      );
    const [count, a, b, c] = shape as [number, number, number?, number?];
    const images: LabelledImages = {
      count,
      shape: b === undefined ? [1, 1, a] : [a, b, c ?? 1],
      pixels: values,
      labels,
    };
    checkLabelledImages(images, classes, `${where}: ${side}`);
    return images;
  };
  return { name, classes, train: part("train"), test: part("test") };
}

function labelsOf({ shape, values }: NpyArray, name: string): Uint16Array {
  if (!(shape.length === 1 || (shape.length === 2 && shape[1] === 1)))
    throw new DatasetError(`${name} must be [N], one class number each, got [${shape.join(", ")}]`);
  for (const [i, value] of values.entries())
    if (!(Number.isInteger(value) && value >= 0 && value < MOST_CLASSES))
      throw new DatasetError(
        `${name}: label ${i + 1} of ${values.length} must be a whole number in [0, ${MOST_CLASSES - 1}], got ${value}`,
      );
  return Uint16Array.from(values);
}
