// Sums, products, moments and affine maps channel by channel, for norms and biases. Each sum is of one image and channel, in the
// order of the positions, whether its channel comes in a vector of four or of sixteen.
import { FLOAT, plus, times, upTo } from "./arithmetic.js";
import { type Code, cat, FunctionBuilder, f32x4, i32, int, splat, v128, when } from "./assembler.js";

/**
 * The loop that the channel kernels share: images [i] of `positions` rows of `channels` numbers, `vectors` · 4 channels at
 * a time from cFrom to cTo. `begin` and `end` stand around the loop over positions; `at` is the byte in x, `yAt` that in y.
 */
function overChannels(
  name: string,
  vectors: number,
  more: number,
  parts: (
    f: FunctionBuilder,
    place: { readonly at: Code; readonly yAt: Code; readonly vector: Code; readonly more: readonly Code[] },
  ) => { readonly begin: Code; readonly each: Code; readonly end: Code },
): FunctionBuilder {
  const f = new FunctionBuilder(name, 8 + more);
  const [x, y, yImageBytes, images, positions, channels, cFrom, cTo, ...others] = f.parameters;
  const [i, c, t, at, yAt, vector] = f.integers(6);
  const { begin, each, end } = parts(f, {
    at: at.get,
    yAt: yAt.get,
    vector: vector.get,
    more: others.map((other) => other.get),
  });
  const rowBytes = times(channels.get, FLOAT);
  f.body = f.loop(
    i,
    int(0),
    images.get,
    1,
    f.loop(
      c,
      cFrom.get,
      cTo.get,
      4 * vectors,
      cat(
        at.set(plus(x.get, times(i.get, positions.get, rowBytes), times(c.get, FLOAT))),
        yAt.set(plus(y.get, times(i.get, yImageBytes.get), times(c.get, FLOAT))),
        vector.set(times(i32.add(times(i.get, channels.get), c.get), FLOAT)),
        begin,
        f.loop(t, int(0), positions.get, 1, cat(each, at.add(rowBytes), yAt.add(rowBytes))),
        end,
      ),
    ),
  );
  return f;
}

/** out[i, c] = Σ_t x[i, t, c], from what stands in out if `adds`; y is not read. */
export const channelSums = (vectors: number): FunctionBuilder =>
  overChannels(`channelSums${vectors}`, vectors, 2, (f, { at, vector, more: [out, adds] }) => {
    const sums = upTo(vectors).map(() => f.local("v128"));
    const overOut = (each: (k: number) => Code): Code => cat(...upTo(vectors).map(each));
    return {
      begin: cat(
        overOut((k) => sums[k].set(splat(0))),
        when(
          adds,
          overOut((k) => sums[k].set(v128.load(plus(out, vector), 16 * k))),
        ),
      ),
      each: overOut((k) => sums[k].set(f32x4.add(sums[k].get, v128.load(at, 16 * k)))),
      end: overOut((k) => v128.store(plus(out, vector), sums[k].get, 16 * k)),
    };
  });

/** out[i, c] = Σ_t (x[i, t, c] − shift[i, c])·y[i, t, c] and totals[i, c] = Σ_t y[i, t, c]. */
export const channelProducts = (vectors: number): FunctionBuilder =>
  overChannels(
    `channelProducts${vectors}`,
    vectors,
    3,
    (f, { at, yAt, vector, more: [shift, out, totals] }) => {
      const sums = upTo(vectors).map(() => f.local("v128"));
      const ys = upTo(vectors).map(() => f.local("v128"));
      const shifts = upTo(vectors).map(() => f.local("v128"));
      const y = f.local("v128");
      return {
        begin: cat(
          ...[...sums, ...ys].map((sum) => sum.set(splat(0))),
          ...shifts.map((each, k) => each.set(v128.load(plus(shift, vector), 16 * k))),
        ),
        each: cat(
          ...sums.map((sum, k) =>
            cat(
              y.set(v128.load(yAt, 16 * k)),
              ys[k].set(f32x4.add(ys[k].get, y.get)),
              sum.set(f32x4.add(sum.get, f32x4.mul(f32x4.sub(v128.load(at, 16 * k), shifts[k].get), y.get))),
            ),
          ),
        ),
        end: cat(
          ...upTo(vectors).map((k) =>
            cat(
              v128.store(plus(out, vector), sums[k].get, 16 * k),
              v128.store(plus(totals, vector), ys[k].get, 16 * k),
            ),
          ),
        ),
      };
    },
  );

/** out[i, c] = Σ_t x[i, t, c] and squares[i, c] = Σ_t (x[i, t, c] − shift[i, c])²; y is not read. */
export const channelMoments = (vectors: number): FunctionBuilder =>
  overChannels(`channelMoments${vectors}`, vectors, 3, (f, { at, vector, more: [shift, out, squares] }) => {
    const sums = upTo(vectors).map(() => f.local("v128"));
    const totals = upTo(vectors).map(() => f.local("v128"));
    const shifts = upTo(vectors).map(() => f.local("v128"));
    const [value, centred] = [f.local("v128"), f.local("v128")];
    return {
      begin: cat(
        ...[...sums, ...totals].map((each) => each.set(splat(0))),
        ...shifts.map((each, k) => each.set(v128.load(plus(shift, vector), 16 * k))),
      ),
      each: cat(
        ...upTo(vectors).map((k) =>
          cat(
            value.set(v128.load(at, 16 * k)),
            centred.set(f32x4.sub(value.get, shifts[k].get)),
            sums[k].set(f32x4.add(sums[k].get, value.get)),
            totals[k].set(f32x4.add(totals[k].get, f32x4.mul(centred.get, centred.get))),
          ),
        ),
      ),
      end: cat(
        ...upTo(vectors).map((k) =>
          cat(
            v128.store(plus(out, vector), sums[k].get, 16 * k),
            v128.store(plus(squares, vector), totals[k].get, 16 * k),
          ),
        ),
      ),
    };
  });

/** out[i, t, c] = a[i, c]·x[i, t, c] + b[i, c]·y[i, t, c] + d[i, c]; `toOut` is out − x in bytes: 0 works in place. */
export const channelAffine = (vectors: number): FunctionBuilder =>
  overChannels(`channelAffine${vectors}`, vectors, 4, (f, { at, yAt, vector, more: [a, b, d, toOut] }) => {
    const coefficients = [a, b, d].map((from) => ({
      from,
      vectors: upTo(vectors).map(() => f.local("v128")),
    }));
    const [as, bs, ds] = coefficients.map((each) => each.vectors);
    return {
      begin: cat(
        ...coefficients.flatMap(({ from, vectors: all }) =>
          all.map((each, k) => each.set(v128.load(plus(from, vector), 16 * k))),
        ),
      ),
      each: cat(
        ...upTo(vectors).map((k) =>
          v128.store(
            plus(at, toOut),
            f32x4.add(
              f32x4.add(
                f32x4.mul(as[k].get, v128.load(at, 16 * k)),
                f32x4.mul(bs[k].get, v128.load(yAt, 16 * k)),
              ),
              ds[k].get,
            ),
            16 * k,
          ),
        ),
      ),
      end: [],
    };
  });
