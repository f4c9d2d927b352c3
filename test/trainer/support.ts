// Small data and networks for the trainer's tests, and the oracle: float64 loops, differentiated numerically.
import * as tf from "@tensorflow/tfjs-core";
import { dpSgdEvent } from "../../src/accounting/index.js";
import { currentKernels } from "../../src/backends/index.js";
import type { Plan } from "../../src/planner/index.js";
import type { Dataset, LabelledImages } from "../../src/trainer/data/index.js";
import { Network, type NetworkSpec } from "../../src/trainer/layers/network.js";
import { SeededRandom } from "../../src/trainer/random/index.js";

/** Images whose class shows: random pixels, with the rows of the class's band brighter. */
export function imagesOf(
  count: number,
  shape: [number, number, number],
  classes: number,
  seed = 1,
): LabelledImages {
  const random = new SeededRandom(seed);
  const size = shape[0] * shape[1] * shape[2];
  const labels = Uint8Array.from({ length: count }, () => random.below(classes));
  const pixels = Uint8Array.from({ length: count * size }, (_, i) => {
    const row = Math.floor((i % size) / (shape[1] * shape[2]));
    const bright = Math.floor((row * classes) / shape[0]) === labels[Math.floor(i / size)];
    return random.below(128) + (bright ? 127 : 0);
  });
  return { count, shape, pixels, labels };
}

export function dataOf(count: number, shape: [number, number, number] = [8, 8, 1], classes = 4): Dataset {
  return {
    name: "bands",
    classes,
    train: imagesOf(count, shape, classes, 1),
    test: imagesOf(200, shape, classes, 2),
  };
}

/** Every kind of layer, on small images. */
export const EVERY_LAYER: NetworkSpec = {
  name: "every-layer",
  inputShape: [9, 8, 2],
  classes: 3,
  layers: [
    { kind: "conv2d", filters: 5, kernelSize: 3, stride: 1, padding: 1 },
    { kind: "tanh" },
    { kind: "max-pool", size: 2, stride: 1 },
    { kind: "conv2d", filters: 6, kernelSize: 3, stride: 2, padding: 2 },
    { kind: "relu" },
    { kind: "average-pool", size: 2 },
    { kind: "flatten" },
    { kind: "dense", units: 7 },
    { kind: "tanh" },
    { kind: "dense", units: 3 },
  ],
};

/** The network in plain float64 loops, one image after another: mean cross-entropy over the images of one example. */
export function lossInFloat64(
  spec: NetworkSpec,
  images: ArrayLike<number>,
  label: number,
  parameters: readonly ArrayLike<number>[],
): number {
  const size = spec.inputShape.reduce((a, b) => a * b, 1);
  const views = images.length / size;
  let total = 0;
  for (let view = 0; view < views; view++) {
    let value = Float64Array.from({ length: size }, (_, i) => images[view * size + i]);
    let shape: number[] = [...spec.inputShape];
    let at = 0;
    for (const layer of spec.layers) {
      const [h, w, c] = shape;
      if (layer.kind === "tanh") value = value.map(Math.tanh);
      else if (layer.kind === "relu") value = value.map((v) => Math.max(0, v));
      else if (layer.kind === "flatten") shape = [value.length];
      else if (layer.kind === "dense") {
        const [kernel, bias] = [parameters[at++], parameters[at++]];
        const input = value;
        value = Float64Array.from({ length: layer.units }, (_, j) =>
          input.reduce((sum, v, i) => sum + v * kernel[i * layer.units + j], bias[j]),
        );
        shape = [layer.units];
      } else {
        const convolution = layer.kind === "conv2d";
        const k = convolution ? layer.kernelSize : layer.size;
        const stride = convolution
          ? (layer.stride ?? 1)
          : layer.kind === "max-pool"
            ? layer.stride
            : layer.size;
        const pad = convolution ? (layer.padding ?? 0) : 0;
        const out = convolution ? layer.filters : c;
        const [ho, wo] = [h, w].map((side) => Math.floor((side + 2 * pad - k) / stride) + 1);
        const result = new Float64Array(ho * wo * out);
        const [kernel, bias] = convolution ? [parameters[at++], parameters[at++]] : [[], []];
        for (let oy = 0; oy < ho; oy++)
          for (let ox = 0; ox < wo; ox++)
            for (let p = 0; p < out; p++) {
              let sum = convolution ? bias[p] : layer.kind === "max-pool" ? -Infinity : 0;
              for (let ky = 0; ky < k; ky++)
                for (let kx = 0; kx < k; kx++) {
                  const [y, x] = [oy * stride + ky - pad, ox * stride + kx - pad];
                  if (y < 0 || x < 0 || y >= h || x >= w) continue;
                  const pixel = (y * w + x) * c;
                  if (layer.kind === "max-pool") sum = Math.max(sum, value[pixel + p]);
                  else if (layer.kind === "average-pool") sum += value[pixel + p] / (k * k);
                  else
                    for (let ch = 0; ch < c; ch++)
                      sum += value[pixel + ch] * kernel[((ky * k + kx) * c + ch) * out + p];
                }
              result[(oy * wo + ox) * out + p] = sum;
            }
        value = result;
        shape = [ho, wo, out];
      }
    }
    const top = Math.max(...value);
    total += Math.log(value.reduce((sum, v) => sum + Math.exp(v - top), 0)) + top - value[label];
  }
  return total / views;
}

/** Each example's gradient, parameter by parameter, by central differences of the float64 loss: right to some 1e-8. */
export function gradientsByDifferences(
  spec: NetworkSpec,
  values: Float32Array,
  labels: ArrayLike<number>,
  views: number,
  parameters: readonly Float32Array[],
): Float64Array[][] {
  const size = spec.inputShape.reduce((a, b) => a * b, 1) * views;
  const step = 2 ** -20;
  return Array.from(labels, (label, n) => {
    const images = values.subarray(n * size, (n + 1) * size);
    const moved = parameters.map((tensor) => Float64Array.from(tensor));
    return moved.map((tensor) =>
      tensor.map((value, i) => {
        tensor[i] = value + step;
        const above = lossInFloat64(spec, images, label, moved);
        tensor[i] = value - step;
        const below = lossInFloat64(spec, images, label, moved);
        tensor[i] = value;
        return (above - below) / (2 * step);
      }),
    );
  });
}

/** Norms, and each example's gradient picked out of the weighted sums, on the current backend. */
export function gradientsByEngine(
  spec: NetworkSpec,
  values: Float32Array,
  labels: ArrayLike<number>,
  views: number,
  parameters: readonly Float32Array[],
  weightOf: (squaredNorm: number) => number = () => 1,
): { squaredNorms: Float64Array; examples: Float32Array[][] } {
  const network = new Network(spec);
  return tf.tidy(() => {
    const images = tf.tensor4d(values, [labels.length * views, ...spec.inputShape]);
    const tensors = network.upload(parameters);
    const { squaredNorms, weightedSums } = network.gradients(
      images,
      labels,
      views,
      tensors,
      currentKernels(),
    );
    const examples = Array.from(labels, (_, n) => {
      const weights = new Float32Array(labels.length);
      weights[n] = weightOf(squaredNorms[n]);
      return weightedSums(tf.tensor1d(weights)).map((sum) => sum.dataSync() as Float32Array);
    });
    return { squaredNorms, examples };
  });
}

/** Exact to float64. */
export const normOf = (parts: readonly ArrayLike<number>[]): number =>
  Math.sqrt(parts.reduce((total, part) => total + Array.from(part).reduce((sum, v) => sum + v * v, 0), 0));

/** A plan with these numbers; its ε is nobody's business here. */
export function planOf(run: {
  examples: number;
  batchSize: number;
  steps: number;
  noiseMultiplier: number;
}): Plan {
  const samplingRate = run.batchSize / run.examples;
  return {
    kind: "dpsgd-plan",
    version: 1,
    request: {
      examples: run.examples,
      batchSize: run.batchSize,
      steps: run.steps,
      epsilon: 100,
      delta: 1e-5,
      accountant: "pld",
      neighboring: "add-or-remove-one",
    },
    ...run,
    samplingRate,
    event: dpSgdEvent({ samplingRate, noiseMultiplier: run.noiseMultiplier, steps: run.steps }),
    achieved: {
      epsilon: 100,
      epsilonLowerBound: 0,
      delta: 1e-5,
      neighboring: "add-or-remove-one",
      accountant: "pld",
    },
  } as Plan;
}
