// Features of whole data sets: threads, the copy on disk, training on them, and the fingerprint of the images.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { plan } from "../../../src/planner/solve.js";
import { datasetFingerprint } from "../../../src/runs/data/fingerprint.js";
import { scatteringFeatures } from "../../../src/runs/features/extract.js";
import { readFingerprintSalt } from "../../../src/runs/runFolder.js";
import { train } from "../../../src/runs/train.js";
import type { Dataset } from "../../../src/trainer/data/dataset.js";
import { ScatteringFrontEnd } from "../../../src/trainer/features/frontEnd.js";

const scratch = mkdtempSync(join(tmpdir(), "dpsgd-features-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const part = (count: number, seed: number) => ({
  count,
  shape: [8, 8, 1] as const,
  pixels: Uint8Array.from({ length: 64 * count }, (_, i) => (i * i * seed) % 251),
  labels: Uint8Array.from({ length: count }, (_, i) => i % 2),
});
const data: Dataset = { name: "small", classes: 2, train: part(40, 7), test: part(10, 3) };

test("threads give what one call a image gives, with the labels as they were", async () => {
  const features = await scatteringFeatures(data, { workers: 2 });
  const frontEnd = new ScatteringFrontEnd([8, 8, 1]);
  const size = frontEnd.shape.reduce((a, b) => a * b, 1);
  expect(features.train).toMatchObject({ count: 40, shape: [2, 2, 81], labels: data.train.labels });
  for (const [images, found] of [
    [data.train, features.train],
    [data.test, features.test],
  ] as const)
    for (let i = 0; i < images.count; i++) {
      const expected = new Uint8Array(size);
      frontEnd.features(images, i, expected, 0);
      expect(found.pixels.subarray(i * size, (i + 1) * size)).toEqual(expected);
    }
  expect(features.original).toBe(data.train);
});

test("the copy on disk is its owner's alone, is used while whole and of the same data, and else made anew", async () => {
  const cache = join(scratch, "cache");
  const features = await scatteringFeatures(data, { workers: 1, cache });
  const files = readdirSync(cache).map((file) => join(cache, file));
  expect(files.length).toBe(2);
  for (const file of files) expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(statSync(cache).mode & 0o777).toBe(0o700);
  expect((await scatteringFeatures(data, { cache })).train.pixels).toEqual(features.train.pixels);

  // One bit of each file: noticed, and put right.
  for (const file of files) {
    const bytes = readFileSync(file);
    bytes[100] ^= 1;
    writeFileSync(file, bytes);
  }
  expect((await scatteringFeatures(data, { workers: 1, cache })).train.pixels).toEqual(features.train.pixels);

  const changed = {
    ...data,
    train: { ...data.train, pixels: data.train.pixels.map((value) => 255 - value) },
  };
  const others = await scatteringFeatures(changed, { workers: 1, cache });
  expect(others.train.pixels).not.toEqual(features.train.pixels);
  expect(readdirSync(cache).length).toBe(3);
  const file = join(scratch, "file");
  writeFileSync(file, "");
  await expect(scatteringFeatures(data, { cache: join(file, "below") })).rejects.toThrow(/^feature cache /);
});

test("a linear model trains on them, and the ledger's fingerprint is that of the images", async () => {
  const out = join(scratch, "run");
  const made = plan({ examples: 40, batchSize: 20, steps: 4, epsilon: 3, delta: 1e-3 });
  await train(made, {
    data: await scatteringFeatures(data, { workers: 1 }),
    model: "linear",
    out,
    workers: 1,
    backend: "wasm",
  });
  expect(readFileSync(join(out, "ledger.jsonl"), "utf8")).toContain(
    datasetFingerprint(data.train, readFingerprintSalt(out)),
  );
  expect(JSON.parse(readFileSync(join(out, "model.json"), "utf8"))).toMatchObject({
    frontEnd: "scattering J=2 L=8, version 1, groups=27",
  });
});

test("images that no front end takes are refused in one line", async () => {
  const odd = { ...data, train: { ...data.train, shape: [4, 16, 1] as const } };
  await expect(scatteringFeatures(odd)).rejects.toThrow(
    "small: image height must be a multiple of 4 and at least 8 for scattering, got 4",
  );
});
