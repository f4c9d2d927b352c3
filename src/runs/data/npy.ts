// Reader of NumPy's .npy arrays (format 1 to 3) and .npz archives of them.
import { unzipSync } from "fflate";
import { DatasetError } from "../../trainer/data/dataset.js";

export interface NpyArray {
  readonly shape: readonly number[];
  /** Bytes stay bytes; every other type of number becomes float32 (labels: exact below 2^24). */
  readonly values: Uint8Array | Float32Array;
}

/** Element types by NumPy's names, without the byte order. */
const TYPES: Readonly<Record<string, (view: DataView, at: number, little: boolean) => number>> = {
  b1: (view, at) => view.getUint8(at),
  i1: (view, at) => view.getInt8(at),
  u1: (view, at) => view.getUint8(at),
  i2: (view, at, little) => view.getInt16(at, little),
  u2: (view, at, little) => view.getUint16(at, little),
  i4: (view, at, little) => view.getInt32(at, little),
  u4: (view, at, little) => view.getUint32(at, little),
  i8: (view, at, little) => Number(view.getBigInt64(at, little)),
  u8: (view, at, little) => Number(view.getBigUint64(at, little)),
  f4: (view, at, little) => view.getFloat32(at, little),
  f8: (view, at, little) => view.getFloat64(at, little),
};

/**
 * Reads one array. The header is a Python dictionary with descr, fortran_order and shape.
 * Throws DatasetError with one line that begins with name, on other magic bytes, element types, Fortran order, missing
 * or surplus bytes.
 */
export function readNpy(bytes: Uint8Array, name: string): NpyArray {
  if (!(bytes.length >= 10 && String.fromCharCode(...bytes.subarray(0, 6)) === "\x93NUMPY"))
    throw new DatasetError(`${name}: not an .npy array: it must begin with \\x93NUMPY`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint8(6);
  if (!(version >= 1 && version <= 3))
    throw new DatasetError(`${name}: .npy format 1, 2 or 3 expected, got ${version}`);
  const start = version === 1 ? 10 : 12;
  if (!(bytes.length >= start)) throw new DatasetError(`${name}: truncated header`);
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (!(bytes.length >= start + length))
    throw new DatasetError(
      `${name}: truncated: a header of ${start + length} bytes expected, got ${bytes.length}`,
    );
  const header = Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString("utf8");
  const descr = /['"]descr['"]\s*:\s*['"]([<>|=]?)(\w+)['"]/.exec(header);
  const order = /['"]fortran_order['"]\s*:\s*(True|False)/.exec(header);
  const dimensions = /['"]shape['"]\s*:\s*\(([\d\s,]*)\)/.exec(header);
  const read = descr?.[2] === undefined ? undefined : TYPES[descr[2]];
  if (!(read && order && dimensions))
    throw new DatasetError(
      `${name}: an array of ${Object.keys(TYPES).join(", ")} expected, got the header ${JSON.stringify(header.trim().slice(0, 120))}`,
    );
  const shape = dimensions[1]!
    .split(",")
    .filter((part) => part.trim() !== "")
    .map(Number);
  if (order[1] === "True" && shape.length > 1)
    throw new DatasetError(`${name}: rows must come one after the other (fortran_order False)`);
  const width = Number(descr![2]!.slice(1));
  const count = shape.reduce((product, each) => product * each, 1);
  const data = start + length;
  if (!(bytes.length === data + count * width))
    throw new DatasetError(
      `${name}: ${bytes.length < data + count * width ? "truncated" : "trailing bytes"}: ${shape.join(" x ")} values of ${width} bytes need ${data + count * width} bytes, got ${bytes.length}`,
    );
  if (descr![2] === "u1") return { shape, values: bytes.slice(data) };
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = read(view, data + i * width, descr![1] !== ">");
  return { shape, values };
}

/** No real archive's array is larger: a guard against compressed bombs. */
const LARGEST = 2 ** 31 - 1;

/** The arrays of an archive that `wanted` names, by name without .npy. Throws DatasetError on a damaged archive. */
export function readNpz(
  bytes: Uint8Array,
  name: string,
  wanted: readonly string[],
): ReadonlyMap<string, NpyArray> {
  let files: Readonly<Record<string, Uint8Array>>;
  try {
    files = unzipSync(bytes, {
      filter: (file) => wanted.includes(file.name.replace(/\.npy$/, "")) && file.originalSize <= LARGEST,
    });
  } catch (error) {
    throw new DatasetError(`${name}: damaged or truncated .npz archive (${(error as Error).message})`);
  }
  return new Map(
    Object.entries(files).map(([file, content]) => [
      file.replace(/\.npy$/, ""),
      readNpy(content, `${name}: ${file}`),
    ]),
  );
}
