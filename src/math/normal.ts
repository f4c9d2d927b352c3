// The normal distribution's tails and the error functions behind them, to a few units in the last place anywhere.

/*
 * Everything rests on the scaled complementary error function. For x > 0
 *
 *   erfcx(x) = e^{x²} erfc(x) = (x/π) ∫ e^{−t²} / (t² + x²) dt,
 *
 * and the midpoint rule with step h at t = (n + ½)h turns it into [MattaReichel1971]
 *
 *   erfcx(x) = (2hx/π) Σ_{n≥0} e^{−(n+½)²h²} / ((n+½)²h² + x²)  +  2 e^{x²} / (e^{2πx/h} + 1)  +  E,
 *
 * the second term being the residue at t = ix, and |E| ≤ 4·e^{−π²/h²} of the value. With h = ½, e^{−π²/h²} = 7e−18.
 * Every term is positive: nothing cancels, at any x ≥ 0. Fourteen terms suffice: e^{−(14.5/2)²} = 2e−23.
 */
const STEP = 0.5;
const NODES = Array.from({ length: 14 }, (_, n) => ((n + 0.5) * STEP) ** 2);
const WEIGHTS = NODES.map((t2) => ((2 * STEP) / Math.PI) * Math.exp(-t2));
/** Beyond π/h the pole lies outside the strip and the residue, e^{x² − 2πx/h}, is below 1e−17 anyway. */
const POLE_ENDS = Math.PI / STEP;

const SQRT1_2 = Math.SQRT1_2;
const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);
const TWO_OVER_SQRT_PI = 2 / Math.sqrt(Math.PI);
const LOG_SQRT_2PI = 0.5 * Math.log(2 * Math.PI);

/** e^{x²} erfc(x) for any x; overflows to Infinity below −26.6. Relative error ≤ 1e−15 for x ≥ 0. */
export function erfcx(x: number): number {
  if (x < 0) return 2 * expSquare(x, 1) - erfcx(-x);
  if (x > 1e8) return TWO_OVER_SQRT_PI / 2 / x;
  const x2 = x * x;
  let sum = 0;
  for (let n = NODES.length - 1; n >= 0; n--) sum += WEIGHTS[n]! / (NODES[n]! + x2);
  sum *= x;
  if (x < POLE_ENDS) sum += (2 * Math.exp(x2)) / (Math.exp((2 * Math.PI * x) / STEP) + 1);
  return sum;
}

/** 1 − erf(x), accurate relative to itself: erfc(26) = 5.7e−296 has all its digits. */
export function erfc(x: number): number {
  return x < 0 ? 2 - erfc(-x) : x > 27.3 ? 0 : expSquare(x, -1) * erfcx(x);
}

/** (2/√π) ∫₀ˣ e^{−t²} dt, accurate relative to itself near 0 too. */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a >= 0.5) return Math.sign(x) * (1 - erfc(a));
  // (2/√π) e^{−x²} Σ 2ⁿ x^{2n+1} / (2n+1)!!: positive terms, each at most a sixth of the one before.
  let term = x;
  let sum = x;
  for (let n = 1; n < 30 && Math.abs(term) > 1e-18 * a; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return TWO_OVER_SQRT_PI * Math.exp(-x * x) * sum;
}

/** e^{±x²} with x² carried exactly: x = (24 leading bits) + rest, so that the exponent's rounding does not show. */
function expSquare(x: number, sign: 1 | -1, factor = 1): number {
  const head = Math.fround(x);
  if (!(Math.abs(head) < 1e8)) return sign * factor > 0 ? Infinity : 0;
  return Math.exp(sign * factor * head * head) * Math.exp(sign * factor * (x - head) * (x + head));
}

/** Density φ(x) = e^{−x²/2} / √(2π). */
export function normalPdf(x: number): number {
  return (SQRT_2_OVER_PI / 2) * expSquare(x, -1, 0.5);
}

/** P(Z > x), in [0, 1]; relative error ≤ 2e−15 for x ≥ 0, subnormal from 37.5 and 0 from 38.5. */
export function normalSf(x: number): number {
  return x < 0 ? 1 - normalSf(-x) : 0.5 * expSquare(x, -1, 0.5) * erfcx(x * SQRT1_2);
}

/** P(Z ≤ x), in [0, 1]; relative error ≤ 2e−15 for x ≤ 0. */
export function normalCdf(x: number): number {
  return normalSf(-x);
}

/** log P(Z > x), relative error ≤ 2e−15 at any x, 1e5 and −30 included; −Infinity at Infinity. */
export function logNormalSf(x: number): number {
  if (x < 0) return Math.log1p(-normalSf(-x));
  return x === Infinity ? -Infinity : -0.5 * x * x + Math.log(0.5 * erfcx(x * SQRT1_2));
}

/** log P(Z ≤ x). */
export function logNormalCdf(x: number): number {
  return logNormalSf(-x);
}

/** R(x) = P(Z > x)/φ(x), Mills' ratio; relative error ≤ 2e−15 for x ≥ 0. */
export function millsRatio(x: number): number {
  return erfcx(x * SQRT1_2) / SQRT_2_OVER_PI;
}

/**
 * −R′(x) = 1 − xR(x) > 0, without the cancellation of large x: with y = x/√2 it is (1/√π) ∫ e^{−t²} t²/(t² + y²) dt,
 * and the midpoint rule of {@link erfcx} applies, its residue being −2√π·y·e^{y²}/(e^{2πy/h} + 1). Relative error ≤ 1e−14.
 */
export function millsSlope(x: number): number {
  if (x < 0) return 1 - x * millsRatio(x);
  const y = x * SQRT1_2;
  if (y > 1e8) return 1 / (x * x);
  let sum = 0;
  for (let n = NODES.length - 1; n >= 0; n--) sum += (WEIGHTS[n]! * NODES[n]!) / (NODES[n]! + y * y);
  sum *= Math.sqrt(Math.PI);
  if (y < POLE_ENDS)
    sum -= (2 * Math.sqrt(Math.PI) * y * Math.exp(y * y)) / (Math.exp((2 * Math.PI * y) / STEP) + 1);
  return sum;
}

/** φ(x) / P(Z > x): the hazard, √(2/π) / erfcx(x/√2); ~x for large x, never overflows for x > −37. */
export function normalHazard(x: number): number {
  return SQRT_2_OVER_PI / erfcx(x * SQRT1_2);
}

/** log φ(x). */
export function logNormalPdf(x: number): number {
  return -0.5 * x * x - LOG_SQRT_2PI;
}

/**
 * The x with log P(Z > x) = logP, for logP in [−∞, 0]: quantiles of tails far below the smallest double.
 * Relative error ≤ 1e−14 while P ≤ ¼ (closer to the middle call {@link normalQuantile}, whose argument says more).
 */
export function logNormalSfInverse(logP: number): number {
  if (!(logP <= 0)) throw new RangeError(`logP must be <= 0, got ${logP}`);
  if (logP === 0) return -Infinity;
  if (logP === -Infinity) return Infinity;
  if (logP > -Math.LN2) {
    // P > ½: mirror. 1 − P keeps its digits by expm1.
    const q = -Math.expm1(logP);
    return q < 0.25 ? -logNormalSfInverse(Math.log(q)) : -normalQuantile(Math.exp(logP));
  }
  // log P(Z > x) ≈ −x²/2 − log(x√2π): start from it, then Halley steps on f(x) = log P(Z > x) − logP,
  // f′ = −h and f″ = −h(h − x) with h the hazard. f is concave and smooth: five steps reach round-off from this start.
  let x = Math.sqrt(Math.max(0, -2 * (logP + Math.LN2)));
  if (x > 2) x = Math.sqrt(x * x - 2 * Math.log(x * 1.2533141373155));
  for (let i = 0; i < 8; i++) {
    const f = logNormalSf(x) - logP;
    const h = normalHazard(x);
    const newton = f / h;
    const step = newton / (1 + 0.5 * newton * (h - x));
    x += step;
    if (!(Math.abs(step) > 1e-16 * Math.abs(x))) break;
  }
  return x;
}

/** Φ⁻¹(p) for p in [0, 1]; relative error ≤ 1e−14 (p is taken as the exact double). */
export function normalQuantile(p: number): number {
  if (!(p >= 0 && p <= 1)) throw new RangeError(`p must be in [0, 1], got ${p}`);
  if (p < 0.25) return -logNormalSfInverse(Math.log(p));
  if (p > 0.75) return logNormalSfInverse(Math.log(1 - p));
  // The middle: solve erf(x/√2) = 2(p − ½), whose right-hand side is exact; Newton with the derivative √(2/π) e^{−x²/2}.
  const target = 2 * (p - 0.5);
  let x = target / SQRT_2_OVER_PI;
  for (let i = 0; i < 8; i++) {
    const g = (erf(x * SQRT1_2) - target) / (SQRT_2_OVER_PI * Math.exp(-0.5 * x * x));
    const step = g / (1 + 0.5 * x * g);
    x -= step;
    if (!(Math.abs(step) > 1e-16 * Math.abs(x))) break;
  }
  return x;
}
