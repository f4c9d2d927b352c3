// Convolutions of the WASM backend and their gradients: products of windows where they lie, or Winograd's tiles.
import * as tf from "@tensorflow/tfjs-core";
import type { Kernels } from "../../trainer/kernels.js";
import { roundUp, upTo } from "./arithmetic.js";
import type { WasmKernels } from "./code.js";
import { FLOAT_BYTES, padColumns, type TensorMemory } from "./memory.js";
import { PANEL, TILE_ROWS } from "./products.js";
import { StridedWinograd } from "./stridedWinograd.js";
import { WinogradConvolution } from "./winogradConvolution.js";

/** Floats of columns written out at once before they are added up: what stays in the second cache. */
const MOST_COLUMN_FLOATS = 2 ** 16;

/** Columns of a product up to which those that fill no panel are computed one by one. */
const MOST_COLUMNS = 32;
const VECTOR = 4;

/** From so many filters, and as many positions of an image, on dy is packed for filter gradients. */
const LEAST_FOR_PANELS = 64;

export class Convolutions
  implements Pick<Kernels, "convolution" | "inputGradient" | "filterGradients" | "positionSums" | "product">
{
  private readonly winograd: WinogradConvolution;
  private readonly strided: StridedWinograd;

  constructor(
    private readonly memory: TensorMemory,
    private readonly code: WasmKernels,
  ) {
    this.winograd = new WinogradConvolution(memory, code);
    this.strided = new StridedWinograd(memory, code);
  }

  convolution(...[x, filter, stride, bias]: Parameters<Kernels["convolution"]>): tf.Tensor4D {
    return tf.tidy(() => {
      const [images, height, width, channels] = x.shape;
      const [kernelHeight, kernelWidth, , filters] = filter.shape;
      const [ho, wo] = [
        Math.floor((height - kernelHeight) / stride) + 1,
        Math.floor((width - kernelWidth) / stride) + 1,
      ];
      if (stride === 1 && this.winograd.takes(filter.shape, [ho, wo]))
        return this.winograd.convolution(x, filter, [images, ho, wo, filters], bias);
      if (this.strided.takes(filter.shape, stride, [ho, wo]))
        return this.strided.convolution(x, filter, [images, ho, wo, filters], bias);
      const wide = roundUp(filters, PANEL);
      const run = kernelWidth * channels;
      const right = this.packed(tf.reshape(filter, [1, kernelHeight * run, filters]));
      const start = bias ? padColumns(bias, wide) : this.memory.output([wide], 0);
      const rowBytes = width * channels * FLOAT_BYTES;
      const out = this.memory.output([images, ho, wo, wide]) as tf.Tensor4D;
      // After what stays: room for the table is given back, and should leave no gap before it.
      const places = windows(this.memory, [images, ho, wo], {
        imageBytes: height * rowBytes,
        rowBytes: stride * rowBytes,
        pixelBytes: stride * channels * FLOAT_BYTES,
      });
      this.products(places, x, right, start, out, [kernelHeight, rowBytes, run]);
      return wide === filters ? out : tf.slice(out, [0, 0, 0, 0], [images, ho, wo, filters]);
    });
  }

  /** Where columns fill panels, or inputs no vectors, rows are images of one pixel, and the matrix their filter. */
  product(...[a, b, transposed, bias]: Parameters<Kernels["product"]>): tf.Tensor2D {
    return tf.tidy(() => {
      const [m, depth] = a.shape;
      const columns = b.shape[transposed ? 0 : 1];
      if (depth % VECTOR === 0 && columns % PANEL !== 0 && columns <= MOST_COLUMNS) {
        const rows = transposed ? b : this.turned(b);
        const start = bias ?? this.memory.output([columns], 0);
        const out = this.memory.output([m, columns]);
        const addresses = [a, rows, start, out].map((each) => this.memory.address(each));
        this.code.rowProducts(...addresses, m, depth, columns);
        return out as tf.Tensor2D;
      }
      const right = transposed ? this.turned(b) : b;
      const images = tf.reshape(a, [m, 1, 1, depth]) as tf.Tensor4D;
      const filter = tf.reshape(right, [1, 1, ...right.shape]) as tf.Tensor4D;
      return tf.reshape(this.convolution(images, filter, 1, bias), [m, right.shape[1]]) as tf.Tensor2D;
    });
  }

  inputGradient(
    ...[dy, filter, imageShape, stride, sides]: Parameters<Kernels["inputGradient"]>
  ): tf.Tensor4D {
    return tf.tidy(() => {
      const [images, ho, wo, filters] = dy.shape;
      const [kernelHeight, kernelWidth, channels] = filter.shape;
      const [, height, width] = imageShape;
      const [top, bottom, left, right] = sides;
      // With stride 1 it is a convolution of dy, padded, with the filter turned round.
      const around = [top, bottom, left, right].map((side) => kernelHeight - 1 - side);
      if (
        stride === 1 &&
        Math.min(...around) >= 0 &&
        this.winograd.takes([kernelHeight, kernelWidth, filters, channels], [height, width])
      ) {
        const padded = this.memory.pad(dy, around as [number, number, number, number]);
        return this.winograd.inputGradient(padded, filter, imageShape);
      }
      const whole = [images, height + top + bottom, width + left + right, channels] as const;
      if (this.strided.takes(filter.shape, stride, [ho, wo]))
        return this.memory.crop(this.strided.inputGradient(dy, filter, whole), sides, imageShape);
      const fan = kernelHeight * kernelWidth * channels;
      const matrix = this.packed(
        tf.reshape(this.turned(tf.reshape(filter, [fan, filters])), [1, filters, fan]),
      );
      const wide = roundUp(fan, PANEL);
      const start = this.memory.output([wide], 0);
      const step = Math.max(1, Math.min(images, Math.floor(MOST_COLUMN_FLOATS / (ho * wo * wide))));
      const columns = this.memory.output([step, ho, wo, wide]);
      const out = this.memory.output(whole, 0) as tf.Tensor4D;
      const pixelBytes = filters * FLOAT_BYTES;
      const places = this.memory.integers(
        upTo(roundUp(step * ho * wo, TILE_ROWS)).map((q) => Math.min(q, step * ho * wo - 1) * pixelBytes),
      );
      const rowBytes = whole[2] * channels * FLOAT_BYTES;
      const imageBytes = whole[1] * rowBytes;
      for (let first = 0; first < images; first += step) {
        const count = Math.min(step, images - first);
        this.code.windowProducts(
          this.memory.address(places),
          count * ho * wo,
          this.memory.address(dy) + first * ho * wo * pixelBytes,
          this.memory.address(matrix),
          this.memory.address(start),
          this.memory.address(columns),
          wide * FLOAT_BYTES,
          wide / PANEL,
          ...([1, 0, filters, 1, 0, 0, 0] as const),
        );
        this.code.addPatches(
          this.memory.address(columns),
          this.memory.address(out) + first * imageBytes,
          count,
          ...([ho, wo, kernelHeight, kernelWidth * channels, imageBytes, rowBytes] as const),
          ...([stride * channels * FLOAT_BYTES, stride * rowBytes, (wide - fan) * FLOAT_BYTES] as const),
        );
      }
      return this.memory.crop(out, sides, imageShape);
    });
  }

  filterGradients(...[x, dy, views, convolution, into]: Parameters<Kernels["filterGradients"]>): tf.Tensor2D {
    const { kernelHeight, kernelWidth, stride } = convolution;
    const [, ho, wo, filters] = dy.shape;
    return tf.tidy(() =>
      stride === 1 && this.winograd.takes([kernelHeight, kernelWidth, x.shape[3], filters], [ho, wo])
        ? this.winograd.filterGradients(x, dy, views, into)
        : this.directFilterGradients(x, dy, views, convolution, into),
    );
  }

  positionSums(...[dy, views, into]: Parameters<Kernels["positionSums"]>): tf.Tensor2D {
    const [images, height, width, filters] = dy.shape;
    const n = images / views;
    return tf.tidy(() => {
      if (filters % 4 !== 0) {
        const pixel = { kernelHeight: 1, kernelWidth: 1, stride: 1 };
        return this.filterGradients(tf.ones([images, height, width, 1]), dy, views, pixel, into);
      }
      const out = into ?? (this.memory.output([n, filters]) as tf.Tensor2D);
      const call = (vectors: 4 | 1, from: number, to: number) => {
        if (to > from)
          this.code[`channelSums${vectors}`](
            ...[this.memory.address(dy), 0, 0, n, views * height * width, filters, from, to],
            ...[this.memory.address(out), into ? 1 : 0],
          );
      };
      const bySixteen = filters - (filters % 16);
      call(4, 0, bySixteen);
      call(1, bySixteen, filters);
      return out;
    });
  }

  private directFilterGradients(
    ...[x, dy, views, { kernelHeight, kernelWidth, stride }, into]: Parameters<Kernels["filterGradients"]>
  ): tf.Tensor2D {
    const [images, height, width, channels] = x.shape;
    const filters = dy.shape[3];
    const padded = roundUp(filters, PANEL);
    const wide = padColumns(dy, padded);
    const n = images / views;
    const run = kernelWidth * channels;
    const adds = into !== undefined && padded === filters;
    const out = adds ? into : this.memory.output([n, kernelHeight * run, padded]);
    const rowBytes = width * channels * FLOAT_BYTES;
    const places = windows(this.memory, [1, dy.shape[1], dy.shape[2]], {
      imageBytes: 0,
      rowBytes: stride * rowBytes,
      pixelBytes: stride * channels * FLOAT_BYTES,
    });
    const positions = dy.shape[1] * dy.shape[2];
    // Where positions of many filters are read again and again, they lie better panel by panel.
    const panels = Math.min(padded, positions) >= LEAST_FOR_PANELS;
    const right = panels ? this.packed(tf.reshape(wide, [images, positions, padded])) : wide;
    const call = (kernel: "filterGradients4" | "filterGradients1", from: number, to: number) => {
      if (to > from)
        this.code[kernel](
          ...[x, right, out].map((each) => this.memory.address(each)),
          ...[n, views, this.memory.address(places), positions, padded],
          ...[height * rowBytes, rowBytes, kernelHeight, run, from, to, adds ? 1 : 0],
          ...(panels ? [PANEL, positions * PANEL] : [padded, PANEL]).map((floats) => floats * FLOAT_BYTES),
        );
    };
    const byFour = run - (run % 4);
    call("filterGradients4", 0, byFour);
    call("filterGradients1", byFour, run);
    if (adds) return into;
    const kept = padded === filters ? out : tf.slice(out, [0, 0, 0], [n, kernelHeight * run, filters]);
    const rows = tf.reshape(kept, [n, kernelHeight * run * filters]) as tf.Tensor2D;
    return (into ? tf.add(into, rows) : rows) as tf.Tensor2D;
  }

  /** [m, k, p] → [m, p/8, k, 8], with zeros for columns that are missing. */
  private packed(matrices: tf.Tensor3D): tf.Tensor {
    const [count, rows] = matrices.shape;
    const wide = padColumns(matrices, roundUp(matrices.shape[2], PANEL));
    const columns = wide.shape[2];
    const out = this.memory.output([count, columns / PANEL, rows, PANEL]);
    const places = this.memory.steps(rows, columns * FLOAT_BYTES);
    const bytes = rows * columns * FLOAT_BYTES;
    for (let index = 0; index < count; index++)
      this.code.pack(
        ...[this.memory.address(places), rows, this.memory.address(wide) + index * bytes, 0, 0, columns],
        ...[this.memory.address(out) + index * bytes, 0],
        ...[PANEL * FLOAT_BYTES, 4 * FLOAT_BYTES, rows * PANEL * FLOAT_BYTES],
      );
    return out;
  }

  private turned(matrix: tf.Tensor2D): tf.Tensor2D {
    const [rows, columns] = matrix.shape;
    if (rows % 4 === 0 && columns % 4 === 0)
      return tf.reshape(this.memory.transposed(matrix, [1, rows, columns]), [columns, rows]) as tf.Tensor2D;
    const out = this.memory.output([columns, rows]);
    this.code.transposeAny(this.memory.address(matrix), this.memory.address(out), rows, columns);
    return out as tf.Tensor2D;
  }

  private products(
    places: tf.Tensor,
    x: tf.Tensor,
    right: tf.Tensor,
    start: tf.Tensor,
    out: tf.Tensor4D,
    [kernelHeight, rowBytes, run]: readonly [number, number, number],
  ): void {
    const wide = out.shape[3];
    this.code.windowProducts(
      this.memory.address(places),
      out.size / wide,
      this.memory.address(x),
      this.memory.address(right),
      this.memory.address(start),
      this.memory.address(out),
      ...([wide * FLOAT_BYTES, wide / PANEL, kernelHeight, rowBytes, run, 1, 0, 0, 0] as const),
    );
  }
}

/** Where the window of each position begins, image by image; the last again until they are a multiple of a tile's rows. */
function windows(
  memory: TensorMemory,
  [images, rows, columns]: readonly [number, number, number],
  bytes: { readonly imageBytes: number; readonly rowBytes: number; readonly pixelBytes: number },
): tf.Tensor {
  const { imageBytes, rowBytes, pixelBytes } = bytes;
  const count = images * rows * columns;
  const name = `windows ${[rows, columns, imageBytes, rowBytes, pixelBytes]}`;
  const table = memory.table(name, roundUp(count, TILE_ROWS), () => {
    // Whole tiles of images that there may be, too: of fewer images this is cut off.
    const places = new Int32Array(roundUp(count, TILE_ROWS));
    let at = 0;
    for (let image = 0; at < places.length; image++)
      for (let row = 0; row < rows; row++)
        for (let column = 0; column < columns && at < places.length; column++)
          places[at++] = image * imageBytes + row * rowBytes + column * pixelBytes;
    return places;
  });
  const own = new Int32Array(memory.floats(table).buffer, memory.address(table), table.size);
  own.fill(own[count - 1], count);
  return table;
}
