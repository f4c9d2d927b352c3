// Kernels over windows of images: filter gradients, and the sum of patches.
import { FLOAT, plus, times, upTo } from "./arithmetic.js";
import {
  cat,
  doTwice,
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
 * dy's numbers of one position are dyStep bytes from those of the last, eight of p panelBytes from the eight before.
 * `rows` values of r by 8 of p stay in registers while the positions stream by; P is a multiple of 8. Each sum is added up in the
 * order of views and positions by one multiply-add after the other, from the numbers of its own example.
 */
export function filterGradients(rows: number, multiplyAdd: MultiplyAdd): FunctionBuilder {
  const f = new FunctionBuilder(`filterGradients${rows}`, 17);
  const [
    x,
    dy,
    out,
    n,
    views,
    table,
    positions,
    channels,
    imageBytes,
    rowBytes,
    kh,
    run,
    rFrom,
    rTo,
    adds,
    dyStep,
    panelBytes,
  ] = f.parameters;
  const [i, k, r, p, view, xRow, xStart, xAt, dyRow, dyStart, dyAt, at, end, o, to] = f.integers(15);
  const [channelBytes, dyImageBytes] = f.integers(2);
  const left = f.local("v128");
  const d = [f.local("v128"), f.local("v128")];
  const acc = upTo(rows * 2).map(() => f.local("v128"));

  const atPosition = (ahead: number) =>
    cat(
      xAt.set(plus(xStart.get, i32.load(at.get, 4 * ahead))),
      d[0].set(v128.load(dyAt.get)),
      d[1].set(v128.load(dyAt.get, 16)),
      ...acc.map((a, index) =>
        cat(
          index % 2 === 0 ? left.set(v128.loadSplat(xAt.get, 4 * (index >> 1))) : [],
          a.set(multiplyAdd(left.get, d[index % 2].get, a.get)),
        ),
      ),
      dyAt.add(dyStep.get),
    );
  const overImage = cat(
    dyAt.set(dyStart.get),
    at.set(table.get),
    doTwice(
      atPosition(0),
      i32.lessThan(plus(at.get, int(4)), end.get),
      cat(atPosition(1), at.add(int(8))),
      i32.lessThan(at.get, end.get),
    ),
    xStart.add(imageBytes.get),
    dyStart.add(dyImageBytes.get),
    view.add(int(-1)),
  );
  // Addresses move on from block to block: with few positions to working them out anew would take as long as the sums.
  const block = cat(
    ...acc.map((a) => a.set(splat(0))),
    when(
      adds.get,
      cat(
        to.set(o.get),
        ...upTo(rows).map((row) =>
          cat(
            acc[2 * row].set(v128.load(to.get)),
            acc[2 * row + 1].set(v128.load(to.get, 16)),
            to.add(channelBytes.get),
          ),
        ),
      ),
    ),
    xStart.set(xRow.get),
    dyStart.set(dyRow.get),
    view.set(views.get),
    doWhile(overImage, view.get),
    to.set(o.get),
    ...upTo(rows).map((row) =>
      cat(
        v128.store(to.get, acc[2 * row].get),
        v128.store(to.get, acc[2 * row + 1].get, 16),
        to.add(channelBytes.get),
      ),
    ),
    o.add(int(32)),
    dyRow.add(panelBytes.get),
  );
  const row = cat(
    xRow.set(plus(x.get, times(k.get, rowBytes.get), times(r.get, FLOAT))),
    dyRow.set(dy.get),
    o.set(plus(out.get, times(i32.add(times(k.get, run.get), r.get), channelBytes.get))),
    f.loop(p, int(0), channels.get, 8, block),
  );
  f.body = cat(
    channelBytes.set(times(channels.get, FLOAT)),
    dyImageBytes.set(times(positions.get, channelBytes.get)),
    end.set(plus(table.get, times(positions.get, int(4)))),
    f.loop(
      i,
      int(0),
      n.get,
      1,
      cat(
        f.loop(k, int(0), kh.get, 1, f.loop(r, rFrom.get, rTo.get, rows, row)),
        x.add(times(views.get, imageBytes.get)),
        dy.add(times(views.get, dyImageBytes.get)),
        out.add(times(kh.get, run.get, channelBytes.get)),
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
