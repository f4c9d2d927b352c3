// Which networks the WebGPU engine runs, and their form for it: convolutions, blocks of (ReLU, norm, convolution), a head.
import type { Network } from "../../trainer/layers/network.js";
import { type LayerSpec, sizeOf } from "../../trainer/layers/spec.js";

export interface ConvolutionUnit {
  readonly kernelSize: number;
  readonly stride: number;
  readonly filters: number;
  /** Zeros before and after, pixels. */
  readonly padding: number | "same";
  readonly kernelOffset: number;
  readonly gainOffset: number | undefined;
  readonly biasOffset: number | undefined;
}

export interface NormUnit {
  /** Before it, and after it. */
  readonly relu: boolean;
  readonly reluAfter: boolean;
  readonly groups: number;
  readonly epsilon: number;
  readonly scaleOffset: number;
  readonly offsetOffset: number;
}

/** Norm, then convolution. */
export interface Unit {
  readonly norm: NormUnit;
  readonly convolution: ConvolutionUnit;
}

/** body(x) + shortcut(x); no shortcut: + x. A plain unit is a block that adds nothing. */
export interface Block {
  readonly body: readonly Unit[];
  readonly shortcut: Unit | "identity" | "none";
}

export interface UnitNetwork {
  readonly stem: ConvolutionUnit;
  readonly blocks: readonly Block[];
  readonly norm: NormUnit;
  readonly kernelOffset: number;
  readonly biasOffset: number;
}

/** A network that the WebGPU engine has no kernels for. */
export class UnsupportedNetworkError extends Error {
  override readonly name = "UnsupportedNetworkError";
  constructor(network: string, reason: string) {
    super(
      `backend webgpu runs residual networks of group norms and convolutions such as wrn-16-4, not ${network}: ${reason}`,
    );
  }
}

const DEFAULT_EPSILON = 1e-5;

/**
 * Reads a network of the form conv2d, (residual | norm, conv2d)*, norm, global-average-pool, dense, where norm is relu?,
 * group-norm, relu?.
 */
export function unitsOf(network: Network): UnitNetwork {
  const { spec } = network;
  let next = 0;
  let at = 0;
  /** Where the next parameter array begins in the flat parameters. */
  const take = (): number => {
    const here = at;
    at += sizeOf(network.parameters[next++].shape);
    return here;
  };
  const refuse = (layer: LayerSpec | undefined, wanted: string): never => {
    throw new UnsupportedNetworkError(spec.name, `expected ${wanted}, found ${layer?.kind ?? "the end"}`);
  };

  const convolution = (layer: LayerSpec | undefined): ConvolutionUnit => {
    if (layer?.kind !== "conv2d") return refuse(layer, "conv2d");
    if ((layer.groups ?? 1) !== 1) throw new UnsupportedNetworkError(spec.name, "grouped convolutions");
    if (layer.filters % 4 !== 0)
      throw new UnsupportedNetworkError(spec.name, `filters must be multiples of 4, got ${layer.filters}`);
    const { kernelSize, stride = 1, filters, padding = 0 } = layer;
    return {
      kernelSize,
      stride,
      filters,
      padding,
      kernelOffset: take(),
      gainOffset: layer.weightStandardised ? take() : undefined,
      biasOffset: layer.bias === false ? undefined : take(),
    };
  };
  /** ReLU or not, the norm, ReLU or not; returns how many layers that were. */
  const norm = (layers: readonly LayerSpec[], from: number): { norm: NormUnit; used: number } => {
    const relu = layers[from]?.kind === "relu";
    const layer = layers[from + (relu ? 1 : 0)];
    if (layer?.kind !== "group-norm") return refuse(layer, "group-norm");
    const { groups, epsilon = DEFAULT_EPSILON } = layer;
    const reluAfter = layers[from + (relu ? 2 : 1)]?.kind === "relu";
    return {
      norm: { relu, reluAfter, groups, epsilon, scaleOffset: take(), offsetOffset: take() },
      used: 1 + Number(relu) + Number(reluAfter),
    };
  };
  const units = (layers: readonly LayerSpec[]): Unit[] => {
    const found: Unit[] = [];
    for (let i = 0; i < layers.length; ) {
      const { norm: own, used } = norm(layers, i);
      found.push({ norm: own, convolution: convolution(layers[i + used]) });
      i += used + 1;
    }
    return found;
  };

  const { layers } = spec;
  const stem = convolution(layers[0]);
  const blocks: Block[] = [];
  let i = 1;
  /** Layers of the unit that begins here; 0: none does. */
  const unitLength = (): number => {
    const kinds = layers.slice(i, i + 4).map(({ kind }) => kind);
    return /^(relu,)?group-norm,(relu,)?conv2d/.test(kinds.join()) ? kinds.indexOf("conv2d") + 1 : 0;
  };
  for (; layers[i]?.kind === "residual" || unitLength() > 0; ) {
    const layer = layers[i];
    if (layer.kind === "residual") {
      const body = units(layer.body);
      if (body.length === 0) return refuse(undefined, "relu, group-norm, conv2d in a residual block");
      const shortcut = units(layer.shortcut ?? []);
      if (shortcut.length > 1)
        throw new UnsupportedNetworkError(spec.name, "shortcuts of more than one convolution");
      blocks.push({ body, shortcut: shortcut[0] ?? "identity" });
      i++;
    } else {
      const length = unitLength();
      blocks.push({ body: units(layers.slice(i, i + length)), shortcut: "none" });
      i += length;
    }
  }
  const last = norm(layers, i);
  i += last.used;
  if (layers[i]?.kind !== "global-average-pool") return refuse(layers[i], "global-average-pool");
  const dense = layers[i + 1];
  if (dense?.kind !== "dense" || dense.bias === false || layers.length !== i + 2)
    return refuse(dense, "dense with bias, at the end");
  return { stem, blocks, norm: last.norm, kernelOffset: take(), biasOffset: take() };
}
