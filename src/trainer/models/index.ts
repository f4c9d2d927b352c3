// The built-in models. Weights start normal with variance 1/fan-in, biases at zero (see Network.initialise).
import { Network, type NetworkSpec } from "../layers/network.js";

type Shape = NetworkSpec["inputShape"];

const MODELS: { readonly [name: string]: (inputShape: Shape, classes: number) => NetworkSpec["layers"] } = {
  /** The tanh network of [Papernot2021] for 28 × 28 images: 26,010 parameters on MNIST. */
  cnn: (_, classes) => [
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
  /** Softmax regression on the pixels. */
  linear: (_, classes) => [{ kind: "flatten" }, { kind: "dense", units: classes }],
};

export const MODEL_NAMES: readonly string[] = Object.keys(MODELS);

/** Builds a model by name for images of [height, width, channels]. Throws RangeError on a name that is not built in. */
export function buildModel(name: string, inputShape: Shape, classes: number): Network {
  if (!Object.hasOwn(MODELS, name))
    throw new RangeError(`model must be one of ${MODEL_NAMES.join(", ")}, got ${name}`);
  return new Network({ name, inputShape, classes, layers: MODELS[name](inputShape, classes) });
}
