// Cryptographic random words for sampling and noise: AES-256 in counter mode under a fresh key that nobody can name.
import { type Cipher, createCipheriv, randomBytes } from "node:crypto";

const BLOCK_BYTES = 65_536;
const ZEROS = new Uint8Array(BLOCK_BYTES);
/** 64 GiB under one key: 2^32 AES blocks, a distinguishing advantage of at most 2^-65. */
const BLOCKS_PER_KEY = 2 ** 20;

/**
 * An endless stream of uniform 32-bit words, secret and never repeated.
 *
 * Guarantee: the key comes from the operating system (`randomBytes`), is drawn anew for each stream and every 64 GiB,
 * is wiped after use, and can be neither set, read nor stored; so no two streams and no two runs share a word
 * but by chance. The class is nominal (it has private fields): a seeded generator is not accepted in its place.
 */
export class SecureStream {
  #cipher: Cipher | undefined;
  #blocksLeft = 0;
  #words = new Uint32Array(0);
  #position = 0;

  /** The next word: a whole number, uniform on [0, 2^32). */
  nextWord(): number {
    if (this.#position === this.#words.length) this.#refill();
    return this.#words[this.#position++];
  }

  /** Uniform on the multiples of 2^-53 in (0, 1]: its logarithm is finite. */
  nextUnit(): number {
    const high = this.nextWord() >>> 11;
    return (high * 2 ** 32 + this.nextWord() + 1) * 2 ** -53;
  }

  /** Throws TypeError unless stream is one of these: the guard against a seeded generator from plain JavaScript. */
  static check(stream: SecureStream): SecureStream {
    if (!(typeof stream === "object" && stream !== null && #words in stream))
      throw new TypeError("stream must be a SecureStream: sampling and noise cannot be seeded");
    return stream;
  }

  #refill(): void {
    if (this.#cipher === undefined || this.#blocksLeft === 0) {
      const key = randomBytes(32);
      this.#cipher = createCipheriv("aes-256-ctr", key, randomBytes(16));
      key.fill(0);
      this.#blocksLeft = BLOCKS_PER_KEY;
    }
    this.#blocksLeft--;
    const bytes = this.#cipher.update(ZEROS);
    // A view where the memory is aligned (it is, in blocks of this size); a copy if it ever is not.
    this.#words =
      bytes.byteOffset % 4 === 0
        ? new Uint32Array(bytes.buffer, bytes.byteOffset, BLOCK_BYTES / 4)
        : new Uint32Array(Uint8Array.from(bytes).buffer);
    this.#position = 0;
  }
}
