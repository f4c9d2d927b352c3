// Gaussian noise from a cryptographic stream, added so that the floating-point format of the sum tells nothing.
import { ArgumentError, shown } from "../../formats/argumentError.js";
import { SecureStream } from "./secureStream.js";

// The ziggurat of Marsaglia and Tsang, in Doornik's form with independent bits for layer, sign and position
// [MarsagliaTsang2000] [Doornik2005]: 256 layers of equal area V under f(x) = exp(−x²/2), the lowest with the tail
// beyond R. EDGE[0] = V/f(R), EDGE[1] = R, …, EDGE[256] = 0.
const LAYERS = 256;
const R = 3.6541528853610088;

/** R·f(R) + ∫_R^∞ f: the tail by the continued fraction of Mills' ratio, f(R)/(R + 1/(R + 2/(R + 3/(R + …)))). */
function layerArea(): number {
  let fraction = R;
  for (let k = 200; k >= 1; k--) fraction = R + k / fraction;
  return density(R) * (R + 1 / fraction);
}

function density(x: number): number {
  return Math.exp(-0.5 * x * x);
}

const AREA = layerArea();
const EDGE = new Float64Array(LAYERS + 1);
/** Position scale of a layer for signed 54-bit whole numbers: EDGE·2^-53. */
const SCALE = new Float64Array(LAYERS);
/** A position this close to the middle of its layer lies under the curve for sure. */
const INNER = new Float64Array(LAYERS);
EDGE[0] = AREA / density(R);
EDGE[1] = R;
for (let i = 2; i < LAYERS; i++)
  EDGE[i] = Math.sqrt(-2 * Math.log(AREA / EDGE[i - 1] + density(EDGE[i - 1])));
for (let i = 0; i < LAYERS; i++) {
  SCALE[i] = EDGE[i] * 2 ** -53;
  INNER[i] = EDGE[i + 1];
}

/** The ziggurat's area and edges, for the test that they close: f(EDGE[255]) + V/EDGE[255] = 1. */
export const ZIGGURAT: { readonly area: number; readonly edges: Float64Array } = { area: AREA, edges: EDGE };

/** One standard normal draw from 54 fresh bits of position, 8 of layer, and more where the layer's corner is hit. */
function standardNormal(stream: SecureStream): number {
  for (;;) {
    const word = stream.nextWord();
    const layer = word & 255;
    const x = ((word | 0) >> 10) * 2 ** 32 * SCALE[layer] + stream.nextWord() * SCALE[layer];
    if (x < INNER[layer] && x > -INNER[layer]) return x;
    if (layer === 0) {
      // Beyond R: Marsaglia's exponential rejection. The uniforms reach 2^-53, so |x| reaches 13.7 (probability 1e-42).
      let beyond: number;
      do beyond = -Math.log(stream.nextUnit()) / R;
      while (-2 * Math.log(stream.nextUnit()) < beyond * beyond);
      return x < 0 ? -R - beyond : R + beyond;
    }
    const below = density(EDGE[layer]);
    const above = density(EDGE[layer + 1]);
    if (below + stream.nextUnit() * (above - below) < density(x)) return x;
  }
}

/** The noise is this much larger than asked for: it pays for rounding the sum to the grid (see GaussianNoise). */
export const NOISE_MARGIN = 1 + 2 ** -14;
/** The grid is at least this much finer than the standard deviation. */
const GRID_BITS = 32;

/**
 * A nearest whole number, exactly: with the largest number below 1/2 the addition never rounds past the next whole number.
 * V8 compiles floor to one instruction; Math.round took five times as long.
 */
export const nearestWhole = (x: number): number => Math.floor(x + 0.49999999999999994);

/** Draws made at a time while a process waits for something else: a tenth of a millisecond, as pieces of messages take. */
const AT_ONCE = 2 ** 11;

/** Throws RangeError at the first NaN or infinite number. */
function checkFinite(target: Float32Array | Float64Array): void {
  // Each times zero is zero or NaN; four sums, for one would wait for the addition before.
  let [a, b, c, d] = [0, 0, 0, 0];
  const whole = target.length - (target.length % 4);
  for (let i = 0; i < whole; i += 4) {
    a += target[i] * 0;
    b += target[i + 1] * 0;
    c += target[i + 2] * 0;
    d += target[i + 3] * 0;
  }
  for (let i = whole; i < target.length; i++) a += target[i] * 0;
  if (a + b + c + d === 0) return;
  const i = target.findIndex((value) => !Number.isFinite(value));
  throw new RangeError(`sum[${i}] must be finite, got ${target[i]}`);
}

/** What `addToSum` did: the trainer's ledger quotes it. */
export interface AddedNoise {
  /** The noise multiplier that may be accounted: standardDeviation ÷ sensitivity, never more. */
  readonly noiseMultiplier: number;
  readonly sensitivity: number;
  /** Standard deviation of the noise on every coordinate, at least noiseMultiplier × sensitivity. */
  readonly standardDeviation: number;
}

/**
 * Adds independent Gaussian noise to sums.
 *
 * Guarantee: the values written are a function of (a) the sum rounded to a grid of step g = 2^k ≤ 2^-32·s and
 * (b) nothing else but fresh Gaussian noise. With [x] rounding to the grid, [x] + [n] = [[x] + n], so adding rounded
 * noise to a rounded sum *is* the Gaussian mechanism on the rounded sum, then rounded: post-processing. So is IEEE
 * addition, which returns the exact sum correctly rounded, and so is the final rounding to float32. Which
 * floating-point numbers are possible, and how the low bits look, therefore says no more about the data than the
 * ideal mechanism does (the attack of [Mironov2012]). Rounding moves two neighbouring sums apart by at
 * most g√d more; the noise is larger than asked for by 2^-14 of itself, which covers that while
 * (s ÷ sensitivity)·√d ≤ 2^18, for instance 36 million coordinates at noise multiplier 43.
 *
 * Each draw is the sum of two ziggurat draws over √2, so that the lattice of one smooths the other's
 * ([HolohanBraghin2021]): one draw alone has 2^18 or more positions to a grid cell. What stays: relative errors of the
 * order of 1e-15 in exp and log, the tail cut beyond 13 standard deviations (probability 1e-42), and the running time
 * of rejection, which depends on the stream alone.
 */
export class GaussianNoise {
  readonly #stream: SecureStream;
  /** Sums of two draws that nothing has used yet, and how many of them were. */
  #ahead = new Float64Array(0);
  #used = 0;

  /** The stream must be used for nothing else, above all not for sampling. */
  constructor(stream: SecureStream = new SecureStream()) {
    this.#stream = SecureStream.check(stream);
  }

  /**
   * Makes the draws for the next `count` numbers now, piece by piece, so that a process can answer others in between: for
   * the time that it waits for a device. They are used once; what is left of earlier ones is used first.
   * pause: lets the others have their turn, such as setImmediate of node:timers/promises.
   */
  async drawAhead(count: number, pause: () => Promise<void>): Promise<void> {
    const left = this.#ahead.subarray(this.#used);
    // Out of reach while others run: whoever adds noise meanwhile draws anew, and no draw is used twice.
    this.#ahead = new Float64Array(0);
    this.#used = 0;
    const ahead = new Float64Array(Math.max(count, left.length));
    ahead.set(left);
    for (let i = left.length; i < ahead.length; i++) {
      ahead[i] = standardNormal(this.#stream) + standardNormal(this.#stream);
      if (i % AT_ONCE === 0) await pause();
    }
    this.#ahead = ahead;
    this.#used = 0;
  }

  /**
   * target[i] += noise of the given standard deviation (> 0, finite, in target's units), in place, for every i.
   * Throws RangeError on an illegal deviation or a NaN or infinite target before changing anything.
   */
  addTo(target: Float32Array | Float64Array, standardDeviation: number): void {
    if (!(standardDeviation >= 2 ** -900 && standardDeviation <= 2 ** 900))
      throw new ArgumentError("standardDeviation", "> 0 and finite", shown(standardDeviation));
    checkFinite(target);
    const perCell = 2 ** (GRID_BITS - Math.floor(Math.log2(standardDeviation)));
    const cell = 1 / perCell;
    const scale = ((standardDeviation * NOISE_MARGIN) / Math.SQRT2) * perCell;
    const ahead = this.#ahead.subarray(this.#used, this.#used + target.length);
    this.#used += ahead.length;
    // Both terms are multiples of the cell, exactly; dividing and multiplying by a power of two is exact.
    for (let i = 0; i < ahead.length; i++) {
      target[i] = (nearestWhole(target[i] * perCell) + nearestWhole(ahead[i] * scale)) * cell;
      // No draw stays in memory after its use, nor is there a way back to it.
      ahead[i] = 0;
    }
    const stream = this.#stream;
    for (let i = ahead.length; i < target.length; i++) {
      const noise = nearestWhole((standardNormal(stream) + standardNormal(stream)) * scale);
      target[i] = (nearestWhole(target[i] * perCell) + noise) * cell;
    }
  }

  /**
   * Noises a sum given in parts (one per tensor), once, and says what was added.
   * sensitivity: the L2 norm by which one example can move the whole sum, > 0; noiseMultiplier σ > 0.
   */
  addToSum(
    parts: readonly (Float32Array | Float64Array)[],
    mechanism: { readonly noiseMultiplier: number; readonly sensitivity: number },
  ): AddedNoise {
    const { noiseMultiplier, sensitivity } = mechanism;
    for (const [name, value] of Object.entries({ noiseMultiplier, sensitivity }))
      if (!(value > 0 && value < Infinity)) throw new ArgumentError(name, "> 0 and finite", shown(value));
    const standardDeviation = noiseMultiplier * sensitivity;
    for (const part of parts) this.addTo(part, standardDeviation);
    // The margin of 2^-14 exceeds the rounding of this product, so σ·sensitivity is what was added at least.
    return { noiseMultiplier, sensitivity, standardDeviation: standardDeviation * NOISE_MARGIN };
  }
}
