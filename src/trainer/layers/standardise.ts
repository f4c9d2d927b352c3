// Weight standardisation: each output channel's filter less its mean, of length 1 [Qiao2019] [De2022].
import * as tf from "@tensorflow/tfjs-core";
import type { Kernels, StandardisedFilters } from "../kernels.js";

/** Σ(w − m)² of a channel counts as at least this much: a filter of equal weights stays finite. */
const LEAST_SQUARES = 1e-4;

/**
 * kernel [kh, kw, C, P], standardised over kh, kw, C for each p. A gradient ĝ of the filter u·gain gives the kernel
 * gain·factor·(ĝ − mean(ĝ) − projected·u·(u·ĝ)) and the gain u·ĝ (`Kernels.standardisedGradients`).
 */
export function standardise(kernel: tf.Tensor4D, kernels: Kernels): StandardisedFilters {
  const fanIn = kernel.shape[0] * kernel.shape[1] * kernel.shape[2];
  return kernels.standardise(tf.reshape(kernel, [fanIn, kernel.shape[3]]), LEAST_SQUARES);
}
