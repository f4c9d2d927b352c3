// 4 × 4 convolutions of stride 2 by Winograd's tiles of 5 × 5 outputs, and the gradients of their images (winograd.ts).
import * as tf from "@tensorflow/tfjs-core";
import { roundUp } from "./arithmetic.js";
import type { WasmKernels } from "./code.js";
import { FLOAT_BYTES, type TensorMemory } from "./memory.js";
import { PANEL, TILE_ROWS } from "./products.js";
import { apart, tilePlaces } from "./winogradConvolution.js";

type Shape4 = readonly [number, number, number, number];

const OUTPUTS = 5;
const STRIDE = 2;
const FREQUENCIES = 36;
/** Floats of tiles before and after the products of a block. */
const MOST_BLOCK_FLOATS = 2 ** 18;
/** Images of every other pixel: rows from 0 or 1, columns from 0 or 1. Their channels stand side by side in the products. */
const PHASES = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
] as const;

export class StridedWinograd {
  constructor(
    private readonly memory: TensorMemory,
    private readonly code: WasmKernels,
  ) {}

  takes([height, width, channels, filters]: readonly number[], stride: number, outSides: readonly number[]) {
    return (
      stride === STRIDE &&
      height === 4 &&
      width === 4 &&
      channels % PANEL === 0 &&
      filters % PANEL === 0 &&
      outSides.every((side) => side % OUTPUTS === 0)
    );
  }

  /** x [m, H, W, C] → [m, ho, wo, P]. */
  convolution(x: tf.Tensor4D, filter: tf.Tensor4D, outShape: Shape4, bias?: tf.Tensor1D): tf.Tensor4D {
    const { memory, code } = this;
    const [images, ho, wo, filters] = outShape;
    const channels = x.shape[3];
    const frequencies = this.filter(memory.address(filter), channels, filters, "filters");
    const out = memory.output(outShape) as tf.Tensor4D;
    const zero = memory.output([filters], 0);
    const [from, to] = [x, out].map((each) =>
      memory.integers(
        tilePlaces(each.shape, images, [ho, wo], [OUTPUTS, each === x ? STRIDE * OUTPUTS : OUTPUTS]),
      ),
    );
    const count = out.size / filters / OUTPUTS ** 2;
    const [pixelBytes, outPixelBytes] = [channels * FLOAT_BYTES, filters * FLOAT_BYTES];
    this.eachBlock(count, PHASES.length * channels + filters, (first, tiles) => {
      const before = (bytes: number, address: number) =>
        PHASES.forEach(([row, column], phase) => {
          code.imageToFrequencies4(
            ...[memory.address(from) + 4 * first, tiles, this.phase(x, row, column)],
            ...[STRIDE * x.shape[2] * pixelBytes, STRIDE * pixelBytes, channels],
            ...[address + phase * pixelBytes, bytes, PHASES.length * pixelBytes, 16, 32],
          );
        });
      const after = this.products(tiles, PHASES.length * channels, filters, frequencies, before);
      code.outputFromFrequencies5(
        ...[
          memory.address(to) + 4 * first,
          tiles,
          memory.address(out),
          wo * outPixelBytes,
          outPixelBytes,
          filters,
        ],
        ...[memory.address(after.sums), after.bytes, outPixelBytes, 16, 32],
        ...[memory.address(bias ?? zero), 0],
      );
    });
    return out;
  }

  /** The same maps transposed, the last first: dy [m, ho, wo, P] → the image's gradient [m, H, W, C]. Tiles overlap and add up. */
  inputGradient(dy: tf.Tensor4D, filter: tf.Tensor4D, imageShape: Shape4): tf.Tensor4D {
    const { memory, code } = this;
    const [images, ho, wo, filters] = dy.shape;
    const channels = imageShape[3];
    const turned = memory.transposed(filter, [16, channels, filters]);
    const frequencies = this.filter(memory.address(turned), filters, channels, "channels");
    // A single tile gives every pixel of such an image once.
    const single =
      ho === OUTPUTS &&
      wo === OUTPUTS &&
      imageShape.slice(1, 3).every((side) => side === STRIDE * (OUTPUTS + 1));
    const out = memory.output(imageShape, single ? undefined : 0) as tf.Tensor4D;
    const zero = memory.output([channels], 0);
    const [from, to] = [dy, out].map((each) =>
      memory.integers(
        tilePlaces(each.shape, images, [ho, wo], [OUTPUTS, each === dy ? OUTPUTS : STRIDE * OUTPUTS]),
      ),
    );
    const count = dy.size / filters / OUTPUTS ** 2;
    const [pixelBytes, dyPixelBytes] = [channels * FLOAT_BYTES, filters * FLOAT_BYTES];
    this.eachBlock(count, filters + PHASES.length * channels, (first, tiles) => {
      const before = (bytes: number, address: number) =>
        code.gradientToFrequencies5(
          ...[
            memory.address(from) + 4 * first,
            tiles,
            memory.address(dy),
            wo * dyPixelBytes,
            dyPixelBytes,
            filters,
          ],
          ...[address, bytes, dyPixelBytes, 16, 32],
        );
      const after = this.products(tiles, filters, PHASES.length * channels, frequencies, before);
      PHASES.forEach(([row, column], phase) => {
        code.imageFromFrequencies5(
          ...[memory.address(to) + 4 * first, tiles, this.phase(out, row, column)],
          ...[STRIDE * imageShape[2] * pixelBytes, STRIDE * pixelBytes, channels],
          ...[
            memory.address(after.sums) + phase * pixelBytes,
            after.bytes,
            PHASES.length * pixelBytes,
            16,
            32,
          ],
          ...[memory.address(zero), single ? 0 : 1],
        );
      });
    });
    return out;
  }

  /** So many tiles at a time that their products stay in the caches. */
  private eachBlock(count: number, floats: number, work: (first: number, tiles: number) => void): void {
    const block = Math.max(
      64,
      TILE_ROWS * Math.floor(MOST_BLOCK_FLOATS / (TILE_ROWS * FREQUENCIES * floats)),
    );
    for (let first = 0; first < count; first += block)
      tf.tidy(() => work(first, Math.min(block, count - first)));
  }

  private phase(x: tf.Tensor4D, row: number, column: number): number {
    return this.memory.address(x) + (row * x.shape[2] + column) * x.shape[3] * FLOAT_BYTES;
  }

  /** [4, 4, rows, columns] → [f, panels, rows, 8]: the phases one below the other in the rows, or side by side in the columns. */
  private filter(address: number, rows: number, columns: number, wide: "filters" | "channels"): tf.Tensor {
    const stride = apart(PHASES.length * rows * columns);
    const out = this.memory.output([FREQUENCIES, stride]);
    const tap = rows * columns * FLOAT_BYTES;
    const places = this.memory.steps(rows, columns * FLOAT_BYTES);
    const panelRows = (wide === "filters" ? PHASES.length : 1) * rows;
    PHASES.forEach(([row, column], phase) => {
      const first = wide === "filters" ? phase * rows * PANEL : phase * rows * columns;
      this.code.filterToFrequencies5(
        ...[this.memory.address(places), rows, address + (4 * row + column) * tap],
        ...[STRIDE * 4 * tap, STRIDE * tap, columns],
        ...[this.memory.address(out) + first * FLOAT_BYTES, stride * FLOAT_BYTES],
        ...[PANEL * FLOAT_BYTES, 4 * FLOAT_BYTES, panelRows * PANEL * FLOAT_BYTES],
      );
    });
    return out;
  }

  /** Products of `count` tiles, whose frequencies `fill` writes to where it is told. */
  private products(
    count: number,
    steps: number,
    columns: number,
    filter: tf.Tensor,
    fill: (bytes: number, address: number) => void,
  ): { readonly sums: tf.Tensor; readonly bytes: number } {
    const { memory } = this;
    const tiles = roundUp(count, TILE_ROWS);
    const [before, sums] = [steps, columns].map((each) => memory.output([FREQUENCIES, apart(tiles * each)]));
    const [beforeBytes, bytes] = [before, sums].map((each) => each.shape[1]! * FLOAT_BYTES);
    const zero = memory.output([columns], 0);
    fill(beforeBytes, memory.address(before));
    this.code.windowProducts(
      memory.address(memory.steps(tiles, steps * FLOAT_BYTES)),
      count,
      ...[before, filter, zero, sums].map((each) => memory.address(each)),
      ...[columns * FLOAT_BYTES, columns / PANEL, 1, 0, steps],
      ...[FREQUENCIES, beforeBytes, filter.shape[1]! * FLOAT_BYTES, bytes],
    );
    return { sums, bytes };
  }
}
