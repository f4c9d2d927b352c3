// What an attacker can gain, against closed forms: the Gaussian trade-off curve and randomised response.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PrivacyCurve } from "../../src/accounting/accountant.js";
import { accountant } from "../../src/accounting/accountants.js";
import {
  advantage,
  attackAccuracy,
  attackRisk,
  falseNegativeRateAt,
  gdpMuEstimate,
  posteriorAt,
  truePositiveRateAt,
} from "../../src/accounting/tradeoff.js";
import { normalCdf, normalQuantile } from "../../src/math/normal.js";

const curveOf = (delta: (epsilon: number) => number): PrivacyCurve => ({
  accountant: "closed form",
  neighboring: "add-or-remove-one",
  deltaAt: (epsilon) => Math.min(1, delta(epsilon) * (1 + 1e-13)),
  deltaIntervalAt: (epsilon) => ({
    lower: delta(epsilon) * (1 - 1e-13),
    upper: Math.min(1, delta(epsilon) * (1 + 1e-13)),
  }),
  epsilonAt: () => Number.POSITIVE_INFINITY,
  epsilonIntervalAt: () => ({ lower: 0, upper: Number.POSITIVE_INFINITY }),
});
/** δ(ε) = Φ(μ/2 − ε/μ) − e^ε Φ(−μ/2 − ε/μ) [BalleWang2018, Theorem 8]. */
const gaussian = (mu: number) =>
  curveOf((e) =>
    e === Infinity
      ? 0
      : Math.max(0, normalCdf(mu / 2 - e / mu) - (e < 700 ? Math.exp(e) : 0) * normalCdf(-mu / 2 - e / mu)),
  );
/** Pure ε-DP and nothing more: δ(e) = (e^ε − e^e)/(e^ε + 1) below ε, 0 above. */
const pure = (epsilon: number) =>
  curveOf((e) => (e >= epsilon ? 0 : (Math.exp(epsilon) - Math.exp(e)) / (1 + Math.exp(epsilon))));
const nothing = curveOf(() => 0);
const everything = curveOf(() => 1);

describe("the true-positive rate", () => {
  test("of a Gaussian is Φ(Φ⁻¹(α) + μ), never below it", () => {
    for (const mu of [0.05, 0.3, 1, 3, 8])
      for (const alpha of [1e-12, 1e-5, 1e-3, 0.01, 0.1, 0.5, 0.9, 0.999]) {
        const exact = normalCdf(normalQuantile(alpha) + mu);
        const found = truePositiveRateAt(gaussian(mu), alpha);
        expect(found).toBeGreaterThanOrEqual(exact);
        expect(found - exact).toBeLessThanOrEqual(2e-9 * exact);
      }
  });

  test("asks one family of bounds where δ(0) is known: under twenty questions on average", () => {
    const cases = [0.05, 0.3, 1, 3, 8].flatMap((mu) =>
      [1e-12, 1e-5, 1e-3, 0.01, 0.1, 0.5, 0.9, 0.999].map((alpha) => ({ mu, alpha })),
    );
    let asked = 0;
    for (const { mu, alpha } of cases) {
      const { deltaAt, ...rest } = gaussian(mu);
      const counted = (epsilon: number) => {
        asked++;
        return deltaAt(epsilon);
      };
      truePositiveRateAt({ ...rest, deltaAt: counted }, alpha);
    }
    expect(asked / cases.length).toBeLessThan(20);
  });

  test("under pure ε-DP is the least of e^ε α and 1 − e^−ε(1 − α)", () => {
    for (const epsilon of [0.01, 0.5, 1, 4])
      for (const alpha of [1e-6, 0.01, 0.2, 0.5, 0.8, 0.999]) {
        const exact = Math.min(Math.exp(epsilon) * alpha, 1 - Math.exp(-epsilon) * (1 - alpha));
        const found = truePositiveRateAt(pure(epsilon), alpha);
        expect(found).toBeGreaterThanOrEqual(exact);
        expect(found - exact).toBeLessThanOrEqual(1e-8 * exact);
      }
  });

  test("is α where nothing was spent and 1 where everything was", () => {
    for (const alpha of [1e-300, 1e-5, 0.3, 0.99]) {
      expect(truePositiveRateAt(nothing, alpha)).toBeCloseTo(alpha, 12);
      expect(truePositiveRateAt(everything, alpha)).toBe(1);
      expect(falseNegativeRateAt(everything, alpha)).toBe(0);
    }
    expect(truePositiveRateAt(nothing, 0)).toBe(0);
    expect(truePositiveRateAt(gaussian(1), 0)).toBe(0);
    expect(truePositiveRateAt(gaussian(1), 1)).toBe(1);
    expect(truePositiveRateAt(everything, 0)).toBe(1);
  });

  test("rises with α and with μ, lies above the diagonal, and is 1 − β", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1e-9, max: 1, noNaN: true }),
        fc.double({ min: 1e-9, max: 1, noNaN: true }),
        fc.double({ min: 0.01, max: 10, noNaN: true }),
        (a, b, mu) => {
          const [lo, hi] = a < b ? [a, b] : [b, a];
          const low = truePositiveRateAt(gaussian(mu), lo);
          expect(low).toBeLessThanOrEqual(truePositiveRateAt(gaussian(mu), hi) * (1 + 1e-8));
          expect(low).toBeGreaterThanOrEqual(lo);
          expect(low).toBeLessThanOrEqual(truePositiveRateAt(gaussian(mu * 1.1), lo) * (1 + 1e-8));
          expect(falseNegativeRateAt(gaussian(mu), lo)).toBeLessThanOrEqual(1 - low);
          expect(falseNegativeRateAt(gaussian(mu), lo)).toBeCloseTo(1 - low, 14);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("outside [0, 1] is refused by name", () => {
    expect(() => truePositiveRateAt(nothing, Number.NaN)).toThrow(
      "falsePositiveRate must be in [0, 1], got NaN",
    );
    expect(() => attackAccuracy(nothing, 1.5)).toThrow("prior must be in [0, 1], got 1.5");
    expect(() => posteriorAt(nothing, 0.5, -1)).toThrow("falsePositiveRate must be in [0, 1], got -1");
  });
});

describe("advantage, accuracy and posterior", () => {
  test("a curve that is loose at ε = 0 bounds the advantage by every other ε, never below the exact one", () => {
    for (const noiseMultiplier of [0.5, 1, 3, 10]) {
      const event = { kind: "gaussian", noiseMultiplier } as const;
      const exact = advantage(accountant("pld").account(event));
      const renyi = accountant("rdp").account(event);
      const { upper } = advantage(renyi);
      expect(upper).toBeGreaterThanOrEqual(exact.lower);
      expect(upper).toBeLessThanOrEqual(renyi.deltaAt(0));
      // Of an (ε, δ)-private mechanism, 1 − 2(1−δ)/(1+e^ε) at any one ε.
      for (const epsilon of [0.3, 1, 4])
        expect(upper).toBeLessThanOrEqual(
          1 - (2 * (1 - renyi.deltaAt(epsilon))) / (1 + Math.exp(epsilon)) + 1e-9,
        );
    }
  });

  test("of a Gaussian: advantage 2Φ(μ/2) − 1", () => {
    const { lower, upper } = advantage(gaussian(1));
    expect(lower).toBeLessThanOrEqual(0.38292492254802624);
    expect(upper).toBeGreaterThanOrEqual(0.38292492254802624);
    expect(upper - lower).toBeLessThan(1e-12);
  });

  test("accuracy is what the best threshold reaches: p Φ(μ − t) + (1−p) Φ(t) at t = μ/2 + log((1−p)/p)/μ", () => {
    for (const mu of [0.1, 1, 4])
      for (const p of [0.001, 0.1, 0.5, 0.7, 0.999]) {
        const t = mu / 2 + Math.log((1 - p) / p) / mu;
        const exact = p * normalCdf(mu - t) + (1 - p) * normalCdf(t);
        const { lower, upper } = attackAccuracy(gaussian(mu), p);
        expect(upper).toBeGreaterThanOrEqual(exact - 2e-16);
        expect(lower).toBeLessThanOrEqual(exact + 2e-16);
        expect(upper - lower).toBeLessThan(1e-11);
      }
    expect(attackAccuracy(gaussian(1), 0)).toEqual({ lower: 1, upper: 1 });
    expect(attackAccuracy(gaussian(1), 1)).toEqual({ lower: 1, upper: 1 });
    expect(attackAccuracy(everything, 0.3).upper).toBe(1);
  });

  test("the posterior is Bayes' rule, and at most p e^ε/(1 − p + p e^ε) under pure ε-DP", () => {
    for (const epsilon of [0.1, 1, 3])
      for (const p of [0.01, 0.5, 0.9]) {
        const most = (p * Math.exp(epsilon)) / (1 - p + p * Math.exp(epsilon));
        expect(posteriorAt(pure(epsilon), p, 1e-4)).toBeGreaterThanOrEqual(most * (1 - 1e-15));
        expect(posteriorAt(pure(epsilon), p, 1e-4)).toBeLessThanOrEqual(most * (1 + 1e-8));
      }
    expect(posteriorAt(nothing, 0.25, 0.01)).toBeCloseTo(0.25, 9);
    expect(posteriorAt(nothing, 0, 0.01)).toBe(0);
    expect(posteriorAt(nothing, 0.5, 0)).toBe(1);
  });

  test("the μ estimate of a Gaussian is its μ", () => {
    for (const mu of [0.2, 1, 5]) expect(gdpMuEstimate(gaussian(mu))).toBeCloseTo(mu, 6);
    expect(gdpMuEstimate(everything)).toBe(Infinity);
    expect(gdpMuEstimate(nothing)).toBeCloseTo(0, 9);
  });

  test("attackRisk gathers them for the rates and priors asked for", () => {
    const risk = attackRisk(gaussian(1), { falsePositiveRates: [0.01], priors: [0.1] });
    expect(risk.rates).toEqual([
      {
        falsePositiveRate: 0.01,
        truePositiveRate: truePositiveRateAt(gaussian(1), 0.01),
        posterior: posteriorAt(gaussian(1), 0.5, 0.01),
      },
    ]);
    expect(risk.accuracies).toEqual([{ prior: 0.1, accuracy: attackAccuracy(gaussian(1), 0.1).upper }]);
    expect(attackRisk(gaussian(1)).rates.map((each) => each.falsePositiveRate)).toEqual([
      1e-1, 1e-2, 1e-3, 1e-4, 1e-5,
    ]);
  });
});
