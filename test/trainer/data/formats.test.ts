// CIFAR binary files, NumPy arrays, folders of images and sources of one's own: what they hold, and every refusal.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { afterAll, expect, test } from "vitest";
import { CIFAR_VERSIONS, readCifar } from "../../../src/runs/data/cifar.js";
import { loadDataset, openDataset } from "../../../src/runs/data/loadDataset.js";
import { readNpy } from "../../../src/runs/data/npy.js";
import { DatasetError } from "../../../src/trainer/data/dataset.js";
import { type ExampleSource, readDataset } from "../../../src/trainer/data/exampleSource.js";
import { viewsOf } from "../support.js";

const scratch = mkdtempSync(join(tmpdir(), "dpsgd-formats-"));
afterAll(() => rmSync(scratch, { recursive: true }));

async function refusal(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    expect(error).toBeInstanceOf(DatasetError);
    expect((error as Error).message).not.toContain("\n");
    return (error as Error).message;
  }
  throw new Error("nothing was refused");
}

const CIFAR10 = resolve("../shared/data/cifar10/unpack.mjs");

test.skipIf(!existsSync(CIFAR10))(
  "CIFAR-10's test set is the canonical one (skipped: no ../shared/data/cifar10)",
  { timeout: 240_000 },
  () => {
    execFileSync(process.execPath, [CIFAR10, scratch, "test_batch.br"], { stdio: "ignore" });
    const path = join(scratch, "test_batch.bin");
    const images = readCifar(
      [{ path, name: "test_batch.bin", bytes: readFileSync(path) }],
      CIFAR_VERSIONS[0],
    );
    // As every other reader has it: a cat, two ships, an airplane, a frog; the cat's first pixel is 158, 112, 49.
    expect([...images.labels.subarray(0, 5)]).toEqual([3, 8, 8, 0, 6]);
    expect([...images.pixels.subarray(0, 3)]).toEqual([158, 112, 49]);
    expect(images).toMatchObject({ count: 10_000, shape: [32, 32, 3] });
    // Ten classes of a thousand.
    for (let label = 0; label < 10; label++)
      expect(images.labels.filter((each) => each === label).length).toBe(1000);
  },
);

test("CIFAR: planes become triples, the fine label counts, and files are checked against their declared size", async () => {
  const bytes = new Uint8Array(10_000 * 3074);
  const record = 3074 * 7;
  bytes.set([19, 99], record);
  bytes.set([1, 2, 3], record + 2);
  bytes.set([4, 5, 6], record + 2 + 1024);
  bytes.set([7, 8, 9], record + 2 + 2048);
  const file = { path: "a/test.bin", name: "test.bin", bytes };
  const images = readCifar([file], CIFAR_VERSIONS[1]);
  expect(images.labels[7]).toBe(99);
  expect([...images.pixels.subarray(7 * 3072, 7 * 3072 + 9)]).toEqual([1, 4, 7, 2, 5, 8, 3, 6, 9]);
  const cut = { ...file, bytes: bytes.subarray(0, -1) };
  expect(await refusal(() => readCifar([cut], CIFAR_VERSIONS[1]))).toBe(
    "a/test.bin: truncated: a CIFAR-100 file of 30740000 bytes expected, got 30739999",
  );
  const folder = join(scratch, "cifar-100");
  mkdirSync(folder);
  writeFileSync(join(folder, "test.bin"), bytes);
  expect(await refusal(() => loadDataset(folder))).toBe(`${folder}: train.bin is missing`);
});

test("CIFAR's inputs are (x/255 − mean)/deviation with the published constants, MNIST's 2x/255 − 1", () => {
  const bytes = new Uint8Array(10_000 * 3073).fill(100);
  const images = readCifar([{ path: "", name: "test_batch.bin", bytes }], CIFAR_VERSIONS[0]);
  const [red, green, blue] = viewsOf(images, Uint32Array.of(3), 0, 1, { views: 0, seed: 0 }, 0);
  expect(red).toBeCloseTo((100 / 255 - 0.49139968) / 0.24703223, 5);
  expect(green).toBeCloseTo((100 / 255 - 0.48215841) / 0.24348513, 5);
  expect(blue).toBeCloseTo((100 / 255 - 0.44653091) / 0.26158784, 5);
  const grey = {
    count: 1,
    shape: [1, 2, 1] as const,
    pixels: Uint8Array.of(0, 100),
    labels: new Uint8Array(1),
  };
  const inputs = viewsOf(grey, Uint32Array.of(0), 0, 1, { views: 0, seed: 0 }, 0);
  expect(inputs[0]).toBe(-1);
  expect(inputs[1]).toBeCloseTo(200 / 255 - 1, 6);
  const floats = { ...grey, pixels: Float32Array.of(-3.5, 1e3) };
  expect([...viewsOf(floats, Uint32Array.of(0), 0, 1, { views: 0, seed: 0 }, 0)]).toEqual([-3.5, 1000]);
});

/** Written by NumPy 2: arange(6).reshape(2, 3) as <i8, [[1.5, -2.25]] as >f8, a Fortran-ordered array, and an archive. */
const NUMPY = {
  int64:
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPGk4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAAAEAAAAAAAAAAgAAAAAAAAADAAAAAAAAAAQAAAAAAAAABQAAAAAAAAA=",
  bigEndian:
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPmY4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsIDIpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAo/+AAAAAAAAMACAAAAAAAA",
  fortran:
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAABAQAAAgD8AAIBAAAAAQAAAoEA=",
  archive:
    "UEsDBC0AAAAIAAAAIQCaCbEc//////////8LABQAeF90cmFpbi5ucHkBABAAjAAAAAAAAABUAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loF5Taqiuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GsY6CkZApKmjUKtAHuBiYGRiZmFlY+fg5OIGAFBLAwQtAAAACAAAACEAihrOE///////////CwAUAHlfdHJhaW4ubnB5AQAQAJgAAAAAAAAASgAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBuk2mhrqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RrGOpo6CrUKFAAuJgZUwAilAVBLAwQtAAAACAAAACEA29Wb6f//////////CgAUAHhfdGVzdC5ucHkBABAAhAAAAAAAAABMAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loF5Taqiuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GoY6CkZApKmjUKtAHuD6z8DIBABQSwMELQAAAAgAAAAhAE+3p13//////////woAFAB5X3Rlc3QubnB5AQAQAIQAAAAAAAAASAAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBuk2mirqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RqGOpo6CrUKFAAuJgYGBgBQSwECLQMtAAAACAAAACEAmgmxHFQAAACMAAAACwAAAAAAAAAAAAAAgAEAAAAAeF90cmFpbi5ucHlQSwECLQMtAAAACAAAACEAihrOE0oAAACYAAAACwAAAAAAAAAAAAAAgAGRAAAAeV90cmFpbi5ucHlQSwECLQMtAAAACAAAACEA29Wb6UwAAACEAAAACgAAAAAAAAAAAAAAgAEYAQAAeF90ZXN0Lm5weVBLAQItAy0AAAAIAAAAIQBPt6ddSAAAAIQAAAAKAAAAAAAAAAAAAACAAaABAAB5X3Rlc3QubnB5UEsFBgAAAAAEAAQA4gAAACQCAAAAAA==",
};
const numpy = (name: keyof typeof NUMPY): Uint8Array => Buffer.from(NUMPY[name], "base64");

test("NumPy's own arrays are read, whatever their type and byte order", async () => {
  expect(readNpy(numpy("int64"), "x")).toEqual({ shape: [2, 3], values: Float32Array.of(0, 1, 2, 3, 4, 5) });
  expect(readNpy(numpy("bigEndian"), "x")).toEqual({ shape: [1, 2], values: Float32Array.of(1.5, -2.25) });
  expect(await refusal(() => readNpy(numpy("fortran"), "x"))).toBe(
    "x: rows must come one after the other (fortran_order False)",
  );
  expect(await refusal(() => readNpy(numpy("int64").subarray(0, -1), "x"))).toBe(
    "x: truncated: 2 x 3 values of 8 bytes need 176 bytes, got 175",
  );
});

test("an .npz archive of Keras's names is a data set; damaged or incomplete it is refused", async () => {
  const path = join(scratch, "small.npz");
  writeFileSync(path, numpy("archive"));
  const data = loadDataset(path);
  expect(data).toMatchObject({ name: "small", classes: 3 });
  expect(data.train).toMatchObject({ count: 3, shape: [2, 2, 1], labels: Uint16Array.of(2, 0, 1) });
  expect([...data.train.pixels]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  expect([...data.test.pixels]).toEqual([255, 0, 1, 2]);
  writeFileSync(path, numpy("archive").subarray(0, 300));
  expect(await refusal(() => loadDataset(path))).toContain("damaged or truncated .npz archive");
  const folder = join(scratch, "arrays");
  mkdirSync(folder);
  writeFileSync(join(folder, "x_train.npy"), numpy("int64"));
  expect(await refusal(() => loadDataset(folder))).toContain(`${folder}: array y_train is missing`);
  expect(await refusal(() => loadDataset(join(scratch, "none.npz")))).toContain("does not exist");
});

test("bytes that are no array are refused, never misread", () => {
  const good = numpy("bigEndian");
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), (at, value) => {
      const bytes = good.slice();
      bytes[at] = value;
      try {
        const { shape, values } = readNpy(bytes, "x");
        expect(values.length).toBe(shape.reduce((a, b) => a * b, 1));
      } catch (error) {
        expect(error).toBeInstanceOf(DatasetError);
      }
    }),
  );
});

test("a folder of images by class: classes of the public part, one size or scaled, clear refusals", async () => {
  const folder = join(scratch, "photos");
  const image = async (path: string, width: number, height: number, background: string) => {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    const plain = sharp({ create: { width, height, channels: 3, background } });
    await plain.png().toFile(join(folder, path));
  };
  await image("test/cat/1.png", 4, 2, "#ff0000");
  await image("test/dog/1.png", 4, 2, "#00ff00");
  await image("train/dog/9.png", 4, 2, "#0000ff");
  const data = await openDataset(folder);
  expect(data).toMatchObject({ name: "photos", classes: 2 });
  expect(data.train).toMatchObject({ count: 1, shape: [2, 4, 3], labels: Uint16Array.of(1) });
  expect([...data.train.pixels.subarray(0, 6)]).toEqual([0, 0, 255, 0, 0, 255]);
  expect([...data.test.pixels.subarray(0, 3)]).toEqual([255, 0, 0]);
  expect(await refusal(() => loadDataset(folder))).toContain("openDataset reads it");

  await image("train/cat/2.png", 6, 6, "#808080");
  expect(await refusal(() => openDataset(folder))).toContain(
    "2.png: all images must be of one size, 4 x 2 so far, got 6 x 6",
  );
  const scaled = await openDataset(`${folder}@3`);
  expect(scaled.train).toMatchObject({ count: 2, shape: [3, 3, 3], labels: Uint16Array.of(0, 1) });
  expect([...scaled.train.pixels.subarray(0, 3)]).toEqual([128, 128, 128]);

  writeFileSync(join(folder, "train/dog/broken.jpg"), "no image");
  expect(await refusal(() => openDataset(`${folder}@3`))).toContain(
    "broken.jpg: not an image that can be read",
  );
  mkdirSync(join(folder, "train/horse"));
  expect(await refusal(() => openDataset(folder))).toContain("horse: no class of the test part: cat, dog");
  expect(await refusal(() => openDataset(`${scratch}@3`))).toContain("must hold images by class");
  expect(await refusal(() => openDataset(`${folder}@0`))).toContain(
    `data must be scaled to at least one pixel, got ${folder}@0`,
  );
});

test("a source of one's own is read once, in order, and every example must be as declared", async () => {
  const read: number[] = [];
  const source = (changes: Partial<ExampleSource> = {}): ExampleSource => ({
    count: 3,
    shape: [1, 2, 1],
    values: async (index) => {
      read.push(index);
      return [index / 2, 1 - index];
    },
    label: (index) => index,
    ...changes,
  });
  const of = (train: ExampleSource) => readDataset({ name: "own", classes: 3, train, test: source() });
  const data = await of(source());
  expect(read).toEqual([0, 1, 2, 0, 1, 2]);
  expect(data.train.pixels).toEqual(Float32Array.of(0, 1, 0.5, 0, 1, -1));
  const bytes = await of(source({ values: () => Uint8Array.of(7, 8) }));
  expect(bytes.train.pixels).toEqual(Uint8Array.of(7, 8, 7, 8, 7, 8));
  expect(await refusal(() => of(source({ label: () => 3 })))).toBe(
    "own: train: label 1 of 3 must be in [0, 2], got 3",
  );
  expect(await refusal(() => of(source({ values: () => [1] })))).toBe(
    "own: train: example 1 of 3 must have 2 values, got 1",
  );
  expect(await refusal(() => of(source({ values: () => [1, Number.NaN] })))).toBe(
    "own: train: image 1 of 3 must be of finite numbers, got NaN",
  );
  expect(await refusal(() => of(source({ scaling: { mean: [0], deviation: [0] } })))).toBe(
    "own: train: scaling must divide by numbers > 0, got [0]",
  );
});

test.skipIf(!existsSync("/usr/share/datasets/fashion-mnist"))(
  "fashion-mnist is found where Debian puts it (skipped: dataset-fashion-mnist is not installed)",
  () => {
    const data = loadDataset("fashion-mnist");
    expect(data.train).toMatchObject({ count: 60_000, shape: [28, 28, 1] });
    // An ankle boot, two T-shirts, a dress, a T-shirt.
    expect([...data.train.labels.subarray(0, 5)]).toEqual([9, 0, 0, 3, 0]);
  },
);
