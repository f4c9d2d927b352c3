// The gradient of the cross-entropy by the logits, row by row.

import { FLOAT, plus, times } from "./arithmetic.js";
import {
  type Code,
  cat,
  FunctionBuilder,
  f32,
  f32x4,
  i32,
  i32x4,
  int,
  v128,
  whileLoop,
} from "./assembler.js";

// e^x = 2^k·e^r, k the whole number nearest to x/ln 2 and r = x − k·ln 2, |r| ≤ 0.35; ln 2 in two parts, the first of which has so
// few digits that its product with k is exact. e^r by its series up to r^7: what is left out is below 6e-9 of it.
const LN2_HIGH = 0.693359375;
const LN2_LOW = Math.LN2 - LN2_HIGH;
const SERIES = [1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 1, 1];
/** Below it e^x counts as 2^-126, of which no softmax in float32 knows. */
const LEAST = -126 * Math.LN2;
/** 1.5·2^23: added to a number it leaves the nearest whole number in the last bits. */
const ROUNDING = 1.5 * 2 ** 23;

/** Element by element over `bytes` (a multiple of 16) of memory: x = e^x, for x ≤ 0; what is no number remains so. */
export function exponential(): FunctionBuilder {
  const f = new FunctionBuilder("exponential", 2);
  const [x, bytes] = f.parameters;
  const [at] = f.integers(1);
  const [value, shifted, rest] = [f.local("v128"), f.local("v128"), f.local("v128")];
  const times4 = (a: Code, factor: number): Code => f32x4.mul(a, f.constant(factor));
  const k = f32x4.sub(shifted.get, f.constant(ROUNDING));
  const series = SERIES.slice(1).reduce<Code>(
    (sum, c) => f32x4.add(f32x4.mul(sum, rest.get), f.constant(c)),
    f.constant(SERIES[0]),
  );
  f.body = f.loop(
    at,
    x.get,
    plus(x.get, bytes.get),
    16,
    cat(
      value.set(f32x4.pseudoMax(v128.load(at.get), f.constant(LEAST))),
      shifted.set(f32x4.add(times4(value.get, 1 / Math.LN2), f.constant(ROUNDING))),
      rest.set(f32x4.sub(f32x4.sub(value.get, times4(k, LN2_HIGH)), times4(k, LN2_LOW))),
      // k is in the low bits: moved to the exponent's place, plus the bits of 1, they are those of 2^k.
      v128.store(at.get, f32x4.mul(series, i32x4.add(i32x4.shiftLeft(shifted.get, int(23)), f.constant(1)))),
    ),
  );
  return f;
}

/** out[n, c] = logits[n, c] − max_c logits[n, c]; NaN where a logit of the row is. */
export function lessLargest(): FunctionBuilder {
  const f = new FunctionBuilder("lessLargest", 4);
  const [logits, out, n, classes] = f.parameters;
  const [end, row, at] = f.integers(3);
  const largest = f.local("f32");
  f.body = f.loop(
    row,
    int(0),
    n.get,
    1,
    cat(
      largest.set(f32.load(logits.get)),
      end.set(plus(logits.get, times(classes.get, FLOAT))),
      f.loop(at, logits.get, end.get, 4, largest.set(f32.max(largest.get, f32.load(at.get)))),
      whileLoop(
        i32.lessThan(logits.get, end.get),
        cat(
          f32.store(out.get, f32.sub(f32.load(logits.get), largest.get)),
          logits.add(int(4)),
          out.add(int(4)),
        ),
      ),
    ),
  );
  return f;
}

/** x[n, c] = share·(x[n, c]/Σ_c x[n, c] − 1 where c is labels[n]); labels [n] int32, share a float32 number at its address. */
export function shareLessLabel(): FunctionBuilder {
  const f = new FunctionBuilder("shareLessLabel", 5);
  const [x, labels, n, classes, share] = f.parameters;
  const [end, row, at] = f.integers(3);
  const [sum, factor] = [f.local("f32"), f.local("f32")];
  const labelled = plus(x.get, times(i32.load(labels.get), FLOAT));
  f.body = cat(
    factor.set(f32.load(share.get)),
    f.loop(
      row,
      int(0),
      n.get,
      1,
      cat(
        sum.set(f32.constant(0)),
        end.set(plus(x.get, times(classes.get, FLOAT))),
        f.loop(at, x.get, end.get, 4, sum.set(f32.add(sum.get, f32.load(at.get)))),
        f.loop(at, x.get, end.get, 4, f32.store(at.get, f32.div(f32.load(at.get), sum.get))),
        f32.store(labelled, f32.sub(f32.load(labelled), f32.constant(1))),
        f.loop(at, x.get, end.get, 4, f32.store(at.get, f32.mul(f32.load(at.get), factor.get))),
        x.set(end.get),
        labels.add(int(4)),
      ),
    ),
  );
  return f;
}
