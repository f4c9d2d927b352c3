// Winograd's transforms: small windows of an image, its gradient or a filter to and from tile frequencies [Winograd1980] [Lavin2016].
//
// With d a window of the image, g a filter and y the outputs of one tile: y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A, and, the same map
// transposed, the filter's gradient is Gᵀ[Σ (Bᵀ d B) ⊙ (A dy Aᵀ)]G with one sum for each frequency over all of an example's
// tiles. Every tile is transformed by itself, by the same operations in the same order wherever it lies.
import { plus, times, upTo } from "./arithmetic.js";
import { type Code, cat, FunctionBuilder, f32x4, i32, int, type Local, v128, when } from "./assembler.js";
import type { MultiplyAdd } from "./variant.js";

/** A matrix by rows. */
type Matrix = readonly (readonly number[])[];
/** A product of matrices, the last applied first: sums that several rows share are made once. */
type Transform = readonly Matrix[];

const transposed = (transform: Transform): Transform =>
  transform.map((matrix) => matrix[0].map((_, column) => matrix.map((row) => row[column]))).reverse();

/** F(m × m, 3 × 3). */
export interface Tiling {
  /** m: outputs a side of a tile. */
  readonly outputs: 2 | 4;
  /** Products of a tile. */
  readonly frequencies: number;
  /** Bᵀ. */
  readonly image: Transform;
  /** G. */
  readonly filter: Transform;
  /** Aᵀ. */
  readonly output: Transform;
}

/** Points 0, 1, −1 and infinity: 16 products where 36 would be. */
export const F2: Tiling = {
  outputs: 2,
  frequencies: 16,
  image: [
    [
      [1, 0, -1, 0],
      [0, 1, 1, 0],
      [0, -1, 1, 0],
      [0, -1, 0, 1],
    ],
  ],
  filter: [
    [
      [1, 0, 0],
      [0.5, 0.5, 0.5],
      [0.5, -0.5, 0.5],
      [0, 0, 1],
    ],
  ],
  output: [
    [
      [1, 1, 1, 0],
      [0, 1, -1, 1],
    ],
  ],
};

const [a, b] = [Math.SQRT1_2, Math.SQRT2];
const sumAndDifference: Matrix = [
  [1, 0, 0, 0, 0, 0],
  [0, 1, 1, 0, 0, 0],
  [0, 1, -1, 0, 0, 0],
  [0, 0, 0, 1, 1, 0],
  [0, 0, 0, 1, -1, 0],
  [0, 0, 0, 0, 0, 1],
];

/**
 * Points 0, ±√½, ±√2 and infinity: 36 products where 144 would be. With these, errors are a third of those with the usual
 * points 0, ±1, ±2 and infinity, and about twice those of sums written out.
 */
export const F4: Tiling = {
  outputs: 4,
  frequencies: 36,
  image: [
    sumAndDifference,
    [
      [1, 0, -2.5, 0, 1, 0],
      [0, 0, -2, 0, 1, 0],
      [0, -b, 0, a, 0, 0],
      [0, 0, -0.5, 0, 1, 0],
      [0, -a, 0, b, 0, 0],
      [0, 1, 0, -2.5, 0, 1],
    ],
  ],
  filter: [
    sumAndDifference,
    [
      [1, 0, 0],
      [-2 / 3, 0, -1 / 3],
      [0, (-2 / 3) * a, 0],
      [1 / 6, 0, 1 / 3],
      [0, b / 6, 0],
      [0, 0, 1],
    ],
  ],
  output: [
    [
      [1, 1, 0, 1, 0, 0],
      [0, 0, a, 0, b, 0],
      [0, 0.5, 0, 2, 0, 0],
      [0, 0, a / 2, 0, 2 * b, 1],
    ],
    sumAndDifference,
  ],
};

/**
 * F(5 × 5, 2 × 2), with the points of F4 and so its transform of images: a filter of 4 × 4 with stride 2 is one of 2 × 2 on the
 * four images of every other pixel. 36 products where 100 would be.
 */
const F5 = {
  filter: [
    sumAndDifference,
    [
      [1, 0],
      [-2 / 3, 0],
      [0, (-2 / 3) * a],
      [1 / 6, 0],
      [0, b / 6],
      [0, 1],
    ],
  ],
  output: [
    [
      [1, 1, 0, 1, 0, 0],
      [0, 0, a, 0, b, 0],
      [0, 0.5, 0, 2, 0, 0],
      [0, 0, a / 2, 0, 2 * b, 0],
      [0, 0.25, 0, 4, 0, 1],
    ],
    sumAndDifference,
  ],
} satisfies { readonly filter: Transform; readonly output: Transform };

/** Σ coefficients[i]·values[i]. */
function combination(
  f: FunctionBuilder,
  multiplyAdd: MultiplyAdd,
  coefficients: readonly number[],
  values: readonly Code[],
): Code {
  const used = upTo(values.length).filter((i) => coefficients[i] !== 0);
  const first = used.find((i) => coefficients[i] === 1) ?? used[0];
  const start =
    coefficients[first] === 1 ? values[first] : f32x4.mul(values[first], f.constant(coefficients[first]));
  return used
    .filter((i) => i !== first)
    .reduce((sum, i) => {
      if (coefficients[i] === 1) return f32x4.add(sum, values[i]);
      if (coefficients[i] === -1) return f32x4.sub(sum, values[i]);
      return multiplyAdd(values[i], f.constant(coefficients[i]), sum);
    }, start);
}

/** The transform of vectors: what to compute first, and the results. */
type Applied = (values: readonly Code[]) => { readonly before: Code; readonly results: readonly Code[] };

function application(f: FunctionBuilder, multiplyAdd: MultiplyAdd, transform: Transform): Applied {
  const shared = transform.slice(1).map((matrix) => matrix.map(() => f.local("v128")));
  return (values) => {
    let [before, current]: [Code, readonly Code[]] = [[], values];
    for (let stage = transform.length - 1; stage > 0; stage--) {
      const next = transform[stage].map((row, i) => {
        const local = shared[stage - 1][i];
        before = cat(before, local.set(combination(f, multiplyAdd, row, current)));
        return local.get;
      });
      current = next;
    }
    return { before, results: transform[0].map((row) => combination(f, multiplyAdd, row, current)) };
  };
}

/** M·X·Mᵀ of a square X: `load` gives its row i into `row`; `store` takes column j of the result. */
function sandwich(
  f: FunctionBuilder,
  multiplyAdd: MultiplyAdd,
  transform: Transform,
  load: (i: number, row: readonly Local[]) => Code,
  store: (j: number, column: readonly Code[]) => Code,
): Code {
  const [from, to] = [transform[transform.length - 1][0].length, transform[0].length];
  const apply = application(f, multiplyAdd, transform);
  const row = upTo(from).map(() => f.local("v128"));
  const middle = upTo(from).map(() => upTo(to).map(() => f.local("v128")));
  return cat(
    ...upTo(from).map((i) => {
      const { before, results } = apply(row.map((each) => each.get));
      return cat(load(i, row), before, ...results.map((result, j) => middle[i][j].set(result)));
    }),
    ...upTo(to).map((j) => {
      const { before, results } = apply(middle.map((each) => each[j].get));
      return cat(before, store(j, results));
    }),
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
const toFrequencies = (name: string, transform: Transform, multiplyAdd: MultiplyAdd): FunctionBuilder =>
  overTiles(name, 0, (f, { window, frequencies, rowBytes, pixelBytes, frequencyBytes }) => {
    const [at, o] = f.integers(2);
    return sandwich(
      f,
      multiplyAdd,
      transform,
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
              i < column.length - 1 ? o.add(times(int(column.length), frequencyBytes)) : [],
            ),
          ),
        ),
    );
  });

/** window = M·frequencies·Mᵀ, plus addend[channel]; added to what stands there if `adds`. */
const fromFrequencies = (name: string, transform: Transform, multiplyAdd: MultiplyAdd): FunctionBuilder =>
  overTiles(name, 2, (f, { window, frequencies, rowBytes, pixelBytes, frequencyBytes, channel, more }) => {
    const [addend, adds] = more;
    const [at, o] = f.integers(2);
    const value = f.local("v128");
    return sandwich(
      f,
      multiplyAdd,
      transform,
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

/** The transforms of all tilings, and the copy that packs plain filters. */
export const tileTransforms = (multiplyAdd: MultiplyAdd): FunctionBuilder[] => [
  toFrequencies("pack", [[[1]]], multiplyAdd),
  ...[F2, F4].flatMap(({ outputs, image, filter, output }) => [
    toFrequencies(`imageToFrequencies${outputs}`, image, multiplyAdd),
    toFrequencies(`gradientToFrequencies${outputs}`, transposed(output), multiplyAdd),
    toFrequencies(`filterToFrequencies${outputs}`, filter, multiplyAdd),
    fromFrequencies(`outputFromFrequencies${outputs}`, output, multiplyAdd),
    fromFrequencies(`filterFromFrequencies${outputs}`, transposed(filter), multiplyAdd),
  ]),
  toFrequencies("filterToFrequencies5", F5.filter, multiplyAdd),
  toFrequencies("gradientToFrequencies5", transposed(F5.output), multiplyAdd),
  fromFrequencies("outputFromFrequencies5", F5.output, multiplyAdd),
  fromFrequencies("imageFromFrequencies5", transposed(F4.image), multiplyAdd),
];
