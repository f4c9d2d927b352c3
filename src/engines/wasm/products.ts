// Products that convolutions are made of: rows that lie anywhere in memory times a packed matrix.
import { FLOAT, plus, times, upTo } from "./arithmetic.js";
import {
  type Code,
  cat,
  doTwice,
  doWhile,
  FunctionBuilder,
  i32,
  int,
  type Local,
  splat,
  v128,
  when,
} from "./assembler.js";
import type { MultiplyAdd } from "./variant.js";

/** Rows of a tile, and columns of a panel: 4 × 8 sums stay in registers while the factors stream by. */
export const TILE_ROWS = 4;
export const PANEL = 8;
/** Rows that meet a panel before the next is taken: they and it stay in the caches. */
const BLOCK_ROWS = 64;

/**
 * One step for each `bytes` of `at` before `count` of them are over. Not unrolled here: V8 loads all of a block's operands before
 * its first product, and those of several steps do not fit the registers; it repeats the step itself, with its test. Two steps
 * in two blocks for one movement of the addresses (doTwice) are slower where runs are short.
 */
function inSteps(f: FunctionBuilder, at: Local, count: Code, bytes: number, step: Code): Code {
  const end = f.local();
  return cat(end.set(plus(at.get, times(count, int(bytes)))), doWhile(step, i32.lessThan(at.get, end.get)));
}

/**
 * out[f, row, p] = bias[p] + Σ_{ky, k} a[f, table[row] + ky·rowBytes + k]·b[f, p/8, ky, k, p mod 8] for each of `batches` f,
 * with P = 8·panels. The windows of a convolution are such rows: `kernelHeight` runs of `run` = kw·C floats, contiguous
 * in NHWC; no patch matrix is ever formed. The table holds bytes and is as long as a multiple of four.
 *
 * Each sum belongs to one row, begins with the bias, and is added up in the order of ky and k by one multiply-add after the
 * other, whatever the tile: rows beyond `count` are computed from the table's last entries and not stored.
 */
export function windowProducts(multiplyAdd: MultiplyAdd): FunctionBuilder {
  const f = new FunctionBuilder("windowProducts", 15);
  const [table, count, a, b, bias, out, outRowBytes, panels, kernelHeight, rowBytes, run, ...more] =
    f.parameters;
  const [batches, aBatchBytes, bBatchBytes, outBatchBytes] = more;
  const [batch, block, blockEnd, panel, row, ky, bAt, o, panelBytes, skip] = f.integers(10);
  const at = f.integers(TILE_ROWS);
  const left = f.local("v128");
  const right = [f.local("v128"), f.local("v128")];
  const sums = upTo(2 * TILE_ROWS).map(() => f.local("v128"));

  const step = cat(
    ...right.map((each, half) => each.set(v128.load(bAt.get, 16 * half))),
    ...at.map((each, i) =>
      cat(
        left.set(v128.loadSplat(each.get)),
        ...right.map((other, half) =>
          sums[2 * i + half].set(multiplyAdd(left.get, other.get, sums[2 * i + half].get)),
        ),
      ),
    ),
    ...at.map((each) => each.add(int(4))),
    bAt.add(int(32)),
  );
  const tableAt = plus(table.get, times(row.get, int(4)));
  const store = (i: number): Code =>
    cat(
      v128.store(o.get, sums[2 * i].get),
      v128.store(o.get, sums[2 * i + 1].get, 16),
      o.add(outRowBytes.get),
    );
  const tile = cat(
    ...at.map((each, i) => each.set(plus(a.get, i32.load(tableAt, 4 * i)))),
    ...sums.map((sum, i) => sum.set(v128.load(plus(bias.get, times(panel.get, int(32))), 16 * (i % 2)))),
    bAt.set(plus(b.get, times(panel.get, panelBytes.get))),
    ky.set(kernelHeight.get),
    doWhile(
      cat(inSteps(f, at[0], run.get, 4, step), ...at.map((each) => each.add(skip.get)), ky.add(int(-1))),
      ky.get,
    ),
    o.set(plus(out.get, times(row.get, outRowBytes.get), times(panel.get, int(32)))),
    ...upTo(TILE_ROWS).map((i) =>
      i === 0 ? store(0) : when(i32.lessThan(plus(row.get, int(i)), count.get), store(i)),
    ),
  );
  f.body = cat(
    panelBytes.set(times(kernelHeight.get, run.get, int(32))),
    skip.set(i32.sub(rowBytes.get, times(run.get, FLOAT))),
    f.loop(
      batch,
      int(0),
      batches.get,
      1,
      cat(
        f.loop(
          block,
          int(0),
          count.get,
          BLOCK_ROWS,
          cat(
            blockEnd.set(plus(block.get, int(BLOCK_ROWS))),
            when(i32.lessThan(count.get, blockEnd.get), blockEnd.set(count.get)),
            f.loop(panel, int(0), panels.get, 1, f.loop(row, block.get, blockEnd.get, TILE_ROWS, tile)),
          ),
        ),
        a.add(aBatchBytes.get),
        b.add(bBatchBytes.get),
        out.add(outBatchBytes.get),
      ),
    ),
  );
  return f;
}

/**
 * out[f, r, p] = Σ_t v[f, r/4, t, r mod 4]·d[f, p/8, t, p mod 8] for `quads`·4 rows r, `panels`·8 columns p and `steps` t, each
 * sum in the order of t from zero. v, d and out start at the first row and column wanted.
 */
export function outerProducts(multiplyAdd: MultiplyAdd): FunctionBuilder {
  const f = new FunctionBuilder("outerProducts", 11);
  const [v, d, out, steps, quads, panels, outRowBytes, batches, vBatchBytes, dBatchBytes, outBatchBytes] =
    f.parameters;
  const [batch, quad, panel, vAt, dAt, o, end] = f.integers(7);
  const left = f.local("v128");
  const right = [f.local("v128"), f.local("v128")];
  const sums = upTo(2 * TILE_ROWS).map(() => f.local("v128"));
  const step = (ahead: number): Code =>
    cat(
      ...right.map((each, half) => each.set(v128.load(dAt.get, 32 * ahead + 16 * half))),
      ...upTo(TILE_ROWS).map((i) =>
        cat(
          left.set(v128.loadSplat(vAt.get, 16 * ahead + 4 * i)),
          ...right.map((other, half) =>
            sums[2 * i + half].set(multiplyAdd(left.get, other.get, sums[2 * i + half].get)),
          ),
        ),
      ),
    );
  const tile = cat(
    vAt.set(plus(v.get, times(quad.get, steps.get, int(16)))),
    dAt.set(plus(d.get, times(panel.get, steps.get, int(32)))),
    ...sums.map((sum) => sum.set(splat(0))),
    end.set(plus(vAt.get, times(steps.get, int(16)))),
    doTwice(
      step(0),
      i32.lessThan(plus(vAt.get, int(16)), end.get),
      cat(step(1), vAt.add(int(32)), dAt.add(int(64))),
      i32.lessThan(vAt.get, end.get),
    ),
    o.set(plus(out.get, times(quad.get, outRowBytes.get, int(4)), times(panel.get, int(32)))),
    ...upTo(TILE_ROWS).map((i) =>
      cat(
        v128.store(o.get, sums[2 * i].get),
        v128.store(o.get, sums[2 * i + 1].get, 16),
        o.add(outRowBytes.get),
      ),
    ),
  );
  f.body = f.loop(
    batch,
    int(0),
    batches.get,
    1,
    cat(
      f.loop(panel, int(0), panels.get, 1, f.loop(quad, int(0), quads.get, 1, tile)),
      v.add(vBatchBytes.get),
      d.add(dBatchBytes.get),
      out.add(outBatchBytes.get),
    ),
  );
  return f;
}
