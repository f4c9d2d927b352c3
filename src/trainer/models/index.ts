// The built-in models. Weights start normal with variance 1/fan-in, biases at zero (see Network.initialise).
import { Network, type NetworkSpec } from "../layers/network.js";
import { wideResidual } from "./wideResidual.js";

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

/** As messages list them. */
export const MODEL_NAMES: readonly string[] = [...Object.keys(MODELS), "wrn-D-k"];

/** The layers that a name stands for. Throws RangeError on a name that is not built in, before any data are read. */
export function checkModelName(name: string): (inputShape: Shape, classes: number) => NetworkSpec["layers"] {
  if (Object.hasOwn(MODELS, name)) return MODELS[name];
  const build = wideResidual(name);
  if (!build)
    throw new RangeError(`model must be one of ${MODEL_NAMES.join(", ")}, got ${name || "nothing"}`);
  return (_, classes) => build(classes);
}

/** Builds a model by name for images of [height, width, channels]. Throws RangeError on a name that is not built in. */
export function buildModel(name: string, inputShape: Shape, classes: number): Network {
  return new Network({ name, inputShape, classes, layers: checkModelName(name)(inputShape, classes) });
}
