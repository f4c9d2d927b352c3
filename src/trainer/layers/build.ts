// From a checked description to layers: each kind of layer by its name.
import { Chain } from "./chain.js";
import { bias, groupNorm, layerNorm, scale } from "./channelwise.js";
import { conv2d } from "./conv2d.js";
import { dense } from "./dense.js";
import { embedding } from "./embedding.js";
import type { Layer, Saved } from "./layer.js";
import { residual } from "./residual.js";
import { averagePool, flatten, globalAveragePool, maxPool, relu, tanh } from "./shape.js";
import type { LayerSpec } from "./spec.js";

/** A row of layers, checked by checkLayers, for inputs of inputShape. Throws ArgumentError, naming the layer, where it does not fit. */
export function buildChain(
  specs: readonly LayerSpec[],
  inputShape: readonly number[],
  isTrained: (parameter: string) => boolean,
  prefix = "",
): Chain {
  const layers: Layer<Saved>[] = [];
  let shape = inputShape;
  specs.forEach((spec, index) => {
    const name = `${prefix}${index}.${spec.kind}`;
    const layer = buildLayer(name, spec, shape, isTrained);
    layers.push(layer);
    shape = layer.outputShape;
  });
  return new Chain(layers, inputShape, isTrained);
}

type Builders = {
  readonly [K in LayerSpec["kind"]]: (
    name: string,
    inputShape: readonly number[],
    spec: Extract<LayerSpec, { kind: K }>,
    isTrained: (parameter: string) => boolean,
  ) => Layer<Saved>;
};

const BUILDERS: Builders = {
  conv2d,
  dense,
  "group-norm": groupNorm,
  "layer-norm": layerNorm,
  scale,
  bias,
  embedding,
  residual: (name, shape, { body, shortcut = [] }, isTrained) =>
    residual(
      name,
      buildChain(body, shape, isTrained, `${name}/body/`),
      buildChain(shortcut, shape, isTrained, `${name}/shortcut/`),
    ),
  "max-pool": (name, shape, { size, stride }) => maxPool(name, shape, size, stride),
  "average-pool": (name, shape, { size }) => averagePool(name, shape, size),
  "global-average-pool": (_, shape) => globalAveragePool(shape),
  tanh: (_, shape) => tanh(shape),
  relu: (_, shape) => relu(shape),
  flatten: (_, shape) => flatten(shape),
};

function buildLayer(
  name: string,
  spec: LayerSpec,
  inputShape: readonly number[],
  isTrained: (parameter: string) => boolean,
): Layer<Saved> {
  const build = BUILDERS[spec.kind] as (
    name: string,
    inputShape: readonly number[],
    spec: LayerSpec,
    trained: typeof isTrained,
  ) => Layer<Saved>;
  return build(name, inputShape, spec, isTrained);
}
