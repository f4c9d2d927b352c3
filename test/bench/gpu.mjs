// npm run bench -- gpu: the private step of WRN-16-4 on a WebGPU device, checked first, beside the peers' measured figures.
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { webgpu as gpu } from "../../dist/backends/index.js";
import { WebGpuCore } from "../../dist/trainer/engine/webgpu/core.js";
import { MICRO_BATCH_PHASES } from "../../dist/trainer/engine/webgpu/plan.js";
import { buildModel } from "../../dist/trainer/models/index.js";
import { SeededRandom } from "../../dist/trainer/random/index.js";

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

function imagesOf(count, seed) {
  const random = new SeededRandom(seed);
  return {
    count,
    shape: [32, 32, 3],
    pixels: Uint8Array.from({ length: count * 3072 }, () => random.below(256)),
    labels: Uint8Array.from({ length: count }, () => random.below(10)),
  };
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

export async function run({
  model = "wrn-16-4",
  views = "16",
  "micro-batch": size = "64",
  precision = "float16x2",
  json,
  details,
}) {
  const network = buildModel(model, [32, 32, 3], 10);
  const K = Number(views);
  const train = imagesOf(256, 1);
  const test = imagesOf(256, 2);
  const parameters = parametersOf(network, 3);
  const open = await gpu.openDevice({ robust: false });
  // The gradients of all examples in flight are one buffer.
  const most = Math.floor(open.device.limits.maxStorageBufferBindingSize / (4 * network.parameterCount));
  const N = Math.min(Number(size), most);
  console.log(
    `${open.description}; level ${open.level}; ${open.hardware ? "hardware" : "software: its times mean nothing"}`,
  );
  const start = (precision, microBatch, k, device = open, together = false) =>
    WebGpuCore.start({
      together,
      open: device,
      network,
      train,
      test,
      augmentation: { views: k, seed: 7 },
      microBatch,
      precision,
    });

  // The same examples by float32 tiles (which the tests hold against float64) and by what the device does fastest.
  const batch = { indices: Uint32Array.from({ length: 6 }, (_, i) => 17 * i + 3), step: 5 };
  const tiles = await gpu.openDevice({ level: "tiles" });
  const reference = await (await start("float32", 6, K, tiles)).clippedSum(parameters, batch, { norm: 1 });
  tiles.close();
  const began = performance.now();
  const core = await start(precision, N, K);
  const compiled = (performance.now() - began) / 1000;
  const fast = await core.clippedSum(parameters, batch, { norm: 1 });
  const check = {
    worstNormError: worstError(fast.norms, reference.norms),
    sumError: relativeError(fast.sum, reference.sum),
    norms: [...reference.norms].map((value) => Number(value.toPrecision(4))),
  };
  // float16 alone rounds activations to 11 bits, which moves masks: that is its price, not a fault.
  const [normLimit, sumLimit] = precision === "float16" ? [5e-3, 0.2] : [2e-3, 5e-3];
  console.log(
    `self-check, ${precision} against float32: norms within ${check.worstNormError.toExponential(1)} (at most ${normLimit}), ` +
      `sum within ${check.sumError.toExponential(1)} (at most ${sumLimit}); gradient norms ${check.norms.join(", ")}`,
  );
  const right = check.worstNormError <= normLimit && check.sumError <= sumLimit && !fast.nonFinite;
  if (!right) {
    console.log("self-check FAILED: the figures below are of a wrong engine");
    process.exitCode = 1;
  }

  // Without privacy: the same kernels but for filter gradients of the whole micro-batch, no norms, no clipped sum.
  let free;
  if (open.level === "matrices" && precision !== "float32") {
    free = await start(precision, N, K, open, true);
    const rowsOf = async (each) => {
      each.submit(batch.indices, 0, 5, { norm: 1 }, 1024);
      const count = network.parameterCount;
      const rows = new Float32Array(await each.plan.program.read(each.plan.gradients, 4 * count * 6));
      return Float64Array.from({ length: count }, (_, i) =>
        [0, 1, 2, 3, 4, 5].reduce((sum, n) => sum + rows[n * count + i], 0),
      );
    };
    const [apart, whole] = [await start(precision, 6, K), await start(precision, 6, K, open, true)];
    for (const each of [apart, whole]) each.setParameters(parameters);
    check.togetherError = relativeError(await rowsOf(whole), await rowsOf(apart));
    console.log(
      `without privacy: gradient of a micro-batch within ${check.togetherError.toExponential(1)} of the sum over its examples`,
    );
    if (!(check.togetherError < 1e-4)) process.exitCode = 1;
  }

  // Whole steps, wall clock: upload of parameters, views from the host, micro-batches, the read at the end.
  const examples = 32 * N;
  const indices = Uint32Array.from({ length: examples }, (_, i) => i % train.count);
  const seconds = [];
  for (let repeat = 0; repeat < 4; repeat++) {
    const from = performance.now();
    await core.clippedSum(parameters, { indices, step: repeat }, { norm: 1 });
    seconds.push((performance.now() - from) / 1000);
  }
  const medianOf = ([, ...timed]) => timed.sort((a, b) => a - b)[1];
  const median = medianOf(seconds);
  const freeSeconds = [];
  for (let repeat = 0; free && repeat < 4; repeat++) {
    const from = performance.now();
    free.setParameters(parameters);
    for (let at = 0; at < examples; at += N) free.submit(indices, at, repeat, { norm: 1 }, 1024);
    await free.plan.program.read(free.plan.gradients, 4 * network.parameterCount);
    freeSeconds.push((performance.now() - from) / 1000);
  }
  const rate = (examples * K) / median;
  console.log(
    `\n${model}, ${precision}, ${N} examples × ${K} views, ${(core.plan.program.allocated / 2 ** 30).toFixed(1)} GiB on the device, ` +
      `kernels ready in ${compiled.toFixed(0)} s`,
  );
  console.log(
    `  private step, whole: ${Math.round(rate)} views/s (${median.toFixed(3)} s for ${examples} examples)`,
  );
  if (free)
    console.log(
      `  step without privacy, whole: ${Math.round((examples * K) / medianOf(freeSeconds))} views/s; private over not private ${(median / medianOf(freeSeconds)).toFixed(3)} (at most 1.25)`,
    );
  for (const [name, value] of PEERS) console.log(`  ${name}: ${value} views/s`);

  let kernels;
  let overhead;
  if (open.timestamps) {
    kernels = await core.plan.program.profile(MICRO_BATCH_PHASES, N);
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
    overhead = total / (total - extra);
    console.log(
      `  device time: ${Math.round((N * K * 1000) / total)} views/s; with over without what only clipping needs: ${overhead.toFixed(3)}`,
    );
    console.log(`\n  device time of one micro-batch: ${total.toFixed(2)} ms, kernel by kernel`);
    for (const [key, group] of [...groups].sort((a, b) => b[1].milliseconds - a[1].milliseconds))
      if (group.milliseconds > 0.002 * total)
        console.log(
          `  ${group.milliseconds.toFixed(3).padStart(8)} ms ${String(group.count).padStart(3)} × ${key}` +
            (group.multiplyAdds
              ? `  ${((2 * group.multiplyAdds) / group.milliseconds / 1e9).toFixed(1)} TFLOP/s`
              : "") +
            (group.bytes && !group.multiplyAdds
              ? `  ${(group.bytes / group.milliseconds / 1e9).toFixed(2)} TB/s`
              : ""),
        );
  }
  if (json)
    writeFileSync(
      json,
      `${JSON.stringify(
        {
          measured: new Date().toISOString(),
          device: open.description,
          level: open.level,
          node: process.version,
          webgpu: "0.6.2",
          cpus: cpus().length,
          model,
          views: K,
          microBatch: N,
          selfCheck: check,
          precision,
          examplesPerStep: examples,
          privateViewsPerSecond: Math.round(rate),
          ...(free && {
            notPrivateViewsPerSecond: Math.round((examples * K) / medianOf(freeSeconds)),
            privateOverNotPrivate: median / medianOf(freeSeconds),
            notPrivateStepSeconds: freeSeconds,
          }),
          privateOverNotPrivateByKernels: overhead,
          stepSeconds: seconds,
          deviceBytes: core.plan.program.allocated,
          peersViewsPerSecond: Object.fromEntries(PEERS),
          kernels,
        },
        null,
        1,
      )}\n`,
    );
  open.close();
}
