// A search whose number of runs is drawn in secret: what makes the price of tuning that small [PapernotSteinke2022].
import { callable, oneOf } from "../formats/argumentChecks.js";
import { ArgumentError, shown } from "../formats/argumentError.js";
import type { RepetitionDistribution } from "../formats/event.js";
import { checkFields, type FieldsOf } from "../formats/knownFields.js";

/** Node and browsers have it; no generator of one's own is accepted in its place. */
declare const crypto: { getRandomValues(words: Uint32Array<ArrayBuffer>): Uint32Array };

/**
 * Draws how often a search repeats, from the cryptographic generator of the engine, by inversion of 53 random bits (what
 * lies beyond 2⁻⁵³ of the distribution is cut).
 *
 * The number is as secret as the noise: whoever learns it learns about the data. It must not be printed, logged, stored
 * or told by how many folders or how much time the search leaves behind; and it must be carried out: drawing again
 * because the number is too large or 0 makes another mechanism, which nothing here accounts for.
 */
export function drawRepetitions(repetitions: RepetitionDistribution): number {
  checkRepetitions(repetitions);
  return quantile(repetitions, uniform());
}

/**
 * The number of runs that a search exceeds with a probability of at most 1 − share: for planning how long it may take.
 * share in (0, 1).
 */
export function mostRepetitions(repetitions: RepetitionDistribution, share: number): number {
  checkRepetitions(repetitions);
  if (!(typeof share === "number" && share > 0 && share < 1))
    throw new ArgumentError("share", "in (0, 1)", shown(share));
  return quantile(repetitions, share);
}

const FIELDS = {
  "negative-binomial": { kind: true, eta: true, gamma: true } satisfies FieldsOf<
    Extract<RepetitionDistribution, { kind: "negative-binomial" }>
  >,
  poisson: { kind: true, mean: true } satisfies FieldsOf<
    Extract<RepetitionDistribution, { kind: "poisson" }>
  >,
} as const;

function checkRepetitions(repetitions: RepetitionDistribution): void {
  const kinds = Object.keys(FIELDS);
  oneOf("repetitions.kind", repetitions?.kind, kinds);
  checkFields("repetitions", repetitions, FIELDS[repetitions.kind], { path: "repetitions" });
  if (repetitions.kind === "poisson") {
    const { mean } = repetitions;
    if (!(typeof mean === "number" && mean >= 0 && mean < Infinity))
      throw new ArgumentError("repetitions.mean", ">= 0 and finite", shown(mean));
    return;
  }
  const { eta, gamma } = repetitions;
  if (!(typeof eta === "number" && eta > -1 && eta < Infinity))
    throw new ArgumentError("repetitions.eta", "> -1 and finite", shown(eta));
  if (!(typeof gamma === "number" && gamma > 0 && gamma < 1))
    throw new ArgumentError("repetitions.gamma", "in (0, 1)", shown(gamma));
}

/** The smallest k with P[K ≤ k] ≥ share, in (0, 1]; terms too small to be added any more end the sum. */
function quantile(repetitions: RepetitionDistribution, share: number): number {
  let left = share;
  if (repetitions.kind === "poisson") {
    const { mean } = repetitions;
    // P[K = k] = e^(k log μ − μ − log k!), in logarithms, so that nothing underflows before the middle.
    for (let k = 0, log = -mean; ; log += Math.log(mean / ++k)) {
      const chance = Math.exp(log);
      if (left <= chance || (k > mean && chance < 2 ** -60)) return k;
      left -= chance;
    }
  }
  const { eta, gamma } = repetitions;
  const log = -Math.log(gamma);
  // P[K = 1] = (1−γ)η/(γ^−η − 1), → (1−γ)/log(1/γ) at η = 0; P[K = k+1] = P[K = k](1−γ)(k+η)/(k+1).
  let chance = (1 - gamma) / (Math.abs(eta * log) < 1e-300 ? log : Math.expm1(eta * log) / eta);
  for (let k = 1; ; k++) {
    if (left <= chance || (k * gamma > 1 + eta && chance < 2 ** -60 * gamma)) return k;
    left -= chance;
    chance *= ((1 - gamma) * (k + eta)) / (k + 1);
  }
}

/** Uniform on the multiples of 2⁻⁵³ in (0, 1]. */
function uniform(): number {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2)) as Uint32Array & [number, number];
  return ((high >>> 11) * 2 ** 32 + low + 1) * 2 ** -53;
}

/** What one run of a search has come to. */
export interface Trial<T> {
  readonly outcome: T;
  /** Higher is better. From the run's release and public data only: a score of private data is not paid for. */
  readonly score: number;
}

/**
 * Carries out a search: draws the number of runs in secret, lets each have its turn, and gives the best (of equal ones,
 * the first); undefined if there was none. `run` must draw its hyper-parameters anew and independently each time, and
 * leave nothing behind of what it was called for but its trial; a run that fails must still give one (score −Infinity),
 * for an error that ends the search tells how far it came.
 */
export async function secretSearch<T>(
  repetitions: RepetitionDistribution,
  run: () => Trial<T> | Promise<Trial<T>>,
): Promise<T | undefined> {
  callable("run", run);
  let best: Trial<T> | undefined;
  for (let left = drawRepetitions(repetitions); left > 0; left--) {
    const trial = await run();
    if (best === undefined || trial.score > best.score) best = trial;
  }
  return best?.outcome;
}
