// Norms of examples' gradients and their weighted sum.

import { FLOAT, plus, times } from "./arithmetic.js";
import {
  cat,
  FunctionBuilder,
  f32,
  f32x4,
  f64,
  f64x2,
  highHalf,
  i32,
  int,
  splat,
  v128,
  whileLoop,
} from "./assembler.js";

/** Σ values[j]², in float64 from the float32 values themselves. */
export function squaredNorm(): FunctionBuilder {
  const f = new FunctionBuilder("squaredNorm", 2, "f64");
  const [at, count] = f.parameters;
  const [end] = f.integers(1);
  const [low, high, value, pair] = [f.local("v128"), f.local("v128"), f.local("v128"), f.local("v128")];
  const total = f.local("f64");
  const scalar = f.local("f64");
  f.body = cat(
    end.set(plus(at.get, times(count.get, FLOAT))),
    whileLoop(
      i32.lessThan(i32.add(at.get, int(12)), end.get),
      cat(
        value.set(v128.load(at.get)),
        pair.set(f64x2.promoteLow(value.get)),
        low.set(f64x2.add(low.get, f64x2.mul(pair.get, pair.get))),
        pair.set(f64x2.promoteLow(highHalf(value.get))),
        high.set(f64x2.add(high.get, f64x2.mul(pair.get, pair.get))),
        at.add(int(16)),
      ),
    ),
    low.set(f64x2.add(low.get, high.get)),
    total.set(f64.add(f64x2.lane(low.get, 0), f64x2.lane(low.get, 1))),
    whileLoop(
      i32.lessThan(at.get, end.get),
      cat(
        scalar.set(f64.promote(f32.load(at.get))),
        total.set(f64.add(total.get, f64.mul(scalar.get, scalar.get))),
        at.add(int(4)),
      ),
    ),
    total.get,
  );
  return f;
}

/** out[j] = Σ_n weights[n] · rows[n, j]. */
export function weightedSum(): FunctionBuilder {
  const f = new FunctionBuilder("weightedSum", 5);
  const [rows, weights, out, n, width] = f.parameters;
  const [j, i, at, weightAt] = f.integers(4);
  const acc = Array.from({ length: 4 }, () => f.local("v128"));
  const weight = f.local("v128");
  const scalar = f.local("f32");
  const start = cat(at.set(plus(rows.get, times(j.get, FLOAT))), weightAt.set(weights.get));
  const next = cat(at.add(times(width.get, FLOAT)), weightAt.add(int(4)));
  f.body = cat(
    j.set(int(0)),
    whileLoop(
      i32.lessThan(i32.add(j.get, int(15)), width.get),
      cat(
        start,
        ...acc.map((a) => a.set(splat(0))),
        f.loop(
          i,
          int(0),
          n.get,
          1,
          cat(
            weight.set(v128.loadSplat(weightAt.get)),
            ...acc.map((a, index) =>
              a.set(f32x4.add(a.get, f32x4.mul(weight.get, v128.load(at.get, 16 * index)))),
            ),
            next,
          ),
        ),
        ...acc.map((a, index) => v128.store(plus(out.get, times(j.get, FLOAT)), a.get, 16 * index)),
        j.add(int(16)),
      ),
    ),
    whileLoop(
      i32.lessThan(j.get, width.get),
      cat(
        start,
        scalar.set(f32.constant(0)),
        f.loop(
          i,
          int(0),
          n.get,
          1,
          cat(scalar.set(f32.add(scalar.get, f32.mul(f32.load(weightAt.get), f32.load(at.get)))), next),
        ),
        f32.store(plus(out.get, times(j.get, FLOAT)), scalar.get),
        j.add(int(1)),
      ),
    ),
  );
  return f;
}
