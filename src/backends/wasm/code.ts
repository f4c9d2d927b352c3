// The kernels that stock TensorFlow.js lacks on WebAssembly, as SIMD code over the backend's own memory (no copies).
// Arrays are float32, NHWC; addresses and strides are bytes. Loops over images are outermost, so what one example
// contributes never meets another's numbers before weightedSum.
import {
  type Code,
  cat,
  encodeModule,
  FunctionBuilder,
  f32,
  f32x4,
  f64,
  f64x2,
  highHalf,
  i32,
  int,
  splat,
  v128,
  when,
  whileLoop,
} from "./assembler.js";

const times = (...factors: readonly Code[]): Code => factors.reduce((a, b) => i32.mul(a, b));
const plus = (...terms: readonly Code[]): Code => terms.reduce((a, b) => i32.add(a, b));
const FLOAT = int(4);

/**
 * out[n, kh, r, p] = Σ_{view, oy, ox} x[n·views + view, oy·s + kh, ox·s·C + r] · dy[n·views + view, oy, ox, p] for
 * rFrom ≤ r < rTo, added to what stands in out if `adds`, where r = kw·C + c runs over floats that lie contiguous in NHWC:
 * no patch matrix is ever formed.
 * `rows` values of r by 8 of p stay in registers while the positions stream by; P is a multiple of 8.
 */
function filterGradients(rows: number): FunctionBuilder {
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
        a.set(f32x4.add(a.get, f32x4.mul(left.get, d[index % 2].get))),
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

/** The transpose of taking patches: out[image, oy·s + k, ox·s·C + r] += columns[image, oy, ox, k, r]. */
function addPatches(): FunctionBuilder {
  const f = new FunctionBuilder("addPatches", 11);
  const [columns, out, images, ho, wo, kh, run, imageBytes, rowBytes, xStep, yStep] = f.parameters;
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
      f.loop(oy, int(0), ho.get, 1, f.loop(ox, int(0), wo.get, 1, f.loop(k, int(0), kh.get, 1, patchRow))),
    ),
  );
  return f;
}

/** dx[the first place in each window where x equals the maximum y] += dy; channels a multiple of 4. */
function maxPoolGradient(): FunctionBuilder {
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

/** Σ values[j]², in float64 from the float32 values themselves. */
function squaredNorm(): FunctionBuilder {
  const f = new FunctionBuilder("squaredNorm", 2, "f64");
  const [at, count] = f.parameters;
  const [end] = f.integers(1);
  const [low, high, value, pair] = [f.local("v128"), f.local("v128"), f.local("v128"), f.local("v128")];
  const total = f.local("f64");
  const scalar = f.local("f64");
  f.body = cat(
    end.set(plus(at.get, times(count.get, FLOAT))),
    whileLoop(
      i32.lessThan(i32.add(at.get, int(12)), end.get),
      cat(
        value.set(v128.load(at.get)),
        pair.set(f64x2.promoteLow(value.get)),
        low.set(f64x2.add(low.get, f64x2.mul(pair.get, pair.get))),
        pair.set(f64x2.promoteLow(highHalf(value.get))),
        high.set(f64x2.add(high.get, f64x2.mul(pair.get, pair.get))),
        at.add(int(16)),
      ),
    ),
    low.set(f64x2.add(low.get, high.get)),
    total.set(f64.add(f64x2.lane(low.get, 0), f64x2.lane(low.get, 1))),
    whileLoop(
      i32.lessThan(at.get, end.get),
      cat(
        scalar.set(f64.promote(f32.load(at.get))),
        total.set(f64.add(total.get, f64.mul(scalar.get, scalar.get))),
        at.add(int(4)),
      ),
    ),
    total.get,
  );
  return f;
}

/** out[j] = Σ_n weights[n] · rows[n, j]. */
function weightedSum(): FunctionBuilder {
  const f = new FunctionBuilder("weightedSum", 5);
  const [rows, weights, out, n, width] = f.parameters;
  const [j, i, at, weightAt] = f.integers(4);
  const acc = Array.from({ length: 4 }, () => f.local("v128"));
  const weight = f.local("v128");
  const scalar = f.local("f32");
  const start = cat(at.set(plus(rows.get, times(j.get, FLOAT))), weightAt.set(weights.get));
  const next = cat(at.add(times(width.get, FLOAT)), weightAt.add(int(4)));
  f.body = cat(
    j.set(int(0)),
    whileLoop(
      i32.lessThan(i32.add(j.get, int(15)), width.get),
      cat(
        start,
        ...acc.map((a) => a.set(splat(0))),
        f.loop(
          i,
          int(0),
          n.get,
          1,
          cat(
            weight.set(v128.loadSplat(weightAt.get)),
            ...acc.map((a, index) =>
              a.set(f32x4.add(a.get, f32x4.mul(weight.get, v128.load(at.get, 16 * index)))),
            ),
            next,
          ),
        ),
        ...acc.map((a, index) => v128.store(plus(out.get, times(j.get, FLOAT)), a.get, 16 * index)),
        j.add(int(16)),
      ),
    ),
    whileLoop(
      i32.lessThan(j.get, width.get),
      cat(
        start,
        scalar.set(f32.constant(0)),
        f.loop(
          i,
          int(0),
          n.get,
          1,
          cat(scalar.set(f32.add(scalar.get, f32.mul(f32.load(weightAt.get), f32.load(at.get)))), next),
        ),
        f32.store(plus(out.get, times(j.get, FLOAT)), scalar.get),
        j.add(int(1)),
      ),
    ),
  );
  return f;
}

// tanh x ≈ x·P(x²)/Q(x²) on |x| ≤ 7.905, where float32 tanh reaches ±1: the minimax rational form of [Eigen].
const TANH_LIMIT = 7.905311107635498;
const TANH_P = [
  -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-8,
  1.48572235717979e-5, 6.37261928875436e-4, 4.89352455891786e-3,
];
const TANH_Q = [1.19825839466702e-6, 1.18534705686654e-4, 2.268434632439e-3, 4.89352518554385e-3];

/** Element by element over `bytes` (a multiple of 16) of memory: out = tanh(x). */
function tanh(): FunctionBuilder {
  const f = new FunctionBuilder("tanh", 3);
  const [x, out, bytes] = f.parameters;
  const [at] = f.integers(1);
  const [value, square] = [f.local("v128"), f.local("v128")];
  const polynomial = (coefficients: readonly number[]): Code =>
    coefficients
      .slice(1)
      .reduce<Code>((sum, c) => f32x4.add(f32x4.mul(sum, square.get), splat(c)), splat(coefficients[0]));
  f.body = f.loop(
    at,
    int(0),
    bytes.get,
    16,
    cat(
      value.set(f32x4.max(f32x4.min(v128.load(plus(x.get, at.get)), splat(TANH_LIMIT)), splat(-TANH_LIMIT))),
      square.set(f32x4.mul(value.get, value.get)),
      v128.store(
        plus(out.get, at.get),
        f32x4.div(f32x4.mul(value.get, polynomial(TANH_P)), polynomial(TANH_Q)),
      ),
    ),
  );
  return f;
}

/** Element by element over `bytes` (a multiple of 16): out = dy · (1 − y²), where y = tanh(x). */
function tanhGradient(): FunctionBuilder {
  const f = new FunctionBuilder("tanhGradient", 4);
  const [y, dy, out, bytes] = f.parameters;
  const [at] = f.integers(1);
  const value = f.local("v128");
  f.body = f.loop(
    at,
    int(0),
    bytes.get,
    16,
    cat(
      value.set(v128.load(plus(y.get, at.get))),
      v128.store(
        plus(out.get, at.get),
        f32x4.mul(
          v128.load(plus(dy.get, at.get)),
          f32x4.add(splat(1), f32x4.mul(value.get, f32x4.mul(value.get, splat(-1)))),
        ),
      ),
    ),
  );
  return f;
}

/** Element by element over `bytes` (a multiple of 16): out = dy where y > 0, else 0. */
function reluGradient(): FunctionBuilder {
  const f = new FunctionBuilder("reluGradient", 4);
  const [y, dy, out, bytes] = f.parameters;
  const [at] = f.integers(1);
  f.body = f.loop(
    at,
    int(0),
    bytes.get,
    16,
    v128.store(
      plus(out.get, at.get),
      v128.and(v128.load(plus(dy.get, at.get)), f32x4.greater(v128.load(plus(y.get, at.get)), splat(0))),
    ),
  );
  return f;
}

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

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);

/** out[i, c] = Σ_t (x[i, t, c] − shift[i, c])·y[i, t, c]. */
const channelProducts = (vectors: number): FunctionBuilder =>
  overChannels(`channelProducts${vectors}`, vectors, 2, (f, { at, yAt, vector, more: [shift, out] }) => {
    const sums = upTo(vectors).map(() => f.local("v128"));
    const shifts = upTo(vectors).map(() => f.local("v128"));
    return {
      begin: cat(
        ...sums.map((sum) => sum.set(splat(0))),
        ...shifts.map((each, k) => each.set(v128.load(plus(shift, vector), 16 * k))),
      ),
      each: cat(
        ...sums.map((sum, k) =>
          sum.set(
            f32x4.add(
              sum.get,
              f32x4.mul(f32x4.sub(v128.load(at, 16 * k), shifts[k].get), v128.load(yAt, 16 * k)),
            ),
          ),
        ),
      ),
      end: cat(...sums.map((sum, k) => v128.store(plus(out, vector), sum.get, 16 * k))),
    };
  });

/** out[i, c] = Σ_t x[i, t, c] and squares[i, c] = Σ_t (x[i, t, c] − shift[i, c])²; y is not read. */
const channelMoments = (vectors: number): FunctionBuilder =>
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
const channelAffine = (vectors: number): FunctionBuilder =>
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

type Kernel = (...operands: number[]) => void;
/** What the module exports. */
export interface WasmKernels {
  readonly filterGradients4: Kernel;
  readonly filterGradients1: Kernel;
  readonly addPatches: Kernel;
  readonly maxPoolGradient: Kernel;
  readonly squaredNorm: (address: number, count: number) => number;
  readonly weightedSum: Kernel;
  readonly tanh: Kernel;
  readonly tanhGradient: Kernel;
  readonly reluGradient: Kernel;
  readonly channelProducts4: Kernel;
  readonly channelProducts1: Kernel;
  readonly channelMoments4: Kernel;
  readonly channelMoments1: Kernel;
  readonly channelAffine4: Kernel;
  readonly channelAffine1: Kernel;
}

/** The parts of WebAssembly's JavaScript interface used here: no `lib` but DOM declares it. */
interface WebAssemblyInterface {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
  readonly Memory: abstract new (...parameters: never) => object;
}
const { WebAssembly } = globalThis as unknown as { WebAssembly: WebAssemblyInterface };

/** Compiles the kernels over `memory`, which stays its owner's; undefined if it is no WebAssembly memory. */
export function instantiateKernels(memory: unknown): WasmKernels | undefined {
  if (!(memory instanceof WebAssembly.Memory)) return undefined;
  const functions = [
    filterGradients(4),
    filterGradients(1),
    addPatches(),
    maxPoolGradient(),
    squaredNorm(),
    weightedSum(),
    tanh(),
    tanhGradient(),
    reluGradient(),
    ...[4, 1].flatMap((vectors) => [
      channelProducts(vectors),
      channelMoments(vectors),
      channelAffine(vectors),
    ]),
  ];
  const module = new WebAssembly.Module(encodeModule(functions));
  return new WebAssembly.Instance(module, { env: { memory } }).exports as WasmKernels;
}
