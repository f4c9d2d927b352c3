// The contour accountant against reference values, closed forms and the properties every privacy curve has.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UnsupportedEventError } from "../../../src/accounting/accountant.js";
import { bentContourAccountant } from "../../../src/accounting/contour/cascadeAccountant.js";
import { composedMixtures } from "../../../src/accounting/contour/composition.js";
import { contourAccountant } from "../../../src/accounting/contour/index.js";
import { MixtureStep } from "../../../src/accounting/contour/vertical/stepMgf.js";
import { VerticalProfile } from "../../../src/accounting/contour/vertical/verticalProfile.js";
import { dpSgdEvent, type PrivacyEvent } from "../../../src/formats/event.js";
import reference from "../../reference/contour.json" with { type: "json" };
import { cpuMilliseconds } from "../../support/cpuTime.js";
import { goldenCases } from "../../support/golden.mjs";

const accountant = contourAccountant();
const golden = goldenCases();
const run = (q: number, sigma: number, steps: number): PrivacyEvent =>
  dpSgdEvent({ samplingRate: q, noiseMultiplier: sigma, steps });

describe.skipIf(!golden)(
  "against the reference values (skipped: no golden file beside the repository)",
  () => {
    // The references are double-precision sums: good to about 1e-11.
    const near = 1e-11;
    const of = (...kinds: string[]) => (golden ?? []).filter((each) => kinds.includes(each.kind));

    for (const { id, inputs, expected } of of("epsilon_from_sigma"))
      it(`${id}: epsilon of ${inputs.label}`, () => {
        const event = run(inputs.sampling_probability, inputs.noise_multiplier, inputs.steps);
        const { lower, upper } = accountant.account(event).epsilonIntervalAt(inputs.delta);
        const truth = expected.reference_exact;
        expect(lower).toBeLessThanOrEqual(truth * (1 + near));
        expect(upper).toBeGreaterThanOrEqual(truth * (1 - near));
        if (inputs.sampling_probability > 1e-3) expect(upper - lower).toBeLessThanOrEqual(1e-9 * upper);
      });

    for (const { id, inputs, expected } of of("delta_from_epsilon", "delta_mpmath_40_digits"))
      it(`${id}: delta at epsilon ${inputs.epsilon}`, () => {
        const event = run(inputs.sampling_probability, inputs.noise_multiplier, inputs.steps);
        const { lower, upper } = accountant.account(event).deltaIntervalAt(inputs.epsilon);
        const truth = Number(
          expected.mpmath_delta ?? expected.reference_exact ?? expected.reference_exact_delta,
        );
        expect(truth).toBeGreaterThan(0);
        expect(lower).toBeLessThanOrEqual(truth * (1 + near));
        expect(upper).toBeGreaterThanOrEqual(truth * (1 - near));
        expect(upper - lower).toBeLessThanOrEqual(1e-9 * upper);
      });

    for (const { id, inputs, expected } of of("heterogeneous_epsilon"))
      it(`${id}: epsilon of a mixed composition`, () => {
        const events = inputs.components.map((c: any) =>
          run(c.sampling_probability, c.noise_multiplier, c.steps),
        );
        const { lower, upper } = accountant
          .account({ kind: "composed", events })
          .epsilonIntervalAt(inputs.delta);
        expect(lower).toBeLessThanOrEqual(expected.reference_exact * (1 + 1e-9));
        expect(upper).toBeGreaterThanOrEqual(expected.reference_exact * (1 - 1e-9));
        expect(upper - lower).toBeLessThanOrEqual(1e-8 * upper);
      });

    for (const { id, inputs, expected } of of("analytic_gaussian_epsilon"))
      it(`${id}: epsilon of one Gaussian of noise ${inputs.noise_multiplier}`, () => {
        const event: PrivacyEvent = { kind: "gaussian", noiseMultiplier: inputs.noise_multiplier };
        const { lower, upper } = accountant.account(event).epsilonIntervalAt(inputs.delta);
        expect(lower).toBeLessThanOrEqual(expected.dp_accounting * (1 + near));
        expect(upper).toBeGreaterThanOrEqual(expected.dp_accounting * (1 - near));
        expect(upper - lower).toBeLessThanOrEqual(1e-11 * upper);
      });
  },
);

describe("against 25 digits by other means (test/reference/contour.json)", () => {
  // The two-step values integrate the closed one-step profile; the rest are closed forms.
  for (const each of reference.cases) {
    const { direction, samplingRate, noiseMultiplier, steps, epsilon } = each;
    const delta = Number(each.delta);
    if (direction !== "add")
      it(`delta(${epsilon}) = ${delta} of ${steps} × (σ ${noiseMultiplier}, q ${samplingRate})`, () => {
        const { lower, upper } = accountant
          .account(run(samplingRate, noiseMultiplier, steps))
          .deltaIntervalAt(epsilon);
        // Two neighbouring doubles of δ may be all that the reference's own rounding to a double allows.
        expect(lower).toBeLessThanOrEqual(delta * (1 + 2e-16));
        expect(upper).toBeGreaterThanOrEqual(delta * (1 - 2e-16));
        if (steps !== 2) expect(upper - lower).toBeLessThanOrEqual(1e-9 * upper);
      });
    else
      it(`adding: delta(${epsilon}) = ${delta} of ${steps} × (σ ${noiseMultiplier}, q ${samplingRate})`, () => {
        const { mixtures } = composedMixtures(
          run(samplingRate, noiseMultiplier, steps),
          "add-or-remove-one",
          "contour",
        );
        const profile = new VerticalProfile({ gaussian: 0, mixtures, direction: -1 }, 1e-12, 2e6);
        const { lower, upper } = profile.logDeltaAt(epsilon);
        expect(Math.exp(lower)).toBeLessThanOrEqual(delta * (1 + 1e-15));
        expect(Math.exp(upper)).toBeGreaterThanOrEqual(delta * (1 - 1e-15));
      });
  }
  for (const each of reference.cases.filter((c) => "rest" in c && c.steps * Number(c.rest) > 1e-300))
    it(`1 − delta(${each.epsilon}) keeps its digits: ${each.rest}`, () => {
      const { gaussian } = composedMixtures(
        run(each.samplingRate, each.noiseMultiplier, each.steps),
        "add-or-remove-one",
        "contour",
      );
      const profile = new VerticalProfile({ gaussian, mixtures: [], direction: 1 }, 1e-12, 1e6);
      const { lower, upper } = profile.logDeltaAt(each.epsilon);
      expect(-Math.expm1(upper)).toBeLessThanOrEqual(Number(each.rest) * (1 + 1e-15));
      expect(-Math.expm1(lower)).toBeGreaterThanOrEqual(Number(each.rest) * (1 - 1e-15));
    });
});

describe("edges", () => {
  it("spends nothing where nothing was done", () => {
    for (const event of [run(0, 1, 100), run(0.1, 1, 0), { kind: "composed", events: [] } as PrivacyEvent])
      expect(accountant.account(event).epsilonIntervalAt(0)).toEqual({ lower: 0, upper: 0 });
  });
  it("promises nothing without noise, or at delta 0", () => {
    expect(accountant.account(run(0.1, 0, 10)).epsilonAt(1e-5)).toBe(Infinity);
    expect(accountant.account({ kind: "non-private" }).deltaAt(3)).toBe(1);
    expect(accountant.account(run(0.1, 1, 10)).epsilonAt(0)).toBe(Infinity);
    expect(accountant.account(run(0.1, 1, 10)).epsilonAt(1)).toBe(0);
  });
  it("at epsilon 0 gives the total variation of one Gaussian, erf(1/(2√2 σ))", () => {
    const { lower, upper } = accountant.account(run(1, 1, 1)).deltaIntervalAt(0);
    expect(lower).toBeLessThanOrEqual(0.38292492254802624);
    expect(upper).toBeGreaterThanOrEqual(0.3829249225480262);
    expect(upper - lower).toBeLessThan(1e-11);
  });
  it("refuses by name what it cannot prove", () => {
    expect(() => accountant.account({ kind: "laplace", noiseMultiplier: 1 })).toThrow(UnsupportedEventError);
    expect(() => contourAccountant({ neighboring: "replace-one" }).account(run(0.1, 1, 10))).toThrow(
      /replace-one.*use pld/,
    );
  });
  it("doubles the sensitivity under replace-one", () => {
    const replaced = contourAccountant({ neighboring: "replace-one" }).account(run(1, 2, 5));
    expect(replaced.epsilonAt(1e-5)).toBe(accountant.account(run(1, 1, 5)).epsilonAt(1e-5));
  });
});

describe("with little work allowed", () => {
  // Lines that would have to be long: few steps, low rates. The bent contour knows the truth to ten digits.
  const settings = [
    [16 / 5e4, 0.668, 875, 5e5, 1e-2],
    [16_384 / 1_281_167, 0.4844, 10, 1e6, 1e-2],
    [50 / 1_281_167, 0.3744, 71_589, 1e6, 1e-3],
    [2048 / 1_020_000, 0.5317, 300, 5e5, 1e-4],
    [83 / 60_000, 0.509, 300, 1e6, 1e-4],
    [4096 / 50_000, 0.536, 5, 2e5, 1e-3],
  ] as const;
  it.each(settings)(
    "uses it to the full: q %d, σ %d, T %i, %d products, relative width below %d",
    (q, sigma, steps, maximumWork, width) => {
      const { lower, upper } = contourAccountant({ relativeWidth: 1e-7, maximumWork })
        .account(run(q, sigma, steps))
        .epsilonIntervalAt(1e-5);
      const truth = bentContourAccountant()
        .account(run(q, sigma, steps))
        .epsilonIntervalAt(1e-5);
      expect(upper - lower).toBeLessThan(width * upper);
      expect(lower).toBeLessThanOrEqual(truth.upper);
      expect(upper).toBeGreaterThanOrEqual(truth.lower);
    },
  );

  it("holds the truth, however little it is", () => {
    fc.assert(
      fc.property(
        fc.double({ min: Math.log(1e-4), max: Math.log(0.3), noNaN: true }),
        fc.double({ min: Math.log(0.4), max: Math.log(4), noNaN: true }),
        fc.integer({ min: 2, max: 2000 }),
        fc.constantFrom(1e4, 3e4, 1e5),
        (logRate, logSigma, steps, maximumWork) => {
          const event = run(Math.exp(logRate), Math.exp(logSigma), steps);
          const { lower, upper } = contourAccountant({ relativeWidth: 1e-7, maximumWork })
            .account(event)
            .epsilonIntervalAt(1e-6);
          const truth = bentContourAccountant().account(event).epsilonIntervalAt(1e-6);
          expect(lower).toBeLessThanOrEqual(truth.upper);
          expect(upper).toBeGreaterThanOrEqual(truth.lower);
        },
      ),
      { numRuns: 12 },
    );
  });
});

describe("the rule's error bound with a cutoff", () => {
  it("begins its cells where the tilted density falls like e^{12x/σ} further left, and no farther out than it must", () => {
    fc.assert(
      fc.property(
        fc.double({ min: Math.log(1e-5), max: Math.log(0.5), noNaN: true }),
        fc.double({ min: Math.log(0.3), max: Math.log(10), noNaN: true }),
        fc.double({ min: Math.log(0.1), max: Math.log(5000), noNaN: true }),
        (logRate, logSigma, logTilt) => {
          const [q, sigma, s] = [Math.exp(logRate), Math.exp(logSigma), -Math.exp(logTilt)];
          const mixture = new MixtureStep(sigma, [0, 1], [1 - q, q], 10);
          const from = mixture.ends(s)[0] - 12 * sigma;
          expect(from).toBeGreaterThanOrEqual(s - 12 * sigma);
          const log = (x: number) => (-x * x) / (2 * sigma * sigma) + s * mixture.logRatio(x);
          for (const away of [0.1, 1, 5, 20])
            expect(log(from) - log(from - away * sigma)).toBeGreaterThanOrEqual(12 * away * (1 - 1e-9));
          // A tilt that no loss of adding can follow so far leaves the density where it was.
          if (-s * q < 1) expect(from).toBeGreaterThan(-40 * sigma - 1);
        },
      ),
    );
  });
});

it("a delta that underflows is the smallest double, not 0: removing has no largest loss", () => {
  const curve = accountant.account(run(4096 / 7_430_000, 10, 875));
  expect(curve.deltaAt(1)).toBeGreaterThan(0);
  expect(curve.deltaAt(1)).toBeLessThan(1e-300);
});

describe("over the legal range", () => {
  const logUniform = (lo: number, hi: number) =>
    fc.double({ min: Math.log(lo), max: Math.log(hi), noNaN: true }).map(Math.exp);

  it("answers with lower ≤ upper, never NaN, in bounded time", () => {
    fc.assert(
      fc.property(
        logUniform(1e-9, 1),
        logUniform(0.05, 1e4),
        logUniform(1, 1e9).map(Math.round),
        logUniform(1e-300, 0.999),
        logUniform(1e-6, 1e4),
        (q, sigma, steps, delta, epsilon) => {
          const answer = () => {
            const curve = contourAccountant({ maximumWork: 1e6 }).account(run(q, sigma, steps));
            for (const { lower, upper } of [curve.epsilonIntervalAt(delta), curve.deltaIntervalAt(epsilon)]) {
              expect(lower).toBeGreaterThanOrEqual(0);
              expect(upper).toBeGreaterThanOrEqual(lower);
            }
          };
          expect(cpuMilliseconds(answer, 5000)).toBeLessThan(5000);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("gives n-fold what it gives the list of n", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        logUniform(0.01, 0.5),
        logUniform(0.7, 5),
        (n, q, sigma) => {
          const once = run(q, sigma, 1);
          const listed = accountant.account({
            kind: "composed",
            events: Array.from({ length: n }, () => once),
          });
          expect(listed.epsilonAt(1e-5)).toBe(accountant.account(run(q, sigma, n)).epsilonAt(1e-5));
        },
      ),
      { numRuns: 10 },
    );
  });

  it("does not fall with steps or sampling rate, nor rise with noise or delta, beyond its own width", () => {
    fc.assert(
      fc.property(
        logUniform(1e-3, 0.5),
        logUniform(0.6, 20),
        fc.integer({ min: 10, max: 5000 }),
        logUniform(1e-12, 0.1),
        fc.double({ min: 1.001, max: 3, noNaN: true }),
        (q, sigma, steps, delta, more) => {
          const at = (q: number, sigma: number, steps: number, delta: number) =>
            accountant.account(run(q, sigma, steps)).epsilonIntervalAt(delta);
          const { lower } = at(q, sigma, steps, delta);
          expect(at(Math.min(1, q * more), sigma, steps, delta).upper).toBeGreaterThanOrEqual(lower);
          expect(at(q, sigma / more, steps, delta).upper).toBeGreaterThanOrEqual(lower);
          expect(at(q, sigma, Math.ceil(steps * more), delta).upper).toBeGreaterThanOrEqual(lower);
          expect(at(q, sigma, steps, delta / more).upper).toBeGreaterThanOrEqual(lower);
        },
      ),
      { numRuns: 15 },
    );
  });
});
