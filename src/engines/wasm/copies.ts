// Numbers moved, not changed: rows of images, and matrices transposed.
import { FLOAT, plus, times, upTo } from "./arithmetic.js";
import { cat, FunctionBuilder, f32, f32x4, i32, int, v128, whileLoop } from "./assembler.js";

/** `rows` rows of `run` floats of each image, from one place to another, each with strides of its own. */
export function copyRows(): FunctionBuilder {
  const f = new FunctionBuilder("copyRows", 9);
  const [x, out, images, rows, run, imageBytes, rowBytes, outImageBytes, outRowBytes] = f.parameters;
  const [i, row, at, to, end] = f.integers(5);
  f.body = f.loop(
    i,
    int(0),
    images.get,
    1,
    f.loop(
      row,
      int(0),
      rows.get,
      1,
      cat(
        at.set(plus(x.get, times(i.get, imageBytes.get), times(row.get, rowBytes.get))),
        to.set(plus(out.get, times(i.get, outImageBytes.get), times(row.get, outRowBytes.get))),
        end.set(plus(at.get, times(run.get, FLOAT))),
        whileLoop(
          i32.lessThan(i32.add(at.get, int(12)), end.get),
          cat(v128.store(to.get, v128.load(at.get)), at.add(int(16)), to.add(int(16))),
        ),
        whileLoop(
          i32.lessThan(at.get, end.get),
          cat(f32.store(to.get, f32.load(at.get)), at.add(int(4)), to.add(int(4))),
        ),
      ),
    ),
  );
  return f;
}

/** out[b, j, i] = in[b, i, j], rows and columns multiples of four. */
export function transpose(): FunctionBuilder {
  const f = new FunctionBuilder("transpose", 5);
  const [x, out, batches, rows, columns] = f.parameters;
  const [b, i, j, at, o] = f.integers(5);
  const lines = upTo(4).map(() => f.local("v128"));
  const pairs = upTo(4).map(() => f.local("v128"));
  const rowBytes = times(columns.get, int(4));
  const outBytes = times(rows.get, int(4));
  const block = cat(
    at.set(plus(x.get, times(i.get, rowBytes), times(j.get, int(4)))),
    ...lines.map((line) => cat(line.set(v128.load(at.get)), at.add(rowBytes))),
    ...[0, 2].flatMap((first) => {
      const [a, c] = [lines[first].get, lines[first + 1].get];
      return [
        pairs[first].set(f32x4.shuffle(a, c, [0, 4, 1, 5])),
        pairs[first + 1].set(f32x4.shuffle(a, c, [2, 6, 3, 7])),
      ];
    }),
    o.set(plus(out.get, times(j.get, outBytes), times(i.get, int(4)))),
    ...[0, 1].flatMap((high) =>
      [
        [0, 1, 4, 5],
        [2, 3, 6, 7],
      ].map((lanes) =>
        cat(
          v128.store(
            o.get,
            f32x4.shuffle(pairs[high].get, pairs[2 + high].get, lanes as [number, number, number, number]),
          ),
          o.add(outBytes),
        ),
      ),
    ),
  );
  f.body = f.loop(
    b,
    int(0),
    batches.get,
    1,
    cat(
      f.loop(i, int(0), rows.get, 4, f.loop(j, int(0), columns.get, 4, block)),
      x.add(times(rows.get, rowBytes)),
      out.add(times(rows.get, rowBytes)),
    ),
  );
  return f;
}

/** out[j, i] = in[i, j], of any size, number by number. */
export function transposeAny(): FunctionBuilder {
  const f = new FunctionBuilder("transposeAny", 4);
  const [x, out, rows, columns] = f.parameters;
  const [i, j, to] = f.integers(3);
  f.body = f.loop(
    i,
    int(0),
    rows.get,
    1,
    cat(
      to.set(plus(out.get, times(i.get, FLOAT))),
      f.loop(
        j,
        int(0),
        columns.get,
        1,
        cat(f32.store(to.get, f32.load(x.get)), x.add(int(4)), to.add(times(rows.get, FLOAT))),
      ),
    ),
  );
  return f;
}
