// A worker thread: its own backend, its own copy of the parameters as tensors, micro-batches taken from a common counter.
import { parentPort, workerData } from "node:worker_threads";
import * as tf from "@tensorflow/tfjs-core";
import { viewsPerExample } from "../../trainer/augmentation.js";
import { Network, sizeOf } from "../../trainer/layers/network.js";
import { saysOutOfMemory } from "../outOfMemory.js";
import { currentKernels, startBackend } from "../tensorflow/startBackend.js";
import { FeatureStore } from "./featureStore.js";
import { MicroBatchRunner } from "./microBatch.js";
import { turnOf, viewsAtOnce } from "./microBatchSize.js";
import { PartialSum } from "./partialSum.js";
import type { ThreadReply, ThreadRequest, ThreadSetup } from "./threads.js";

const setup = workerData as ThreadSetup;
const port = parentPort!;
const parameters = new Float32Array(setup.parameters);
const indices = new Uint32Array(setup.indices);
const next = new Int32Array(setup.next);
const sum = new Float64Array(setup.sum);

await startBackend(setup.backend);
const network = new Network(setup.network, setup.frozen);
const storeOf = (set: "train" | "test") => {
  const memory = setup.features[set];
  return memory && { [set]: new FeatureStore(memory, network.featureShape!) };
};
const kernels = currentKernels();
const runner = new MicroBatchRunner(
  network,
  kernels,
  setup.train,
  setup.test,
  setup.augmentation,
  viewsAtOnce(setup.microBatch, viewsPerExample(setup.augmentation)),
  { ...storeOf("train"), ...storeOf("test") },
);

function withParameters<T>(use: (tensors: tf.Tensor[]) => T): T {
  let at = 0;
  const values = network.parameters.map(({ shape }) => {
    const from = at;
    at += sizeOf(shape);
    // Copied: not every backend takes views of shared memory.
    return parameters.slice(from, at);
  });
  const tensors = network.upload(values);
  try {
    return use(tensors);
  } finally {
    tf.dispose(tensors);
  }
}

/** Calls `work` with the next piece [from, to) of `count` items until none is left. */
function takeTurns(count: number, piece: number, work: (from: number, to: number) => void): void {
  for (;;) {
    const from = Atomics.add(next, 0, 1) * piece;
    if (from >= count) return;
    work(from, Math.min(count, from + piece));
  }
}

function answer(request: ThreadRequest): ThreadReply {
  return withParameters((tensors) => {
    if (request.kind === "evaluate") {
      const { count } = request.set === "train" ? setup.train : setup.test;
      let [correct, seen, loss] = [0, 0, 0];
      takeTurns(count, setup.evaluationBatch, (from, to) => {
        const part = runner.evaluate(tensors, request.set, from, to);
        correct += part.correct;
        seen += part.count;
        loss += part.loss * part.count;
      });
      return { kind: "evaluate", evaluation: { correct, count: seen, loss: loss / Math.max(1, seen) } };
    }
    const partial = new PartialSum(network, kernels, setup.train.count);
    try {
      const batch = { indices, step: request.step };
      takeTurns(request.count, turnOf(request.count, setup.microBatch, setup.workers), (from, to) => {
        runner.addClipped(partial, tensors, batch, from, to, request.clip);
      });
      let at = 0;
      for (const part of partial.read()) {
        sum.set(part, at);
        at += part.length;
      }
    } finally {
      partial.dispose();
    }
    return { kind: "clipped-sum", nonFinite: partial.nonFinite, times: partial.times };
  });
}

port.on("message", (request: ThreadRequest) => {
  let reply: ThreadReply;
  try {
    reply = answer(request);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    reply = { kind: "failed", message, outOfMemory: saysOutOfMemory(error) };
  }
  port.postMessage(reply);
});
port.postMessage({ kind: "ready" } satisfies ThreadReply);
