// What the network is given for a stored byte, as the kernel that reads the images needs it.
import type { LabelledImages } from "../../data/index.js";

/** value·factor + offset, an entry for each channel. */
export interface LinearScaling {
  readonly factor: readonly number[];
  readonly offset: readonly number[];
}

/** By the images' public constants: (v/255 − mean)/deviation; without any, 0 … 255 to −1 … 1. */
export function scalingOf(images: LabelledImages): LinearScaling {
  const channels = Array.from({ length: images.shape[2] }, (_, c) => c);
  const { scaling } = images as {
    readonly scaling?: { readonly mean: readonly number[]; readonly deviation: readonly number[] };
  };
  if (!scaling) return { factor: channels.map(() => 1 / 127.5), offset: channels.map(() => -1) };
  const of = (values: readonly number[], c: number): number => values[values.length === 1 ? 0 : c];
  return {
    factor: channels.map((c) => 1 / (255 * of(scaling.deviation, c))),
    offset: channels.map((c) => -of(scaling.mean, c) / of(scaling.deviation, c)),
  };
}
