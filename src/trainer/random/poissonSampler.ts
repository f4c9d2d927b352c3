// Poisson sampling: every example enters every batch independently with probability q.
import { ArgumentError, shown } from "../../formats/argumentError.js";
import { SecureStream } from "./secureStream.js";

/** The rate as a count of 64-bit words: an example enters if its uniform word lies below high·2^32 + low. */
export interface SamplingThreshold {
  readonly high: number;
  readonly low: number;
}

/**
 * ⌊q·2^64⌋ in two words (high = 2^32, low = 0 for q = 1), so that the true rate never exceeds q and
 * falls short of it by less than 2^-64. q in [0, 1], else RangeError.
 */
export function samplingThreshold(samplingRate: number): SamplingThreshold {
  if (!(typeof samplingRate === "number" && samplingRate >= 0 && samplingRate <= 1))
    throw new ArgumentError("samplingRate", "in [0, 1]", shown(samplingRate));
  // Scaling by a power of two is exact, and the floor of a double is a double: no rounding up anywhere.
  const words = BigInt(Math.floor(samplingRate * 2 ** 64));
  return { high: Number(words >> 32n), low: Number(words & 0xffff_ffffn) };
}

/**
 * Draws the batches of DP-SGD.
 *
 * Guarantee: each call of `draw` includes each example with probability ⌊q·2^64⌋/2^64 ≤ q, independently of all other
 * examples and calls. No batch is skipped, cut or filled up: sizes are binomial and may be 0.
 * The indices, and their number, are secret: they must not be printed, stored or sent.
 */
export class PoissonSampler {
  readonly examples: number;
  readonly samplingRate: number;
  readonly #threshold: SamplingThreshold;
  readonly #stream: SecureStream;
  #scratch: Uint32Array;

  /** examples: a whole number in [1, 2^32 − 1]; samplingRate q in [0, 1]. The stream must be used for nothing else. */
  constructor(examples: number, samplingRate: number, stream: SecureStream = new SecureStream()) {
    if (!(Number.isSafeInteger(examples) && examples >= 1 && examples < 2 ** 32))
      throw new ArgumentError("examples", "a whole number in [1, 2^32 - 1]", shown(examples));
    this.examples = examples;
    this.samplingRate = samplingRate;
    this.#threshold = samplingThreshold(samplingRate);
    this.#stream = SecureStream.check(stream);
    this.#scratch = new Uint32Array(Math.min(examples, 1024));
  }

  /** The examples of one batch: increasing indices in [0, examples). Empty batches are batches. */
  draw(): Uint32Array {
    const { high, low } = this.#threshold;
    const stream = this.#stream;
    let scratch = this.#scratch;
    let count = 0;
    for (let index = 0; index < this.examples; index++) {
      const word = stream.nextWord();
      // The low word decides only when the high words are equal, once in 2^32 draws.
      if (word > high || (word === high && stream.nextWord() >= low)) continue;
      if (count === scratch.length) {
        const larger = new Uint32Array(Math.min(this.examples, count * 2));
        larger.set(scratch);
        scratch = larger;
        this.#scratch = larger;
      }
      scratch[count++] = index;
    }
    return scratch.slice(0, count);
  }
}
