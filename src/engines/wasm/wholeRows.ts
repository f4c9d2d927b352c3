// Rows of numbers to whole ones of sixteen bits, in the order in which sums of outer products take them.

import { WHOLE_LARGEST } from "../../trainer/kernels.js";
import { FLOAT, plus, times, upTo } from "./arithmetic.js";
import {
  type Code,
  cat,
  FunctionBuilder,
  f32,
  f32x4,
  f64,
  f64x2,
  i32,
  i32x4,
  i64,
  i64x2,
  int,
  type Local,
  v128,
  when,
} from "./assembler.js";
import { GROUP, GROUP_BYTES } from "./exactProducts.js";

/** 1.5·2^23: added to a number below 2^22 it leaves the nearest whole number in the last bits, of two the even one. */
const ROUNDING = 1.5 * 2 ** 23;
/** Bytes of room that a call needs at `room`. */
export const ROOM_BYTES = 2 * GROUP_BYTES;

const VECTORS = upTo(GROUP / 4);

/**
 * Rows x [n][inputs] to the whole numbers nearest to (2^15 − 1)/largest[n]·x_n, largest[n] the row's largest magnitude: in blocks
 * of `pairs` pairs of rows, in them groups of sixteen inputs, in them the pairs as `addOuterProducts` reads them. squares[n] is
 * the sum of the whole numbers' squares, exact. Where largest[n] is below 2^-100, or no finite number, they mean nothing.
 *
 * Where n is odd, the last row is its own neighbour. largest and squares have room for an even number.
 */
export function wholeRows(): FunctionBuilder {
  const f = new FunctionBuilder("wholeRows", 9);
  const [x, n, inputs, out, largest, squares, room, pairs, groups] = f.parameters;
  const [row, place, to, end, at, rest, most, k, rowBytes, next] = f.integers(10);
  /** Of both rows of a pair: where its numbers are, their scale, and what becomes of them. */
  const rows = upTo(2).map((index) => ({
    index,
    from: f.local(),
    bits: f.local(),
    scale: f.local("v128"),
    numbers: f.local("v128"),
    squares: f.local("v128"),
    totals: f.local("v128"),
  }));
  const magnitudes = [f.local("v128"), f.local("v128")];
  const [rounding, withoutSign, lowHalves] = [ROUNDING, 0, 0].map(() => f.local("v128"));
  const WITHOUT_SIGN = int(0x7fffffff);

  /** Magnitudes are in the order of their bits, infinity and what is no number above them all. */
  const larger = (bits: Code): Code =>
    cat(next.set(bits), most.set(i32.select(next.get, most.get, i32.lessThan(most.get, next.get))));
  const largestOf = (from: Local): Code =>
    cat(
      ...magnitudes.map((each) => each.set(f64x2.zero)),
      end.set(plus(from.get, times(i32.sub(inputs.get, rest.get), FLOAT))),
      f.loop(
        at,
        from.get,
        end.get,
        GROUP_BYTES,
        cat(
          ...VECTORS.map((i) => {
            const each = magnitudes[i % 2];
            return each.set(i32x4.max(each.get, v128.and(v128.load(at.get, 16 * i), withoutSign.get)));
          }),
        ),
      ),
      magnitudes[0].set(i32x4.max(magnitudes[0].get, magnitudes[1].get)),
      most.set(int(0)),
      ...upTo(4).map((lane) => larger(i32x4.lane(magnitudes[0].get, lane))),
      f.loop(
        k,
        int(0),
        times(rest.get, FLOAT),
        4,
        larger(i32.and(i32.load(plus(end.get, k.get)), WITHOUT_SIGN)),
      ),
    );

  /** Sixteen inputs of both rows. Four squares are below 2^32: they are added up in 32 bits, their sums in 64. */
  const group = cat(
    ...VECTORS.map((i) =>
      cat(
        ...rows.map(({ index, from, scale, numbers, squares }) => {
          const rounded = f32x4.add(f32x4.mul(v128.load(from.get, 16 * i), scale.get), rounding.get);
          const half = index === 0 ? v128.and(rounded, lowHalves.get) : i32x4.shiftLeft(rounded, int(16));
          const square = i32x4.dot(numbers.get, numbers.get);
          return cat(numbers.set(half), squares.set(i === 0 ? square : i32x4.add(squares.get, square)));
        }),
        v128.store(to.get, v128.or(rows[0].numbers.get, rows[1].numbers.get), 16 * i),
      ),
    ),
    ...rows.map(({ squares, totals }) =>
      totals.set(
        i64x2.add(totals.get, i64x2.add(i64x2.extendLow(squares.get), i64x2.extendHigh(squares.get))),
      ),
    ),
  );
  const rowAt = plus(x.get, times(row.get, rowBytes.get));
  f.body = cat(
    rounding.set(f32x4.splat(f32.constant(ROUNDING))),
    withoutSign.set(i32x4.splat(WITHOUT_SIGN)),
    lowHalves.set(i32x4.splat(int(0xffff))),
    rowBytes.set(times(inputs.get, FLOAT)),
    rest.set(i32.and(inputs.get, int(GROUP - 1))),
    f.loop(
      row,
      int(0),
      n.get,
      2,
      cat(
        // Of this pair in its block, the first group.
        to.set(plus(out.get, times(place.get, int(GROUP_BYTES)))),
        rows[0].from.set(rowAt),
        rows[1].from.set(
          i32.select(
            plus(rows[0].from.get, rowBytes.get),
            rows[0].from.get,
            i32.lessThan(plus(row.get, int(1)), n.get),
          ),
        ),
        ...rows.map(({ from, scale, totals }) =>
          cat(
            largestOf(from),
            i32.store(largest.get, most.get),
            largest.add(int(4)),
            scale.set(f32x4.splat(f32.div(f32.constant(WHOLE_LARGEST), f32.ofBits(most.get)))),
            totals.set(f64x2.zero),
          ),
        ),
        end.set(plus(rows[0].from.get, times(i32.sub(inputs.get, rest.get), FLOAT))),
        f.loop(
          at,
          rows[0].from.get,
          end.get,
          GROUP_BYTES,
          cat(
            group,
            ...rows.map(({ from }) => from.add(int(GROUP_BYTES))),
            to.add(times(pairs.get, int(GROUP_BYTES))),
          ),
        ),
        // The last inputs with zeros behind them: behind them lies the next row.
        when(
          rest.get,
          cat(
            ...upTo(ROOM_BYTES / 16).map((i) => v128.store(room.get, f64x2.zero, 16 * i)),
            ...rows.map(({ index, from }) =>
              cat(
                f.loop(
                  k,
                  int(0),
                  times(rest.get, FLOAT),
                  4,
                  i32.store(plus(room.get, int(index * GROUP_BYTES), k.get), i32.load(plus(from.get, k.get))),
                ),
                from.set(plus(room.get, int(index * GROUP_BYTES))),
              ),
            ),
            group,
          ),
        ),
        ...rows.map(({ totals }) =>
          cat(
            f64.store(
              squares.get,
              f64.fromUnsigned64(i64.add(i64x2.lane(totals.get, 0), i64x2.lane(totals.get, 1))),
            ),
            squares.add(int(8)),
          ),
        ),
        place.add(int(1)),
        when(
          i32.lessThan(i32.sub(pairs.get, int(1)), place.get),
          cat(place.set(int(0)), out.add(times(groups.get, pairs.get, int(GROUP_BYTES)))),
        ),
      ),
    ),
  );
  return f;
}
