// Cryptographic random words for sampling and noise, from the operating system's seed, that nobody can set or repeat.
import { ArgumentError, shown } from "../../formats/argumentError.js";

/** 65,536 bytes: what one call of WebCrypto may ask for. No other module draws secret randomness. */
const BLOCK_WORDS = 16_384;

/**
 * An endless stream of uniform 32-bit words, secret and never repeated.
 *
 * Guarantee: the words come from the engine's cryptographic generator (`crypto.getRandomValues`; in Node that is OpenSSL's
 * AES-256 in counter mode under keys from the operating system, which it renews), can be neither set nor read twice; so no
 * two streams and no two runs share a word but by chance. The class is nominal (it has private
 * fields): a seeded generator is not accepted in its place.
 */
export class SecureStream {
  readonly #words = new Uint32Array(BLOCK_WORDS);
  #position = BLOCK_WORDS;

  /** The next word: a whole number, uniform on [0, 2^32). */
  nextWord(): number {
    if (this.#position === BLOCK_WORDS) {
      crypto.getRandomValues(this.#words);
      this.#position = 0;
    }
    return this.#words[this.#position++]!;
  }

  /** Uniform on the multiples of 2^-53 in (0, 1]: its logarithm is finite. */
  nextUnit(): number {
    const high = this.nextWord() >>> 11;
    return (high * 2 ** 32 + this.nextWord() + 1) * 2 ** -53;
  }

  /** Throws TypeError unless stream is one of these: the guard against a seeded generator from plain JavaScript. */
  static check(stream: SecureStream): SecureStream {
    if (!(typeof stream === "object" && stream !== null && #words in stream))
      throw new ArgumentError("stream", "a SecureStream: sampling and noise cannot be seeded", shown(stream));
    return stream;
  }
}

/** A seed for what needs no secrecy, drawn anew: a whole number in [0, 2^47). */
export function randomSeed(): number {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2)) as Uint32Array & [number, number];
  return (high & 0x7fff) * 2 ** 32 + low;
}
