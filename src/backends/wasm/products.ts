// Matrix products of a dense layer.

import { FLOAT, plus, times, upTo } from "./arithmetic.js";
import {
  type Code,
  cat,
  FunctionBuilder,
  f32x4,
  i32,
  int,
  splat,
  v128,
  when,
  whileLoop,
} from "./assembler.js";

/** Columns that a panel has. */
export const PANEL = 4;

/**
 * c[n, p] = Σ_k a[n, k]·b[k, p] for rows n < m. b lies in panels of four columns, [⌈columns/4⌉][depth][4], zeros behind the
 * last; c [m][4·panels]. Four rows by eight columns stay in registers.
 *
 * Each number is added up in the order of k, one product and one addition at a time, in every tile: a row's result does not
 * depend on where it stands nor on how many there are.
 */
export function multiply(): FunctionBuilder {
  const f = new FunctionBuilder("multiply", 6);
  const [a, b, c, m, depth, panels] = f.parameters;
  const [row, panel, k, bAt, cAt, depthBytes, cBytes, panelBytes] = f.integers(8);
  const aAt = f.integers(4);
  const acc = Array.from({ length: 8 }, () => f.local("v128"));
  const [left, ...right] = [f.local("v128"), f.local("v128"), f.local("v128")];
  const tile = (rows: number, wide: number): Code =>
    cat(
      ...upTo(rows).map((r) => aAt[r].set(plus(a.get, times(i32.add(row.get, int(r)), depthBytes.get)))),
      bAt.set(plus(b.get, times(panel.get, panelBytes.get))),
      ...acc.slice(0, rows * wide).map((each) => each.set(splat(0))),
      f.loop(
        k,
        int(0),
        depth.get,
        1,
        cat(
          ...upTo(wide).map((w) =>
            right[w].set(v128.load(w === 0 ? bAt.get : plus(bAt.get, panelBytes.get))),
          ),
          ...upTo(rows).map((r) =>
            cat(
              left.set(v128.loadSplat(aAt[r].get)),
              ...upTo(wide).map((w) => {
                const sum = acc[r * wide + w];
                return sum.set(f32x4.add(sum.get, f32x4.mul(left.get, right[w].get)));
              }),
              aAt[r].add(FLOAT),
            ),
          ),
          bAt.add(int(16)),
        ),
      ),
      ...upTo(rows).map((r) =>
        cat(
          cAt.set(plus(c.get, times(i32.add(row.get, int(r)), cBytes.get), times(panel.get, int(16)))),
          ...upTo(wide).map((w) => v128.store(cAt.get, acc[r * wide + w].get, 16 * w)),
        ),
      ),
    );
  const overRows = (wide: number): Code =>
    cat(
      row.set(int(0)),
      whileLoop(i32.lessThan(i32.add(row.get, int(3)), m.get), cat(tile(4, wide), row.add(int(4)))),
      whileLoop(i32.lessThan(row.get, m.get), cat(tile(1, wide), row.add(int(1)))),
    );
  f.body = cat(
    depthBytes.set(times(depth.get, FLOAT)),
    cBytes.set(times(panels.get, int(16))),
    panelBytes.set(times(depth.get, int(16))),
    panel.set(int(0)),
    whileLoop(i32.lessThan(i32.add(panel.get, int(1)), panels.get), cat(overRows(2), panel.add(int(2)))),
    when(i32.lessThan(panel.get, panels.get), overRows(1)),
  );
  return f;
}
