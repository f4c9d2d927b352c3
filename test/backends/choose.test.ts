// Choosing a backend: the order, the reason, and what is said of one that is missing.
import { createRequire } from "node:module";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { BACKEND_NAMES, BackendUnavailableError, startBackend } from "../../src/backends/index.js";

const installed = (name: string): boolean => {
  try {
    createRequire(join(process.cwd(), "package.json")).resolve(`@tensorflow/${name}/package.json`);
    return true;
  } catch {
    return false;
  }
};

test("auto takes the first of the order that starts, and says why not those before", async () => {
  const choice = await startBackend("auto");
  const before = BACKEND_NAMES.slice(0, BACKEND_NAMES.indexOf(choice.name));
  for (const name of before) expect(choice.reason).toContain(`${name}: `);
  expect(tf.getBackend()).toBe(choice.name.startsWith("tfjs-node") ? "tensorflow" : choice.name);
});

test.skipIf(installed("tfjs-node"))(
  "a backend asked for by name that is not installed is an error that says so",
  async () => {
    const error = await startBackend("tfjs-node").catch((e: unknown) => e);
    expect(error).toBeInstanceOf(BackendUnavailableError);
    expect((error as Error).message).toMatch(
      /^backend tfjs-node cannot start: .*(not installed|util\.isNullOrUndefined)/,
    );
  },
);

test("an unknown backend is refused with the list of those allowed", async () => {
  await expect(startBackend("cuda" as never)).rejects.toThrow(
    "backend must be one of auto, tfjs-node-gpu, tfjs-node, wasm, cpu, got cuda",
  );
});
