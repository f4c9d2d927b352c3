// Per-example gradients that are formed: one row an example for each parameter.
import * as tf from "@tensorflow/tfjs-core";
import type { Kernels } from "../../backends/index.js";
import type { ExampleGradients } from "./layer.js";

/** The norm is that of the very numbers that are added. */
export class FormedGradients implements ExampleGradients {
  constructor(
    readonly tensors: readonly tf.Tensor2D[],
    private readonly kernels: Kernels,
  ) {}

  squaredNorms(): Float64Array {
    const [first, ...others] = this.tensors.map((rows) => this.kernels.squaredNorms(rows));
    for (const other of others) for (let n = 0; n < first.length; n++) first[n] += other[n];
    return first;
  }

  weightedSums(weights: tf.Tensor1D): tf.Tensor1D[] {
    return this.tensors.map((rows) => this.kernels.weightedSum(rows, weights));
  }
}

/** x [m, …, c] as images [m, positions, 1, c]: what kernels that add up positions take. */
export function asPositions(x: tf.Tensor): tf.Tensor4D {
  const channels = x.shape[x.shape.length - 1];
  const positions = x.shape.slice(1, -1).reduce((a, b) => a * b, 1);
  return tf.reshape(x, [x.shape[0], positions, 1, channels]);
}
