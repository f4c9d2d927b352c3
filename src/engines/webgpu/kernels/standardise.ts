// Weight standardisation: filters for the products from the trained weights, and back from filter gradients to theirs.
import {
  bindings,
  type Kernel,
  PACKING,
  type Precision,
  quads,
  scaled,
  scaledBack,
  storeOperand,
  unrolled,
} from "../kernel.js";

export interface StandardisedFilter {
  readonly taps: number;
  /** As trained, and as the products read them: padded to a multiple of 16 with zeros. */
  readonly inputChannels: number;
  readonly paddedChannels: number;
  readonly outputChannels: number;
  /** Places in the flat parameters. */
  readonly kernelOffset: number;
  /** Undefined: the kernel is used as it is. */
  readonly gainOffset: number | undefined;
}

/**
 * statistics[co] = (mean, factor, slope = factor·gain, projected) with factor = 1/√max(Σ(w − mean)², 1e-4); bound:
 * parameters, statistics. One workgroup of 256 threads for 32 channels, 8 threads a channel; the second pass takes the
 * squares about the mean.
 */
export function filterStatistics(filter: StandardisedFilter): Kernel {
  const rows = filter.taps * filter.inputChannels;
  const co = filter.outputChannels;
  return {
    name: `filter statistics ${rows}×${co}`,
    code: `${bindings("parameters: array<f32>", "*statistics: array<vec4f>")}
var<workgroup> part: array<f32, 256>;
fn total(thread: u32, value: f32) -> f32 {
  workgroupBarrier();
  part[thread] = value;
  workgroupBarrier();
  var sum = 0.0;
  for (var i = 0u; i < 8u; i++) { sum += part[thread % 32u + i * 32u]; }
  return sum;
}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let channel = min(group.x * 32u + thread % 32u, ${co - 1}u);
  var sum = 0.0;
  for (var row = thread / 32u; row < ${rows}u; row += 8u) { sum += parameters[${filter.kernelOffset}u + row * ${co}u + channel]; }
  let mean = total(thread, sum) / ${rows}.0;
  sum = 0.0;
  for (var row = thread / 32u; row < ${rows}u; row += 8u) {
    let difference = parameters[${filter.kernelOffset}u + row * ${co}u + channel] - mean;
    sum += difference * difference;
  }
  let squares = total(thread, sum);
  let factor = 1.0 / sqrt(max(squares, 1e-4));
  if (thread < 32u && group.x * 32u + thread < ${co}u) {
    statistics[channel] = vec4f(mean, factor, factor * parameters[${filter.gainOffset ?? 0}u + channel], select(0.0, 1.0, squares > 1e-4));
  }
}`,
    workgroups: () => [Math.ceil(co / 32), 1, 1],
  };
}

/**
 * The filter [tap][ci][co], in pairs all rests after all roundings, and its transpose [tap][co][ci] as the products read
 * them; bound: parameters, filter, transpose, statistics if standardised. One thread four numbers of either.
 */
export function buildFilters(filter: StandardisedFilter, precision: Precision): Kernel {
  const { taps, inputChannels, paddedChannels, outputChannels: co } = filter;
  const { type, store } = quads(precision.operand);
  const standardised = filter.gainOffset !== undefined;
  const count = (taps * paddedChannels * co) / 4;
  const buffers = ["parameters: array<f32>", `*filters: array<${type}>`, `*transpose: array<${type}>`];
  if (standardised) buffers.push("statistics: array<vec4f>");
  return {
    name: `filters ${taps}×${inputChannels}→${co}`,
    code: `${bindings(...buffers)}
${PACKING}
fn weight(tap: u32, ci: u32, co: u32) -> f32 {
  if (ci >= ${inputChannels}u) { return 0.0; }
  let raw = parameters[${filter.kernelOffset}u + (tap * ${inputChannels}u + ci) * ${co}u + co];
  ${standardised ? "let s = statistics[co];\n  return (raw - s.x) * s.z;" : "return raw;"}
}
@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${count}u) { return; }
  let tap = id.x / ${(paddedChannels * co) / 4}u;
  let inside = id.x % ${(paddedChannels * co) / 4}u;
  let ci = inside / ${co / 4}u;
  let first = inside % ${co / 4}u * 4u;
  ${storeOperand(precision, "filters", "id.x", scaled("vec4f(weight(tap, ci, first), weight(tap, ci, first + 1u), weight(tap, ci, first + 2u), weight(tap, ci, first + 3u))", precision.filterScale), count)}
  let channel = inside / ${paddedChannels / 4}u;
  let origin = inside % ${paddedChannels / 4}u * 4u;
  transpose[id.x] = ${store("vec4f(weight(tap, origin, channel), weight(tap, origin + 1u, channel), weight(tap, origin + 2u, channel), weight(tap, origin + 3u, channel))")};
}`,
    workgroups: () => [Math.ceil(count / 256), 1, 1],
  };
}

/** sum[i] = Σ over parts of partial[part][i]; bound: partial, sum (in quads). One thread four numbers. */
export function sumOfParts(size: number, parts: number): Kernel {
  return {
    name: `sum of ${parts} parts`,
    code: `${bindings("partial: array<vec4f>", "*sum: array<vec4f>")}
@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${size / 4}u) { return; }
  var total = vec4f();
  for (var part = 0u; part < ${parts}u; part++) { total += partial[part * ${size / 4}u + id.x]; }
  sum[id.x] = total;
}`,
    workgroups: () => [Math.ceil(size / 4 / 256), 1, 1],
  };
}

/** Rows that a thread loads before it uses the first: more bytes on their way at once. */
const AHEAD = 4;

/**
 * From the filter's gradient ĝ (in `splits` parts, to be added up) to the trained weights': with u = (w − mean)·factor,
 * kernel: slope·(ĝ − mean(ĝ) − projected·u·(u·ĝ)), gain: u·ĝ; without standardisation the sum of the parts. Bound:
 * partial, parameters, gradients (a row of all parameters for each example), statistics if standardised.
 *
 * One workgroup of 256 threads for 32 channels of an example, 8 threads a channel; every part is read twice, the second
 * time out of the cache: 8 bytes a weight from memory, 4 written.
 */
export function kernelGradients(
  filter: StandardisedFilter,
  splits: number,
  parameterCount: number,
  precision: Precision,
): Kernel {
  const { taps, inputChannels, paddedChannels, outputChannels: co, kernelOffset, gainOffset } = filter;
  const rows = taps * inputChannels;
  const buffers = ["partial: array<f32>", "parameters: array<f32>", "*gradients: array<f32>"];
  const standardised = gainOffset !== undefined;
  if (standardised) buffers.push("statistics: array<vec4f>");
  return {
    name: `kernel gradients ${rows}×${co}`,
    code: `${bindings(...buffers)}
var<workgroup> part: array<vec2f, 256>;
fn gradient(example: u32, row: u32, channel: u32) -> f32 {
  let at = (row / ${inputChannels}u * ${paddedChannels}u + row % ${inputChannels}u) * ${co}u + channel;
  var sum = 0.0;
  for (var split = 0u; split < ${splits}u; split++) { sum += partial[(example * ${splits}u + split) * ${taps * paddedChannels * co}u + at]; }
  return ${scaledBack("sum", precision.inputScale)};
}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let wanted = group.x * 32u + thread % 32u;
  let channel = min(wanted, ${co - 1}u);
  let example = group.z;
  let to = example * ${parameterCount}u + ${kernelOffset}u;
  ${
    standardised
      ? `let s = statistics[channel];
  var sums = vec2f();
  for (var row = thread / 32u; row < ${rows}u; row += ${8 * AHEAD}u) {
    ${unrolled(AHEAD, (i) => `let row${i} = min(row + ${8 * i}u, ${rows - 1}u);\nlet g${i} = gradient(example, row${i}, channel);`)}
    ${unrolled(
      AHEAD,
      (i) => `if (row + ${8 * i}u < ${rows}u) {
      let u = (parameters[${kernelOffset}u + row${i} * ${co}u + channel] - s.x) * s.y;
      sums += vec2f(g${i}, u * g${i});
    }`,
    )}
  }
  part[thread] = sums;
  workgroupBarrier();
  sums = vec2f();
  for (var i = 0u; i < 8u; i++) { sums += part[thread % 32u + i * 32u]; }
  let mean = sums.x / ${rows}.0;
  if (wanted >= ${co}u) { return; }
  for (var row = thread / 32u; row < ${rows}u; row += ${8 * AHEAD}u) {
    ${unrolled(AHEAD, (i) => `let row${i} = min(row + ${8 * i}u, ${rows - 1}u);\nlet g${i} = gradient(example, row${i}, channel);`)}
    ${unrolled(
      AHEAD,
      (i) => `if (row + ${8 * i}u < ${rows}u) {
      let u = (parameters[${kernelOffset}u + row${i} * ${co}u + channel] - s.x) * s.y;
      gradients[to + row${i} * ${co}u + channel] = s.z * (g${i} - mean - s.w * u * sums.y);
    }`,
    )}
  }
  if (thread < 32u) { gradients[example * ${parameterCount}u + ${gainOffset}u + channel] = sums.y; }`
      : `if (wanted >= ${co}u) { return; }
  for (var row = thread / 32u; row < ${rows}u; row += 8u) { gradients[to + row * ${co}u + channel] = gradient(example, row, channel); }
  _ = parameters[0];`
  }
}`,
    workgroups: (n) => [Math.ceil(co / 32), 1, n],
  };
}
