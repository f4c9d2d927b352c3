// Folders of image files, one folder a class: train/CLASS/… and test/CLASS/…, decoded by the optional package sharp.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { whole } from "../../formats/argumentChecks.js";
import { checkFields, type FieldsOf } from "../../formats/knownFields.js";
import {
  checkLabelledImages,
  type Dataset,
  DatasetError,
  type LabelledImages,
} from "../../trainer/data/dataset.js";

export interface ImageFolderOptions {
  /** Square images of that many pixels a side: the shorter side is scaled to it, the middle is kept. Default: as they are. */
  readonly side?: number;
}

const FIELDS = { side: true } satisfies FieldsOf<ImageFolderOptions>;

const ENDINGS = /\.(png|jpe?g|webp|gif|tiff?|avif)$/i;

/**
 * Reads a folder of images. Classes are the folders of the public test part, in the order of their names, and the
 * training part must have no others. Every image becomes three bytes a pixel, in sRGB; all must be of one size unless
 * `side` is given. Throws ArgumentError, and DatasetError in one line that names the file.
 */
export async function loadImageFolder(
  folder: string,
  name: string,
  options: ImageFolderOptions = {},
): Promise<Dataset> {
  checkFields("loadImageFolder", options, FIELDS);
  const { side } = options;
  if (side !== undefined) whole("side", side, 1);
  const decode = await decoder(side);
  const classNames = folders(join(folder, "test"));
  if (classNames.length === 0) throw new DatasetError(`${join(folder, "test")}: needs one folder a class`);
  for (const each of folders(join(folder, "train")))
    if (!classNames.includes(each))
      throw new DatasetError(
        `${join(folder, "train", each)}: no class of the test part: ${classNames.join(", ")}`,
      );
  const test = await readPart(join(folder, "test"), classNames, decode);
  const train = await readPart(join(folder, "train"), classNames, decode, test.shape);
  return { name, classes: classNames.length, train, test };
}

type Decode = (path: string) => Promise<{ data: Uint8Array; width: number; height: number }>;

async function decoder(side: number | undefined): Promise<Decode> {
  let sharp: typeof import("sharp");
  try {
    sharp = (await import("sharp")).default;
  } catch {
    throw new DatasetError("a folder of images needs the package sharp: npm install sharp");
  }
  return async (path) => {
    try {
      const image = sharp(path).rotate();
      const sized = side === undefined ? image : image.resize(side, side, { fit: "cover" });
      const { data, info } = await sized
        .flatten()
        .toColourspace("srgb")
        .raw()
        .toBuffer({ resolveWithObject: true });
      const { width, height, channels } = info;
      const rgb = channels === 3 ? data : tripled(data, channels);
      return { data: rgb, width, height };
    } catch (error) {
      throw new DatasetError(`${path}: not an image that can be read (${(error as Error).message.trim()})`);
    }
  };
}

/** Grey values as red, green and blue. */
function tripled(data: Uint8Array, channels: number): Uint8Array {
  return Uint8Array.from(
    { length: (3 * data.length) / channels },
    (_, i) => data[Math.floor(i / 3) * channels]!,
  );
}

async function readPart(
  folder: string,
  classNames: readonly string[],
  decode: Decode,
  expected?: LabelledImages["shape"],
): Promise<LabelledImages> {
  const files = classNames.flatMap((each, label) =>
    entries(join(folder, each))
      .filter((entry) => ENDINGS.test(entry.name))
      .map((entry) => ({ path: join(folder, each, entry.name), label })),
  );
  if (files.length === 0) throw new DatasetError(`${folder}: has no images`);
  let shape = expected;
  let pixels = new Uint8Array();
  for (const [index, { path }] of files.entries()) {
    const { data, width, height } = await decode(path);
    shape ??= [height, width, 3];
    if (!(height === shape[0] && width === shape[1]))
      throw new DatasetError(
        `${path}: all images must be of one size, ${shape[1]} x ${shape[0]} so far, got ${width} x ${height}: name a size to scale to`,
      );
    if (index === 0) pixels = new Uint8Array(files.length * data.length);
    pixels.set(data, index * data.length);
  }
  const labels = Uint16Array.from(files, ({ label }) => label);
  const images: LabelledImages = { count: files.length, shape: shape!, pixels, labels };
  checkLabelledImages(images, classNames.length, folder);
  return images;
}

function entries(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new DatasetError(`${folder}: cannot be read (${(error as Error).message})`);
  }
}

const folders = (path: string): string[] =>
  entries(path)
    .filter((each) => each.isDirectory())
    .map((each) => each.name);
