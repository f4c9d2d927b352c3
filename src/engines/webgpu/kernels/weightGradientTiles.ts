// Per-example weight gradient in float32 tiles: x transposed times the output's gradient, summed inside the example.
import { bindings, type Kernel, PACKING, quads, type Storage, unrolled } from "../kernel.js";
import type { Convolution, Window } from "./convolution.js";

export interface WeightGradient {
  /** The forward convolution: what it read, at which taps. */
  readonly forward: Convolution;
  /** The gradient of its output. */
  readonly gradient: Window;
  /** Parts of the example's rows that are summed apart, so that more workgroups have work. */
  readonly splits: number;
  /** Examples whose rows are one sum, for a step without privacy (matrix units only). Default 1: examples stay apart. */
  readonly together?: number;
}

const TILE = 64;
const DEPTH = 16;

/**
 * partial[example][split][tap·ci][co] = Σ over the split's rows of x[row at tap, ci]·dy[row, co], float32; bound: x, dy,
 * partial.
 *
 * Tiling: 64 of the taps·ci filter rows × 64 output channels a workgroup of 256 threads, 4 × 4 a thread; 16 rows (pixels and
 * views) at a time in workgroup memory. Two float32 quads loaded by a thread serve 64 multiply-adds of it.
 */
export function weightGradientTiles(work: WeightGradient, storage: Storage): Kernel {
  const { forward, gradient, splits } = work;
  const [ci, co] = [forward.input.channels, gradient.channels];
  if (!(ci % 4 === 0 && co % 4 === 0))
    throw new RangeError(`channels must be multiples of 4, got ${ci} and ${co}`);
  const quad = quads(storage);
  const run = forward.columns * forward.views;
  const total = forward.rows * run;
  const depth = forward.taps.length * ci;
  const perSplit = Math.ceil(total / splits / DEPTH) * DEPTH;
  const code = `struct Sizes {
  ci: u32, co: u32, run: u32, total: u32, depth: u32, splits: u32, perSplit: u32, xExample: u32, xBase: u32, xPitch: u32,
  dyExample: u32, dyBase: u32, dyPitch: u32, tap: array<u32>
}
${bindings(`x: array<${quad.type}>`, `dy: array<${quad.type}>`, "*partial: array<vec4f>", "sizes: Sizes")}
${PACKING}
var<workgroup> left: array<vec4f, ${(DEPTH * TILE) / 4}>;
var<workgroup> right: array<vec4f, ${(DEPTH * TILE) / 4}>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let ci = sizes.ci / 4u;
  let co = sizes.co / 4u;
  let lane = thread % 16u;
  let line = thread / 16u;
  let filter0 = group.x * ${TILE / 4}u;
  let column = group.y * ${TILE / 4}u + lane;
  let example = group.z / sizes.splits;
  let split = group.z % sizes.splits;
  let filterQuad = min(filter0 + lane, sizes.depth / 4u - 1u);
  let xFrom = example * sizes.xExample + sizes.xBase + sizes.tap[filterQuad / ci] + filterQuad % ci;
  let dyFrom = example * sizes.dyExample + sizes.dyBase + min(column, co - 1u);
  let end = min((split + 1u) * sizes.perSplit, sizes.total);
  var sums: array<vec4f, 4>;
  for (var row0 = split * sizes.perSplit; row0 < end; row0 += ${DEPTH}u) {
    let row = row0 + line;
    var a = vec4f();
    var b = vec4f();
    if (row < end) {
      a = ${quad.load("x[xFrom + row / sizes.run * sizes.xPitch + row % sizes.run * ci]")};
      b = ${quad.load("dy[dyFrom + row / sizes.run * sizes.dyPitch + row % sizes.run * co]")};
    }
    workgroupBarrier();
    left[thread] = a;
    right[thread] = b;
    workgroupBarrier();
    for (var d = 0u; d < ${DEPTH}u; d++) {
      let w = right[d * ${TILE / 4}u + lane];
      let v = left[d * ${TILE / 4}u + line];
      ${unrolled(4, (i) => `sums[${i}] += v[${i}] * w;`)}
    }
  }
  if (column >= co || filter0 + line >= sizes.depth / 4u) { return; }
  let to = (group.z * sizes.depth + (filter0 + line) * 4u) * co + column;
  for (var i = 0u; i < 4u; i++) { partial[to + i * co] = sums[i]; }
}`;
  return {
    name: `weight gradient ${ci}→${co} ${forward.rows}×${forward.columns} ${forward.taps.length} taps, tiles ${storage}`,
    code,
    sizes: [
      ci,
      co,
      run,
      total,
      depth,
      splits,
      perSplit,
      ...[forward.input.exampleSize, forward.input.base, forward.input.rowPitch].map((size) => size / 4),
      ...[gradient.exampleSize, gradient.base, gradient.rowPitch].map((size) => size / 4),
      ...forward.taps.map((tap) => tap.offset / 4),
    ],
    workgroups: (n) => [Math.ceil(depth / TILE), Math.ceil(co / TILE), n * splits],
    multiplyAdds: total * depth * co,
  };
}
