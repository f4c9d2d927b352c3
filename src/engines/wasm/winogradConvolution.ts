// 3 × 3 convolutions of stride 1 by Winograd's tiles, forwards and backwards (winograd.ts).
import type * as tf from "@tensorflow/tfjs-core";
import { roundUp } from "./arithmetic.js";
import type { WasmKernels } from "./code.js";
import { FLOAT_BYTES, type TensorMemory } from "./memory.js";
import { PANEL, TILE_ROWS } from "./products.js";
import { F2, F4, type Tiling } from "./winograd.js";

type Shape4 = readonly [number, number, number, number];

/** Floats of tiles before and after the products of a block: what stays in the second cache. */
const MOST_BLOCK_FLOATS = 2 ** 17;
/** Floats of one frequency so far apart that several frequencies do not meet in one set of a cache: an odd number of lines. */
export const apart = (floats: number): number => 16 * (Math.ceil(floats / 16) | 1);
/** Tiles of 4 × 4 in an image from which on filter gradients are made of them. */
const LEAST_LARGE_TILES = 16;
/** Channels and filters of a block of filter gradients: its sums stay in the caches, and rows of it are written at once. */
const BLOCK_CHANNELS = 16;
const BLOCK_FILTERS = 256;

export class WinogradConvolution {
  constructor(
    private readonly memory: TensorMemory,
    private readonly code: WasmKernels,
  ) {}

  /** Whether these kernels are for a filter with stride 1 and outputs of that size. */
  takes([height, width, channels, filters]: readonly number[], outSides: readonly number[]): boolean {
    return (
      height === 3 &&
      width === 3 &&
      channels % PANEL === 0 &&
      filters % PANEL === 0 &&
      outSides.every((side) => side % F2.outputs === 0)
    );
  }

  /** As the input's gradient needs it, turned round and its channels for its filters: [3, 3, C, P] → [f, C/8, P, 8]. */
  inputGradient(dy: tf.Tensor4D, filter: tf.Tensor4D, outShape: Shape4): tf.Tensor4D {
    const [, , channels, filters] = filter.shape;
    const turned = this.memory.transposed(filter, [9, channels, filters]);
    const last = this.memory.address(turned) + 8 * channels * filters * FLOAT_BYTES;
    const tiling = tilingOf(outShape);
    return this.products(dy, this.frequencies(last, [filters, channels], -1, tiling), outShape, tiling);
  }

  /** x [m, H + 2, W + 2, C] → [m, H, W, P]. */
  convolution(x: tf.Tensor4D, filter: tf.Tensor4D, outShape: Shape4, bias?: tf.Tensor1D): tf.Tensor4D {
    const tiling = tilingOf(outShape);
    const [, , channels, filters] = filter.shape;
    const frequencies = this.frequencies(this.memory.address(filter), [channels, filters], 1, tiling);
    return this.products(x, frequencies, outShape, tiling, bias);
  }

  /** [3, 3, C, P] at an address, its taps onwards or, from the last, backwards → [f, P/8, C, 8]. */
  private frequencies(
    address: number,
    [rows, columns]: readonly [number, number],
    direction: 1 | -1,
    tiling: Tiling,
  ): tf.Tensor {
    const stride = apart(rows * columns);
    const out = this.memory.output([tiling.frequencies, stride]);
    const tap = direction * rows * columns * FLOAT_BYTES;
    this.code[`filterToFrequencies${tiling.outputs}`](
      this.memory.address(this.memory.steps(rows, columns * FLOAT_BYTES)),
      rows,
      ...([address, 3 * tap, tap, columns] as const),
      this.memory.address(out),
      stride * FLOAT_BYTES,
      ...([PANEL * FLOAT_BYTES, 4 * FLOAT_BYTES, rows * PANEL * FLOAT_BYTES] as const),
    );
    return out;
  }

  private products(
    x: tf.Tensor4D,
    filter: tf.Tensor,
    outShape: Shape4,
    { outputs, frequencies }: Tiling,
    bias?: tf.Tensor1D,
  ): tf.Tensor4D {
    const { memory, code } = this;
    const channels = x.shape[3];
    const [images, height, width, filters] = outShape;
    const count = (images * height * width) / outputs ** 2;
    const together = Math.floor(MOST_BLOCK_FLOATS / (frequencies * (channels + filters)));
    const block = roundUp(Math.min(count, Math.max(32, together)), TILE_ROWS);
    const [pixelBytes, outPixelBytes] = [channels * FLOAT_BYTES, filters * FLOAT_BYTES];
    const strides = [channels, filters].map((each) => apart(block * each));
    const [before, after] = strides.map((stride) => memory.output([frequencies, stride]));
    const [beforeBytes, afterBytes] = strides.map((stride) => stride * FLOAT_BYTES);
    const filterBytes = apart(channels * filters) * FLOAT_BYTES;
    const zero = memory.output([filters], 0);
    const out = memory.output(outShape) as tf.Tensor4D;
    const rows = memory.steps(block, pixelBytes);
    const [from, to] = [x, out].map((each) =>
      memory.integers(tilePlaces(each.shape, images, [height, width], [outputs, outputs])),
    );
    for (let first = 0; first < count; first += block) {
      const tiles = Math.min(block, count - first);
      code[`imageToFrequencies${outputs}`](
        memory.address(from) + 4 * first,
        tiles,
        memory.address(x),
        ...([x.shape[2] * pixelBytes, pixelBytes, channels] as const),
        memory.address(before),
        ...([beforeBytes, pixelBytes, 16, 32] as const),
      );
      code.windowProducts(
        memory.address(rows),
        tiles,
        memory.address(before),
        memory.address(filter),
        memory.address(zero),
        memory.address(after),
        ...([outPixelBytes, filters / PANEL, 1, pixelBytes, channels] as const),
        ...([frequencies, beforeBytes, filterBytes, afterBytes] as const),
      );
      code[`outputFromFrequencies${outputs}`](
        memory.address(to) + 4 * first,
        tiles,
        memory.address(out),
        ...([width * outPixelBytes, outPixelBytes, filters] as const),
        memory.address(after),
        ...([afterBytes, outPixelBytes, 16, 32] as const),
        memory.address(bias ?? zero),
        0,
      );
    }
    return out;
  }

  /** As Kernels.filterGradients, into its rows if given. */
  filterGradients(x: tf.Tensor4D, dy: tf.Tensor4D, views: number, into?: tf.Tensor2D): tf.Tensor2D {
    const { memory, code } = this;
    const [images, ho, wo, filters] = dy.shape;
    const channels = x.shape[3];
    const n = images / views;
    const out = into ?? (memory.output([n, 9 * channels * filters]) as tf.Tensor2D);
    // Each sum is transformed back once: with few tiles an image more frequencies cost more than they spare.
    const large = ho * wo >= LEAST_LARGE_TILES * F4.outputs ** 2;
    const { outputs, frequencies } = large ? tilingOf(dy.shape) : F2;
    const tiles = (ho * wo) / outputs ** 2;
    const [xPlaces, dyPlaces] = [x, dy].map((each) =>
      memory.integers(tilePlaces(each.shape, 1, [ho, wo], [outputs, outputs])),
    );
    const strides = [channels, filters].map((each) => apart(tiles * each));
    const [v, d] = strides.map((stride) => memory.output([frequencies, stride]));
    const [vBytes, dBytes] = strides.map((stride) => stride * FLOAT_BYTES);
    const [blockChannels, blockFilters] = [
      Math.min(channels, BLOCK_CHANNELS),
      Math.min(filters, BLOCK_FILTERS),
    ];
    const sumsStride = apart(blockChannels * blockFilters);
    const sums = memory.output([frequencies, sumsStride]);
    const sumsBytes = sumsStride * FLOAT_BYTES;
    const zero = memory.output([blockFilters], 0);
    const [pixelBytes, dyPixelBytes] = [channels * FLOAT_BYTES, filters * FLOAT_BYTES];
    const [imageBytes, dyImageBytes] = [x, dy].map((each) => (each.size / images) * FLOAT_BYTES);
    const rows = memory.steps(blockChannels, dyPixelBytes);
    const tapBytes = channels * dyPixelBytes;
    // View by view: sums do not depend on how many views come in one pass.
    for (let image = 0; image < images; image++) {
      code[`imageToFrequencies${outputs}`](
        memory.address(xPlaces),
        tiles,
        memory.address(x) + image * imageBytes,
        ...([x.shape[2] * pixelBytes, pixelBytes, channels] as const),
        memory.address(v),
        ...([vBytes, 16, tiles * 16, tiles * 32] as const),
      );
      code[`gradientToFrequencies${outputs}`](
        memory.address(dyPlaces),
        tiles,
        memory.address(dy) + image * dyImageBytes,
        ...([wo * dyPixelBytes, dyPixelBytes, filters] as const),
        memory.address(d),
        ...([dBytes, 32, 16, tiles * 32] as const),
      );
      const example = memory.address(out) + Math.floor(image / views) * 9 * tapBytes;
      const adds = into !== undefined || image % views > 0 ? 1 : 0;
      for (let p = 0; p < filters; p += blockFilters) {
        const panels = Math.min(blockFilters, filters - p) / PANEL;
        for (let c = 0; c < channels; c += blockChannels) {
          const some = Math.min(blockChannels, channels - c);
          code.outerProducts(
            memory.address(v) + c * tiles * FLOAT_BYTES,
            memory.address(d) + p * tiles * FLOAT_BYTES,
            memory.address(sums),
            ...([tiles, some / 4, panels, panels * 32, frequencies] as const),
            ...([vBytes, dBytes, sumsBytes] as const),
          );
          code[`filterFromFrequencies${outputs}`](
            memory.address(rows),
            some,
            example + c * dyPixelBytes + p * FLOAT_BYTES,
            ...([3 * tapBytes, tapBytes, panels * PANEL] as const),
            memory.address(sums),
            ...([sumsBytes, panels * 32, 16, 32] as const),
            memory.address(zero),
            adds,
          );
        }
      }
    }
    return out;
  }
}

/** The larger tiles where they fit. */
const tilingOf = ([, height, width]: Shape4): Tiling =>
  height % F4.outputs === 0 && width % F4.outputs === 0 ? F4 : F2;

/** Where each tile of the outputs begins in images of that shape, `step` pixels apart, image by image: in bytes. */
export function tilePlaces(
  [, rows, columns, channels]: readonly number[],
  images: number,
  [height, width]: readonly [number, number],
  [side, step]: readonly [number, number],
): Int32Array {
  const places = new Int32Array((images * height * width) / side ** 2);
  let at = 0;
  for (let image = 0; image < images; image++)
    for (let y = 0; y < height / side; y++)
      for (let x = 0; x < width / side; x++)
        places[at++] = ((image * rows + y * step) * columns + x * step) * channels * FLOAT_BYTES;
  return places;
}
