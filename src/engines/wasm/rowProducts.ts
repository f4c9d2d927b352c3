// Products of rows with a matrix of few columns: lanes run over the inputs, so that no column is computed that is not wanted.

import { FLOAT, plus, times, upTo } from "./arithmetic.js";
import {
  type Code,
  cat,
  doTwice,
  FunctionBuilder,
  f32x4,
  i32,
  int,
  type Local,
  splat,
  v128,
  when,
  whileLoop,
} from "./assembler.js";
import type { MultiplyAdd } from "./variant.js";

/** Rows and columns whose sums stay in registers, with all factors of a step: V8 loads those before the first product. */
const ROWS = 4;
const COLUMNS = 2;

/**
 * out[n, j] = bias[j] + Σ_i a[n, i]·b[j, i] for `columns` columns j, `inputs` a multiple of four: four sums, of the inputs that are
 * alike modulo four, in the order of i, then (s0 + s2) + (s1 + s3). Each belongs to one row, and is the same in any tile: a row
 * that is missing is the last one again.
 */
export function rowProducts(multiplyAdd: MultiplyAdd): FunctionBuilder {
  const f = new FunctionBuilder("rowProducts", 7);
  const [a, b, bias, out, n, inputs, columns] = f.parameters;
  const [row, j, end, inputBytes, columnBytes, bAt] = f.integers(6);
  const rows = upTo(ROWS).map(() => ({
    from: f.local(),
    at: f.local(),
    to: f.local(),
    values: f.local("v128"),
  }));
  const sums = upTo(ROWS * COLUMNS).map(() => f.local("v128"));
  const right = f.local("v128");
  const column = upTo(COLUMNS).map(() => f.local());

  const added = (sum: Local): Code =>
    cat(
      sum.set(f32x4.add(sum.get, f32x4.shuffle(sum.get, sum.get, [2, 3, 2, 3]))),
      sum.set(f32x4.add(sum.get, f32x4.shuffle(sum.get, sum.get, [1, 1, 1, 1]))),
    );
  /** Four inputs of each row, by as many of each column. */
  const step = (wide: number, offset: number): Code =>
    cat(
      ...rows.map(({ at, values }) => values.set(v128.load(at.get, offset))),
      ...upTo(wide).map((c) =>
        cat(
          right.set(v128.load(column[c].get, offset)),
          ...rows.map(({ values }, r) => {
            const sum = sums[ROWS * c + r];
            return sum.set(multiplyAdd(values.get, right.get, sum.get));
          }),
        ),
      ),
    );
  const tile = (wide: number): Code =>
    cat(
      ...rows.map(({ at, from }) => at.set(from.get)),
      end.set(plus(rows[0].at.get, inputBytes.get)),
      ...column
        .slice(0, wide)
        .map((each, c) => each.set(c === 0 ? bAt.get : plus(column[c - 1].get, inputBytes.get))),
      ...sums.slice(0, ROWS * wide).map((sum) => sum.set(splat(0))),
      // Not in one block: V8 loads all of a block's factors before its first product, and those of two steps fill no registers.
      doTwice(
        step(wide, 0),
        i32.lessThan(plus(rows[0].at.get, int(16)), end.get),
        cat(
          step(wide, 16),
          ...[...rows.map(({ at }) => at), ...column.slice(0, wide)].map((each) => each.add(int(32))),
        ),
        i32.lessThan(rows[0].at.get, end.get),
      ),
      ...upTo(wide).map((c) =>
        cat(
          ...rows.map(({ to }, r) => {
            const sum = sums[ROWS * c + r];
            const start = v128.loadSplat(plus(bias.get, times(j.get, FLOAT)), 4 * c);
            return cat(
              added(sum),
              v128.storeLane(plus(to.get, times(j.get, FLOAT)), f32x4.add(start, sum.get), 4 * c),
            );
          }),
        ),
      ),
      bAt.add(times(inputBytes.get, int(wide))),
      j.add(int(wide)),
    );
  f.body = cat(
    inputBytes.set(times(inputs.get, FLOAT)),
    columnBytes.set(times(columns.get, FLOAT)),
    f.loop(
      row,
      int(0),
      n.get,
      ROWS,
      cat(
        ...rows.map(({ from, to }, r) =>
          r === 0
            ? cat(
                from.set(plus(a.get, times(row.get, inputBytes.get))),
                to.set(plus(out.get, times(row.get, columnBytes.get))),
              )
            : cat(
                from.set(rows[r - 1].from.get),
                to.set(rows[r - 1].to.get),
                when(
                  i32.lessThan(plus(row.get, int(r)), n.get),
                  cat(from.add(inputBytes.get), to.add(columnBytes.get)),
                ),
              ),
        ),
        bAt.set(b.get),
        j.set(int(0)),
        whileLoop(i32.lessThan(plus(j.get, int(COLUMNS - 1)), columns.get), tile(COLUMNS)),
        whileLoop(i32.lessThan(j.get, columns.get), tile(1)),
      ),
    ),
  );
  return f;
}
