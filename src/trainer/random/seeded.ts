// A seeded generator for what is public or secret to nobody: initial weights and augmentations. NOT for sampling or noise.
import { ArgumentError, shown } from "../../formats/argumentError.js";

/**
 * xoshiro128** [BlackmanVigna2021], seeded through splitmix32. Repeatable: equal seeds give equal numbers on every machine.
 * Never a source of privacy: whoever knows the seed knows all its numbers, and it is too weak to keep one secret.
 */
export class SeededRandom {
  readonly seed: number;
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** seed: a whole number in [0, 2^53 − 1]. */
  constructor(seed: number) {
    if (!(Number.isSafeInteger(seed) && seed >= 0))
      throw new ArgumentError("seed", "a whole number in [0, 2^53 - 1]", shown(seed));
    this.seed = seed;
    const low = splitmix(seed >>> 0);
    const high = splitmix(Math.floor(seed / 2 ** 32) ^ 0x5bf0_3635);
    this.#a = low() ^ high();
    this.#b = low() ^ high();
    this.#c = low() ^ high();
    this.#d = low() ^ high() || 1;
  }

  /** A whole number, uniform on [0, 2^32). */
  nextWord(): number {
    const scrambled = Math.imul(this.#b, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result;
  }

  /** Uniform on the multiples of 2^-53 in [0, 1). */
  uniform(): number {
    const high = this.nextWord() >>> 11;
    return (high * 2 ** 32 + this.nextWord()) * 2 ** -53;
  }

  /** A whole number, uniform on [0, bound), without bias; bound a whole number in [1, 2^32]. */
  below(bound: number): number {
    if (!(Number.isSafeInteger(bound) && bound >= 1 && bound <= 2 ** 32))
      throw new ArgumentError("bound", "a whole number in [1, 2^32]", shown(bound));
    const limit = 2 ** 32 - (2 ** 32 % bound);
    let word = this.nextWord();
    while (word >= limit) word = this.nextWord();
    return word % bound;
  }

  /** A standard normal number (Box–Muller). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** A generator of its own for a numbered purpose (a step, an example), the same whenever it is asked for. */
  child(index: number): SeededRandom {
    if (!(Number.isSafeInteger(index) && index >= 0))
      throw new ArgumentError("index", "a whole number >= 0", shown(index));
    const mix = splitmix((this.seed ^ Math.imul(index, 0x9e37_79b1)) >>> 0);
    const high = splitmix((Math.floor(index / 2 ** 32) ^ Math.floor(this.seed / 2 ** 32) ^ mix()) >>> 0);
    return new SeededRandom((high() & 0x1f_ffff) * 2 ** 32 + mix());
  }
}

function splitmix(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e37_79b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0_aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a_2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
}
