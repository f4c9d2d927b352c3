// Exact sums of examples' outer products, whose factors are whole numbers: sixteen bits a factor, eight products an instruction.
import { DOUBLE, FLOAT, plus, times, upTo } from "./arithmetic.js";
import {
  type Code,
  cat,
  doTwice,
  FunctionBuilder,
  f32,
  f64,
  f64x2,
  i32,
  i32x4,
  int,
  v128,
  when,
} from "./assembler.js";

/** Inputs that stay in registers while the examples stream by, and what two examples' take: a line of the cache. */
export const GROUP = 16;
export const GROUP_BYTES = 64;
/**
 * Pairs of examples in a block at most: inputs are below 2^15 in magnitude, digits at most 2^10 (the higher one of at most
 * 2^21 + 2^7 as well), so sums of 64 products stay below 2^31.
 */
export const MOST_PAIRS = 32;
/** Bits of the lower digit. */
export const DIGIT_BITS = 11;

const ROWS = upTo(4);

/** Bytes of room that a call needs at `room`. */
export const SUMS_BYTES = 8 * GROUP;

/**
 * sum[i, j] += unit·Σ_n x[n, i]·(2^11·high[n, j] + low[n, j]) of whole numbers, exactly, so that neither order nor tiles matter.
 *
 * x lies in `blocks` blocks of `groups` groups of sixteen inputs (`wholeRows`): of each of `pairs` pairs of examples four vectors
 * of four inputs, the first example's in the low halves of the lanes, the second's in the high ones. The digits lie block by
 * block, in it unit by unit, in it pair by pair: the high ones of both examples, then the low ones. sum is [inputs][units] in
 * float64. Of sixteen inputs and a unit a block is added up in whole numbers of 32 bits, the blocks in float64.
 */
export function addOuterProducts(): FunctionBuilder {
  const f = new FunctionBuilder("addOuterProducts", 10);
  const [sum, x, digits, room, blocks, pairs, inputs, units, groups, unit] = f.parameters;
  const [i, j, block, at, end, dAt, sumAt, rowBytes, rest, groupAt, blockAt, blockDAt] = f.integers(12);
  const [pairBytes, blockBytes, blockDigits] = f.integers(3);
  const [highs, lows] = [ROWS.map(() => f.local("v128")), ROWS.map(() => f.local("v128"))];
  const [high, low, four] = upTo(3).map(() => f.local("v128"));
  const [units64, shift] = [f.local("v128"), f.local("v128")];
  /** `ahead` pairs further on. */
  const step = (ahead: number): Code =>
    cat(
      high.set(v128.loadSplat(dAt.get, 8 * ahead)),
      low.set(v128.loadSplat(dAt.get, 8 * ahead + 4)),
      ...ROWS.map((row) =>
        cat(
          four.set(v128.load(at.get, GROUP_BYTES * ahead + 16 * row)),
          highs[row].set(i32x4.add(highs[row].get, i32x4.dot(four.get, high.get))),
          lows[row].set(i32x4.add(lows[row].get, i32x4.dot(four.get, low.get))),
        ),
      ),
    );
  const eachPairOfInputs = (body: (index: number) => Code): Code => cat(...upTo(GROUP / 2).map(body));
  const addBlock = eachPairOfInputs((index) => {
    const [row, wide] = [index >> 1, index % 2 === 0 ? f64x2.convertLow : f64x2.convertHigh];
    const both = f64x2.add(wide(lows[row].get), f64x2.mul(shift.get, wide(highs[row].get)));
    return v128.store(room.get, f64x2.add(v128.load(room.get, 16 * index), both), 16 * index);
  });
  /** To their places in the sum, unless they lie behind the last input. */
  const addToSum = eachPairOfInputs((index) =>
    cat(
      four.set(f64x2.mul(units64.get, v128.load(room.get, 16 * index))),
      ...([0, 1] as const).map((lane) =>
        cat(
          when(
            i32.lessThan(int(2 * index + lane), rest.get),
            f64.store(sumAt.get, f64.add(f64.load(sumAt.get), f64x2.lane(four.get, lane))),
          ),
          sumAt.add(rowBytes.get),
        ),
      ),
    ),
  );
  f.body = cat(
    rowBytes.set(times(units.get, DOUBLE)),
    pairBytes.set(times(pairs.get, int(GROUP_BYTES))),
    blockBytes.set(times(groups.get, pairBytes.get)),
    blockDigits.set(times(units.get, pairs.get, int(8))),
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
        f.loop(
          j,
          int(0),
          units.get,
          1,
          cat(
            eachPairOfInputs((index) => v128.store(room.get, f64x2.zero, 16 * index)),
            blockAt.set(groupAt.get),
            blockDAt.set(plus(digits.get, times(j.get, pairs.get, int(8)))),
            f.loop(
              block,
              int(0),
              blocks.get,
              1,
              cat(
                ...[...highs, ...lows].map((each) => each.set(f64x2.zero)),
                end.set(plus(blockAt.get, pairBytes.get)),
                at.set(blockAt.get),
                dAt.set(blockDAt.get),
                doTwice(
                  step(0),
                  i32.lessThan(plus(at.get, int(GROUP_BYTES)), end.get),
                  cat(step(1), at.add(int(2 * GROUP_BYTES)), dAt.add(int(16))),
                  i32.lessThan(at.get, end.get),
                ),
                addBlock,
                blockAt.add(blockBytes.get),
                blockDAt.add(blockDigits.get),
              ),
            ),
            sumAt.set(plus(sum.get, times(i.get, rowBytes.get), times(j.get, DOUBLE))),
            addToSum,
          ),
        ),
        groupAt.add(pairBytes.get),
      ),
    ),
  );
  return f;
}

/**
 * Whole numbers trunc(weights[n]·d[n, j]) of float32 d [n][units] as the digits that `addOuterProducts` takes, block by block of
 * `pairs` pairs; zeros for examples that a block lacks. `weights` [blocks·pairs·2] float64. Not 0 if one of them is above `most`
 * in magnitude: then the digits mean nothing.
 */
export function splitDigits(): FunctionBuilder {
  const f = new FunctionBuilder("splitDigits", 8, "i32");
  const [d, weights, out, n, units, blocks, pairs, most] = f.parameters;
  const [block, k, j, example, from, to, value, higher, tooLarge] = f.integers(9);
  const weight = f.local("f64");
  const DIGIT = int(DIGIT_BITS);
  const eachUnit = cat(
    value.set(i32.truncSaturated(f64.mul(weight.get, f64.promote(f32.load(from.get))))),
    tooLarge.set(
      i32.or(tooLarge.get, i32.lessThan(i32.shiftLeft(most.get, int(1)), plus(value.get, most.get))),
    ),
    higher.set(i32.shiftRightSigned(plus(value.get, int(2 ** (DIGIT_BITS - 1))), DIGIT)),
    i32.storeHalf(to.get, higher.get),
    i32.storeHalf(to.get, i32.sub(value.get, i32.shiftLeft(higher.get, DIGIT)), 4),
    from.add(int(4)),
    to.add(times(pairs.get, int(8))),
  );
  f.body = cat(
    f.loop(
      block,
      int(0),
      blocks.get,
      1,
      cat(
        f.loop(
          k,
          int(0),
          times(pairs.get, int(2)),
          1,
          cat(
            weight.set(f64.load(weights.get)),
            weights.add(DOUBLE),
            // Of a missing example the last one's numbers, times a weight of zero.
            from.set(plus(d.get, times(example.get, units.get, FLOAT))),
            when(i32.lessThan(plus(example.get, int(1)), n.get), example.add(int(1))),
            to.set(
              plus(
                out.get,
                times(i32.shiftRight(k.get, int(1)), int(8)),
                times(i32.and(k.get, int(1)), int(2)),
              ),
            ),
            f.loop(j, int(0), units.get, 1, eachUnit),
          ),
        ),
        out.add(times(units.get, pairs.get, int(8))),
      ),
    ),
    tooLarge.get,
  );
  return f;
}
