// A folder with the four IDX files of a small made-up data set, for runs of the program that take moments.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { imagesOf } from "../trainer/support.js";

/** Writes `count` training and 100 test images of 8 × 8 pixels in four classes. */
export function writeSmallData(folder: string, count: number): string {
  mkdirSync(folder, { recursive: true });
  for (const [part, images] of [
    ["train", imagesOf(count, [8, 8, 1], 4, 1)],
    ["t10k", imagesOf(100, [8, 8, 1], 4, 2)],
  ] as const) {
    writeFileSync(
      join(folder, `${part}-images-idx3-ubyte`),
      Buffer.concat([idxHead(images.count, 8, 8), images.pixels]),
    );
    writeFileSync(
      join(folder, `${part}-labels-idx1-ubyte`),
      Buffer.concat([idxHead(images.count), images.labels]),
    );
  }
  return folder;
}

function idxHead(...dimensions: number[]): Buffer {
  const head = Buffer.alloc(4 + 4 * dimensions.length);
  head.writeUInt32BE(0x0800 + dimensions.length);
  dimensions.forEach((size, i) => {
    head.writeUInt32BE(size, 4 + 4 * i);
  });
  return head;
}
