// Winograd's transforms: small windows of an image, its gradient or a filter to and from tile frequencies [Winograd1980] [Lavin2016].
//
// With d a window of the image, g a filter and y the outputs of one tile: y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A, and, the same map
// transposed, the filter's gradient is Gᵀ[Σ (Bᵀ d B) ⊙ (A dy Aᵀ)]G with one sum for each frequency over all of an example's
// tiles. Every tile is transformed by itself, by the same operations in the same order wherever it lies.

import { plus, times, upTo } from "./arithmetic.js";
import {
  type Code,
  cat,
  FunctionBuilder,
  f32x4,
  i32,
  int,
  type Local,
  splat,
  v128,
  when,
} from "./assembler.js";

/** A matrix by rows. */
type Matrix = readonly (readonly number[])[];
const transposed = (matrix: Matrix): Matrix => matrix[0].map((_, column) => matrix.map((row) => row[column]));

/** F(m × m, 3 × 3): outputs a side of a tile, and the matrices. */
interface Tiling {
  readonly outputs: number;
  /** Bᵀ, of the image; its side is that of the window. */
  readonly image: Matrix;
  /** G, of the filter. */
  readonly filter: Matrix;
  /** Aᵀ, of the outputs. */
  readonly output: Matrix;
}

/** Points 0, 1, −1 and infinity: 16 products where 36 would be. */
export const F2: Tiling = {
  outputs: 2,
  image: [
    [1, 0, -1, 0],
    [0, 1, 1, 0],
    [0, -1, 1, 0],
    [0, -1, 0, 1],
  ],
  filter: [
    [1, 0, 0],
    [0.5, 0.5, 0.5],
    [0.5, -0.5, 0.5],
    [0, 0, 1],
  ],
  output: [
    [1, 1, 1, 0],
    [0, 1, -1, 1],
  ],
};

/** Σ coefficients[i]·values[i]. */
function combination(coefficients: readonly number[], values: readonly Local[]): Code {
  const scaled = (i: number): Code => {
    const size = Math.abs(coefficients[i]);
    return size === 1 ? values[i].get : f32x4.mul(values[i].get, splat(size));
  };
  const used = upTo(values.length).filter((i) => coefficients[i] !== 0);
  const first = used.find((i) => coefficients[i] > 0)!;
  return used
    .filter((i) => i !== first)
    .reduce(
      (sum, i) => (coefficients[i] > 0 ? f32x4.add(sum, scaled(i)) : f32x4.sub(sum, scaled(i))),
      scaled(first),
    );
}

/** M·X·Mᵀ of a square X: `load` gives its row i into `row`; `store` takes column j of the result. */
function sandwich(
  f: FunctionBuilder,
  matrix: Matrix,
  load: (i: number, row: readonly Local[]) => Code,
  store: (j: number, column: readonly Code[]) => Code,
): Code {
  const from = matrix[0].length;
  const row = upTo(from).map(() => f.local("v128"));
  const middle = upTo(from).map(() => matrix.map(() => f.local("v128")));
  return cat(
    ...upTo(from).map((i) =>
      cat(load(i, row), ...matrix.map((coefficients, j) => middle[i][j].set(combination(coefficients, row)))),
    ),
    ...matrix.map((_, j) =>
      store(
        j,
        matrix.map((coefficients) =>
          combination(
            coefficients,
            upTo(from).map((i) => middle[i][j]),
          ),
        ),
      ),
    ),
  );
}

/**
 * The loop that both directions share: windows [t] of `channels` (a multiple of 8) at window + table[t], their rows and pixels
 * rowBytes and pixelBytes apart; frequencies [f] frequencyBytes apart, the first of tile t at + t·tileBytes, its channels four by
 * four, oddBytes on to the second four and pairBytes on to the next eight.
 */
function overTiles(
  name: string,
  more: number,
  body: (
    f: FunctionBuilder,
    place: {
      readonly window: Local;
      readonly frequencies: Local;
      readonly rowBytes: Code;
      readonly pixelBytes: Code;
      readonly frequencyBytes: Code;
      readonly channel: Code;
      readonly more: readonly Code[];
    },
  ) => Code,
): FunctionBuilder {
  const f = new FunctionBuilder(name, 11 + more);
  const [table, count, window, rowBytes, pixelBytes, channels, ...rest] = f.parameters;
  const [frequencies, frequencyBytes, tileBytes, oddBytes, pairBytes, ...others] = rest;
  const [t, c, half, from, to] = f.integers(5);
  const each = body(f, {
    window: from,
    frequencies: to,
    rowBytes: rowBytes.get,
    pixelBytes: pixelBytes.get,
    frequencyBytes: frequencyBytes.get,
    channel: c.get,
    more: others.map((other) => other.get),
  });
  f.body = f.loop(
    t,
    int(0),
    count.get,
    1,
    cat(
      from.set(plus(window.get, i32.load(plus(table.get, times(t.get, int(4)))))),
      to.set(plus(frequencies.get, times(t.get, tileBytes.get))),
      c.set(int(0)),
      f.loop(
        half,
        int(0),
        i32.shiftRight(channels.get, int(2)),
        1,
        cat(
          each,
          c.add(int(4)),
          from.add(int(16)),
          // On to the second four, or from there to the next eight.
          to.add(i32.select(i32.sub(pairBytes.get, oddBytes.get), oddBytes.get, i32.and(half.get, int(1)))),
        ),
      ),
    ),
  );
  return f;
}

/** frequencies = M·window·Mᵀ. */
export const toFrequencies = (name: string, matrix: Matrix): FunctionBuilder =>
  overTiles(name, 0, (f, { window, frequencies, rowBytes, pixelBytes, frequencyBytes }) => {
    const [at, o] = f.integers(2);
    return sandwich(
      f,
      matrix,
      (i, row) =>
        cat(
          at.set(i === 0 ? window.get : plus(window.get, times(int(i), rowBytes))),
          ...row.map((value, j) =>
            cat(value.set(v128.load(at.get)), j < row.length - 1 ? at.add(pixelBytes) : []),
          ),
        ),
      (j, column) =>
        cat(
          o.set(plus(frequencies.get, times(int(j), frequencyBytes))),
          ...column.map((value, i) =>
            cat(
              v128.store(o.get, value),
              i < column.length - 1 ? o.add(times(int(matrix.length), frequencyBytes)) : [],
            ),
          ),
        ),
    );
  });

/** window = M·frequencies·Mᵀ, plus addend[channel]; added to what stands there if `adds`. */
export const fromFrequencies = (name: string, matrix: Matrix): FunctionBuilder =>
  overTiles(name, 2, (f, { window, frequencies, rowBytes, pixelBytes, frequencyBytes, channel, more }) => {
    const [addend, adds] = more;
    const [at, o] = f.integers(2);
    const value = f.local("v128");
    return sandwich(
      f,
      matrix,
      (i, row) =>
        cat(
          at.set(plus(frequencies.get, times(int(i * row.length), frequencyBytes))),
          ...row.map((each, j) =>
            cat(each.set(v128.load(at.get)), j < row.length - 1 ? at.add(frequencyBytes) : []),
          ),
        ),
      (j, column) =>
        cat(
          o.set(plus(window.get, times(int(j), pixelBytes))),
          ...column.map((each, i) =>
            cat(
              value.set(f32x4.add(each, v128.load(plus(addend, times(channel, int(4)))))),
              when(adds, value.set(f32x4.add(value.get, v128.load(o.get)))),
              v128.store(o.get, value.get),
              i < column.length - 1 ? o.add(rowBytes) : [],
            ),
          ),
        ),
    );
  });

/** The transforms of one tiling, and the copy that packs plain filters. */
export const tileTransforms = (): FunctionBuilder[] => [
  toFrequencies("pack", [[1]]),
  toFrequencies("imageToFrequencies2", F2.image),
  toFrequencies("gradientToFrequencies2", transposed(F2.output)),
  toFrequencies("filterToFrequencies2", F2.filter),
  fromFrequencies("outputFromFrequencies2", F2.output),
  fromFrequencies("filterFromFrequencies2", transposed(F2.filter)),
];
