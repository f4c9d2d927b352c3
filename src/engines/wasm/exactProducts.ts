// Exact sums of examples' outer products, whose factors are whole numbers.
import { DOUBLE, FLOAT, plus, times, upTo } from "./arithmetic.js";
import {
  type Code,
  cat,
  FunctionBuilder,
  f32,
  f32x4,
  f64,
  f64x2,
  highHalf,
  i32,
  int,
  v128,
  when,
  whileLoop,
} from "./assembler.js";
import type { MultiplyAdd } from "./variant.js";

/** Examples that one call takes at most, so that their inputs, four of each, and their outputs stay in the first-level cache. */
export const MOST_EXAMPLES = 64;
/** Bytes of room that a call needs at `block`. */
export const BLOCK_BYTES = 32 * MOST_EXAMPLES;

/**
 * sum[i, j] += Σ_n trunc(scales[n]·x_n[i])·d[n, j], whole numbers in float64: products and sums are exact, so that neither order
 * nor tiles matter. x_n lies at address rows[n] (i32), scales [n] float32, d [n][units] float64, sum [inputs][units] float64.
 *
 * Of four inputs at a time the cut numbers of all examples are written into a block, then four (two, one) units of the sum stay
 * in registers while the examples stream by.
 */
export function addOuterProducts(multiplyAdd: MultiplyAdd): FunctionBuilder {
  const f = new FunctionBuilder("addOuterProducts", 8);
  const [sum, rows, scales, d, block, n, inputs, units] = f.parameters;
  const [i, j, k, at, from, dAt, sumAt, rowBytes, rest, scaleAt, lane] = f.integers(11);
  const acc = Array.from({ length: 8 }, () => f.local("v128"));
  const [low, high, output] = [f.local("v128"), f.local("v128"), f.local("v128")];
  const eachExample = (body: Code): Code =>
    cat(
      at.set(block.get),
      from.set(rows.get),
      scaleAt.set(scales.get),
      f.loop(k, int(0), n.get, 1, cat(body, at.add(int(32)), from.add(int(4)), scaleAt.add(FLOAT))),
    );
  const source = plus(i32.load(from.get), times(i.get, FLOAT));
  const cut = when(
    i32.lessThan(int(3), rest.get),
    eachExample(
      cat(
        low.set(f32x4.trunc(f32x4.mul(v128.load(source), v128.loadSplat(scaleAt.get)))),
        v128.store(at.get, f64x2.promoteLow(low.get)),
        v128.store(at.get, f64x2.promoteLow(highHalf(low.get)), 16),
      ),
    ),
  );
  // The last one to three inputs one by one: behind them lies the next example.
  const cutLast = when(
    i32.lessThan(rest.get, int(4)),
    eachExample(
      cat(
        v128.store(at.get, f64x2.zero),
        v128.store(at.get, f64x2.zero, 16),
        f.loop(
          lane,
          int(0),
          rest.get,
          1,
          f64.store(
            plus(at.get, times(lane.get, DOUBLE)),
            f64.promote(
              f32.trunc(f32.mul(f32.load(plus(source, times(lane.get, FLOAT))), f32.load(scaleAt.get))),
            ),
          ),
        ),
      ),
    ),
  );
  /** Sums over the examples of four inputs by `wide` units from j on: acc[2u] of inputs 0 and 1, acc[2u + 1] of 2 and 3. */
  const products = (wide: number): Code =>
    cat(
      ...acc.slice(0, 2 * wide).map((a) => a.set(f64x2.zero)),
      at.set(block.get),
      dAt.set(plus(d.get, times(j.get, DOUBLE))),
      f.loop(
        k,
        int(0),
        n.get,
        1,
        cat(
          low.set(v128.load(at.get)),
          high.set(v128.load(at.get, 16)),
          ...upTo(wide).map((unit) =>
            cat(
              output.set(v128.loadSplat64(dAt.get, 8 * unit)),
              ...[low, high].map((pair, half) => {
                const a = acc[2 * unit + half];
                return a.set(multiplyAdd(pair.get, output.get, a.get));
              }),
            ),
          ),
          at.add(int(32)),
          dAt.add(rowBytes.get),
        ),
      ),
      sumAt.set(plus(sum.get, times(i.get, rowBytes.get), times(j.get, DOUBLE))),
    );
  /** Of input i + row, unless it lies behind the last one. */
  const eachInput = (store: (half: number, lane: 0 | 1) => Code): Code =>
    cat(
      ...upTo(4).map((row) =>
        cat(
          when(i32.lessThan(int(row), rest.get), store(row >> 1, (row & 1) as 0 | 1)),
          sumAt.add(rowBytes.get),
        ),
      ),
    );
  /** Units in pairs lie side by side in the sum. */
  const storePairs = (pairs: number): Code =>
    eachInput((half, lane) =>
      cat(
        ...upTo(pairs).map((pair) => {
          const both = (lane === 0 ? f64x2.lows : f64x2.highs)(
            acc[4 * pair + half].get,
            acc[4 * pair + 2 + half].get,
          );
          return v128.store(sumAt.get, f64x2.add(v128.load(sumAt.get, 16 * pair), both), 16 * pair);
        }),
      ),
    );
  const storeOne = eachInput((half, lane) =>
    f64.store(sumAt.get, f64.add(f64.load(sumAt.get), f64x2.lane(acc[half].get, lane))),
  );
  const unitsBy = (wide: number, store: Code): Code =>
    whileLoop(
      i32.lessThan(i32.add(j.get, int(wide - 1)), units.get),
      cat(products(wide), store, j.add(int(wide))),
    );
  f.body = cat(
    rowBytes.set(times(units.get, DOUBLE)),
    f.loop(
      i,
      int(0),
      inputs.get,
      4,
      cat(
        rest.set(i32.sub(inputs.get, i.get)),
        cut,
        cutLast,
        j.set(int(0)),
        unitsBy(4, storePairs(2)),
        unitsBy(2, storePairs(1)),
        unitsBy(1, storeOne),
      ),
    ),
  );
  return f;
}
