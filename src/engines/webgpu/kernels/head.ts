// The classifier: mean over the pixels, dense layer, softmax cross-entropy averaged over the views, and their gradients.
import { bindings, type Kernel, PACKING, quads, type Storage } from "../kernel.js";
import { exampleSize, plainLayout } from "../layout.js";

export interface Head {
  readonly height: number;
  readonly width: number;
  /** Rows of the buffers, and how many of them are views of the example (the others are filling). */
  readonly views: number;
  readonly realViews: number;
  readonly channels: number;
  readonly classes: number;
  readonly kernelOffset: number;
  readonly biasOffset: number;
}

/** pooled[example][view][channel], float32; bound: h (plain layout), pooled. One thread a column, bound by memory. */
export function pool(head: Head, storage: Storage): Kernel {
  const { height, width, views, channels } = head;
  const columns = (views * channels) / 4;
  const pixels = height * width;
  return {
    name: `pool ${channels}×${height}×${width}`,
    code: `${bindings(`h: array<${quads(storage).type}>`, "*pooled: array<vec4f>")}
${PACKING}
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${columns}u) { return; }
  var sum = vec4f();
  for (var pixel = 0u; pixel < ${pixels}u; pixel++) { sum += ${quads(storage).load(`h[(id.z * ${pixels}u + pixel) * ${columns}u + id.x]`)}; }
  pooled[id.z * ${columns}u + id.x] = sum / ${pixels}.0;
}`,
    workgroups: (n) => [Math.ceil(columns / 64), 1, n],
  };
}

/** logits[example][view][class]; bound: pooled, parameters, logits. One thread a logit. */
export function logits(head: Head): Kernel {
  const { views, channels, classes, kernelOffset, biasOffset } = head;
  return {
    name: `logits ${channels}→${classes}`,
    code: `${bindings("pooled: array<f32>", "parameters: array<f32>", "*logits: array<f32>")}
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${views * classes}u) { return; }
  let k = id.x / ${classes}u;
  let class_ = id.x % ${classes}u;
  var sum = parameters[${biasOffset}u + class_];
  for (var c = 0u; c < ${channels}u; c++) { sum += pooled[(id.z * ${views}u + k) * ${channels}u + c] * parameters[${kernelOffset}u + c * ${classes}u + class_]; }
  logits[id.z * ${views * classes}u + id.x] = sum;
}`,
    workgroups: (n) => [Math.ceil((views * classes) / 64), 1, n],
  };
}

/**
 * dlogits = (softmax − onehot)·t, t the power of two that brings the largest of the example's entries to [peak/2, peak],
 * and scales[example] = K·t: what all of the example's gradients are larger by than those of the mean loss. float16 then
 * neither overflows nor underflows, whether the example is learnt or not; clipping divides by it. peak: the bits of
 * micro.w. Bound: logits, labels, micro, dlogits, scales. One workgroup an example.
 */
export function lossGradient(head: Head): Kernel {
  const { views, realViews, classes } = head;
  const threads = Math.min(256, Math.max(32, 2 ** Math.ceil(Math.log2(views))));
  return {
    name: `loss gradient ${classes}`,
    code: `${bindings("logits: array<f32>", "labels: array<u32>", "micro: vec4u", "*dlogits: array<f32>", "*scales: array<f32>")}
var<workgroup> largest: array<f32, ${threads}>;
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let label = labels[group.z];
  var most = 0.0;
  for (var k = thread; k < ${realViews}u; k += ${threads}u) {
    let origin = (group.z * ${views}u + k) * ${classes}u;
    var top = logits[origin];
    for (var c = 1u; c < ${classes}u; c++) { top = max(top, logits[origin + c]); }
    var sum = 0.0;
    for (var c = 0u; c < ${classes}u; c++) { sum += exp(logits[origin + c] - top); }
    var others = 0.0;
    for (var c = 0u; c < ${classes}u; c++) {
      let p = exp(logits[origin + c] - top) / sum;
      dlogits[origin + c] = p;
      if (c != label) { others += p; most = max(most, p); }
    }
    // Not p − 1: that would cancel where the example is learnt.
    dlogits[origin + label] = -others;
    most = max(most, others);
  }
  largest[thread] = most;
  workgroupBarrier();
  for (var i = 0u; i < ${threads}u; i++) { most = max(most, largest[i]); }
  var scale = 1.0;
  if (most > 1e-30) { scale = ldexp(bitcast<f32>(micro.w), -i32(ceil(log2(most)))); }
  for (var k = thread; k < ${views}u; k += ${threads}u) {
    for (var c = 0u; c < ${classes}u; c++) {
      let place = (group.z * ${views}u + k) * ${classes}u + c;
      dlogits[place] = select(0.0, dlogits[place] * scale, k < ${realViews}u);
    }
  }
  if (thread == 0u) { scales[group.z] = scale * ${realViews}.0; }
}`,
    workgroups: (n) => [1, 1, n],
  };
}

/** The dense layer's gradients, Σ over views; bound: pooled, dlogits, gradients. One thread a weight or bias. */
export function denseGradients(head: Head, parameterCount: number): Kernel {
  const { views, channels, classes, kernelOffset, biasOffset } = head;
  const count = (channels + 1) * classes;
  return {
    name: `dense gradients ${channels}→${classes}`,
    code: `${bindings("pooled: array<f32>", "dlogits: array<f32>", "*gradients: array<f32>")}
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${count}u) { return; }
  let c = id.x / ${classes}u;
  let class_ = id.x % ${classes}u;
  var sum = 0.0;
  for (var k = 0u; k < ${views}u; k++) {
    let d = dlogits[(id.z * ${views}u + k) * ${classes}u + class_];
    if (c < ${channels}u) { sum += pooled[(id.z * ${views}u + k) * ${channels}u + c] * d; } else { sum += d; }
  }
  let to = id.z * ${parameterCount}u;
  if (c < ${channels}u) { gradients[to + ${kernelOffset}u + c * ${classes}u + class_] = sum; } else { gradients[to + ${biasOffset}u + class_] = sum; }
}`,
    workgroups: (n) => [Math.ceil(count / 64), 1, n],
  };
}

/** dh = (dlogits · kernelᵀ)/pixels at every pixel; bound: dlogits, parameters, dh (plain layout). One thread a column. */
export function poolGradient(head: Head, storage: Storage): Kernel {
  const { height, width, views, channels, classes, kernelOffset } = head;
  const layout = plainLayout(height, width, views, channels);
  const columns = (views * channels) / 4;
  const pixels = height * width;
  return {
    name: `pool backward ${channels}×${height}×${width}`,
    code: `${bindings("dlogits: array<f32>", "parameters: array<f32>", `*dh: array<${quads(storage).type}>`)}
${PACKING}
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${columns}u) { return; }
  let k = id.x / ${channels / 4}u;
  let channel = id.x % ${channels / 4}u * 4u;
  var sum = vec4f();
  for (var c = 0u; c < ${classes}u; c++) {
    let d = dlogits[(id.z * ${views}u + k) * ${classes}u + c];
    sum += d * vec4f(parameters[${kernelOffset}u + channel * ${classes}u + c], parameters[${kernelOffset}u + (channel + 1u) * ${classes}u + c], parameters[${kernelOffset}u + (channel + 2u) * ${classes}u + c], parameters[${kernelOffset}u + (channel + 3u) * ${classes}u + c]);
  }
  let value = ${quads(storage).store(`sum / ${pixels}.0`)};
  for (var pixel = 0u; pixel < ${pixels}u; pixel++) { dh[id.z * ${exampleSize(layout) / 4}u + pixel * ${columns}u + id.x] = value; }
}`,
    workgroups: (n) => [Math.ceil(columns / 64), 1, n],
  };
}
