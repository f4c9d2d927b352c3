// A network from its description: logits, and the per-example gradients of a micro-batch.

import * as tf from "@tensorflow/tfjs-core";
import { ArgumentError } from "../../formats/argumentError.js";
import type { ExactSum, Kernels } from "../kernels.js";
import { SeededRandom } from "../random/seeded.js";
import { stopwatch } from "../stepTimes.js";
import { buildChain } from "./build.js";
import { Chain } from "./chain.js";
import { checkNetworkSpec } from "./checkSpec.js";
import type { ExampleGradients, ParameterSpec } from "./layer.js";
import { type NetworkSpec, namePatternFits, sizeOf } from "./spec.js";

export * from "./spec.js";

/** What a pass starts from. */
export type NetworkInput = "images" | "features";

/** The gradients of one micro-batch, ready to be clipped. */
export interface MicroBatchGradients {
  /** Upper bounds of the squared L2 norm of each example's whole gradient. */
  readonly squaredNorms: Float64Array;
  /** How long they took. */
  readonly normMilliseconds: number;
  /** sums += Σ_n factors[n]·g_n in multiples of 2^-fractionBits, one sum a parameter, in their order (see ExampleGradients). */
  addTo(sums: readonly ExactSum[], factors: Float64Array, fractionBits: number): void;
}

export class Network {
  /** Those that are trained: all that clipped sums, noise and updates know of. */
  readonly parameters: readonly ParameterSpec[];
  /** Trained or frozen, in the layers' order. */
  readonly allParameters: readonly ParameterSpec[];
  /** Trained numbers in all. */
  readonly parameterCount: number;
  /** Multiply-adds of one forward pass of one image. */
  readonly multiplyAdds: number;
  /**
   * What the frozen layers before the first trained one give, where they have parameters: features, which do not change
   * while it trains.
   */
  readonly featureShape: readonly number[] | undefined;
  private readonly chain: Chain;
  /** The frozen layers before, and the rest. */
  private readonly split: { readonly body: Chain; readonly rest: Chain } | undefined;

  /**
   * frozenValues: by name, for every parameter that spec.frozen names; without them only shapes can be asked for.
   * Throws ArgumentError, naming the layer, where a field is unknown or out of its range, where shapes do not fit, and where a pattern
   * fits nothing.
   */
  constructor(
    readonly spec: NetworkSpec,
    readonly frozenValues: ReadonlyMap<string, Float32Array> = new Map(),
  ) {
    checkNetworkSpec(spec);
    const frozen = (name: string) => spec.frozen?.some((pattern) => namePatternFits(pattern, name)) ?? false;
    this.chain = buildChain(spec.layers, spec.inputShape, (name) => !frozen(name));
    const { outputShape, layers } = this.chain;
    const isFrozen = ({ parameters }: { parameters: readonly ParameterSpec[] }) =>
      parameters.every(({ name }) => frozen(name));
    const first = layers.findIndex((layer) => !isFrozen(layer));
    const before = layers.slice(0, Math.max(0, first));
    if (before.some((layer) => layer.parameters.length > 0)) {
      const body = new Chain(before, spec.inputShape, () => false);
      const rest = new Chain(layers.slice(first), body.outputShape, (name) => !frozen(name));
      this.split = { body, rest };
      this.featureShape = body.outputShape;
    }
    this.allParameters = this.chain.parameters;
    const parameters = this.allParameters.filter(({ name }) => !frozen(name));
    for (const pattern of spec.frozen ?? [])
      if (!this.allParameters.some(({ name }) => namePatternFits(pattern, name)))
        throw new ArgumentError(
          "frozen",
          `of the network's parameters, ${this.allParameters.map(({ name }) => name).join(", ")}`,
          pattern,
        );
    if (parameters.length === 0)
      throw spec.frozen
        ? new ArgumentError("frozen", "such that a parameter is left to train", spec.frozen.join(", "))
        : new ArgumentError("layers", "such that a parameter is there to train", "none");
    if (!(outputShape.length === 1 && outputShape[0] === spec.classes))
      throw new ArgumentError(
        `the last layer of ${spec.name}`,
        `one of ${spec.classes} logits, one a class`,
        `shape [${outputShape.join(", ")}]`,
      );
    this.parameters = parameters;
    this.parameterCount = parameters.reduce((total, { shape }) => total + sizeOf(shape), 0);
    this.multiplyAdds = this.chain.multiplyAdds;
  }

  /** Initial values: weights normal with variance 1/fan-in, biases zero. They depend on the seed alone. */
  initialise(seed: number): Float32Array[] {
    const random = new SeededRandom(seed);
    // By its place among all: what is frozen changes nobody else's start.
    return this.parameters.map((parameter) => {
      const values = new Float32Array(sizeOf(parameter.shape));
      parameter.initialise(values, random.child(this.allParameters.indexOf(parameter)));
      return values;
    });
  }

  /** All parameters as tensors, frozen ones with the rest; values are those of the trained. Dispose them. */
  upload(values: readonly Float32Array[]): tf.Tensor[] {
    let next = 0;
    return this.allParameters.map((parameter) => {
      const own = this.parameters.includes(parameter)
        ? values[next++]
        : this.frozenValues.get(parameter.name);
      if (!own)
        throw new ArgumentError("frozenValues", `there for ${parameter.name}, which is frozen`, "none");
      // Copied where it is in shared memory: not every backend takes views of that.
      return tf.tensor(own.buffer instanceof SharedArrayBuffer ? own.slice() : own, [...parameter.shape]);
    });
  }

  /** Float32 numbers that all layers give for one image. */
  get activationNumbers(): number {
    return this.chain.activationNumbers;
  }

  /** Float32 numbers that an example of so many views holds until its gradient is clipped and added. */
  gradientNumbers(views: number): number {
    return this.chain.gradientNumbers(views);
  }

  /** images [m, h, w, c] → features [m, ...featureShape]. */
  features(images: tf.Tensor4D, parameters: readonly tf.Tensor[], kernels: Kernels): tf.Tensor {
    return tf.tidy(() => this.split!.body.forward(images, parameters, kernels, { save: false }).output);
  }

  /** images [m, h, w, c], or features, → logits [m, classes]. */
  logits(
    images: tf.Tensor,
    parameters: readonly tf.Tensor[],
    kernels: Kernels,
    from: NetworkInput = "images",
  ): tf.Tensor2D {
    const { chain, own } = this.partFrom(from, parameters);
    return tf.tidy(() => chain.forward(images, own, kernels, { save: false }).output as tf.Tensor2D);
  }

  /**
   * One forward and one backward pass: for each example n, the gradient g_n of the cross-entropy averaged over its
   * views. images [n·views, h, w, c], the views of an example in a row; labels [n]. `viewsAtOnce`: of each example, in one
   * pass; with fewer than all, memory for activations does not grow with the views. Call inside tf.tidy.
   */
  gradients(
    images: tf.Tensor,
    labels: ArrayLike<number>,
    views: number,
    parameters: readonly tf.Tensor[],
    kernels: Kernels,
    viewsAtOnce = views,
    from: NetworkInput = "images",
  ): MicroBatchGradients {
    const byExample = tf.reshape(images, [labels.length, views, -1]);
    let parts: readonly ExampleGradients[] | undefined;
    for (let first = 0; first < views; first += viewsAtOnce) {
      const count = Math.min(viewsAtOnce, views - first);
      const pass =
        count === views
          ? images
          : tf.reshape(tf.slice(byExample, [0, first, 0], [labels.length, count, -1]), [
              -1,
              ...images.shape.slice(1),
            ]);
      const share = { views: count, share: 1 / views, from };
      parts = this.backwardPass(pass, labels, share, [count, views], parameters, kernels, parts);
    }
    return this.measured(parts ?? [], labels.length);
  }

  private measured(parts: readonly ExampleGradients[], count: number): MicroBatchGradients {
    const lap = stopwatch();
    const squaredNorms = new Float64Array(count);
    for (const part of parts) {
      const own = part.squaredNorms();
      for (let n = 0; n < count; n++) squaredNorms[n] += own[n]!;
    }
    return {
      squaredNorms,
      normMilliseconds: lap(),
      ...added(parts),
    };
  }

  /**
   * NOT private: the sum of the examples' gradients, one view each, as ordinary training computes it, as if it were the
   * gradient of one example. The measure of what clipping costs. Call inside tf.tidy.
   */
  plainGradients(
    images: tf.Tensor4D,
    labels: ArrayLike<number>,
    parameters: readonly tf.Tensor[],
    kernels: Kernels,
  ): Pick<MicroBatchGradients, "addTo"> {
    // To the layers the whole micro-batch is one example: nothing is kept apart, nothing is measured.
    const share = { views: 1, share: 1, from: "images" } as const;
    return added(
      this.backwardPass(images, labels, share, [labels.length, labels.length], parameters, kernels),
    );
  }

  /**
   * views: rows of each example, each with this share of its loss; rowsTogether: rows whose gradients are summed before
   * anything else, in this pass and in all; earlier: what other views of the same examples gave, to be added to.
   */
  private backwardPass(
    images: tf.Tensor,
    labels: ArrayLike<number>,
    { views, share, from }: { readonly views: number; readonly share: number; readonly from: NetworkInput },
    rowsTogether: readonly [number, number],
    parameters: readonly tf.Tensor[],
    kernels: Kernels,
    earlier?: readonly ExampleGradients[],
  ): readonly ExampleGradients[] {
    const { chain, own } = this.partFrom(from, parameters);
    const { output, saved } = chain.forward(images, own, kernels);
    // d/dlogits of the mean over K views of −log softmax(logits)[label] = (softmax(logits) − onehot)/K.
    const { classes } = this.spec;
    // A label beyond the classes would stand in the next example's row.
    for (let n = 0; n < labels.length; n++)
      if (!(labels[n]! >= 0 && labels[n]! < classes))
        throw new ArgumentError("labels", `below ${classes}, the number of classes`, "another");
    const rows =
      views === 1
        ? labels
        : Int32Array.from({ length: labels.length * views }, (_, row) => labels[Math.floor(row / views)]!);
    const gradient = kernels.crossEntropyGradient(output as tf.Tensor2D, rows, share);
    const context = {
      kernels,
      views: rowsTogether[0],
      allViews: rowsTogether[1],
      needsInputGradient: false,
      trained: [],
      ...(earlier && { earlier: [...earlier] }),
    };
    return chain.backward(gradient, saved, own, context).gradients ?? [];
  }

  /** The layers that are still to be gone through, and their parameters. */
  private partFrom(from: NetworkInput, parameters: readonly tf.Tensor[]) {
    if (from === "images") return { chain: this.chain, own: parameters };
    const { body, rest } = this.split!;
    return { chain: rest, own: parameters.slice(body.parameters.length) };
  }
}

/** The parts' gradients as those of one network. */
function added(parts: readonly ExampleGradients[]): Pick<MicroBatchGradients, "addTo"> {
  return {
    addTo(sums, factors, fractionBits) {
      let at = 0;
      for (const part of parts) {
        part.addTo(sums.slice(at, at + part.parameters), factors, fractionBits);
        at += part.parameters;
      }
    },
  };
}
