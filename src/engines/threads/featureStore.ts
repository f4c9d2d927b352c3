// Features of the frozen layers, computed once for each image and kept in memory that all threads share.
import * as tf from "@tensorflow/tfjs-core";
import { sizeOf } from "../../trainer/layers/spec.js";

/** Sets whose features would take more are not kept: their images go through the frozen layers every time. */
const MOST_BYTES = 2 ** 31;

export interface FeatureMemory {
  /** One float32 row an image. */
  readonly values: SharedArrayBuffer;
  /** One byte an image: 1 when its row is there. */
  readonly known: SharedArrayBuffer;
}

/** Room for the features of `count` images; undefined where there is none of use. */
export function featureMemory(
  count: number,
  shape: readonly number[] | undefined,
): FeatureMemory | undefined {
  if (!shape) return undefined;
  const bytes = 4 * count * sizeOf(shape);
  if (bytes > MOST_BYTES) return undefined;
  return { values: new SharedArrayBuffer(bytes), known: new SharedArrayBuffer(count) };
}

/** Threads may compute a row at the same time: they write the same numbers. */
export class FeatureStore {
  private readonly values: Float32Array;
  private readonly known: Uint8Array;
  private readonly size: number;

  constructor(
    memory: FeatureMemory,
    private readonly shape: readonly number[],
  ) {
    this.values = new Float32Array(memory.values);
    this.known = new Uint8Array(memory.known);
    this.size = sizeOf(shape);
  }

  /** Rows of `indices` [n, ...shape]; `compute` gives those that are missing, in the order asked for. */
  rows(indices: Uint32Array, compute: (missing: Uint32Array) => tf.Tensor): tf.Tensor {
    const missing = indices.filter((index) => Atomics.load(this.known, index) === 0);
    if (missing.length > 0) {
      const found = tf.tidy(() => compute(missing)).dataSync() as Float32Array;
      missing.forEach((index, n) => {
        this.values.set(found.subarray(n * this.size, (n + 1) * this.size), index * this.size);
        // After the row itself: who sees the mark sees the row.
        Atomics.store(this.known, index, 1);
      });
    }
    const rows = new Float32Array(indices.length * this.size);
    indices.forEach((index, n) => {
      rows.set(this.values.subarray(index * this.size, (index + 1) * this.size), n * this.size);
    });
    return tf.tensor(rows, [indices.length, ...this.shape]);
  }
}
