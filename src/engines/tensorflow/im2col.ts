// Filter gradients from patches: what the filter saw at each position is written out, then one product an example.
import * as tf from "@tensorflow/tfjs-core";
import type { Convolution, Kernels } from "../../trainer/kernels.js";

/**
 * Writes out what the filter sees: x [images, H, W, C] → [images, ho·wo·kh·kw·C] in the order of positions, each with its rows,
 * columns and channels.
 */
export type Patches = (
  x: tf.Tensor4D,
  outSides: readonly [height: number, width: number],
  convolution: Convolution,
) => tf.Tensor;

/** Numbers in the patches that are written out at once: 64 megabytes. */
const MOST_PATCH_NUMBERS = 2 ** 24;

/** The kernel of that name, with patches written out by `patchesOf`. */
export function filterGradientsBy(patchesOf: Patches): Kernels["filterGradients"] {
  return (x, dy, views, convolution, into) =>
    tf.tidy(() => {
      const [images, , , channels] = x.shape;
      const [, ho, wo, filters] = dy.shape;
      const fanIn = convolution.kernelHeight * convolution.kernelWidth * channels;
      const together = views * ho * wo;
      const right = tf.reshape(dy, [images / views, together, filters]);
      /** Examples [from, to). */
      const part = (from: number, to: number): tf.Tensor => {
        const own = patchesOf(rowsOf(x, from * views, to * views) as tf.Tensor4D, [ho, wo], convolution);
        const left = tf.reshape(own, [to - from, together, fanIn]);
        return tf.matMul(left, rowsOf(right, from, to), true, false);
      };
      const n = images / views;
      const step = Math.max(1, Math.floor(MOST_PATCH_NUMBERS / (together * fanIn)));
      const parts: tf.Tensor[] = [];
      for (let from = 0; from < n; from += step)
        parts.push(tf.tidy(() => part(from, Math.min(n, from + step))));
      const rows = tf.reshape(parts.length === 1 ? parts[0] : tf.concat(parts, 0), [n, fanIn * filters]);
      return (into ? tf.add(into, rows) : rows) as tf.Tensor2D;
    });
}

/** In one gathering, by the longest runs of pixels that stride and filter allow: the longer the pieces, the faster. */
export const patches: Patches = (x, [ho, wo], convolution) => {
  const [images, height, width, channels] = x.shape;
  const { kernelHeight, kernelWidth, stride } = convolution;
  const run = pixelRun(width, convolution);
  const places = new Int32Array((ho * wo * kernelHeight * kernelWidth) / run);
  let at = 0;
  for (let y = 0; y < ho; y++)
    for (let column = 0; column < wo; column++)
      for (let ky = 0; ky < kernelHeight; ky++)
        for (let kx = 0; kx < kernelWidth; kx += run)
          places[at++] = ((y * stride + ky) * width + column * stride + kx) / run;
  return tf.gather(tf.reshape(x, [images, (height * width) / run, run * channels]), places, 1);
};

/**
 * In two: first, for each position in a row, the columns that the filter sees of every row of the image, one row below the other;
 * in that order the rows that it sees at each height stand together and are gathered in longer pieces.
 */
export const patchesInTwo: Patches = (x, [ho, wo], convolution) => {
  const [images, height, width, channels] = x.shape;
  const { kernelHeight, kernelWidth, stride } = convolution;
  const run = pixelRun(width, convolution);
  const columns = new Int32Array((wo * height * kernelWidth) / run);
  let at = 0;
  for (let column = 0; column < wo; column++)
    for (let y = 0; y < height; y++)
      for (let kx = 0; kx < kernelWidth; kx += run) columns[at++] = (y * width + column * stride + kx) / run;
  const strips = tf.gather(tf.reshape(x, [images, (height * width) / run, run * channels]), columns, 1);
  const rows = commonDivisor(height, commonDivisor(stride, kernelHeight));
  const places = new Int32Array((ho * wo * kernelHeight) / rows);
  at = 0;
  for (let y = 0; y < ho; y++)
    for (let column = 0; column < wo; column++)
      for (let ky = 0; ky < kernelHeight; ky += rows)
        places[at++] = (column * height + y * stride + ky) / rows;
  const pieces = [images, (wo * height) / rows, rows * kernelWidth * channels];
  return tf.gather(tf.reshape(strips, pieces), places, 1);
};

/** Pixels in a row that are always taken together. */
export const pixelRun = (width: number, { kernelWidth, stride }: Convolution): number =>
  commonDivisor(width, commonDivisor(stride, kernelWidth));

const commonDivisor = (a: number, b: number): number => (b === 0 ? a : commonDivisor(b, a % b));

/** Rows [from, to) of the first axis; the tensor itself if these are all. */
const rowsOf = (x: tf.Tensor, from: number, to: number): tf.Tensor =>
  from === 0 && to === x.shape[0]
    ? x
    : tf.slice(x, [from, ...x.shape.slice(1).map(() => 0)], [to - from, ...x.shape.slice(1)]);
