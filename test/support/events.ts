// Arbitrary legal events of every kind, for property tests.
import fc from "fast-check";
import type { PrivacyEvent } from "../../src/formats/event.js";

const atLeastZero = fc.oneof(
  fc.double({ min: 0, max: 1e4, noNaN: true }),
  fc.constantFrom(0, 0.05, 1, 1e4, Number.MIN_VALUE, Infinity),
);
const probability = fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 1, 1e-9, 1e-300));
const whole = (least: number) => fc.oneof(fc.integer({ min: least, max: 1000 }), fc.constantFrom(least, 1e9));

const distributionOf = (parts: readonly number[]) => {
  const sum = parts.reduce((a, b) => a + b, 0);
  return parts.map((part) => part / sum);
};
const parts = (length: number) =>
  fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: length, maxLength: length }).map(distributionOf);

/** Legal by checkEvent; no promise that an accountant supports it. */
export const anyEvent: fc.Arbitrary<PrivacyEvent> = fc.letrec<{ event: PrivacyEvent }>((tie) => {
  const event = tie("event");
  const record = <T extends Record<string, fc.Arbitrary<unknown>>>(kind: PrivacyEvent["kind"], fields: T) =>
    fc.record({ kind: fc.constant(kind), ...fields }) as unknown as fc.Arbitrary<PrivacyEvent>;
  return {
    event: fc.oneof(
      { maxDepth: 3, depthIdentifier: "event" },
      record("gaussian", { noiseMultiplier: atLeastZero }),
      record("none", {}),
      record("non-private", {}),
      record("laplace", { noiseMultiplier: atLeastZero }),
      record("discrete-gaussian", { sigma: atLeastZero, sensitivity: whole(0) }),
      record("discrete-laplace", {
        parameter: fc.double({ min: 1e-9, max: 1e3, noNaN: true }),
        sensitivity: whole(0),
      }),
      record("randomized-response", { noiseProbability: probability, buckets: whole(2) }),
      record("exponential", { epsilon: atLeastZero }),
      record("epsilon-delta", { epsilon: atLeastZero, delta: probability }),
      record("zcdp", { rho: atLeastZero, xi: atLeastZero }),
      fc.integer({ min: 1, max: 5 }).chain((n) => record("pmf-pair", { upper: parts(n), lower: parts(n) })),
      fc.integer({ min: 1, max: 4 }).chain((n) =>
        record("gaussian-mixture", {
          standardDeviation: atLeastZero,
          sensitivities: fc.array(atLeastZero, { minLength: n, maxLength: n }),
          probabilities: parts(n),
        }),
      ),
      record("poisson-sampled", { samplingRate: probability, event }),
      record("truncated-poisson-sampled", {
        samplingRate: probability,
        datasetSize: whole(1),
        maximumBatchSize: whole(1),
        event,
      }),
      fc.integer({ min: 1, max: 1000 }).chain((sourceSize) =>
        record("sampled-without-replacement", {
          sourceSize: fc.constant(sourceSize),
          sampleSize: fc.integer({ min: 0, max: sourceSize }),
          event,
        }),
      ),
      record("balls-in-bins", { bins: whole(1), event }),
      record("deterministic-batches", { event }),
      record("shuffled-batches", { event }),
      record("tree-aggregation", {
        noiseMultiplier: atLeastZero,
        steps: whole(0),
        participations: whole(1),
        separation: whole(1),
      }),
      record("banded-matrix", {
        noiseMultiplier: atLeastZero,
        bands: whole(1),
        steps: whole(0),
        samplingRate: probability,
      }),
      record("repeat-and-select", {
        repetitions: fc.oneof(
          fc.record({ kind: fc.constant("poisson"), mean: atLeastZero }),
          fc.record({
            kind: fc.constant("negative-binomial"),
            eta: fc.double({ min: -0.99, max: 100, noNaN: true }),
            gamma: fc.double({ min: 1e-6, max: 0.999, noNaN: true }),
          }),
        ),
        event,
      }),
      record("repeated", { event, count: whole(0) }),
      record("composed", { events: fc.array(event, { maxLength: 3 }) }),
    ),
  };
}).event;
