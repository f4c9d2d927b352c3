// A campaign of kills at random moments: the ledger audits and never under-counts.
import { expect, test } from "vitest";
import { complaint, killAfter } from "../../support/killing.js";

test("three hundred kills", async () => {
  for (let i = 0; i < 300; i++) {
    const kill = await killAfter(Math.random() ** 2 * 400);
    expect(complaint(kill), `kill ${i}`).toBe(undefined);
  }
});
