// Matrix kernels on devices without matrix units: their subgroup matrices written out in plain WGSL, to test all the rest.
import { expect } from "vitest";
import * as gpu from "../../src/engines/webgpu/index.js";
import { SeededRandom } from "../../src/trainer/random/seeded.js";

/** Operands stay in workgroup memory, as (offset, pitch, by columns); a lane keeps eight sums of a matrix: half a row. */
const EMULATION = `
fn half(at: u32) -> f32 {
  let word = shared_[at / 8u][at % 8u / 2u];
  return unpack2x16float(word)[at % 2u];
}
fn product(left: vec3u, right: vec3u, before: array<f32, 8>, lane: u32) -> array<f32, 8> {
  var sums = before;
  for (var k = 0u; k < 16u; k++) {
    let a = half(select((left.x + lane / 2u * left.y) * 8u + k, (left.x + k * left.y) * 8u + lane / 2u, left.z == 1u));
    for (var c = 0u; c < 8u; c++) { sums[c] += a * half((right.x + k * right.y) * 8u + lane % 2u * 8u + c); }
  }
  return sums;
}`;
const KEEP = {
  shared_: `
fn keep_shared_(offset: u32, sums: array<f32, 8>, pitch: u32, lane: u32) {
  let at = offset + lane / 2u * pitch + lane % 2u * 2u;
  shared_[at] = bitcast<vec4u>(vec4f(sums[0], sums[1], sums[2], sums[3]));
  shared_[at + 1u] = bitcast<vec4u>(vec4f(sums[4], sums[5], sums[6], sums[7]));
}`,
  partial: `
fn keep_partial(offset: u32, sums: array<f32, 8>, pitch: u32, lane: u32) {
  for (var c = 0u; c < 8u; c++) { partial[offset + lane / 2u * pitch + lane % 2u * 8u + c] = sums[c]; }
}`,
};

function emulatedCode(original: string): string {
  const code = original
    .replace(gpu.MATRIX_HEADER, "")
    .replaceAll("subgroup_matrix_result<f32, 16, 16>", "array<f32, 8>")
    .replaceAll(
      /subgroupMatrixLoad<subgroup_matrix_(?:left|right)<f16, 16, 16>, (row|col)_major>\(&shared_, /g,
      (_, major) => `vec3u(${major === "col" ? "BY_COLUMNS" : "BY_ROWS"}, `,
    )
    // The order of the pointer's offset and pitch stays; what says how rows lie goes last.
    .replaceAll(
      /vec3u\((BY_COLUMNS|BY_ROWS), (.*)\);$/gm,
      (_, major, rest) => `vec3u(${rest}, ${major === "BY_COLUMNS" ? 1 : 0}u);`,
    )
    .replaceAll(/subgroupMatrixMultiplyAccumulate\((.*)\);$/gm, "product($1, thread % 32u);")
    .replaceAll(
      /subgroupMatrixStore<row_major>\(&(shared_|partial), (.*)\);$/gm,
      "keep_$1($2, thread % 32u);",
    );
  if (/subgroup[_M]/.test(code)) throw new Error(`not emulated: ${/.*subgroup[_M].*/.exec(code)?.[0]}`);
  const keep = code.includes("keep_partial") ? KEEP.partial : KEEP.shared_;
  return `${code}${EMULATION}${keep}`;
}

const emulated = (kernel: gpu.Kernel): gpu.Kernel => ({ ...kernel, code: emulatedCode(kernel.code) });

/** The device, taking matrix kernels as well: an engine on it takes all its steps as on a card with matrix units. */
export function withEmulatedMatrices(open: gpu.OpenDevice): gpu.OpenDevice {
  const { device } = open;
  const compile = device.createShaderModule.bind(device);
  device.createShaderModule = ({ code, ...rest }) =>
    compile({ ...rest, code: code.startsWith(gpu.MATRIX_HEADER) ? emulatedCode(code) : code });
  return { ...open, level: "matrices" };
}

const random = new SeededRandom(5);
/** float16 of magnitude 1/8 to 1, two to a word. */
const halves = (count: number): Uint32Array => {
  const one = () => (random.below(2) << 15) | ((12 + random.below(3)) << 10) | random.below(1024);
  return Uint32Array.from({ length: Math.ceil(count / 2) }, () => ((one() << 16) | one()) >>> 0);
};

function filled(program: gpu.Program, values: Uint32Array | Float32Array): GPUBuffer {
  const buffer = program.buffer(values.byteLength);
  program.device.queue.writeBuffer(buffer, 0, values.buffer as ArrayBuffer);
  return buffer;
}

/** Largest difference over the largest value; poisoned outputs are NaN and never pass. */
function difference(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [worst, largest] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    if (!(Math.abs(got[i] - expected[i]) <= worst)) worst = Math.abs(got[i] - expected[i]);
    largest = Math.max(largest, Math.abs(expected[i]));
  }
  return worst / largest;
}

/** Every tiling against the float32 tiles, which are tested against float64, and against the first to the bit. */
export async function expectSameConvolution(
  open: gpu.OpenDevice,
  convolution: gpu.Convolution,
  tilings: readonly gpu.MatrixTiling[],
  examples = 2,
): Promise<void> {
  const { input, output, taps } = convolution;
  const program = new gpu.Program(open);
  const epilogue = { output: "float32", residual: true, biasOffset: 16, scale: 4 } as const;
  const filters = Math.max(...taps.map(({ filter }) => filter)) + 1;
  const size = examples * output.exampleSize;
  const bound = [
    filled(program, halves(examples * input.exampleSize)),
    filled(program, halves(filters * input.channels * output.channels)),
  ];
  const added = [
    filled(
      program,
      Float32Array.from({ length: 16 + output.channels }, () => random.normal()),
    ),
    filled(
      program,
      Float32Array.from({ length: size }, () => random.normal()),
    ),
  ];
  const run = async (phase: string, kernel: gpu.Kernel): Promise<Float32Array> => {
    // What the convolution does not write stays.
    const sink = filled(program, new Float32Array(size).fill(7));
    program.add(phase, kernel, ...bound, sink, ...added);
    await program.build();
    program.run([phase], examples);
    return new Float32Array(await program.read(sink, 4 * size));
  };
  const expected = await run("tiles", gpu.convolutionTiles(convolution, "float16", epilogue));
  let first: Float32Array | undefined;
  for (const [n, tiling] of tilings.entries()) {
    const kernel = gpu.convolutionMatrix(convolution, epilogue, tiling);
    const got = await run(`${n}`, emulated(kernel));
    expect(difference(got, expected), kernel.name).toBeLessThan(1e-6);
    first ??= got;
    expect(Buffer.compare(Buffer.from(got.buffer), Buffer.from(first.buffer)), kernel.name).toBe(0);
  }
}

export async function expectSameWeightGradient(
  open: gpu.OpenDevice,
  work: gpu.WeightGradient,
  tilings: readonly gpu.MatrixTiling[],
  examples = 2,
): Promise<void> {
  const { forward, gradient, splits } = work;
  const program = new gpu.Program(open);
  const size = forward.taps.length * forward.input.channels * gradient.channels;
  const bound = [
    filled(program, halves(examples * forward.input.exampleSize)),
    filled(program, halves(examples * gradient.exampleSize)),
  ];
  const run = async (phase: string, kernel: gpu.Kernel): Promise<Float32Array> => {
    const partial = filled(program, new Float32Array(examples * splits * size).fill(Number.NaN));
    program.add(phase, kernel, ...bound, partial);
    await program.build();
    program.run([phase], examples);
    return new Float32Array(await program.read(partial, 4 * examples * splits * size));
  };
  const whole = (parts: Float32Array) =>
    Float64Array.from({ length: examples * size }, (_, i) => {
      let sum = 0;
      for (let split = 0; split < splits; split++)
        sum += parts[(Math.floor(i / size) * splits + split) * size + (i % size)];
      return sum;
    });
  const expected = whole(await run("tiles", gpu.weightGradientTiles(work, "float16")));
  for (const [n, tiling] of tilings.entries()) {
    const kernel = gpu.weightGradientMatrix(work, tiling);
    expect(difference(whole(await run(`${n}`, emulated(kernel))), expected), kernel.name).toBeLessThan(1e-5);
  }
}
