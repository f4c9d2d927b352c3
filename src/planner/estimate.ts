// Where to start looking: the central-limit picture of DP-SGD. Guesses only, never a guarantee.
// μ = q √(T (e^{1/σ²} − 1)) [Bu2020], and μ²/2 = η² with ε ≈ η² + 2η √log(1/δ) [Sander2023, §3].

/** η = √(log(1/δ) + ε) − √log(1/δ), the privacy noise that ε and δ allow; > 0. */
function allowance(epsilon: number, delta: number): number {
  const root = Math.sqrt(-Math.log(delta));
  // The difference of roots, written without cancellation.
  return epsilon / (Math.sqrt(root * root + epsilon) + root);
}

/** σ from 2η² = q² T (e^{1/σ²} − 1); at q = 1 from 2η² = T/σ². */
export function guessNoiseMultiplier(run: {
  samplingRate: number;
  steps: number;
  epsilon: number;
  delta: number;
}): number {
  const square = (2 * allowance(run.epsilon, run.delta) ** 2) / run.steps;
  const inverse = run.samplingRate === 1 ? square : Math.log1p(square / run.samplingRate ** 2);
  return Math.min(1e6, Math.max(0.02, 1 / Math.sqrt(inverse)));
}

/** e^{1/σ²} − 1, kept finite for tiny σ; at q = 1 the exponential has no place. */
function growth(noiseMultiplier: number, full: boolean): number {
  const inverse = Math.min(700, 1 / noiseMultiplier ** 2);
  return full ? inverse : Math.expm1(inverse);
}

/** −d log ε / d log σ: that of η, (1/σ²)/(1 − e^{−1/σ²}); ε = η² + 2η√log(1/δ) falls up to twice as fast. In [1, 100]. */
export function guessSlope(noiseMultiplier: number): number {
  const inverse = 1 / noiseMultiplier ** 2;
  return inverse > 1e-8 ? Math.min(100, -inverse / Math.expm1(-inverse)) : 1;
}

/** T from the same equation. */
export function guessSteps(run: {
  samplingRate: number;
  noiseMultiplier: number;
  epsilon: number;
  delta: number;
}): number {
  const square = 2 * allowance(run.epsilon, run.delta) ** 2;
  return square / (run.samplingRate ** 2 * growth(run.noiseMultiplier, run.samplingRate === 1));
}

/** q from the same equation, with T steps, or with T = epochs/q. */
export function guessSamplingRate(run: {
  steps?: number;
  epochs?: number;
  noiseMultiplier: number;
  epsilon: number;
  delta: number;
}): number {
  const square = 2 * allowance(run.epsilon, run.delta) ** 2;
  const inverse = growth(run.noiseMultiplier, false);
  return run.steps === undefined
    ? square / (run.epochs! * inverse)
    : Math.sqrt(square / (run.steps * inverse));
}
