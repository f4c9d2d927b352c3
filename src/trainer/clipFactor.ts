// The factor that clips one example's gradient.
import type { ClipRule } from "./gradientEngine.js";

/** Pays for the rounding of root, divisions and products, a few times 2^-53 each. */
const CLIP_MARGIN = 1 - 2 ** -40;
/** Larger factors are cut: a gradient of zeros has a norm of zero, and infinity times zero would be no number. */
const LARGEST_FACTOR = 2 ** 512;

/**
 * The factor that an example's gradient is multiplied by: min(1/C, 1/‖g‖), or 1/(‖g‖ + γ), less the margin; 0 if the bound is
 * not finite, or negative, which no bound is.
 *
 * Guarantee: factor · ‖numbers added‖ ≤ 1 (docs/math-clipping.md, theorem 1).
 */
export function clipFactor(squaredNorm: number, clip: ClipRule): number {
  if (!(squaredNorm >= 0 && squaredNorm < Infinity)) return 0;
  const norm = Math.sqrt(squaredNorm);
  const wanted = clip.gamma === undefined ? Math.min(1 / clip.norm, 1 / norm) : 1 / (norm + clip.gamma);
  return CLIP_MARGIN * Math.min(wanted, LARGEST_FACTOR);
}
