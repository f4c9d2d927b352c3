// What a layer is to per-example clipping: one forward pass, one backward pass, and per-example gradients without loops.
import type * as tf from "@tensorflow/tfjs-core";
import type { Kernels } from "../../backends/index.js";
import type { SeededRandom } from "../random/index.js";

export interface ParameterSpec {
  readonly name: string;
  readonly shape: readonly number[];
  /** Fills the initial values; they depend on the seed alone, never on data. */
  initialise(values: Float32Array, random: SeededRandom): void;
}

/** What the backward pass needs of the forward pass. */
export interface Forward {
  readonly output: tf.Tensor;
  readonly saved: readonly tf.Tensor[];
}

/**
 * The gradients of all of a layer's parameters, one for each example, not yet clipped.
 *
 * Guarantee: the numbers that `weightedSums` adds for example n with weight w, 0 ≤ w, have squared norm at most
 * (w·(1 + 2^-21))² · squaredNorms()[n]: rounding of the norms is inside squaredNorms, that of the products in the 2^-21.
 */
export interface ExampleGradients {
  /** Upper bounds of the squared L2 norms; not finite where an example's gradient is not. */
  squaredNorms(): Float64Array;
  /** Σ_n weights[n]·g_n for each parameter tensor, flat. */
  weightedSums(weights: tf.Tensor1D): tf.Tensor1D[];
}

export interface Backward {
  /** Left out when nobody below needs it. */
  readonly inputGradient?: tf.Tensor;
  readonly gradients?: ExampleGradients;
}

/**
 * Rows of every tensor are images; `views` images in a row are one example. No method may mix rows of different
 * examples. All are called inside tf.tidy: intermediate tensors need no disposal.
 */
export interface Layer {
  readonly outputShape: readonly number[];
  readonly parameters: readonly ParameterSpec[];
  /** Multiply-adds of one forward pass of one image. */
  readonly multiplyAdds: number;
  forward(input: tf.Tensor, parameters: readonly tf.Tensor[], kernels: Kernels): Forward;
  backward(
    outputGradient: tf.Tensor,
    saved: readonly tf.Tensor[],
    parameters: readonly tf.Tensor[],
    context: { readonly kernels: Kernels; readonly views: number; readonly needsInputGradient: boolean },
  ): Backward;
}

/** Zero: the initial value of every bias. */
export const zeros = (values: Float32Array): void => {
  values.fill(0);
};

/** Normal with variance 1/fanIn [LeCun1998]: keeps tanh units out of saturation at the start. */
export function scaledNormal(fanIn: number): ParameterSpec["initialise"] {
  return (values, random) => {
    const scale = Math.sqrt(1 / fanIn);
    for (let i = 0; i < values.length; i++) values[i] = random.normal() * scale;
  };
}
