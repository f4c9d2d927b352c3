// Norms of examples' gradients and exact sums of them, in float64.
import { DOUBLE, FLOAT, plus, times } from "./arithmetic.js";
import {
  type Code,
  cat,
  FunctionBuilder,
  f32,
  f64,
  f64x2,
  highHalf,
  i32,
  int,
  type Local,
  v128,
  whileLoop,
} from "./assembler.js";

/**
 * out[n] = Σ_j rows[n, j]² for each of `count` rows, in float64 from the float32 values themselves: eight sums in turn, then
 * their sum, then what is left.
 */
export function squaredNorms(): FunctionBuilder {
  const f = new FunctionBuilder("squaredNorms", 4);
  const [at, count, width, out] = f.parameters;
  const [row, end] = f.integers(2);
  const sums = Array.from({ length: 4 }, () => f.local("v128"));
  const [value, pair] = [f.local("v128"), f.local("v128")];
  const total = f.local("f64");
  const scalar = f.local("f64");
  const squared = (sum: Local, numbers: Code): Code =>
    cat(pair.set(f64x2.promoteLow(numbers)), sum.set(f64x2.add(sum.get, f64x2.mul(pair.get, pair.get))));
  const four = (half: number): Code =>
    cat(
      value.set(v128.load(at.get, 16 * half)),
      squared(sums[2 * half], value.get),
      squared(sums[2 * half + 1], highHalf(value.get)),
    );
  f.body = f.loop(
    row,
    int(0),
    count.get,
    1,
    cat(
      end.set(plus(at.get, times(width.get, FLOAT))),
      ...sums.map((sum) => sum.set(f64x2.zero)),
      whileLoop(i32.lessThan(i32.add(at.get, int(28)), end.get), cat(four(0), four(1), at.add(int(32)))),
      ...[1, 2, 3].map((other) => sums[0].set(f64x2.add(sums[0].get, sums[other].get))),
      total.set(f64.add(f64x2.lane(sums[0].get, 0), f64x2.lane(sums[0].get, 1))),
      whileLoop(
        i32.lessThan(at.get, end.get),
        cat(
          scalar.set(f64.promote(f32.load(at.get))),
          total.set(f64.add(total.get, f64.mul(scalar.get, scalar.get))),
          at.add(int(4)),
        ),
      ),
      f64.store(out.get, total.get),
      out.add(DOUBLE),
    ),
  );
  return f;
}

/** Numbers of a row that a pass over the examples adds: a line of the cache. */
const WIDE = 16;

/**
 * sum[j] += Σ_n trunc(factors[n]·rows[n, j]), in float64. Whole numbers add without rounding, so order and blocks do not matter.
 * Sixteen numbers at a time stay in registers while the examples stream by; two multiplications and roundings for each pair.
 */
export function addRows(): FunctionBuilder {
  const f = new FunctionBuilder("addRows", 5);
  const [sum, rows, factors, n, width] = f.parameters;
  const [j, i, at, factorAt, sumAt] = f.integers(5);
  const acc = Array.from({ length: WIDE / 2 }, () => f.local("v128"));
  const [factor, value] = [f.local("v128"), f.local("v128")];
  const total = f.local("f64");
  const start = cat(
    at.set(plus(rows.get, times(j.get, FLOAT))),
    factorAt.set(factors.get),
    sumAt.set(plus(sum.get, times(j.get, DOUBLE))),
  );
  const next = cat(at.add(times(width.get, FLOAT)), factorAt.add(DOUBLE));
  const added = (a: Local, pair: Code): Code =>
    a.set(f64x2.add(a.get, f64x2.trunc(f64x2.mul(factor.get, f64x2.promoteLow(pair)))));
  const by = (wide: number): Code =>
    whileLoop(
      i32.lessThan(i32.add(j.get, int(wide - 1)), width.get),
      cat(
        start,
        ...acc.slice(0, wide / 2).map((a, index) => a.set(v128.load(sumAt.get, 16 * index))),
        f.loop(
          i,
          int(0),
          n.get,
          1,
          cat(
            factor.set(v128.loadSplat64(factorAt.get)),
            ...acc
              .slice(0, wide / 2)
              .flatMap((a, index) =>
                index % 2 === 0
                  ? [
                      value.set(wide === 2 ? v128.loadPair(at.get) : v128.load(at.get, 8 * index)),
                      added(a, value.get),
                    ]
                  : [added(a, highHalf(value.get))],
              ),
            next,
          ),
        ),
        ...acc.slice(0, wide / 2).map((a, index) => v128.store(sumAt.get, a.get, 16 * index)),
        j.add(int(wide)),
      ),
    );
  f.body = cat(
    j.set(int(0)),
    by(WIDE),
    by(2),
    whileLoop(
      i32.lessThan(j.get, width.get),
      cat(
        start,
        total.set(f64.load(sumAt.get)),
        f.loop(
          i,
          int(0),
          n.get,
          1,
          cat(
            total.set(
              f64.add(total.get, f64.trunc(f64.mul(f64.load(factorAt.get), f64.promote(f32.load(at.get))))),
            ),
            next,
          ),
        ),
        f64.store(sumAt.get, total.get),
        j.add(int(1)),
      ),
    ),
  );
  return f;
}
