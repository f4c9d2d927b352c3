// Closed forms against 60 digits, against the contour, and against δ(ε) written out for each mechanism.
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { closedFormAccountant } from "../../../src/accounting/closedForm/index.js";
import type { PrivacyEvent } from "../../../src/formats/event.js";

const reference = JSON.parse(
  readFileSync(new URL("../../reference/closedForm.json", import.meta.url), "utf8"),
);
const curve = (event: PrivacyEvent, neighboring?: "replace-one" | "zero-out-one") =>
  closedFormAccountant(neighboring ? { neighboring } : {}).account(event);
const gaussian = (noiseMultiplier: number): PrivacyEvent => ({ kind: "gaussian", noiseMultiplier });

describe("the analytic Gaussian mechanism", () => {
  it("brackets mpmath's δ within 1e-11 of it, from 1e-300 to nearly 1 and from σ = 0.05 to 1e6; 1e-10 at σ = 1e-3", () => {
    for (const { sigma, epsilon, delta } of reference.gaussian) {
      const { lower, upper } = curve(gaussian(sigma)).deltaIntervalAt(epsilon);
      const truth = Number(delta);
      expect(lower, `${sigma} ${epsilon}`).toBeLessThanOrEqual(truth * (1 + 2e-16));
      expect(upper, `${sigma} ${epsilon}`).toBeGreaterThanOrEqual(truth * (1 - 2e-16));
      if (truth > 1e-306)
        expect(upper / lower - 1, `${sigma} ${epsilon}`).toBeLessThan(sigma < 0.05 ? 1e-10 : 1e-11);
    }
  });

  it("brackets the ε that belongs to mpmath's δ, within 1e-12 of it", () => {
    for (const { sigma, epsilon, delta } of reference.gaussian) {
      const d = Number(delta);
      if (!(d > 1e-306 && d < 1 - 1e-6) || epsilon === 0) continue;
      const { lower, upper } = curve(gaussian(sigma)).epsilonIntervalAt(d);
      // δ is stored to 1e-16 of itself (and 1 − δ worse): what that does to ε.
      const stored = (2.3e-16 * epsilon * Math.max(1, d / (1 - d))) / Math.min(1, epsilon);
      expect(lower, `${sigma} ${epsilon}`).toBeLessThanOrEqual(epsilon + stored);
      expect(upper, `${sigma} ${epsilon}`).toBeGreaterThanOrEqual(epsilon - stored);
      expect((upper - lower) / upper, `${sigma} ${epsilon} ${d}`).toBeLessThan(1e-12 + 1e-15 / (1 - d));
    }
  });

  it("composes: n Gaussians are one of σ/√n, and replace-one is twice the shift", () => {
    const many = curve({ kind: "repeated", count: 16, event: gaussian(8) });
    expect(many.deltaIntervalAt(1)).toEqual(curve(gaussian(2)).deltaIntervalAt(1));
    expect(curve(gaussian(4), "replace-one").epsilonAt(1e-5)).toBe(curve(gaussian(2)).epsilonAt(1e-5));
    const mixed: PrivacyEvent = { kind: "composed", events: [gaussian(3), gaussian(4)] };
    expect(curve(mixed).epsilonAt(1e-5) / curve(gaussian(2.4)).epsilonAt(1e-5)).toBeCloseTo(1, 12);
  });
});

describe("one sampled step", () => {
  it("brackets mpmath's δ, from q = 1e-9 to nearly 1", () => {
    for (const { sigma, q, epsilon, delta } of reference.sampled) {
      const event: PrivacyEvent = { kind: "poisson-sampled", samplingRate: q, event: gaussian(sigma) };
      const { lower, upper } = curve(event).deltaIntervalAt(epsilon);
      const truth = Number(delta);
      expect(lower).toBeLessThanOrEqual(truth * (1 + 2e-16));
      expect(upper).toBeGreaterThanOrEqual(truth * (1 - 2e-16));
      expect(upper / lower - 1, `${sigma} ${q} ${epsilon}`).toBeLessThan(1e-11);
      const back = curve(event).epsilonIntervalAt(truth);
      expect(back.upper).toBeGreaterThanOrEqual(epsilon * (1 - 1e-12));
      expect(back.lower).toBeLessThanOrEqual(epsilon * (1 + 1e-12) + 1e-15);
    }
  });

  it("is nothing above δ = q, and everything below if nothing was added", () => {
    const bare: PrivacyEvent = { kind: "poisson-sampled", samplingRate: 0.01, event: gaussian(0) };
    expect(curve(bare).epsilonAt(0.011)).toBe(0);
    expect(curve(bare).epsilonAt(0.009)).toBe(Infinity);
    expect(curve(bare).deltaAt(5)).toBeCloseTo(0.01, 15);
  });
});

describe("pure mechanisms", () => {
  it("Laplace: ε = 1/b + 2 log(1 − δ)", () => {
    for (const [b, delta] of [
      [1, 1e-5],
      [10, 1e-3],
      [0.5, 1e-300],
      [0.01, 0.3],
      [1e4, 1e-6],
    ] as const) {
      const { lower, upper } = curve({ kind: "laplace", noiseMultiplier: b }).epsilonIntervalAt(delta);
      const truth = 1 / b + 2 * Math.log1p(-delta);
      expect(lower).toBeLessThanOrEqual(truth * (1 + 1e-15));
      expect(upper).toBeGreaterThanOrEqual(truth * (1 - 1e-15));
      expect(upper - lower).toBeLessThan(4e-14 * truth + 1e-15);
    }
    expect(curve({ kind: "laplace", noiseMultiplier: 2 }).epsilonAt(0)).toBeCloseTo(0.5, 15);
    expect(curve({ kind: "laplace", noiseMultiplier: 2 }, "replace-one").epsilonAt(0)).toBeCloseTo(1, 15);
  });

  it("randomised response: ε = log((a − δ)/b), and both directions against a record that says nothing", () => {
    const event: PrivacyEvent = { kind: "randomized-response", noiseProbability: 0.3, buckets: 4 };
    const [a, b] = [0.775, 0.075];
    expect(curve(event, "replace-one").epsilonAt(1e-6)).toBeCloseTo(Math.log((a - 1e-6) / b), 13);
    expect(curve(event).epsilonAt(0)).toBeCloseTo(Math.log(a / b), 13);
    const remove = Math.log((a - 1e-6) * 4);
    const add = Math.log((0.75 - 1e-6) / (3 * b));
    expect(curve(event, "zero-out-one").epsilonAt(1e-6)).toBeCloseTo(Math.max(remove, add), 13);
  });

  it("(ε, δ): what it says, and less only by the worst mechanism of that kind", () => {
    const one = curve({ kind: "epsilon-delta", epsilon: 1, delta: 1e-6 });
    expect(one.deltaAt(1)).toBeGreaterThanOrEqual(1e-6);
    expect(one.deltaAt(1)).toBeLessThan(1e-6 * (1 + 1e-8));
    expect(one.epsilonAt(1e-7)).toBe(Infinity);
    expect(one.epsilonAt(1e-6 + 1e-9)).toBeLessThanOrEqual(1 + 1e-12);
    expect(one.deltaAt(0)).toBeCloseTo(1e-6 + (1 - 1e-6) * Math.tanh(0.5), 14);
  });

  it("(ε, δ): has its own ε at its own δ, and nothing at the next smaller one", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 40, noNaN: true }),
        fc.double({ min: 1e-300, max: 0.999, noNaN: true }),
        (epsilon, delta) => {
          // The truth is δ(x) = δ + (1 − δ)(1 − e^{x − ε})/(1 + e^{−ε}) below ε and δ above.
          const one = curve({ kind: "epsilon-delta", epsilon, delta });
          const { lower, upper } = one.epsilonIntervalAt(delta);
          expect(upper).toBe(epsilon);
          expect(lower).toBeLessThanOrEqual(epsilon);
          expect(one.deltaIntervalAt(epsilon)).toEqual({ lower: delta, upper: delta });
          expect(one.epsilonAt(delta * (1 - 2 ** -52))).toBe(Infinity);
        },
      ),
    );
  });

  it("a sample released as it is spends nothing at δ = q", () => {
    const bare: PrivacyEvent = { kind: "poisson-sampled", samplingRate: 0.01, event: gaussian(0) };
    expect(curve(bare).epsilonAt(0.01)).toBe(0);
    expect(curve(bare).deltaAt(0)).toBe(0.01);
  });

  it("a pair of lists: the sum of positive parts, the worse way round", () => {
    const upper = [0.5, 0.3, 0.15, 0.05];
    const lower = [0.25, 0.35, 0.4, 0];
    const one = curve({ kind: "pmf-pair", upper, lower });
    for (const epsilon of [0, 0.1, 0.5, 0.9, 2]) {
      const e = Math.exp(epsilon);
      const way = (p: number[], q: number[]) => p.reduce((s, x, i) => s + Math.max(0, x - e * q[i]!), 0);
      const truth = Math.max(way(upper, lower), way(lower, upper));
      const { lower: least, upper: most } = one.deltaIntervalAt(epsilon);
      expect(least).toBeLessThanOrEqual(truth * (1 + 1e-14));
      expect(most).toBeGreaterThanOrEqual(truth * (1 - 1e-14));
      expect(most - least).toBeLessThan(1e-13);
    }
    expect(one.epsilonAt(0.04)).toBe(Infinity);
  });
});

describe("refusals", () => {
  it("name what is refused and who can", () => {
    const laplace: PrivacyEvent = { kind: "laplace", noiseMultiplier: 1 };
    expect(() => curve({ kind: "repeated", count: 2, event: laplace })).toThrow(
      "the closed-form accountant cannot account for a composition with laplace: only Gaussians compose in closed form; use pld or rdp",
    );
    expect(() => curve({ kind: "zcdp", rho: 1, xi: 0 })).toThrow("zcdp");
    expect(() =>
      curve({ kind: "poisson-sampled", samplingRate: 0.1, event: gaussian(1) }, "replace-one"),
    ).toThrow("poisson-sampled");
  });
});
