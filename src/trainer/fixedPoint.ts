// The grid of exact sums: how fine it may be for so many examples.
import { ArgumentError, shown } from "../formats/argumentError.js";

/**
 * Bits behind the binary point of a clipped sum over at most `examples` examples: min(40, 52 − ⌈log₂ examples⌉).
 *
 * Contributions are rounded to multiples of 2^-bits, each number of at most 1 in magnitude. All examples together then stay
 * within 2^52 multiples, and those of a data set twice as large within 2^53: sums are exact in float64, in whatever
 * order. It must be the number of examples of the whole training set, as the plan states it: how many were drawn is private.
 * Throws RangeError unless examples is a whole number in [1, 2^40].
 */
export function fractionBits(examples: number): number {
  if (!(Number.isSafeInteger(examples) && examples >= 1 && examples <= 2 ** 40))
    throw new ArgumentError("examples", "a whole number in [1, 2^40]", shown(examples));
  return Math.min(40, 52 - Math.ceil(Math.log2(examples)));
}
