// Resumed runs: spent steps count, no randomness is used twice, and a folder that cannot be continued is refused.
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, test, vi } from "vitest";
import { audit } from "../../src/audit/audit.js";
import { readLedger } from "../../src/formats/ledgerReader.js";
import { CheckpointStore } from "../../src/runs/checkpoint.js";
import { LedgerWriter } from "../../src/runs/ledgerFile.js";
import { TrainingStoppedError } from "../../src/runs/run.js";
import { resumeTraining, train } from "../../src/runs/train.js";
import type { ResumedFrom, ResumeOptions, TrainOptions } from "../../src/runs/trainOptions.js";
import type { NetworkSpec } from "../../src/trainer/layers/network.js";
import { Optimizer } from "../../src/trainer/optimizer.js";
import { ARITHMETIC } from "../support/runs.js";
import { closeSharedThreads } from "../support/sharedThreads.js";
import { dataOf, planOf } from "./support.js";

afterAll(closeSharedThreads);
vi.setConfig({ testTimeout: 240_000 });
/** The engine fails at this step. */
const failing = vi.hoisted(() => ({ step: 0 }));
vi.mock("../../src/engines/threads/threads.js", async (original) => {
  const { sharingThreads } = await import("../support/sharedThreads.js");
  const actual = sharingThreads(await original<typeof import("../../src/engines/threads/threads.js")>());
  const startThreads: typeof actual.startThreads = async (options) => {
    const engine = await actual.startThreads(options);
    const clippedSum = engine.clippedSum.bind(engine);
    engine.clippedSum = (parameters, batch, clip) =>
      batch.step === failing.step
        ? Promise.reject(new Error("the device was lost"))
        : clippedSum(parameters, batch, clip);
    return engine;
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
const plan = planOf({ examples: 120, batchSize: 30, steps: 12, noiseMultiplier: 2 });

let folder: string;
let out: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dpsgd-resume-"));
  out = join(folder, "run");
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});
const process_ = { data, backend: "cpu", workers: 1 } as const;
const trainTo = async (step: number, more: Partial<TrainOptions> = {}, of = plan) => {
  const stop = new AbortController();
  await expect(
    train(of, {
      ...process_,
      model,
      out,
      momentum: 0.5,
      signal: stop.signal,
      onProgress: (progress) => progress.step === step && stop.abort(),
      ...more,
    }),
  ).rejects.toBeInstanceOf(TrainingStoppedError);
};
/** As if the process had died: the step is in the ledger, and no checkpoint was written after it. */
const crashAt = async (step: number, lostBefore = 0, of = plan) => {
  const update = Optimizer.prototype.update;
  const save = CheckpointStore.prototype.save;
  const dead = vi.spyOn(Optimizer.prototype, "update").mockImplementation(function (
    this: Optimizer,
    sum,
    expected,
  ) {
    if (this.updates === step - 1) throw new Error("power cut");
    update.call(this, sum, expected);
  });
  const full = vi.spyOn(CheckpointStore.prototype, "save").mockImplementation(function (
    this: CheckpointStore,
    each,
  ) {
    if (each.ledger.steps >= step - lostBefore) throw new Error("power cut");
    save.call(this, each);
  });
  await expect(train(of, { ...process_, model, out, momentum: 0.5, onWarning: () => {} })).rejects.toThrow(
    "power cut",
  );
  dead.mockRestore();
  full.mockRestore();
};
const resumed = (more: Partial<ResumeOptions> = {}) => resumeTraining(out, { ...process_, ...more });
const ledgerText = () => readFileSync(join(out, "ledger.jsonl"), "utf8");
const kinds = () =>
  ledgerText()
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line).kind);

test("a run that was stopped goes on: as many steps as planned, each update once, a ledger that says so", async () => {
  await trainTo(5);
  expect(existsSync(join(out, "weights.safetensors"))).toBe(false);
  const found: ResumedFrom[] = [];
  const result = await resumed({ onResume: (each) => found.push(each) });
  expect(found).toEqual([{ steps: 5, lost: 0, left: 7 }]);
  expect([result.steps, result.lostSteps]).toEqual([12, 0]);
  expect(kinds()).toEqual(["run", ...Array(5).fill("step"), "resume", ...Array(7).fill("step"), "end"]);
  const report = audit(plan, ledgerText());
  expect(report).toMatchObject({ verdict: "holds", stepsDone: 12, finished: true });
  expect(report.findings).toEqual([
    {
      code: "resumed",
      severity: "note",
      line: 7,
      expected: "one process from beginning to end",
      found: "taken up by another after 5 steps, all of them in its weights; all are counted",
    },
  ]);
  expect(existsSync(join(out, "checkpoints"))).toBe(false);
  await expect(resumed()).rejects.toThrow("its end line: the run is finished");
});

test("a resumed run is the run that was never stopped, given the same sums", async () => {
  const sums = Array.from({ length: 12 }, (_, i) => [
    Float64Array.from({ length: 256 }, (_, k) => Math.sin(i * 256 + k)),
    Float64Array.from({ length: 4 }, (_, k) => Math.cos(i * 4 + k)),
  ]);
  const update = Optimizer.prototype.update;
  vi.spyOn(Optimizer.prototype, "update").mockImplementation(function (this: Optimizer, _, expected) {
    update.call(this, sums[this.updates], expected);
  });
  await trainTo(5, { seedInitialisation: 3 });
  await resumed();
  const stopped = readFileSync(join(out, "weights.safetensors"));
  await train(plan, { ...process_, model, out: `${out}-whole`, momentum: 0.5, seedInitialisation: 3 });
  expect(readFileSync(join(`${out}-whole`, "weights.safetensors")).equals(stopped)).toBe(true);
});

test("steps that a crash lost count: training ends within the plan's epsilon, that many updates early", async () => {
  await crashAt(8, 2);
  expect(kinds().filter((kind) => kind === "step")).toHaveLength(8);
  const found: ResumedFrom[] = [];
  const updates = vi.spyOn(Optimizer.prototype, "update");
  const result = await resumed({ onResume: (each) => found.push(each) });
  expect(found).toEqual([{ steps: 8, lost: 3, left: 4 }]);
  expect(updates).toHaveBeenCalledTimes(4);
  expect([result.steps, result.lostSteps]).toEqual([12, 3]);
  const report = audit(plan, ledgerText());
  expect(report).toMatchObject({ verdict: "holds", stepsDone: 12 });
  expect(report.findings.map(({ found }) => found)).toEqual([
    "taken up by another after 8 steps, 5 of them in its weights; all are counted",
  ]);
});

test("lost steps are done again when asked for, and the audit counts all: epsilon is higher", async () => {
  await crashAt(8, 2);
  const result = await resumed({ redoLostSteps: true });
  expect([result.steps, result.lostSteps]).toEqual([15, 3]);
  const report = audit(plan, ledgerText());
  expect(report.stepsDone).toBe(15);
  expect(report.findings.map(({ code }) => code)).toEqual(expect.arrayContaining(["more-steps", "resumed"]));
  expect(report.event).toMatchObject({ count: 15 });
});

test("a run that died after its last step only writes weights and end", async () => {
  await crashAt(12);
  const result = await resumed();
  expect([result.steps, result.lostSteps]).toEqual([12, 1]);
  expect(kinds().slice(-2)).toEqual(["resume", "end"]);
});

test("a run that died in its first steps goes on from the weights it began with", async () => {
  await crashAt(2, 1);
  expect((await resumed()).lostSteps).toBe(2);
  expect(audit(plan, ledgerText())).toMatchObject({ verdict: "holds", stepsDone: 12 });
});

test("a second crash and a second resume: everything is still counted", async () => {
  await crashAt(4);
  const stop = new AbortController();
  await expect(
    resumed({ signal: stop.signal, onProgress: ({ step }) => step === 9 && stop.abort() }),
  ).rejects.toBeInstanceOf(TrainingStoppedError);
  const result = await resumed();
  expect([result.steps, result.lostSteps]).toEqual([12, 1]);
  expect(audit(plan, ledgerText()).findings.map(({ found }) => found)).toEqual([
    "taken up by another after 4 steps, 3 of them in its weights; all are counted",
    "taken up by another after 9 steps, 8 of them in its weights; all are counted",
  ]);
});

test("no noise is used twice: sums of a lost step and of all that follow a resume have fresh noise", async () => {
  // Batches are empty but once in 1e9 steps: what reaches the optimizer is noise alone.
  const quiet = planOf({ examples: 120, batchSize: 1e-9, steps: 12, noiseMultiplier: 2 });
  const seen: number[] = [];
  const update = Optimizer.prototype.update;
  const listen = () =>
    vi.spyOn(Optimizer.prototype, "update").mockImplementation(function (this: Optimizer, sum, expected) {
      for (const part of sum) seen.push(...part);
      update.call(this, sum, 1);
      expect(expected).toBe(1e-9);
    });
  listen();
  await trainTo(6, {}, quiet);
  await resumed({ redoLostSteps: true });
  // 53 random bits each: two equal ones among 3,120 happen once in 1e9 runs of this test.
  expect(seen).toHaveLength(12 * 260);
  expect(new Set(seen).size).toBe(seen.length);
});

test("a torn last line counts as a step and is kept; a torn end line is none", async () => {
  await trainTo(5);
  appendFileSync(join(out, "ledger.jsonl"), '{"kind":"step","step":6,"sampl');
  const found: ResumedFrom[] = [];
  await resumed({ onResume: (each) => found.push(each) });
  expect(found).toEqual([{ steps: 6, lost: 1, left: 6 }]);
  const report = audit(plan, ledgerText());
  expect(report).toMatchObject({ verdict: "holds", stepsDone: 12 });
  expect(report.findings.map(({ code }) => code)).toEqual(["torn-last-line", "resumed"]);
  rmSync(out, { recursive: true });
  await crashAt(12, -1);
  appendFileSync(join(out, "ledger.jsonl"), '{"kind":"end","st');
  expect((await resumed()).steps).toBe(12);
  expect(audit(plan, ledgerText())).toMatchObject({ verdict: "holds", stepsDone: 12 });
});

test("a run that died before its ledger had a line begins anew in its folder", async () => {
  vi.spyOn(LedgerWriter.prototype, "step").mockImplementation(() => {
    throw new Error("power cut");
  });
  await expect(train(plan, { ...process_, model, out })).rejects.toThrow("power cut");
  vi.restoreAllMocks();
  writeFileSync(join(out, "ledger.jsonl"), ledgerText().slice(0, 50));
  expect((await resumed()).steps).toBe(12);
  expect(audit(plan, ledgerText())).toMatchObject({ verdict: "holds", stepsDone: 12, findings: [] });
});

test("a ledger that was edited, cut or replaced is not built on", async () => {
  await trainTo(5);
  const whole = ledgerText();
  const file = join(out, "ledger.jsonl");
  const lines = whole.trimEnd().split("\n");
  const refuse = async (text: string, message: RegExp) => {
    writeFileSync(file, text);
    await expect(resumed()).rejects.toThrow(message);
    expect(ledgerText()).toBe(text);
  };
  await refuse(
    whole.replace('"step":3', '"step":9'),
    /ledger .* is damaged \(line 4: broken-chain|missing-step/,
  );
  await refuse(`${lines.slice(0, -1).join("\n")}\n`, /the checkpoint after step 5 is not one of its ledger/);
  await refuse("", /the checkpoint after step 5 is not one of its ledger/);
  rmSync(file);
  await expect(resumed()).rejects.toThrow("is not one of its ledger, which was cut or replaced");
  writeFileSync(file, whole);
  expect((await resumed()).steps).toBe(12);
});

test("other data, another plan and a folder without a run are refused in one line", async () => {
  await trainTo(5);
  const other = dataOf(120);
  other.train.pixels[0] ^= 1;
  await expect(resumed({ data: other })).rejects.toThrow(
    "data must be those that the run began with (bands), got bands with another fingerprint",
  );
  const file = join(out, "plan.json");
  const text = readFileSync(file, "utf8");
  writeFileSync(file, text.replace('"epsilon": 100', '"epsilon": 101'));
  await expect(resumed()).rejects.toThrow("plan.json is not the plan in its ledger");
  writeFileSync(file, text);
  await expect(resumeTraining(folder, process_)).rejects.toThrow("plan.json is missing");
  await expect(resumeTraining(join(folder, "no"), process_)).rejects.toThrow("does not exist");
  rmSync(join(out, "checkpoints"), { recursive: true });
  await expect(resumed()).rejects.toThrow("no checkpoint that can be read: it can be audited, not resumed");
});

test("where the newest checkpoint is damaged, the one before is taken and the operator told", async () => {
  await trainTo(5, { checkpointEvery: 1 });
  const newest = join(out, "checkpoints", "step-000000005.safetensors");
  writeFileSync(newest, readFileSync(newest).fill(1, 2000, 2001));
  const [found, warnings]: [ResumedFrom[], string[]] = [[], []];
  await resumed({ onResume: (each) => found.push(each), onWarning: (text) => warnings.push(text) });
  expect(found).toEqual([{ steps: 5, lost: 1, left: 7 }]);
  expect(warnings[0]).toContain(`${newest} is not used: checksum does not match`);
});

test("one process at a time: while a run is in hand, another is refused and the ledger is untouched", async () => {
  let refusal: unknown;
  await train(plan, {
    ...process_,
    model,
    out,
    onProgress: ({ step }) => {
      if (step === 3)
        resumed().catch((error: unknown) => {
          refusal = error;
        });
    },
  });
  expect(String(refusal)).toMatch(
    new RegExp(`RunBusyError: run folder .* is in use by process ${process.pid} on `),
  );
  expect(audit(plan, ledgerText()).findings).toEqual([]);
});

test("a writer notices that another process wrote to its ledger, and the step is not applied", () => {
  const path = join(folder, "ledger.jsonl");
  const ledger = new LedgerWriter(path, {
    software: "test",
    startedAt: "2026-01-31T12:00:00.000Z",
    plan,
    runId: "0".repeat(32),
    dataset: { name: "none", fingerprint: "0".repeat(64) },
    privateMetrics: false,
    arithmetic: ARITHMETIC,
  });
  ledger.step(plan);
  const other = new LedgerWriter(path, {
    kept: 1,
    resumedAt: "2026-01-31T12:30:00.000Z",
    arithmetic: ARITHMETIC,
  });
  expect(() => ledger.step(plan)).toThrow("another process wrote to it): the step was not applied");
  other.step(plan);
  other.end();
  expect(readLedger(readFileSync(path, "utf8"))).toMatchObject({ problems: [], stepsDone: 2 });
});

test("an engine that fails, as when its device or its process is lost, costs no step that was done", async () => {
  failing.step = 6;
  await expect(train(plan, { ...process_, model, out, checkpointEvery: 100 })).rejects.toThrow(
    "the device was lost",
  );
  failing.step = 0;
  const found: ResumedFrom[] = [];
  await resumed({ onResume: (each) => found.push(each) });
  expect(found).toEqual([{ steps: 5, lost: 0, left: 7 }]);
});

test("checkpoints come every hundredth of the run unless asked otherwise", async () => {
  const saved: number[] = [];
  const save = CheckpointStore.prototype.save;
  vi.spyOn(CheckpointStore.prototype, "save").mockImplementation(function (this: CheckpointStore, each) {
    saved.push(each.ledger.steps);
    save.call(this, each);
  });
  const long = planOf({ examples: 120, batchSize: 1, steps: 250, noiseMultiplier: 2 });
  await train(long, { ...process_, model, out, evaluations: 0 });
  expect(saved).toEqual([0, ...Array.from({ length: 83 }, (_, i) => 3 * (i + 1)), 250]);
  saved.length = 0;
  await train(plan, { ...process_, model, out: `${out}-2`, checkpointEvery: 5 });
  expect(saved).toEqual([0, 5, 10, 12]);
});
