// Kernels over windows of images: filter gradients, and the sum of patches.

import { FLOAT, plus, times, upTo } from "./arithmetic.js";
import {
  cat,
  doWhile,
  FunctionBuilder,
  f32,
  f32x4,
  i32,
  int,
  splat,
  v128,
  when,
  whileLoop,
} from "./assembler.js";
import type { MultiplyAdd } from "./variant.js";

/**
 * out[n, k, r, p] = Σ_{view, t} x[n·views + view, table[t] + k·rowBytes + r] · dy[n·views + view, t, p] for rFrom ≤ r < rTo, added
 * to what stands in out if `adds`: k is the filter's row, r = kw·C + c runs over floats that lie contiguous in NHWC, and the table
 * holds, in bytes, where the window of each position t begins. No patch matrix is ever formed.
 *
 * `rows` values of r by 8 of p stay in registers while the positions stream by; P is a multiple of 8. Each sum is added up in the
 * order of views and positions by one multiply-add after the other, from the numbers of its own example.
 */
export function filterGradients(rows: number, multiplyAdd: MultiplyAdd): FunctionBuilder {
  const f = new FunctionBuilder(`filterGradients${rows}`, 15);
  const [x, dy, out, n, views, table, positions, channels, imageBytes, rowBytes, kh, run, rFrom, rTo, adds] =
    f.parameters;
  const [i, k, r, p, view, xStart, xAt, dyAt, at, end, o, channelBytes] = f.integers(12);
  const left = f.local("v128");
  const d = [f.local("v128"), f.local("v128")];
  const acc = upTo(rows * 2).map(() => f.local("v128"));

  const atPosition = cat(
    xAt.set(plus(xStart.get, i32.load(at.get))),
    d[0].set(v128.load(dyAt.get)),
    d[1].set(v128.load(dyAt.get, 16)),
    ...acc.map((a, index) =>
      cat(
        index % 2 === 0 ? left.set(v128.loadSplat(xAt.get, 4 * (index >> 1))) : [],
        a.set(multiplyAdd(left.get, d[index % 2].get, a.get)),
      ),
    ),
    at.add(int(4)),
    dyAt.add(channelBytes.get),
  );
  const image = i32.add(times(i.get, views.get), view.get);
  const overImage = cat(
    xStart.set(plus(x.get, times(image, imageBytes.get), times(k.get, rowBytes.get), times(r.get, FLOAT))),
    dyAt.set(plus(dy.get, times(image, positions.get, channelBytes.get), times(p.get, FLOAT))),
    at.set(table.get),
    end.set(plus(table.get, times(positions.get, int(4)))),
    doWhile(atPosition, i32.lessThan(at.get, end.get)),
  );
  const block = cat(
    o.set(
      plus(
        out.get,
        times(i32.add(times(i32.add(times(i.get, kh.get), k.get), run.get), r.get), channelBytes.get),
        times(p.get, FLOAT),
      ),
    ),
    ...acc.map((a) => a.set(splat(0))),
    when(
      adds.get,
      cat(
        ...upTo(rows).map((row) => {
          const from = plus(o.get, times(int(row), channelBytes.get));
          return cat(acc[2 * row].set(v128.load(from)), acc[2 * row + 1].set(v128.load(from, 16)));
        }),
      ),
    ),
    f.loop(view, int(0), views.get, 1, overImage),
    ...upTo(rows).map((row) =>
      cat(
        v128.store(o.get, acc[2 * row].get),
        v128.store(o.get, acc[2 * row + 1].get, 16),
        o.add(channelBytes.get),
      ),
    ),
  );
  f.body = cat(
    channelBytes.set(times(channels.get, FLOAT)),
    f.loop(
      i,
      int(0),
      n.get,
      1,
      f.loop(
        k,
        int(0),
        kh.get,
        1,
        f.loop(r, rFrom.get, rTo.get, rows, f.loop(p, int(0), channels.get, 8, block)),
      ),
    ),
  );
  return f;
}

/** The transpose of taking patches: out[image, oy·s + k, ox·s·C + r] += columns[image, oy, ox, k, r]; `gap` bytes between patches. */
export function addPatches(): FunctionBuilder {
  const f = new FunctionBuilder("addPatches", 12);
  const [columns, out, images, ho, wo, kh, run, imageBytes, rowBytes, xStep, yStep, gap] = f.parameters;
  const [i, oy, ox, k, from, to, end] = f.integers(7);
  const patchRow = cat(
    to.set(
      plus(
        out.get,
        times(i.get, imageBytes.get),
        times(oy.get, yStep.get),
        times(k.get, rowBytes.get),
        times(ox.get, xStep.get),
      ),
    ),
    end.set(plus(to.get, times(run.get, FLOAT))),
    whileLoop(
      i32.lessThan(i32.add(to.get, int(12)), end.get),
      cat(
        v128.store(to.get, f32x4.add(v128.load(to.get), v128.load(from.get))),
        to.add(int(16)),
        from.add(int(16)),
      ),
    ),
    whileLoop(
      i32.lessThan(to.get, end.get),
      cat(f32.store(to.get, f32.add(f32.load(to.get), f32.load(from.get))), to.add(int(4)), from.add(int(4))),
    ),
  );
  f.body = cat(
    from.set(columns.get),
    f.loop(
      i,
      int(0),
      images.get,
      1,
      f.loop(
        oy,
        int(0),
        ho.get,
        1,
        f.loop(ox, int(0), wo.get, 1, cat(f.loop(k, int(0), kh.get, 1, patchRow), from.add(gap.get))),
      ),
    ),
  );
  return f;
}
