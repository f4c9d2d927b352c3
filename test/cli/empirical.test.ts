// dpsgd audit --empirical on the real trainer, and on trainers that are broken: only those are found out.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { plan } from "../../src/planner/solve.js";
import { createRunFolder } from "../../src/runs/runFolder.js";
import { GaussianNoise } from "../../src/trainer/random/gaussianNoise.js";
import { dpsgdHere } from "../support/commandLine.js";
import { ARITHMETIC } from "../support/runs.js";

// Whole trainings, on machines that others use too.
vi.setConfig({ testTimeout: 240_000 });

/** While true, gradients are not clipped: what the engine is asked for is far above every norm, and scaled back. */
let clipSkipped = false;
/** While true, a micro-batch is added up in float32, whatever its size. */
let addedInFloat32 = false;
vi.mock(import("../../src/engines/threads/threads.js"), async (original) => {
  const threads = await original();
  return {
    ...threads,
    async startThreads(options) {
      const engine = await threads.startThreads(options);
      const clippedSum: typeof engine.clippedSum = async (parameters, batch, clip) => {
        if (addedInFloat32 && options.network.spec.name === "rounding") {
          // Both classes are equally likely: an example adds half its input to one weight and takes it from the other.
          const most = Math.SQRT1_2;
          let total = 0;
          for (const index of batch.indices) {
            const own = options.data.train.pixels[index]! / (2 * clip.norm);
            total = Math.fround(total + Math.fround(Math.max(-most, Math.min(most, own))));
          }
          return { sum: [Float64Array.of(-total, total)], sensitivity: 1, nonFinite: false };
        }
        if (!clipSkipped) return engine.clippedSum(parameters, batch, clip);
        const norm = 1e6;
        const { sum, ...rest } = await engine.clippedSum(parameters, batch, { norm });
        return { ...rest, sum: sum.map((part) => part.map((each) => (each * norm) / clip.norm)) };
      };
      return {
        backend: engine.backend,
        workers: engine.workers,
        arithmetic: engine.arithmetic,
        evaluate: engine.evaluate.bind(engine),
        close: engine.close.bind(engine),
        clippedSum,
      };
    },
  };
});

const scratch = mkdtempSync(join(tmpdir(), "dpsgd-empirical-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
afterEach(() => {
  clipSkipped = false;
  addedInFloat32 = false;
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

/** A finished run of a plan, as the trainer leaves it: its ledger says what the plan says. */
function finishedRun(epsilon: number): string {
  const made = plan({ examples: 1000, batchSize: 500, steps: 30, epsilon, delta: 1e-5 });
  const folder = createRunFolder(join(scratch, `claims-${epsilon}-${Math.random()}`), made);
  const ledger = folder.openLedger({
    software: "dpsgd test",
    startedAt: "2026-01-31T12:00:00.000Z",
    plan: made,
    dataset: { name: "none", fingerprint: "0".repeat(64) },
    privateMetrics: false,
    arithmetic: ARITHMETIC,
  });
  for (let i = 0; i < 30; i++) ledger.step(made);
  ledger.end();
  return folder.path;
}

async function check(epsilon: number) {
  const { status, stdout } = await dpsgdHere(
    ...["audit", finishedRun(epsilon), "--empirical", "--canaries", "512", "--no-certify", "--json"],
  );
  return { status, ...JSON.parse(stdout) };
}

test("an honest trainer: canaries show, and never more than the claim", async () => {
  const { status, verdict, empirical } = await check(8);
  expect([status, verdict]).toEqual([0, "holds"]);
  expect(empirical).toMatchObject({ refuted: false, confidence: 0.99, canaries: 512, steps: 30 });
  expect(empirical.epsilonLowerBound).toBeGreaterThan(0.5);
  expect(empirical.epsilonLowerBound).toBeLessThan(8);
  expect(empirical.epsilonLowerBoundAny).toBeLessThan(8);
  expect(empirical.rounding).toMatchObject({ refuted: false, examples: 65_536 });
});

test("a trainer that adds 65,536 examples up in float32 is found out by what one of them moves", async () => {
  addedInFloat32 = true;
  const { status, verdict, findings, empirical } = await check(8);
  expect([status, verdict]).toEqual([1, "exceeded"]);
  expect(findings.map(({ code }: { code: string }) => code)).toEqual(["empirical-rounding"]);
  expect(empirical).toMatchObject({ refuted: false, rounding: { refuted: true } });
  expect(empirical.rounding.movedAtLeast).toBeGreaterThan(20);
  expect(empirical.rounding.movedAtLeast).toBeLessThan(60);
});

const breakNoise = (change: (noiseMultiplier: number) => number) => {
  const real = GaussianNoise.prototype.addToSum;
  vi.spyOn(GaussianNoise.prototype, "addToSum").mockImplementation(function (
    this: GaussianNoise,
    parts,
    asked,
  ) {
    const added = real.call(this, parts, { ...asked, noiseMultiplier: change(asked.noiseMultiplier) });
    // The ledger of a broken trainer still says what was planned.
    return { ...added, noiseMultiplier: asked.noiseMultiplier };
  });
};

test.each([
  ["noise is missing", () => breakNoise(() => 1e-12)],
  ["noise is divided by the batch size", () => breakNoise((noiseMultiplier) => noiseMultiplier / 512)],
  [
    "clipping is skipped",
    () => {
      clipSkipped = true;
    },
  ],
])("a trainer whose %s: the lower bound exceeds the claim, and the audit exits with 1", async (_, damage) => {
  damage();
  const { status, verdict, claimed, findings, empirical } = await check(2);
  expect([status, verdict]).toEqual([1, "exceeded"]);
  expect(findings.map(({ code }: { code: string }) => code)).toContain("empirical-excess");
  expect(empirical.refuted).toBe(true);
  expect(empirical.epsilonLowerBound).toBeGreaterThan(claimed.epsilon);
  expect(empirical.epsilonLowerBoundAny).toBeGreaterThan(claimed.epsilon);
});

test("a fifth of the noise is found out too, where it makes canaries clear enough", async () => {
  breakNoise((noiseMultiplier) => noiseMultiplier / 5);
  const { status, empirical } = await check(4);
  expect(status).toBe(1);
  expect(empirical.epsilonLowerBound).toBeGreaterThan(4);
});

test("people read a bound rounded down, and what is missing or beside the point is refused", async () => {
  const folder = finishedRun(2);
  const { stdout } = await dpsgdHere("audit", folder, "--empirical", "--canaries", "64", "--no-certify");
  expect(stdout).toMatch(
    /^ {2}rounding +no sign that one of 65536 examples moves sums by more than 1 \(\d+ steps?\)$/m,
  );
  expect(stdout).toMatch(
    /^ {2}canaries +epsilon at least \S+ with confidence 0\.99 \(\S+ assuming nothing\): \d+ of 32 guesses right, 64 canaries, 30 steps$/m,
  );
  const refused = async (...more: string[]) => (await dpsgdHere("audit", folder, ...more)).stderr;
  expect(await refused("--canaries", "64")).toContain("--canaries must be given with --empirical");
  expect(await refused("--empirical", "--canaries", "65")).toContain("--canaries must be a power of two in");
  expect(await refused("--empirical", "--confidence", "1")).toContain(
    "--confidence must be in [0.5, 1), got 1",
  );
});

test("a signal leaves nothing in the temporary folder, and then does what it does by default", async () => {
  const run = finishedRun(3);
  const temporary = mkdtempSync(join(scratch, "temporary-"));
  vi.stubEnv("TMPDIR", temporary);
  const kill = vi.spyOn(process, "kill").mockReturnValue(true);
  const audit = dpsgdHere("audit", run, "--no-certify", "--empirical", "--canaries", "64");
  await vi.waitUntil(() => readdirSync(temporary).length > 0, { timeout: 200_000 });
  process.emit("SIGTERM", "SIGTERM");
  expect(readdirSync(temporary)).toEqual([]);
  expect(kill.mock.calls).toEqual([[process.pid, "SIGTERM"]]);
  await audit.catch(() => {});
  expect(readdirSync(temporary)).toEqual([]);
});
