// npm run bench -- gpu: the private step of WRN-16-4 on a WebGPU device, checked first, beside the peers' measured figures.
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { readDevices } from "../../dist/cli/trainOptions.js";
import { WebGpuCore } from "../../dist/engines/webgpu/core.js";
import { startWebGpu } from "../../dist/engines/webgpu/engine.js";
import * as gpu from "../../dist/engines/webgpu/index.js";
import { MICRO_BATCH_PHASES } from "../../dist/engines/webgpu/plan.js";
import { buildModel } from "../../dist/trainer/models/index.js";
import { Optimizer } from "../../dist/trainer/optimizer.js";
import { GaussianNoise } from "../../dist/trainer/random/gaussianNoise.js";
import { SeededRandom } from "../../dist/trainer/random/seeded.js";
import { stopwatch } from "../../dist/trainer/stepTimes.js";
import { fastestTiles, recorder } from "./tiles.mjs";

/** Views a second, forward and backward pass, WRN-16-4 at 32 × 32 on one H100, as measured for this project's issue. */
const PEERS = [
  ["Opacus 1.5.4 hooks, tf32", 9017],
  ["Opacus 1.5.4 ghost, tf32", 8379],
  ["JAX vmap, 64 × 16, tf32", 18102],
  ["JAX vmap, 64 × 16, float32", 6253],
  ["JAX not private, tf32", 43453],
  ["PyTorch not private, tf32", 24709],
  ["PyTorch not private, bf16, compiled", 74205],
];

/** 256 different images, over and over. */
function imagesOf(count, seed) {
  const random = new SeededRandom(seed);
  const own = Uint8Array.from({ length: 256 * 3072 }, () => random.below(256));
  const pixels = new Uint8Array(count * 3072);
  for (let at = 0; at < pixels.length; at += own.length) pixels.set(own.subarray(0, pixels.length - at), at);
  const labels = Uint8Array.from({ length: count }, () => random.below(10));
  return { count, shape: [32, 32, 3], pixels, labels };
}

/** Parameters away from their initial values, so that gains and offsets count. */
function parametersOf(network, seed) {
  const random = new SeededRandom(seed);
  const flat = new Float32Array(network.parameterCount);
  let at = 0;
  for (const values of network.initialise(seed)) {
    const spread = values.length < 1000 ? 0.1 : 0.02;
    for (const value of values) flat[at++] = value + spread * random.normal();
  }
  return flat;
}

const relativeError = (a, b) => {
  let [difference, size] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    size += b[i] ** 2;
  }
  return Math.sqrt(difference / size);
};
const worstError = (a, b) => a.reduce((worst, value, i) => Math.max(worst, Math.abs(value / b[i] - 1)), 0);

const medianOf = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/**
 * The steps of a training, as src/runs/run.ts takes them: the device in a process of its own, average and noise made
 * while it works, noise added, update. Medians of the seconds, the first step left out.
 */
async function trainingSteps({ network, data, augmentation, microBatch, precision, examples, devices }) {
  const engine = await startWebGpu({ network, data, augmentation, microBatch, precision, devices });
  const noise = new GaussianNoise();
  const values = network.initialise(3);
  const optimizer = new Optimizer(values, { learningRate: 2, averageDecay: 0.9999 });
  const indices = Uint32Array.from({ length: examples }, (_, i) => i);
  const laps = { gradients: [], noise: [], update: [] };
  const seconds = await timed(3, async (step) => {
    const lap = stopwatch();
    let drawn;
    const clipped = await engine.clippedSum(optimizer.parameters, { indices, step }, { norm: 1 }, () => {
      optimizer.catchUp();
      drawn = noise.drawAhead(network.parameterCount, setImmediate);
    });
    await drawn;
    laps.gradients.push(lap());
    const added = noise.addToSum(clipped.sum, { noiseMultiplier: 3, sensitivity: clipped.sensitivity });
    laps.noise.push(lap());
    optimizer.update(clipped.sum, examples, added.standardDeviation);
    laps.update.push(lap());
  });
  await engine.close();
  const parts = Object.entries(laps).map(([name, [, ...milliseconds]]) => [
    name,
    medianOf(milliseconds) / 1000,
  ]);
  return { step: medianOf(seconds), ...Object.fromEntries(parts) };
}

/** Starts the engine's core in this process, on a device and with a precision. */
function starter({ network, train, test, views }) {
  return (open, precision, microBatch, together = false, tiles = gpu.TILES.chosen) =>
    WebGpuCore.start({
      ...{ open, network, train, test, microBatch, precision, together, tiles },
      augmentation: { views, seed: 7 },
    });
}

/** Examples and step of the self-checks. */
const CHECKED = { indices: Uint32Array.from({ length: 6 }, (_, i) => 17 * i + 3), step: 5 };

/** The examples of the self-check by float32 tiles, which the tests hold against float64. */
async function referenceOf(start, parameters) {
  const tiles = await gpu.openDevice({ level: "tiles" });
  const exact = await start(tiles, "float32", CHECKED.indices.length);
  const { norms, parts } = await exact.clippedSum(parameters, CHECKED, { norm: 1 });
  tiles.close();
  return { norms, sum: gpu.fromFixedPoint(parts, exact.fractionBits) };
}

/** The same by the core that is timed; and that it keeps examples apart. */
async function selfCheck(core, precision, parameters, reference) {
  const fast = await core.clippedSum(parameters, CHECKED, { norm: 1 });
  const worstNormError = worstError(fast.norms, reference.norms);
  const sumError = relativeError(gpu.fromFixedPoint(fast.parts, core.fractionBits), reference.sum);
  const norms = [...reference.norms].map((value) => Number(value.toPrecision(4)));
  // float16 alone rounds activations to 11 bits, which moves masks: that is its price, not a fault.
  const [normLimit, sumLimit] = precision === "float16" ? [5e-3, 0.2] : [2e-3, 5e-3];
  console.log(
    `self-check, ${precision} against float32: norms within ${worstNormError.toExponential(1)} (at most ${normLimit}), ` +
      `sum within ${sumError.toExponential(1)} (at most ${sumLimit}); gradient norms ${norms.join(", ")}`,
  );
  if (!(worstNormError <= normLimit && sumError <= sumLimit && !fast.nonFinite)) {
    console.log("self-check FAILED: the figures below are of a wrong engine");
    process.exitCode = 1;
  }
  const from = performance.now();
  try {
    await core.checkIsolation();
    console.log(`examples do not mix: checked in ${((performance.now() - from) / 1000).toFixed(1)} s`);
  } catch (error) {
    console.log(`self-check FAILED: ${error.message}`);
    process.exitCode = 1;
  }
  return { worstNormError, sumError, norms };
}

/** The gradient of a micro-batch without privacy against the sum over the examples of the private one. */
async function checkTogether(start, open, precision, parameters, tiles) {
  const { indices, step } = CHECKED;
  const sumOf = async (together) => {
    const core = await start(open, precision, indices.length, together, tiles);
    core.setParameters(parameters);
    core.submit(indices, 0, step, { norm: 1 }, 1024);
    const count = parameters.length;
    const rows = new Float32Array(
      await core.plan.program.read(core.plan.gradients, 4 * count * indices.length),
    );
    return Float64Array.from({ length: count }, (_, i) =>
      indices.reduce((sum, _, n) => sum + rows[n * count + i], 0),
    );
  };
  const error = relativeError(await sumOf(true), await sumOf(false));
  console.log(
    `without privacy: gradient of a micro-batch within ${error.toExponential(1)} of the sum over its examples`,
  );
  if (!(error < 1e-4)) process.exitCode = 1;
  return error;
}

/** Seconds of each of `count` repetitions after a first. */
async function timed(count, work) {
  const seconds = [];
  for (let repeat = 0; repeat <= count; repeat++) {
    const from = performance.now();
    await work(repeat);
    seconds.push((performance.now() - from) / 1000);
  }
  return seconds.slice(1);
}

/** Sets of tilings by name; "fastest" is measured first, product by product. */
async function tilesByName(names, { start, open, precision, N }) {
  const sets = [];
  for (const name of names) {
    if (name !== "fastest") {
      if (!Object.hasOwn(gpu.TILES, name))
        throw new RangeError(`tiles must be of ${Object.keys(gpu.TILES).join(", ")}, fastest, got ${name}`);
      sets.push({ name, tiles: gpu.TILES[name] });
      continue;
    }
    const noted = recorder();
    await start(open, precision, N, false, noted);
    console.log("\nevery large product with every tiling that takes it:");
    const { tiles, found } = await fastestTiles(open, noted.products, N);
    sets.push({ name, tiles, found });
  }
  return sets;
}

/** Clipped sums with each set of tilings in turn, twice; sets the core, the rate and the self-check beside each. */
async function compareTiles(sets, { start, open, precision, N, parameters, reference, batch, views }) {
  for (const set of sets) {
    set.core = await start(open, precision, N, false, set.tiles);
    console.log(`\ntiles ${set.name}:`);
    set.check = await selfCheck(set.core, precision, parameters, reference);
    set.seconds = [];
  }
  for (let round = 0; round < 2; round++)
    for (const { core, seconds } of sets)
      seconds.push(
        ...(await timed(2, (step) => core.clippedSum(parameters, { ...batch, step }, { norm: 1 }))),
      );
  for (const { name, seconds } of sets)
    console.log(
      `  clipped sum with tiles ${name}: ${seconds.map((each) => Math.round((batch.indices.length * views) / each)).join(", ")} views/s`,
    );
  return sets.toSorted((a, b) => medianOf(a.seconds) - medianOf(b.seconds))[0];
}

/** Device time of one micro-batch, kernel by kernel. */
async function profile(core, N, K, details) {
  const kernels = await core.plan.program.profile(MICRO_BATCH_PHASES, N);
  const groups = new Map();
  for (const { phase, name, milliseconds, multiplyAdds, bytes } of kernels) {
    const key = `${phase}: ${details ? name : name.replace(/[ ,].*/, "")}`;
    const group = groups.get(key) ?? { milliseconds: 0, multiplyAdds: 0, bytes: 0, count: 0 };
    group.milliseconds += milliseconds;
    group.multiplyAdds += multiplyAdds;
    group.bytes += bytes;
    group.count++;
    groups.set(key, group);
  }
  const total = kernels.reduce((sum, each) => sum + each.milliseconds, 0);
  // What a step needs only because examples are kept apart; the rest is what a step without privacy does.
  const extra = kernels
    .filter(({ phase, name }) => phase === "clip" || name.startsWith("kernel gradients"))
    .reduce((sum, each) => sum + each.milliseconds, 0);
  const overhead = total / (total - extra);
  console.log(
    `  device time: ${Math.round((N * K * 1000) / total)} views/s; with over without what only clipping needs: ${overhead.toFixed(3)}`,
  );
  console.log(`\n  device time of one micro-batch: ${total.toFixed(2)} ms, kernel by kernel`);
  for (const [key, group] of [...groups].sort((a, b) => b[1].milliseconds - a[1].milliseconds))
    if (group.milliseconds > 0.002 * total) {
      const { milliseconds, multiplyAdds, bytes, count } = group;
      const rate = multiplyAdds
        ? `  ${((2 * multiplyAdds) / milliseconds / 1e9).toFixed(1)} TFLOP/s`
        : bytes
          ? `  ${(bytes / milliseconds / 1e9).toFixed(2)} TB/s`
          : "";
      console.log(`  ${milliseconds.toFixed(3).padStart(8)} ms ${String(count).padStart(3)} × ${key}${rate}`);
    }
  return { kernels, overhead };
}

export async function run({
  model = "wrn-16-4",
  views = "16",
  "micro-batch": size = "64",
  precision = "float16x2",
  // Of a whole step; by default 32 micro-batches: 2,048 examples of 64, half the paper's batch.
  examples: asked,
  // Of the training step alone, as `dpsgd train --devices` takes them.
  devices: list = "default",
  // One set of tilings, or several to compare: the rest is measured with the fastest of them.
  tiles: sets = "chosen",
  // Nothing but that comparison.
  "tiles-only": tilesOnly,
  json,
  details,
}) {
  const network = buildModel(model, [32, 32, 3], 10);
  const K = Number(views);
  const parameters = parametersOf(network, 3);
  const open = await gpu.openDevice({ robust: false });
  const { description, level, timestamps } = open;
  // The gradients of all examples in flight are one buffer.
  const most = Math.floor(open.device.limits.maxStorageBufferBindingSize / (4 * network.parameterCount));
  const N = Math.min(Number(size), most);
  const examples = asked === undefined ? 32 * N : Number(asked);
  // The sum has room for each example once.
  const [train, test] = [imagesOf(Math.max(256, examples), 1), imagesOf(256, 2)];
  const start = starter({ network, train, test, views: K });
  console.log(
    `${description}; level ${level}; ${open.hardware ? "hardware" : "software: its times mean nothing"}`,
  );
  const indices = Uint32Array.from({ length: examples }, (_, i) => i);
  const reference = await referenceOf(start, parameters);
  const compared = await tilesByName(sets.split(","), { start, open, precision, N });
  const { tiles, name: tilesName } =
    compared.length === 1 && !tilesOnly
      ? compared[0]
      : await compareTiles(compared, {
          ...{ start, open, precision, N, parameters, reference, views: K },
          batch: { indices },
        });
  if (tilesOnly) {
    const rows = compared.map(({ name, seconds, check, found }) => ({ name, seconds, check, found }));
    if (json) writeFileSync(json, `${JSON.stringify({ device: description, precision, rows }, null, 1)}\n`);
    return open.close();
  }
  const began = performance.now();
  const core = await start(open, precision, N, false, tiles);
  const compiled = (performance.now() - began) / 1000;
  const deviceBytes = core.plan.program.allocated;
  const check = await selfCheck(core, precision, parameters, reference);

  // Clipped sums, wall clock: upload of parameters, views from the host, micro-batches, the read at the end.
  const stepSeconds = await timed(3, (step) => core.clippedSum(parameters, { indices, step }, { norm: 1 }));
  const median = medianOf(stepSeconds);
  const rateOf = (seconds) => Math.round((examples * K) / seconds);
  console.log(
    `\n${model}, ${precision}, tiles ${tilesName}, ${N} examples × ${K} views, ${(deviceBytes / 2 ** 30).toFixed(1)} GiB on the device, ` +
      `kernels ready in ${compiled.toFixed(0)} s`,
  );
  console.log(
    `  clipped sum of a batch: ${rateOf(median)} views/s (${median.toFixed(3)} s for ${examples} examples)`,
  );

  // Without privacy: the same kernels but for filter gradients of the whole micro-batch, no norms, no clipped sum.
  let notPrivate;
  if (level === "matrices" && precision !== "float32") {
    check.togetherError = await checkTogether(start, open, precision, parameters, tiles);
    const free = await start(open, precision, N, true, tiles);
    const seconds = await timed(3, async (step) => {
      free.setParameters(parameters);
      for (let at = 0; at < examples; at += N) free.submit(indices, at, step, { norm: 1 }, 1024);
      await free.plan.program.read(free.plan.gradients, 4 * network.parameterCount);
    });
    notPrivate = {
      notPrivateViewsPerSecond: rateOf(medianOf(seconds)),
      privateOverNotPrivate: median / medianOf(seconds),
      notPrivateStepSeconds: seconds,
    };
    console.log(
      `  gradient without privacy: ${rateOf(medianOf(seconds))} views/s; ` +
        `private over not private ${notPrivate.privateOverNotPrivate.toFixed(3)} (at most 1.25)`,
    );
  }
  const profiled = timestamps ? await profile(core, N, K, details) : undefined;
  open.close();

  const data = { name: "random", train, test };
  const augmentation = { views: K, seed: 7 };
  const devices = readDevices(list);
  const whole = await trainingSteps({
    ...{ network, data, augmentation, microBatch: N, precision, examples, devices },
  });
  console.log(
    `\n  training step on ${devices.length} device(s), with noise and update: ${rateOf(whole.step)} views/s; ${whole.step.toFixed(3)} s, of which ` +
      `waiting for the device's process ${whole.gradients.toFixed(3)} s, adding noise ${whole.noise.toFixed(3)} s, update ${whole.update.toFixed(3)} s`,
  );
  for (const [name, value] of PEERS) console.log(`  ${name}: ${value} views/s`);
  if (json) {
    const results = {
      measured: new Date().toISOString(),
      device: description,
      level,
      node: process.version,
      webgpu: "0.6.2",
      cpus: cpus().length,
      model,
      views: K,
      microBatch: N,
      selfCheck: check,
      precision,
      examplesPerStep: examples,
      privateViewsPerSecond: rateOf(median),
      trainingViewsPerSecond: rateOf(whole.step),
      trainingStepSeconds: whole,
      trainingDevices: devices.length,
      ...notPrivate,
      tiles: tilesName,
      tilesCompared: compared.map(({ name, seconds, check, found }) => ({ name, seconds, check, found })),
      privateOverNotPrivateByKernels: profiled?.overhead,
      stepSeconds,
      deviceBytes,
      peersViewsPerSecond: Object.fromEntries(PEERS),
      kernels: profiled?.kernels,
    };
    writeFileSync(json, `${JSON.stringify(results, null, 1)}\n`);
  }
}
