// Keras layers, one by one, as layers of ours; what cannot be trained privately is refused by name with what to use instead.
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
  const found = LAYERS[kind](config, (message) => refuse(`${what} ${message}`));
  const translation: Translation = {
    isSum: found.sum === true,
    specs: found.specs,
    weights: (found.weights ?? []).map((weight) => `${name}/${weight}`),
    ...(found.softmax && { softmax: true }),
    ...(found.zeroPadding !== undefined && { zeroPadding: found.zeroPadding }),
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

const INSTEAD: readonly (readonly [RegExp, string])[] = [
  [
    /BatchNorm/,
    "mixes the examples of a batch, so no example has a gradient of its own to clip; use GroupNormalization or LayerNormalization",
  ],
  [/^(Model|Functional|Sequential)$/, "is a model within a model: put its layers into the outer one"],
  [/LSTM|GRU|RNN/, "is recurrent: it uses its weights many times for one example, which is not supported"],
];

const LAYERS: Readonly<Record<string, (config: KerasLayer["config"], refuse: Refuse) => Found>> = {
  InputLayer: () => ({ specs: [] }),
  // Nothing at all in a forward pass of a trained model.
  Dropout: () => ({ specs: [] }),
  Flatten: () => ({ specs: [{ kind: "flatten" }] }),
  Add: () => ({ specs: [], sum: true }),
  Activation: ({ activation }, refuse) => activated([], activation, refuse),
  ReLU: ({ max_value, negative_slope, threshold }, refuse) =>
    max_value != null || negative_slope || threshold
      ? refuse("must be the plain ReLU")
      : { specs: [{ kind: "relu" }] },
  Softmax: () => ({ specs: [], softmax: true }),
  Dense: ({ units, use_bias, activation }, refuse) =>
    weighted({ kind: "dense", units: units as number }, use_bias, activation, refuse),
  Conv2D: (config, refuse) => {
    const { filters, use_bias, activation, padding, groups } = config;
    const kernelSize = square("kernel_size", config.kernel_size, refuse);
    const stride = square("strides", config.strides ?? 1, refuse);
    if (square("dilation_rate", config.dilation_rate ?? 1, refuse) !== 1) refuse("must not be dilated");
    channelLast(config, refuse);
    const spec: LayerSpec = {
      kind: "conv2d",
      filters: filters as number,
      kernelSize,
      stride,
      padding: padding === "same" ? "same" : 0,
      ...(typeof groups === "number" && groups > 1 && { groups }),
    };
    return weighted(spec, use_bias, activation, refuse);
  },
  ZeroPadding2D: (config, refuse) => {
    channelLast(config, refuse);
    const sides = [config.padding].flat(2) as number[];
    if (new Set(sides).size !== 1) refuse("must have the same padding on every side");
    return { specs: [], zeroPadding: sides[0] };
  },
  MaxPooling2D: (config, refuse) => {
    const { size, stride } = pooled(config, refuse);
    return { specs: [{ kind: "max-pool", size, stride }] };
  },
  AveragePooling2D: (config, refuse) => {
    const { size, stride } = pooled(config, refuse);
    if (size !== stride) refuse("must have strides equal to its pool_size");
    return { specs: [{ kind: "average-pool", size }] };
  },
  GlobalAveragePooling2D: (config, refuse) => {
    channelLast(config, refuse);
    return { specs: [{ kind: "global-average-pool" }] };
  },
  GlobalAveragePooling1D: () => ({ specs: [{ kind: "global-average-pool" }] }),
  LayerNormalization: ({ axis, epsilon, center, scale }, refuse) => {
    // A built model counts its axes from the front; that it is the last one shows when outputs are compared.
    if ([axis ?? -1].flat().length !== 1 || center === false || scale === false)
      refuse("must normalise the last axis, with center and scale");
    return {
      specs: [{ kind: "layer-norm", epsilon: (epsilon as number) ?? 1e-3 }],
      weights: ["gamma", "beta"],
    };
  },
  GroupNormalization: ({ groups, epsilon, center, scale }, refuse) => {
    if (center === false || scale === false) refuse("must have center and scale");
    return {
      specs: [{ kind: "group-norm", groups: groups as number, epsilon: (epsilon as number) ?? 1e-3 }],
      weights: ["gamma", "beta"],
    };
  },
  Embedding: ({ input_dim, output_dim, mask_zero }, refuse) => {
    if (mask_zero) refuse("must not mask zeros");
    return {
      specs: [{ kind: "embedding", vocabulary: input_dim as number, units: output_dim as number }],
      weights: ["embeddings"],
    };
  },
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
  if (config.padding === "same") refuse('must have padding "valid"');
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
