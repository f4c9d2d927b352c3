// Checkpoints: read back to the bit, damaged in no byte unnoticed, there whole or not at all, few at a time.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CheckpointStore, decodeCheckpoint, encodeCheckpoint } from "../../src/runs/checkpoint.js";
import { Optimizer } from "../../src/trainer/optimizer.js";
import { decodeFloats } from "../../src/trainer/safetensors.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dpsgd-checkpoint-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const parameters = [
  { name: "0.dense/kernel", shape: [2, 3] },
  { name: "0.dense/bias", shape: [3] },
];
const fresh = () =>
  new Optimizer([new Float32Array(6).fill(0.25), new Float32Array(3)], {
    learningRate: 0.5,
    momentum: 0.9,
    averageDecay: 0.99,
  });
const noisySum = () => [
  Float64Array.from({ length: 6 }, Math.random),
  Float64Array.from({ length: 3 }, Math.random),
];
const checkpointOf = (optimizer: Optimizer, steps = 7) => ({
  ledger: { steps, lines: steps + 1, hash: "ab".repeat(32) },
  settings: { learningRate: 0.5, text: "σ" },
  parameters,
  optimizer: optimizer.state,
});

test("an optimizer goes on from a checkpoint as if nothing had happened, to the bit", () => {
  const [one, other] = [fresh(), fresh()];
  for (let i = 0; i < 3; i++) one.update(noisySum(), 10);
  const checkpoint = decodeCheckpoint(encodeCheckpoint(checkpointOf(one)));
  expect(checkpoint).toEqual(checkpointOf(one));
  other.restore(checkpoint.optimizer);
  const next = noisySum();
  one.update(next, 10);
  other.update(next, 10);
  expect(other.state).toEqual(one.state);
  expect(other.updates).toBe(4);
});

test("the state of another network or optimizer is refused", () => {
  const plain = new Optimizer([new Float32Array(6)], {
    learningRate: 1,
    momentum: 0,
    averageDecay: undefined,
  });
  expect(() => plain.restore(fresh().state)).toThrow("optimizer state must be that of the same optimizer");
});

test("a change of any single byte is noticed, and so is a file cut anywhere", () => {
  const bytes = encodeCheckpoint(checkpointOf(fresh()));
  expect(decodeCheckpoint(bytes)).toBeDefined();
  for (let i = 0; i < bytes.length; i++) {
    const changed = Uint8Array.from(bytes);
    changed[i] ^= 1 << (i % 8);
    expect(() => decodeCheckpoint(changed), `byte ${i}`).toThrow();
    expect(() => decodeCheckpoint(bytes.subarray(0, i)), `cut at ${i}`).toThrow();
  }
});

test("any reader of safetensors can read one, and it holds tensors and settings only", () => {
  const { tensors, metadata } = decodeFloats(encodeCheckpoint(checkpointOf(fresh())));
  expect(tensors.map(({ name }) => name)).toEqual(
    ["parameters", "velocity", "average"].flatMap((kind) => parameters.map(({ name }) => `${kind}/${name}`)),
  );
  expect(Object.keys(metadata)).toEqual(["sha256", "checkpoint"]);
  expect(Object.keys(JSON.parse(metadata.checkpoint!))).toEqual(["version", "ledger", "updates", "settings"]);
});

test("the last two are kept, the newest that is whole is found, and damaged ones are named", () => {
  const store = new CheckpointStore(join(folder, "checkpoints"));
  expect(store.newest()).toBe(undefined);
  for (const steps of [0, 9, 10, 1_000_000_000]) store.save(checkpointOf(fresh(), steps));
  const names = readdirSync(store.folder).sort();
  expect(names).toEqual(["step-000000010.safetensors", "step-1000000000.safetensors"]);
  expect(store.newest()?.ledger.steps).toBe(1_000_000_000);
  const newest = join(store.folder, "step-1000000000.safetensors");
  writeFileSync(newest, readFileSync(newest).subarray(0, 100));
  const damaged: string[] = [];
  expect(store.newest((message) => damaged.push(message))?.ledger.steps).toBe(10);
  expect(damaged).toEqual([`checkpoint ${newest} is not used: checksum does not match: damaged`]);
  store.removeAll();
  expect(readdirSync(folder)).toEqual([]);
});

test("one that cannot be written leaves the newest before it, and nothing half-written", () => {
  const store = new CheckpointStore(join(folder, "checkpoints"));
  for (const steps of [1, 2]) store.save(checkpointOf(fresh(), steps));
  // The name is taken by a folder: the rename fails.
  mkdirSync(join(store.folder, "step-000000003.safetensors", "x"), { recursive: true });
  expect(() => store.save(checkpointOf(fresh(), 3))).toThrow();
  expect(readdirSync(store.folder).sort()).toEqual([
    "step-000000001.safetensors",
    "step-000000002.safetensors",
    "step-000000003.safetensors",
  ]);
  expect(store.newest()?.ledger.steps).toBe(2);
});
