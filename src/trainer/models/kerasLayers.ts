// Keras layers, one by one, as layers of ours; what cannot be trained privately or has no translation is refused by name.
import type { LayerSpec } from "../layers/network.js";

export interface KerasLayer {
  readonly class_name: string;
  readonly config: { readonly name: string; readonly [option: string]: unknown };
}

export interface Translation {
  /** Adds its inputs. */
  readonly isSum: boolean;
  readonly specs: readonly LayerSpec[];
  readonly weights: readonly string[];
  readonly softmax?: boolean;
  /** Rows and columns of zeros for the convolution that follows; the translation itself then has no layer. */
  readonly zeroPadding?: number;
  /** What of the layer is not carried out, in words; empty mostly. */
  readonly leftOut: readonly string[];
  /** Whether its weights are to keep their values. */
  readonly frozen: boolean;
  /** Itself, or with the zeros that a padding layer before it asks for. */
  padded(zeros: number | undefined): Translation;
}

type Refuse = (message: string) => never;
type Found = {
  specs: LayerSpec[];
  weights?: string[];
  softmax?: boolean;
  zeroPadding?: number;
  sum?: boolean;
  leftOut?: boolean;
};

export function translate({ class_name: kind, config }: KerasLayer, refuse: Refuse): Translation {
  const { name } = config;
  const what = `layer ${name} (${kind})`;
  if (!Object.hasOwn(LAYERS, kind)) {
    const instead = INSTEAD.find(([pattern]) => pattern.test(kind));
    if (instead) return refuse(`${what} ${instead[1]}`);
    return refuse(
      `${what} has no translation; there are translations of ${Object.keys(LAYERS).sort().join(", ")}`,
    );
  }
  const { fields, translation: translated } = LAYERS[kind];
  const refuseLayer: Refuse = (message) => refuse(`${what} ${message}`);
  const dropped = checkConfig(config, fields, refuseLayer);
  const found = translated(config, refuseLayer);
  const translation: Translation = {
    isSum: found.sum === true,
    specs: found.specs,
    weights: (found.weights ?? []).map((weight) => `${name}/${weight}`),
    ...(found.softmax && { softmax: true }),
    ...(found.zeroPadding !== undefined && { zeroPadding: found.zeroPadding }),
    leftOut: [...(found.leftOut ? [what] : []), ...dropped.map((field) => `${field} of ${what}`)],
    frozen: config.trainable === false,
    padded(zeros) {
      if (zeros === undefined) return translation;
      const [first, ...rest] = translation.specs;
      if (!(first?.kind === "conv2d" && first.padding === 0))
        return refuse(`${what} follows a padding layer: only a convolution without padding of its own may`);
      return { ...translation, specs: [{ ...first, padding: zeros }, ...rest] };
    },
  };
  return translation;
}

/** Of every layer. Shapes of layers that are not the input follow from it. */
const COMMON = [
  "name",
  "trainable",
  "dtype",
  "batch_input_shape",
  "batch_shape",
  "input_shape",
  "batch_size",
];
/** Fields that change nothing with these values, or with null: others are refused by name. */
const NEUTRAL: Readonly<Record<string, readonly unknown[]>> = {
  sparse: [false],
  ragged: [false],
  keepdims: [false],
  rank: [2],
  rms_scaling: [false],
  supports_masking: [true, false],
};
const FLAGS = ["trainable", "use_bias", "center", "scale", "mask_zero"];

/** The fields that training leaves out: they belong to the loss or the update. Refuses fields that are neither known nor neutral. */
function checkConfig(config: KerasLayer["config"], fields: readonly string[], refuse: Refuse): string[] {
  const dropped: string[] = [];
  for (const [field, value] of Object.entries(config)) {
    if (value === null || value === undefined || NEUTRAL[field]?.includes(value)) continue;
    if (FLAGS.includes(field) && typeof value !== "boolean")
      refuse(`must have ${field} true or false, got ${JSON.stringify(value)}`);
    if (/_(regularizer|constraint)$/.test(field)) dropped.push(field);
    // Where training starts without weights, it starts as this trainer does.
    else if (!(COMMON.includes(field) || fields.includes(field) || /_initializer$/.test(field)))
      refuse(`has ${field} ${JSON.stringify(value)}, which has no translation`);
  }
  const { dtype } = config as { dtype?: { config?: { name?: unknown } } };
  const type = dtype?.config?.name ?? dtype ?? "float32";
  if (type !== "float32" && type !== "int32") refuse(`must have dtype float32, got ${JSON.stringify(type)}`);
  return dropped;
}

const INSTEAD: readonly (readonly [RegExp, string])[] = [
  [
    /BatchNorm/,
    "mixes the examples of a batch, so no example has a gradient of its own to clip; use GroupNormalization or LayerNormalization",
  ],
  [/^(Model|Functional|Sequential)$/, "is a model within a model: put its layers into the outer one"],
  [/LSTM|GRU|RNN/, "is recurrent: it uses its weights many times for one example, which is not supported"],
];

interface Kind {
  /** Of its config, what is carried out or checked, beside COMMON. */
  readonly fields: readonly string[];
  readonly translation: (config: KerasLayer["config"], refuse: Refuse) => Found;
}
const kind = (fields: string, translation: Kind["translation"]): Kind => ({
  fields: fields.split(" "),
  translation,
});

const LAYERS: Readonly<Record<string, Kind>> = {
  InputLayer: kind("", () => ({ specs: [] })),
  // Nothing at all in a forward pass of a trained model; of a rate of 0 in training neither.
  Dropout: kind("rate noise_shape seed", ({ rate }) => ({ specs: [], leftOut: rate !== 0 })),
  Flatten: kind("data_format", (config, refuse) => {
    channelLast(config, refuse);
    return { specs: [{ kind: "flatten" }] };
  }),
  Add: kind("", () => ({ specs: [], sum: true })),
  Activation: kind("activation", ({ activation }, refuse) => activated([], activation, refuse)),
  ReLU: kind("max_value negative_slope threshold", ({ max_value, negative_slope, threshold }, refuse) =>
    max_value != null || negative_slope || threshold
      ? refuse("must be the plain ReLU")
      : { specs: [{ kind: "relu" }] },
  ),
  Softmax: kind("axis", ({ axis }, refuse) => {
    if (![-1, 1].includes((axis ?? -1) as number)) refuse("must be over the last axis");
    return { specs: [], softmax: true };
  }),
  Dense: kind("units use_bias activation", ({ units, use_bias, activation }, refuse) =>
    weighted({ kind: "dense", units: units as number }, use_bias, activation, refuse),
  ),
  Conv2D: kind(
    "filters kernel_size strides padding data_format dilation_rate groups use_bias activation",
    (config, refuse) => {
      const { filters, use_bias, activation, groups } = config;
      const kernelSize = square("kernel_size", config.kernel_size, refuse);
      const stride = square("strides", config.strides ?? 1, refuse);
      if (square("dilation_rate", config.dilation_rate ?? 1, refuse) !== 1) refuse("must not be dilated");
      channelLast(config, refuse);
      const padding = config.padding ?? "valid";
      if (padding !== "same" && padding !== "valid")
        refuse(`must have padding same or valid, got ${JSON.stringify(padding)}`);
      const spec: LayerSpec = {
        kind: "conv2d",
        filters: filters as number,
        kernelSize,
        stride,
        padding: padding === "same" ? "same" : 0,
        ...(groups != null && groups !== 1 && { groups: groups as number }),
      };
      return weighted(spec, use_bias, activation, refuse);
    },
  ),
  ZeroPadding2D: kind("padding data_format", (config, refuse) => {
    channelLast(config, refuse);
    const sides = [config.padding].flat(2) as number[];
    if (new Set(sides).size !== 1) refuse("must have the same padding on every side");
    return { specs: [], zeroPadding: sides[0] };
  }),
  MaxPooling2D: kind("pool_size strides padding data_format", (config, refuse) => {
    const { size, stride } = pooled(config, refuse);
    return { specs: [{ kind: "max-pool", size, stride }] };
  }),
  AveragePooling2D: kind("pool_size strides padding data_format", (config, refuse) => {
    const { size, stride } = pooled(config, refuse);
    if (size !== stride) refuse("must have strides equal to its pool_size");
    return { specs: [{ kind: "average-pool", size }] };
  }),
  GlobalAveragePooling2D: kind("data_format", (config, refuse) => {
    channelLast(config, refuse);
    return { specs: [{ kind: "global-average-pool" }] };
  }),
  GlobalAveragePooling1D: kind("data_format", (config, refuse) => {
    channelLast(config, refuse);
    return { specs: [{ kind: "global-average-pool" }] };
  }),
  LayerNormalization: kind("axis epsilon center scale", ({ axis, epsilon, center, scale }, refuse) => {
    // A built model counts its axes from the front; that it is the last one shows when outputs are compared.
    if ([axis ?? -1].flat().length !== 1 || center === false || scale === false)
      refuse("must normalise the last axis, with center and scale");
    return {
      specs: [{ kind: "layer-norm", epsilon: (epsilon as number) ?? 1e-3 }],
      weights: ["gamma", "beta"],
    };
  }),
  GroupNormalization: kind(
    "groups axis epsilon center scale",
    ({ groups, epsilon, center, scale }, refuse) => {
      if (center === false || scale === false) refuse("must have center and scale");
      return {
        specs: [{ kind: "group-norm", groups: groups as number, epsilon: (epsilon as number) ?? 1e-3 }],
        weights: ["gamma", "beta"],
      };
    },
  ),
  Embedding: kind(
    "input_dim output_dim mask_zero input_length",
    ({ input_dim, output_dim, mask_zero }, refuse) => {
      if (mask_zero) refuse("must not mask zeros");
      return {
        specs: [{ kind: "embedding", vocabulary: input_dim as number, units: output_dim as number }],
        weights: ["embeddings"],
      };
    },
  ),
};

function weighted(
  spec: Extract<LayerSpec, { kind: "dense" | "conv2d" }>,
  useBias: unknown,
  activation: unknown,
  refuse: Refuse,
): Found {
  const bias = useBias !== false;
  return activated(
    [bias ? spec : { ...spec, bias: false }],
    activation,
    refuse,
    bias ? ["kernel", "bias"] : ["kernel"],
  );
}

function activated(specs: LayerSpec[], activation: unknown, refuse: Refuse, weights: string[] = []): Found {
  switch (activation ?? "linear") {
    case "linear":
      return { specs, weights };
    case "relu":
      return { specs: [...specs, { kind: "relu" }], weights };
    case "tanh":
      return { specs: [...specs, { kind: "tanh" }], weights };
    case "softmax":
      return { specs, weights, softmax: true };
    default:
      return refuse(
        `must have activation linear, relu, tanh, or softmax at the end, got ${String(activation)}`,
      );
  }
}

function pooled(config: KerasLayer["config"], refuse: Refuse): { size: number; stride: number } {
  channelLast(config, refuse);
  const size = square("pool_size", config.pool_size ?? 2, refuse);
  const stride = square("strides", config.strides ?? size, refuse);
  if ((config.padding ?? "valid") !== "valid") refuse("must have padding valid");
  return { size, stride };
}

function square(option: string, value: unknown, refuse: Refuse): number {
  const sides = [value].flat() as number[];
  if (new Set(sides).size !== 1) refuse(`must have the same ${option} both ways, got ${sides.join(" x ")}`);
  return sides[0];
}

function channelLast({ data_format }: KerasLayer["config"], refuse: Refuse): void {
  if (data_format === "channels_first" || data_format === "channelsFirst")
    refuse("must have its channels last");
}
