// The two-dimensional discrete Fourier transform of small arrays of any size, by Stockham's algorithm [Stockham1966].

/** One pass over an axis: factors of its length, and for each the twiddle factors. */
interface Stage {
  readonly radix: number;
  /** Length of the transforms still to do before this stage, and how many rows lie side by side. */
  readonly length: number;
  readonly stride: number;
  /** ω^(j·r), ω = e^(−2πi/length): for each j < length/radix, each r < radix. */
  readonly cos: Float64Array;
  readonly sin: Float64Array;
  /** e^(2πik/radix), k < radix. */
  readonly rootCos: Float64Array;
  readonly rootSin: Float64Array;
}

function stagesOf(size: number): Stage[] {
  const stages: Stage[] = [];
  for (let length = size, stride = 1; length > 1; ) {
    const radix = [4, 2, 3, 5].find((each) => length % each === 0) ?? smallestFactor(length);
    const rows = length / radix;
    const cos = new Float64Array(length);
    const sin = new Float64Array(length);
    for (let j = 0; j < rows; j++)
      for (let r = 0; r < radix; r++) {
        cos[j * radix + r] = Math.cos((2 * Math.PI * j * r) / length);
        sin[j * radix + r] = -Math.sin((2 * Math.PI * j * r) / length);
      }
    const root = (f: (angle: number) => number) =>
      Float64Array.from({ length: radix }, (_, k) => f((2 * Math.PI * k) / radix));
    stages.push({ radix, length, stride, cos, sin, rootCos: root(Math.cos), rootSin: root(Math.sin) });
    length = rows;
    stride *= radix;
  }
  return stages;
}

function smallestFactor(n: number): number {
  for (let p = 7; p * p <= n; p += 2) if (n % p === 0) return p;
  return n;
}

/** Y_r = ω^(jr) Σ_t x_t e^(−2πi rt/radix) for all j; every x_t is a row block of `width` numbers. */
function pass(
  stage: Stage,
  width: number,
  re: Float64Array,
  im: Float64Array,
  toRe: Float64Array,
  toIm: Float64Array,
): void {
  const { radix, length, stride, cos, sin } = stage;
  const rows = length / radix;
  const block = stride * width;
  for (let j = 0; j < rows; j++) {
    const from = j * block;
    const step = rows * block;
    const to = radix * j * block;
    if (radix === 2) {
      const [wc, ws] = [cos[2 * j + 1], sin[2 * j + 1]];
      for (let q = 0; q < block; q++) {
        const a = from + q;
        const b = a + step;
        const dr = re[a] - re[b];
        const di = im[a] - im[b];
        toRe[to + q] = re[a] + re[b];
        toIm[to + q] = im[a] + im[b];
        toRe[to + block + q] = dr * wc - di * ws;
        toIm[to + block + q] = dr * ws + di * wc;
      }
    } else if (radix === 4) {
      const [c1, s1, c2, s2] = [cos[4 * j + 1], sin[4 * j + 1], cos[4 * j + 2], sin[4 * j + 2]];
      const [c3, s3] = [cos[4 * j + 3], sin[4 * j + 3]];
      for (let q = 0; q < block; q++) {
        const a = from + q;
        const b = a + step;
        const c = b + step;
        const d = c + step;
        const pr = re[a] + re[c];
        const pi = im[a] + im[c];
        const mr = re[a] - re[c];
        const mi = im[a] - im[c];
        const qr = re[b] + re[d];
        const qi = im[b] + im[d];
        // −i·(x_b − x_d)
        const nr = im[b] - im[d];
        const ni = re[d] - re[b];
        toRe[to + q] = pr + qr;
        toIm[to + q] = pi + qi;
        const er = mr + nr;
        const ei = mi + ni;
        toRe[to + block + q] = er * c1 - ei * s1;
        toIm[to + block + q] = er * s1 + ei * c1;
        const fr = pr - qr;
        const fi = pi - qi;
        toRe[to + 2 * block + q] = fr * c2 - fi * s2;
        toIm[to + 2 * block + q] = fr * s2 + fi * c2;
        const gr = mr - nr;
        const gi = mi - ni;
        toRe[to + 3 * block + q] = gr * c3 - gi * s3;
        toIm[to + 3 * block + q] = gr * s3 + gi * c3;
      }
    } else odd(stage, j, from, step, to, block, re, im, toRe, toIm);
  }
}

/** Any odd radix: Y_(±r) = x_0 + Σ_t (x_t + x_−t) cos(2πrt/p) ∓ i Σ_t (x_t − x_−t) sin(2πrt/p), 1 ≤ t ≤ (p−1)/2. */
function odd(
  stage: Stage,
  j: number,
  from: number,
  step: number,
  to: number,
  block: number,
  re: Float64Array,
  im: Float64Array,
  toRe: Float64Array,
  toIm: Float64Array,
): void {
  const { radix, cos, sin, rootCos, rootSin } = stage;
  const middle = (radix - 1) / 2;
  for (let r = 0; r <= middle; r++) {
    const w = j * radix + r;
    const v = j * radix + radix - r;
    const last = to + (radix - r) * block;
    for (let q = 0; q < block; q++) {
      let evenRe = re[from + q];
      let evenIm = im[from + q];
      let oddRe = 0;
      let oddIm = 0;
      for (let t = 1, k = r; t <= middle; t++) {
        const a = from + q + t * step;
        const b = from + q + (radix - t) * step;
        evenRe += (re[a] + re[b]) * rootCos[k];
        evenIm += (im[a] + im[b]) * rootCos[k];
        oddRe += (re[a] - re[b]) * rootSin[k];
        oddIm += (im[a] - im[b]) * rootSin[k];
        k += r;
        if (k >= radix) k -= radix;
      }
      const yr = evenRe + oddIm;
      const yi = evenIm - oddRe;
      toRe[to + r * block + q] = yr * cos[w] - yi * sin[w];
      toIm[to + r * block + q] = yr * sin[w] + yi * cos[w];
      if (r === 0) continue;
      const zr = evenRe - oddIm;
      const zi = evenIm + oddRe;
      toRe[last + q] = zr * cos[v] - zi * sin[v];
      toIm[last + q] = zr * sin[v] + zi * cos[v];
    }
  }
}

/**
 * Transforms of height × width arrays. A spectrum is stored transposed, [width, height]: that saves a pass, and everything
 * done to spectra here is done entry by entry.
 */
export class Fourier2d {
  private readonly columns: readonly Stage[];
  private readonly rows: readonly Stage[];
  private readonly spare: readonly [Float64Array, Float64Array, Float64Array, Float64Array];

  constructor(
    readonly height: number,
    readonly width: number,
  ) {
    this.columns = stagesOf(height);
    this.rows = stagesOf(width);
    const array = () => new Float64Array(height * width);
    this.spare = [array(), array(), array(), array()];
  }

  /** X[l, k] = Σ x[y, x] e^(−2πi(ky/height + lx/width)); re and im hold the array before and the spectrum after. */
  forward(re: Float64Array, im: Float64Array): void {
    this.bothAxes(this.columns, this.rows, this.height, this.width, re, im);
  }

  /** From a spectrum to height·width times its array. */
  backward(re: Float64Array, im: Float64Array): void {
    // The conjugate of the transform of the conjugate: exchange real and imaginary parts.
    this.bothAxes(this.rows, this.columns, this.width, this.height, im, re);
  }

  private bothAxes(
    first: readonly Stage[],
    second: readonly Stage[],
    height: number,
    width: number,
    re: Float64Array,
    im: Float64Array,
  ): void {
    // Each pass goes from one pair of arrays to the other.
    let [aRe, aIm, bRe, bIm]: readonly Float64Array[] = this.spare;
    const swap = (): void => {
      [aRe, aIm, bRe, bIm] = [bRe, bIm, aRe, aIm];
    };
    aRe.set(re);
    aIm.set(im);
    for (const stage of first) {
      pass(stage, width, aRe, aIm, bRe, bIm);
      swap();
    }
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        bRe[x * height + y] = aRe[y * width + x];
        bIm[x * height + y] = aIm[y * width + x];
      }
    swap();
    for (const stage of second) {
      pass(stage, height, aRe, aIm, bRe, bIm);
      swap();
    }
    re.set(aRe);
    im.set(aIm);
  }
}
