// Which augmented views an example gets: shifts and mirrorings, the same numbers for every engine.
import type { LabelledImages } from "../data/index.js";
import { SeededRandom } from "../random/index.js";
import type { Augmentation } from "./views.js";

/** One view: by how much the image is shifted down and to the right, and whether it is mirrored first. */
export interface View {
  readonly top: number;
  readonly left: number;
  readonly mirrored: boolean;
}

export const DEFAULT_PADDING = 4;
export const UNCHANGED: View = { top: 0, left: 0, mirrored: false };

/** The views of one example at one step, as `fillViews` draws them; the image as it is if there are to be none. */
export function drawViews(
  shape: LabelledImages["shape"],
  augmentation: Augmentation,
  step: number,
  index: number,
): View[] {
  if (augmentation.views === 0) return [UNCHANGED];
  const { padding = DEFAULT_PADDING, flip = shape[2] === 3 } = augmentation;
  // By the example's own number: its views do not depend on who else is in the batch, nor on the micro-batch.
  const random = new SeededRandom(augmentation.seed).child(step).child(index);
  return Array.from({ length: augmentation.views }, () => ({
    top: random.below(2 * padding + 1) - padding,
    left: random.below(2 * padding + 1) - padding,
    mirrored: flip && random.below(2) === 1,
  }));
}
