// Fully connected layer: per-example norms from Gram matrices, no gradient formed (ghost norms) [Goodfellow2015], unless an
// example has so many views that forming is cheaper.
import * as tf from "@tensorflow/tfjs-core";
import { FLOAT32_ROUND_OFF, type Kernels } from "../../backends/index.js";
import { formed } from "./formed.js";
import {
  type Backward,
  type BackwardContext,
  type ExampleGradients,
  type Forward,
  type Layer,
  scaledNormal,
  truncatedNormal,
  zeros,
} from "./layer.js";
import type { DenseOptions } from "./spec.js";

/** [inputs] → [units]; y = x·W + b. */
export function dense(name: string, inputShape: readonly number[], options: DenseOptions): Layer {
  const { units, bias = true, initialisation = "normal" } = options;
  if (!(Number.isSafeInteger(units) && units >= 1))
    throw new RangeError(`${name}: units must be a whole number >= 1, got ${units}`);
  if (inputShape.length !== 1)
    throw new RangeError(
      `${name}: dense needs a flat input, got shape [${inputShape.join(", ")}]; flatten first`,
    );
  const inputs = inputShape[0];
  const gradientsOf = (
    x: tf.Tensor2D,
    dy: tf.Tensor2D,
    context: BackwardContext,
  ): readonly ExampleGradients[] => {
    const { views, kernels, earlier } = context;
    const trained = { kernel: context.trained[0], bias: bias && context.trained[1] };
    const before = earlier?.[earlier.length - 1];
    // Formed where that takes less memory and fewer products than the Gram matrices of the views, 2K² > D·p [Bu2023]. Where the
    // views come in passes, the first decides.
    const ghost = before ? before instanceof OuterProducts : 2 * views ** 2 <= inputs * units;
    if (trained.kernel && ghost) {
      earlier?.pop();
      const own = new OuterProducts(x.clone(), dy.clone(), views, trained.bias, kernels);
      return [before ? (before as OuterProducts).with(own) : own];
    }
    const pixel = { kernelHeight: 1, kernelWidth: 1, stride: 1 };
    return formed(context, () => [
      trained.kernel
        ? kernels.filterGradients(asImages(x), asImages(dy), views, pixel)
        : (tf.zeros([0, 0]) as tf.Tensor2D),
      kernels.positionSums(asImages(dy), views),
    ]);
  };
  return {
    outputShape: [units],
    multiplyAdds: inputs * units,
    parameters: [
      {
        name: `${name}/kernel`,
        shape: [inputs, units],
        initialise: (initialisation === "normal" ? scaledNormal : truncatedNormal)(inputs),
      },
      ...(bias ? [{ name: `${name}/bias`, shape: [units], initialise: zeros }] : []),
    ],
    forward(input, [kernel, shift], kernels): Forward {
      const product = kernels.product(input as tf.Tensor2D, kernel as tf.Tensor2D);
      return { output: bias ? tf.add(product, shift) : product, saved: [input] };
    },
    backward(outputGradient, [input], [kernel], context): Backward {
      const dy = outputGradient as tf.Tensor2D;
      const x = input as tf.Tensor2D;
      const gradients = gradientsOf(x, dy, context);
      if (!context.needsInputGradient) return { gradients };
      return { gradients, inputGradient: context.kernels.product(dy, kernel as tf.Tensor2D, "second") };
    },
  };
}

/** One pixel a row. */
const asImages = (rows: tf.Tensor2D): tf.Tensor4D => tf.reshape(rows, [-1, 1, 1, rows.shape[1]]);

/**
 * Inputs of this squared norm or more count as not finite: dy·weight, about 1/‖x‖, would come so near the smallest float32
 * that its rounding is no longer relative.
 */
const LARGEST_SQUARED_INPUT = 2 ** 200;

/** g_n = Σ over the example's views k of (x_k, 1) ⊗ dy_k; without a bias x_k ⊗ dy_k. */
class OuterProducts implements ExampleGradients {
  constructor(
    private readonly x: tf.Tensor2D,
    private readonly dy: tf.Tensor2D,
    private readonly views: number,
    private readonly bias: boolean,
    private readonly kernels: Kernels,
  ) {}

  get tensors(): readonly tf.Tensor[] {
    return [this.x, this.dy];
  }

  /** With the views that another pass has of the same examples. */
  with(more: OuterProducts): OuterProducts {
    const joined = (own: tf.Tensor2D, others: tf.Tensor2D): tf.Tensor2D => {
      const width = own.shape[1];
      const parts = [tf.reshape(own, [-1, this.views, width]), tf.reshape(others, [-1, more.views, width])];
      return tf.reshape(tf.concat(parts, 1), [-1, width]);
    };
    const views = this.views + more.views;
    return new OuterProducts(
      joined(this.x, more.x),
      joined(this.dy, more.dy),
      views,
      this.bias,
      this.kernels,
    );
  }

  squaredNorms(): Float64Array {
    const { x, dy, views, kernels } = this;
    const one = this.bias ? 1 : 0;
    const left = kernels
      .squaredNorms(x)
      .map((value) => (value < LARGEST_SQUARED_INPUT ? value + one : Number.POSITIVE_INFINITY));
    const right = kernels.squaredNorms(dy);
    // One view: ‖(x, 1) ⊗ dy‖² = (‖x‖² + 1)·‖dy‖²; the factor covers float64 rounding.
    if (views === 1) return left.map((value, n) => value * right[n] * (1 + 2 ** -50));
    // K views: ‖g‖² = Σ_{k,l} (x_k·x_l + 1)(dy_k·dy_l). Opposite views may cancel, so the error of the float32 products
    // is bounded against what does not cancel: Σ_{k,l} |x_k||x_l||dy_k||dy_l| = (Σ_k |x_k||dy_k|)². It is taken twice, once
    // for the Gram matrices and once for adding up the K views when the gradient is summed.
    const [inputs, units] = [x.shape[1], dy.shape[1]];
    const n = x.shape[0] / views;
    const gram = (rows: tf.Tensor2D): tf.Tensor => {
      const grouped = tf.reshape(rows, [n, views, rows.shape[1]]);
      return tf.matMul(grouped, grouped, false, true);
    };
    const grams = tf.tidy(() => [tf.add(gram(x), one), gram(dy)].map((g) => g.dataSync()));
    const roundOff = (inputs + units + 2 * views + 8) * FLOAT32_ROUND_OFF;
    return Float64Array.from({ length: n }, (_, example) => {
      let squared = 0;
      let [uncancelled, inputNorms, outputNorms] = [0, 0, 0];
      for (let i = example * views * views; i < (example + 1) * views * views; i++)
        squared += grams[0][i] * grams[1][i];
      for (let k = example * views; k < (example + 1) * views; k++) {
        uncancelled += Math.sqrt(left[k] * right[k]);
        inputNorms += Math.sqrt(left[k]);
        outputNorms += Math.sqrt(right[k]);
      }
      // A product below 2^-126 may have become zero: as many in each element of a Gram matrix as its rows are long.
      const underflow = 2 ** -125 * (units * inputNorms ** 2 + inputs * outputNorms ** 2);
      return Math.max(0, squared) + 2 * roundOff * uncancelled ** 2 + underflow;
    });
  }

  weightedSums(weights: tf.Tensor1D): tf.Tensor1D[] {
    const { x, dy, views, kernels } = this;
    const [images, units] = dy.shape;
    const scaled: tf.Tensor2D = tf.reshape(
      tf.mul(tf.reshape(dy, [images / views, views, units]), tf.reshape(weights, [-1, 1, 1])),
      [images, units],
    );
    const kernel = tf.reshape(kernels.product(x, scaled, "first"), [-1]) as tf.Tensor1D;
    return this.bias ? [kernel, tf.reshape(kernels.positionSums(asImages(scaled), images), [-1])] : [kernel];
  }
}
