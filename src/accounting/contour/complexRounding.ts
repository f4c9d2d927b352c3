// What rounding does, and sums and differences of complex numbers that keep their digits.

/** Re(e^{x + iy} − 1) given cos y: near 0 too to a few round-offs of |e^{x + iy} − 1|. */
export function realLessOne(x: number, y: number, cos: number): number {
  const half = Math.sin(y / 2);
  return Math.expm1(x) * cos - 2 * half * half;
}

/** A sum of n complex numbers by blocks: it errs by UNIT_ROUNDOFF·(block + n/block) of the sum of their sizes at most. */
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
