// What the shell is told of errors: an argument that cannot be used is wrong usage (2), whatever else is thrown is a fault (3).
import { afterEach, expect, test, vi } from "vitest";
import { ArgumentError } from "../../src/formats/argumentError.js";
import * as solve from "../../src/planner/solve.js";
import { dpsgdHere } from "../support/commandLine.js";

vi.mock(import("../../src/planner/solve.js"), async (original) => {
  const actual = await original();
  return { ...actual, plan: vi.fn(actual.plan) };
});
afterEach(() => vi.mocked(solve.plan).mockReset());

const PLAN = [
  "plan",
  "--examples",
  "600",
  "--batch-size",
  "60",
  "--steps",
  "3",
  "--epsilon",
  "3",
  "--delta",
  "1e-5",
];
const failing = async (error: Error) => {
  vi.mocked(solve.plan).mockImplementation(() => {
    throw error;
  });
  return dpsgdHere(...PLAN);
};

test.each([
  new TypeError("x must be a tensor, got nothing"),
  new RangeError("Invalid array length: it must be finite"),
  new SyntaxError("text must be JSON"),
])("an inner error is a fault with its stack, however it is worded: %s", async (error) => {
  const { status, stdout, stderr } = await failing(error);
  expect([status, stdout]).toEqual([3, ""]);
  expect(stderr).toMatch(/^\w+Error: .*\n +at /);
  expect(stderr.trimEnd().split("\n").at(-1)).toBe(`dpsgd plan: ${error.message}`);
});

test.each([
  ["batchSize", "--batch-size must be whole, got 1"],
  ["examples", "--examples must be whole, got 1"],
  ["layers[2].units", "layers[2].units must be whole, got 1"],
  ["somethingElse", "somethingElse must be whole, got 1"],
])("an argument %s is named as the command line names it", async (field, message) => {
  const { status, stderr } = await failing(new ArgumentError(field, "whole", "1"));
  expect([status, stderr]).toEqual([2, `dpsgd plan: ${message}\n`]);
});
