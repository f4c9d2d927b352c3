// Every single-byte change of a finished ledger, all 255 of them at every position, is noticed or harmless.
import { expect, test } from "vitest";
import { singleByteChanges } from "../../support/byteChanges.js";
import { samplePlan } from "../../support/runs.js";

test("every single-byte change of a finished ledger is noticed or harmless", () => {
  const { unsound } = singleByteChanges(samplePlan(3), () => Array.from({ length: 256 }, (_, i) => i));
  expect(unsound).toEqual([]);
});
