// Convolution as implicit matrix product on matrix units: float16 operands, float32 sums (subgroup matrices 16 × 16 × 16).
import { bindings, bytesOf, type Kernel, range, scaledBack, unrolled } from "../kernel.js";
import type { Convolution } from "./convolution.js";
import type { Epilogue } from "./convolutionTiles.js";
import { convolutionTakes, depthOf, type MatrixTiling, TILES } from "./matrixTilings.js";

export const MATRIX_HEADER = `enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
diagnostic(off, chromium.subgroup_matrix_uniformity);
diagnostic(off, subgroup_uniformity);
`;

/** Whether matrix units can take this convolution: whole 16 × 16 matrices, none across two image rows. */
export function fitsMatrices({ columns, views, input, output }: Convolution): boolean {
  return (columns * views) % 16 === 0 && input.channels % 16 === 0 && output.channels % 16 === 0;
}

/**
 * The same product, operands and bindings as `convolutionTiles`, storage float16.
 *
 * Tiling (`matrixTilings.ts`): a workgroup of 2 to 8 subgroups makes 128 rows × 256 channels, 128 × 128 or the like, each
 * subgroup 64 × 64 in 16 float32 matrices in registers. A step of 32 channels of one tap lies in workgroup memory; while it
 * is multiplied, the next one's 16-byte loads are on their way to registers, and go to the same place after a barrier. One
 * place instead of two: twice as many workgroups fit on a multiprocessor and fill each other's waits (measured on an H200:
 * 64→64 172 instead of 99 TFLOP/s). Rows are padded by 16 bytes, so that the eight rows of a matrix load lie in different
 * banks. A step of 128 × 128 loads 16 KiB and does 2·128·128·32 operations: 64 a byte from the cache; a subgroup does
 * 2·64·64·16 for the 4 KiB that it loads from workgroup memory, 32 a byte. A number's sum runs over taps and channels in
 * their order, whatever the tiling and its place in it.
 *
 * The sums pass through workgroup memory once more, to be rounded to float16 with bias and residual added in float32.
 */
export function convolutionMatrix(
  convolution: Convolution,
  epilogue: Epilogue,
  tiling: MatrixTiling = TILES.chosen.convolution(convolution, epilogue),
): Kernel {
  const { rows, columns, views, input, output, taps } = convolution;
  const [ci, co] = [input.channels, output.channels];
  if (!fitsMatrices(convolution))
    throw new RangeError(
      `matrix units need multiples of 16, got ${columns * views} rows, ${ci} and ${co} channels`,
    );
  const run = columns * views;
  const total = rows * run;
  const threads = 32 * tiling.down * tiling.across;
  const tileRows = 16 * tiling.rows * tiling.down;
  const tileColumns = 16 * tiling.columns * tiling.across;
  const depth = depthOf(ci, tiling);
  // In vectors of eight float16, one more a row against bank conflicts.
  const leftPitch = depth / 8 + 1;
  const rightPitch = tileColumns / 8 + 1;
  const leftSize = tileRows * leftPitch;
  const rightSize = depth * rightPitch;
  // Of a subgroup's sums, so many columns of matrices pass through workgroup memory at a time as the operands leave room for.
  const strips = (columns: number): number => tiling.down * tiling.across * 16 * (columns * 4 + 1);
  const stripColumns =
    range(tiling.columns)
      .map((i) => tiling.columns - i)
      .find((count) => tiling.columns % count === 0 && strips(count) <= leftSize + rightSize) ?? 1;
  const stripPitch = stripColumns * 4 + 1;
  const stripSize = 16 * stripPitch;
  const shared = Math.max(leftSize + rightSize, strips(stripColumns));
  const leftLoads = (tileRows * depth) / 8 / threads;
  const rightLoads = (depth * tileColumns) / 8 / threads;
  if (!convolutionTakes(convolution, tiling))
    throw new RangeError(`tiling ${JSON.stringify(tiling)} does not share out evenly`);
  const rightCount = Math.ceil(rightLoads);
  const someRight = rightLoads < 1 ? `if (thread < ${(depth * tileColumns) / 8}u) ` : "";
  const steps = (taps.length * ci) / depth;
  const perTap = ci / depth;
  const floats = epilogue.output === "float32";
  const buffers = [
    "source: array<vec4u>",
    "weights: array<vec4u>",
    `*sink: array<${floats ? "vec4f" : "vec4u"}>`,
  ];
  if (epilogue.biasOffset !== undefined) buffers.push("parameters: array<f32>");
  if (epilogue.residual) buffers.push(`residual: array<${floats ? "vec4f" : "vec4u"}>`);
  const load = (step: string): string => `{
      let tap = TAPS[${step} / ${perTap}u];
      let k = (${step} % ${perTap}u) * ${depth / 8}u;
      ${unrolled(leftLoads, (i) => `a${i} = source[origin${i} + tap.x + k];`)}
      ${unrolled(rightCount, (i) => `${someRight}{ b${i} = weights[weightFrom${i} + (tap.y * ${ci}u + k * 8u) * ${co / 8}u]; }`)}
    }`;
  const keep = `{
      ${unrolled(leftLoads, (i) => `shared_[keepLeft + ${i * (threads / (depth / 8)) * leftPitch}u] = a${i};`)}
      ${unrolled(rightCount, (i) => `${someRight}{ shared_[keepRight${i}] = b${i}; }`)}
    }`;
  const code = `${MATRIX_HEADER}${bindings(...buffers)}
const TAPS = array<vec2u, ${taps.length}>(${taps.map((tap) => `vec2u(${tap.offset / 8}u, ${tap.filter}u)`).join(", ")});
var<workgroup> shared_: array<vec4u, ${shared}>;
fn twoFloats(a: vec4f, b: vec4f) -> vec4u {
  return vec4u(pack2x16float(a.xy), pack2x16float(a.zw), pack2x16float(b.xy), pack2x16float(b.zw));
}
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let subgroup = thread / 32u;
  let lane = thread % 32u;
  let row0 = group.x * ${tileRows}u;
  let co0 = group.y * ${tileColumns / 8}u;
  let source0 = group.z * ${input.exampleSize / 8}u + ${input.base / 8}u + thread % ${depth / 8}u;
  ${unrolled(
    leftLoads,
    (
      i,
    ) => `let line${i} = min(row0 + thread / ${depth / 8}u + ${(i * threads) / (depth / 8)}u, ${total - 1}u);
  let origin${i} = source0 + line${i} / ${run}u * ${input.rowPitch / 8}u + line${i} % ${run}u * ${ci / 8}u;`,
  )}
  let keepLeft = thread / ${depth / 8}u * ${leftPitch}u + thread % ${depth / 8}u;
  ${unrolled(
    rightCount,
    (i) => `let weightRow${i} = (thread + ${i * threads}u) / ${tileColumns / 8}u;
  let weightColumn${i} = (thread + ${i * threads}u) % ${tileColumns / 8}u;
  let weightFrom${i} = weightRow${i} * ${co / 8}u + co0 + weightColumn${i};
  let keepRight${i} = ${leftSize}u + weightRow${i} * ${rightPitch}u + weightColumn${i};`,
  )}
  let down = subgroup / ${tiling.across}u;
  let across = subgroup % ${tiling.across}u;
  ${unrolled(tiling.rows * tiling.columns, (i) => `var sum${i}: subgroup_matrix_result<f32, 16, 16>;`)}
  ${unrolled(leftLoads, (i) => `var a${i}: vec4u;`)}
  ${unrolled(rightCount, (i) => `var b${i}: vec4u;`)}
  let leftAt = down * ${tiling.rows * 16 * leftPitch}u;
  let rightAt = ${leftSize}u + across * ${tiling.columns * 2}u;
  ${load("0u")}
  for (var step = 0u; step < ${steps}u; step++) {
    ${keep}
    workgroupBarrier();
    if (step + 1u < ${steps}u) ${load("(step + 1u)")}
    for (var k = 0u; k < ${depth / 16}u; k++) {
      ${unrolled(tiling.rows, (i) => `let left${i} = subgroupMatrixLoad<subgroup_matrix_left<f16, 16, 16>, row_major>(&shared_, leftAt + ${i * 16 * leftPitch}u + k * 2u, ${leftPitch}u);`)}
      ${unrolled(
        tiling.columns,
        (
          j,
        ) => `let right${j} = subgroupMatrixLoad<subgroup_matrix_right<f16, 16, 16>, row_major>(&shared_, rightAt + k * ${16 * rightPitch}u + ${j * 2}u, ${rightPitch}u);
      ${unrolled(tiling.rows, (i) => `sum${i * tiling.columns + j} = subgroupMatrixMultiplyAccumulate(left${i}, right${j}, sum${i * tiling.columns + j});`)}`,
      )}
    }
    workgroupBarrier();
  }
  let strip = subgroup * ${stripSize}u;
  ${range((tiling.rows * tiling.columns) / stripColumns)
    .map((part) => part * stripColumns)
    .map(
      (first) => `
  ${unrolled(stripColumns, (j) => `subgroupMatrixStore<row_major>(&shared_, strip + ${j * 4}u, sum${first + j}, ${stripPitch}u);`)}
  workgroupBarrier();
  for (var piece = lane; piece < ${16 * stripColumns * 2}u; piece += 32u) {
    let line = piece / ${stripColumns * 2}u;
    let eight = piece % ${stripColumns * 2}u;
    let row = row0 + (down * ${tiling.rows}u + ${Math.floor(first / tiling.columns)}u) * 16u + line;
    let column = co0 + across * ${tiling.columns * 2}u + ${(first % tiling.columns) * 2}u + eight;
    var low = ${scaledBack(`bitcast<vec4f>(shared_[strip + line * ${stripPitch}u + eight * 2u])`, epilogue.scale ?? 1)};
    var high = ${scaledBack(`bitcast<vec4f>(shared_[strip + line * ${stripPitch}u + eight * 2u + 1u])`, epilogue.scale ?? 1)};
    if (row < ${total}u) {
      let to = group.z * ${output.exampleSize / 8}u + ${output.base / 8}u + row / ${run}u * ${output.rowPitch / 8}u + row % ${run}u * ${co / 8}u + column;
      ${
        epilogue.biasOffset === undefined
          ? ""
          : `low += vec4f(${range(4).map((j) => `parameters[${epilogue.biasOffset}u + column * 8u + ${j}u]`)});
      high += vec4f(${range(4).map((j) => `parameters[${epilogue.biasOffset}u + column * 8u + ${j + 4}u]`)});`
      }
      ${
        epilogue.residual
          ? floats
            ? `low += residual[2u * to];
      high += residual[2u * to + 1u];`
            : `let kept = residual[to];
      low += vec4f(unpack2x16float(kept.x), unpack2x16float(kept.y));
      high += vec4f(unpack2x16float(kept.z), unpack2x16float(kept.w));`
          : ""
      }
      ${floats ? "sink[2u * to] = low;\n      sink[2u * to + 1u] = high;" : "sink[to] = twoFloats(low, high);"}
    }
  }
  workgroupBarrier();`,
    )
    .join("\n")}
}`;
  return {
    name: `convolution ${ci}→${co} ${rows}×${columns} ${taps.length} taps, matrices ${tiling.down}×${tiling.across} of ${tiling.rows}×${tiling.columns} by ${depth}`,
    code,
    workgroups: (n) => [Math.ceil(total / tileRows), co / tileColumns, n],
    multiplyAdds: total * taps.length * ci * co,
    bytes: total * (2 * ci + bytesOf(epilogue.output) * co),
  };
}
