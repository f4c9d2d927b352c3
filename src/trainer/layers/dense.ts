// Fully connected layer: of an example with one view no gradient is formed, its norm is that of an outer product
// [Goodfellow2015]; of one with several it is.

import * as tf from "@tensorflow/tfjs-core";
import { ArgumentError } from "../../formats/argumentError.js";
import type { ExactSum, Kernels } from "../kernels.js";
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
      const product = kernels.product(input as tf.Tensor2D, kernel as tf.Tensor2D);
      return { output: bias ? tf.add(product, shift) : product, saved: [input] };
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

/** Inputs whose squared norm is below this count as zeros: their scale would not be a float32. */
const LEAST_SQUARED_INPUT = 2 ** -200;

/**
 * g_n = (x_n, 1) ⊗ dy_n; without a bias x_n ⊗ dy_n.
 *
 * Both factors are rounded, not their product (docs/math-clipping.md, theorem 2): (x, 1) scaled by a power of two to norm in
 * (½, 1] and cut to multiples of 2^-a, the weighted dy divided by the same power and cut to multiples of 2^-b, a + b the
 * grid's bits. Cutting makes both shorter, their outer product is a multiple of the grid, and its sums are exact.
 */
class OuterProducts implements ExampleGradients {
  private norms: { readonly input: Float64Array; readonly output: Float64Array } | undefined;

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

  /** ‖(x, 1)‖² and ‖dy‖² of each example, rounded up. */
  private squares() {
    const one = this.bias ? 1 : 0;
    this.norms ??= {
      input: this.kernels.squaredNorms(this.x).map((value) => (value + one) * (1 + 2 ** -52)),
      output: this.kernels.squaredNorms(this.dy),
    };
    return this.norms;
  }

  /** ‖(x, 1) ⊗ dy‖² = (‖x‖² + 1)·‖dy‖². */
  squaredNorms(): Float64Array {
    const { input, output } = this.squares();
    return input.map((value, n) => value * output[n] * (1 + 2 ** -52));
  }

  addTo([kernel, shift]: readonly ExactSum[], factors: Float64Array, fractionBits: number): void {
    const units = this.dy.shape[1];
    const inputBits = Math.ceil(fractionBits / 2);
    const slopes = this.dy.dataSync() as Float32Array;
    const { input } = this.squares();
    const scales = new Float64Array(factors.length);
    const outputs = new Float64Array(slopes.length);
    factors.forEach((factor, n) => {
      if (factor === 0 || input[n] < LEAST_SQUARED_INPUT) return;
      const scale = 2 ** -halfExponent(input[n]);
      scales[n] = scale * 2 ** inputBits;
      const weight = (factor / scale) * 2 ** (fractionBits - inputBits);
      for (let at = n * units; at < (n + 1) * units; at++) outputs[at] = Math.trunc(weight * slopes[at]);
    });
    this.kernels.addOuterProducts(kernel, this.x, scales, outputs);
    if (!this.bias) return;
    const { values } = shift;
    scales.forEach((scale, n) => {
      const one = Math.trunc(scale);
      for (let j = 0; j < units; j++) values[j] += one * outputs[n * units + j];
    });
  }
}

/** The least whole e with value ≤ 4^e; value > 0, finite. */
function halfExponent(value: number): number {
  // value = m·2^k, m in [1, 2), by its bits: at most 4^e with 2e = k or above, unless m is more than 1 there.
  bits[0] = value;
  const k = ((high[1] >>> 20) & 2047) - 1023;
  const even = k % 2 === 0;
  return even && value === 2 ** k ? k / 2 : even ? k / 2 + 1 : (k + 1) / 2;
}

const bits = new Float64Array(1);
/** On little-endian processors, the only ones that WebAssembly and Node run on, the second word holds the exponent. */
const high = new Uint32Array(bits.buffer);
