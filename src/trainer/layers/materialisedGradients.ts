// Per-example gradients that are formed: one row an example for each parameter.
import * as tf from "@tensorflow/tfjs-core";
import type { ExactSum, Kernels } from "../kernels.js";
import type { BackwardContext, ExampleGradients } from "./layer.js";

/** The norm is that of the very numbers that are added. */
export class FormedGradients implements ExampleGradients {
  private rows: readonly tf.Tensor2D[];
  private readonly kernels: Kernels;
  private finish: ((rows: readonly tf.Tensor2D[]) => readonly tf.Tensor2D[]) | undefined;

  /** finish: what remains to be done to the rows when all views are in them, once; it must be linear, or leave rows out. */
  constructor(
    rows: readonly tf.Tensor2D[],
    kernels: Kernels,
    finish?: (rows: readonly tf.Tensor2D[]) => readonly tf.Tensor2D[],
  ) {
    this.rows = rows;
    this.kernels = kernels;
    this.finish = finish;
  }

  get tensors(): readonly tf.Tensor2D[] {
    return this.rows;
  }

  squaredNorms(): Float64Array {
    const [first, ...others] = this.finished().map((rows) => this.kernels.squaredNorms(rows));
    for (const other of others) for (let n = 0; n < first.length; n++) first[n] += other[n];
    return first;
  }

  get parameters(): number {
    return this.finished().length;
  }

  addTo(sums: readonly ExactSum[], factors: Float64Array, fractionBits: number): void {
    const scaled = factors.map((factor) => factor * 2 ** fractionBits);
    this.finished().forEach((rows, index) => {
      this.kernels.addRows(sums[index], rows, scaled);
    });
  }

  private finished(): readonly tf.Tensor2D[] {
    const { finish, rows } = this;
    if (finish) {
      this.rows = tf.tidy(() => [...finish(rows)]);
      for (const each of rows) if (!this.rows.includes(each)) each.dispose();
      this.finish = undefined;
    }
    return this.rows;
  }
}

/**
 * A layer's rows with those of the passes before, the last of `earlier`, added: one part for all its trained parameters,
 * none if there are none.
 */
export function formed(
  { earlier, trained, kernels }: BackwardContext,
  rows: () => readonly tf.Tensor2D[],
): readonly FormedGradients[] {
  if (!trained.includes(true)) return [];
  const before = (earlier?.pop() as FormedGradients | undefined)?.tensors;
  const own = rows().filter((_, index) => trained[index]);
  return [new FormedGradients(before ? own.map((each, i) => tf.add(before[i], each)) : own, kernels)];
}

/** x [m, …, c] as images [m, positions, 1, c]: what kernels that add up positions take. */
export function asPositions(x: tf.Tensor): tf.Tensor4D {
  const channels = x.shape[x.shape.length - 1];
  const positions = x.shape.slice(1, -1).reduce((a, b) => a * b, 1);
  return tf.reshape(x, [x.shape[0], positions, 1, channels]);
}
