// Fifty kills (SIGKILL) at random moments, each resumed: epsilon as planned, never lower; weights finite.
import { afterAll, expect, test } from "vitest";
import { KillableRuns } from "../../support/killedRuns.js";

const runs = new KillableRuns(400);
afterAll(() => runs.remove());

test("fifty kills at random moments, each resumed", { timeout: 1_800_000 }, async () => {
  const deaths: number[] = [];
  for (let i = 0; i < 50; i++) {
    const { out, stepsAtDeath, resumed } = await runs.killAndResume(Math.random() * 395);
    deaths.push(stepsAtDeath);
    expect(resumed.status, `kill ${i} after step ${stepsAtDeath}: ${resumed.stderr}`).toBe(0);
    expect(runs.complaint(out), `kill ${i} after step ${stepsAtDeath}`).toBe(undefined);
  }
  console.log(`killed after steps ${deaths.sort((a, b) => a - b).join(", ")}`);
  expect(new Set(deaths).size).toBeGreaterThan(20);
});
