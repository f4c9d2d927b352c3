// Convolution as implicit matrix product in float32 tiles: for devices without matrix units, and for exact float32.
import {
  bindings,
  bytesOf,
  type Kernel,
  PACKING,
  quads,
  range,
  type Storage,
  scaledBack,
  unrolled,
} from "../kernel.js";
import type { Convolution } from "./convolution.js";

export interface Epilogue {
  /** Adds bias[biasOffset + channel] from the parameters. */
  readonly biasOffset?: number;
  /** Adds a buffer of the output's own layout. */
  readonly residual: boolean;
  /** The product is divided by this power of two before anything is added; default 1. */
  readonly scale?: number;
  /** How the output and what is added to it are kept. */
  readonly output: Storage;
}

const TILE = 64;
const DEPTH = 16;

/**
 * out[row, co] = Σ_tap Σ_ci in[row at tap, ci]·weights[tap][ci][co] (+ bias, + residual); bound in this order: input,
 * weights, output, parameters if there is a bias, residual if there is one.
 *
 * Tiling: 64 rows × 64 output channels a workgroup of 256 threads, 4 × 4 a thread, depth 16 staged in workgroup memory
 * (8 KiB). A depth step loads 2·64·16 numbers and does 64·64·16 multiply-adds: 32 for each number loaded from device
 * memory, and 2 for each number that a thread loads from workgroup memory.
 */
export function convolutionTiles(convolution: Convolution, storage: Storage, epilogue: Epilogue): Kernel {
  const { rows, columns, views, input, output, taps } = convolution;
  const [ci, co] = [input.channels, output.channels];
  if (!(ci % 4 === 0 && co % 4 === 0))
    throw new RangeError(`channels must be multiples of 4, got ${ci} and ${co}`);
  const [quad, sink] = [quads(storage), quads(epilogue.output)];
  const run = columns * views;
  const total = rows * run;
  const biased = epilogue.biasOffset !== undefined;
  const buffers = [
    `source: array<${quad.type}>`,
    `weights: array<${quad.type}>`,
    `*sink: array<${sink.type}>`,
    ...(biased ? ["parameters: array<f32>"] : []),
    ...(epilogue.residual ? [`residual: array<${sink.type}>`] : []),
    "sizes: Sizes",
  ];
  const code = `struct Sizes {
  total: u32, run: u32, ci: u32, co: u32, sourceExample: u32, sourceBase: u32, sourcePitch: u32, sinkExample: u32, sinkBase: u32,
  sinkPitch: u32, bias: u32, taps: u32, tap: array<vec2u>
}
${bindings(...buffers)}
${PACKING}
var<workgroup> left: array<f32, ${DEPTH * TILE}>;
var<workgroup> right: array<vec4f, ${(DEPTH * TILE) / 4}>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let row0 = group.x * ${TILE}u;
  let column = group.y * ${TILE / 4}u + thread % 16u;
  let example = group.z;
  let total = sizes.total;
  let run = sizes.run;
  let ci = sizes.ci;
  let co = sizes.co / 4u;
  // Loads: a thread brings four channels of one row, and four output channels of one depth.
  let loadRow = min(row0 + thread / 4u, total - 1u);
  let loadDepth = thread % 4u;
  let first = example * sizes.sourceExample + sizes.sourceBase + loadRow / run * sizes.sourcePitch + loadRow % run * (ci / 4u);
  let weightDepth = thread / 16u;
  let r = thread / 16u * 4u;
  var sums: array<vec4f, 4>;
  for (var t = 0u; t < sizes.taps; t++) {
    let tap = sizes.tap[t];
    for (var k = 0u; k < ci; k += ${DEPTH}u) {
      var a = vec4f();
      if (k + loadDepth * 4u < ci) { a = ${quad.load("source[first + tap.x + k / 4u + loadDepth]")}; }
      var b = vec4f();
      if (k + weightDepth < ci && column < co) { b = ${quad.load("weights[(tap.y * ci + k + weightDepth) * co + column]")}; }
      workgroupBarrier();
      ${unrolled(4, (i) => `left[(loadDepth * 4u + ${i}u) * ${TILE}u + thread / 4u] = a[${i}];`)}
      right[thread] = b;
      workgroupBarrier();
      for (var d = 0u; d < ${DEPTH}u; d++) {
        let w = right[d * ${TILE / 4}u + thread % 16u];
        ${unrolled(4, (i) => `sums[${i}] += left[d * ${TILE}u + r + ${i}u] * w;`)}
      }
    }
  }
  if (column >= co) { return; }
  for (var i = 0u; i < 4u; i++) {
    let row = row0 + r + i;
    if (row >= total) { return; }
    let to = example * sizes.sinkExample + sizes.sinkBase + row / run * sizes.sinkPitch + row % run * co + column;
    var value = ${scaledBack("sums[i]", epilogue.scale ?? 1)};
    ${biased ? `value += vec4f(${range(4).map((j) => `parameters[sizes.bias + column * 4u + ${j}u]`)});` : ""}
    ${epilogue.residual ? `value += ${sink.load("residual[to]")};` : ""}
    sink[to] = ${sink.store("value")};
  }
}`;
  return {
    name: `convolution ${ci}→${co} ${rows}×${columns} ${taps.length} taps, tiles ${storage}`,
    code,
    sizes: [
      total,
      run,
      ci,
      co,
      ...[input.exampleSize, input.base, input.rowPitch].map((size) => size / 4),
      ...[output.exampleSize, output.base, output.rowPitch].map((size) => size / 4),
      epilogue.biasOffset ?? 0,
      taps.length,
      ...taps.flatMap((tap) => [tap.offset / 4, tap.filter]),
    ],
    workgroups: (n) => [Math.ceil(total / TILE), Math.ceil(co / TILE), n],
    multiplyAdds: total * taps.length * ci * co,
    bytes: bytesOf(storage) * total * (ci + co),
  };
}
