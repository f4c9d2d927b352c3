// Layers in a row, forward and backward; activations are freed as soon as the backward pass has used them.
import * as tf from "@tensorflow/tfjs-core";
import type { Kernels } from "../kernels.js";
import {
  type Backward,
  type BackwardContext,
  type ExampleGradients,
  type Forward,
  gradientNumbers,
  handleOn,
  type Layer,
  type Saved,
} from "./layer.js";

/** Itself a layer's worth of methods: the body of a residual block is a chain. */
export class Chain implements Layer<readonly Saved[]> {
  readonly outputShape: readonly number[];
  readonly parameters: Layer["parameters"];
  readonly multiplyAdds: number;
  /** The first layer with trained parameters; below it no gradient is needed by the chain itself. */
  private readonly lowest: number;
  /** For each layer, which of its parameters are trained. */
  private readonly trained: readonly (readonly boolean[])[];
  private readonly firstParameter: readonly number[];

  constructor(
    readonly layers: readonly Layer<Saved>[],
    readonly inputShape: readonly number[],
    isTrained: (parameter: string) => boolean,
  ) {
    this.outputShape = layers.length === 0 ? inputShape : layers[layers.length - 1].outputShape;
    this.parameters = layers.flatMap((layer) => layer.parameters);
    this.multiplyAdds = layers.reduce((total, layer) => total + layer.multiplyAdds, 0);
    this.trained = layers.map((layer) => layer.parameters.map(({ name }) => isTrained(name)));
    this.lowest = this.trained.findIndex((own) => own.includes(true));
    let at = 0;
    this.firstParameter = layers.map((layer) => {
      at += layer.parameters.length;
      return at - layer.parameters.length;
    });
  }

  /** Float32 numbers that the layers give for one image; what happens inside composite layers is not counted. */
  get activationNumbers(): number {
    return this.layers.reduce((total, { outputShape }) => total + outputShape.reduce((a, b) => a * b, 1), 0);
  }

  gradientNumbers(views: number): number {
    return this.layers.reduce((total, layer) => total + gradientNumbers(layer, views), 0);
  }

  forward(
    input: tf.Tensor,
    parameters: readonly tf.Tensor[],
    kernels: Kernels,
    options: { readonly save: boolean } = { save: true },
  ): Forward<readonly Saved[]> {
    const saved: Saved[] = [];
    let value = handleOn(input);
    this.layers.forEach((layer, index) => {
      const below = value;
      // Each layer keeps handles of its own on what it saves: freeing one layer's takes nothing from its neighbours.
      tidy((keep) => {
        const forward = layer.forward(below, this.own(index, parameters), kernels);
        if (options.save) saved.push(eachTensor(forward.saved, (tensor) => keep(handleOn(tensor))));
        value = keep(handleOn(forward.output));
      });
      below.dispose();
    });
    return { output: value, saved };
  }

  /** Frees what was saved. */
  backward(
    outputGradient: tf.Tensor,
    saved: readonly Saved[],
    parameters: readonly tf.Tensor[],
    context: BackwardContext,
  ): Backward {
    const parts: ExampleGradients[] = [];
    const last = context.needsInputGradient ? 0 : Math.max(0, this.lowest);
    let gradient = handleOn(outputGradient);
    for (let index = this.layers.length - 1; index >= last; index--) {
      const above = gradient;
      let inputGradient: tf.Tensor | undefined;
      tidy((keep) => {
        const backward = this.layers[index].backward(above, saved[index], this.own(index, parameters), {
          ...context,
          trained: this.trained[index],
          needsInputGradient: context.needsInputGradient || index > this.lowest,
        });
        for (const part of backward.gradients ?? []) part.tensors.forEach(keep);
        parts.unshift(...(backward.gradients ?? []));
        inputGradient = backward.inputGradient && keep(handleOn(backward.inputGradient));
      });
      above.dispose();
      eachTensor(saved[index], (tensor) => {
        tensor.dispose();
        return tensor;
      });
      if (!inputGradient) return { gradients: parts };
      gradient = inputGradient;
    }
    return { gradients: parts, inputGradient: gradient };
  }

  private own(index: number, parameters: readonly tf.Tensor[]): readonly tf.Tensor[] {
    const from = this.firstParameter[index];
    return parameters.slice(from, from + this.layers[index].parameters.length);
  }
}

function eachTensor(saved: Saved, change: (tensor: tf.Tensor) => tf.Tensor): Saved {
  return saved.map((part) =>
    Array.isArray(part) ? eachTensor(part as Saved, change) : change(part as tf.Tensor),
  );
}

/** tf.tidy for work with results of any form: what is handed to `keep` outlives it. */
function tidy(work: (keep: (tensor: tf.Tensor) => tf.Tensor) => void): void {
  tf.tidy(() => {
    const kept: tf.Tensor[] = [];
    work((tensor) => {
      kept.push(tensor);
      return tensor;
    });
    return kept;
  });
}
