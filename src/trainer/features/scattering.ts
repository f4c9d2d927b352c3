// The scattering transform of one image plane [Bruna2013]: |… ||x ∗ ψ| ∗ ψ'| averaged over 4 × 4 pixels; J = 2, L = 8.
import { ArgumentError } from "../../formats/argumentError.js";
import { Fourier2d } from "./fourier.js";
import { lowPass, morlet, ORIENTATIONS, SCALES } from "./morlet.js";

/** Pixels a result stands for along each axis. */
export const STRIDE = 2 ** SCALES;
/** Coefficients a place: 1 average, 2·8 of first order, 8·8 of second order. */
export const COEFFICIENTS = 1 + SCALES * ORIENTATIONS + ORIENTATIONS ** 2;
/** Mirrored pixels around the image (without repeating the edge), so that its borders do not meet. */
export const PADDING = 4;

/** Number of the coefficient that c becomes when the image is mirrored left to right: θ becomes −θ. */
export function mirrored(c: number): number {
  const turn = (t: number) => (2 * ORIENTATIONS - 2 - t) % ORIENTATIONS;
  if (c === 0) return 0;
  const first = c - 1;
  if (first < SCALES * ORIENTATIONS) return 1 + (first - (first % ORIENTATIONS)) + turn(first % ORIENTATIONS);
  const second = first - SCALES * ORIENTATIONS;
  return (
    1 +
    SCALES * ORIENTATIONS +
    ORIENTATIONS * turn(Math.floor(second / ORIENTATIONS)) +
    turn(second % ORIENTATIONS)
  );
}

/** A low-pass along one axis without its zeros. */
interface Band {
  readonly from: number;
  readonly weights: Float64Array;
}

function banded(rows: readonly Float64Array[]): Band[] {
  return rows.map((row) => {
    const kept = [...row.keys()].filter((i) => row[i] > 1e-9);
    return { from: kept[0], weights: row.slice(kept[0], kept[kept.length - 1] + 1) };
  });
}

export class Scattering {
  /** Places of the result along each axis. */
  readonly outHeight: number;
  readonly outWidth: number;
  private readonly fine: Fourier2d;
  private readonly coarse: Fourier2d;
  /** Spectra of ψ at scale j, orientation t: real, since ψ(−u) is the conjugate of ψ(u). */
  private readonly wavelets: readonly (readonly Float64Array[])[];
  private readonly fineBands: readonly [Band[], Band[]];
  private readonly coarseBands: readonly [Band[], Band[]];

  /**
   * For images of height × width pixels, each at least 8 and a multiple of 4. origin: the first place's centre in pixels from
   * the first pixel; default 1.5, which makes places and image symmetric.
   */
  constructor(
    readonly height: number,
    readonly width: number,
    origin = (STRIDE - 1) / 2,
  ) {
    for (const [name, size] of [
      ["height", height],
      ["width", width],
    ] as const)
      if (!(size >= 2 * PADDING && size % STRIDE === 0))
        throw new ArgumentError(`image ${name}`, "a multiple of 4 and at least 8 for scattering", `${size}`);
    [this.outHeight, this.outWidth] = [height / STRIDE, width / STRIDE];
    const [h, w] = [height + 2 * PADDING, width + 2 * PADDING];
    this.fine = new Fourier2d(h, w);
    this.coarse = new Fourier2d(h / 2, w / 2);
    this.wavelets = Array.from({ length: SCALES }, (_, j) =>
      Array.from({ length: ORIENTATIONS }, (_, t) => {
        const { re, im } = morlet(h, w, j, t);
        this.fine.forward(re, im);
        return re;
      }),
    );
    const centres = (count: number) => Array.from({ length: count }, (_, k) => PADDING + origin + STRIDE * k);
    const bands = (stride: number): [Band[], Band[]] => [
      banded(lowPass(h, stride, centres(this.outHeight))),
      banded(lowPass(w, stride, centres(this.outWidth))),
    ];
    this.fineBands = bands(1);
    this.coarseBands = bands(2);
  }

  /**
   * Coefficients of one plane into out[(y·outWidth + x)·step + offset + c], c < COEFFICIENTS: the average, then first order
   * by scale and orientation, then second order by the orientations of the first and the second wavelet.
   */
  transform(plane: Float64Array, out: Float64Array, step: number, offset: number): void {
    const [h, w] = [this.fine.height, this.fine.width];
    const image = new Float64Array(h * w);
    for (let y = 0; y < h; y++) {
      const row = reflect(y - PADDING, this.height) * this.width;
      for (let x = 0; x < w; x++) image[y * w + x] = plane[row + reflect(x - PADDING, this.width)];
    }
    const put = (values: Float64Array, c: number, bands: readonly [Band[], Band[]], across: number) =>
      average(values, across, bands, out, step, offset + c);
    put(image, 0, this.fineBands, w);
    const zero = new Float64Array(h * w);
    const [spectrumRe, spectrumIm] = [image, zero];
    this.fine.forward(spectrumRe, spectrumIm);
    const re = new Float64Array(h * w);
    const im = new Float64Array(h * w);
    const coarseRe = new Float64Array((h * w) / 4);
    const coarseIm = new Float64Array((h * w) / 4);
    /** |spectrum · ψ| at every second pixel, averaged. */
    const coarseModulus = (sRe: Float64Array, sIm: Float64Array, wavelet: Float64Array, c: number) => {
      everySecond(sRe, sIm, wavelet, w, h, coarseRe, coarseIm);
      this.coarse.backward(coarseRe, coarseIm);
      modulus(coarseRe, coarseIm, 1 / (h * w));
      put(coarseRe, c, this.coarseBands, w / 2);
    };
    for (let t = 0; t < ORIENTATIONS; t++) {
      const wavelet = this.wavelets[0][t];
      for (let i = 0; i < re.length; i++) {
        re[i] = spectrumRe[i] * wavelet[i];
        im[i] = spectrumIm[i] * wavelet[i];
      }
      this.fine.backward(re, im);
      modulus(re, im, 1 / (h * w));
      put(re, 1 + t, this.fineBands, w);
      im.fill(0);
      this.fine.forward(re, im);
      for (let s = 0; s < ORIENTATIONS; s++)
        coarseModulus(re, im, this.wavelets[1][s], 1 + (SCALES + t) * ORIENTATIONS + s);
    }
    for (let t = 0; t < ORIENTATIONS; t++)
      coarseModulus(spectrumRe, spectrumIm, this.wavelets[1][t], 1 + ORIENTATIONS + t);
  }
}

/** Position in an image continued by its mirror image, edge not repeated: −1 ↦ 1, size ↦ size − 2. */
function reflect(position: number, size: number): number {
  if (position < 0) return -position;
  return position < size ? position : 2 * size - 2 - position;
}

/** values ← scale·|re + i·im|. */
function modulus(re: Float64Array, im: Float64Array, scale: number): void {
  for (let i = 0; i < re.length; i++) re[i] = scale * Math.sqrt(re[i] * re[i] + im[i] * im[i]);
}

/**
 * The spectrum of (x ∗ ψ) at every second pixel of both axes: the four parts of the product's spectrum, added. Four times
 * too small as a transform of half the size, which the caller's 1/(height·width) makes up for.
 */
function everySecond(
  sRe: Float64Array,
  sIm: Float64Array,
  wavelet: Float64Array,
  height: number,
  width: number,
  re: Float64Array,
  im: Float64Array,
): void {
  const [halfHeight, halfWidth] = [height / 2, width / 2];
  for (let y = 0; y < halfHeight; y++)
    for (let x = 0; x < halfWidth; x++) {
      const a = y * width + x;
      const b = a + halfWidth;
      const c = a + halfHeight * width;
      const d = c + halfWidth;
      const to = y * halfWidth + x;
      re[to] = sRe[a] * wavelet[a] + sRe[b] * wavelet[b] + sRe[c] * wavelet[c] + sRe[d] * wavelet[d];
      im[to] = sIm[a] * wavelet[a] + sIm[b] * wavelet[b] + sIm[c] * wavelet[c] + sIm[d] * wavelet[d];
    }
}

/** Both axes' low-pass: out[(y·places + x)·step + offset] = Σ vertical[y] Σ horizontal[x] values. */
function average(
  values: Float64Array,
  width: number,
  [vertical, horizontal]: readonly [Band[], Band[]],
  out: Float64Array,
  step: number,
  offset: number,
): void {
  const row = new Float64Array(width);
  for (let y = 0; y < vertical.length; y++) {
    const { from, weights } = vertical[y];
    row.fill(0);
    for (let i = 0; i < weights.length; i++) {
      const weight = weights[i];
      const start = (from + i) * width;
      for (let x = 0; x < width; x++) row[x] += weight * values[start + x];
    }
    for (let x = 0; x < horizontal.length; x++) {
      const band = horizontal[x];
      let sum = 0;
      for (let i = 0; i < band.weights.length; i++) sum += band.weights[i] * row[band.from + i];
      out[(y * horizontal.length + x) * step + offset] = sum;
    }
  }
}
