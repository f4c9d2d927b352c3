// Numbers as people read them: few digits, rounded to the side that never flatters. Files and JSON keep all digits.

/** At least x: `digits` significant digits, rounded up. For ε, δ, σ needed. */
export function roundedUp(x: number, digits = 4): string {
  return rounded(x, digits, 1);
}

/** At most x: `digits` significant digits, rounded down. For what remains, for lower bounds, for accuracy. */
export function roundedDown(x: number, digits = 4): string {
  return rounded(x, digits, -1);
}

function rounded(x: number, digits: number, direction: 1 | -1): string {
  if (!Number.isFinite(x) || x === 0) return String(x);
  // Decimal digits of the double itself decide, so that 0.1 stays 0.1 and 3 stays 3.
  const short = Number(x.toPrecision(digits));
  if ((short - x) * direction >= 0) return plain(short);
  const unit = 10 ** (Math.floor(Math.log10(Math.abs(x))) + 1 - digits);
  return plain(Number((short + direction * unit).toPrecision(digits)));
}

/** Without exponent from 1e-4 to 1e15. */
function plain(x: number): string {
  return Math.abs(x) < 1e-4 ? x.toExponential() : String(x);
}
