// What a run does while the engine is at work on a step: in the right order, and nothing of it twice.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, test, vi } from "vitest";
import { CheckpointStore } from "../../src/runs/checkpoint.js";
import { LedgerWriter } from "../../src/runs/ledgerFile.js";
import { resumeTraining, train } from "../../src/runs/train.js";
import type { NetworkSpec } from "../../src/trainer/layers/network.js";
import { Optimizer } from "../../src/trainer/optimizer.js";
import { GaussianNoise } from "../../src/trainer/random/gaussianNoise.js";
import { closeSharedThreads } from "../support/sharedThreads.js";
import { dataOf, planOf } from "./support.js";

afterAll(closeSharedThreads);
vi.setConfig({ testTimeout: 240_000 });
/** The step that the engine fails at after it was asked, and whether it tells that it was asked. */
const engine = vi.hoisted(() => ({ fails: 0, tells: true }));
vi.mock("../../src/engines/threads/threads.js", async (original) => {
  const { sharingThreads } = await import("../support/sharedThreads.js");
  const actual = sharingThreads(await original<typeof import("../../src/engines/threads/threads.js")>());
  const startThreads: typeof actual.startThreads = async (options) => {
    const started = await actual.startThreads(options);
    const clippedSum = started.clippedSum.bind(started);
    started.clippedSum = async (parameters, batch, clip, asked) => {
      const sum = await clippedSum(parameters, batch, clip, engine.tells ? asked : undefined);
      // Long enough for all draws that were begun.
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (batch.step === engine.fails) throw new Error("the device was lost");
      return sum;
    };
    return started;
  };
  return { ...actual, startThreads };
});

const data = dataOf(120);
const model: NetworkSpec = {
  name: "small",
  inputShape: [8, 8, 1],
  classes: 4,
  layers: [{ kind: "flatten" }, { kind: "dense", units: 4 }],
};
const plan = planOf({ examples: 120, batchSize: 30, steps: 4, noiseMultiplier: 2 });
const options = { data, backend: "cpu", workers: 1, checkpointEvery: 2 } as const;

let folder: string;
let out: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dpsgd-meanwhile-"));
  out = join(folder, "run");
  Object.assign(engine, { fails: 0, tells: true });
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

/** Everything of a run that has an order, and on which object. */
function watch() {
  const seen: { what: string; on: object }[] = [];
  const note = <T extends object>(prototype: T, method: keyof T & string) => {
    const original = prototype[method] as unknown as (this: T, ...given: unknown[]) => unknown;
    vi.spyOn(prototype as never, method as never).mockImplementation(function (this: T, ...given: unknown[]) {
      seen.push({ what: method, on: this });
      return original.apply(this, given);
    } as never);
  };
  note(GaussianNoise.prototype, "drawAhead");
  note(GaussianNoise.prototype, "addToSum");
  note(LedgerWriter.prototype, "step");
  note(Optimizer.prototype, "update");
  note(CheckpointStore.prototype, "save");
  return { seen, order: () => seen.map(({ what }) => what) };
}

const STEP = ["drawAhead", "addToSum", "step", "update"];
const ORDER = ["save", ...STEP, ...STEP, "save", ...STEP, ...STEP, "save"];

test.each([true, false])(
  "the checkpoint of the steps before and the noise, then the ledger's line, then the update; the engine tells: %s",
  async (tells) => {
    engine.tells = tells;
    const { order } = watch();
    await train(plan, { ...options, model, out });
    expect(order()).toEqual(ORDER);
  },
);

test("noise of a step that failed is thrown away: what goes on draws its own, from another stream", async () => {
  engine.fails = 3;
  const { seen, order } = watch();
  await expect(train(plan, { ...options, model, out })).rejects.toThrow("the device was lost");
  // Drawn for the third step, and added to nothing; the ledger does not count it.
  expect(order()).toEqual(["save", ...STEP, ...STEP, "save", "drawAhead"]);
  const failed = seen.find(({ what }) => what === "drawAhead")!.on;
  seen.length = 0;
  engine.fails = 0;
  const result = await resumeTraining(out, options);
  expect([result.steps, result.lostSteps]).toEqual([4, 0]);
  expect(order().filter((what) => what !== "save")).toEqual([...STEP, ...STEP]);
  for (const { what, on } of seen)
    if (what === "drawAhead" || what === "addToSum") expect(on).not.toBe(failed);
});
