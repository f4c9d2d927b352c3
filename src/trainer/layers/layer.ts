// What a layer is to per-example clipping: one forward pass, one backward pass, and per-example gradients without loops.
import * as tf from "@tensorflow/tfjs-core";
import type { ExactSum, Kernels } from "../kernels.js";
import type { SeededRandom } from "../random/seeded.js";

export interface ParameterSpec {
  readonly name: string;
  readonly shape: readonly number[];
  /** Fills the initial values; they depend on the seed alone, never on data. */
  initialise(values: Float32Array, random: SeededRandom): void;
}

/** Tensors that a layer's backward pass needs of its forward pass; a composite layer nests those of its parts. */
export type Saved = readonly (tf.Tensor | Saved)[];

export interface Forward<S extends Saved = readonly tf.Tensor[]> {
  readonly output: tf.Tensor;
  readonly saved: S;
}

/**
 * The gradients of all of a layer's parameters, one for each example, not yet clipped.
 *
 * Guarantee (docs/math-clipping.md): what `addTo` adds for example n with factor w, 0 ≤ w, are whole numbers of squared norm at
 * most (w·2^fractionBits)²·squaredNorms()[n]·(1 + 2^-48); they depend on example, factor and fractionBits alone. Of a w above
 * 1/√squaredNorms()[n] the sum may not be exact: a dense layer throws RangeError where its whole numbers grow too long.
 */
export interface ExampleGradients {
  /** Upper bounds of the squared L2 norms; not finite where an example's gradient is not. */
  squaredNorms(): Float64Array;
  /**
   * sums += Σ_n factors[n]·g_n in multiples of 2^-fractionBits, each example's rounded towards zero; one sum for each parameter.
   * An example whose factor is 0 adds nothing, whatever its gradient holds.
   */
  addTo(sums: readonly ExactSum[], factors: Float64Array, fractionBits: number): void;
  /** Parameters whose gradients these are: as many sums does addTo take. */
  readonly parameters: number;
  /** What the two methods read: kept as long as they may be called. */
  readonly tensors: readonly tf.Tensor[];
}

export interface Backward {
  /** Left out when nobody below needs it. */
  readonly inputGradient?: tf.Tensor;
  /** Together those of all the layer's trained parameters, in their order. */
  readonly gradients?: readonly ExampleGradients[];
}

export interface BackwardContext {
  readonly kernels: Kernels;
  /** Rows in a row that are one example. */
  readonly views: number;
  /** Rows of an example in all passes together. */
  readonly allViews: number;
  readonly needsInputGradient: boolean;
  /** For each of the layer's parameters: whether its gradient is wanted; others are frozen and have none. */
  readonly trained: readonly boolean[];
  /**
   * Where an example's views come in several passes: what the passes before gave, in the order of the parameters. Going
   * backwards, each layer takes its own from the end and adds to it.
   */
  readonly earlier?: ExampleGradients[] | undefined;
}

/**
 * Rows of every tensor are images; `views` images in a row are one example. No method may mix rows of different
 * examples. All are called inside tf.tidy: intermediate tensors need no disposal.
 */
export interface Layer<S extends Saved = readonly tf.Tensor[]> {
  readonly outputShape: readonly number[];
  readonly parameters: readonly ParameterSpec[];
  /** Multiply-adds of one forward pass of one image. */
  readonly multiplyAdds: number;
  /**
   * Float32 numbers that an example's gradients take in memory until they are added, of so many views in all; default: one for
   * each number of the parameters.
   */
  gradientNumbers?(views: number): number;
  forward(input: tf.Tensor, parameters: readonly tf.Tensor[], kernels: Kernels): Forward<S>;
  backward(
    outputGradient: tf.Tensor,
    saved: S,
    parameters: readonly tf.Tensor[],
    context: BackwardContext,
  ): Backward;
}

export const gradientNumbers = (layer: Layer<Saved>, views: number): number =>
  layer.gradientNumbers?.(views) ??
  layer.parameters.reduce((total, { shape }) => total + shape.reduce((a, b) => a * b, 1), 0);

/** Another tensor on the same numbers, which live until both are disposed. (On WASM, TensorFlow.js's clone copies them.) */
export const handleOn = (tensor: tf.Tensor): tf.Tensor => tf.reshape(tensor, tensor.shape);

/** Zero: the initial value of every bias. */
export const zeros = (values: Float32Array): void => {
  values.fill(0);
};

/** One: the initial value of every gain and scale. */
export const ones = (values: Float32Array): void => {
  values.fill(1);
};

/** Normal with variance 1/fanIn [LeCun1998]: keeps tanh units out of saturation at the start. */
export function scaledNormal(fanIn: number): ParameterSpec["initialise"] {
  return (values, random) => {
    const scale = Math.sqrt(1 / fanIn);
    for (let i = 0; i < values.length; i++) values[i] = random.normal() * scale;
  };
}

/** Standard deviation of a standard normal number that is drawn again until it lies in [−2, 2]. */
const TRUNCATED_DEVIATION = 0.8796256610342398;

/** Normal, cut at two of its standard deviations, with variance 1/fanIn after the cut. */
export function truncatedNormal(fanIn: number): ParameterSpec["initialise"] {
  return (values, random) => {
    const scale = Math.sqrt(1 / fanIn) / TRUNCATED_DEVIATION;
    for (let i = 0; i < values.length; i++) {
      let value = random.normal();
      while (!(Math.abs(value) <= 2)) value = random.normal();
      values[i] = value * scale;
    }
  };
}
