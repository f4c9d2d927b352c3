// Rényi moments against mpmath at 60 digits, against sums and integrals written out here, and against each other.
import { readFileSync } from "node:fs";
import { Decimal } from "decimal.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { boundedRangeMoment, laplaceMoment, pureMoment } from "../../../src/accounting/rdp/finiteLosses.js";
import { mixtureMoment } from "../../../src/accounting/rdp/gaussianMoments.js";
import { rdpAccountant } from "../../../src/accounting/rdp/index.js";
import type { PrivacyEvent } from "../../../src/formats/event.js";

const reference = JSON.parse(readFileSync(new URL("../../reference/rdp.json", import.meta.url), "utf8"));
const D = Decimal.clone({ precision: 60 });
const moment = (event: PrivacyEvent, lambda: number): number =>
  lambda *
  rdpAccountant()
    .account(event)
    .rdpAt(1 + lambda);

/** ours lies above the truth (to half a unit of the reference's last place), by at most `relative` of it. */
function justAbove(ours: number, truth: number, relative: number, what: string): void {
  expect(ours / truth - 1, what).toBeGreaterThan(-1.2e-16);
  expect(ours / truth - 1, what).toBeLessThan(relative);
}

describe("moments of Gaussian mixtures", () => {
  it("lie above mpmath's 25 digits by at most 1e-12, from λ = 1e-5 to 1e4 and from 1e-26 to 1e12", () => {
    for (const c of reference.mixtures) {
      const ours = mixtureMoment(c, c.direction, c.lambda);
      justAbove(ours, Number(c.moment), 1e-12, JSON.stringify(c));
    }
  });

  it("equal the binomial sum at integer orders", () => {
    const small = fc.record({
      deviation: fc.double({ min: 0.3, max: 40, noNaN: true }),
      q: fc.double({ min: 1e-6, max: 0.999, noNaN: true }),
      order: fc.integer({ min: 2, max: 40 }),
    });
    fc.assert(
      fc.property(small, ({ deviation, q, order }) => {
        let sum = new D(0);
        let binomial = new D(1);
        for (let k = 0; k <= order; k++) {
          const exponent = new D(k * (k - 1)).div(new D(deviation).pow(2).times(2)).exp();
          sum = sum.plus(
            binomial
              .times(new D(1).minus(q).pow(order - k))
              .times(new D(q).pow(k))
              .times(exponent),
          );
          binomial = binomial.times(order - k).div(k + 1);
        }
        const ours = mixtureMoment({ deviation, shifts: [1], probabilities: [q] }, 0, order - 1);
        justAbove(ours, sum.ln().toNumber(), 1e-12, `${deviation} ${q} ${order}`);
      }),
      { numRuns: 60 },
    );
  });

  it("removing is no better than adding, as the theorem says", () => {
    const any = fc.record({
      deviation: fc.double({ min: 0.2, max: 20, noNaN: true }),
      q: fc.double({ min: 1e-4, max: 0.999, noNaN: true }),
      lambda: fc.double({ min: 0.01, max: 60, noNaN: true }),
    });
    fc.assert(
      fc.property(any, ({ deviation, q, lambda }) => {
        const pair = { deviation, shifts: [1], probabilities: [q] };
        expect(mixtureMoment(pair, 0, lambda) * (1 + 1e-11)).toBeGreaterThanOrEqual(
          mixtureMoment(pair, 1, lambda),
        );
      }),
      { numRuns: 100 },
    );
  });

  it("never NaN and never below 0, over the whole range of noise, rate and order", () => {
    const wide = fc.record({
      deviation: fc.double({ min: Math.log(1e-3), max: Math.log(1e5), noNaN: true }).map(Math.exp),
      q: fc.double({ min: Math.log(1e-9), max: -1e-9, noNaN: true }).map(Math.exp),
      lambda: fc.double({ min: Math.log(1e-10), max: Math.log(1e12), noNaN: true }).map(Math.exp),
      direction: fc.constantFrom(0 as const, 1 as const),
    });
    fc.assert(
      fc.property(wide, ({ deviation, q, lambda, direction }) => {
        const value = mixtureMoment({ deviation, shifts: [1], probabilities: [q] }, direction, lambda);
        expect(value).toBeGreaterThanOrEqual(0);
        // Convexity: never above the un-amplified Gaussian.
        expect(value).toBeLessThanOrEqual(((lambda * (1 + lambda)) / 2 / deviation ** 2) * (1 + 1e-12));
      }),
      { numRuns: 150 },
    );
  });
});

describe("moments of other mechanisms", () => {
  it("Laplace lies above mpmath by at most 1e-13", () => {
    for (const c of reference.laplace)
      justAbove(laplaceMoment(c.b, c.lambda), Number(c.moment), 1e-13, JSON.stringify(c));
  });

  it("discrete Laplace equals the sum over the integers", () => {
    for (const [a, shift, lambda] of [
      [0.3, 1, 0.7],
      [0.3, 4, 2.5],
      [1.7, 3, 6],
      [0.05, 2, 11.1],
    ] as const) {
      let sum = 0;
      for (let x = -2000; x <= 2000; x++)
        sum += Math.exp(-a * (1 + lambda) * Math.abs(x - shift) + a * lambda * Math.abs(x));
      const truth = Math.log(sum * Math.tanh(a / 2));
      const ours = moment({ kind: "discrete-laplace", parameter: a, sensitivity: shift }, lambda);
      expect(Math.abs(ours / truth - 1)).toBeLessThan(1e-12);
    }
  });

  it("discrete Gaussian is no less than the sum over the integers", () => {
    for (const [sigma, shift, lambda] of [
      [1, 1, 0.5],
      [2, 3, 1],
      [0.4, 1, 3],
    ] as const) {
      let sum = 0;
      let total = 0;
      for (let x = -200; x <= 200; x++) {
        const q = -(x * x) / (2 * sigma * sigma);
        const p = -((x - shift) ** 2) / (2 * sigma * sigma);
        total += Math.exp(q);
        sum += Math.exp((1 + lambda) * p - lambda * q);
      }
      const ours = moment({ kind: "discrete-gaussian", sigma, sensitivity: shift }, lambda);
      expect(ours).toBeGreaterThanOrEqual(Math.log(sum / total) * (1 - 1e-13));
    }
  });

  it("randomised response equals its three-term sum", () => {
    for (const [p, k, lambda] of [
      [0.5, 2, 1.5],
      [0.3, 4, 0.1],
      [0.999999, 10, 20],
    ] as const) {
      const [own, other] = [new D(1).minus(p).plus(new D(p).div(k)), new D(p).div(k)];
      const truth = own
        .pow(1 + lambda)
        .times(other.pow(-lambda))
        .plus(other.pow(1 + lambda).times(own.pow(-lambda)))
        .plus(other.times(k - 2))
        .ln()
        .toNumber();
      const ours = moment({ kind: "randomized-response", noiseProbability: p, buckets: k }, lambda);
      justAbove(ours, truth, 1e-9, `${p} ${k} ${lambda}`);
    }
  });

  it("the exponential mechanism bounds every two-point law of its range, and no pure one exceeds it", () => {
    const any = fc.record({
      epsilon: fc.double({ min: 1e-3, max: 8, noNaN: true }),
      part: fc.double({ min: 0.001, max: 0.999, noNaN: true }),
      lambda: fc.double({ min: 0.01, max: 50, noNaN: true }),
    });
    fc.assert(
      fc.property(any, ({ epsilon, part, lambda }) => {
        const t = part * epsilon;
        const p = -Math.expm1(t - epsilon) / (Math.exp(t) - Math.exp(t - epsilon));
        const direct = Math.log(
          p * Math.exp((1 + lambda) * t) + (1 - p) * Math.exp((1 + lambda) * (t - epsilon)),
        );
        const bound = boundedRangeMoment(epsilon, lambda);
        expect(bound).toBeGreaterThanOrEqual(direct - 1e-12 * (1 + Math.abs(direct)));
        expect(bound).toBeLessThanOrEqual(pureMoment(epsilon, lambda) * (1 + 1e-9) + 1e-13 * (1 + lambda));
      }),
    );
  });

  it("pure ε-DP is a cosh over a cosh", () => {
    for (const [epsilon, lambda] of [
      [1e-8, 3],
      [0.5, 0.01],
      [2, 40],
      [300, 0.5],
      [5000, 2],
    ] as const) {
      const truth = new D(epsilon)
        .times(0.5 + lambda)
        .cosh()
        .div(new D(epsilon).div(2).cosh())
        .ln();
      justAbove(pureMoment(epsilon, lambda), truth.toNumber(), 1e-13, `${epsilon} ${lambda}`);
    }
  });
});

describe("sampling", () => {
  it("a sampled Laplace equals the integral at integer orders and bounds it between them", () => {
    const [b, q] = [2, 0.1];
    const event: PrivacyEvent = {
      kind: "poisson-sampled",
      samplingRate: q,
      event: { kind: "laplace", noiseMultiplier: b },
    };
    for (const lambda of [0.5, 1, 1.7, 2, 6.4, 7]) {
      // Simpson over the middle, closed form outside: the loss is ±1/b there.
      const f = (x: number) =>
        (1 - q + q * Math.exp((2 * x - 1) / b)) ** (1 + lambda) * (Math.exp(-x / b) / (2 * b));
      let middle = 0;
      for (let i = 0; i < 2000; i++)
        middle += (f(i / 2000) + 4 * f((i + 0.5) / 2000) + f((i + 1) / 2000)) / 12000;
      const truth = Math.log(
        middle +
          0.5 * (1 - q + q * Math.exp(-1 / b)) ** (1 + lambda) +
          0.5 * Math.exp(-1 / b) * (1 - q + q * Math.exp(1 / b)) ** (1 + lambda),
      );
      const ours = moment(event, lambda);
      expect(ours).toBeGreaterThanOrEqual(truth * (1 - 1e-11));
      if (Number.isInteger(lambda)) expect(ours).toBeLessThanOrEqual(truth * (1 + 1e-10));
    }
  });

  it("a sampled finite pair is itself a finite pair", () => {
    const upper = [0.5, 0.3, 0.2];
    const lower = [0.2, 0.35, 0.45];
    const q = 0.2;
    const sampled = moment(
      { kind: "poisson-sampled", samplingRate: q, event: { kind: "pmf-pair", upper, lower } },
      3.3,
    );
    const mixed = moment(
      { kind: "pmf-pair", upper: upper.map((p, i) => q * p + (1 - q) * lower[i]!), lower },
      3.3,
    );
    expect(sampled / mixed).toBeCloseTo(1, 11);
  });

  it("Gaussians on one sample are one Gaussian, also under replace-one, where no sampling means twice the shift", () => {
    const inner: PrivacyEvent = {
      kind: "repeated",
      count: 4,
      event: { kind: "gaussian", noiseMultiplier: 4 },
    };
    for (const neighboring of ["add-or-remove-one", "zero-out-one", "replace-one"] as const) {
      const accountant = rdpAccountant({ neighboring });
      const at = (event: PrivacyEvent) => accountant.account(event).rdpAt(5.5);
      const one: PrivacyEvent = { kind: "gaussian", noiseMultiplier: 2 };
      expect(
        at({ kind: "poisson-sampled", samplingRate: 0.1, event: inner }) /
          at({ kind: "poisson-sampled", samplingRate: 0.1, event: one }),
      ).toBeCloseTo(1, 11);
      // Hölder through the centre loses nothing at rate 1, so nearly nothing just below.
      expect(at({ kind: "poisson-sampled", samplingRate: 1 - 1e-9, event: one }) / at(one)).toBeCloseTo(1, 6);
    }
  });

  it("without replacement never exceeds no sampling, and falls with the rate", () => {
    const accountant = rdpAccountant({ neighboring: "replace-one" });
    const at = (sampleSize: number, order: number) =>
      accountant
        .account({
          kind: "sampled-without-replacement",
          sourceSize: 1000,
          sampleSize,
          event: { kind: "gaussian", noiseMultiplier: 4 },
        })
        .rdpAt(order);
    for (const order of [1.5, 2, 3.7, 16, 100.5]) {
      let last = 0;
      for (const size of [0, 1, 10, 100, 500, 999, 1000]) {
        const value = at(size, order);
        expect(value).toBeGreaterThanOrEqual(last * (1 - 1e-12));
        last = value;
      }
      expect(last / ((order * 4) / 32)).toBeCloseTo(1, 12);
    }
  });

  it("refuses by name what it cannot prove", () => {
    const gaussian = { kind: "gaussian", noiseMultiplier: 1 } as const;
    const account = (event: PrivacyEvent) => () => rdpAccountant().account(event);
    expect(account({ kind: "balls-in-bins", bins: 10, event: gaussian })).toThrow(
      "the rdp accountant cannot account for balls-in-bins",
    );
    expect(account({ kind: "deterministic-batches", event: gaussian })).toThrow(
      "the rdp accountant cannot account for deterministic-batches: removing one moves the others; use zero-out-one or replace-one",
    );
    expect(
      account({
        kind: "truncated-poisson-sampled",
        samplingRate: 0.1,
        datasetSize: 100,
        maximumBatchSize: 12,
        event: gaussian,
      }),
    ).toThrow("use pld");
  });
});
