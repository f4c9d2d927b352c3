// Bounds that a fair sample breaks with probability at most FALSE_ALARM: proven inequalities, no asymptotics.

/** The chance that a correct generator fails one check. */
export const FALSE_ALARM = 1e-9;

/** Chernoff: P(|X/n − p| at least as far as seen) ≤ 2·exp(−n·KL(X/n ‖ p)) for X ~ Binomial(n, p). */
export function binomialIsPlausible(successes: number, trials: number, probability: number): boolean {
  const seen = successes / trials;
  const term = (a: number, b: number) => (a === 0 ? 0 : a * Math.log(a / b));
  const divergence = term(seen, probability) + term(1 - seen, 1 - probability);
  return 2 * Math.exp(-trials * divergence) >= FALSE_ALARM;
}

/** Dvoretzky–Kiefer–Wolfowitz: P(sup |empirical − true|) > e) ≤ 2·exp(−2ne²); cdf is the claimed distribution. */
export function distributionIsPlausible(sample: Float64Array, cdf: (x: number) => number): boolean {
  const sorted = sample.slice().sort();
  let distance = 0;
  for (let i = 0; i < sorted.length; i++) {
    const p = cdf(sorted[i]!);
    distance = Math.max(distance, Math.abs(p - i / sorted.length), Math.abs(p - (i + 1) / sorted.length));
  }
  return distance <= Math.sqrt(Math.log(2 / FALSE_ALARM) / (2 * sorted.length));
}

/** Laurent–Massart: P(X − n ≥ 2√(nt) + 2t) ≤ e^−t and P(n − X ≥ 2√(nt)) ≤ e^−t for X ~ χ²(n). */
export function chiSquareIsPlausible(value: number, freedom: number): boolean {
  const t = Math.log(2 / FALSE_ALARM);
  return (
    value - freedom <= 2 * Math.sqrt(freedom * t) + 2 * t && freedom - value <= 2 * Math.sqrt(freedom * t)
  );
}

/** Φ(x) by its power series, Φ(x) = 1/2 + f(x)·Σ x^(2k+1)/(1·3·…·(2k+1)); absolute error below 1e-13. */
export function normalCdf(x: number): number {
  if (x > 8) return 1;
  if (x < -8) return 0;
  let term = x;
  let sum = x;
  for (let k = 1; k < 400; k++) {
    term *= (x * x) / (2 * k + 1);
    sum += term;
  }
  return 0.5 + (sum * Math.exp(-x * x * 0.5)) / Math.sqrt(2 * Math.PI);
}
