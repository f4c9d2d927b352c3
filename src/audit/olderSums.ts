// Sums of runs made before they were exact: by how much one example could move them (docs/math-clipping.md, theorem 5).
import type { OlderSums } from "../formats/report.js";

export const OLDER_MICRO_BATCH = 64;

/** u: unit round-off of float32; that of float64. */
const [SINGLE, DOUBLE] = [2 ** -24, 2 ** -53];

/**
 * By how much one example could move the sum of a run made before sums were exact: micro-batches of m examples added one by
 * one in float32, then in float64; contributions of norm at most 1 (theorem 5).
 *
 * 1 + ⌈N/m⌉·m(m + 1)·u·(1 + u)^m, and what float64 adds to it. N is the whole training set: how many were drawn is private.
 * examples, microBatch: whole numbers ≥ 1. Rounded up.
 */
export function float32Sensitivity(examples: number, microBatch: number): number {
  for (const [name, value] of Object.entries({ examples, microBatch }))
    if (!(Number.isSafeInteger(value) && value >= 1))
      throw new RangeError(`${name} must be a whole number >= 1, got ${value}`);
  const m = Math.min(microBatch, examples);
  const pieces = Math.ceil(examples / m);
  const single = pieces * m * (m + 1) * SINGLE * Math.exp(m * SINGLE);
  // Each addition of a piece's sum, of which there were at most as many as pieces and threads, errs by u·N.
  const double = 4 * (pieces + 1024) * examples * DOUBLE;
  return (1 + single + double) * (1 + 2 ** -40);
}

/** The sensitivity of the sums of an older run; Infinity where nothing is proven of the engine. */
export function olderSensitivity(
  examples: number | undefined,
  { engine = "wasm", microBatch }: OlderSums,
): number {
  if (engine === "webgpu") return 1;
  if (!(engine === "wasm" || engine === "cpu") || examples === undefined) return Infinity;
  return float32Sensitivity(examples, microBatch ?? OLDER_MICRO_BATCH);
}
