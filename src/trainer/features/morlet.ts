// Morlet wavelets and the Gaussian low-pass of a scattering transform on a periodic grid [Bruna2013].

/** Values on a height × width grid, row by row. */
export interface ComplexGrid {
  readonly height: number;
  readonly width: number;
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/** Orientations, L. */
export const ORIENTATIONS = 8;
/** Scales, J: 2^J is the stride of the result. */
export const SCALES = 2;

/** Copies on either side that make a filter periodic: the widest, σ = 1.6 pixels, has vanished long before. */
const COPIES = 2;

/**
 * A Gabor function, periodic: e^(−|D R(−θ)u|²/(2σ²) + i ξ·u) · slant/(2πσ²), ξ along θ, D = diag(1, slant):
 * an envelope σ wide along the wave and σ/slant across it. θ is counted from the rows' axis to the columns'.
 */
function gabor(
  height: number,
  width: number,
  { sigma, theta, frequency, slant }: { sigma: number; theta: number; frequency: number; slant: number },
): ComplexGrid {
  const re = new Float64Array(height * width);
  const im = new Float64Array(height * width);
  const [cos, sin] = [Math.cos(theta), Math.sin(theta)];
  const norm = slant / (2 * Math.PI * sigma * sigma);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let ey = -COPIES; ey <= COPIES; ey++)
        for (let ex = -COPIES; ex <= COPIES; ex++) {
          const [u, v] = [y + ey * height, x + ex * width];
          const along = u * cos + v * sin;
          const across = slant * (v * cos - u * sin);
          const size = norm * Math.exp(-(along * along + across * across) / (2 * sigma * sigma));
          re[y * width + x] += size * Math.cos(frequency * along);
          im[y * width + x] += size * Math.sin(frequency * along);
        }
  return { height, width, re, im };
}

/** A Gabor function less the multiple of its envelope that makes its mean zero: scale 2^j, orientation number t < L. */
export function morlet(height: number, width: number, scale: number, orientation: number): ComplexGrid {
  const shape = {
    sigma: 0.8 * 2 ** scale,
    theta: ((ORIENTATIONS / 2 - 1 - orientation) * Math.PI) / ORIENTATIONS,
    slant: 4 / ORIENTATIONS,
  };
  const wave = gabor(height, width, { ...shape, frequency: (0.75 * Math.PI) / 2 ** scale });
  const envelope = gabor(height, width, { ...shape, frequency: 0 });
  const sum = (values: Float64Array) => values.reduce((a, b) => a + b, 0);
  const total = sum(envelope.re);
  const [kappaRe, kappaIm] = [sum(wave.re) / total, sum(wave.im) / total];
  for (let i = 0; i < wave.re.length; i++) {
    wave.re[i] -= kappaRe * envelope.re[i];
    wave.im[i] -= kappaIm * envelope.re[i];
  }
  return wave;
}

/** Standard deviation of the low-pass, pixels. */
export const LOW_PASS_SIGMA = 0.8 * 2 ** (SCALES - 1);

/**
 * The low-pass along one axis: weights[k][i] of sample i (at pixel i·stride of a periodic axis of `size` pixels) in the
 * result at centres[k]. A Gaussian is a product over the axes, so two of these are the whole filter.
 */
export function lowPass(size: number, stride: number, centres: readonly number[]): Float64Array[] {
  return centres.map((centre) =>
    Float64Array.from({ length: size / stride }, (_, i) => {
      let weight = 0;
      for (let copy = -COPIES; copy <= COPIES; copy++) {
        const distance = i * stride + copy * size - centre;
        weight += Math.exp(-(distance * distance) / (2 * LOW_PASS_SIGMA * LOW_PASS_SIGMA));
      }
      return (stride * weight) / Math.sqrt(2 * Math.PI * LOW_PASS_SIGMA * LOW_PASS_SIGMA);
    }),
  );
}
