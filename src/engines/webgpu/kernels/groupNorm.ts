// ReLU, then group normalisation, forward and backward, with the per-example gradients of scale, offset and the bias below.
import {
  bindings,
  bytesOf,
  type Kernel,
  PACKING,
  type Precision,
  quads,
  type Storage,
  scaled,
  storeOperand,
} from "../kernel.js";
import { exampleSize, type Layout, offsetCode, plainLayout } from "../layout.js";

export interface GroupNorm {
  readonly height: number;
  readonly width: number;
  readonly views: number;
  readonly channels: number;
  readonly groups: number;
  readonly epsilon: number;
  /** A ReLU before the norm. */
  readonly relu: boolean;
  /** And one after it. */
  readonly reluAfter: boolean;
  readonly scaleOffset: number;
  readonly offsetOffset: number;
}

/** Pixels are shared out to this many workgroups an example and column; each adds up its own part. */
export const partsOf = ({ height, width }: { height: number; width: number }): number =>
  Math.max(1, Math.min(32, Math.floor((height * width) / 8)));

/**
 * The frame of the kernels that pass over an activation: thread = one quad of channels of one view ("column"), walking over
 * the pixels of its part, so that the threads of a workgroup read neighbouring quads, and sums over pixels need no
 * exchange. All are bound by memory: each number is read or written once, for a handful of operations.
 */
function overColumns(
  shape: { height: number; width: number; views: number; channels: number },
  text: { buffers: readonly string[]; before?: string; pixel: string; after?: string },
): Pick<Kernel, "code" | "workgroups"> {
  const { height, width, views, channels } = shape;
  const columns = (views * channels) / 4;
  const parts = partsOf(shape);
  const perPart = Math.ceil((height * width) / parts);
  const threads = Math.min(256, Math.ceil(columns / 32) * 32);
  return {
    code: `${bindings(...text.buffers)}
${PACKING}
const COLUMNS = ${columns}u;
const PARTS = ${parts}u;
const CHANNEL_QUADS = ${channels / 4}u;
@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  if (column >= COLUMNS) { return; }
  let part = id.y;
  let example = id.z;
  let k = column / CHANNEL_QUADS;
  let channel = column % CHANNEL_QUADS * 4u;
  ${text.before ?? ""}
  let end = min((part + 1u) * ${perPart}u, ${height * width}u);
  for (var pixel = part * ${perPart}u; pixel < end; pixel++) {
    let py = pixel / ${width}u;
    let px = pixel % ${width}u;
    ${text.pixel}
  }
  ${text.after ?? ""}
}`,
    workgroups: (n) => [Math.ceil(columns / threads), parts, n],
  };
}

/** Where column and pixel lie in a buffer of this layout. */
const at = (layout: Layout, copies = 1): string =>
  `example * ${(copies * exampleSize(layout)) / 4}u + ${offsetCode(layout, "py", "px")} + column`;

const plain = (norm: GroupNorm): Layout => plainLayout(norm.height, norm.width, norm.views, norm.channels);

const activated = (norm: GroupNorm, code: string): string => (norm.relu ? `max(${code}, vec4f())` : code);

/** Before a pixel's `result`: what the norm gives, from the gain and the offset. */
const gainAndShift = (norm: GroupNorm): string => `let gain = sY * ${parameterQuad(norm.scaleOffset)};
  let shift = ${parameterQuad(norm.offsetOffset)};`;

const result = (norm: GroupNorm, raw: string): string => `(${activated(norm, raw)} - sX) * gain + shift`;

/** The gradient of the norm's result from that after the ReLU: the result is formed again, it is not kept. */
const masked = (norm: GroupNorm, gradient: string, raw: string): string =>
  norm.reluAfter ? `select(vec4f(), ${gradient}, ${result(norm, raw)} > vec4f())` : gradient;

/** Mean and reciprocal deviation of the four channels' groups. */
const groupOf = (norm: GroupNorm, name: string, origin: string): string => {
  const perGroup = norm.channels / norm.groups;
  const one = (i: number) =>
    `${origin}[(example * ${norm.views}u + k) * ${norm.groups}u + (channel + ${i}u) / ${perGroup}u]`;
  return `let ${name}0 = ${one(0)};
  let ${name}1 = ${one(1)};
  let ${name}2 = ${one(2)};
  let ${name}3 = ${one(3)};
  let ${name}X = vec4f(${name}0.x, ${name}1.x, ${name}2.x, ${name}3.x);
  let ${name}Y = vec4f(${name}0.y, ${name}1.y, ${name}2.y, ${name}3.y);`;
};

const parameterQuad = (offset: number): string =>
  `vec4f(parameters[${offset}u + channel], parameters[${offset}u + channel + 1u], parameters[${offset}u + channel + 2u], parameters[${offset}u + channel + 3u])`;

/** Σ d and Σ d² of each column and part, d = relu(x) less its value at the first pixel; bound: x, sums. */
export function columnMoments(norm: GroupNorm, storage: Storage): Kernel {
  const { type, load } = quads(storage);
  return {
    name: `moments ${norm.channels}×${norm.height}×${norm.width}`,
    ...overColumns(norm, {
      buffers: [`x: array<${type}>`, "*sums: array<vec4f>"],
      before: `let first = ${activated(norm, load(`x[example * ${exampleSize(plain(norm)) / 4}u + column]`))};
  var sum = vec4f();
  var squares = vec4f();`,
      pixel: `let d = ${activated(norm, load(`x[${at(plain(norm))}]`))} - first;
    sum += d;
    squares += d * d;`,
      after: `let to = (example * PARTS + part) * 2u * COLUMNS + column;
  sums[to] = sum;
  sums[to + COLUMNS] = squares;`,
    }),
    bytes: bytesOf(storage) * exampleSize(plain(norm)),
  };
}

/**
 * statistics[example][view][group] = (mean, 1/√(variance + epsilon)) from the column moments; bound: x, sums, statistics.
 * The shift by the first pixel and the means of the channels apart keep float32 exact enough where the mean is large.
 */
export function groupStatistics(norm: GroupNorm, storage: Storage): Kernel {
  const { views, channels, groups, height, width } = norm;
  const perGroup = channels / groups;
  const columns = (views * channels) / 4;
  const pixels = height * width;
  const parts = partsOf(norm);
  return {
    name: `statistics ${channels}×${height}×${width}`,
    code: `${bindings(`x: array<${quads(storage).type}>`, "sums: array<f32>", "*statistics: array<vec2f>")}
${PACKING}
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${views * groups}u) { return; }
  let example = id.z;
  let first = id.x / ${groups}u * ${channels}u + id.x % ${groups}u * ${perGroup}u;
  var means = array<f32, ${perGroup}>();
  var mean = 0.0;
  var squares = 0.0;
  for (var c = 0u; c < ${perGroup}u; c++) {
    let column = first + c;
    let start = ${activated(norm, quads(storage).load(`x[example * ${exampleSize(plain(norm)) / 4}u + column / 4u]`))}[column % 4u];
    var sum = 0.0;
    var square = 0.0;
    for (var part = 0u; part < ${parts}u; part++) {
      let origin = (example * ${parts}u + part) * ${8 * columns}u + column;
      sum += sums[origin];
      square += sums[origin + ${4 * columns}u];
    }
    means[c] = start + sum / ${pixels}.0;
    mean += means[c];
    squares += square - sum * (sum / ${pixels}.0);
  }
  mean /= ${perGroup}.0;
  for (var c = 0u; c < ${perGroup}u; c++) { squares += ${pixels}.0 * (means[c] - mean) * (means[c] - mean); }
  let variance = max(squares, 0.0) / ${pixels * perGroup}.0;
  statistics[example * ${views * groups}u + id.x] = vec2f(mean, 1.0 / sqrt(variance + ${norm.epsilon}));
}`,
    workgroups: (n) => [Math.ceil((views * groups) / 64), 1, n],
  };
}

/**
 * out = (relu(x) − mean)·deviation⁻¹·scale + offset, or the ReLU of that, as an operand in the layout of the convolution that reads it, or as
 * an activation; bound: x, statistics, parameters, out.
 */
export function normalise(
  norm: GroupNorm,
  target: Layout,
  precision: Precision,
  kind: "operand" | "activation",
): Kernel {
  const { type, load, store } = quads(precision.activation);
  const split = kind === "operand" && precision.split;
  const normed = result(norm, load(`x[${at(plain(norm))}]`));
  const value = norm.reluAfter ? `max(${normed}, vec4f())` : normed;
  const place = at(target, split ? 2 : 1);
  return {
    name: `normalise ${norm.channels}×${norm.height}×${norm.width}`,
    ...overColumns(norm, {
      buffers: [
        `x: array<${type}>`,
        "statistics: array<vec2f>",
        "parameters: array<f32>",
        `*out: array<${kind === "operand" ? quads(precision.operand).type : type}>`,
      ],
      before: `${groupOf(norm, "s", "statistics")}
  ${gainAndShift(norm)}`,
      pixel:
        kind === "operand"
          ? storeOperand(
              precision,
              "out",
              place,
              scaled(value, precision.inputScale),
              exampleSize(target) / 4,
            )
          : `out[${place}] = ${store(value)};`,
    }),
    bytes:
      (bytesOf(precision.activation) +
        (kind === "operand" ? bytesOf(precision.operand) * (split ? 2 : 1) : bytesOf(precision.activation))) *
      exampleSize(plain(norm)),
  };
}

/**
 * Σ dy and Σ dy·normal of each column and part; bound: x, dy (layout `source`), statistics, sums, parameters with a ReLU
 * after the norm.
 */
export function gradientMoments(norm: GroupNorm, source: Layout, precision: Precision): Kernel {
  const [x, dy] = [quads(precision.activation), quads(precision.gradient)];
  return {
    name: `gradient moments ${norm.channels}×${norm.height}×${norm.width}`,
    ...overColumns(norm, {
      buffers: [
        `x: array<${x.type}>`,
        `dy: array<${dy.type}>`,
        "statistics: array<vec2f>",
        "*sums: array<vec4f>",
        ...(norm.reluAfter ? ["parameters: array<f32>"] : []),
      ],
      before: `${groupOf(norm, "s", "statistics")}
  ${norm.reluAfter ? gainAndShift(norm) : ""}
  var sum = vec4f();
  var products = vec4f();`,
      pixel: `let raw = ${x.load(`x[${at(plain(norm))}]`)};
    let g = ${masked(norm, dy.load(`dy[${at(source)}]`), "raw")};
    sum += g;
    products += g * ((${activated(norm, "raw")} - sX) * sY);`,
      after: `let to = (example * PARTS + part) * 2u * COLUMNS + column;
  sums[to] = sum;
  sums[to + COLUMNS] = products;`,
    }),
    bytes: (bytesOf(precision.activation) + bytesOf(precision.gradient)) * exampleSize(plain(norm)),
  };
}

/** Adds up the parts: totals[example][2][column]; bound: sums, totals. One thread a column quad of either sum. */
export function columnTotals(
  shape: { height: number; width: number; views: number; channels: number },
  kinds: number,
): Kernel {
  const count = (kinds * shape.views * shape.channels) / 4;
  return {
    name: `totals ${shape.channels}×${shape.height}×${shape.width}`,
    code: `${bindings("sums: array<vec4f>", "*totals: array<vec4f>")}
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${count}u) { return; }
  var sum = vec4f();
  for (var part = 0u; part < ${partsOf(shape)}u; part++) { sum += sums[(id.z * ${partsOf(shape)}u + part) * ${count}u + id.x]; }
  totals[id.z * ${count}u + id.x] = sum;
}`,
    workgroups: (n) => [Math.ceil(count / 64), 1, n],
  };
}

/**
 * From the totals: means[example][view][group] = (mean of dy·scale, mean of dy·scale·normal) over the group, and the
 * example's gradients of scale (Σ dy·normal) and offset (Σ dy); bound: totals, parameters, means, gradients.
 */
export function normGradients(norm: GroupNorm, parameterCount: number): Kernel {
  const { views, channels, groups, height, width } = norm;
  const perGroup = channels / groups;
  const all = views * channels;
  const count = views * groups + channels;
  return {
    name: `norm gradients ${channels}`,
    code: `${bindings("totals: array<f32>", "parameters: array<f32>", "*means: array<vec2f>", "*gradients: array<f32>")}
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${count}u) { return; }
  let origin = id.z * ${2 * all}u;
  if (id.x < ${views * groups}u) {
    let first = id.x % ${groups}u * ${perGroup}u;
    var sum = vec2f();
    for (var c = first; c < first + ${perGroup}u; c++) {
      let column = origin + id.x / ${groups}u * ${channels}u + c;
      sum += parameters[${norm.scaleOffset}u + c] * vec2f(totals[column], totals[column + ${all}u]);
    }
    means[id.z * ${views * groups}u + id.x] = sum / ${height * width * perGroup}.0;
  } else {
    let c = id.x - ${views * groups}u;
    var sum = vec2f();
    for (var k = 0u; k < ${views}u; k++) {
      let column = origin + k * ${channels}u + c;
      sum += vec2f(totals[column], totals[column + ${all}u]);
    }
    gradients[id.z * ${parameterCount}u + ${norm.offsetOffset}u + c] = sum.x;
    gradients[id.z * ${parameterCount}u + ${norm.scaleOffset}u + c] = sum.y;
  }
}`,
    workgroups: (n) => [Math.ceil(count / 64), 1, n],
  };
}

/**
 * dx = [x > 0]·deviation⁻¹·(dy·scale − mean₁ − normal·mean₂) (+ skip), and Σ dx of each column and part: the bias gradient
 * of the convolution below. Bound: x, dy, statistics, means, parameters, dx (layout `target`), sums, skip (layout
 * `target`) if there is one.
 */
export function normaliseGradient(
  norm: GroupNorm,
  source: Layout,
  target: Layout,
  skip: boolean,
  precision: Precision,
): Kernel {
  const raw = quads(precision.activation);
  const { type, load, store } = quads(precision.gradient);
  const buffers = [
    `x: array<${raw.type}>`,
    `dy: array<${type}>`,
    "statistics: array<vec2f>",
    "means: array<vec2f>",
    "parameters: array<f32>",
    `*dx: array<${type}>`,
    "*sums: array<vec4f>",
  ];
  if (skip) buffers.push(`skip: array<${type}>`);
  return {
    name: `norm backward ${norm.channels}×${norm.height}×${norm.width}${skip ? " with skip" : ""}`,
    ...overColumns(norm, {
      buffers,
      before: `${groupOf(norm, "s", "statistics")}
  ${groupOf(norm, "m", "means")}
  let scale = ${parameterQuad(norm.scaleOffset)};
  ${norm.reluAfter ? gainAndShift(norm) : ""}
  var sum = vec4f();`,
      pixel: `let raw = ${raw.load(`x[${at(plain(norm))}]`)};
    let normal = (${activated(norm, "raw")} - sX) * sY;
    var value = sY * (${masked(norm, load(`dy[${at(source)}]`), "raw")} * scale - mX - normal * mY);
    ${norm.relu ? "value = select(vec4f(), value, raw > vec4f());" : ""}
    ${skip ? `value += ${load(`skip[${at(target)}]`)};` : ""}
    sum += value;
    dx[${at(target)}] = ${store("value")};`,
      after: "sums[(example * PARTS + part) * COLUMNS + column] = sum;",
    }),
    bytes:
      (bytesOf(precision.activation) + bytesOf(precision.gradient) * (skip ? 3 : 2)) *
      exampleSize(plain(norm)),
  };
}

/** gradients[example][biasOffset + channel] = Σ over views and parts; bound: sums, gradients. */
export function biasGradients(
  shape: { height: number; width: number; views: number; channels: number },
  biasOffset: number,
  parameterCount: number,
): Kernel {
  const { views, channels } = shape;
  const rows = partsOf(shape) * views;
  return {
    name: `bias gradients ${channels}`,
    code: `${bindings("sums: array<f32>", "*gradients: array<f32>")}
var<workgroup> partial: array<f32, 256>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let channel = min(group.x * 16u + thread % 16u, ${channels - 1}u);
  var sum = 0.0;
  for (var row = thread / 16u; row < ${rows}u; row += 16u) { sum += sums[(group.z * ${rows}u + row) * ${channels}u + channel]; }
  partial[thread] = sum;
  workgroupBarrier();
  if (thread >= 16u || group.x * 16u + thread >= ${channels}u) { return; }
  sum = 0.0;
  for (var i = 0u; i < 16u; i++) { sum += partial[thread + i * 16u]; }
  gradients[group.z * ${parameterCount}u + ${biasOffset}u + channel] = sum;
}`,
    workgroups: (n) => [Math.ceil(channels / 16), 1, n],
  };
}
