// Data for a network that begins with an embedding: every number is one of its vocabulary.
import { byteTables } from "../augmentation.js";
import type { NetworkSpec } from "../layers/spec.js";
import { type Dataset, DatasetError, type LabelledImages } from "./dataset.js";
import { linearScaling } from "./normalisation.js";

/**
 * Throws DatasetError, with the example's number, unless what the network's embedding is given are whole numbers in
 * [0, vocabulary), in the test data as well: it would take another for the nearest one. Networks without one take any numbers.
 */
export function checkVocabulary(
  { layers }: NetworkSpec,
  data: Pick<Dataset, "name" | "train" | "test">,
): void {
  for (const layer of layers) {
    if (layer.kind === "flatten") continue;
    if (layer.kind === "embedding")
      for (const part of ["train", "test"] as const)
        checkNumbers(data[part], layer.vocabulary, `${data.name}: ${part}`);
    return;
  }
}

function checkNumbers(images: LabelledImages, vocabulary: number, name: string): void {
  const { count, pixels } = images;
  const channels = images.shape[2];
  const size = pixels.length / count;
  const input = inputOf(images);
  for (let i = 0; i < pixels.length; i++) {
    const number = input(pixels[i], i % channels);
    if (Number.isInteger(number) && number >= 0 && number < vocabulary) continue;
    const scaled = number === pixels[i] ? "" : `, which is scaled to ${number}`;
    throw new DatasetError(
      `${name}: example ${Math.floor(i / size) + 1} of ${count} must be of whole numbers in [0, ${vocabulary}), the embedding's vocabulary, got ${pixels[i]}${scaled}`,
    );
  }
}

/** What the network is given for a stored value of a channel, as training has it. */
function inputOf(images: LabelledImages): (value: number, channel: number) => number {
  if (images.pixels instanceof Uint8Array) {
    const tables = byteTables(images);
    return (value, channel) => tables[channel][value];
  }
  const { factor, offset } = linearScaling(images);
  return (value, channel) => Math.fround(value * factor[channel] + offset[channel]);
}
