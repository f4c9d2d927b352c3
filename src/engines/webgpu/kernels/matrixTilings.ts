// How products are cut up for matrix units: the tilings in order of preference, to be chosen again by measurement.
import type { Convolution } from "./convolution.js";
import type { Epilogue } from "./convolutionTiles.js";
import type { WeightGradient } from "./weightGradientTiles.js";

/** How a product is cut up. All counts are of 16 × 16 matrices, but for the subgroups. */
export interface MatrixTiling {
  /** Of one subgroup: rows × output channels. */
  readonly rows: number;
  readonly columns: number;
  /** Subgroups of a workgroup, one below the other and side by side. */
  readonly down: number;
  readonly across: number;
  /** Of the sum, brought to workgroup memory at a time: a power of two; as many as divide the product, at most. */
  readonly depth: number;
}

/** A tiling for each product on matrix units. All give the same numbers, but for the parts that weight gradients are split into. */
export interface Tiles {
  readonly convolution: (convolution: Convolution, epilogue: Epilogue) => MatrixTiling;
  readonly weightGradient: (work: WeightGradient) => MatrixTiling;
}

const tiling = (
  [rows, columns]: readonly [number, number],
  [down, across]: readonly [number, number],
  depth = 2,
): MatrixTiling => ({ rows, columns, down, across, depth });

/** The parts of a sum of `length` numbers that are brought to workgroup memory at a time: 16 to 16 · depth. */
export function depthOf(length: number, { depth }: MatrixTiling): number {
  let matrices = depth;
  while ((length / 16) % matrices !== 0) matrices /= 2;
  return 16 * matrices;
}

/** WebGPU grants every device so many threads a workgroup. */
const MOST_THREADS = 256;

/** Whole tiles across the output's channels, and loads that share out evenly; rows may stick out. */
export function convolutionTakes({ input, output }: Convolution, tile: MatrixTiling): boolean {
  const threads = 32 * tile.down * tile.across;
  const depth = depthOf(input.channels, tile);
  const columns = tile.columns * tile.across;
  const rightLoads = (depth * columns * 2) / threads;
  return (
    threads <= MOST_THREADS &&
    (output.channels / 16) % columns === 0 &&
    (tile.rows * tile.down * 2 * depth) % threads === 0 &&
    (Number.isInteger(rightLoads) || rightLoads < 1)
  );
}

/** Whole tiles down the filter's rows and across its columns. */
export function weightGradientTakes({ forward, gradient }: WeightGradient, tile: MatrixTiling): boolean {
  const filterRows = (forward.taps.length * forward.input.channels) / 16;
  return (
    32 * tile.down * tile.across <= MOST_THREADS &&
    filterRows % (tile.rows * tile.down) === 0 &&
    (gradient.channels / 16) % (tile.columns * tile.across) === 0
  );
}

/** Of the widest output on: what a workgroup loads once then serves all of it. */
const FORMER_CONVOLUTIONS = [
  tiling([4, 4], [2, 2]),
  tiling([4, 2], [2, 2]),
  tiling([2, 2], [4, 1]),
  tiling([2, 1], [4, 1]),
];

/** The largest that divides the filter: 128 × 128, 192 × 64, … */
const FORMER_WEIGHT_GRADIENTS = [4, 2, 1].flatMap((columns) =>
  [2, 1].flatMap((across) =>
    [4, 3, 2, 1].flatMap((rows) =>
      [across === 2 ? 2 : 4, 3, 2, 1].map((down) => tiling([rows, columns], [down, across])),
    ),
  ),
);

/** The first that takes a product is used. */
const LISTS = {
  /**
   * As with two buffers, but for filters that 128 rows do not divide: workgroups of six subgroups of 64 × 64 need so many
   * registers that one alone fits on a multiprocessor, and nothing fills its waits (64→128: 128 instead of 179 TFLOP/s).
   */
  chosen: {
    // Measured on an H200 (npm run bench -- gpu --tiles): 256 channels, 128, and 64 with half as many barriers.
    convolution: [
      tiling([4, 4], [1, 4]),
      tiling([4, 4], [2, 2]),
      tiling([4, 2], [4, 2], 4),
      ...FORMER_CONVOLUTIONS,
    ],
    weightGradient: [
      tiling([4, 4], [2, 2]),
      tiling([3, 4], [2, 2]),
      tiling([3, 4], [4, 1]),
      ...FORMER_WEIGHT_GRADIENTS,
    ],
  },
  /** Of the kernels with two buffers. */
  former: { convolution: FORMER_CONVOLUTIONS, weightGradient: FORMER_WEIGHT_GRADIENTS },
} as const;

export type TilesName = keyof typeof LISTS;

const tilesOf = (name: TilesName): Tiles => {
  const { convolution, weightGradient } = LISTS[name];
  return {
    convolution: (asked) => convolution.find((tile) => convolutionTakes(asked, tile))!,
    weightGradient: (asked) => weightGradient.find((tile) => weightGradientTakes(asked, tile))!,
  };
};

/** Sets of tilings by name; the engine takes "chosen", the benchmark compares. */
export const TILES: { readonly [name in TilesName]: Tiles } = {
  chosen: tilesOf("chosen"),
  former: tilesOf("former"),
};

/** What is worth measuring, what promises most first: 4 to 16 matrices of sums a subgroup, 2 to 8 subgroups. */
export const TILINGS_TO_TRY: readonly MatrixTiling[] = [
  tiling([4, 4], [2, 2]),
  tiling([4, 4], [2, 4]),
  tiling([4, 4], [4, 2]),
  tiling([4, 2], [2, 2]),
  tiling([4, 2], [4, 2]),
  tiling([4, 2], [2, 4]),
  tiling([2, 4], [4, 2]),
  tiling([4, 4], [4, 1]),
  tiling([4, 4], [2, 1]),
  tiling([3, 4], [2, 2]),
  tiling([3, 4], [4, 1]),
  // Twice as deep, half as many barriers: the operands that wait take twice as many registers.
  tiling([4, 2], [2, 2], 4),
  tiling([4, 2], [4, 2], 4),
  tiling([4, 2], [2, 4], 4),
  tiling([2, 4], [4, 2], 4),
  tiling([4, 4], [1, 2]),
  tiling([2, 4], [2, 2]),
  tiling([2, 4], [4, 1]),
  tiling([3, 4], [4, 2]),
  tiling([4, 4], [3, 1]),
  tiling([3, 4], [3, 1]),
  tiling([4, 4], [1, 4]),
  tiling([4, 2], [3, 2]),
  tiling([3, 2], [4, 2]),
  tiling([3, 2], [2, 4]),
  tiling([3, 4], [1, 2]),
  tiling([3, 4], [2, 1]),
  tiling([4, 4], [3, 2]),
  tiling([4, 2], [4, 1]),
  tiling([2, 4], [2, 4]),
  tiling([2, 2], [4, 2]),
  tiling([2, 2], [2, 2]),
  tiling([2, 4], [2, 2], 4),
  tiling([3, 4], [2, 2], 4),
  tiling([3, 4], [4, 1], 4),
  tiling([4, 4], [2, 2], 4),
  tiling([3, 2], [2, 2]),
  tiling([4, 1], [4, 1]),
];
