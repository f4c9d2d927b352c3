// What rounding to doubles does: the two units in which error bounds count.

/** Unit round-off u = 2⁻⁵³: one operation, rounded to nearest, errs by at most u of its result. */
export const UNIT_ROUNDOFF = 2 ** -53;

/** Unit in the last place of 1, 2u = 2⁻⁵²: neighbouring doubles are at most this apart, relative to the larger. */
export const ULP = 2 ** -52;
