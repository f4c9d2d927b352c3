// The description of a network: layers in a row as plain JSON, which engines, worker threads and saved runs rebuild it from.

/** Images are [height, width, channels], channel last; every layer keeps examples apart. */
export type LayerSpec =
  | ({ readonly kind: "conv2d" } & Conv2dOptions)
  | ({ readonly kind: "dense" } & DenseOptions)
  /**
   * Normalises the channels in `groups` groups of neighbours, each over its channels and all positions of one image, then
   * scales and shifts each channel: (x − mean)/√(variance + epsilon)·scale + offset. epsilon: default 1e-5.
   */
  | { readonly kind: "group-norm"; readonly groups: number; readonly epsilon?: number }
  /** The same over the last axis, position by position. epsilon: default 1e-5. */
  | { readonly kind: "layer-norm"; readonly epsilon?: number }
  /** Multiplies each channel (last axis) by a trained number that starts at 1. */
  | { readonly kind: "scale" }
  /** Adds a trained number that starts at 0 to each channel (last axis). */
  | { readonly kind: "bias" }
  /** Whole numbers in [0, vocabulary), shape [positions], to vectors: [positions, units]. */
  | { readonly kind: "embedding"; readonly vocabulary: number; readonly units: number }
  /** body(x) + shortcut(x), a row of layers each; no shortcut: body(x) + x. Parameters: the body's, then the shortcut's. */
  | {
      readonly kind: "residual";
      readonly body: readonly LayerSpec[];
      readonly shortcut?: readonly LayerSpec[];
    }
  | { readonly kind: "max-pool"; readonly size: number; readonly stride: number }
  | { readonly kind: "average-pool"; readonly size: number }
  /** The mean over all positions: [..., channels] → [channels]. */
  | { readonly kind: "global-average-pool" }
  | { readonly kind: "tanh" }
  | { readonly kind: "relu" }
  | { readonly kind: "flatten" };

/** A two-dimensional convolution. */
export interface Conv2dOptions {
  /** Output channels. */
  readonly filters: number;
  /** Height and width of the filter, pixels. */
  readonly kernelSize: number;
  /** Pixels, the same both ways; default 1. */
  readonly stride?: number;
  /**
   * Rows and columns of zeros on every side, pixels; default 0. "same": as many that the output has ⌈side/stride⌉ pixels,
   * half before and half after, the odd one after, as TensorFlow does it.
   */
  readonly padding?: number | "same";
  /** Input and output channels in as many groups of neighbours, each group for itself; default 1. */
  readonly groups?: number;
  /**
   * The filter is used standardised [Qiao2019], as in [De2022]: for each output channel with mean m and variance v of its
   * D = kh·kw·channels weights, (w − m)/√max(D·v, 1e-4)·gain, with a trained gain that starts at 1. Default false.
   */
  readonly weightStandardised?: boolean;
  /** A trained number added to each output channel; default true. */
  readonly bias?: boolean;
}

/** A fully connected layer. */
export interface DenseOptions {
  readonly units: number;
  /** Default true. */
  readonly bias?: boolean;
  /**
   * Of the weights at the start, variance 1/inputs either way: "normal" (default), or "truncated-normal", cut at two standard
   * deviations.
   */
  readonly initialisation?: "normal" | "truncated-normal";
}

/** Trained arrays of a layer in this order, where it has them: kernel, gain, bias; norms: scale, offset. */
export interface NetworkSpec {
  readonly name: string;
  /** [height, width, channels] of one image. */
  readonly inputShape: readonly [number, number, number];
  readonly classes: number;
  /** From the image to one logit a class. */
  readonly layers: readonly LayerSpec[];
  /** Parameters that keep their values: names in which * stands for any text. Default: none, all are trained. */
  readonly frozen?: readonly string[];
}

/** Whether a parameter's name fits a pattern in which * stands for any text, also none. */
export function namePatternFits(pattern: string, name: string): boolean {
  const parts = pattern.split("*").map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`, "s").test(name);
}

/** How many numbers a shape holds. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
