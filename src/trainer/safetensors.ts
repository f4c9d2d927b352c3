// Weights in the safetensors format: 8 bytes of header length (little endian), a JSON header, the numbers (float32).
import { sizeOf } from "./layers/network.js";

export interface NamedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** The bytes of a file that holds `tensors` in their order; metadata is a flat table of texts. */
export function encodeSafetensors(
  tensors: readonly NamedTensor[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let end = 0;
  for (const { name, shape, values } of tensors) {
    if (!(values.length === sizeOf(shape)))
      throw new RangeError(
        `${name}: shape [${shape.join(", ")}] needs ${sizeOf(shape)} values, got ${values.length}`,
      );
    header[name] = { dtype: "F32", shape, data_offsets: [end, end + 4 * values.length] };
    end += 4 * values.length;
  }
  const text = JSON.stringify(header);
  // Padded with spaces to a multiple of 8, so that the numbers are aligned.
  const json = Buffer.from(text.padEnd(text.length + ((8 - (Buffer.byteLength(text) % 8)) % 8)));
  const bytes = Buffer.alloc(8 + json.length + end);
  bytes.writeBigUInt64LE(BigInt(json.length), 0);
  json.copy(bytes, 8);
  let at = 8 + json.length;
  for (const { values } of tensors) for (const value of values) at = bytes.writeFloatLE(value, at);
  return bytes;
}

/** Reads such a file's float32 tensors. Throws RangeError if the bytes do not hold what the header says. */
export function decodeSafetensors(bytes: Uint8Array): {
  readonly tensors: readonly NamedTensor[];
  readonly metadata: Readonly<Record<string, string>>;
} {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!(buffer.length >= 8)) throw new RangeError("safetensors: the file is shorter than its header");
  const start = 8 + Number(buffer.readBigUInt64LE(0));
  if (!(start <= buffer.length)) throw new RangeError("safetensors: the file is shorter than its header");
  const header = JSON.parse(buffer.toString("utf8", 8, start)) as Record<string, unknown>;
  const { __metadata__: metadata = {}, ...entries } = header;
  const tensors = Object.entries(entries).map(([name, entry]) => {
    const { dtype, shape, data_offsets } = entry as {
      dtype: string;
      shape: number[];
      data_offsets: [number, number];
    };
    if (!(dtype === "F32")) throw new RangeError(`safetensors: ${name} must be F32, got ${dtype}`);
    const [from, to] = data_offsets;
    if (!(to - from === 4 * sizeOf(shape) && from >= 0 && start + to <= buffer.length))
      throw new RangeError(`safetensors: ${name} does not fit its file`);
    const values = Float32Array.from({ length: sizeOf(shape) }, (_, i) =>
      buffer.readFloatLE(start + from + 4 * i),
    );
    return { name, shape, values };
  });
  return { tensors, metadata: metadata as Record<string, string> };
}
