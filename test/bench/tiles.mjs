// Which tilings of the matrix kernels are fastest on this card: every large product of a network, timed with each that takes it.

import { splitsOf } from "../../dist/engines/webgpu/convolutions.js";
import * as gpu from "../../dist/engines/webgpu/index.js";

/** Products with a smaller share of all multiply-adds keep their tiling. */
const LEAST_SHARE = 0.01;
const RUNS = 5;
/** For compiling and checking, shared out by the products' costs; what promises less is left out where it does not last. */
const SECONDS = 150;
const SHOWN = 6;

const nameOf = ({ rows, columns, down, across, depth }) =>
  `${down}x${across} of ${rows}x${columns} by ${16 * depth}`;

const keyOfConvolution = ({ rows, columns, input, output, taps }, { output: storage, residual }) =>
  `convolution ${input.channels}→${output.channels} ${rows}×${columns} ${taps.length} taps to ${storage}${residual ? " with residual" : ""}`;
const keyOfWeightGradient = ({ forward, gradient }) =>
  `weight gradient ${forward.input.channels}→${gradient.channels} ${forward.rows}×${forward.columns} ${forward.taps.length} taps`;

/** Tilings that note every product they are asked for. */
export function recorder() {
  const products = new Map();
  const note = (key, product, count) => {
    const known = products.get(key);
    if (known) known.count += count;
    else products.set(key, { ...product, key, count });
  };
  const { chosen } = gpu.TILES;
  return {
    products,
    convolution: (convolution, epilogue) => {
      note(keyOfConvolution(convolution, epilogue), { convolution, epilogue }, 1);
      return chosen.convolution(convolution, epilogue);
    },
    weightGradient: (work) => {
      // It is asked for the whole, and again for the parts that the whole's workgroups ask for.
      note(keyOfWeightGradient(work), { work: { ...work, splits: 1 } }, 0.5);
      return chosen.weightGradient(work);
    },
  };
}

let state = 12345;
/** float16 of magnitude 1/16 to 1/8, two to a word: never zeros, which run faster. */
function halves(count) {
  const words = new Uint32Array(Math.ceil(count / 2));
  for (let i = 0; i < words.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words[i] = ((state ^ (state >>> 11)) & 0x83ff83ff) | 0x2c002c00;
  }
  return words;
}

function filled(program, bytes) {
  const buffer = program.buffer(bytes);
  const words = halves(2 ** 22);
  for (let at = 0; at < bytes; at += words.byteLength)
    program.device.queue.writeBuffer(
      buffer,
      at,
      words,
      0,
      Math.min(words.length, Math.ceil((bytes - at) / 4)),
    );
  return buffer;
}

/** The first 4 MiB of a product after one run into a poisoned buffer, parts of an example's sum added up. */
async function resultOf(program, phase, n, sink, { work }, splits) {
  program.clear(sink);
  program.run([phase], n);
  const size = work && work.forward.taps.length * work.forward.input.channels * work.gradient.channels;
  const bytes = work ? 4 * size * splits : Math.min(sink.size, 2 ** 22);
  const read = await program.read(sink, bytes);
  if (!work) return new Uint32Array(read);
  const parts = new Float32Array(read);
  return Float64Array.from({ length: size }, (_, i) => {
    let sum = 0;
    for (let split = 0; split < splits; split++) sum += parts[split * size + i];
    return sum;
  });
}

/** Convolutions to the bit; weight gradients, whose parts differ in number, to the rounding of their sums. */
function same(product, got, expected) {
  if (!product.work) return got.every((word, i) => word === expected[i]);
  const [difference, size] = got.reduce(
    ([d, s], value, i) => [d + (value - expected[i]) ** 2, s + expected[i] ** 2],
    [0, 0],
  );
  return Math.sqrt(difference / size) < 1e-5;
}

async function timeProduct(open, product, n, seconds) {
  const began = performance.now();
  const { convolution, epilogue, work } = product;
  const program = new gpu.Program(open);
  const candidates = [];
  const named = Object.values(gpu.TILES).map((tiles) =>
    convolution ? tiles.convolution(convolution, epilogue) : tiles.weightGradient(work),
  );
  const distinct = new Map([...named, ...gpu.TILINGS_TO_TRY].map((tiling) => [nameOf(tiling), tiling]));
  for (const tiling of distinct.values()) {
    if (convolution && gpu.convolutionTakes(convolution, tiling))
      candidates.push({ tiling, kernel: gpu.convolutionMatrix(convolution, epilogue, tiling), splits: 1 });
    if (work && gpu.weightGradientTakes(work, tiling)) {
      const rows = work.forward.rows * work.forward.columns * work.forward.views;
      const splits = splitsOf(gpu.weightGradientMatrix(work, tiling), n, rows);
      candidates.push({ tiling, kernel: gpu.weightGradientMatrix({ ...work, splits }, tiling), splits });
    }
  }
  const most = open.device.limits.maxComputeWorkgroupStorageSize;
  const fitting = candidates.filter(
    ({ kernel }) => 16 * Number(/shared_: array<vec4u, (\d+)>/.exec(kernel.code)[1]) <= most,
  );
  const input = convolution?.input ?? work.forward.input;
  const buffers = [filled(program, 2 * n * input.exampleSize)];
  let sink;
  if (convolution) {
    const { output, taps } = convolution;
    const filters = Math.max(...taps.map(({ filter }) => filter)) + 1;
    const bytes = gpu.bytesOf(epilogue.output) * n * output.exampleSize;
    sink = program.buffer(bytes);
    buffers.push(filled(program, 2 * filters * input.channels * output.channels), sink);
    if (epilogue.biasOffset !== undefined)
      buffers.push(filled(program, 4 * (epilogue.biasOffset + output.channels)));
    if (epilogue.residual) buffers.push(filled(program, bytes));
  } else {
    const size = work.forward.taps.length * input.channels * work.gradient.channels;
    sink = program.buffer(4 * n * size * Math.max(...fitting.map(({ splits }) => splits)));
    buffers.push(filled(program, 2 * n * work.gradient.exampleSize), sink);
  }
  let expected;
  const done = [];
  for (const candidate of fitting) {
    if (done.length > 1 && performance.now() - began > 1000 * seconds) break;
    const phase = nameOf(candidate.tiling);
    program.add(phase, candidate.kernel, ...buffers);
    await program.build();
    const got = await resultOf(program, phase, n, sink, product, candidate.splits);
    expected ??= got;
    done.push({ ...candidate, phase, right: same(product, got, expected) });
  }
  // All of them before each is timed again: a card that warms up slows all alike.
  const times = await program.profile(
    done.map(({ phase }) => phase),
    n,
    RUNS,
  );
  for (const buffer of new Set(buffers)) buffer.destroy();
  return done
    .map(({ tiling, kernel, splits, right }, i) => ({
      tiling,
      splits,
      right,
      milliseconds: times[i].milliseconds,
      rate: (2 * n * kernel.multiplyAdds) / times[i].milliseconds / 1e9,
    }))
    .sort((a, b) => a.milliseconds - b.milliseconds);
}

/** Times every large product with every tiling that takes it; returns the tilings that were fastest. */
export async function fastestTiles(open, products, n) {
  const multiplyAdds = ({ convolution, epilogue, work }) =>
    (convolution ? gpu.convolutionMatrix(convolution, epilogue) : gpu.weightGradientMatrix(work))
      .multiplyAdds;
  const all = [...products.values()].map((each) => ({ ...each, cost: each.count * multiplyAdds(each) }));
  const total = all.reduce((sum, { cost }) => sum + cost, 0);
  const best = new Map();
  const found = [];
  const large = all.filter(({ cost }) => cost >= LEAST_SHARE * total);
  const began = performance.now();
  for (const [i, product] of large.sort((a, b) => b.cost - a.cost).entries()) {
    // By roots: small products have as many tilings as large ones.
    const rest = large.slice(i).reduce((sum, { cost }) => sum + Math.sqrt(cost), 0);
    const left = SECONDS - (performance.now() - began) / 1000;
    const tried = await timeProduct(open, product, n, (left * Math.sqrt(product.cost)) / rest);
    const wrong = tried.filter(({ right }) => !right);
    if (wrong.length > 0) {
      console.log(`  ${product.key}: WRONG ${wrong.map(({ tiling }) => nameOf(tiling)).join(", ")}`);
      process.exitCode = 1;
    }
    const right = tried.filter((each) => each.right);
    if (right.length > 0) best.set(product.key, right[0].tiling);
    const { convolution, epilogue, work } = product;
    const of = (tiles) =>
      nameOf(convolution ? tiles.convolution(convolution, epilogue) : tiles.weightGradient(work));
    const marked = (tiling) =>
      Object.entries(gpu.TILES)
        .filter(([, tiles]) => of(tiles) === nameOf(tiling))
        .map(([name]) => ` [${name}]`)
        .join("");
    const shown = right.filter(({ tiling }, i) => i < SHOWN || marked(tiling));
    console.log(`  ${product.count} × ${product.key}, ${tried.length} tilings, TFLOP/s:`);
    for (const { tiling, rate, milliseconds, splits } of shown)
      console.log(
        `    ${rate.toFixed(0).padStart(4)}  ${milliseconds.toFixed(3)} ms  ${nameOf(tiling)}${work ? `, ${splits} parts` : ""}${marked(tiling)}`,
      );
    found.push({ product: product.key, count: product.count, tried });
  }
  const { chosen } = gpu.TILES;
  return {
    found,
    tiles: {
      convolution: (convolution, epilogue) =>
        best.get(keyOfConvolution(convolution, epilogue)) ?? chosen.convolution(convolution, epilogue),
      weightGradient: (work) => best.get(keyOfWeightGradient(work)) ?? chosen.weightGradient(work),
    },
  };
}
