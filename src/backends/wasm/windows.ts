// Kernels over windows of images: filter gradients, the sum of patches, and the gradient of max pooling.

import { FLOAT, plus, times } from "./arithmetic.js";
import { cat, FunctionBuilder, f32, f32x4, i32, int, splat, v128, when, whileLoop } from "./assembler.js";
import type { MultiplyAdd } from "./variant.js";

/**
 * out[n, kh, r, p] = Σ_{view, oy, ox} x[n·views + view, oy·s + kh, ox·s·C + r] · dy[n·views + view, oy, ox, p] for
 * rFrom ≤ r < rTo, added to what stands in out if `adds`, where r = kw·C + c runs over floats that lie contiguous in NHWC:
 * no patch matrix is ever formed.
 * `rows` values of r by 8 of p stay in registers while the positions stream by; P is a multiple of 8.
 */
export function filterGradients(rows: number, multiplyAdd: MultiplyAdd): FunctionBuilder {
  const f = new FunctionBuilder(`filterGradients${rows}`, 17);
  const [
    x,
    dy,
    out,
    n,
    views,
    ho,
    wo,
    channels,
    imageBytes,
    rowBytes,
    xStep,
    yStep,
    kh,
    run,
    rFrom,
    rTo,
    adds,
  ] = f.parameters;
  const [i, k, r, p, view, oy, ox, xRow, xAt, dyAt, o] = f.integers(11);
  const left = f.local("v128");
  const d = [f.local("v128"), f.local("v128")];
  const acc = Array.from({ length: rows * 2 }, () => f.local("v128"));
  const channelBytes = f.local();

  const atPosition = cat(
    d[0].set(v128.load(dyAt.get)),
    d[1].set(v128.load(dyAt.get, 16)),
    ...acc.map((a, index) =>
      cat(
        index % 2 === 0 ? left.set(v128.loadSplat(xAt.get, 4 * (index >> 1))) : [],
        a.set(multiplyAdd(left.get, d[index % 2].get, a.get)),
      ),
    ),
    xAt.add(xStep.get),
    dyAt.add(channelBytes.get),
  );
  const image = i32.add(times(i.get, views.get), view.get);
  const overImage = cat(
    xRow.set(plus(x.get, times(image, imageBytes.get), times(k.get, rowBytes.get), times(r.get, FLOAT))),
    dyAt.set(plus(dy.get, times(image, ho.get, wo.get, channelBytes.get), times(p.get, FLOAT))),
    f.loop(
      oy,
      int(0),
      ho.get,
      1,
      cat(xAt.set(xRow.get), f.loop(ox, int(0), wo.get, 1, atPosition), xRow.add(yStep.get)),
    ),
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
        ...Array.from({ length: rows }, (_, row) => {
          const at = plus(o.get, times(int(row), channelBytes.get));
          return cat(acc[2 * row].set(v128.load(at)), acc[2 * row + 1].set(v128.load(at, 16)));
        }),
      ),
    ),
    f.loop(view, int(0), views.get, 1, overImage),
    ...Array.from({ length: rows }, (_, row) =>
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

/** dx[the first place in each window where x equals the maximum y] += dy; channels a multiple of 4. */
export function maxPoolGradient(): FunctionBuilder {
  const f = new FunctionBuilder("maxPoolGradient", 13);
  const [x, y, dy, dx, images, ho, wo, channels, imageBytes, rowBytes, xStep, yStep, window] = f.parameters;
  const [i, oy, ox, c, ky, kx, at, o, corner] = f.integers(9);
  const [top, g, free, hit] = [f.local("v128"), f.local("v128"), f.local("v128"), f.local("v128")];
  const toDx = i32.sub(dx.get, x.get);
  const tap = cat(
    hit.set(v128.and(free.get, f32x4.equal(v128.load(at.get), top.get))),
    free.set(v128.andNot(free.get, hit.get)),
    v128.store(i32.add(at.get, toDx), f32x4.add(v128.load(i32.add(at.get, toDx)), v128.and(g.get, hit.get))),
    at.add(times(channels.get, FLOAT)),
  );
  const perWindow = cat(
    top.set(v128.load(plus(y.get, o.get))),
    g.set(v128.load(plus(dy.get, o.get))),
    free.set(f32x4.equal(splat(0), splat(0))),
    corner.set(
      plus(
        x.get,
        times(i.get, imageBytes.get),
        times(oy.get, yStep.get),
        times(ox.get, xStep.get),
        times(c.get, FLOAT),
      ),
    ),
    f.loop(
      ky,
      int(0),
      window.get,
      1,
      cat(at.set(corner.get), f.loop(kx, int(0), window.get, 1, tap), corner.add(rowBytes.get)),
    ),
    o.add(int(16)),
  );
  f.body = cat(
    o.set(int(0)),
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
        f.loop(ox, int(0), wo.get, 1, f.loop(c, int(0), channels.get, 4, perWindow)),
      ),
    ),
  );
  return f;
}
