// The normal distribution against mpmath at 50 digits, and its identities over the whole range.
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  erf,
  erfc,
  erfcx,
  logNormalSf,
  logNormalSfInverse,
  millsRatio,
  millsSlope,
  normalCdf,
  normalHazard,
  normalPdf,
  normalQuantile,
  normalSf,
} from "../../src/math/normal.js";

const reference = JSON.parse(readFileSync(new URL("../reference/normal.json", import.meta.url), "utf8"));

function worst(f: (x: number) => number, rows: [number, string][]): number {
  let error = 0;
  for (const [x, digits] of rows) {
    const truth = Number(digits);
    const got = f(x);
    const relative = truth === 0 ? Math.abs(got) : Math.abs(got - truth) / Math.abs(truth);
    expect(relative, `at ${x}: ${got}, mpmath ${digits}`).toBeLessThan(1e-13);
    error = Math.max(error, relative);
  }
  return error;
}

describe("normal distribution", () => {
  it.each([
    ["erfcx", erfcx, 1e-15],
    ["erfc", erfc, 1.5e-15],
    ["erf", erf, 1e-15],
    ["normal_sf", normalSf, 2e-15],
    ["log_normal_sf", logNormalSf, 2e-15],
    ["log_normal_sf_inverse", logNormalSfInverse, 1e-14],
    ["mills_ratio", millsRatio, 2e-15],
    ["mills_slope", millsSlope, 1e-14],
    ["normal_quantile", normalQuantile, 1e-14],
  ] as const)("%s agrees with mpmath over the whole range", (name, f, bound) => {
    expect(worst(f, reference[name])).toBeLessThanOrEqual(bound);
  });

  it("logNormalSf at 1e5 is −x²/2 − log(x√2π) to first order", () => {
    expect(logNormalSf(1e5)).toBeCloseTo(-5e9 - Math.log(1e5 * Math.sqrt(2 * Math.PI)), 5);
  });

  it("cdf and sf add up to one", () => {
    fc.assert(
      fc.property(fc.double({ min: -40, max: 40, noNaN: true }), (x) => {
        expect(Math.abs(normalCdf(x) + normalSf(x) - 1)).toBeLessThan(4e-16);
      }),
    );
  });

  it("the hazard is pdf over sf", () => {
    for (const x of [-30, -3, -0.1, 0, 0.4, 5, 30])
      expect(normalHazard(x) / (normalPdf(x) / normalSf(x)) - 1).toBeLessThan(4e-15);
  });

  it("the inverse inverts from 1 − 1e-15 down to e^(−1e12)", () => {
    fc.assert(
      fc.property(fc.double({ min: -15, max: 12, noNaN: true }), (exponent) => {
        const logP = -(10 ** exponent);
        const x = logNormalSfInverse(logP);
        // Condition: an error of one unit in x moves log P by hazard·|x|·2^−52.
        const allowed = 1e-13 * Math.abs(logP) + 4e-16 * (1 + Math.abs(x)) * normalHazard(x) + 1e-300;
        expect(Math.abs(logNormalSf(x) - logP)).toBeLessThanOrEqual(allowed);
      }),
    );
  });

  it("the ends are legal and nothing is NaN", () => {
    expect(normalSf(Infinity)).toBe(0);
    expect(normalSf(-Infinity)).toBe(1);
    expect(normalCdf(Infinity)).toBe(1);
    expect(logNormalSf(Infinity)).toBe(-Infinity);
    expect(logNormalSf(-Infinity)).toBe(-0);
    expect(normalQuantile(0)).toBe(-Infinity);
    expect(normalQuantile(1)).toBe(Infinity);
    expect(normalQuantile(0.5)).toBe(0);
    expect(erfc(Infinity)).toBe(0);
    expect(erfc(-Infinity)).toBe(2);
    expect(erfcx(-Infinity)).toBe(Infinity);
    expect(erf(-Infinity)).toBe(-1);
    expect(normalSf(1e300)).toBe(0);
    expect(normalPdf(1e300)).toBe(0);
    expect(() => normalQuantile(NaN)).toThrow(RangeError);
    expect(() => logNormalSfInverse(0.1)).toThrow("logP must be <= 0");
  });
});
