// Small data and networks for the trainer's tests, and the oracle: float64 loops, differentiated numerically.
import * as tf from "@tensorflow/tfjs-core";
import { currentKernels } from "../../src/engines/tensorflow/startBackend.js";
import { PartialSum } from "../../src/engines/threads/partialSum.js";
import { dpSgdEvent } from "../../src/formats/event.js";
import type { Plan } from "../../src/formats/plan.js";
import { fillViews, viewsPerExample } from "../../src/trainer/augmentation.js";
import type { Dataset, LabelledImages } from "../../src/trainer/data/dataset.js";
import { type LayerSpec, Network, type NetworkSpec } from "../../src/trainer/layers/network.js";
import { SeededRandom } from "../../src/trainer/random/seeded.js";

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

/** Everything that a residual network has, and what else has trained numbers for each channel, on small images. */
export const RESIDUAL: NetworkSpec = {
  name: "residual",
  inputShape: [6, 5, 2],
  classes: 3,
  layers: [
    { kind: "conv2d", filters: 4, kernelSize: 3, padding: "same", weightStandardised: true },
    {
      kind: "residual",
      body: [
        { kind: "relu" },
        { kind: "group-norm", groups: 2 },
        { kind: "conv2d", filters: 6, kernelSize: 3, stride: 2, padding: "same", weightStandardised: true },
        { kind: "group-norm", groups: 3, epsilon: 1e-3 },
        { kind: "conv2d", filters: 6, kernelSize: 3, padding: "same", groups: 2, bias: false },
      ],
      shortcut: [
        { kind: "tanh" },
        { kind: "conv2d", filters: 6, kernelSize: 1, stride: 2, padding: "same", weightStandardised: true },
      ],
    },
    { kind: "residual", body: [{ kind: "layer-norm" }, { kind: "scale" }, { kind: "bias" }] },
    { kind: "global-average-pool" },
    { kind: "dense", units: 3, bias: false, initialisation: "truncated-normal" },
  ],
};

/** An embedding: its inputs are whole numbers. */
export const EMBEDDED: NetworkSpec = {
  name: "embedded",
  inputShape: [1, 6, 1],
  classes: 3,
  layers: [
    { kind: "flatten" },
    { kind: "embedding", vocabulary: 5, units: 4 },
    { kind: "layer-norm" },
    { kind: "tanh" },
    { kind: "global-average-pool" },
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
    const image = Float64Array.from({ length: size }, (_, i) => images[view * size + i]);
    const { value } = layersInFloat64(spec.layers, { value: image, shape: [...spec.inputShape] }, [
      ...parameters,
    ]);
    const top = Math.max(...value);
    total += Math.log(value.reduce((sum, v) => sum + Math.exp(v - top), 0)) + top - value[label];
  }
  return total / views;
}

interface Activation {
  readonly value: Float64Array;
  readonly shape: readonly number[];
}

/** Takes the parameters it uses from the front of the list. */
export function layersInFloat64(
  layers: readonly LayerSpec[],
  input: Activation,
  parameters: ArrayLike<number>[],
): Activation {
  return layers.reduce((x, layer) => layerInFloat64(layer, x, parameters), input);
}

function layerInFloat64(layer: LayerSpec, x: Activation, parameters: ArrayLike<number>[]): Activation {
  const { value, shape } = x;
  const channels = shape[shape.length - 1];
  const next = () => parameters.shift()!;
  const map = (change: (v: number, channel: number) => number): Activation => ({
    value: value.map((v, i) => change(v, i % channels)),
    shape,
  });
  switch (layer.kind) {
    case "tanh":
      return map(Math.tanh);
    case "relu":
      return map((v) => Math.max(0, v));
    case "flatten":
      return { value, shape: [value.length] };
    case "scale": {
      const factor = next();
      return map((v, c) => v * factor[c]);
    }
    case "bias": {
      const shift = next();
      return map((v, c) => v + shift[c]);
    }
    case "embedding": {
      const table = next();
      const rows = Array.from(value, (v) =>
        Array.from({ length: layer.units }, (_, j) => table[v * layer.units + j]),
      );
      return { value: Float64Array.from(rows.flat()), shape: [value.length, layer.units] };
    }
    case "dense": {
      const kernel = next();
      const shift = layer.bias === false ? new Float64Array(layer.units) : next();
      const result = Float64Array.from({ length: layer.units }, (_, j) =>
        value.reduce((sum, v, i) => sum + v * kernel[i * layer.units + j], shift[j]),
      );
      return { value: result, shape: [layer.units] };
    }
    case "global-average-pool": {
      const result = new Float64Array(channels);
      value.forEach((v, i) => {
        result[i % channels] += v / (value.length / channels);
      });
      return { value: result, shape: [channels] };
    }
    case "group-norm":
    case "layer-norm": {
      const [factor, offset] = [next(), next()];
      const width = layer.kind === "group-norm" ? channels / layer.groups : channels;
      const regionOf = (i: number) =>
        layer.kind === "group-norm" ? Math.floor((i % channels) / width) : Math.floor(i / channels);
      const regions: number[][] = [];
      value.forEach((v, i) => {
        regions[regionOf(i)] ??= [];
        regions[regionOf(i)].push(v);
      });
      const moments = regions.map((all) => {
        const mean = all.reduce((a, b) => a + b, 0) / all.length;
        return { mean, variance: all.reduce((sum, each) => sum + (each - mean) ** 2, 0) / all.length };
      });
      const result = value.map((v, i) => {
        const { mean, variance } = moments[regionOf(i)];
        const c = i % channels;
        return ((v - mean) / Math.sqrt(variance + (layer.epsilon ?? 1e-5))) * factor[c] + offset[c];
      });
      return { value: result, shape };
    }
    case "residual": {
      const body = layersInFloat64(layer.body, x, parameters);
      const shortcut = layersInFloat64(layer.shortcut ?? [], x, parameters);
      return { value: body.value.map((v, i) => v + shortcut.value[i]), shape: body.shape };
    }
    default:
      return windowsInFloat64(layer, x, parameters);
  }
}

/** Convolutions and pooling. */
function windowsInFloat64(
  layer: Extract<LayerSpec, { kind: "conv2d" | "max-pool" | "average-pool" }>,
  { value, shape: [h, w, c] }: Activation,
  parameters: ArrayLike<number>[],
): Activation {
  const convolution = layer.kind === "conv2d" ? layer : undefined;
  const k = convolution ? convolution.kernelSize : (layer as { size: number }).size;
  const stride = convolution ? (convolution.stride ?? 1) : layer.kind === "max-pool" ? layer.stride : k;
  const same = convolution?.padding === "same";
  const pad = typeof convolution?.padding === "number" ? convolution.padding : 0;
  const before = (side: number) =>
    same ? Math.floor(Math.max(0, (Math.ceil(side / stride) - 1) * stride + k - side) / 2) : pad;
  const out = convolution ? convolution.filters : c;
  const [ho, wo] = [h, w].map((side) =>
    same ? Math.ceil(side / stride) : Math.floor((side + 2 * pad - k) / stride) + 1,
  );
  const groups = convolution?.groups ?? 1;
  const each = c / groups;
  let kernel: ArrayLike<number> = [];
  let shift: ArrayLike<number> = new Float64Array(out);
  if (convolution) {
    kernel = parameters.shift()!;
    if (convolution.weightStandardised) kernel = standardisedInFloat64(kernel, parameters.shift()!, out);
    if (convolution.bias !== false) shift = parameters.shift()!;
  }
  const result = new Float64Array(ho * wo * out);
  for (let oy = 0; oy < ho; oy++)
    for (let ox = 0; ox < wo; ox++)
      for (let p = 0; p < out; p++) {
        let sum = layer.kind === "max-pool" ? -Infinity : shift[p];
        for (let ky = 0; ky < k; ky++)
          for (let kx = 0; kx < k; kx++) {
            const [y, x] = [oy * stride + ky - before(h), ox * stride + kx - before(w)];
            if (y < 0 || x < 0 || y >= h || x >= w) continue;
            const pixel = (y * w + x) * c;
            if (layer.kind === "max-pool") sum = Math.max(sum, value[pixel + p]);
            else if (layer.kind === "average-pool") sum += value[pixel + p] / (k * k);
            else {
              const first = Math.floor(p / (out / groups)) * each;
              for (let ch = 0; ch < each; ch++)
                sum += value[pixel + first + ch] * kernel[((ky * k + kx) * each + ch) * out + p];
            }
          }
        result[(oy * wo + ox) * out + p] = sum;
      }
  return { value: result, shape: [ho, wo, out] };
}

function standardisedInFloat64(
  kernel: ArrayLike<number>,
  gain: ArrayLike<number>,
  filters: number,
): Float64Array {
  const fanIn = kernel.length / filters;
  const result = new Float64Array(kernel.length);
  for (let p = 0; p < filters; p++) {
    const own = Array.from({ length: fanIn }, (_, d) => kernel[d * filters + p]);
    const mean = own.reduce((a, b) => a + b, 0) / fanIn;
    const squares = own.reduce((sum, v) => sum + (v - mean) ** 2, 0);
    for (let d = 0; d < fanIn; d++)
      result[d * filters + p] = ((own[d] - mean) / Math.sqrt(Math.max(squares, 1e-4))) * gain[p];
  }
  return result;
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

/** The network whose frozen parameters have their values among `parameters`, which are all in their order. */
function withFrozen(spec: NetworkSpec, parameters: readonly Float32Array[]): Network {
  const { allParameters } = new Network(spec);
  return new Network(spec, new Map(allParameters.map(({ name }, index) => [name, parameters[index]])));
}

/** Those of the trained parameters. */
export function trainedOf<T>({ allParameters, parameters }: Network, each: readonly T[]): T[] {
  return each.filter((_, index) => parameters.includes(allParameters[index]));
}

/** Norms, and each example's gradient picked out of the exact sums, on the current backend. */
export function gradientsByEngine(
  spec: NetworkSpec,
  values: Float32Array,
  labels: ArrayLike<number>,
  views: number,
  parameters: readonly Float32Array[],
  weightOf: (squaredNorm: number) => number = () => 1,
  viewsAtOnce = views,
): { squaredNorms: Float64Array; examples: Float64Array[][] } {
  const network = withFrozen(spec, parameters);
  const trained = trainedOf(network, parameters);
  const kernels = currentKernels();
  let squaredNorms = new Float64Array(0);
  let examples: Float64Array[][] = [];
  tf.tidy(() => {
    const images = tf.tensor4d(values, [labels.length * views, ...spec.inputShape]);
    const tensors = network.upload(trained);
    const gradients = network.gradients(images, labels, views, tensors, kernels, viewsAtOnce);
    squaredNorms = gradients.squaredNorms;
    examples = Array.from(labels, (_, n) => {
      const factors = new Float64Array(labels.length);
      factors[n] = weightOf(squaredNorms[n]);
      return sumOf(network, gradients, factors);
    });
  });
  return { squaredNorms, examples };
}

/** Σ factors[n]·g_n, one array a parameter, rounded to 2^-40 or finer as the engines round. */
export function sumOf(
  network: Network,
  gradients: Parameters<PartialSum["add"]>[0],
  factors: Float64Array,
): Float64Array[] {
  const partial = new PartialSum(network, currentKernels(), 1);
  try {
    partial.add(gradients, factors);
    return partial.read().map((part) => part.map((whole) => whole * 2 ** -partial.fractionBits));
  } finally {
    partial.dispose();
  }
}

/** Network inputs of examples indices[from … to), the views of each in a row. */
export function viewsOf(...args: Parameters<typeof fillViews> extends [unknown, ...infer R] ? R : never) {
  const [images, , from, to, augmentation] = args;
  const size = images.shape.reduce((a, b) => a * b, 1);
  const out = new Float32Array((to - from) * viewsPerExample(augmentation) * size);
  fillViews(out, ...args);
  return out;
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
    version: 2,
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
    unit: "example",
    schedule: "constant",
    holdout: null,
    event: dpSgdEvent({ samplingRate, noiseMultiplier: run.noiseMultiplier, steps: run.steps }),
    achieved: {
      epsilon: 100,
      epsilonLowerBound: 0,
      delta: 1e-5,
      neighboring: "add-or-remove-one",
      accountant: "pld",
    },
    warnings: [],
  };
}
