// Sums and differences of complex numbers that keep their digits (docs/math-contour.md, assumptions and theorem 5).
//
// Throughout u is the unit round-off (src/math/rounding.ts); Math.exp, log, expm1, log1p, sin, cos, atan2 are taken to
// be within 2 units in the last place.

/**
 * Re(e^{x + iy} − 1), given cos y: e^x cos y − 1 = (e^x − 1)cos y − 2 sin²(y/2), which keeps its digits near 0 too, to
 * a few round-offs of |e^{x + iy} − 1|.
 *
 * The imaginary part, e^x sin y, needs no care.
 */
export function realLessOne(x: number, y: number, cos: number): number {
  const half = Math.sin(y / 2);
  return Math.expm1(x) * cos - 2 * half * half;
}

/**
 * A sum of n complex numbers by blocks: it errs by u·(block + n/block) of the sum of their sizes at most.
 *
 * `close` after each block of numbers; the order of the blocks is that of their coming.
 */
export class BlockSum {
  re = 0;
  im = 0;
  private blockRe = 0;
  private blockIm = 0;

  clear(): void {
    this.re = this.im = this.blockRe = this.blockIm = 0;
  }

  add(re: number, im: number): void {
    this.blockRe += re;
    this.blockIm += im;
  }

  /** Ends a block. */
  close(): void {
    this.re += this.blockRe;
    this.im += this.blockIm;
    this.blockRe = this.blockIm = 0;
  }
}
