// Fully connected layer: of an example with one view no gradient is formed, its norm is that of an outer product
// [Goodfellow2015]; of one with several it is.

import * as tf from "@tensorflow/tfjs-core";
import { ArgumentError } from "../../formats/argumentError.js";
import { type ExactSum, type Kernels, WHOLE_BITS, type WholeRows } from "../kernels.js";
import {
  type Backward,
  type BackwardContext,
  type ExampleGradients,
  type Forward,
  handleOn,
  type Layer,
  scaledNormal,
  truncatedNormal,
  zeros,
} from "./layer.js";
import { formed } from "./materialisedGradients.js";
import type { DenseOptions } from "./spec.js";

/** [inputs] → [units]; y = x·W + b. */
export function dense(name: string, inputShape: readonly number[], options: DenseOptions): Layer {
  const { units, bias = true, initialisation = "normal" } = options;
  if (inputShape.length !== 1)
    throw new ArgumentError(`input of ${name}`, "flat (flatten first)", `[${inputShape.join(", ")}]`);
  const inputs = inputShape[0];
  const gradientsOf = (
    x: tf.Tensor2D,
    dy: tf.Tensor2D,
    context: BackwardContext,
  ): readonly ExampleGradients[] => {
    const { views, allViews, kernels } = context;
    // Norms of several views' sum take a product of each view with each, or the sum itself: what forms it adds it up as well.
    if (context.trained[0] && allViews === 1)
      return [
        new OuterProducts(
          handleOn(x) as tf.Tensor2D,
          handleOn(dy) as tf.Tensor2D,
          bias && context.trained[1],
          kernels,
        ),
      ];
    const pixel = { kernelHeight: 1, kernelWidth: 1, stride: 1 };
    return formed(context, () => [
      context.trained[0]
        ? kernels.filterGradients(asImages(x), asImages(dy), views, pixel)
        : (tf.zeros([0, 0]) as tf.Tensor2D),
      kernels.positionSums(asImages(dy), views),
    ]);
  };
  return {
    outputShape: [units],
    multiplyAdds: inputs * units,
    gradientNumbers: (views) => (views === 1 ? inputs + units : (inputs + 1) * units),
    parameters: [
      {
        name: `${name}/kernel`,
        shape: [inputs, units],
        initialise: (initialisation === "normal" ? scaledNormal : truncatedNormal)(inputs),
      },
      ...(bias ? [{ name: `${name}/bias`, shape: [units], initialise: zeros }] : []),
    ],
    forward(input, [kernel, shift], kernels): Forward {
      const product = [input as tf.Tensor2D, kernel as tf.Tensor2D, false] as const;
      const output = bias ? kernels.product(...product, shift as tf.Tensor1D) : kernels.product(...product);
      return { output, saved: [input] };
    },
    backward(outputGradient, [input], [kernel], context): Backward {
      const dy = outputGradient as tf.Tensor2D;
      const x = input as tf.Tensor2D;
      const gradients = gradientsOf(x, dy, context);
      if (!context.needsInputGradient) return { gradients };
      return { gradients, inputGradient: context.kernels.product(dy, kernel as tf.Tensor2D, true) };
    },
  };
}

/** One pixel a row. */
const asImages = (rows: tf.Tensor2D): tf.Tensor4D => tf.reshape(rows, [-1, 1, 1, rows.shape[1]]);

/**
 * g_n = (x_n, 1) ⊗ dy_n; without a bias x_n ⊗ dy_n.
 *
 * Both factors are made whole numbers, not their product (docs/math-clipping.md, theorem 2): x̃ nearest to t·x, 15 bits, its norm
 * as it is then; dy weighted, divided by t and cut. Their outer product is a multiple of the grid, and its sums are exact.
 */
class OuterProducts implements ExampleGradients {
  private rounded: WholeRows | undefined;

  constructor(
    private readonly x: tf.Tensor2D,
    private readonly dy: tf.Tensor2D,
    private readonly bias: boolean,
    private readonly kernels: Kernels,
  ) {}

  get tensors(): readonly tf.Tensor[] {
    return [this.x, this.dy];
  }

  get parameters(): number {
    return this.bias ? 2 : 1;
  }

  private get whole(): WholeRows {
    this.rounded ??= this.kernels.wholeRows(this.x);
    return this.rounded;
  }

  /** ‖(x̃/t, 1) ⊗ dy‖² = (‖x̃‖²/t² + 1)·‖dy‖². */
  squaredNorms(): Float64Array {
    const one = this.bias ? 1 : 0;
    const { scales, squaredNorms } = this.whole;
    const result = this.kernels.squaredNorms(this.dy);
    for (let n = 0; n < result.length; n++) {
      const scale = scales[n];
      const input = scale === 0 ? 0 : squaredNorms[n] / (scale * scale);
      result[n] *= (input + one) * (1 + 2 ** -50);
    }
    return result;
  }

  addTo([kernel, shift]: readonly ExactSum[], factors: Float64Array, fractionBits: number): void {
    const { scales } = this.whole;
    const bits = Math.min(fractionBits, WHOLE_BITS);
    const [whole, one] = [2 ** bits, 2 ** fractionBits];
    const weights = new Float64Array(factors.length);
    for (let n = 0; n < factors.length; n++)
      if (factors[n] !== 0 && scales[n] !== 0) weights[n] = (factors[n] * whole) / scales[n];
    this.kernels.addOuterProducts(kernel, this.whole, this.dy, weights, one / whole);
    if (!this.bias) return;
    this.kernels.addRows(
      shift,
      this.dy,
      factors.map((factor) => factor * one),
    );
  }
}
