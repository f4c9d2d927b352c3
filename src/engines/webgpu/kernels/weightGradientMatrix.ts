// Per-example weight gradient on matrix units: x transposed times the output's gradient, float32 sums inside the example.
import { bindings, type Kernel, unrolled } from "../kernel.js";
import { MATRIX_HEADER } from "./convolutionMatrix.js";
import { depthOf, type MatrixTiling, TILES, weightGradientTakes } from "./matrixTilings.js";
import type { WeightGradient } from "./weightGradientTiles.js";

export function weightGradientFitsMatrices({ forward, gradient }: WeightGradient): boolean {
  return (
    (forward.columns * forward.views) % 16 === 0 &&
    forward.input.channels % 16 === 0 &&
    gradient.channels % 16 === 0
  );
}

/**
 * The same product, operands and bindings as `weightGradientTiles`, storage float16.
 *
 * Tiling (`matrixTilings.ts`): a workgroup of up to 8 subgroups, each up to 64 × 64 in float32 matrices in registers; 32 rows
 * (views and pixels) a step in workgroup memory, the next step's waiting in registers as in `convolutionMatrix`. x is loaded
 * row by row and read as its transpose by the matrix loads. A step of 128 × 128 loads 16 KiB for 2·128·128·32 operations: 64
 * a byte. The nine taps read almost the same x, out of the cache. A number's sum runs over the rows in their order. The
 * sum over an example's rows is split where one example's filter gives too few workgroups to fill the device.
 */
export function weightGradientMatrix(
  work: WeightGradient,
  tiling: MatrixTiling = TILES.chosen.weightGradient(work),
): Kernel {
  const { forward, gradient, splits, together = 1 } = work;
  if (!weightGradientFitsMatrices(work)) throw new RangeError("matrix units need multiples of 16");
  if (!weightGradientTakes(work, tiling))
    throw new RangeError(`tiling ${JSON.stringify(tiling)} does not divide the filter`);
  const [ci, co] = [forward.input.channels, gradient.channels];
  const run = forward.columns * forward.views;
  const total = forward.rows * run;
  const depth = depthOf(run, tiling);
  const filterRows = forward.taps.length * ci;
  const threads = 32 * tiling.down * tiling.across;
  const tileRows = 16 * tiling.rows * tiling.down;
  const tileColumns = 16 * tiling.columns * tiling.across;
  const leftPitch = tileRows / 8 + 1;
  const rightPitch = tileColumns / 8 + 1;
  const leftSize = depth * leftPitch;
  const rightSize = depth * rightPitch;
  const leftVectors = (depth * tileRows) / 8;
  const rightVectors = (depth * tileColumns) / 8;
  const leftLoads = Math.ceil(leftVectors / threads);
  const rightLoads = Math.ceil(rightVectors / threads);
  const stepsAnExample = total / depth;
  const steps = together * stepsAnExample;
  const perSplit = Math.ceil(steps / splits);
  const perRow = run / depth;
  const guard = (vectors: number, i: number): string =>
    (i + 1) * threads > vectors ? `if (thread + ${i * threads}u < ${vectors}u) ` : "";
  // Of several examples in one sum, the rows of the next begin where those of the last end.
  const inside = together === 1 ? "" : ` % ${stepsAnExample}u`;
  const exampleAt = (size: number, step: string): string =>
    together === 1 ? "" : ` + ${step} / ${stepsAnExample}u * ${size / 8}u`;
  const load = (step: string): string => `{
      let y = ${step}${inside} / ${perRow}u;
      let place = ${step}${inside} % ${perRow}u * ${depth}u;
      let xAt = y * ${forward.input.rowPitch / 8}u + place * ${ci / 8}u${exampleAt(forward.input.exampleSize, step)};
      let dyAt = y * ${gradient.rowPitch / 8}u + place * ${co / 8}u${exampleAt(gradient.exampleSize, step)};
      ${unrolled(leftLoads, (i) => `${guard(leftVectors, i)}{ a${i} = x[origin${i} + xAt]; }`)}
      ${unrolled(rightLoads, (i) => `${guard(rightVectors, i)}{ b${i} = dy[gradientFrom${i} + dyAt]; }`)}
    }`;
  const keep = `{
      ${unrolled(leftLoads, (i) => `${guard(leftVectors, i)}{ shared_[keepLeft${i}] = a${i}; }`)}
      ${unrolled(rightLoads, (i) => `${guard(rightVectors, i)}{ shared_[keepRight${i}] = b${i}; }`)}
    }`;
  const code = `${MATRIX_HEADER}${bindings("x: array<vec4u>", "dy: array<vec4u>", "*partial: array<f32>")}
const TAPS = array<u32, ${forward.taps.length}>(${forward.taps.map((tap) => `${tap.offset / 8}u`).join(", ")});
var<workgroup> shared_: array<vec4u, ${leftSize + rightSize}>;
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let subgroup = thread / 32u;
  let example = group.z / ${splits}u * ${together}u;
  let split = group.z % ${splits}u;
  ${unrolled(
    leftLoads,
    (i) => `let line${i} = (thread + ${i * threads}u) / ${tileRows / 8}u;
  let filter${i} = min(group.x * ${tileRows / 8}u + (thread + ${i * threads}u) % ${tileRows / 8}u, ${filterRows / 8 - 1}u);
  let origin${i} = example * ${forward.input.exampleSize / 8}u + ${forward.input.base / 8}u + TAPS[filter${i} / ${ci / 8}u] + filter${i} % ${ci / 8}u + line${i} * ${ci / 8}u;
  let keepLeft${i} = line${i} * ${leftPitch}u + (thread + ${i * threads}u) % ${tileRows / 8}u;`,
  )}
  ${unrolled(
    rightLoads,
    (i) => `let row${i} = (thread + ${i * threads}u) / ${tileColumns / 8}u;
  let column${i} = (thread + ${i * threads}u) % ${tileColumns / 8}u;
  let gradientFrom${i} = example * ${gradient.exampleSize / 8}u + ${gradient.base / 8}u + row${i} * ${co / 8}u + group.y * ${tileColumns / 8}u + column${i};
  let keepRight${i} = ${leftSize}u + row${i} * ${rightPitch}u + column${i};`,
  )}
  let down = subgroup / ${tiling.across}u;
  let across = subgroup % ${tiling.across}u;
  ${unrolled(tiling.rows * tiling.columns, (i) => `var sum${i}: subgroup_matrix_result<f32, 16, 16>;`)}
  ${unrolled(leftLoads, (i) => `var a${i}: vec4u;`)}
  ${unrolled(rightLoads, (i) => `var b${i}: vec4u;`)}
  let first = split * ${perSplit}u;
  let end = min(first + ${perSplit}u, ${steps}u);
  let leftAt = down * ${tiling.rows * 2}u;
  let rightAt = ${leftSize}u + across * ${tiling.columns * 2}u;
  if (first < end) ${load("first")}
  for (var step = first; step < end; step++) {
    ${keep}
    workgroupBarrier();
    if (step + 1u < end) ${load("(step + 1u)")}
    for (var k = 0u; k < ${depth / 16}u; k++) {
      ${unrolled(tiling.rows, (i) => `let left${i} = subgroupMatrixLoad<subgroup_matrix_left<f16, 16, 16>, col_major>(&shared_, leftAt + k * ${16 * leftPitch}u + ${i * 2}u, ${leftPitch}u);`)}
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
  let to = (group.z * ${filterRows}u + group.x * ${tileRows}u + down * ${tiling.rows * 16}u) * ${co}u + group.y * ${tileColumns}u + across * ${tiling.columns * 16}u;
  ${unrolled(tiling.rows * tiling.columns, (i) => `subgroupMatrixStore<row_major>(&partial, to + ${Math.floor(i / tiling.columns) * 16 * co + (i % tiling.columns) * 16}u, sum${i}, ${co}u);`)}
}`;
  return {
    name: `weight gradient ${ci}→${co} ${forward.rows}×${forward.columns} ${forward.taps.length} taps, ${splits} splits${together === 1 ? "" : ` of ${together} examples`}, matrices ${tiling.down}×${tiling.across} of ${tiling.rows}×${tiling.columns} by ${depth}`,
    code,
    workgroups: (n) => [filterRows / tileRows, co / tileColumns, Math.ceil(n / together) * splits],
    multiplyAdds: total * filterRows * co,
  };
}
