// Network input from stored bytes: pad by mirroring, crop, flip, scale, for each view of each example.
import { bindings, type Kernel, PACKING, type Precision, quads, scaled, storeOperand } from "../kernel.js";
import { exampleSize, type Layout, offsetCode } from "../layout.js";

export interface StoredImages {
  readonly channels: number;
  /** Rows and columns mirrored around the image, edge included. */
  readonly padding: number;
  /** A byte v of channel c is input v·factor[c] + offset[c]. */
  readonly factor: ArrayLike<number>;
  readonly offset: ArrayLike<number>;
}

/**
 * Bound: images (bytes, four to a word), views (image, top, left, mirrored for each view; top and left count from the
 * mirrored border's edge), input. One thread a view's pixel; the channels beyond the image's stay zero.
 */
export function augment(images: StoredImages, layout: Layout, precision: Precision): Kernel {
  const { channels, padding, factor, offset } = images;
  const { type } = quads(precision.operand);
  const { height, width, views } = layout;
  if (!(channels <= 4)) throw new RangeError(`images must have at most 4 channels, got ${channels}`);
  const code = `${bindings("images: array<u32>", "views: array<vec4u>", `*input: array<${type}>`)}
${PACKING}
fn mirror(position: u32, size: i32) -> u32 {
  let p = i32(position) - ${padding};
  if (p < 0) { return u32(-1 - p); }
  if (p < size) { return u32(p); }
  return u32(2 * size - 1 - p);
}
fn byte(at: u32) -> f32 { return f32((images[at / 4u] >> (at % 4u * 8u)) & 255u); }
const FACTOR = vec4f(${four(factor)});
const OFFSET = vec4f(${four(offset)});
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${width * views}u) { return; }
  let k = id.x % ${views}u;
  let x = id.x / ${views}u;
  let y = id.y;
  let view = views[id.z * ${views}u + k];
  let row = mirror(y + view.y, ${height});
  let column = mirror(select(x, ${width - 1}u - x, view.w == 1u) + view.z, ${width});
  let at = ((view.x * ${height}u + row) * ${width}u + column) * ${channels}u;
  var value = vec4f();
  for (var c = 0u; c < ${channels}u; c++) { value[c] = byte(at + c); }
  value = value * FACTOR + OFFSET;
  ${storeOperand(
    precision,
    "input",
    `id.z * ${((precision.split ? 2 : 1) * exampleSize(layout)) / 4}u + ${offsetCode(layout, "y", "x")} + k * ${layout.channels / 4}u`,
    scaled("value", precision.inputScale),
    exampleSize(layout) / 4,
  )}
}`;
  return {
    name: `augment ${height}×${width}×${channels}`,
    code,
    workgroups: (n) => [Math.ceil((width * views) / 64), height, n],
  };
}

const four = (values: ArrayLike<number>): string =>
  [...Array.from(values), 0, 0, 0]
    .slice(0, 4)
    .map((value) => `f32(${value})`)
    .join(", ");
