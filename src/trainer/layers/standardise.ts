// Weight standardisation: each output channel's filter less its mean, of length 1 [Qiao2019] [De2022].
import * as tf from "@tensorflow/tfjs-core";

/** Σ(w − m)² of a channel counts as at least this much: a filter of equal weights stays finite. */
const LEAST_SQUARES = 1e-4;

export interface Standardised {
  /** u = (w − m)·factor, of the kernel's shape: of length 1 in each channel unless the channel is held. */
  readonly unit: tf.Tensor4D;
  /** 1/√max(Σ(w − m)², 1e-4) of each output channel. */
  readonly factor: tf.Tensor1D;
  /** 1 where the factor moves with the weights; 0 where the bound 1e-4 holds it. */
  readonly projected: tf.Tensor1D;
}

/**
 * kernel [kh, kw, C, P], standardised over kh, kw, C for each p. A gradient ĝ of the filter u·gain gives the kernel
 * gain·factor·(ĝ − mean(ĝ) − projected·u·(u·ĝ)) and the gain u·ĝ (`Kernels.standardisedGradients`).
 */
export function standardise(kernel: tf.Tensor4D): Standardised {
  const fanIn = kernel.shape[0] * kernel.shape[1] * kernel.shape[2];
  const filters = kernel.shape[3];
  const flat = tf.reshape(kernel, [fanIn, filters]);
  const centred = tf.sub(flat, tf.mean(flat, 0, true));
  const squares = tf.sum(tf.square(centred), 0) as tf.Tensor1D;
  const factor = tf.rsqrt(tf.maximum(squares, LEAST_SQUARES)) as tf.Tensor1D;
  return {
    unit: tf.reshape(tf.mul(centred, factor), kernel.shape) as tf.Tensor4D,
    factor,
    projected: tf.cast(tf.greater(squares, LEAST_SQUARES), "float32") as tf.Tensor1D,
  };
}
