// The WebGPU kernels one by one against float64 loops, on odd sizes and strides; matrix kernels only where a device has them.
import fc from "fast-check";
import { afterAll, describe, expect, test, vi } from "vitest";
import * as gpu from "../../src/engines/webgpu/index.js";
import { fractionBits } from "../../src/trainer/fixedPoint.js";
import { SeededRandom } from "../../src/trainer/random/seeded.js";
import { openTestDevice } from "../support/softwareVulkan.js";

test("fixed-point sums of as many devices as may be add without rounding, with the whole training set in them", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 40 }).chain((power) => {
        // Together within 2^52 units, as N examples are; words as `accumulate` leaves them.
        const most = 2 ** 52 / gpu.MOST_PARTS;
        const units = fc.bigInt({ min: -BigInt(most), max: BigInt(most) });
        const devices = fc.array(fc.tuple(units, units), { minLength: 1, maxLength: gpu.MOST_PARTS });
        return fc.tuple(fc.constant(power), devices);
      }),
      ([power, devices]) => {
        const bits = fractionBits(2 ** power);
        const parts = devices.map((sums) =>
          Int32Array.from(sums.flatMap((sum) => [Number(sum >> 26n), Number(sum & (2n ** 26n - 1n))])),
        );
        const got = gpu.fromFixedPoint(parts.reduce(gpu.addFixedPoint), bits);
        [0, 1].forEach((i) => {
          const exact = devices.reduce((sum, each) => sum + each[i], 0n);
          expect(BigInt(got[i] * 2 ** bits)).toBe(exact);
        });
      },
    ),
  );
});

test("the grid leaves room for the whole training set within 2^52 units, and never for twice as many without need", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 40 }), (examples) => {
      const bits = fractionBits(examples);
      expect(BigInt(examples) << BigInt(bits)).toBeLessThanOrEqual(2n ** 52n);
      if (bits < 40) expect(BigInt(examples) << BigInt(bits + 1)).toBeGreaterThan(2n ** 52n);
    }),
  );
  expect([1, 4096, 4097, 60_000, 2 ** 40].map(fractionBits)).toEqual([40, 40, 39, 36, 12]);
  for (const examples of [0, -1, 1.5, Number.NaN, Infinity, 2 ** 40 + 1])
    expect(() => fractionBits(examples)).toThrow("examples must be a whole number in [1, 2^40]");
});

const { open, why } = await openTestDevice();
afterAll(() => open?.close());

const random = new SeededRandom(Number(process.env.SEED ?? 11));
const numbers = (count: number): Float32Array =>
  Float32Array.from({ length: count }, () => random.uniform() * 2 - 1);

function filled(program: gpu.Program, values: Float32Array | Uint32Array | Int32Array): GPUBuffer {
  const buffer = program.buffer(values.byteLength);
  program.device.queue.writeBuffer(
    buffer,
    0,
    values.buffer as ArrayBuffer,
    values.byteOffset,
    values.byteLength,
  );
  return buffer;
}

const floats = async (program: gpu.Program, buffer: GPUBuffer, count: number): Promise<Float32Array> =>
  new Float32Array(await program.read(buffer, 4 * count));

/** Largest difference over the largest value. */
function difference(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [worst, largest] = [0, 0];
  expect(got.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) {
    // Not Math.max of all: NaN must not pass.
    if (!(Math.abs(got[i] - expected[i]) <= worst)) worst = Math.abs(got[i] - expected[i]);
    largest = Math.max(largest, Math.abs(expected[i]));
  }
  return worst / largest;
}

/** [example][view][y][x][channel] in a layout's places, zeros elsewhere. */
function spread(values: ArrayLike<number>, examples: number, layout: gpu.Layout): Float32Array {
  const out = new Float32Array(examples * gpu.exampleSize(layout));
  eachNumber(examples, layout, (from, to) => {
    out[to] = values[from];
  });
  return out;
}

function gathered(out: ArrayLike<number>, examples: number, layout: gpu.Layout): Float64Array {
  const { height, width, views, channels } = layout;
  const values = new Float64Array(examples * views * height * width * channels);
  eachNumber(examples, layout, (from, to) => {
    values[from] = out[to];
  });
  return values;
}

function eachNumber(examples: number, layout: gpu.Layout, visit: (from: number, to: number) => void): void {
  const { height, width, views, channels, before } = layout;
  for (let n = 0; n < examples; n++)
    for (let k = 0; k < views; k++)
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++)
          for (let c = 0; c < channels; c++)
            visit(
              (((n * views + k) * height + y) * width + x) * channels + c,
              n * gpu.exampleSize(layout) + gpu.offsetAt(layout, y + before, x + before) + k * channels + c,
            );
}

interface Case extends gpu.ConvolutionShape {
  readonly examples: number;
}

const CASES: readonly Case[] = [
  {
    kernelSize: 3,
    stride: 1,
    before: 1,
    after: 1,
    height: 5,
    width: 7,
    views: 3,
    inputChannels: 8,
    outputChannels: 12,
    examples: 2,
  },
  {
    kernelSize: 3,
    stride: 2,
    before: 0,
    after: 1,
    height: 6,
    width: 8,
    views: 2,
    inputChannels: 4,
    outputChannels: 68,
    examples: 2,
  },
  {
    kernelSize: 3,
    stride: 2,
    before: 1,
    after: 1,
    height: 7,
    width: 5,
    views: 1,
    inputChannels: 20,
    outputChannels: 4,
    examples: 1,
  },
  {
    kernelSize: 1,
    stride: 2,
    before: 0,
    after: 0,
    height: 8,
    width: 6,
    views: 2,
    inputChannels: 4,
    outputChannels: 8,
    examples: 3,
  },
  {
    kernelSize: 2,
    stride: 3,
    before: 0,
    after: 1,
    height: 8,
    width: 8,
    views: 2,
    inputChannels: 4,
    outputChannels: 4,
    examples: 1,
  },
];

/** out, dx and the per-example dw of a convolution by definition. */
function byLoops(c: Case, x: Float32Array, w: Float32Array, dy: Float32Array) {
  const [ho, wo] = [gpu.outputSide(c.height, c), gpu.outputSide(c.width, c)];
  const images = c.examples * c.views;
  const out = new Float64Array(images * ho * wo * c.outputChannels);
  const dx = new Float64Array(x.length);
  const size = c.kernelSize ** 2 * c.inputChannels * c.outputChannels;
  const dw = new Float64Array(c.examples * size);
  for (let i = 0; i < images; i++)
    for (let y = 0; y < ho; y++)
      for (let z = 0; z < wo; z++)
        for (let ky = 0; ky < c.kernelSize; ky++)
          for (let kx = 0; kx < c.kernelSize; kx++) {
            const row = y * c.stride + ky - c.before;
            const column = z * c.stride + kx - c.before;
            if (row < 0 || column < 0 || row >= c.height || column >= c.width) continue;
            for (let ci = 0; ci < c.inputChannels; ci++)
              for (let co = 0; co < c.outputChannels; co++) {
                const from = ((i * c.height + row) * c.width + column) * c.inputChannels + ci;
                const to = ((i * ho + y) * wo + z) * c.outputChannels + co;
                const at = ((ky * c.kernelSize + kx) * c.inputChannels + ci) * c.outputChannels + co;
                out[to] += x[from] * w[at];
                dx[from] += dy[to] * w[at];
                dw[Math.floor(i / c.views) * size + at] += x[from] * dy[to];
              }
          }
  return { out, dx, dw };
}

vi.setConfig({ testTimeout: 240_000 });

describe.skipIf(!open)(why ? `WebGPU kernels (${why})` : "WebGPU kernels", () => {
  test.each(CASES)(
    "a convolution of $height × $width, filter $kernelSize, stride $stride, is the float64 loop's, forward and backward",
    async (c) => {
      const program = new gpu.Program(open!);
      const forward = gpu.forwardConvolution(c);
      const [ho, wo] = [forward.rows, forward.columns];
      const x = numbers(c.examples * c.views * c.height * c.width * c.inputChannels);
      const w = numbers(c.kernelSize ** 2 * c.inputChannels * c.outputChannels);
      const dy = numbers(c.examples * c.views * ho * wo * c.outputChannels);
      const bias = numbers(c.outputChannels);
      const skip = numbers(dy.length);
      const expected = byLoops(c, x, w, dy);

      const plain = gpu.plainLayout(ho, wo, c.views, c.outputChannels);
      const gradient = { ...plain, ...gpu.gradientBorder(c) };
      const source = filled(program, spread(x, c.examples, gpu.inputLayout(c)));
      const target = program.buffer(4 * dy.length);
      program.add(
        "run",
        gpu.convolutionTiles(forward, "float32", { biasOffset: 0, residual: true, output: "float32" }),
        source,
        filled(program, w),
        target,
        filled(program, bias),
        filled(program, spread(skip, c.examples, plain)),
      );
      const dySource = filled(program, spread(dy, c.examples, gradient));
      const transpose = Float32Array.from(w, (_, i) => {
        const [tap, rest] = [
          Math.floor(i / (c.inputChannels * c.outputChannels)),
          i % (c.inputChannels * c.outputChannels),
        ];
        const [co, ci] = [Math.floor(rest / c.inputChannels), rest % c.inputChannels];
        return w[(tap * c.inputChannels + ci) * c.outputChannels + co];
      });
      const dx = program.buffer(4 * c.examples * gpu.exampleSize(gpu.inputLayout(c)));
      const weights = filled(program, transpose);
      for (const part of gpu.inputGradientConvolutions(c, gradient))
        program.add(
          "run",
          gpu.convolutionTiles(part, "float32", { residual: false, output: "float32" }),
          dySource,
          weights,
          dx,
        );
      const splits = 2;
      const partial = program.buffer(4 * splits * expected.dw.length);
      program.add(
        "run",
        gpu.weightGradientTiles({ forward, gradient: gpu.gradientWindow(gradient), splits }, "float32"),
        source,
        dySource,
        partial,
      );
      await program.build();
      program.run(["run"], c.examples);

      const biased = expected.out.map((value, i) => value + bias[i % c.outputChannels] + skip[i]);
      const out = gathered(await floats(program, target, dy.length), c.examples, plain);
      expect(difference(out, biased)).toBeLessThan(1e-6);
      const layout = gpu.inputLayout(c);
      const gotDx = gathered(
        await floats(program, dx, c.examples * gpu.exampleSize(layout)),
        c.examples,
        layout,
      );
      expect(difference(gotDx, expected.dx)).toBeLessThan(1e-6);
      const parts = await floats(program, partial, splits * expected.dw.length);
      const size = expected.dw.length / c.examples;
      const dw = expected.dw.map((_, i) => {
        const [n, at] = [Math.floor(i / size), i % size];
        return parts[n * splits * size + at] + parts[(n * splits + 1) * size + at];
      });
      expect(difference(dw, expected.dw)).toBeLessThan(1e-6);
    },
  );

  test("parts of a sum are added up", async () => {
    const [size, parts] = [1028, 5];
    const program = new gpu.Program(open!);
    const partial = numbers(size * parts);
    const sum = program.buffer(4 * size);
    program.add("run", gpu.sumOfParts(size, parts), filled(program, partial), sum);
    await program.build();
    program.run(["run"], 1);
    const expected = Float64Array.from({ length: size }, (_, i) =>
      Array.from({ length: parts }, (_, part) => partial[part * size + i]).reduce((a, b) => a + b, 0),
    );
    expect(difference(await floats(program, sum, size), expected)).toBeLessThan(1e-6);
  });

  test.each([1, 50_000, 2_000_000])(
    "with room for %d examples, the clipped sum is exact, each contribution cut off towards zero, none longer than 1, and leaves out what is not finite",
    async (room) => {
      const grid = fractionBits(room);
      const [count, examples, norm] = [1000, 6, 0.5];
      const program = new gpu.Program(open!);
      const gradients = numbers(count * examples);
      const sizes = [1e-3, 1, 50, 1e17, 1, 1];
      for (let i = 0; i < gradients.length; i++) gradients[i] *= sizes[Math.floor(i / count)];
      gradients[4 * count + 17] = Number.NaN;
      gradients[5 * count + 3] = Infinity;
      const scales = Float32Array.of(1, 2, 4, 8, 1, 1);
      const bits = new Uint32Array(Float32Array.of(norm).buffer)[0];
      const buffers = {
        gradients: filled(program, gradients),
        squares: program.buffer(4 * examples * gpu.NORM_PARTS),
        scales: filled(program, scales),
        micro: filled(program, Uint32Array.of(bits, 0, examples, 0)),
        factors: program.buffer(4 * examples),
        outcomes: program.buffer(8 * examples),
        sums: program.buffer(8 * count),
      };
      const { squares, micro, factors, outcomes, sums } = buffers;
      program.add("clip", gpu.squaredNorms(count), buffers.gradients, squares);
      program.add("clip", gpu.clipFactors(count), squares, buffers.scales, micro, factors, outcomes);
      program.add("clip", gpu.accumulate(count, grid), buffers.gradients, factors, micro, sums);
      await program.build();
      program.run(["clip"], examples);
      program.run(["clip"], examples);

      const found = await floats(program, factors, examples);
      const pairs = await floats(program, outcomes, 2 * examples);
      const sum = new Float64Array(count);
      for (let n = 0; n < examples; n++) {
        const row = gradients.subarray(n * count, (n + 1) * count);
        const length = Math.hypot(...row);
        if (n >= 4) {
          expect(found[n]).toBe(0);
          continue;
        }
        expect(Math.abs(pairs[2 * n + 1] / (length / scales[n]) - 1)).toBeLessThan(1e-5);
        // min(1/C, 1/norm) of the gradient itself, less the margin, never more.
        const wanted = Math.min(1 / norm, scales[n] / length) / scales[n];
        expect(found[n]).toBeLessThanOrEqual(wanted);
        expect(found[n]).toBeGreaterThan(wanted * (1 - 1e-5));
        const added = row.map((value) => Math.fround(Math.fround(found[n] * value)));
        expect(Math.hypot(...added)).toBeLessThanOrEqual(1);
        for (let i = 0; i < count; i++) sum[i] += 2 * Math.trunc(added[i] * 2 ** grid);
      }
      const got = gpu.fromFixedPoint(new Int32Array(await program.read(sums, 8 * count)), grid);
      for (let i = 0; i < count; i++) expect(got[i] * 2 ** grid + 0).toBe(sum[i] + 0);
    },
  );
});
