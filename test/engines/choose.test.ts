// Choosing a backend: the order, the reason, and what is said of one that is missing.
import { createRequire } from "node:module";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { nativeKernels } from "../../src/engines/tensorflow/nativeKernels.js";
import {
  BackendUnavailableError,
  currentKernels,
  startBackend,
} from "../../src/engines/tensorflow/startBackend.js";
import { stockKernels } from "../../src/engines/tensorflow/stockKernels.js";

const installed = (name: string): boolean => {
  try {
    createRequire(join(process.cwd(), "package.json")).resolve(`@tensorflow/${name}/package.json`);
    return true;
  } catch {
    return false;
  }
};

test("auto takes wasm, never a backend on which examples are not known to keep apart to the bit", async () => {
  expect((await startBackend("auto")).name).toBe("wasm");
  expect(tf.getBackend()).toBe("wasm");
  expect(currentKernels().keepsExamplesApart).toBe(true);
  await startBackend("cpu");
  expect(currentKernels()).toMatchObject({ variant: "tfjs-cpu", keepsExamplesApart: true });
  expect(stockKernels.keepsExamplesApart).toBe(false);
  expect(nativeKernels.keepsExamplesApart).toBe(false);
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
