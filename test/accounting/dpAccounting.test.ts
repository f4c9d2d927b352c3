// Reading dp_accounting's events: both exported forms, every class, and the mechanisms that have to be translated.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { eventFromDpAccounting } from "../../src/formats/dpAccounting.js";
import { dpSgdEvent, flatten } from "../../src/formats/event.js";

const MODULE = "dp_accounting.dp_event";
/** As json.dumps(event.to_named_tuple()) prints it. */
const tuple = (name: string, ...fields: unknown[]) => [MODULE, name, ...fields];
/** As json.dumps(event.to_named_tuple()._asdict()) prints the outermost level. */
const named = (class_name: string, fields: object) => ({ module_name: MODULE, class_name, ...fields });

describe("an event exported from dp_accounting", () => {
  test("for DP-SGD reads as dpSgdEvent, from the list form, the object form and a mixture of both", () => {
    const text =
      '["dp_accounting.dp_event", "SelfComposedDpEvent", ["dp_accounting.dp_event", "PoissonSampledDpEvent", 0.01,' +
      ' ["dp_accounting.dp_event", "GaussianDpEvent", 1.1]], 1000]';
    const expected = dpSgdEvent({ samplingRate: 0.01, noiseMultiplier: 1.1, steps: 1000 });
    expect(eventFromDpAccounting(text)).toEqual(expected);
    expect(
      eventFromDpAccounting(
        named("SelfComposedDpEvent", {
          event: named("PoissonSampledDpEvent", {
            sampling_probability: 0.01,
            event: tuple("GaussianDpEvent", 1.1),
          }),
          count: 1000,
        }),
      ),
    ).toEqual(expected);
  });

  test("merges with a list of the same events", () => {
    const gaussian = tuple("GaussianDpEvent", 2);
    const list = eventFromDpAccounting(tuple("ComposedDpEvent", [gaussian, tuple("NoOpDpEvent"), gaussian]));
    expect(flatten(list)).toEqual([{ event: { kind: "gaussian", noiseMultiplier: 2 }, count: 2 }]);
  });

  test.each([
    [tuple("NonPrivateDpEvent"), { kind: "non-private" }],
    [tuple("LaplaceDpEvent", 3), { kind: "laplace", noiseMultiplier: 3 }],
    [tuple("DiscreteLaplaceDpEvent", 0.1, 2), { kind: "discrete-laplace", parameter: 0.1, sensitivity: 2 }],
    [
      tuple("RandomizedResponseDpEvent", 0.3, 4),
      { kind: "randomized-response", noiseProbability: 0.3, buckets: 4 },
    ],
    [tuple("EpsilonDeltaDpEvent", 0.1, 1e-8), { kind: "epsilon-delta", epsilon: 0.1, delta: 1e-8 }],
    [tuple("ExponentialMechanismDpEvent", 0.5), { kind: "exponential", epsilon: 0.5 }],
    [tuple("PermuteAndFlipDpEvent", 0.5), { kind: "epsilon-delta", epsilon: 0.5, delta: 0 }],
    [tuple("ZCDpEvent", 0.5, 0.1), { kind: "zcdp", rho: 0.5, xi: 0.1 }],
    [named("ZCDpEvent", { rho: 0.5 }), { kind: "zcdp", rho: 0.5, xi: 0 }],
    [
      tuple("MixtureOfGaussiansDpEvent", 2, [0, 1, 2], [0.5, 0.25, 0.25]),
      {
        kind: "gaussian-mixture",
        standardDeviation: 2,
        sensitivities: [0, 1, 2],
        probabilities: [0.5, 0.25, 0.25],
      },
    ],
    [
      tuple("SampledWithoutReplacementDpEvent", 100, 10, tuple("GaussianDpEvent", 1)),
      {
        kind: "sampled-without-replacement",
        sourceSize: 100,
        sampleSize: 10,
        event: { kind: "gaussian", noiseMultiplier: 1 },
      },
    ],
    [
      tuple("TruncatedSubsampledGaussianDpEvent", 60000, 0.004, 256, 1.1),
      {
        kind: "truncated-poisson-sampled",
        samplingRate: 0.004,
        datasetSize: 60000,
        maximumBatchSize: 256,
        event: { kind: "gaussian", noiseMultiplier: 1.1 },
      },
    ],
    [tuple("DiscreteGaussianDpEvent", 3, 1, 1), { kind: "discrete-gaussian", sigma: 3, sensitivity: 1 }],
    [
      '["dp_accounting.dp_event", "RepeatAndSelectDpEvent", ["dp_accounting.dp_event", "GaussianDpEvent", 3.0], 10.0, Infinity]',
      {
        kind: "repeat-and-select",
        repetitions: { kind: "poisson", mean: 10 },
        event: { kind: "gaussian", noiseMultiplier: 3 },
      },
    ],
  ])("%j reads as the same mechanism", (json, expected) => {
    expect(eventFromDpAccounting(json)).toEqual(expected);
  });

  test.each([
    tuple("RandomAllocationDpEvent", tuple("GaussianDpEvent", 2), 10, 100),
    tuple("RandomAllocationDpEvent", tuple("GaussianDpEvent", 2), 100, 10),
    named("RandomAllocationDpEvent", {
      event: tuple("GaussianDpEvent", 2),
      num_steps: 100,
      num_selected: 10,
    }),
  ])("%j is ten uses of balls in ten bins", (json) => {
    expect(flatten(eventFromDpAccounting(json))).toEqual([
      {
        event: { kind: "balls-in-bins", bins: 10, event: { kind: "gaussian", noiseMultiplier: 2 } },
        count: 10,
      },
    ]);
  });

  test("as a discrete Gaussian of unknown dimension reads as zCDP, rounded up", () => {
    const event = eventFromDpAccounting(tuple("DiscreteGaussianDpEvent", 3, 2, null));
    expect(event.kind).toBe("zcdp");
    const { rho } = event as { rho: number };
    expect(rho).toBeGreaterThanOrEqual(2 / 9);
    expect(rho).toBeLessThan((2 / 9) * (1 + 1e-14));
  });

  test("as a tree reads as the deepest tree, each record in it once", () => {
    expect(eventFromDpAccounting(tuple("SingleEpochTreeAggregationDpEvent", 2, [8, 16, 31]))).toEqual({
      kind: "tree-aggregation",
      noiseMultiplier: 2,
      steps: 31,
      participations: 1,
      separation: 1,
    });
  });

  test("as repeat-and-select has at least the mean asked for, by summing the distribution itself", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.constantFrom(0, 1, 0.5), fc.double({ min: 0.05, max: 8, noNaN: true })),
        fc.double({ min: 1.05, max: 60, noNaN: true }),
        (shape, mean) => {
          const event = eventFromDpAccounting(
            tuple("RepeatAndSelectDpEvent", tuple("GaussianDpEvent", 3), mean, shape),
          );
          const { eta, gamma } = (event as { repetitions: { eta: number; gamma: number } }).repetitions;
          expect(eta).toBe(shape);
          // P(K = k) ∝ (1−γ)^k ∏_{i<k} (i + η)/(i + 1), k ≥ 1; at η = 0 ∝ (1−γ)^k / k.
          let term = 1 - gamma;
          let mass = 0;
          let first = 0;
          for (let k = 1; k < 2e6 && (term > 1e-18 * mass || k < 100); k++) {
            mass += term;
            first += k * term;
            term *= ((1 - gamma) * (k + eta)) / (k + 1);
          }
          expect(first / mass).toBeGreaterThan(mean * (1 - 1e-9));
          expect(first / mass).toBeLessThan(mean * (1 + 1e-9));
        },
      ),
      { numRuns: 40 },
    );
    expect(eventFromDpAccounting(tuple("RepeatAndSelectDpEvent", tuple("GaussianDpEvent", 3), 1, 1))).toEqual(
      { kind: "gaussian", noiseMultiplier: 3 },
    );
  });

  test.each([
    [tuple("UnsupportedDpEvent"), "event is a UnsupportedDpEvent, which cannot be read"],
    [
      tuple("SelfComposedDpEvent", tuple("SampledWithReplacementDpEvent", 9, 3, tuple("NoOpDpEvent")), 5),
      "event.event is a SampledWithReplacementDpEvent, which cannot be read",
    ],
    [
      named("RandomAllocationDpEvent", {
        event: tuple("GaussianDpEvent", 2),
        num_selected: 11,
        num_steps: 10,
      }),
      "selected must be in [1, steps 10], got 11",
    ],
    [tuple("RandomAllocationDpEvent", tuple("NoOpDpEvent"), 0, 5), "selected must be in [1, steps 5], got 0"],
    [tuple("RandomAllocationDpEvent", tuple("NoOpDpEvent"), 1, 2.5), "must be a whole number"],
    [tuple("constructor"), "event is a constructor, which cannot be read"],
    [named("GaussianDpEvent", { sigma: 1 }), 'event (GaussianDpEvent) has an unknown field "sigma"'],
    [tuple("GaussianDpEvent"), "event (GaussianDpEvent) must have the field noise_multiplier"],
    [tuple("GaussianDpEvent", 1, 2), "event (GaussianDpEvent) must have 1 fields, got 2"],
    [tuple("GaussianDpEvent", "big"), 'event.noise_multiplier must be a number, got "big"'],
    [tuple("GaussianDpEvent", -1), "noiseMultiplier must be >= 0, got -1"],
    [tuple("SelfComposedDpEvent", tuple("NoOpDpEvent"), 1.5), "count must be a whole number >= 0, got 1.5"],
    ['["dp_accounting.dp_event", "GaussianDpEvent", NaN]', 'must be a number, got "NaN"'],
    // attr.asdict() loses the class: which mechanism this was cannot be known.
    [{ noise_multiplier: 1.1 }, "event must name its class as to_named_tuple() does"],
    ["GaussianDpEvent(noise_multiplier=1.1)", "not JSON: "],
    [
      tuple("RepeatAndSelectDpEvent", tuple("NoOpDpEvent"), 0.5, 1),
      "event.mean must be in [1, 1e12), got 0.5",
    ],
    [tuple("RepeatAndSelectDpEvent", tuple("NoOpDpEvent"), 5, -0.5), "event.shape must be >= 0, got -0.5"],
    [12, "event must be an exported DpEvent"],
  ])("%j is refused by name", (json, line) => {
    expect(() => eventFromDpAccounting(json)).toThrow(line);
  });

  test("nested without end is refused, not a crash", () => {
    let event: unknown = tuple("NoOpDpEvent");
    for (let i = 0; i < 20_000; i++) event = tuple("SelfComposedDpEvent", event, 1);
    expect(() => eventFromDpAccounting(event)).toThrow("must not nest deeper");
  });
});
