// A network: layers in a row, described by plain JSON so that worker threads and saved runs can rebuild it.
import * as tf from "@tensorflow/tfjs-core";
import type { Kernels } from "../../backends/index.js";
import { SeededRandom } from "../random/index.js";
import { type Conv2dOptions, conv2d } from "./conv2d.js";
import { dense } from "./dense.js";
import type { ExampleGradients, Layer, ParameterSpec } from "./layer.js";
import { averagePool, flatten, maxPool, relu, tanh } from "./shape.js";

export type LayerSpec =
  | ({ readonly kind: "conv2d" } & Conv2dOptions)
  | { readonly kind: "dense"; readonly units: number }
  | { readonly kind: "max-pool"; readonly size: number; readonly stride: number }
  | { readonly kind: "average-pool"; readonly size: number }
  | { readonly kind: "tanh" }
  | { readonly kind: "relu" }
  | { readonly kind: "flatten" };

export interface NetworkSpec {
  readonly name: string;
  /** [height, width, channels] of one image. */
  readonly inputShape: readonly [number, number, number];
  readonly classes: number;
  /** From the image to one logit a class. */
  readonly layers: readonly LayerSpec[];
}

/** The gradients of one micro-batch, ready to be clipped. */
export interface MicroBatchGradients {
  /** Upper bounds of the squared L2 norm of each example's whole gradient. */
  readonly squaredNorms: Float64Array;
  /** Σ_n weights[n]·g_n, one flat tensor a parameter, in the order of `parameters`. */
  weightedSums(weights: tf.Tensor1D): tf.Tensor1D[];
}

export class Network {
  readonly parameters: readonly ParameterSpec[];
  /** Trainable numbers in all. */
  readonly parameterCount: number;
  /** Multiply-adds of one forward pass of one image. */
  readonly multiplyAdds: number;
  private readonly layers: readonly Layer[];

  /** Throws RangeError, naming the layer, where shapes do not fit. */
  constructor(readonly spec: NetworkSpec) {
    const layers: Layer[] = [];
    let shape: readonly number[] = spec.inputShape;
    spec.layers.forEach((layer, index) => {
      layers.push(buildLayer(`${index}.${layer.kind}`, layer, shape));
      shape = layers[index].outputShape;
    });
    if (!(shape.length === 1 && shape[0] === spec.classes))
      throw new RangeError(
        `${spec.name}: the last layer must give ${spec.classes} logits, got shape [${shape.join(", ")}]`,
      );
    this.layers = layers;
    this.parameters = layers.flatMap((layer) => layer.parameters);
    this.parameterCount = this.parameters.reduce((total, { shape }) => total + sizeOf(shape), 0);
    this.multiplyAdds = layers.reduce((total, layer) => total + layer.multiplyAdds, 0);
  }

  /** Initial values: weights normal with variance 1/fan-in, biases zero. They depend on the seed alone. */
  initialise(seed: number): Float32Array[] {
    const random = new SeededRandom(seed);
    return this.parameters.map((parameter, index) => {
      const values = new Float32Array(sizeOf(parameter.shape));
      parameter.initialise(values, random.child(index));
      return values;
    });
  }

  /** Parameter values as tensors; dispose them. */
  upload(values: readonly Float32Array[]): tf.Tensor[] {
    return this.parameters.map((parameter, index) => tf.tensor(values[index], [...parameter.shape]));
  }

  /** images [m, h, w, c] → logits [m, classes]. */
  logits(images: tf.Tensor4D, parameters: readonly tf.Tensor[], kernels: Kernels): tf.Tensor2D {
    return tf.tidy(() => {
      let value: tf.Tensor = images;
      this.eachLayer(parameters, (layer, own) => {
        value = layer.forward(value, own, kernels).output;
      });
      return value as tf.Tensor2D;
    });
  }

  /**
   * One forward and one backward pass: for each example n, the gradient g_n of the cross-entropy averaged over its
   * views. images [n·views, h, w, c], the views of an example in a row; labels [n]. Call inside tf.tidy.
   */
  gradients(
    images: tf.Tensor4D,
    labels: ArrayLike<number>,
    views: number,
    parameters: readonly tf.Tensor[],
    kernels: Kernels,
  ): MicroBatchGradients {
    const parts = this.backwardPass(images, labels, views, views, parameters, kernels);
    const squaredNorms = new Float64Array(labels.length);
    for (const part of parts)
      part.squaredNorms().forEach((value, n) => {
        squaredNorms[n] += value;
      });
    return { squaredNorms, weightedSums: (weights) => parts.flatMap((part) => part.weightedSums(weights)) };
  }

  /**
   * NOT private: the plain sum of the examples' gradients, one view each, as ordinary training computes it. The measure
   * of what clipping costs. Call inside tf.tidy.
   */
  plainGradients(
    images: tf.Tensor4D,
    labels: ArrayLike<number>,
    parameters: readonly tf.Tensor[],
    kernels: Kernels,
  ): tf.Tensor1D[] {
    // To the layers the whole micro-batch is one example: nothing is kept apart, nothing is measured.
    const parts = this.backwardPass(images, labels, 1, labels.length, parameters, kernels);
    const one = tf.ones([1]) as tf.Tensor1D;
    return parts.flatMap((part) => part.weightedSums(one));
  }

  /** views: rows whose loss is averaged; rowsTogether: rows whose gradients are summed before anything else. */
  private backwardPass(
    images: tf.Tensor4D,
    labels: ArrayLike<number>,
    views: number,
    rowsTogether: number,
    parameters: readonly tf.Tensor[],
    kernels: Kernels,
  ): ExampleGradients[] {
    const steps: { layer: Layer; own: readonly tf.Tensor[]; saved: readonly tf.Tensor[] }[] = [];
    let value: tf.Tensor = images;
    this.eachLayer(parameters, (layer, own) => {
      const { output, saved } = layer.forward(value, own, kernels);
      steps.push({ layer, own, saved });
      value = output;
    });
    // d/dlogits of the mean over K views of −log softmax(logits)[label] = (softmax(logits) − onehot)/K.
    const rows = labels.length * views;
    const target = new Float32Array(rows * this.spec.classes);
    for (let row = 0; row < rows; row++)
      target[row * this.spec.classes + labels[Math.floor(row / views)]] = 1;
    let gradient: tf.Tensor = tf.mul(
      tf.sub(tf.softmax(value as tf.Tensor2D), tf.tensor2d(target, [rows, this.spec.classes])),
      1 / views,
    );
    const parts: ExampleGradients[] = [];
    const lowest = steps.findIndex(({ layer }) => layer.parameters.length > 0);
    for (let index = steps.length - 1; index >= Math.max(0, lowest); index--) {
      const { layer, own, saved } = steps[index];
      const backward = layer.backward(gradient, saved, own, {
        kernels,
        views: rowsTogether,
        needsInputGradient: index > lowest,
      });
      if (backward.gradients) parts.unshift(backward.gradients);
      if (backward.inputGradient) gradient = backward.inputGradient;
    }
    return parts;
  }

  private eachLayer(
    parameters: readonly tf.Tensor[],
    visit: (layer: Layer, own: readonly tf.Tensor[]) => void,
  ): void {
    let at = 0;
    for (const layer of this.layers) {
      visit(layer, parameters.slice(at, at + layer.parameters.length));
      at += layer.parameters.length;
    }
  }
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

function buildLayer(name: string, spec: LayerSpec, inputShape: readonly number[]): Layer {
  switch (spec.kind) {
    case "conv2d":
      return conv2d(name, inputShape, spec);
    case "dense":
      return dense(name, inputShape, spec.units);
    case "max-pool":
      return maxPool(inputShape, spec.size, spec.stride);
    case "average-pool":
      return averagePool(inputShape, spec.size);
    case "tanh":
      return tanh(inputShape);
    case "relu":
      return relu(inputShape);
    case "flatten":
      return flatten(inputShape);
    default:
      throw new RangeError(
        `${name}: no such layer; allowed are conv2d, dense, max-pool, average-pool, tanh, relu, flatten`,
      );
  }
}
