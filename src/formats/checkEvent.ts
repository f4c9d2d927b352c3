// What makes an event legal: every field of every kind.
import type { PrivacyEvent } from "./eventTypes.js";

/** Throws TypeError or RangeError, naming the field, the value and what is allowed, unless event is legal. */
export function checkEvent(event: PrivacyEvent): void {
  if (typeof event !== "object" || event === null)
    throw new TypeError(`event must be an object, got ${String(event)}`);
  const check = CHECKS[event.kind] as ((event: PrivacyEvent) => void) | undefined;
  if (!check)
    throw new TypeError(
      `event kind ${String(event.kind)} is unknown: it must be one of ${Object.keys(CHECKS).join(", ")}`,
    );
  check(event);
}

const CHECKS: { [K in PrivacyEvent["kind"]]: (event: Extract<PrivacyEvent, { kind: K }>) => void } = {
  none: () => {},
  "non-private": () => {},
  gaussian: (e) => atLeastZero("noiseMultiplier", e.noiseMultiplier),
  laplace: (e) => atLeastZero("noiseMultiplier", e.noiseMultiplier),
  "discrete-gaussian": (e) => {
    atLeastZero("sigma", e.sigma);
    whole("sensitivity", e.sensitivity);
  },
  "discrete-laplace": (e) => {
    if (!(e.parameter > 0)) throw new RangeError(`parameter must be > 0, got ${e.parameter}`);
    whole("sensitivity", e.sensitivity);
  },
  "randomized-response": (e) => {
    probability("noiseProbability", e.noiseProbability);
    whole("buckets", e.buckets, 2);
  },
  exponential: (e) => atLeastZero("epsilon", e.epsilon),
  "epsilon-delta": (e) => {
    atLeastZero("epsilon", e.epsilon);
    probability("delta", e.delta);
  },
  zcdp: (e) => {
    atLeastZero("rho", e.rho);
    atLeastZero("xi", e.xi);
  },
  "pmf-pair": (e) => {
    distribution("upper", e.upper);
    distribution("lower", e.lower);
    equallyLong("upper", e.upper, "lower", e.lower);
  },
  "gaussian-mixture": (e) => {
    atLeastZero("standardDeviation", e.standardDeviation);
    distribution("probabilities", e.probabilities);
    equallyLong("sensitivities", e.sensitivities, "probabilities", e.probabilities);
    for (const each of e.sensitivities) atLeastZero("sensitivities", each);
  },
  "poisson-sampled": (e) => {
    probability("samplingRate", e.samplingRate);
    checkEvent(e.event);
  },
  "truncated-poisson-sampled": (e) => {
    probability("samplingRate", e.samplingRate);
    whole("datasetSize", e.datasetSize, 1);
    whole("maximumBatchSize", e.maximumBatchSize, 1);
    checkEvent(e.event);
  },
  "sampled-without-replacement": (e) => {
    whole("sourceSize", e.sourceSize, 1);
    whole("sampleSize", e.sampleSize);
    if (!(e.sampleSize <= e.sourceSize))
      throw new RangeError(`sampleSize must be at most sourceSize ${e.sourceSize}, got ${e.sampleSize}`);
    checkEvent(e.event);
  },
  "balls-in-bins": (e) => {
    whole("bins", e.bins, 1);
    checkEvent(e.event);
  },
  "deterministic-batches": checkInner,
  "shuffled-batches": checkInner,
  "tree-aggregation": (e) => {
    atLeastZero("noiseMultiplier", e.noiseMultiplier);
    whole("steps", e.steps);
    whole("participations", e.participations, 1);
    whole("separation", e.separation, 1);
  },
  "banded-matrix": (e) => {
    atLeastZero("noiseMultiplier", e.noiseMultiplier);
    whole("bands", e.bands, 1);
    whole("steps", e.steps);
    probability("samplingRate", e.samplingRate);
  },
  "repeat-and-select": (e) => {
    const r = e.repetitions;
    if (r.kind === "poisson") atLeastZero("mean", r.mean);
    else if (r.kind === "negative-binomial") {
      if (!(r.eta > -1)) throw new RangeError(`eta must be > -1, got ${r.eta}`);
      if (!(r.gamma > 0 && r.gamma < 1)) throw new RangeError(`gamma must be in (0, 1), got ${r.gamma}`);
    } else
      throw new TypeError(
        `repetitions must be negative-binomial or poisson, got ${String((r as { kind: unknown }).kind)}`,
      );
    checkEvent(e.event);
  },
  repeated: (e) => {
    whole("count", e.count);
    checkEvent(e.event);
  },
  composed: (e) => {
    if (!Array.isArray(e.events)) throw new TypeError("events must be a list");
    for (const each of e.events) checkEvent(each);
  },
};

function equallyLong(a: string, x: readonly number[], b: string, y: readonly number[]): void {
  if (x.length !== y.length)
    throw new RangeError(`${a} and ${b} must be equally long, got ${x.length} and ${y.length}`);
}

function checkInner(e: { event: PrivacyEvent }): void {
  checkEvent(e.event);
}

function atLeastZero(name: string, value: number): void {
  if (!(typeof value === "number" && value >= 0)) throw new RangeError(`${name} must be >= 0, got ${value}`);
}

function probability(name: string, value: number): void {
  if (!(typeof value === "number" && value >= 0 && value <= 1))
    throw new RangeError(`${name} must be in [0, 1], got ${value}`);
}

function whole(name: string, value: number, least = 0): void {
  if (!(Number.isSafeInteger(value) && value >= least))
    throw new RangeError(`${name} must be a whole number >= ${least}, got ${value}`);
}

function distribution(name: string, values: readonly number[]): void {
  if (!Array.isArray(values) || values.length === 0)
    throw new TypeError(`${name} must be a list of probabilities`);
  let sum = 0;
  for (const each of values as readonly number[]) {
    probability(name, each);
    sum += each;
  }
  if (!(Math.abs(sum - 1) <= 1e-9)) throw new RangeError(`${name} must sum to 1, got ${sum}`);
}
