// Privacy events: what was done to the data, as plain JSON; necessary and sufficient for accounting.
// The vocabulary follows dp_accounting's DpEvent [Google-dp-accounting] where it has a word for the thing.

/** Nothing that depends on the data: spends nothing. */
export interface NoEvent {
  readonly kind: "none";
}
/** The data themselves were released: ε = ∞ for every δ < 1. */
export interface NonPrivateEvent {
  readonly kind: "non-private";
}
/** Gaussian noise; noiseMultiplier σ = standard deviation ÷ L2 sensitivity, ≥ 0 (0 = no noise), dimensionless. */
export interface GaussianEvent {
  readonly kind: "gaussian";
  readonly noiseMultiplier: number;
}
/** Laplace noise; noiseMultiplier = scale b ÷ L1 sensitivity, ≥ 0, dimensionless. */
export interface LaplaceEvent {
  readonly kind: "laplace";
  readonly noiseMultiplier: number;
}
/** Noise on the integers with probability ∝ exp(−x²/2σ²); sensitivity a whole number ≥ 0, σ in the same units. */
export interface DiscreteGaussianEvent {
  readonly kind: "discrete-gaussian";
  readonly sigma: number;
  readonly sensitivity: number;
}
/** Noise on the integers with probability ∝ exp(−a|x|); a > 0 per unit, sensitivity a whole number ≥ 0. */
export interface DiscreteLaplaceEvent {
  readonly kind: "discrete-laplace";
  readonly parameter: number;
  readonly sensitivity: number;
}
/** k-ary randomised response: with probability p in [0, 1] a uniform one of the k ≥ 2 answers, else the true one. */
export interface RandomizedResponseEvent {
  readonly kind: "randomized-response";
  readonly noiseProbability: number;
  readonly buckets: number;
}
/** The exponential mechanism run at ε ≥ 0: ε-DP, and of bounded range ε. */
export interface ExponentialEvent {
  readonly kind: "exponential";
  readonly epsilon: number;
}
/** Any mechanism known only to be (ε, δ)-DP. */
export interface EpsilonDeltaEvent {
  readonly kind: "epsilon-delta";
  readonly epsilon: number;
  readonly delta: number;
}
/** Any mechanism known only to be (ξ, ρ)-zCDP: RDP(α) ≤ ξ + ρα [BunSteinke2016]. */
export interface ZcdpEvent {
  readonly kind: "zcdp";
  readonly rho: number;
  readonly xi: number;
}
/**
 * A mechanism with finitely many outcomes: its probabilities with the record (upper) and without it (lower).
 * Each list sums to 1 within 1e-9. The pair must dominate the mechanism.
 */
export interface PmfPairEvent {
  readonly kind: "pmf-pair";
  readonly upper: readonly number[];
  readonly lower: readonly number[];
}
/**
 * Gaussian noise on a sum whose sensitivity is random: sensitivities[i] ≥ 0 with probability probabilities[i];
 * standardDeviation in the same units. Covers groups of records under Poisson sampling [Ganesh2024].
 */
export interface GaussianMixtureEvent {
  readonly kind: "gaussian-mixture";
  readonly standardDeviation: number;
  readonly sensitivities: readonly number[];
  readonly probabilities: readonly number[];
}
/** Every record enters independently with probability samplingRate in [0, 1], then event. */
export interface PoissonSampledEvent {
  readonly kind: "poisson-sampled";
  readonly samplingRate: number;
  readonly event: PrivacyEvent;
}
/** Poisson sampling from datasetSize records (the larger of the two data sets), cut to a uniform maximumBatchSize when more were drawn, then event. */
export interface TruncatedPoissonSampledEvent {
  readonly kind: "truncated-poisson-sampled";
  readonly samplingRate: number;
  readonly datasetSize: number;
  readonly maximumBatchSize: number;
  readonly event: PrivacyEvent;
}
/** A uniform sampleSize out of sourceSize records (of the larger of the two data sets), without replacement, then event. */
export interface SampledWithoutReplacementEvent {
  readonly kind: "sampled-without-replacement";
  readonly sourceSize: number;
  readonly sampleSize: number;
  readonly event: PrivacyEvent;
}
/** Random allocation: each record goes to one of `bins` batches, uniformly; event runs once on each (one epoch). */
export interface BallsInBinsEvent {
  readonly kind: "balls-in-bins";
  readonly bins: number;
  readonly event: PrivacyEvent;
}
/**
 * One epoch over batches whose order and members are fixed beforehand: every record is in one batch, and event runs once on
 * each. No amplification by sampling.
 */
export interface DeterministicBatchesEvent {
  readonly kind: "deterministic-batches";
  readonly event: PrivacyEvent;
}
/** The same after a uniform shuffle of the records. Not Poisson sampling: accounted as the fixed order that it happens to be. */
export interface ShuffledBatchesEvent {
  readonly kind: "shuffled-batches";
  readonly event: PrivacyEvent;
}
/**
 * Binary-tree aggregation (DP-FTRL) over `steps` batches: Gaussian noise, σ = standard deviation ÷ clip norm, on the sum of
 * every complete dyadic stretch [Kairouz2021]. A record takes part at most `participations` times in this tree, two of them
 * at least `separation` steps apart. A tree restarted for each epoch: `repeated` trees of one participation.
 */
export interface TreeAggregationEvent {
  readonly kind: "tree-aggregation";
  readonly noiseMultiplier: number;
  readonly steps: number;
  readonly participations: number;
  readonly separation: number;
}
/**
 * Banded matrix factorisation (BandMF): C·x + noise for a lower-triangular C with `bands` diagonals; σ = standard deviation ÷
 * (clip norm × largest column norm of C). Each record has its turn every `bands` steps, set by the record alone, and enters
 * then with probability samplingRate (cyclic Poisson sampling; 1 = always) [ChoquetteChoo2023].
 */
export interface BandedMatrixEvent {
  readonly kind: "banded-matrix";
  readonly noiseMultiplier: number;
  readonly bands: number;
  readonly steps: number;
  readonly samplingRate: number;
}
/** How often a search repeats [PapernotSteinke2022]; the number is drawn once and kept secret. */
export type RepetitionDistribution =
  | { readonly kind: "negative-binomial"; readonly eta: number; readonly gamma: number }
  | { readonly kind: "poisson"; readonly mean: number };
/** event runs a random number of times and only the best outcome is released. */
export interface RepeatAndSelectEvent {
  readonly kind: "repeat-and-select";
  readonly repetitions: RepetitionDistribution;
  readonly event: PrivacyEvent;
}
/** The same event count times (a whole number ≥ 0), chosen adaptively. */
export interface RepeatedEvent {
  readonly kind: "repeated";
  readonly event: PrivacyEvent;
  readonly count: number;
}
/** All of events, chosen adaptively, in any order. */
export interface ComposedEvent {
  readonly kind: "composed";
  readonly events: readonly PrivacyEvent[];
}

/** One use of the data that is not itself a composition. */
export type AtomicEvent =
  | NoEvent
  | NonPrivateEvent
  | GaussianEvent
  | LaplaceEvent
  | DiscreteGaussianEvent
  | DiscreteLaplaceEvent
  | RandomizedResponseEvent
  | ExponentialEvent
  | EpsilonDeltaEvent
  | ZcdpEvent
  | PmfPairEvent
  | GaussianMixtureEvent
  | PoissonSampledEvent
  | TruncatedPoissonSampledEvent
  | SampledWithoutReplacementEvent
  | BallsInBinsEvent
  | DeterministicBatchesEvent
  | ShuffledBatchesEvent
  | TreeAggregationEvent
  | BandedMatrixEvent
  | RepeatAndSelectEvent;

/** What was done to the data, as plain JSON: necessary and sufficient for accounting. */
export type PrivacyEvent = AtomicEvent | RepeatedEvent | ComposedEvent;

/** An atomic event and how often it happened: a whole number ≥ 1, at most 2⁵³ − 1. */
export interface CountedEvent {
  readonly event: AtomicEvent;
  readonly count: number;
}
