// Tensors in the safetensors format: 8 bytes of header length (little endian), a JSON header, the numbers.
import { sizeOf } from "./layers/network.js";

/** Numbers of a shape, under a name. */
export interface NamedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** A tensor of either precision. */
export interface FloatTensor extends Omit<NamedTensor, "values"> {
  readonly values: Float32Array | Float64Array;
}

/** The bytes of a file that holds `tensors` in their order; metadata is a flat table of texts. */
export function encodeSafetensors(
  tensors: readonly FloatTensor[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let end = 0;
  for (const { name, shape, values } of tensors) {
    if (!(values.length === sizeOf(shape)))
      throw new RangeError(
        `${name}: shape [${shape.join(", ")}] needs ${sizeOf(shape)} values, got ${values.length}`,
      );
    const dtype = values instanceof Float64Array ? "F64" : "F32";
    header[name] = { dtype, shape, data_offsets: [end, end + values.byteLength] };
    end += values.byteLength;
  }
  const text = JSON.stringify(header);
  // Padded with spaces to a multiple of 8, so that the numbers are aligned.
  const written = new TextEncoder().encode(text);
  const length = written.length + ((8 - (written.length % 8)) % 8);
  const bytes = new Uint8Array(8 + length + end);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.fill(32, 8, 8 + length);
  bytes.set(written, 8);
  let at = 8 + length;
  for (const { values } of tensors) {
    // Copied as they are: every machine that JavaScript runs on keeps its numbers with the lowest byte first, as the format does.
    bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
    at += values.byteLength;
  }
  return bytes;
}

/** Reads such a file's tensors of at most 32 bits: F32, F16 and BF16, each of which float32 holds exactly. Throws RangeError if the bytes do not hold what the header says. */
export function decodeSafetensors(bytes: Uint8Array): {
  readonly tensors: readonly NamedTensor[];
  readonly metadata: Readonly<Record<string, string>>;
} {
  const { tensors, metadata } = decodeFloats(bytes);
  return {
    metadata,
    tensors: tensors.map(({ name, shape, values }) => {
      if (!(values instanceof Float32Array))
        throw new RangeError(`safetensors: ${name} must be F32, F16 or BF16, got F64`);
      return { name, shape, values };
    }),
  };
}

/** The same for tensors of F64 too. */
export function decodeFloats(bytes: Uint8Array): {
  readonly tensors: readonly FloatTensor[];
  readonly metadata: Readonly<Record<string, string>>;
} {
  const all = bytes.length;
  if (!(all >= 8)) throw new RangeError("safetensors: the file is shorter than its header");
  const start = 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (!(start <= all)) throw new RangeError("safetensors: the file is shorter than its header");
  const header = JSON.parse(
    new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, start)),
  ) as Record<string, unknown>;
  const { __metadata__: metadata = {}, ...entries } = header;
  const tensors = Object.entries(entries).map(([name, entry]) => {
    const { dtype, shape, data_offsets } = entry as {
      dtype: string;
      shape: number[];
      data_offsets: [number, number];
    };
    if (!Object.hasOwn(READERS, dtype))
      throw new RangeError(`safetensors: ${name} must be F32, F16 or BF16, got ${dtype}`);
    const { width, read } = READERS[dtype];
    const size = sizeOf(shape);
    const [from, to] = data_offsets;
    if (!(to - from === size * width && from >= 0 && start + to <= all))
      throw new RangeError(`safetensors: ${name} does not fit its file`);
    // Copied: in the file the numbers need not be aligned.
    const values = read(Uint8Array.from(bytes.subarray(start + from, start + to)).buffer);
    return { name, shape, values };
  });
  return { tensors, metadata: metadata as Record<string, string> };
}

interface Reader {
  /** Bytes a number. */
  readonly width: number;
  readonly read: (bytes: ArrayBuffer) => Float32Array | Float64Array;
}

const READERS: Readonly<Record<string, Reader>> = {
  F64: { width: 8, read: (bytes) => new Float64Array(bytes) },
  F32: { width: 4, read: (bytes) => new Float32Array(bytes) },
  F16: { width: 2, read: (bytes) => Float32Array.from(new Uint16Array(bytes), half) },
  // The upper half of a float32.
  BF16: {
    width: 2,
    read: (bytes) => new Float32Array(Uint32Array.from(new Uint16Array(bytes), (bits) => bits << 16).buffer),
  },
};

/** IEEE 754's binary16: sign, five bits of exponent, ten of fraction. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}
