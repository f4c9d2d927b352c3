// The trainer beside Opacus and plain torch: clipped sums of the same batch, alternating, in processor time of one thread.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { currentKernels } from "../../dist/engines/tensorflow/startBackend.js";
import { findMicroBatch } from "../../dist/engines/threads/findMicroBatch.js";
import { MicroBatchRunner } from "../../dist/engines/threads/microBatch.js";
import { defaultMicroBatch } from "../../dist/engines/threads/microBatchSize.js";
import { PartialSum } from "../../dist/engines/threads/partialSum.js";
import { bestVariant } from "../../dist/engines/wasm/variant.js";
import { loadDataset } from "../../dist/runs/data/loadDataset.js";
import { fillViews } from "../../dist/trainer/augmentation.js";
import { Network } from "../../dist/trainer/layers/network.js";
import { sizeOf } from "../../dist/trainer/layers/spec.js";
import { buildModel } from "../../dist/trainer/models/index.js";
import { SeededRandom } from "../../dist/trainer/random/seeded.js";
import { table } from "./table.mjs";

const CLIP = 1;
/** No gradient of these networks is as long at their initial weights; longer, and the grid of the sums would show. */
const UNCUT = 50;
/** Milliseconds; a training takes minutes. */
export const WARM_UP = 4000;
const AS_THEY_ARE = { views: 0, seed: 1 };
const PEERS = { hooks: "Opacus hooks", ghost: "Opacus ghost", plain: "torch plain" };

const relaxedSimd = bestVariant() === "relaxed-simd";

/** What is compared: B examples a batch, the peers' micro-batches that are tried, and the least ratios of speed. */
const settings = () => {
  const mnist = loadDataset("mnist");
  return [
    {
      model: "cnn",
      data: mnist,
      batch: 2048,
      tried: [64, 128, 256, 512, 1024, 2048],
      rounds: 11,
      opacus: 1.7,
      plain: 1,
    },
    {
      model: "linear",
      data: mnist,
      batch: 4096,
      tried: [128, 256, 512, 1024, 2048, 4096],
      rounds: 21,
      opacus: 1.2,
    },
    {
      model: "wrn-16-4",
      data: randomImages(64, [32, 32, 3]),
      batch: 32,
      tried: [2, 4, 8, 16, 32],
      rounds: 7,
      opacus: relaxedSimd ? 1 : 0.7,
    },
  ];
};

function randomImages(count, shape) {
  const random = new SeededRandom(1);
  const size = shape.reduce((a, b) => a * b, 1);
  const images = {
    count,
    shape,
    pixels: Uint8Array.from({ length: count * size }, () => random.below(256)),
    labels: Uint8Array.from({ length: count }, () => random.below(10)),
  };
  return { train: images, test: images, classes: 10 };
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const base64 = (values) =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("base64");

/** Processor seconds of this process, all its threads: the compiler's and the collector's are ours too. */
function processorSeconds(work) {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** The only place that knows how a thread makes its share of a private step. */
function ownSide(network, data, indices, microBatch) {
  const kernels = currentKernels();
  const runner = new MicroBatchRunner(network, kernels, data.train, data.test, AS_THEY_ARE);
  const parameters = network.initialise(1);
  const tensors = network.upload(parameters);
  const clippedSum = (norm) => {
    const partial = new PartialSum(network, kernels, data.train.count);
    try {
      for (let from = 0; from < indices.length; from += microBatch) {
        const to = Math.min(indices.length, from + microBatch);
        runner.addClipped(partial, tensors, { indices, step: 1 }, from, to, { norm });
      }
      // On the grid of exact sums.
      return partial.read().map((part) => part.map((value) => value * 2 ** -partial.fractionBits));
    } finally {
      partial.dispose();
    }
  };
  const images = new Float32Array(indices.length * sizeOf(network.spec.inputShape));
  fillViews(images, data.train, indices, 0, indices.length, AS_THEY_ARE, 1);
  return {
    parameters,
    clippedSum,
    images,
    dispose: () => {
      for (const tensor of tensors) tensor.dispose();
    },
  };
}

/** trainerPeers.py, which keeps its models warm between questions. */
class Server {
  #child;
  #answers;

  constructor(python) {
    const script = fileURLToPath(new URL("./trainerPeers.py", import.meta.url));
    const one = Object.fromEntries(
      ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"].map((name) => [name, "1"]),
    );
    this.#child = spawn(python, [script], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, ...one },
    });
    this.ended = new Promise((_, reject) => {
      this.#child.on("error", (error) =>
        reject(new Error(`python ${python} does not start: ${error.message}`)),
      );
      this.#child.on("close", (status) => reject(new Error(`python ${python} ended with status ${status}`)));
    });
    this.ended.catch(() => {});
    this.#child.stdin.on("error", () => {});
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async ask(request) {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await Promise.race([this.#answers.next(), this.ended]);
    return done ? this.ended : JSON.parse(value);
  }

  close() {
    this.#child.stdin.end();
  }
}

/** ‖a − b·scale‖/‖a‖ over all parameters; b in base64, as the server sends it. */
function distance(own, sent, scale) {
  let [difference, size] = [0, 0];
  own.forEach((values, index) => {
    const other = new Float32Array(Uint8Array.from(Buffer.from(sent[index], "base64")).buffer);
    if (other.length !== values.length) throw new Error("the peers' network has other parameters");
    for (let i = 0; i < values.length; i++) {
      difference += (values[i] - scale * other[i]) ** 2;
      size += values[i] ** 2;
    }
  });
  return Math.sqrt(difference / size);
}

/** Opens the network on the server, with the weights and images of ours. */
async function open(server, own, network, data, indices) {
  const { parameters } = await server.ask({
    kind: "network",
    network: network.spec,
    parameters: network.parameters.map(({ shape }, index) => ({
      shape,
      values: base64(own.parameters[index]),
    })),
    images: base64(own.images),
    labels: [...indices].map((index) => data.train.labels[index]),
    clip: CLIP,
  });
  if (parameters !== network.parameterCount)
    throw new Error(
      `${network.spec.name}: ours has ${network.parameterCount} parameters, the peers' ${parameters}`,
    );
}

/**
 * Same weights, same images, same sums: clipped ones of Opacus, of plain torch the sum that no clip norm cuts. With tanh for
 * ReLU: at its kink two roundings of an activation give gradients that are an activation apart.
 */
async function check(server, { spec }, data, indices, microBatch) {
  const network = new Network(JSON.parse(JSON.stringify(spec).replaceAll('"relu"', '"tanh"')));
  const own = ownSide(network, data, indices, microBatch);
  await open(server, own, network, data, indices);
  const checked = {};
  for (const contender of Object.keys(PEERS)) {
    const { sums } = await server.ask({ kind: "sum", contender, microBatch });
    const norm = contender === "plain" ? UNCUT : CLIP;
    checked[contender] = distance(own.clippedSum(norm), sums, 1 / norm);
    if (!(checked[contender] < 1e-3))
      throw new Error(
        `${spec.name}: ${PEERS[contender]} computes another sum, ${checked[contender]} of its length away`,
      );
  }
  own.dispose();
  return checked;
}

/**
 * The micro-batch and the layout of images in which a peer is fastest, of those tried; each is warmed up first. Channels
 * last is for plain torch alone: Opacus 1.6 reads such activations as if they were not, and its sums are wrong.
 */
async function fastest(server, contender, tried, examples) {
  let best = { seconds: Infinity };
  for (const channelsLast of contender === "plain" ? [false, true] : [false])
    for (const microBatch of tried) {
      const ask = { kind: "time", contender, microBatch, channelsLast };
      await server.ask({ ...ask, examples: Math.min(examples, 2 * microBatch) });
      const { seconds } = await server.ask({ ...ask, examples });
      if (seconds < best.seconds) best = { seconds, microBatch, channelsLast };
    }
  return best;
}

async function compare(server, { model, data, batch, tried, rounds, opacus, plain }, microBatchAsked) {
  const network = buildModel(model, data.train.shape, data.classes);
  const microBatch =
    microBatchAsked === "auto"
      ? findMicroBatch(network, currentKernels(), 1)
      : (microBatchAsked ?? defaultMicroBatch(network, 1));
  const indices = Uint32Array.from({ length: batch }, (_, i) => (i * 7919) % data.train.count);
  const distances = await check(server, network, data, indices, microBatch);
  const own = ownSide(network, data, indices, microBatch);
  await open(server, own, network, data, indices);
  const chosen = {};
  for (const contender of Object.keys(PEERS))
    chosen[contender] = await fastest(server, contender, tried, batch);
  // Ours for as long: V8 compiles what runs often in the background, for hundreds of sums, and its time would count as ours.
  for (const end = performance.now() + WARM_UP; performance.now() < end; ) own.clippedSum(CLIP);
  const seconds = { ours: [], hooks: [], ghost: [], plain: [] };
  for (let round = -1; round < rounds; round++) {
    const ours = processorSeconds(() => own.clippedSum(CLIP));
    if (round >= 0) seconds.ours.push(ours);
    for (const [contender, { microBatch, channelsLast }] of Object.entries(chosen)) {
      const ask = { kind: "time", contender, microBatch, channelsLast, examples: batch };
      const answer = await server.ask(ask);
      if (round >= 0) seconds[contender].push(answer.seconds);
    }
  }
  own.dispose();
  const ratioTo = (peer) => median(seconds[peer].map((theirs, round) => theirs / seconds.ours[round]));
  const best = median(seconds.hooks) < median(seconds.ghost) ? "hooks" : "ghost";
  const ratios = { opacus: ratioTo(best), plain: ratioTo("plain") };
  return {
    model,
    parameters: network.parameterCount,
    batch,
    rounds,
    microBatch,
    peers: Object.fromEntries(
      Object.entries(chosen).map(([name, { microBatch, channelsLast }]) => [
        name,
        { microBatch, channelsLast, distance: distances[name] },
      ]),
    ),
    examplesPerSecond: Object.fromEntries(
      Object.entries(seconds).map(([name, times]) => [name, batch / median(times)]),
    ),
    bestOpacus: best,
    ratios,
    toReach: { opacus, ...(plain && { plain }) },
    reached: ratios.opacus >= opacus && (plain === undefined || ratios.plain >= plain),
    seconds,
  };
}

/** Prints the comparison, and returns it. microBatch: ours, "auto" for the fastest, undefined for the default. */
export async function peersOf(python, microBatch) {
  const server = new Server(python);
  try {
    const versions = await server.ask({ kind: "versions" });
    console.log(
      `\nbeside Opacus ${versions.opacus} and torch ${versions.torch} (Python ${versions.python}, ${versions.capability}); Node ${process.versions.node}, ${relaxedSimd ? "with" : "without"} relaxed SIMD`,
    );
    console.log(
      "examples a second of processor time, one thread each; forward, backward, clipping and sum of a batch, no noise, no update\n",
    );
    const results = [];
    for (const setting of settings()) {
      const found = await compare(server, setting, microBatch);
      console.error(`  ${found.model}: ${found.ratios.opacus.toFixed(2)} × the best Opacus`);
      results.push(found);
    }
    const speed = (value) => (value < 1000 ? value.toPrecision(3) : value.toFixed(0));
    const layout = ({ microBatch, channelsLast }) => `${microBatch}${channelsLast ? ", channels last" : ""}`;
    table(
      [
        "network",
        "to reach",
        "ours",
        ...Object.values(PEERS),
        "ours / best Opacus",
        "ours / torch plain",
        "reached",
      ],
      results.map((each) => [
        `${each.model}, B = ${each.batch}`,
        `${each.toReach.opacus} × Opacus${each.toReach.plain ? `, ${each.toReach.plain} × torch` : ""}`,
        ...["ours", ...Object.keys(PEERS)].map((name) => speed(each.examplesPerSecond[name])),
        each.ratios.opacus.toFixed(2),
        each.ratios.plain.toFixed(2),
        each.reached ? "yes" : "no",
      ]),
    );
    console.log("\nmicro-batches; the peers' are the fastest tried, and their sums agree with ours to");
    for (const { model, microBatch, peers } of results)
      console.log(
        `  ${model.padEnd(10)}ours ${microBatch}; ${Object.entries(peers)
          .map(([name, peer]) => `${PEERS[name]} ${layout(peer)} (${peer.distance.toExponential(0)})`)
          .join("; ")}`,
      );
    return { versions, relaxedSimd, networks: results };
  } finally {
    server.close();
  }
}
