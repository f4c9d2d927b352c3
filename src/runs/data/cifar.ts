// Reader of the binary files of CIFAR-10 and CIFAR-100 [Krizhevsky2009]: label bytes, then 3,072 bytes red, green, blue.
import { DatasetError, type LabelledImages } from "../../trainer/data/dataset.js";
import { CIFAR_SCALING } from "../../trainer/data/normalisation.js";

/** Files of one version and the bytes before a record's image; the last is the label (CIFAR-100: coarse, then fine). */
export const CIFAR_VERSIONS = [
  {
    name: "CIFAR-10",
    classes: 10,
    labelBytes: 1,
    train: [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`),
    test: ["test_batch.bin"],
  },
  { name: "CIFAR-100", classes: 100, labelBytes: 2, train: ["train.bin"], test: ["test.bin"] },
] as const;

export type CifarVersion = (typeof CIFAR_VERSIONS)[number];

const SIDE = 32;
const PLANE = SIDE * SIDE;
/** Records in a file: what the format declares, nowhere but in its description. */
const RECORDS = 10_000;
const RECORDS_CIFAR_100_TRAIN = 50_000;

/** Bytes that a file must have. */
export const cifarFileSize = (version: CifarVersion, file: string): number =>
  (file === "train.bin" ? RECORDS_CIFAR_100_TRAIN : RECORDS) * (version.labelBytes + 3 * PLANE);

/** The images of some files, one after the other. Throws DatasetError unless each has its declared size. */
export function readCifar(
  files: readonly { readonly path: string; readonly name: string; readonly bytes: Uint8Array }[],
  version: CifarVersion,
): LabelledImages {
  for (const { path, name, bytes } of files) {
    const size = cifarFileSize(version, name);
    if (!(bytes.length === size))
      throw new DatasetError(
        `${path}: ${bytes.length < size ? "truncated" : "trailing bytes"}: a ${version.name} file of ${size} bytes expected, got ${bytes.length}`,
      );
  }
  const record = version.labelBytes + 3 * PLANE;
  const count = files.reduce((total, { bytes }) => total + bytes.length / record, 0);
  const pixels = new Uint8Array(count * 3 * PLANE);
  const labels = new Uint8Array(count);
  let image = 0;
  for (const { bytes } of files)
    for (let from = 0; from < bytes.length; from += record, image++) {
      labels[image] = bytes[from + version.labelBytes - 1]!;
      // Planes of red, green and blue to one triple a pixel.
      for (let c = 0; c < 3; c++) {
        const plane = from + version.labelBytes + c * PLANE;
        for (let i = 0; i < PLANE; i++) pixels[(image * PLANE + i) * 3 + c] = bytes[plane + i]!;
      }
    }
  return { count, shape: [SIDE, SIDE, 3], pixels, labels, scaling: CIFAR_SCALING };
}
