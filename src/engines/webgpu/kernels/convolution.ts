// A convolution as the list of what it reads: the same form for the forward pass, the input gradient and any stride.
import { classWidth, exampleSize, type Layout, offsetAt, plainLayout, rowPitch } from "../layout.js";

/** A rectangle of pixels in an activation buffer; a row's (column, view) pairs follow one another, `channels` apart. */
export interface Window {
  readonly exampleSize: number;
  /** Offset of the first pixel, in numbers. */
  readonly base: number;
  readonly rowPitch: number;
  readonly channels: number;
}

/** out(y, x) = Σ over taps of in(y, x, at the tap's offset) · weights[tap.filter]. */
export interface Convolution {
  readonly rows: number;
  readonly columns: number;
  readonly views: number;
  readonly input: Window;
  readonly output: Window;
  readonly taps: readonly { readonly offset: number; readonly filter: number }[];
}

export interface ConvolutionShape {
  readonly kernelSize: number;
  readonly stride: number;
  /** Zeros before the image's first row and column, and after the last. */
  readonly before: number;
  readonly after: number;
  readonly height: number;
  readonly width: number;
  readonly views: number;
  readonly inputChannels: number;
  readonly outputChannels: number;
}

export const outputSide = (side: number, { kernelSize, stride, before, after }: ConvolutionShape): number =>
  Math.floor((side + before + after - kernelSize) / stride) + 1;

/** The layout that this convolution reads its input in, and writes its input's gradient in. */
export const inputLayout = (shape: ConvolutionShape): Layout => ({
  height: shape.height,
  width: shape.width,
  before: shape.before,
  after: shape.after,
  stride: shape.stride,
  views: shape.views,
  channels: shape.inputChannels,
});

const whole = (layout: Layout): Window => ({
  exampleSize: exampleSize(layout),
  base: offsetAt(layout, layout.before, layout.before),
  rowPitch: rowPitch(layout),
  channels: layout.channels,
});

export function forwardConvolution(shape: ConvolutionShape): Convolution {
  const { kernelSize, stride, views } = shape;
  const from = inputLayout(shape);
  const [rows, columns] = [outputSide(shape.height, shape), outputSide(shape.width, shape)];
  const taps = [];
  for (let ky = 0; ky < kernelSize; ky++)
    for (let kx = 0; kx < kernelSize; kx++)
      taps.push({ offset: offsetAt(from, ky, kx), filter: ky * kernelSize + kx });
  return {
    rows,
    columns,
    views,
    input: { ...whole(from), base: 0, rowPitch: stride * rowPitch(from) },
    output: whole(plainLayout(rows, columns, views, shape.outputChannels)),
    taps,
  };
}

/** The places p + stride·j of a padded side that lie on the image: first and last j. */
function places(
  remainder: number,
  side: number,
  { stride, before }: ConvolutionShape,
): { first: number; last: number } {
  return {
    first: Math.max(0, Math.ceil((before - remainder) / stride)),
    last: Math.floor((before + side - 1 - remainder) / stride),
  };
}

/** Zeros that the output's gradient needs around it, so that no read of the input gradient falls outside. */
export function gradientBorder(shape: ConvolutionShape): { before: number; after: number } {
  const { kernelSize, stride } = shape;
  let [before, after] = [0, 0];
  for (const side of [shape.height, shape.width])
    for (let p = 0; p < Math.min(stride, kernelSize); p++) {
      const { first, last } = places(p, side, shape);
      before = Math.max(before, Math.floor((kernelSize - 1 - p) / stride) - first);
      after = Math.max(after, last - (outputSide(side, shape) - 1));
    }
  return { before, after };
}

/**
 * The input's gradient, one convolution for each pair of remainders of row and column modulo the stride: at padded
 * position s·j + p only the taps p + s·i see an output, that of place j − i. Pairs that no tap reaches are left out:
 * their gradient is zero.
 */
export function inputGradientConvolutions(shape: ConvolutionShape, gradient: Layout): Convolution[] {
  const { kernelSize, stride, views } = shape;
  const target = inputLayout(shape);
  const found: Convolution[] = [];
  for (let p = 0; p < Math.min(stride, kernelSize); p++)
    for (let q = 0; q < Math.min(stride, kernelSize); q++) {
      const down = places(p, shape.height, shape);
      const across = places(q, shape.width, shape);
      const taps = [];
      for (let ky = p; ky < kernelSize; ky += stride)
        for (let kx = q; kx < kernelSize; kx += stride)
          taps.push({
            offset: offsetAt(
              gradient,
              down.first - (ky - p) / stride + gradient.before,
              across.first - (kx - q) / stride + gradient.before,
            ),
            filter: ky * kernelSize + kx,
          });
      const [rows, columns] = [down.last - down.first + 1, across.last - across.first + 1];
      if (rows < 1 || columns < 1) continue;
      found.push({
        rows,
        columns,
        views,
        input: { ...whole(gradient), base: 0 },
        output: {
          exampleSize: exampleSize(target),
          base:
            offsetAt(target, stride * down.first + p, 0) +
            (q * classWidth(target) + across.first) * views * shape.inputChannels,
          rowPitch: stride * rowPitch(target),
          channels: shape.inputChannels,
        },
        taps,
      });
    }
  return found;
}

/**
 * The same convolution of operands kept in pairs: (x₁ + x₂)·(w₁ + w₂) less x₂·w₂, which is below 2^-22 of it, as three
 * taps for each. The rests of x lie behind an example's roundings, those of the filters behind all filters.
 */
export function splitConvolution(convolution: Convolution): Convolution {
  const { input, taps } = convolution;
  return {
    ...convolution,
    input: { ...input, exampleSize: 2 * input.exampleSize },
    taps: taps.flatMap(({ offset, filter }) => [
      { offset, filter },
      { offset, filter: filter + taps.length },
      { offset: offset + input.exampleSize, filter },
    ]),
  };
}

/** The output's gradient as the weight gradient reads it. */
export const gradientWindow = whole;
