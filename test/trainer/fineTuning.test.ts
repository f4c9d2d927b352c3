// Fine-tuning end to end: frozen parameters stay to the bit, a new head starts anew, a resumed run has them still.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, test, vi } from "vitest";
import { resumeTraining, train } from "../../src/runs/train.js";
import type { TrainOptions } from "../../src/runs/trainOptions.js";
import type { NetworkSpec } from "../../src/trainer/layers/network.js";
import { Optimizer } from "../../src/trainer/optimizer.js";
import { decodeSafetensors } from "../../src/trainer/safetensors.js";
import { closeSharedThreads } from "../support/sharedThreads.js";
import { dataOf, planOf } from "./support.js";

vi.mock("../../src/engines/threads/threads.js", async (original) =>
  (await import("../support/sharedThreads.js")).sharingThreads(
    await original<typeof import("../../src/engines/threads/threads.js")>(),
  ),
);
afterAll(closeSharedThreads);

const data = dataOf(120);
const model: NetworkSpec = {
  name: "small",
  inputShape: [8, 8, 1],
  classes: 4,
  layers: [
    { kind: "conv2d", filters: 8, kernelSize: 3, stride: 2, weightStandardised: true },
    { kind: "relu" },
    { kind: "group-norm", groups: 2 },
    { kind: "flatten" },
    { kind: "dense", units: 4 },
  ],
};
const plan = planOf({ examples: 120, batchSize: 30, steps: 6, noiseMultiplier: 2 });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dpsgd-fine-"));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});
const options = (name: string, more: Partial<TrainOptions> = {}): TrainOptions => ({
  ...{ data, model, out: join(folder, name), backend: "wasm", workers: 1 },
  ...more,
});
const weightsOf = (name: string) =>
  decodeSafetensors(readFileSync(join(folder, name, "weights.safetensors"))).tensors;
const plain = (name: string) => weightsOf(name).filter((tensor) => !tensor.name.startsWith("average/"));

test("frozen parameters stay to the bit, in the average too; noise reaches the others only", async () => {
  await train(plan, options("first"));
  const weights = plain("first");
  await train(plan, options("second", { weights, freeze: ["body"] }));
  const after = weightsOf("second");
  const names = weights.map(({ name }) => name).sort();
  expect(after.map(({ name }) => name).sort()).toEqual(
    names.flatMap((name) => [name, `average/${name}`]).sort(),
  );
  for (const { name, values } of weights)
    for (const prefix of ["", "average/"]) {
      const now = after.find((tensor) => tensor.name === prefix + name)!.values;
      if (name.startsWith("4.dense/")) expect(now).not.toEqual(values);
      else expect(now).toEqual(values);
    }
});

test("a head that is reset starts by the seed, the rest from the weights", async () => {
  await train(plan, options("first"));
  const weights = plain("first");
  const started: Float32Array[][] = [];
  const update = Optimizer.prototype.update;
  vi.spyOn(Optimizer.prototype, "update").mockImplementation(function (this: Optimizer, ...given) {
    if (this.updates === 0) started.push(this.parameters.map((part) => part.slice()));
    update.apply(this, given);
  });
  await train(plan, options("second", { weights, reset: ["4.*"], seedInitialisation: 5 }));
  await train(plan, options("third", { seedInitialisation: 5 }));
  const [tuned, anew] = started;
  weights.forEach(({ name, values }, index) => {
    expect(tuned![index]).toEqual(name.startsWith("4.") ? anew![index] : values);
  });
});

test("a run with frozen parameters that stopped goes on with them", async () => {
  await train(plan, options("first"));
  const weights = plain("first");
  const stopping = new AbortController();
  const stopped = train(
    plan,
    options("second", {
      weights,
      freeze: ["0.*", "*/scale"],
      signal: stopping.signal,
      onProgress: ({ step }) => {
        if (step === 3) stopping.abort();
      },
    }),
  );
  await expect(stopped).rejects.toThrow("training stopped after step 3");
  const result = await resumeTraining(join(folder, "second"), { data, backend: "wasm", workers: 1 });
  expect(result.steps).toBe(6);
  const after = plain("second");
  for (const { name, values } of weights) {
    const now = after.find((tensor) => tensor.name === name)!.values;
    if (/^0\.|\/scale$/.test(name)) expect(now).toEqual(values);
    else expect(now).not.toEqual(values);
  }
});

test("schedule, optimizer and automatic clipping reach the update", async () => {
  const rates: number[] = [];
  vi.spyOn(Optimizer.prototype, "update").mockImplementation(function (this: Optimizer) {
    rates.push((this as unknown as { rate(step: number): number }).rate(rates.length + 1));
  });
  await train(plan, options("run", { learningRate: "2*t/T", optimizer: "adam-corrected", clipGamma: 0.01 }));
  expect(rates).toEqual([1, 2, 3, 4, 5, 6].map((t) => (2 * t) / 6));
});

test.each([
  [{ freeze: ["body"] }, "freeze must be left out without weights, got body"],
  [{ reset: ["4.*"] }, "reset must be left out without weights, got 4.*"],
  [{ weights: [], freeze: ["body"] }, "weights must have the 7 parameters of small"],
  [{ learningRate: "1 - t" }, "learningRate must be >= 0 at every step, got -1 at t = 2"],
  [{ optimizer: "lamb" as never }, "optimizer must be one of sgd, adam, adam-corrected, got lamb"],
  [{ optimizer: "adam" as const, momentum: 0.5 }, "momentum must be 0 with optimizer adam, got 0.5"],
  [{ clipGamma: 0 }, "clipGamma must be > 0 and finite, got 0"],
])("what makes no sense is refused before a folder is made: %j", async (more, message) => {
  await expect(train(plan, options("refused", more))).rejects.toThrow(message);
});
