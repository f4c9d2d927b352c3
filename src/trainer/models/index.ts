// The built-in models. Weights start normal with variance 1/fan-in, biases at zero (see Network.initialise).
import { ArgumentError } from "../../formats/argumentError.js";
import { Network, type NetworkSpec } from "../layers/network.js";
import { wideResidual } from "./wideResidual.js";

type Shape = NetworkSpec["inputShape"];

/** A built-in model. */
export interface ModelDescription {
  readonly name: string;
  /** What it was made for; it takes images of any shape that its layers fit. */
  readonly inputShape: Shape;
  readonly classes: number;
  readonly about: string;
}

interface Model extends Omit<ModelDescription, "name"> {
  readonly layers: (classes: number) => NetworkSpec["layers"];
}

const MNIST = { inputShape: [28, 28, 1], classes: 10 } as const;
const CIFAR = { inputShape: [32, 32, 3], classes: 10 } as const;

/** Two convolutions and a pooling, three times, as in the small networks of [TramerBoneh2021]. */
const pairOfConvolutions = (filters: number): NetworkSpec["layers"] => [
  { kind: "conv2d", filters, kernelSize: 3, padding: 1 },
  { kind: "tanh" },
  { kind: "conv2d", filters, kernelSize: 3, padding: 1 },
  { kind: "tanh" },
  { kind: "max-pool", size: 2, stride: 2 },
];

const MODELS: { readonly [name: string]: Model } = {
  cnn: {
    ...MNIST,
    about: "tanh network of Papernot et al. 2021",
    layers: (classes) => [
      { kind: "conv2d", filters: 16, kernelSize: 8, stride: 2, padding: 2 },
      { kind: "tanh" },
      { kind: "max-pool", size: 2, stride: 1 },
      { kind: "conv2d", filters: 32, kernelSize: 4, stride: 2 },
      { kind: "tanh" },
      { kind: "max-pool", size: 2, stride: 1 },
      { kind: "flatten" },
      { kind: "dense", units: 32 },
      { kind: "tanh" },
      { kind: "dense", units: classes },
    ],
  },
  "cnn-cifar": {
    ...CIFAR,
    about: "tanh network of Tramèr and Boneh 2021",
    layers: (classes) => [
      ...[32, 64, 128].flatMap(pairOfConvolutions),
      { kind: "flatten" },
      { kind: "dense", units: 128 },
      { kind: "tanh" },
      { kind: "dense", units: classes },
    ],
  },
  linear: {
    ...MNIST,
    about: "softmax regression on the pixels",
    layers: (classes) => [{ kind: "flatten" }, { kind: "dense", units: classes }],
  },
};

/** The wide residual networks of [De2022]; any other depth and width is built as well. */
const WIDE_RESIDUAL = ["wrn-16-4", "wrn-40-4", "wrn-28-10"];

/** Every built-in model, and for `wrn-D-k` those of the paper. */
export const BUILT_IN_MODELS: readonly ModelDescription[] = [
  ...Object.entries(MODELS).map(([name, { layers: _, ...model }]) => ({ name, ...model })),
  ...WIDE_RESIDUAL.map((name) => ({ name, ...CIFAR, about: "wide residual network of De et al. 2022" })),
];

/** As messages list them. */
export const MODEL_NAMES: readonly string[] = [...Object.keys(MODELS), "wrn-D-k"];

/** The layers that a name stands for. Throws ArgumentError on a name that is not built in, before any data are read. */
export function checkModelName(name: string): (classes: number) => NetworkSpec["layers"] {
  const build = Object.hasOwn(MODELS, name) ? MODELS[name].layers : wideResidual(name);
  if (!build) throw new ArgumentError("model", `one of ${MODEL_NAMES.join(", ")}`, name || "nothing");
  return build;
}

/** Builds a model by name for images of [height, width, channels]. Throws ArgumentError on a name that is not built in. */
export function buildModel(name: string, inputShape: Shape, classes: number): Network {
  return new Network({ name, inputShape, classes, layers: checkModelName(name)(classes) });
}
