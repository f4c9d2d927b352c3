// The options of training as they reach the trainer.
import { expect, test } from "vitest";
import { trainingOptions } from "../../src/cli/trainOptions.js";

test.each([
  ["f32", "float32"],
  ["float32", "float32"],
  ["f16", "float16"],
  ["f16x2", "float16x2"],
])("precision %s is %s", async (precision, expected) => {
  expect(await trainingOptions({ precision })).toMatchObject({ precision: expected });
});

test("without a precision none is asked for: the other backends would refuse it", async () => {
  expect(await trainingOptions({})).not.toHaveProperty("precision");
});

test("no other precision has a short name", async () => {
  await expect(trainingOptions({ precision: "f64" })).rejects.toThrow(/--precision must be .*got f64/);
});
