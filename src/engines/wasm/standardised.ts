// Gradients of standardised filters, made gradients of the raw weights in place.
import { FLOAT, plus, times, upTo } from "./arithmetic.js";
import { type Code, cat, doWhile, FunctionBuilder, f32x4, i32, int, splat, v128 } from "./assembler.js";
import type { MultiplyAdd } from "./variant.js";

/**
 * With s = Σ_t x[i, t, c] and g = products[i, c] = Σ_t x[i, t, c]·u[t, c]: x[i, t, c] = a[c]·x[i, t, c] + (b[c]·s + d[c]·g·u[t, c]),
 * where factors holds a, b and d, each for all channels. `vectors`·4 channels at a time, so that what is read twice is still in
 * the cache, and u with it from image to image; sums are in the order of t, for each image and channel by itself.
 */
export function standardisedGradients(vectors: number, multiplyAdd: MultiplyAdd): FunctionBuilder {
  const f = new FunctionBuilder(`standardisedGradients${vectors}`, 9);
  const [x, u, products, factors, images, positions, channels, cFrom, cTo] = f.parameters;
  const [i, c, at, uAt, end, rowBytes, o] = f.integers(7);
  const lists = upTo(5).map(() => upTo(vectors).map(() => f.local("v128")));
  const [sums, totals, ofX, ofUnit, constants] = lists;
  const value = f.local("v128");
  const each = (code: (k: number) => Code): Code => cat(...upTo(vectors).map(code));
  const overPositions = (body: Code): Code =>
    cat(
      at.set(plus(x.get, times(i.get, positions.get, rowBytes.get), times(c.get, FLOAT))),
      uAt.set(plus(u.get, times(c.get, FLOAT))),
      end.set(plus(at.get, times(positions.get, rowBytes.get))),
      doWhile(cat(body, at.add(rowBytes.get), uAt.add(rowBytes.get)), i32.lessThan(at.get, end.get)),
    );
  const factor = (index: number, k: number): Code =>
    v128.load(plus(factors.get, times(int(index), rowBytes.get), times(c.get, FLOAT)), 16 * k);
  const image = cat(
    each((k) => cat(sums[k].set(splat(0)), totals[k].set(splat(0)))),
    overPositions(
      each((k) =>
        cat(
          value.set(v128.load(at.get, 16 * k)),
          sums[k].set(f32x4.add(sums[k].get, value.get)),
          totals[k].set(multiplyAdd(value.get, v128.load(uAt.get, 16 * k), totals[k].get)),
        ),
      ),
    ),
    o.set(plus(products.get, times(i.get, rowBytes.get), times(c.get, FLOAT))),
    each((k) =>
      cat(
        v128.store(o.get, totals[k].get, 16 * k),
        ofX[k].set(factor(0, k)),
        constants[k].set(f32x4.mul(factor(1, k), sums[k].get)),
        ofUnit[k].set(f32x4.mul(factor(2, k), totals[k].get)),
      ),
    ),
    overPositions(
      each((k) =>
        v128.store(
          at.get,
          multiplyAdd(
            ofX[k].get,
            v128.load(at.get, 16 * k),
            multiplyAdd(ofUnit[k].get, v128.load(uAt.get, 16 * k), constants[k].get),
          ),
          16 * k,
        ),
      ),
    ),
  );
  f.body = cat(
    rowBytes.set(times(channels.get, FLOAT)),
    f.loop(c, cFrom.get, cTo.get, 4 * vectors, f.loop(i, int(0), images.get, 1, image)),
  );
  return f;
}
