// Clipping: norms of the stored gradients, one factor an example, and an exact sum in fixed point.
import { bindings, type Kernel } from "../kernel.js";

/** Workgroups that share an example's numbers. */
export const NORM_PARTS = 256;
const LONGEST_DISPATCH = 65535;

/** WGSL: the sum over the workgroup's 256 threads, in a tree, in total[0]. */
const TREE = `var<workgroup> total: array<f32, 256>;
fn addUp(thread: u32, value: f32) {
  total[thread] = value;
  workgroupBarrier();
  for (var half = 128u; half > 0u; half /= 2u) {
    if (thread < half) { total[thread] += total[thread + half]; }
    workgroupBarrier();
  }
}`;

/** squares[example][part] = Σ over the part of gradients²; bound: gradients, squares. Bound by memory: 4 bytes a number. */
export function squaredNorms(parameterCount: number): Kernel {
  const perPart = Math.ceil(parameterCount / NORM_PARTS);
  return {
    name: "squared norms",
    code: `${bindings("gradients: array<f32>", "*squares: array<f32>")}
${TREE}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let origin = group.z * ${parameterCount}u;
  let end = min((group.x + 1u) * ${perPart}u, ${parameterCount}u);
  var sum = 0.0;
  for (var i = group.x * ${perPart}u + thread; i < end; i += 256u) { sum += gradients[origin + i] * gradients[origin + i]; }
  addUp(thread, sum);
  if (thread == 0u) { squares[group.z * ${NORM_PARTS}u + group.x] = total[0]; }
}`,
    workgroups: (n) => [NORM_PARTS, 1, n],
    bytes: 4 * parameterCount,
  };
}

/**
 * What factors are smaller by, relatively: it pays for the norm's rounding (additions behind a term: a thread's own and
 * two trees of 8), the root, the divisions and the products (docs/gpu.md): 5e-6 for 2.75 million numbers.
 */
export const clipMargin = (parameterCount: number): number =>
  (Math.ceil(parameterCount / NORM_PARTS / 256) + 48) * 2 ** -24;

/**
 * outcomes[first + n] = (factor, norm): factor = (1 − margin)·min(1/(C·scale), 1/‖stored‖), 0 where the squared norm is not
 * finite; norm = ‖stored‖/scale, the gradient's own. micro = (bits of C, first, count). Bound: squares, scales, micro,
 * factors, outcomes. One workgroup an example.
 */
export function clipFactors(parameterCount: number): Kernel {
  return {
    name: "clip factors",
    code: `${bindings("squares: array<f32>", "scales: array<f32>", "micro: vec4u", "*factors: array<f32>", "*outcomes: array<vec2f>")}
${TREE}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  addUp(thread, squares[group.z * ${NORM_PARTS}u + thread]);
  if (thread > 0u) { return; }
  let sum = total[0];
  let scale = scales[group.z];
  var factor = 0.0;
  // By its bits: a shader may be compiled as if there were no NaN and no infinity. Below 1e-24 squares may have been
  // flushed to zero: the norm counts as 1e-12 at least.
  if (((bitcast<u32>(sum) >> 23u) & 255u) < 255u) {
    factor = ${1 - clipMargin(parameterCount)} * min(1.0 / (bitcast<f32>(micro.x) * scale), 1.0 / sqrt(max(sum, 1e-24)));
  }
  factors[group.z] = factor;
  outcomes[micro.y + group.z] = vec2f(factor, sqrt(sum) / scale);
}`,
    workgroups: (n) => [1, 1, n],
  };
}

/**
 * The sum is kept in whole numbers of 2^-fractionBits, each in two words: multiples of 2^REST_BITS, and the rest, which is
 * never negative. With N contributions of magnitude at most 1 and fractionBits <= 52 - ceil(log2 N) the multiples stay within
 * 2^26, whatever N: there is room for 32 times as many.
 */
export const REST_BITS = 26;

/** Sums of so many devices add word by word within 32 bits: each rest is below 2^26. */
export const MOST_PARTS = 2 ** (31 - REST_BITS);

/** WGSL for a power of two as f32. */
const power = (exponent: number): string => `f32(${2 ** exponent})`;

/**
 * sums[i] += Σ_n factor_n·gradient_n[i] in fixed point; bound: gradients, factors, micro, sums (multiples, rest).
 *
 * Each contribution is cut off towards zero, so that its norm can only shrink. Whole numbers add without rounding: the sum
 * depends neither on the order nor on the micro-batches, and one example more changes it by exactly its own contribution. One
 * thread a number, reading it of every example: bound by memory, 4 bytes an example and number.
 */
export function accumulate(parameterCount: number, fractionBits: number): Kernel {
  const groups = Math.min(LONGEST_DISPATCH, Math.ceil(parameterCount / 256));
  return {
    name: "accumulate",
    code: `${bindings("gradients: array<f32>", "factors: array<f32>", "micro: vec4u", "*sums: array<vec2i>")}
@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u) {
  for (var i = id.x; i < ${parameterCount}u; i += ${groups * 256}u) {
    var sum = sums[i];
    for (var n = 0u; n < micro.z; n++) {
      let factor = factors[n];
      // Zero times what is not finite would not be zero: such an example must not be read.
      if (factor > 0.0) {
        let value = factor * gradients[n * ${parameterCount}u + i] * ${power(fractionBits - REST_BITS)};
        // The fraction is exact, and so is its product by a power of two; conversion cuts off towards zero.
        let whole = trunc(value);
        let low = sum.y + i32((value - whole) * ${power(REST_BITS)});
        sum = vec2i(sum.x + i32(whole) + (low >> ${REST_BITS}u), low & ${2 ** REST_BITS - 1});
      }
    }
    sums[i] = sum;
  }
}`,
    workgroups: () => [groups, 1, 1],
    bytes: 4 * parameterCount,
  };
}

/**
 * total += part, pair by pair, without rounding; returns total. Exact for the sums of at most MOST_PARTS devices whose
 * examples are together at most the training set's.
 */
export function addFixedPoint<T extends Int32Array>(total: T, part: Int32Array): T {
  for (let i = 0; i < total.length; i++) total[i] += part[i];
  return total;
}

/**
 * The numbers that pairs (multiples, rest) stand for, written where the pairs were. Exact below 2^53 units: for as many
 * examples as fractionBits is for. Pairs begin at a multiple of 8 bytes.
 */
export function fromFixedPoint(pairs: Int32Array, fractionBits: number): Float64Array {
  const values = new Float64Array(pairs.buffer, pairs.byteOffset, pairs.length / 2);
  // Powers outside the loop: V8 takes each for a call of its own, 60 ns a number.
  const [unit, high] = [2 ** -fractionBits, 2 ** REST_BITS];
  for (let i = 0; i < values.length; i++) values[i] = (pairs[2 * i] * high + pairs[2 * i + 1]) * unit;
  return values;
}
