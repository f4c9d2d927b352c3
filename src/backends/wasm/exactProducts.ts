// Exact sums of examples' outer products, whose factors are whole numbers: sixteen bits a factor, eight products an instruction.

import { DOUBLE, plus, times, upTo } from "./arithmetic.js";
import { type Code, cat, FunctionBuilder, f64, f64x2, i32, i32x4, int, v128, when } from "./assembler.js";

/** Inputs that stay in registers while the examples stream by, and what two examples' take: a line of the cache. */
export const GROUP = 16;
export const GROUP_BYTES = 64;
/**
 * Pairs of examples that one call takes at most. An input is below 2^15 in magnitude, the lower digit at most 2^10, and the
 * product of an input and an output at most 2^36, that with the higher digit so at most 2^25 + 2^14: sums of 62 are below 2^31.
 */
export const MOST_PAIRS = 31;
/** Bits of the lower digit. */
export const DIGIT_BITS = 11;

const ROWS = upTo(4);

/**
 * sum[i, j] += unit·Σ_n x[n, i]·(2^11·high[n, j] + low[n, j]) of whole numbers, exactly, so that neither order nor tiles matter.
 *
 * x lies in groups of sixteen inputs (`wholeRows`), `groupBytes` apart: of each pair of examples four vectors of four inputs, the
 * first example's in the low halves of the lanes, the second's in the high ones. The digits of each unit lie pair by pair: the
 * high ones of both examples, then the low ones. sum is [inputs][units] in float64.
 */
export function addOuterProducts(): FunctionBuilder {
  const f = new FunctionBuilder("addOuterProducts", 8);
  const [sum, x, digits, pairs, inputs, units, groupBytes, unit] = f.parameters;
  const [i, j, at, end, dAt, sumAt, rowBytes, rest, groupAt] = f.integers(9);
  const [highs, lows] = [ROWS.map(() => f.local("v128")), ROWS.map(() => f.local("v128"))];
  const [high, low, four, both] = upTo(4).map(() => f.local("v128"));
  const [units64, shift] = [f.local("v128"), f.local("v128")];
  const step = cat(
    high.set(v128.loadSplat(dAt.get)),
    low.set(v128.loadSplat(dAt.get, 4)),
    ...ROWS.map((row) =>
      cat(
        four.set(v128.load(at.get, 16 * row)),
        highs[row].set(i32x4.add(highs[row].get, i32x4.dot(four.get, high.get))),
        lows[row].set(i32x4.add(lows[row].get, i32x4.dot(four.get, low.get))),
      ),
    ),
    at.add(int(GROUP_BYTES)),
    dAt.add(int(8)),
  );
  /** To a place in the sum, unless it lies behind the last input. */
  const add = (row: number, half: 0 | 1, lane: 0 | 1): Code =>
    cat(
      when(
        i32.lessThan(int(4 * row + 2 * half + lane), rest.get),
        f64.store(sumAt.get, f64.add(f64.load(sumAt.get), f64x2.lane(both.get, lane))),
      ),
      sumAt.add(rowBytes.get),
    );
  const flush = cat(
    ...ROWS.flatMap((row) =>
      ([0, 1] as const).map((half) => {
        const wide = half === 0 ? f64x2.convertLow : f64x2.convertHigh;
        return cat(
          both.set(
            f64x2.mul(
              units64.get,
              f64x2.add(wide(lows[row].get), f64x2.mul(shift.get, wide(highs[row].get))),
            ),
          ),
          add(row, half, 0),
          add(row, half, 1),
        );
      }),
    ),
  );
  f.body = cat(
    rowBytes.set(times(units.get, DOUBLE)),
    units64.set(f64x2.convertLow(i32x4.splat(unit.get))),
    shift.set(f64x2.convertLow(i32x4.splat(int(2 ** DIGIT_BITS)))),
    groupAt.set(x.get),
    f.loop(
      i,
      int(0),
      inputs.get,
      GROUP,
      cat(
        rest.set(i32.sub(inputs.get, i.get)),
        end.set(plus(groupAt.get, times(pairs.get, int(GROUP_BYTES)))),
        dAt.set(digits.get),
        f.loop(
          j,
          int(0),
          units.get,
          1,
          cat(
            ...[...highs, ...lows].map((each) => each.set(f64x2.zero)),
            f.loop(at, groupAt.get, end.get, 0, step),
            sumAt.set(plus(sum.get, times(i.get, rowBytes.get), times(j.get, DOUBLE))),
            flush,
          ),
        ),
        groupAt.add(groupBytes.get),
      ),
    ),
  );
  return f;
}
