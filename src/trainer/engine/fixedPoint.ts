// The grid of clipped sums: units so fine, and room so wide, that the whole training set adds up without rounding.

/**
 * Clipped sums are whole numbers of 2^-fractionBits: min(40, 52 − ⌈log₂ N⌉) for a training set of N examples.
 *
 * Each example adds numbers of magnitude at most 1, so the sum of all N is at most 2^52 units: exact in float64, with room for
 * a training set twice as large as well. It depends on N, which is public, not on how many examples a step draws, which is
 * private. Throws RangeError unless examples is a whole number from 1 to 2^40.
 */
export function fractionBits(examples: number): number {
  if (!(Number.isInteger(examples) && examples >= 1 && examples <= 2 ** 40))
    throw new RangeError(`examples must be a whole number from 1 to 2^40, got ${examples}`);
  let bits = 0;
  // Not by Math.log2, whose rounding is anybody's.
  while (2 ** bits < examples) bits++;
  return Math.min(40, 52 - bits);
}
