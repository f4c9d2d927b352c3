// The canary run: how far its scores lie apart is what rate, noise, steps and clipping say, pixel by pixel.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { trainWithCanaries } from "../../src/runs/canaries.js";

const scratch = mkdtempSync(join(tmpdir(), "dpsgd-canaries-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("scores of canaries that are in lie above the others by what theory says", async () => {
  const mechanism = { samplingRate: 0.5, noiseMultiplier: 3, steps: 60, delta: 1e-5 };
  const { scores, included, plan } = await trainWithCanaries(mechanism, {
    out: join(scratch, "run"),
    canaries: 256,
    backend: "wasm",
    workers: 1,
  });
  expect(plan).toMatchObject({
    examples: 512,
    batchSize: 256,
    samplingRate: 0.5,
    noiseMultiplier: 3,
    steps: 60,
  });
  const of = (isIn: boolean) => Array.from(scores).filter((_, i) => included[i] === isIn);
  const mean = (values: number[]) => values.reduce((sum, each) => sum + each, 0) / values.length;
  const [inside, outside] = [of(true), of(false)];
  expect(Math.abs(inside.length - 128)).toBeLessThan(6 * Math.sqrt(64));
  const deviation = Math.sqrt(mean(outside.map((score) => (score - mean(outside)) ** 2)));
  // Eight pixels of ±1, one bias, and 2040 pixels of −1/255: the share of a clipped gradient on the canary's own weights.
  const amplitude = Math.sqrt(8 / (8 + 1 + (256 * 8 - 8) / 255 ** 2));
  const expected = (amplitude * 0.5 * 60) / (3 * Math.sqrt(60));
  // Four numbers of some 128 draws each: six standard errors.
  expect(Math.abs((mean(inside) - mean(outside)) / deviation - expected)).toBeLessThan(
    6 * 2 * Math.sqrt(1 / 128),
  );
});

test("a number of canaries that is no power of two is refused before anything is written", async () => {
  const mechanism = { samplingRate: 0.5, noiseMultiplier: 3, steps: 2, delta: 1e-5 };
  const run = trainWithCanaries(mechanism, { out: join(scratch, "none"), canaries: 100 });
  await expect(run).rejects.toThrow("canaries must be a power of two in [64, 65536], got 100");
});
