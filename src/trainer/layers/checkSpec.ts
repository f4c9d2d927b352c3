// What a network's description may hold: each kind of layer has its exact fields, each with its range, nested ones too.
import { listOfTexts, text, whole } from "../../formats/argumentChecks.js";
import { ArgumentError, shown } from "../../formats/argumentError.js";
import { checkFields, type FieldsOf } from "../../formats/knownFields.js";
import type { LayerSpec, NetworkSpec } from "./spec.js";

/** What a field of a layer may be. Where left out, it has a default. */
interface Field {
  readonly allowed: string;
  readonly holds: (value: unknown) => boolean;
  readonly required: boolean;
}

type FieldsByKind = {
  readonly [K in LayerSpec["kind"]]: {
    readonly [F in Exclude<keyof Required<Extract<LayerSpec, { kind: K }>>, "kind">]: Field | "layers";
  };
};

const atLeast = (least: number) => ({
  allowed: `a whole number >= ${least}`,
  holds: (value: unknown) => Number.isSafeInteger(value) && (value as number) >= least,
});
const COUNT: Field = { ...atLeast(1), required: true };
/** Numbers come as float32, which has all whole ones up to here. */
const VOCABULARY: Field = {
  allowed: "a whole number in [1, 2^24]",
  holds: (value) => COUNT.holds(value) && (value as number) <= 2 ** 24,
  required: true,
};
const optional = ({ allowed, holds }: Omit<Field, "required">): Field => ({
  allowed,
  holds,
  required: false,
});
const FLAG = optional({ allowed: "true or false", holds: (value) => typeof value === "boolean" });
const EPSILON = optional({
  allowed: "> 0 and finite",
  holds: (value) => typeof value === "number" && value > 0 && value < Infinity,
});

/** Every kind of layer with its fields. */
export const LAYER_FIELDS: FieldsByKind = {
  conv2d: {
    filters: COUNT,
    kernelSize: COUNT,
    stride: optional(atLeast(1)),
    padding: optional({
      allowed: 'a whole number >= 0 or "same"',
      holds: (value) => value === "same" || atLeast(0).holds(value),
    }),
    groups: optional(atLeast(1)),
    weightStandardised: FLAG,
    bias: FLAG,
  },
  dense: {
    units: COUNT,
    bias: FLAG,
    initialisation: optional({
      allowed: '"normal" or "truncated-normal"',
      holds: (value) => value === "normal" || value === "truncated-normal",
    }),
  },
  "group-norm": { groups: COUNT, epsilon: EPSILON },
  "layer-norm": { epsilon: EPSILON },
  scale: {},
  bias: {},
  embedding: { vocabulary: VOCABULARY, units: COUNT },
  residual: { body: "layers", shortcut: "layers" },
  "max-pool": { size: COUNT, stride: COUNT },
  "average-pool": { size: COUNT },
  "global-average-pool": {},
  tanh: {},
  relu: {},
  flatten: {},
};

/** What other libraries say within a layer, and how it is said here. */
const ADVICE = {
  activation: 'a layer of its own: {"kind": "relu"}',
  useBias: "did you mean bias?",
  strides: "did you mean stride?",
  poolSize: "did you mean size?",
  eps: "did you mean epsilon?",
  kernel_size: "did you mean kernelSize?",
  trainable: "frozen of the network names what keeps its values",
  name: "layers are named by their place and kind",
};

/** Names of layers that mix the examples of a batch: no example has a gradient of its own. */
const MIXES_EXAMPLES = /batch-?_?norm|batch-?_?renorm|sync.*norm|mixture|moe|contrastive/i;

const NETWORK_FIELDS = {
  name: true,
  inputShape: true,
  classes: true,
  layers: true,
  frozen: true,
} satisfies FieldsOf<NetworkSpec>;

/** Throws ArgumentError, with the path of what is wrong such as layers[2].units, unless every field is known and in its range. */
export function checkNetworkSpec(spec: NetworkSpec): void {
  if (typeof spec !== "object" || spec === null || Array.isArray(spec))
    throw new ArgumentError("model", "a network's description or the name of a model", shown(spec));
  checkFields("a network", spec, NETWORK_FIELDS, { path: "model" });
  text("model.name", spec.name);
  const { inputShape } = spec;
  if (!(Array.isArray(inputShape) && inputShape.length === 3 && inputShape.every(COUNT.holds)))
    throw new ArgumentError(
      "model.inputShape",
      "[height, width, channels], whole numbers >= 1",
      shown(inputShape),
    );
  whole("model.classes", spec.classes, 1);
  checkLayers(spec.layers);
  if (spec.frozen !== undefined) listOfTexts("model.frozen", spec.frozen);
}

/** path: where the row of layers stands in the network. */
export function checkLayers(layers: readonly LayerSpec[], path = "layers"): void {
  if (!Array.isArray(layers)) throw new ArgumentError(path, "a list of layers", shown(layers));
  layers.forEach((layer, index) => {
    checkLayer(layer, `${path}[${index}]`);
    // Its numbers have no gradient, and are checked against its vocabulary as they stand in the data.
    if (
      layer.kind === "embedding" &&
      (path !== "layers" || layers.slice(0, index).some(({ kind }) => kind !== "flatten"))
    )
      throw new ArgumentError(
        `${path}[${index}]`,
        "the first layer, or the first after flatten, where it is an embedding",
        `it after ${index === 0 ? "layers outside" : (layers[index - 1] as LayerSpec).kind}`,
      );
  });
}

function checkLayer(layer: unknown, path: string): void {
  if (typeof layer !== "object" || layer === null || Array.isArray(layer))
    throw new ArgumentError(path, 'a layer such as { kind: "relu" }', shown(layer));
  const { kind } = layer as { readonly kind?: unknown };
  if (typeof kind === "string" && MIXES_EXAMPLES.test(kind))
    throw new ArgumentError(
      `${path}.kind`,
      "a layer that keeps examples apart, such as group-norm or layer-norm",
      `${kind}, which mixes the examples of a batch, so that no example has a gradient of its own to clip`,
    );
  if (!(typeof kind === "string" && Object.hasOwn(LAYER_FIELDS, kind)))
    throw new ArgumentError(`${path}.kind`, `one of ${Object.keys(LAYER_FIELDS).join(", ")}`, shown(kind));
  const fields: Readonly<Record<string, Field | "layers">> = LAYER_FIELDS[kind as LayerSpec["kind"]];
  checkFields(kind, layer, { kind: true, ...fields }, { path, advice: ADVICE });
  for (const [name, field] of Object.entries(fields)) {
    const value = (layer as Readonly<Record<string, unknown>>)[name];
    if (field === "layers") {
      if (value !== undefined || name === "body") checkLayers(value as LayerSpec[], `${path}.${name}`);
    } else if (!(value === undefined ? !field.required : field.holds(value)))
      throw new ArgumentError(`${path}.${name}`, field.allowed, shown(value));
  }
}
