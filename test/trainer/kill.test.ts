// Killing the process at any moment leaves a ledger that audits and never under-counts (a campaign is in test/slow).
import { expect, test } from "vitest";
import { complaint, killAfter } from "../support/killing.js";

test("ten kills at random moments: the ledger audits and counts every applied step", async () => {
  let steps = 0;
  for (let i = 0; i < 10; i++) {
    const kill = await killAfter(Math.random() * 60);
    expect(complaint(kill)).toBe(undefined);
    steps += kill.report.stepsDone;
  }
  expect(steps).toBeGreaterThan(0);
});
