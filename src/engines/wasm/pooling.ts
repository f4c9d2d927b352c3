// Max pooling and its gradient; channels are a multiple of four, windows lie within the image. Each window is gone through by
// itself, in the order of its places; overlapping windows add to dx in the order of the image.
import { FLOAT, plus, times, upTo } from "./arithmetic.js";
import {
  type Code,
  cat,
  doWhile,
  FunctionBuilder,
  f32x4,
  i32,
  int,
  type Local,
  v128,
  when,
} from "./assembler.js";

/**
 * Windows [i, oy, ox] four channels at a time. `taps` are the window's places, written out where its size is known (`window`
 * > 0), else gone through in loops: for each, `tap` is done with its address in x in `at`. o is the byte in the output.
 */
function overWindows(
  name: string,
  window: number,
  more: number,
  parts: (
    f: FunctionBuilder,
    place: { readonly at: Local; readonly o: Local; readonly corner: Local; readonly more: readonly Code[] },
  ) => {
    readonly begin: Code;
    readonly tap: Code;
    /** Of the window's last place, if it differs. */
    readonly last?: Code;
    readonly end: Code;
    /** Before a row of windows, whose first corner is in `corner`; `first` is 0 in an image's first row. */
    readonly row?: (row: {
      readonly first: Code;
      readonly rowBytes: Code;
      readonly pixelBytes: Code;
    }) => Code;
  },
): FunctionBuilder {
  const f = new FunctionBuilder(name, 10 + more);
  const [x, images, ho, wo, channels, imageBytes, rowBytes, xStep, yStep, size, ...others] = f.parameters;
  const [i, oy, ox, c, ky, kx, at, o, corner, row, pixelBytes] = f.integers(11);
  const {
    begin,
    tap,
    last = tap,
    end,
    row: before,
  } = parts(f, { at, o, corner, more: others.map((other) => other.get) });
  const next = at.add(pixelBytes.get);
  const taps =
    window > 0
      ? cat(
          ...upTo(window).map((y) =>
            cat(
              at.set(row.get),
              ...upTo(window).map((x) =>
                cat(y === window - 1 && x === window - 1 ? last : tap, x < window - 1 ? next : []),
              ),
              row.add(rowBytes.get),
            ),
          ),
        )
      : f.loop(
          ky,
          int(0),
          size.get,
          1,
          cat(at.set(row.get), f.loop(kx, int(0), size.get, 1, cat(tap, next)), row.add(rowBytes.get)),
        );
  f.body = cat(
    o.set(int(0)),
    pixelBytes.set(times(channels.get, FLOAT)),
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
        cat(
          corner.set(plus(x.get, times(i.get, imageBytes.get), times(oy.get, yStep.get))),
          before?.({ first: oy.get, rowBytes: rowBytes.get, pixelBytes: pixelBytes.get }) ?? [],
          f.loop(
            ox,
            int(0),
            wo.get,
            1,
            cat(
              corner.set(
                plus(x.get, times(i.get, imageBytes.get), times(oy.get, yStep.get), times(ox.get, xStep.get)),
              ),
              f.loop(
                c,
                int(0),
                channels.get,
                4,
                cat(row.set(corner.get), begin, taps, end, o.add(int(16)), corner.add(int(16))),
              ),
            ),
          ),
        ),
      ),
    ),
  );
  return f;
}

/** y = the maximum of each window; NaN where one is in it. */
export const maxPool = (window: number): FunctionBuilder =>
  overWindows(`maxPool${window}`, window, 1, (f, { at, o, corner, more: [y] }) => {
    const [top, value, broken] = upTo(3).map(() => f.local("v128"));
    return {
      begin: cat(top.set(v128.load(corner.get)), broken.set(f.constant(0))),
      // f32x4.max does the same in seven instructions.
      tap: cat(
        value.set(v128.load(at.get)),
        broken.set(v128.or(broken.get, f32x4.notEqual(value.get, value.get))),
        top.set(f32x4.pseudoMax(top.get, value.get)),
      ),
      end: v128.store(plus(y, o.get), v128.or(top.get, broken.get)),
    };
  });

/**
 * dx[the first place in each window where x equals the maximum y] += dy. `steps`: windows are one pixel apart, and dx need not
 * hold zeros: a window's last place is met by no window before, only the first row and column by none as their last.
 */
export const maxPoolGradient = (window: number, steps = false): FunctionBuilder =>
  overWindows(
    `maxPoolGradient${steps ? "Steps" : ""}${window}`,
    window,
    3,
    (f, { at, o, corner, more: [y, dy, toDx] }) => {
      const [top, g, free, hit] = upTo(4).map(() => f.local("v128"));
      const [to, end] = f.integers(2);
      const zeros = (from: Code, bytes: Code): Code =>
        cat(
          to.set(i32.add(from, toDx)),
          end.set(i32.add(to.get, bytes)),
          doWhile(cat(v128.store(to.get, f.constant(0)), to.add(int(16))), i32.lessThan(to.get, end.get)),
        );
      const find = cat(
        to.set(i32.add(at.get, toDx)),
        hit.set(v128.and(free.get, f32x4.equal(v128.load(at.get), top.get))),
      );
      return {
        begin: cat(
          top.set(v128.load(plus(y, o.get))),
          g.set(v128.load(plus(dy, o.get))),
          free.set(f32x4.equal(f.constant(0), f.constant(0))),
        ),
        tap: cat(
          find,
          free.set(v128.andNot(free.get, hit.get)),
          v128.store(to.get, f32x4.add(v128.load(to.get), v128.and(g.get, hit.get))),
        ),
        ...(steps && {
          last: cat(find, v128.store(to.get, v128.and(g.get, hit.get))),
          row: ({ first, rowBytes, pixelBytes }) =>
            cat(
              when(i32.lessThan(first, int(1)), zeros(corner.get, rowBytes)),
              zeros(plus(corner.get, rowBytes), pixelBytes),
            ),
        }),
        end: [],
      };
    },
  );
