// The clipped sum by worker threads: the same whatever the split, isolated, honest about broken examples and dead workers.
import type { Worker } from "node:worker_threads";
import { afterAll, expect, test } from "vitest";
import { startBackend } from "../../src/engines/tensorflow/startBackend.js";
import { MOST_WORKERS, startThreads, WorkerFailedError } from "../../src/engines/threads/threads.js";
import type { Dataset } from "../../src/trainer/data/dataset.js";
import type { ClippedSum, GradientEngine } from "../../src/trainer/gradientEngine.js";
import { Network } from "../../src/trainer/layers/network.js";
import { dataOf, EVERY_LAYER, imagesOf, normOf, viewsOf } from "./support.js";

const data: Dataset = dataOf(64, [9, 8, 2], 3);
const network = new Network(EVERY_LAYER);
const parameters = network.initialise(1);
const clip = { norm: 0.5 };
const engines: GradientEngine[] = [];

async function engineWith(options: {
  workers: number;
  microBatch: number | "auto";
  views?: number;
  backend?: "wasm" | "cpu";
  onWarning?: (message: string) => void;
}) {
  const engine = await startThreads({
    backend: { name: options.backend ?? "wasm", reason: "test" },
    network,
    data,
    augmentation: { views: options.views ?? 0, seed: 9, padding: 2 },
    workers: options.workers,
    microBatch: options.microBatch,
    ...(options.onWarning && { onWarning: options.onWarning }),
  });
  engines.push(engine);
  return engine;
}
afterAll(() => Promise.all(engines.map((engine) => engine.close())));

const batchOf = (indices: number[]) => ({ indices: Uint32Array.from(indices), step: 3 });
const everyone = batchOf(Array.from({ length: 61 }, (_, i) => i));

function distance(a: ClippedSum, b: ClippedSum): number {
  return normOf(a.sum.map((part, index) => part.map((value, i) => value - b.sum[index][i])));
}

test("the sum does not depend on micro-batch size, number of workers or backend", async () => {
  const reference = await (await engineWith({ workers: 1, microBatch: 64, views: 2 })).clippedSum(
    parameters,
    everyone,
    clip,
  );
  const size = normOf(reference.sum);
  expect(size).toBeGreaterThan(1);
  for (const other of [
    { workers: 1, microBatch: 1 },
    { workers: 2, microBatch: 7 },
    { workers: 3, microBatch: 30 },
    { workers: 1, microBatch: 13, backend: "cpu" as const },
  ]) {
    const sum = await (await engineWith({ ...other, views: 2 })).clippedSum(parameters, everyone, clip);
    expect(distance(sum, reference)).toBeLessThan(1e-5 * size);
    expect(sum.sensitivity).toBe(1);
    expect(sum.nonFinite).toBe(false);
  }
});

test("micro-batches that are to be found are told, and give the same sum", async () => {
  await startBackend("wasm");
  const found = await engineWith({ workers: 1, microBatch: "auto" });
  expect(found.backend.reason).toMatch(/^test; micro-batches of \d+ were the fastest tried$/);
  const given = await engineWith({ workers: 1, microBatch: 64 });
  const [one, other] = [
    await found.clippedSum(parameters, everyone, clip),
    await given.clippedSum(parameters, everyone, clip),
  ];
  expect(distance(one, other)).toBeLessThan(1e-5 * normOf(other.sum));
});

test("one example more moves the sum by at most 1, and an empty batch gives zeros", async () => {
  const engine = await engineWith({ workers: 2, microBatch: 8 });
  const empty = await engine.clippedSum(parameters, batchOf([]), clip);
  expect(empty.sum.map((part) => part.length)).toEqual(parameters.map((part) => part.length));
  expect(normOf(empty.sum)).toBe(0);
  const strict = { norm: 1e-6 };
  const without = await engine.clippedSum(parameters, everyone, strict);
  for (const extra of [61, 62, 63]) {
    const alone = await engine.clippedSum(parameters, batchOf([extra]), strict);
    expect(normOf(alone.sum)).toBeLessThanOrEqual(1);
    expect(normOf(alone.sum)).toBeGreaterThan(0.999);
    const all = await engine.clippedSum(parameters, batchOf([...everyone.indices, extra]), strict);
    expect(distance(all, without)).toBeLessThanOrEqual(1 + 1e-5);
  }
});

test("an example whose gradient is not finite contributes zero and is flagged, the others are unharmed", async () => {
  const engine = await engineWith({ workers: 2, microBatch: 4 });
  // Logit 0 overflows upwards for some examples (NaN in the softmax) and downwards for others (a clean probability 0).
  const some = parameters.map((part) => part.slice());
  const last = some[some.length - 2];
  for (let i = 0; i < last.length; i += 3) last[i] = 3e38;
  const chosen = Array.from({ length: 24 }, (_, i) => i);
  const alone: ClippedSum[] = [];
  for (const i of chosen) alone.push(await engine.clippedSum(some, batchOf([i]), clip));
  expect(alone.some((sum) => !sum.nonFinite && normOf(sum.sum) > 0)).toBe(true);
  expect(alone.some((sum) => sum.nonFinite)).toBe(true);
  for (const sum of alone) if (sum.nonFinite) expect(normOf(sum.sum)).toBe(0);
  const together = await engine.clippedSum(some, batchOf(chosen), clip);
  expect(together.nonFinite).toBe(true);
  for (const part of together.sum) for (const value of part) expect(Number.isFinite(value)).toBe(true);
  const added = alone[0].sum.map((part, index) =>
    part.map((_, i) => alone.reduce((t, one) => t + one.sum[index][i], 0)),
  );
  expect(distance(together, { ...together, sum: added })).toBeLessThan(1e-4);
});

test("illegal clip norms are refused", async () => {
  const engine = await engineWith({ workers: 1, microBatch: 4 });
  for (const norm of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
    await expect(engine.clippedSum(parameters, everyone, { norm })).rejects.toThrow(
      "clip.norm must be > 0 and finite",
    );
});

test("a closed or dead worker fails the step at once: nothing hangs", async () => {
  const engine = await engineWith({ workers: 2, microBatch: 4 });
  const open = engine.clippedSum(parameters, everyone, clip);
  const closed = engine.close();
  await expect(open).rejects.toBeInstanceOf(WorkerFailedError);
  await closed;
  await expect(engine.clippedSum(parameters, everyone, clip)).rejects.toBeInstanceOf(WorkerFailedError);
});

/** Ends the thread as a crash in native code or an out-of-memory kill does, at once and without a word. */
const killThread = (engine: GradientEngine, index: number): Promise<number> =>
  (engine as unknown as { threads: { worker: Worker }[] }).threads[index]!.worker.terminate();

test("a thread that dies, idle or at work, is replaced, and the sum is what it would have been", async () => {
  const warnings: string[] = [];
  const engine = await engineWith({
    workers: 2,
    microBatch: 4,
    onWarning: (message) => warnings.push(message),
  });
  const whole = await engine.clippedSum(parameters, everyone, clip);
  await killThread(engine, 0);
  expect(distance(await engine.clippedSum(parameters, everyone, clip), whole)).toBeLessThan(1e-5);
  expect(warnings).toEqual([
    expect.stringMatching(/^a worker thread ended early, .*; it was replaced, and its work is done again$/),
  ]);
  const open = engine.clippedSum(parameters, everyone, clip);
  await killThread(engine, 1);
  expect(distance(await open, whole)).toBeLessThan(1e-5);
  expect((await engine.evaluate(parameters, "test")).count).toBe(data.test.count);
});

test("threads that die again and again fail the step, in finite time", async () => {
  let deaths = 0;
  const engine = await engineWith({
    workers: 1,
    microBatch: 4,
    onWarning: () => {
      // The one that takes its place is killed as soon as it is there.
      const old = (engine as unknown as { threads: object[] }).threads[0];
      const watch = setInterval(() => {
        if ((engine as unknown as { threads: object[] }).threads[0] === old) return;
        clearInterval(watch);
        deaths++;
        killThread(engine, 0);
      }, 1);
    },
  });
  await killThread(engine, 0);
  await expect(engine.clippedSum(parameters, everyone, clip)).rejects.toBeInstanceOf(WorkerFailedError);
  expect(deaths).toBeGreaterThan(0);
});

test("the time inside a step is told part by part, and is no more than the threads had", async () => {
  const engine = await engineWith({ workers: 2, microBatch: 4 });
  await engine.clippedSum(parameters, everyone, clip);
  const start = performance.now();
  const { times } = await engine.clippedSum(parameters, everyone, clip);
  const wall = performance.now() - start;
  const parts = Object.entries(times!);
  expect(parts.map(([name]) => name)).toEqual(["views", "gradients", "norms", "sums"]);
  for (const [, part] of parts) expect(part).toBeGreaterThan(0);
  expect(parts.reduce((total, [, part]) => total + part, 0)).toBeLessThan(2 * wall);
});

test("a worker whose backend cannot start is an error that says why", async () => {
  const options = { network, data, augmentation: { views: 0, seed: 1 }, workers: 1, microBatch: 4 };
  await expect(
    startThreads({ ...options, backend: { name: "no-such" as never, reason: "" } }),
  ).rejects.toThrow(/backend must be one of/);
});

test("workers and microBatch must be whole numbers from 1, and workers no more than memory bears", async () => {
  const options = {
    network,
    data,
    augmentation: { views: 0, seed: 1 },
    backend: { name: "wasm", reason: "" },
  } as const;
  for (const workers of [0, 1.5, MOST_WORKERS + 1])
    await expect(startThreads({ ...options, workers })).rejects.toThrow(
      `workers must be a whole number in [1, ${MOST_WORKERS}], got ${workers}`,
    );
  await expect(startThreads({ ...options, workers: 1, microBatch: 2.5 })).rejects.toThrow(
    "microBatch must be",
  );
});

test("evaluation counts every image once, whatever the number of workers", async () => {
  const one = await (await engineWith({ workers: 1, microBatch: 4 })).evaluate(parameters, "test");
  const three = await (await engineWith({ workers: 3, microBatch: 4 })).evaluate(parameters, "test");
  expect(one.count).toBe(data.test.count);
  expect([three.correct, three.count]).toEqual([one.correct, one.count]);
  expect(three.loss).toBeCloseTo(one.loss, 5);
});

test("views are crops of the mirrored image, edge included, the same for an example wherever it stands", () => {
  const images = imagesOf(5, [4, 5, 1], 2);
  const augmentation = { views: 3, seed: 5, padding: 2, flip: true };
  const both = viewsOf(images, Uint32Array.of(1, 4), 0, 2, augmentation, 7);
  const second = viewsOf(images, Uint32Array.of(4), 0, 1, augmentation, 7);
  expect(both.subarray(60)).toEqual(second);
  expect(viewsOf(images, Uint32Array.of(4), 0, 1, augmentation, 8)).not.toEqual(second);
  // Every view must be one of the 5 × 5 × 2 possible ones.
  const at = (y: number, x: number): number => {
    const fold = (v: number, size: number) => (v < 0 ? -1 - v : v < size ? v : 2 * size - 1 - v);
    const byte = images.pixels[4 * 20 + fold(y, 4) * 5 + fold(x, 5)];
    return Math.fround(Math.fround(byte * Math.fround(1 / 127.5)) - 1);
  };
  for (let view = 0; view < 3; view++) {
    const found = [...second.subarray(view * 20, view * 20 + 20)];
    const matches: boolean[] = [];
    for (let top = -2; top <= 2; top++)
      for (let left = -2; left <= 2; left++)
        for (const flip of [false, true])
          matches.push(
            found.every((v, i) => v === at(Math.floor(i / 5) + top, (flip ? 4 - (i % 5) : i % 5) + left)),
          );
    expect(matches.some(Boolean)).toBe(true);
  }
  const plain = viewsOf(images, Uint32Array.of(4), 0, 1, { views: 0, seed: 5 }, 7);
  expect([...plain]).toEqual(Array.from({ length: 20 }, (_, i) => at(Math.floor(i / 5), i % 5)));
});

test("views of an image smaller than the border hold pixels of no other", () => {
  for (const shape of [
    [1, 1, 3],
    [2, 3, 1],
    [1, 9, 1],
  ] as const) {
    const size = shape[0] * shape[1] * shape[2];
    const images = {
      count: 3,
      shape,
      pixels: Float32Array.from({ length: 3 * size }, (_, i) => Math.floor(i / size)),
      labels: new Uint8Array(3),
    };
    for (let step = 1; step <= 20; step++) {
      const views = viewsOf(images, Uint32Array.of(1), 0, 1, { views: 4, seed: 5, flip: true }, step);
      expect(new Set(views)).toEqual(new Set([1]));
    }
  }
});
