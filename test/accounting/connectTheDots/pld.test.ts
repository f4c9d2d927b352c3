// Connect the dots against exact convolutions, closed forms, quadrature and the peer's values.
import { Decimal } from "decimal.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Interval, UnsupportedEventError } from "../../../src/accounting/accountant.js";
import { closedFormAccountant } from "../../../src/accounting/closedForm/index.js";
import { LatticeDirection } from "../../../src/accounting/connectTheDots/direction.js";
import { connectTheDotsAccountant } from "../../../src/accounting/connectTheDots/index.js";
import { gaussianPair } from "../../../src/accounting/connectTheDots/mechanisms.js";
import { dpSgdEvent, type PrivacyEvent } from "../../../src/formats/event.js";
import type { Neighboring } from "../../../src/formats/guarantee.js";
import { logNormalSf } from "../../../src/math/normal.js";

const curveOf = (event: PrivacyEvent, neighboring: Neighboring = "add-or-remove-one") =>
  connectTheDotsAccountant({ neighboring }).account(event);

function holds({ lower, upper }: Interval, truth: number, width: number): void {
  expect(lower).toBeLessThanOrEqual(truth * (1 + 1e-13));
  expect(upper).toBeGreaterThanOrEqual(truth * (1 - 1e-13));
  expect(upper - lower).toBeLessThanOrEqual(width * truth);
}

/** δ of `count` uses of whole-number probabilities over `total`, summed over all outcomes with 60 digits; the worse direction. */
function exactDelta(
  upper: readonly number[],
  lower: readonly number[],
  count: number,
  epsilon: number,
): number {
  const D = Decimal.clone({ precision: 60 });
  const direction = (p: readonly number[], q: readonly number[]): Decimal => {
    const e = new D(epsilon).exp();
    let sum = new D(0);
    // Outcomes by how often each symbol came: its multinomial weight times the products.
    const walk = (symbol: number, left: number, weight: Decimal, a: Decimal, b: Decimal): void => {
      if (symbol === p.length - 1) {
        const gain = a
          .times(new D(p[symbol]!).pow(left))
          .minus(e.times(b).times(new D(q[symbol]!).pow(left)));
        if (gain.gt(0)) sum = sum.plus(weight.times(gain));
        return;
      }
      let choose = new D(1);
      for (let k = 0; k <= left; k++) {
        walk(
          symbol + 1,
          left - k,
          weight.times(choose),
          a.times(new D(p[symbol]!).pow(k)),
          b.times(new D(q[symbol]!).pow(k)),
        );
        choose = choose.times(left - k).div(k + 1);
      }
    };
    walk(0, count, new D(1), new D(1), new D(1));
    return sum.div(new D(p.reduce((x, y) => x + y, 0)).pow(count));
  };
  return Decimal.max(direction(upper, lower), direction(lower, upper)).toNumber();
}

describe("pairs of probability lists, against exact sums over all outcomes", () => {
  const lists = [
    [
      [5, 3, 2],
      [4, 3, 3],
    ],
    [
      [1, 9],
      [2, 8],
    ],
    [
      [60, 25, 10, 5],
      [55, 20, 15, 10],
    ],
    [
      [0, 70, 30],
      [1, 60, 39],
    ],
    [
      [997, 3],
      [999, 1],
    ],
  ] as const;
  test.each(lists.flatMap(([p, q]) => [1, 2, 7, 20].map((count) => [p, q, count] as const)))(
    "%j against %j, %d times",
    (p, q, count) => {
      const normal = (list: readonly number[]) => list.map((x) => x / list.reduce((a, b) => a + b, 0));
      const curve = curveOf({
        kind: "repeated",
        count,
        event: { kind: "pmf-pair", upper: normal(p), lower: normal(q) },
      });
      for (const epsilon of [0, 0.05, 0.3, 1, 2]) {
        const truth = exactDelta(p, q, count, epsilon);
        const { lower, upper } = curve.deltaIntervalAt(epsilon);
        expect(upper).toBeGreaterThanOrEqual(truth * (1 - 1e-12));
        expect(lower).toBeLessThanOrEqual(truth * (1 + 1e-12));
        if (truth > 1e-9) expect(upper).toBeLessThanOrEqual(truth * 1.01 + 1e-12);
      }
    },
  );
});

describe("many small Gaussians on the lattice are one large Gaussian", () => {
  test.each([
    [0.5, 16, 1],
    [0.01, 1e4, 3],
    [1e-4, 1e8, 5],
    [2, 9, 40],
    [0.1, 400, 12],
    [0.1, 400, 25],
    [0.1, 400, 45],
  ])("shift %d, %d times, at epsilon %d", (shift, count, epsilon) => {
    const direction = new LatticeDirection([{ pair: gaussianPair(shift), count }], {
      relativeWidth: 1e-4,
      nodes: 2 ** 20,
    });
    const one = closedFormAccountant().account({
      kind: "gaussian",
      noiseMultiplier: 1 / (shift * Math.sqrt(count)),
    });
    const truth = one.deltaIntervalAt(epsilon);
    const found = direction.deltaAt(epsilon);
    expect(found.upper).toBeGreaterThanOrEqual(truth.lower);
    expect(found.lower).toBeLessThanOrEqual(truth.upper);
    // δ down to 1e-250: what is relative stays relative.
    expect(found.upper - found.lower).toBeLessThanOrEqual(0.06 * found.upper);
    expect(found.lower).toBeGreaterThan(0);
  });
});

test("one use of Laplace noise, of randomised response and of the exponential mechanism: their formulas", () => {
  for (const epsilon of [0.1, 0.5, 0.9]) {
    holds(
      curveOf({ kind: "laplace", noiseMultiplier: 1 }).deltaIntervalAt(epsilon),
      -Math.expm1((epsilon - 1) / 2),
      1e-3,
    );
    const response = curveOf({ kind: "randomized-response", noiseProbability: 0.5, buckets: 2 });
    holds(response.deltaIntervalAt(epsilon), 0.75 - Math.exp(epsilon) * 0.25, 1e-6);
    const exponential = curveOf({ kind: "exponential", epsilon: 1 }).deltaIntervalAt(epsilon);
    holds(exponential, -((1 - Math.exp((epsilon - 1) / 2)) ** 2) / Math.expm1(-1), 1e-3);
  }
});

test("one use is exact, of bodies, points and what is sampled, at any ε", () => {
  fc.assert(
    fc.property(
      fc.double({ min: Math.log(0.02), max: Math.log(50), noNaN: true }),
      fc.double({ min: -12, max: 0, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (logScale, logRate, part) => {
        const noiseMultiplier = Math.exp(logScale);
        const samplingRate = Math.exp(logRate);
        const event: PrivacyEvent = { kind: "laplace", noiseMultiplier };
        const most = Math.log1p(samplingRate * Math.expm1(1 / noiseMultiplier));
        const epsilon = part * most;
        // δ of removing: q·δ(log(1 + (e^ε − 1)/q)) of the whole; of adding no more.
        const inner = Math.log1p(Math.expm1(epsilon) / samplingRate);
        const truth = -samplingRate * Math.expm1(Math.min(0, (inner - 1 / noiseMultiplier) / 2));
        const found = curveOf({ kind: "poisson-sampled", samplingRate, event }).deltaIntervalAt(epsilon);
        expect(found.upper).toBeGreaterThanOrEqual(truth * (1 - 1e-9) - 1e-15);
        expect(found.lower).toBeLessThanOrEqual(truth * (1 + 1e-9) + 1e-15);
        expect(found.upper - found.lower).toBeLessThanOrEqual(1e-9 * truth + 1e-12);
      },
    ),
    { numRuns: 100 },
  );
});

test("an (ε, δ)-mechanism has its own ε at its own δ, and nothing at the next smaller one, alone or beside a pure one", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 1e-6, max: 20, noNaN: true }),
      fc.double({ min: 1e-200, max: 0.9, noNaN: true }),
      fc.constantFrom<Neighboring>("add-or-remove-one", "zero-out-one", "replace-one"),
      (epsilon, delta, neighboring) => {
        const event: PrivacyEvent = { kind: "epsilon-delta", epsilon, delta };
        const one = curveOf(event, neighboring);
        const { lower, upper } = one.epsilonIntervalAt(delta);
        expect(upper).toBe(epsilon);
        expect(lower).toBeLessThanOrEqual(epsilon);
        expect(one.deltaIntervalAt(epsilon)).toEqual({ lower: delta, upper: delta });
        expect(one.epsilonAt(delta * (1 - 2 ** -52))).toBe(Infinity);
      },
    ),
  );
  // Beside a pure one, the sum of both ε.
  const [event, pure] = [1e-5, 0].map(
    (delta): PrivacyEvent => ({ kind: "epsilon-delta", epsilon: 1, delta }),
  );
  const both = curveOf({ kind: "composed", events: [event!, pure!] });
  const { upper } = both.epsilonIntervalAt(1e-5);
  expect(upper).toBeGreaterThanOrEqual(2);
  expect(upper).toBeLessThanOrEqual(2 * (1 + 1e-14));
  expect(both.epsilonAt(1e-5 * (1 - 2 ** -52))).toBe(Infinity);
});

test("two uses of Laplace noise: their formula, up to next to the largest loss there is", () => {
  for (const noiseMultiplier of [0.3, 1.8]) {
    const most = 2 / noiseMultiplier;
    const curve = curveOf({ kind: "repeated", count: 2, event: { kind: "laplace", noiseMultiplier } });
    for (const left of [0.1, 1e-3]) {
      const x = left * most;
      const truth = -Math.expm1(-x / 2) - Math.exp(-x / 2) * (x / 4);
      holds(curve.deltaIntervalAt(most - x), truth, Infinity);
      const { lower, upper } = curve.epsilonIntervalAt(truth);
      expect(lower).toBeLessThanOrEqual(most - x);
      expect(upper).toBeGreaterThanOrEqual(most - x);
      expect(upper - lower).toBeLessThanOrEqual(1e-4 * upper);
    }
  }
});

test("lower ends of the pairs themselves are near the upper ends where those of the mechanism are not", () => {
  const event: PrivacyEvent = {
    kind: "repeated",
    count: 100,
    event: {
      kind: "sampled-without-replacement",
      sourceSize: 1000,
      sampleSize: 80,
      event: { kind: "gaussian", noiseMultiplier: 3 },
    },
  };
  const [mechanism, pair] = (["mechanism", "pair"] as const).map((lowerEnds) =>
    connectTheDotsAccountant({ neighboring: "replace-one", lowerEnds })
      .account(event)
      .epsilonIntervalAt(1e-5),
  );
  expect(pair!.lower).toBeLessThanOrEqual(mechanism!.upper);
  expect(pair!.upper - pair!.lower).toBeLessThanOrEqual(2e-4 * pair!.upper);
  expect(mechanism!.lower).toBeLessThan(pair!.lower);
});

test("replacing a record of a sampled Gaussian: the hockey-stick integral of its two mixtures", () => {
  for (const [rate, sigma] of [
    [0.1, 1],
    [0.5, 0.7],
    [0.01, 2],
  ] as const) {
    const curve = curveOf(
      dpSgdEvent({ samplingRate: rate, noiseMultiplier: sigma, steps: 1 }),
      "replace-one",
    );
    const density = (x: number, mean: number) => Math.exp(-0.5 * (x - mean) ** 2) / Math.sqrt(2 * Math.PI);
    for (const epsilon of [0.01, 0.1, 0.5]) {
      let truth = 0;
      for (let x = -12; x < 14; x += 1e-4) {
        const middle = (1 - rate) * density(x, 0);
        const gain =
          middle +
          rate * density(x, 1 / sigma) -
          Math.exp(epsilon) * (middle + rate * density(x, -1 / sigma));
        if (gain > 0) truth += gain * 1e-4;
      }
      const { lower, upper } = curve.deltaIntervalAt(epsilon);
      expect(upper).toBeGreaterThanOrEqual(truth * (1 - 1e-6));
      expect(lower).toBeLessThanOrEqual(truth * (1 + 1e-6));
      if (truth > 1e-15) expect(upper - lower).toBeLessThanOrEqual(3e-2 * upper);
    }
  }
});

test("a narrower interval on request, inside of the wider one", () => {
  const event = dpSgdEvent({ samplingRate: 0.1, noiseMultiplier: 2, steps: 50 });
  const wide = connectTheDotsAccountant({ relativeWidth: 1e-2 }).account(event).epsilonIntervalAt(1e-5);
  const narrow = connectTheDotsAccountant({ relativeWidth: 1e-6 }).account(event).epsilonIntervalAt(1e-5);
  expect(narrow.lower).toBeGreaterThanOrEqual(wide.lower);
  expect(narrow.upper).toBeLessThanOrEqual(wide.upper);
  expect(narrow.upper - narrow.lower).toBeLessThanOrEqual(1e-6 * narrow.upper);
});

test("what has no dominating pair is refused by name, with the accountant that can", () => {
  const refused = (event: PrivacyEvent, neighboring: Neighboring, kind: string, instead?: string) => {
    try {
      curveOf(event, neighboring);
    } catch (error) {
      expect(error).toBeInstanceOf(UnsupportedEventError);
      expect(error).toMatchObject({ accountant: "pld-discrete", eventKind: kind, instead });
      return;
    }
    expect.unreachable(`${kind} should be refused`);
  };
  refused({ kind: "zcdp", rho: 1, xi: 0 }, "add-or-remove-one", "zcdp", "rdp");
  refused(
    { kind: "poisson-sampled", samplingRate: 0.1, event: { kind: "laplace", noiseMultiplier: 1 } },
    "replace-one",
    "poisson-sampled laplace",
    "rdp",
  );
  refused(
    { kind: "balls-in-bins", bins: 10, event: { kind: "zcdp", rho: 1, xi: 0 } },
    "add-or-remove-one",
    "zcdp",
    "rdp",
  );
});

test("options out of range are refused by name", () => {
  expect(() => connectTheDotsAccountant({ relativeWidth: 0 })).toThrow(
    "relativeWidth must be in [1e-9, 0.1], got 0",
  );
  expect(() => connectTheDotsAccountant({ maximumNodes: 1000 })).toThrow(
    "maximumNodes must be a power of two in [2^10, 2^24], got 1000",
  );
});

describe("few steps at low sampling rates, where rare losses are far larger than ε", () => {
  /** δ of one step for the removal, any real ε: P(x > x*) − e^ε·Q(x > x*). */
  const oneStep = (q: number, sigma: number, epsilon: number): number => {
    const t = Math.exp(epsilon);
    if (t <= 1 - q) return 1 - t;
    const x = sigma * sigma * Math.log((t - 1 + q) / q) + 0.5;
    const [noise, moved] = [Math.exp(logNormalSf(x / sigma)), Math.exp(logNormalSf((x - 1) / sigma))];
    return (1 - q) * noise + q * moved - t * noise;
  };
  /** δ of two steps: δ_2(ε) = E_P[δ_1(ε − ℓ(x))], by Simpson's rule. */
  const twoSteps = (q: number, sigma: number, epsilon: number): number => {
    const n = 400_000;
    const [from, to] = [-12 * sigma, 1 + 12 * sigma];
    const h = (to - from) / n;
    let sum = 0;
    for (let i = 0; i <= n; i++) {
      const x = from + i * h;
      const ratio = Math.exp((2 * x - 1) / (2 * sigma * sigma));
      const density =
        (Math.exp((-x * x) / (2 * sigma * sigma)) / (sigma * Math.sqrt(2 * Math.PI))) * (1 - q + q * ratio);
      const weight = i === 0 || i === n ? 1 : i % 2 === 1 ? 4 : 2;
      sum += weight * density * oneStep(q, sigma, epsilon - Math.log1p(q * (ratio - 1)));
    }
    return (sum * h) / 3;
  };

  test.each([
    { q: 3.17e-4, sigma: 0.81, epsilon: 1.44e-3 },
    { q: 1.36e-3, sigma: 0.56, epsilon: 3.36e-3 },
    { q: 2e-3, sigma: 3.5, epsilon: 0.004 },
    { q: 1e-4, sigma: 0.6, epsilon: 0.02 },
  ])("two steps at q = $q, σ = $sigma, against their integral", ({ q, sigma, epsilon }) => {
    const event = dpSgdEvent({ samplingRate: q, noiseMultiplier: sigma, steps: 2 });
    const truth = twoSteps(q, sigma, epsilon);
    const { lower, upper } = curveOf(event).deltaIntervalAt(epsilon);
    expect(lower).toBeLessThanOrEqual(truth * (1 + 1e-9));
    expect(upper).toBeGreaterThanOrEqual(truth * (1 - 1e-9));
    expect(upper - lower).toBeLessThanOrEqual(1e-3 * truth);
  });
});
