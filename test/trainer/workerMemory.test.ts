// Memory of workers: what is predicted holds, what does not fit is refused with what would, and a full backend says so.
import type { Worker } from "node:worker_threads";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { MOST_WASM_BYTES, OutOfMemoryError, saysOutOfMemory } from "../../src/engines/outOfMemory.js";
import { currentKernels, startBackend } from "../../src/engines/tensorflow/startBackend.js";
import { findMicroBatch } from "../../src/engines/threads/findMicroBatch.js";
import { trialPass, WorkerMemory } from "../../src/engines/threads/memory.js";
import { PartialSum } from "../../src/engines/threads/partialSum.js";
import { startThreads } from "../../src/engines/threads/threads.js";
import type { GradientEngine } from "../../src/trainer/gradientEngine.js";
import { Network, type NetworkSpec } from "../../src/trainer/layers/network.js";
import { buildModel } from "../../src/trainer/models/index.js";
import { dataOf, normOf } from "./support.js";

interface Allocator {
  _malloc(bytes: number): number;
  _free(address: number): void;
  readonly HEAPU8: Uint8Array;
}
const wasm = () => (tf.backend() as unknown as { wasm: Allocator }).wasm;
const heap = () => wasm().HEAPU8.length;

beforeAll(() => startBackend("wasm"));
afterEach(() => vi.restoreAllMocks());

/** Every image has 4.2 MB of activations in the first layer alone: a thousand of them are more than WASM can have. */
const WIDE: NetworkSpec = {
  name: "wide",
  inputShape: [16, 16, 1],
  classes: 3,
  layers: [
    { kind: "conv2d", filters: 4096, kernelSize: 1 },
    { kind: "global-average-pool" },
    { kind: "dense", units: 3 },
  ],
};
const wide = new Network(WIDE);
const GB = 1e9;

function runTrial(network: Network, examples: number, views: number): void {
  const parameters = network.upload(network.initialise(1));
  const partial = new PartialSum(network, currentKernels(), examples);
  try {
    trialPass(network, currentKernels(), examples, views)(partial, parameters);
  } finally {
    partial.dispose();
    tf.dispose(parameters);
  }
}

const measured = (network: Network, views: number, workers: number, free: number) =>
  WorkerMemory.of(network, { views, workers, backend: "wasm" }, free);

test("a micro-batch that is said to fit stays within a worker's share of free memory", async () => {
  const cases = [
    [buildModel("cnn-cifar", [32, 32, 3], 10), 1],
    [buildModel("wrn-16-4", [16, 16, 3], 10), 2],
    [wide, 1],
  ] as const;
  for (const [network, views] of cases) {
    const memory = await measured(network, views, 2, GB);
    const before = heap();
    expect(memory.fitting).toBeGreaterThan(1);
    expect(memory.bytes(memory.fitting)).toBeGreaterThan(0.05 * GB);
    runTrial(network, memory.fitting, views);
    // Half of a gigabyte for two workers.
    expect(heap() - before).toBeLessThan(0.25 * GB);
  }
});

test("half as much memory, twice as many workers or more activations mean smaller micro-batches", async () => {
  const [one, two, half] = [
    await measured(wide, 1, 1, 4 * GB),
    await measured(wide, 1, 2, 4 * GB),
    await measured(wide, 1, 1, 2 * GB),
  ];
  expect(two.fitting).toBe(half.fitting);
  expect(one.fitting).toBeGreaterThan(1.9 * two.fitting);
  expect((await measured(wide, 1, 1, 1e15)).fitting).toBeLessThan(MOST_WASM_BYTES / 4.2e6);
  expect((await measured(wide, 1, 1, 1e6)).fitting).toBe(0);
});

test("auto tries no size that does not fit, and the default is none", async () => {
  const memory = await measured(wide, 1, 1, 0.2 * GB);
  const sizes: number[] = [];
  const gradients = vi.spyOn(wide, "gradients");
  gradients.mockImplementation((images, labels, ...rest) => {
    sizes.push(labels.length);
    return Network.prototype.gradients.call(wide, images, labels, ...rest);
  });
  const found = findMicroBatch(wide, currentKernels(), 1, memory.fitting);
  expect(found).toBeLessThanOrEqual(memory.fitting);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(memory.fitting);
  expect(memory.fitting).toBeLessThan(64);
});

describe("an engine whose micro-batch is too large", () => {
  const data = dataOf(2048, [16, 16, 1], 3);
  const options = {
    backend: { name: "wasm", reason: "test" },
    network: wide,
    data,
    augmentation: { views: 0, seed: 1 },
    workers: 1,
  } as const;
  const everyone = { indices: Uint32Array.from({ length: 2048 }, (_, i) => i), step: 1 };
  const start = async (use: (engine: GradientEngine) => Promise<void>, microBatch?: number) => {
    const engine = await startThreads({ ...options, ...(microBatch && { microBatch }) });
    await use(engine).finally(() => engine.close());
  };

  test("is refused before it starts, with one that fits", async () => {
    const refused = startThreads({ ...options, microBatch: 2048 });
    await expect(refused).rejects.toBeInstanceOf(OutOfMemoryError);
    await expect(refused).rejects.toThrow(
      /^a micro-batch of 2048 examples does not fit in the memory of a worker \((WASM has 4 GB at most|the machine has [\d.]+ GB free for one worker)\); one of \d+ would: use --micro-batch \d+$/,
    );
  });

  test("and seems to fit, but does not: the worker's allocation fails, and the step says what would fit", async () => {
    vi.spyOn(WorkerMemory.prototype, "hasNoRoomFor").mockReturnValue(false);
    const warnings: string[] = [];
    const engine = await startThreads({
      ...options,
      microBatch: 2048,
      onWarning: (message) => warnings.push(message),
    });
    const parameters = wide.initialise(1);
    const failure = await engine.clippedSum(parameters, everyone, { norm: 1 }).then(
      () => undefined,
      (error: Error) => error.message,
    );
    const fitting =
      /^a micro-batch of 2048 examples does not fit .*; one of (\d+) would: use --micro-batch \1$/.exec(
        failure ?? "",
      )?.[1];
    expect(failure).toContain("micro-batch");
    expect(Number(fitting)).toBeGreaterThan(1);
    // Not tried again: it would fail again.
    expect(warnings).toEqual([]);
    await expect(engine.clippedSum(parameters, everyone, { norm: 1 })).rejects.toThrow("does not fit");
    await engine.close();
  });

  test("the default fits", async () => {
    await start(async (engine) => {
      const some = { indices: everyone.indices.subarray(0, 64), step: 1 };
      const { sum } = await engine.clippedSum(wide.initialise(1), some, { norm: 1 });
      expect(normOf(sum)).toBeGreaterThan(1);
    });
  });

  test("a worker whose JavaScript heap is full says the same", async () => {
    await start(async (engine) => {
      const open = engine.clippedSum(wide.initialise(1), everyone, { norm: 1 });
      const { worker } = (engine as unknown as { threads: { worker: Worker }[] }).threads[0]!;
      const full = new Error("Worker terminated due to reaching memory limit: JS heap out of memory");
      worker.emit("error", Object.assign(full, { code: "ERR_WORKER_OUT_OF_MEMORY" }));
      await expect(open).rejects.toThrow(
        /^a micro-batch of 8 examples does not fit in the memory of a worker \(.*\); one of 4 would: use --micro-batch 4$/,
      );
    }, 8);
  });
});

test("what one example alone needs is said to be too much, whoever chose it", async () => {
  const memory = await measured(wide, 1, 2, 1e6);
  expect(memory.hasNoRoomFor(1)).toBe(true);
  expect(memory.refusal(1, false)).toBe(
    "not even one example fits in the memory of a worker (the machine has 0.0010 GB free for 2 workers): use fewer workers or a smaller network",
  );
});

test.each([
  [new RangeError("Array buffer allocation failed"), true],
  [new RangeError("Invalid typed array length: 9007199254740992"), true],
  [new RangeError("WebAssembly.Memory.grow(): Maximum memory size exceeded"), true],
  [new Error("memory access out of bounds"), true],
  [new Error("OOM when allocating tensor with shape[1024,1024]"), true],
  [new OutOfMemoryError("full"), true],
  [new RangeError("workers must be a whole number"), false],
  ["out of memory", false],
])("%s: out of memory is %s", (error, expected) => {
  expect(saysOutOfMemory(error)).toBe(expected);
});

// Last: memory that WASM has grown to it keeps. What is not written to costs the machine nothing.
describe("the WASM backend", () => {
  const held: number[] = [];
  /** Takes memory without writing to it until addresses have reached `to`. */
  const fillTo = (to: number) => {
    for (let size = 2 ** 28; size >= 2 ** 12; size /= 2)
      for (;;) {
        const address = wasm()._malloc(size);
        if (address >>> 0 > to - size) {
          wasm()._free(address);
          break;
        }
        held.push(address);
      }
  };
  const release = () => {
    for (const address of held.splice(0)) wasm()._free(address);
  };

  test("computes across the middle of its memory, where addresses no longer fit a signed number", () => {
    const kernels = currentKernels();
    fillTo(2 ** 31 - 2 ** 13);
    const address = (tensor: tf.Tensor): number =>
      (tf.backend() as unknown as { dataIdMap: { get(id: object): { memoryOffset: number } } }).dataIdMap.get(
        tensor.dataId,
      ).memoryOffset;
    tf.tidy(() => {
      const width = 2 ** 16;
      const rows = tf.ones([2, width]) as tf.Tensor2D;
      expect(address(rows)).toBeLessThan(2 ** 31);
      expect(address(rows) + 8 * width).toBeGreaterThan(2 ** 31);
      expect([...kernels.squaredNorms(rows)].map((norm) => Math.round(norm))).toEqual([width, width]);
      const sum = kernels.exactSum(width);
      kernels.addRows(sum, rows, Float64Array.of(1, 2));
      expect(sum.values.every((value) => value === 3)).toBe(true);
      sum.dispose();
    });
    release();
  });

  test("that is full throws, and computes as before when there is room again", () => {
    const network = buildModel("cnn", [28, 28, 1], 10);
    const parameters = network.upload(network.initialise(1));
    runTrial(network, 8, 1);
    const images = tf.ones([16, 28, 28, 1]) as tf.Tensor4D;
    const logits = () => tf.tidy(() => network.logits(images, parameters, currentKernels()).dataSync());
    const before = logits();
    expect(() => {
      for (;;) held.push(wasm()._malloc(2 ** 28));
    }).toThrow(OutOfMemoryError);
    expect(() => {
      for (;;) held.push(wasm()._malloc(2 ** 22));
    }).toThrow(OutOfMemoryError);
    expect(() => runTrial(network, 2048, 1)).toThrow(OutOfMemoryError);
    release();
    expect(logits()).toEqual(before);
    runTrial(network, 64, 1);
    tf.dispose([images, ...parameters]);
  });
});
