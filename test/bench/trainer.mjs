// What privacy costs the trainer: private against plain steps, one against two workers, and where a step's time goes.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { currentKernels, startBackend } from "../../dist/engines/tensorflow/startBackend.js";
import { findMicroBatch } from "../../dist/engines/threads/findMicroBatch.js";
import { MicroBatchRunner } from "../../dist/engines/threads/microBatch.js";
import { defaultMicroBatch } from "../../dist/engines/threads/microBatchSize.js";
import { PartialSum } from "../../dist/engines/threads/partialSum.js";
import { startThreads } from "../../dist/engines/threads/threads.js";
import { loadDataset } from "../../dist/runs/data/loadDataset.js";
import { LedgerWriter } from "../../dist/runs/ledgerFile.js";
import { mnistDemo } from "../../dist/runs/recipes.js";
import { fillViews } from "../../dist/trainer/augmentation.js";
import { sizeOf } from "../../dist/trainer/layers/spec.js";
import { buildModel } from "../../dist/trainer/models/index.js";
import { GaussianNoise } from "../../dist/trainer/random/gaussianNoise.js";
import { PoissonSampler } from "../../dist/trainer/random/poissonSampler.js";
import { peersOf, WARM_UP } from "./trainerPeers.mjs";

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const timed = (work) => {
  const start = performance.now();
  work();
  return performance.now() - start;
};

/** Logits of a chain of plain layers in TensorFlow.js's own operations, which it can differentiate; not those of WASM. */
function ownLogits(layers, images, parameters) {
  const [own, padded] = [
    [...parameters],
    (x, by) =>
      tf.pad(x, [
        [0, 0],
        [by, by],
        [by, by],
        [0, 0],
      ]),
  ];
  return layers.reduce((x, layer) => {
    switch (layer.kind) {
      case "conv2d": {
        const [kernel, shift] = own.splice(0, 2);
        const convolved = tf.conv2d(
          layer.padding ? padded(x, layer.padding) : x,
          kernel,
          layer.stride,
          "valid",
        );
        return tf.add(convolved, shift);
      }
      case "dense": {
        const [kernel, shift] = own.splice(0, 2);
        return tf.add(tf.matMul(x, kernel), shift);
      }
      case "tanh":
        return tf.tanh(x);
      case "max-pool":
        return tf.maxPool(x, layer.size, layer.stride, "valid");
      case "flatten":
        return tf.reshape(x, [x.shape[0], -1]);
      default:
        throw new RangeError(`no own ${layer.kind}`);
    }
  }, images);
}

/** WRN-16-4 with K = 16 as in the paper: memory of an example in flight, and what clipping costs. */
function residual(backend, kernels) {
  const [views, examples] = [16, 2];
  const network = buildModel("wrn-16-4", [32, 32, 3], 10);
  const tensors = network.upload(network.initialise(1));
  const values = Float32Array.from({ length: examples * views * 3072 }, (_, i) => Math.sin(i));
  const labels = Array.from({ length: examples }, (_, n) => n);
  const heap = () => tf.backend().wasm?.HEAPU8.length ?? Number.NaN;
  const images = () => tf.tensor4d(values, [examples * views, 32, 32, 3]);
  const before = heap();
  const partial = new PartialSum(network, kernels, examples);
  let held;
  const privatePass = () =>
    tf.tidy(() => {
      const x = images();
      const start = tf.memory().numBytes;
      const gradients = network.gradients(x, labels, views, tensors, kernels);
      held = (tf.memory().numBytes - start) / examples;
      partial.add(gradients, new Float64Array(examples).fill(1));
    });
  const rowLabels = Array.from({ length: examples * views }, (_, row) => labels[Math.floor(row / views)]);
  const plainPass = () =>
    tf.tidy(() => {
      partial.add(network.plainGradients(images(), rowLabels, tensors, kernels), Float64Array.of(1));
    });
  privatePass();
  const grown = heap() - before;
  plainPass();
  const times = [0, 1, 2].map(() => [timed(privatePass), timed(plainPass)]);
  tf.dispose(tensors);
  partial.dispose();
  return {
    model: network.spec.name,
    parameters: network.parameterCount,
    views,
    privateToPlain: median(times.map(([a, b]) => a / b)),
    viewsPerSecond: (1000 * examples * views) / median(times.map(([a]) => a)),
    gradientMegabytes: held / 1e6,
    activationMegabytes:
      backend.name === "wasm" ? (grown - examples * held) / (examples * views) / 1e6 : null,
  };
}

export async function run(options) {
  const backend = await startBackend(options.backend ?? "wasm");
  const data = loadDataset("mnist");
  const network = buildModel(mnistDemo.training.model, data.train.shape, data.classes);
  const asked = options["micro-batch"];
  const microBatch =
    asked === "auto"
      ? findMicroBatch(network, currentKernels(), 1)
      : Number(asked ?? defaultMicroBatch(network, 1));
  const parameters = network.initialise(1);
  const clip = { norm: mnistDemo.training.clipNorm };
  const kernels = currentKernels();
  const result = {
    machine: {
      cpu: cpus()[0].model,
      cores: availableParallelism(),
      memoryGiB: Math.round(totalmem() / 2 ** 30),
    },
    versions: { node: process.versions.node, tfjs: tf.version_core },
    backend: backend.name,
    model: {
      name: network.spec.name,
      parameters: network.parameterCount,
      multiplyAdds: network.multiplyAdds,
    },
    microBatch,
  };

  // One thread, alternating, so that a busy machine slows both alike.
  const augmentation = { views: 0, seed: 1 };
  const runner = new MicroBatchRunner(network, kernels, data.train, data.test, augmentation);
  const indices = Uint32Array.from({ length: 1024 }, (_, i) => (i * 7919) % data.train.count);
  const labels = indices.map((index) => data.train.labels[index]);
  const tensors = network.upload(parameters);
  const eachMicroBatch = (work) => {
    for (let from = 0; from < indices.length; from += microBatch)
      work(from, Math.min(indices.length, from + microBatch));
  };
  const images = (from, to) => {
    const values = new Float32Array((to - from) * sizeOf(data.train.shape));
    fillViews(values, data.train, indices, from, to, augmentation, 1);
    return tf.tensor4d(values, [to - from, ...data.train.shape]);
  };
  /** A sum over all micro-batches on the grid of exact sums, as numbers again. */
  const summed = (add) => {
    const partial = new PartialSum(network, kernels, data.train.count);
    eachMicroBatch((from, to) => add(partial, from, to));
    const sum = partial.read().map((part) => part.map((value) => value * 2 ** -partial.fractionBits));
    partial.dispose();
    return { sum, times: partial.times };
  };
  const privateStep = () =>
    summed((partial, from, to) => runner.addClipped(partial, tensors, { indices, step: 1 }, from, to, clip))
      .times;
  const plainStep = () =>
    summed((partial, from, to) =>
      tf.tidy(() => {
        const own = labels.subarray(from, to);
        partial.add(network.plainGradients(images(from, to), own, tensors, kernels), Float64Array.of(1));
      }),
    ).sum;
  // What TensorFlow.js's users have without privacy: its own gradients. WASM has none of convolutions.
  const ownStep =
    backend.name !== "wasm" &&
    (() => {
      const sum = network.parameters.map(({ shape }) => new Float64Array(sizeOf(shape)));
      eachMicroBatch((from, to) =>
        tf.tidy(() => {
          const target = tf.oneHot(
            tf.tensor1d(Int32Array.from(labels.subarray(from, to)), "int32"),
            data.classes,
          );
          const x = images(from, to);
          const loss = (...parameters) =>
            tf.neg(tf.sum(tf.mul(target, tf.logSoftmax(ownLogits(network.spec.layers, x, parameters)))));
          tf.grads(loss)(tensors).forEach((tensor, index) => {
            const part = tensor.dataSync();
            for (let i = 0; i < part.length; i++) sum[index][i] += part[i];
          });
        }),
      );
      return sum;
    });
  if (ownStep) {
    const [ours, theirs] = [plainStep(), ownStep()].map((sum) => sum.flatMap((part) => [...part]));
    const difference = Math.hypot(...ours.map((value, i) => value - theirs[i])) / Math.hypot(...theirs);
    if (!(difference < 1e-4)) throw new Error(`TensorFlow.js's own gradients differ by ${difference}`);
  }
  const times = { private: [], plain: [], ratio: [], ownRatio: [] };
  const inside = { views: [], gradients: [], norms: [], sums: [] };
  for (let round = -2; round < 15; round++) {
    let own;
    const a = timed(() => {
      own = privateStep();
    });
    const b = timed(plainStep);
    const c = ownStep ? timed(ownStep) : Number.NaN;
    if (round < 0) continue;
    times.private.push(a);
    times.plain.push(b);
    times.ratio.push(a / b);
    times.ownRatio.push(a / c);
    for (const [part, values] of Object.entries(inside)) values.push(own[part]);
  }
  tf.dispose(tensors);
  const perSecond = (ms) => Math.round((indices.length / ms) * 1000);
  result.oneThread = {
    privateExamplesPerSecond: perSecond(median(times.private)),
    plainExamplesPerSecond: perSecond(median(times.plain)),
    privateToPlain: median(times.ratio),
    privateToOwn: ownStep ? median(times.ownRatio) : null,
  };

  // The parts that are not gradients, at the demo's batch.
  const sampler = new PoissonSampler(data.train.count, 2048 / data.train.count);
  const noise = new GaussianNoise();
  const sum = parameters.map((values) => new Float64Array(values.length));
  const tenMillion = new Float64Array(10_000_000);
  const folder = mkdtempSync(join(tmpdir(), "dpsgd-bench-"));
  const ledger = new LedgerWriter(join(folder, "ledger.jsonl"), {
    software: "bench",
    startedAt: new Date().toISOString(),
    runId: "0".repeat(32),
    plan: {},
    dataset: { name: "mnist", fingerprint: "0".repeat(64) },
    privateMetrics: false,
    arithmetic: {
      engine: "wasm",
      kernels: "simd",
      sums: "fixed-point",
      fractionBits: 40,
      sensitivity: "proven",
    },
  });
  const several = (work) => median(Array.from({ length: 9 }, () => timed(work)));
  const scale = 2048 / indices.length;
  const parts = {
    sampling: several(() => sampler.draw()),
    views: median(inside.views) * scale,
    "forward and backward": median(inside.gradients) * scale,
    norms: median(inside.norms) * scale,
    "clipped sum": median(inside.sums) * scale,
    noise: several(() => noise.addToSum(sum, { noiseMultiplier: 1, sensitivity: 1 })),
    ledger: several(() => ledger.step({ samplingRate: 0.01, noiseMultiplier: 1 })),
  };
  ledger.close();
  rmSync(folder, { recursive: true });
  result.stepMilliseconds = parts;
  result.noiseTenMillionSeconds = timed(() => noise.addTo(tenMillion, 1)) / 1000;

  // Whole steps by worker threads, alternating too.
  const workers = [1, Math.max(2, availableParallelism())];
  const engines = [];
  for (const count of workers)
    engines.push(await startThreads({ backend, network, data, augmentation, workers: count, microBatch }));
  const batch = {
    indices: Uint32Array.from({ length: 2048 }, (_, i) => (i * 7919) % data.train.count),
    step: 1,
  };
  // V8 compiles what runs often in the background, on the core that the second worker needs: until it has, neither is as fast.
  for (const engine of engines)
    for (const end = performance.now() + WARM_UP; performance.now() < end; )
      await engine.clippedSum(parameters, batch, clip);
  const stepTimes = workers.map(() => []);
  for (let round = 0; round < 15; round++)
    for (const [index, engine] of engines.entries()) {
      const start = performance.now();
      await engine.clippedSum(parameters, batch, clip);
      stepTimes[index].push(performance.now() - start);
    }
  await Promise.all(engines.map((engine) => engine.close()));
  result.workers = Object.fromEntries(
    workers.map((count, index) => [
      count,
      { examplesPerSecond: Math.round(2048e3 / median(stepTimes[index])) },
    ]),
  );
  result.speedUp = median(stepTimes[0].map((time, round) => time / stepTimes[1][round]));
  result.peakMemoryMiB = Math.round(process.resourceUsage().maxRSS / 1024);

  result.residual = residual(backend, kernels);

  const total = Object.values(parts).reduce((a, b) => a + b, 0);
  console.log(
    `${result.machine.cpu}, ${result.machine.cores} cores; Node ${result.versions.node}, TensorFlow.js ${result.versions.tfjs}, ${backend.name}`,
  );
  console.log(
    `model ${network.spec.name}: ${network.parameterCount} parameters, micro-batch ${microBatch}\n`,
  );
  console.log(`one thread, private   ${result.oneThread.privateExamplesPerSecond} examples/s`);
  console.log(`one thread, plain     ${result.oneThread.plainExamplesPerSecond} examples/s`);
  console.log(`private / plain       ${result.oneThread.privateToPlain.toFixed(3)} (at most 1.5)`);
  if (ownStep)
    console.log(
      `private / own         ${result.oneThread.privateToOwn.toFixed(3)} (gradients of TensorFlow.js; at most 1.25)`,
    );
  for (const count of workers)
    console.log(
      `${count} worker${count > 1 ? "s" : " "}             ${result.workers[count].examplesPerSecond} examples/s`,
    );
  console.log(
    `${workers[1]} workers / 1         ${result.speedUp.toFixed(2)} (at least 1.7 on two free cores)`,
  );
  console.log(`noise, 10 M numbers   ${result.noiseTenMillionSeconds.toFixed(2)} s (at most 0.5)`);
  console.log(`peak memory           ${result.peakMemoryMiB} MiB\n\nshare of a step of 2048 on one thread:`);
  for (const [name, ms] of Object.entries(parts))
    console.log(
      `  ${name.padEnd(22)}${ms.toFixed(2).padStart(9)} ms ${((100 * ms) / total).toFixed(1).padStart(6)} %`,
    );
  const { model, parameters: size, views: each, ...wide } = result.residual;
  console.log(`\n${model}: ${size} parameters, K = ${each}, one thread`);
  console.log(`private / plain       ${wide.privateToPlain.toFixed(3)} on the same views`);
  console.log(`views                 ${wide.viewsPerSecond.toFixed(2)} a second`);
  console.log(`an example in flight  ${wide.gradientMegabytes.toFixed(2)} MB (at most 12), whatever K`);
  // Only of WASM is it known what the heap has grown by.
  if (wide.activationMegabytes !== null)
    console.log(
      `activations           ${wide.activationMegabytes.toFixed(1)} MB a view that is in the network`,
    );
  if (options.python)
    result.peers = await peersOf(
      options.python,
      asked === undefined || asked === "auto" ? asked : microBatch,
    );
  if (options.json) writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
}
