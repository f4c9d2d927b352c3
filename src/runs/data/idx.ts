// Reader of IDX files, the format of MNIST and its kin [LeCun-MNIST]: big-endian header, then unsigned bytes.
import { gunzipSync } from "node:zlib";
import { DatasetError } from "../../trainer/data/dataset.js";

/** dimensions[0] is the number of items; values.length is the product of the dimensions. */
export interface IdxArray {
  readonly dimensions: readonly number[];
  readonly values: Uint8Array;
}

/**
 * Reads one IDX file of unsigned bytes, plain or gzip-compressed.
 * The header is 0, 0, 8 (unsigned byte), the number of dimensions, then each dimension as a 32-bit big-endian number.
 * Throws DatasetError with one line that begins with name, on another magic number, missing or surplus bytes.
 */
export function readIdx(bytes: Uint8Array, name: string): IdxArray {
  const plain = bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b ? unzip(bytes, name) : bytes;
  if (!(plain.length >= 4))
    throw new DatasetError(`${name}: truncated: 4 bytes or more expected, got ${plain.length}`);
  const view = new DataView(plain.buffer, plain.byteOffset, plain.byteLength);
  const rank = view.getUint8(3);
  if (!(plain[0] === 0 && plain[1] === 0 && plain[2] === 8 && rank >= 1 && rank <= 4))
    throw new DatasetError(
      `${name}: not an IDX file of unsigned bytes: magic number 0x000008nn with 1 to 4 dimensions expected, got 0x${view
        .getUint32(0)
        .toString(16)
        .padStart(8, "0")}`,
    );
  const header = 4 + 4 * rank;
  if (!(plain.length >= header))
    throw new DatasetError(`${name}: truncated: a header of ${header} bytes expected, got ${plain.length}`);
  const dimensions = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const size = dimensions.reduce((product, each) => product * each, 1);
  if (!(plain.length === header + size))
    throw new DatasetError(
      `${name}: ${plain.length < header + size ? "truncated" : "trailing bytes"}: ${dimensions.join(" x ")} items need ${header + size} bytes, got ${plain.length}`,
    );
  return { dimensions, values: plain.subarray(header) };
}

/** No real file of this kind is larger: a guard against compressed bombs. */
const LARGEST = 2 ** 31 - 1;

function unzip(bytes: Uint8Array, name: string): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: LARGEST });
  } catch (error) {
    throw new DatasetError(`${name}: damaged or truncated gzip data (${(error as Error).message})`);
  }
}
