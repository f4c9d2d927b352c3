// The empirical check, many times over: sound trainers are not refuted, and the real trainer shows what a simulation of it shows.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type CanaryEvidence, empiricalAudit } from "../../../src/audit/empirical.js";
import { trainWithCanaries } from "../../../src/runs/canaries.js";
import { SeededRandom } from "../../../src/trainer/random/seeded.js";

const DELTA = 1e-5;
const mechanism = { samplingRate: 0.5, noiseMultiplier: 2, steps: 30, delta: DELTA };

/** The same canaries without a network: T draws of 1 with probability q, plus noise. */
function simulated(canaries: number, random: SeededRandom): Pick<CanaryEvidence, "scores" | "included"> {
  const uniform = () => (random.below(2 ** 30) + 0.5) / 2 ** 30;
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const { samplingRate, noiseMultiplier, steps } = mechanism;
  const included = Array.from({ length: canaries }, () => random.below(2) === 1);
  const scores = included.map((isIn) => {
    let score = noiseMultiplier * Math.sqrt(steps) * normal();
    for (let step = 0; isIn && step < steps; step++) if (uniform() < samplingRate) score += Math.sqrt(8 / 9);
    return score;
  });
  return { scores, included };
}

test("twelve honest trainings: none refuted, bounds as a simulation without a network finds them", async () => {
  const scratch = mkdtempSync(join(tmpdir(), "dpsgd-canaries-"));
  const random = new SeededRandom(5);
  try {
    const trained: number[] = [];
    const expected: number[] = [];
    for (let run = 0; run < 12; run++) {
      const made = await trainWithCanaries(mechanism, { out: join(scratch, String(run)), workers: 1 });
      const { event } = made.plan;
      const found = empiricalAudit({ ...made, event, delta: DELTA });
      expect(found.refuted).toBe(false);
      expect(found.epsilonLowerBound).toBeLessThan(found.epsilon!);
      trained.push(found.epsilonLowerBound);
      expected.push(empiricalAudit({ ...simulated(1024, random), event, delta: DELTA }).epsilonLowerBound);
    }
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    const deviation = (values: number[]) => Math.sqrt(mean(values.map((each) => (each - mean(values)) ** 2)));
    const error = Math.hypot(deviation(trained), deviation(expected)) / Math.sqrt(12);
    expect(Math.abs(mean(trained) - mean(expected))).toBeLessThan(5 * error + 0.05);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});

test("two thousand simulated runs of a sound mechanism: hardly any is refuted", () => {
  const random = new SeededRandom(6);
  const event = { kind: "gaussian", noiseMultiplier: 1 } as const;
  const uniform = () => (random.below(2 ** 30) + 0.5) / 2 ** 30;
  let refuted = 0;
  for (let run = 0; run < 2000; run++) {
    const included = Array.from({ length: 512 }, () => random.below(2) === 1);
    const scores = included.map(
      (isIn) => (isIn ? 1 : 0) + Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
    );
    if (empiricalAudit({ scores, included, event, delta: DELTA }, { confidence: 0.9 }).refuted) refuted++;
  }
  expect(refuted).toBeLessThanOrEqual(2000 * 0.1);
});
