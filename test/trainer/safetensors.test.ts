// Half precision in safetensors files: every bit pattern becomes the float32 of the same value.
import { expect, test } from "vitest";
import { decodeSafetensors } from "../../src/trainer/safetensors.js";

/** A file of one tensor, by the format's definition. */
function fileOf(dtype: string, numbers: Uint8Array, count: number, from = 0): Uint8Array {
  const header = { weight: { dtype, shape: [count], data_offsets: [from, from + numbers.length] } };
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, new Uint8Array(from), numbers]);
}

const ALL = Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits);
const bytesOf = (values: Uint16Array) => new Uint8Array(values.buffer);
const read = (file: Uint8Array) => decodeSafetensors(file).tensors[0].values;

test("F16: all 65,536 patterns are what moving their bits into a float32 gives", () => {
  // Sign and fraction where a float32 has them, the exponent with its bias 15 in place of 127: off by 2^112, which is exact.
  const moved = (bits: number) => {
    const float = new Float32Array(Uint32Array.of((bits & 0x7fff) << 13).buffer)[0] * 2 ** 112;
    const unsigned = (bits & 0x7c00) < 0x7c00 ? float : bits & 0x3ff ? Number.NaN : Infinity;
    return bits & 0x8000 ? -unsigned : unsigned;
  };
  const values = read(fileOf("F16", bytesOf(ALL), ALL.length));
  expect(values).toBeInstanceOf(Float32Array);
  expect([...values].every((value, bits) => Object.is(value, moved(bits)))).toBe(true);
  // Of the standard's own examples: one, the largest, the smallest, a third.
  const known = Uint16Array.of(0x3c00, 0x7bff, 0x0001, 0x3555, 0xc000);
  expect([...read(fileOf("F16", bytesOf(known), 5))]).toEqual([1, 65504, 2 ** -24, 0.333251953125, -2]);
});

test("BF16: all 65,536 patterns are the sign, exponent and fraction that they spell", () => {
  const spelt = (bits: number) => {
    const [exponent, fraction] = [(bits >> 7) & 255, bits & 127];
    const unsigned =
      exponent === 255
        ? fraction === 0
          ? Infinity
          : Number.NaN
        : exponent === 0
          ? fraction * 2 ** -133
          : (128 + fraction) * 2 ** (exponent - 134);
    return bits & 0x8000 ? -unsigned : unsigned;
  };
  const values = read(fileOf("BF16", bytesOf(ALL), ALL.length, 1));
  expect([...values].every((value, bits) => Object.is(value, spelt(bits)))).toBe(true);
});

test("other kinds, and sizes that do not fit, are refused by name", () => {
  expect(() => read(fileOf("I64", new Uint8Array(8), 1))).toThrow(
    "safetensors: weight must be F32, F16 or BF16, got I64",
  );
  for (const length of [2, 6])
    expect(() => read(fileOf("F16", new Uint8Array(length), 2))).toThrow("weight does not fit its file");
});
