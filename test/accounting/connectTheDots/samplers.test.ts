// Fixed-size samples, cut batches and balls in bins, against integrals over every outcome of small data sets.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Interval, UnsupportedEventError } from "../../../src/accounting/accountant.js";
import { connectTheDotsAccountant } from "../../../src/accounting/connectTheDots/index.js";
import { rdpAccountant } from "../../../src/accounting/rdp/index.js";
import type { PrivacyEvent } from "../../../src/formats/event.js";
import type { Neighboring } from "../../../src/formats/guarantee.js";
import { binomialTail } from "../../../src/math/binomialTail.js";
import { logNormalSf } from "../../../src/math/normal.js";

const gaussian = (noiseMultiplier: number): PrivacyEvent => ({ kind: "gaussian", noiseMultiplier });
/** On lattices that suffice for the tolerance of the sums below. */
const QUICK = { relativeWidth: 1e-3, maximumNodes: 2 ** 16 };
const deltaOf = (event: PrivacyEvent, neighboring: Neighboring, epsilon: number): Interval =>
  connectTheDotsAccountant({ neighboring, ...QUICK })
    .account(event)
    .deltaIntervalAt(epsilon);

/** What is released without noise: [probability, value]. */
type Law = readonly (readonly [number, number])[];

const density = (law: Law, sigma: number, x: number): number =>
  law.reduce((sum, [p, value]) => sum + p * Math.exp(-(((x - value) / sigma) ** 2) / 2), 0) /
  (sigma * Math.sqrt(2 * Math.PI));

/** E[(P − e^ε Q)₊] of `uses` independent noisy releases of P against Q, on a grid. */
function hockeyStick(p: Law, q: Law, sigma: number, epsilon: number, uses: 1 | 2): number {
  const step = (uses === 1 ? 0.03 : 0.08) * sigma;
  const reach = 9 * sigma + 6;
  const grid = Array.from({ length: Math.ceil((2 * reach) / step) }, (_, i) => -reach + i * step);
  const a = grid.map((x) => density(p, sigma, x) * step);
  const b = grid.map((x) => density(q, sigma, x) * step);
  const e = Math.exp(epsilon);
  let sum = 0;
  if (uses === 1) for (let i = 0; i < a.length; i++) sum += Math.max(0, a[i]! - e * b[i]!);
  else
    for (let i = 0; i < a.length; i++)
      for (let j = 0; j < a.length; j++) sum += Math.max(0, a[i]! * a[j]! - e * b[i]! * b[j]!);
  return sum;
}

const worse = (p: Law, q: Law, sigma: number, epsilon: number, uses: 1 | 2): number =>
  Math.max(hockeyStick(p, q, sigma, epsilon, uses), hockeyStick(q, p, sigma, epsilon, uses));

/** Every list of n values out of ±1 and 0. */
const lists = (n: number): number[][] =>
  n === 0 ? [[]] : lists(n - 1).flatMap((rest) => [-1, 0, 1].map((x) => [x, ...rest]));

/** All subsets of a list, as lists of places. */
const subsets = (n: number): number[][] =>
  Array.from({ length: 2 ** n }, (_, bits) =>
    Array.from({ length: n }, (_, i) => i).filter((i) => bits & (1 << i)),
  );

const sum = (records: readonly number[], places: readonly number[]): number =>
  places.reduce((total, i) => total + records[i]!, 0);

function fixedSize(records: readonly number[], size: number): Law {
  const drawn = subsets(records.length).filter(({ length }) => length === size);
  return drawn.map((places) => [1 / drawn.length, sum(records, places)]);
}

/** Poisson sampling, cut to a uniform subset of `most`. */
function cut(records: readonly number[], rate: number, most: number): Law {
  return subsets(records.length).flatMap((places): Law => {
    const p = rate ** places.length * (1 - rate) ** (records.length - places.length);
    if (places.length <= most) return [[p, sum(records, places)]];
    const kept = subsets(places.length).filter(({ length }) => length === most);
    return kept.map((each) => [
      p / kept.length,
      sum(
        records,
        each.map((i) => places[i]!),
      ),
    ]);
  });
}

/** The worst data sets of n records for one whose own value is `own` (1), and its neighbour. */
function* neighbours(n: number, neighboring: Neighboring): Generator<[number[], number[]]> {
  for (const others of lists(n - 1)) {
    if (neighboring === "add-or-remove-one") yield [[1, ...others], others];
    else if (neighboring === "zero-out-one")
      yield [
        [1, ...others],
        [0, ...others],
      ];
    else
      yield [
        [1, ...others],
        [-1, ...others],
      ];
  }
}

const RELATIONS = ["add-or-remove-one", "zero-out-one", "replace-one"] as const;

describe("fixed-size samples", () => {
  const event = (count: number): PrivacyEvent => ({
    kind: "repeated",
    count,
    event: { kind: "sampled-without-replacement", sourceSize: 3, sampleSize: 2, event: gaussian(1.5) },
  });

  test.each(RELATIONS)("bound the worst of all small data sets under %s, alone and twice", (neighboring) => {
    for (const epsilon of [0.2, 1.2]) {
      for (const uses of [1, 2] as const) {
        const { lower, upper } = deltaOf(event(uses), neighboring, epsilon);
        let worst = 0;
        for (const [one, other] of neighbours(3, neighboring))
          worst = Math.max(worst, worse(fixedSize(one, 2), fixedSize(other, 2), 1.5, epsilon, uses));
        expect(upper).toBeGreaterThanOrEqual(worst * (1 - 1e-3));
        expect(lower).toBeLessThanOrEqual(worst * (1 + 1e-3));
        // One use is attained by one of them.
        if (uses === 1) expect(upper).toBeLessThanOrEqual(worst * (1 + 4e-3));
      }
    }
  });

  test("are bounded whatever the directions of the three contributions in the plane", () => {
    const rate = 0.3;
    const sigma = 1.2;
    const curve = (neighboring: Neighboring) =>
      connectTheDotsAccountant({ neighboring }).account({
        kind: "sampled-without-replacement",
        sourceSize: 10,
        sampleSize: 3,
        event: gaussian(sigma),
      });
    const curves = { "zero-out-one": curve("zero-out-one"), "replace-one": curve("replace-one") };
    const unit = fc
      .tuple(fc.double({ min: 0, max: 2 * Math.PI, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }))
      .map(([angle, r]) => [r * Math.cos(angle), r * Math.sin(angle)] as const);
    const step = 0.12 * sigma;
    const axis = Array.from(
      { length: Math.ceil((14 * sigma + 4) / step) },
      (_, i) => -7 * sigma - 2 + i * step,
    );
    fc.assert(
      fc.property(
        unit,
        unit,
        unit,
        fc.boolean(),
        fc.constantFrom(0.1, 0.7),
        (x, y, other, blank, epsilon) => {
          const x2 = blank ? ([0, 0] as const) : other;
          const at = (m: readonly [number, number], u: number, v: number) =>
            (Math.exp(-((u - m[0]) ** 2 + (v - m[1]) ** 2) / (2 * sigma * sigma)) * step * step) /
            (2 * Math.PI * sigma * sigma);
          let [a, b] = [0, 0];
          for (const u of axis)
            for (const v of axis) {
              const p = (1 - rate) * at(y, u, v) + rate * at(x, u, v);
              const q = (1 - rate) * at(y, u, v) + rate * at(x2, u, v);
              a += Math.max(0, p - Math.exp(epsilon) * q);
              b += Math.max(0, q - Math.exp(epsilon) * p);
            }
          const bound = curves[blank ? "zero-out-one" : "replace-one"].deltaAt(epsilon);
          expect(Math.max(a, b)).toBeLessThanOrEqual(bound * (1 + 1e-3) + 1e-9);
        },
      ),
      { numRuns: 30, seed: 2018 },
    );
  });

  test("of Laplace noise bound the worst data sets too", () => {
    const curve = connectTheDotsAccountant({ neighboring: "replace-one" }).account({
      kind: "sampled-without-replacement",
      sourceSize: 3,
      sampleSize: 1,
      event: { kind: "laplace", noiseMultiplier: 2 },
    });
    const at = (m: number, x: number) => Math.exp(-Math.abs(x - m) / 2) / 4;
    for (const epsilon of [0, 0.1, 0.3, 0.5]) {
      let delta = 0;
      const step = 0.001;
      // Others at −1, the record from 1 to −1.
      for (let x = -60; x < 60; x += step)
        delta += step * Math.max(0, (at(1, x) + 2 * at(-1, x)) / 3 - Math.exp(epsilon) * at(-1, x));
      const { lower, upper } = curve.deltaIntervalAt(epsilon);
      expect(upper).toBeGreaterThanOrEqual(delta * (1 - 1e-5));
      expect(lower).toBeLessThanOrEqual(delta * (1 + 1e-5));
      expect(upper).toBeLessThanOrEqual(delta * (1 + 1e-3) + 1e-12);
    }
  });

  test("their Rényi bound lies above the folded pair's own divergence, and at most a factor of two", () => {
    const [sigma, rate] = [4, 0.1];
    const curve = rdpAccountant({ neighboring: "replace-one" }).account({
      kind: "sampled-without-replacement",
      sourceSize: 10,
      sampleSize: 1,
      event: gaussian(sigma),
    });
    const mu = 2 / sigma;
    for (const order of [1.5, 2, 4, 9.5, 30]) {
      // 1 + ∫ over r > 1 of Q(r^α − 1)(1 − r^{1−α}).
      let excess = 0;
      const step = 0.001;
      for (let x = mu / 2 + step / 2; x < 40; x += step) {
        const r = 1 + rate * Math.expm1(mu * x - (mu * mu) / 2);
        excess +=
          (step * Math.exp((-x * x) / 2) * (r ** order - 1) * (1 - r ** (1 - order))) /
          Math.sqrt(2 * Math.PI);
      }
      const truth = Math.log1p(excess) / (order - 1);
      const found = curve.rdpAt(order);
      expect(found).toBeGreaterThanOrEqual(truth);
      expect(found).toBeLessThanOrEqual(2.001 * truth);
    }
  });
});

describe("Poisson sampling cut at a maximum batch", () => {
  test.each(RELATIONS)(
    "bounds the worst of all small data sets under %s, alone and twice",
    (neighboring) => {
      for (const [rate, most] of [
        [0.5, 1],
        [0.9, 3],
      ] as const)
        for (const epsilon of [0, 1])
          for (const uses of [1, 2] as const) {
            const { lower, upper } = deltaOf(
              {
                kind: "repeated",
                count: uses,
                event: {
                  kind: "truncated-poisson-sampled",
                  samplingRate: rate,
                  datasetSize: 4,
                  maximumBatchSize: most,
                  event: gaussian(1.3),
                },
              },
              neighboring,
              epsilon,
            );
            let worst = 0;
            for (const [one, other] of neighbours(4, neighboring)) {
              // Two uses only of the data sets that are worst alone: all others alike.
              if (uses === 2 && new Set(one.slice(1)).size > 1) continue;
              worst = Math.max(
                worst,
                worse(cut(one, rate, most), cut(other, rate, most), 1.3, epsilon, uses),
              );
            }
            expect(upper).toBeGreaterThanOrEqual(worst * (1 - 1e-3));
            expect(lower).toBeLessThanOrEqual(worst * (1 + 1e-3));
          }
    },
    60_000,
  );

  test("is Poisson sampling where no batch is cut, and a fixed size where every batch is", () => {
    const event = (samplingRate: number, maximumBatchSize: number): PrivacyEvent => ({
      kind: "truncated-poisson-sampled",
      samplingRate,
      datasetSize: 50,
      maximumBatchSize,
      event: gaussian(2),
    });
    for (const neighboring of RELATIONS) {
      expect(deltaOf(event(0.1, 50), neighboring, 0.5)).toEqual(
        deltaOf({ kind: "poisson-sampled", samplingRate: 0.1, event: gaussian(2) }, neighboring, 0.5),
      );
      expect(deltaOf(event(1, 10), neighboring, 0.5)).toEqual(
        deltaOf(
          { kind: "sampled-without-replacement", sourceSize: 50, sampleSize: 10, event: gaussian(2) },
          neighboring,
          0.5,
        ),
      );
    }
  });

  test("binomial tails agree with exact sums and with published values, on both sides", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 30 }),
        fc.double({ min: 1e-6, max: 1 - 1e-6, noNaN: true }),
        fc.integer({ min: -1, max: 31 }),
        (n, p, k) => {
          let atLeast = 0;
          let below = 0;
          let choose = 1;
          for (let j = 0; j <= n; j++) {
            const term = choose * p ** j * (1 - p) ** (n - j);
            if (j >= k) atLeast += term;
            else below += term;
            choose = (choose * (n - j)) / (j + 1);
          }
          const found = binomialTail(n, p, k)!;
          if (atLeast > 1e-290) expect(found.atLeast / atLeast).toBeCloseTo(1, 11);
          if (below > 1e-290) expect(found.below / below).toBeCloseTo(1, 11);
        },
      ),
    );
    // SciPy 1.17, binom.sf and binom.cdf.
    for (const [n, p, k, atLeast, below] of BINOMIAL) {
      const found = binomialTail(n, p, k)!;
      expect(found.atLeast / atLeast).toBeCloseTo(1, 10);
      expect(found.below / below).toBeCloseTo(1, 10);
    }
    expect(binomialTail(1e15, 0.5, 5e14)).toBeNull();
  });
});

/** n, p, k, P(X ≥ k), P(X < k). */
const BINOMIAL: readonly (readonly [number, number, number, number, number])[] = [
  [59999, 0.004266666666666667, 256, 0.5082582063450982, 0.4917417936549018],
  [59999, 0.004266666666666667, 400, 4.697322495972141e-17, 1.0],
  [59999, 0.004266666666666667, 100, 1.0, 2.445012232361158e-29],
  [1000000, 0.01, 10200, 0.022742497360522286, 0.9772575026394777],
  [1000000000, 1e-6, 1200, 4.68410842458808e-10, 0.9999999995315891],
];

describe("balls in bins", () => {
  const cdf = (x: number): number => Math.exp(logNormalSf(-x));

  /** δ of two bins, both directions: E over the first ratio of a call, and of a put, on the second. */
  function twoBins(mu: number, epsilon: number): number {
    const alpha = Math.exp(epsilon);
    let [remove, add] = [0, 0];
    const step = 0.02 / Math.max(1, mu);
    for (let x = -10; x < 10 + mu; x += step) {
      const r = Math.exp(mu * x - (mu * mu) / 2);
      const weight = (step * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
      const call = (strike: number) => {
        if (strike <= 0) return 1 - strike;
        const d = -Math.log(strike) / mu;
        return cdf(d + mu / 2) - strike * cdf(d - mu / 2);
      };
      remove += (weight * call(2 * alpha - r)) / 2;
      const strike = 2 / alpha - r;
      if (strike > 0) add += (weight * alpha * (strike - 1 + call(strike))) / 2;
    }
    return Math.max(remove, add);
  }

  test("of two bins lie around the integral over both", () => {
    for (const [sigma, epsilon] of [
      [1, 0.5],
      [1, 2],
      [2, 0.7],
      [0.6, 3],
      [0.2, 20],
      [0.05, 280],
    ] as const) {
      const truth = twoBins(1 / sigma, epsilon);
      const { lower, upper } = deltaOf(
        { kind: "balls-in-bins", bins: 2, event: gaussian(sigma) },
        "zero-out-one",
        epsilon,
      );
      expect(upper).toBeGreaterThanOrEqual(truth * (1 - 1e-5));
      expect(lower).toBeLessThanOrEqual(truth * (1 + 1e-5));
      expect(upper - lower).toBeLessThanOrEqual(0.01 * truth);
    }
  });

  test("hold the same truth with few points and with many, from one to many epochs, at little noise and much", () => {
    fc.assert(
      fc.property(
        fc.double({ min: Math.log(0.2), max: Math.log(20), noNaN: true }),
        fc.integer({ min: 2, max: 100 }),
        fc.constantFrom(1, 7),
        fc.double({ min: -9, max: -2, noNaN: true }),
        (logSigma, bins, epochs, logDelta) => {
          const event: PrivacyEvent = {
            kind: "repeated",
            count: epochs,
            event: { kind: "balls-in-bins", bins, event: gaussian(Math.exp(logSigma)) },
          };
          const [few, more] = [2 ** 13, 2 ** 14].map((maximumNodes) =>
            connectTheDotsAccountant({ relativeWidth: 1e-2, maximumNodes })
              .account(event)
              .epsilonIntervalAt(10 ** logDelta),
          ) as [Interval, Interval];
          expect(few.lower).toBeLessThanOrEqual(more.upper);
          expect(more.lower).toBeLessThanOrEqual(few.upper);
          expect(more.upper).toBeLessThan(Infinity);
          // No more than Poisson sampling without any sampling.
          expect(more.lower).toBeLessThanOrEqual(
            connectTheDotsAccountant(QUICK)
              .account({ ...event, event: gaussian(Math.exp(logSigma)) })
              .epsilonAt(10 ** logDelta),
          );
        },
      ),
      { numRuns: 6 },
    );
  });

  test("of mechanisms of bounded range have lower ends too", () => {
    const { lower, upper } = deltaOf(
      { kind: "balls-in-bins", bins: 4, event: { kind: "exponential", epsilon: 1 } },
      "zero-out-one",
      0.1,
    );
    expect(lower).toBeGreaterThan(0);
    expect(lower).toBeLessThanOrEqual(upper);
  });

  test("and other samplers are refused within a sample, of which no pair is known", () => {
    const inner: PrivacyEvent[] = [
      { kind: "balls-in-bins", bins: 10, event: gaussian(2) },
      { kind: "sampled-without-replacement", sourceSize: 100, sampleSize: 10, event: gaussian(2) },
      {
        kind: "truncated-poisson-sampled",
        samplingRate: 0.1,
        datasetSize: 100,
        maximumBatchSize: 12,
        event: gaussian(2),
      },
      { kind: "poisson-sampled", samplingRate: 0.1, event: gaussian(2) },
    ];
    for (const event of inner)
      for (const outer of [
        { kind: "poisson-sampled", samplingRate: 0.01, event },
        { kind: "sampled-without-replacement", sourceSize: 100, sampleSize: 10, event },
      ] as PrivacyEvent[])
        for (const neighboring of ["add-or-remove-one", "zero-out-one", "replace-one"] as const)
          expect(() => connectTheDotsAccountant({ neighboring }).account(outer)).toThrow(
            UnsupportedEventError,
          );
  });

  test("of randomised response lie around the sum over all outcomes, also composed", () => {
    // Three bins, binary answers: without the record each is uniform; with it one of them tells the truth more often.
    const [p, bins, epsilon] = [0.5, 3, 0.3];
    const own = 1 - p / 2;
    const outcomes = subsets(bins).map((ones) => {
      const q = 0.5 ** bins;
      return { q, p: (q * (ones.length * 2 * own + (bins - ones.length) * 2 * (1 - own))) / bins };
    });
    let [remove, add] = [0, 0];
    for (const a of outcomes)
      for (const b of outcomes) {
        remove += Math.max(0, a.p * b.p - Math.exp(epsilon) * a.q * b.q);
        add += Math.max(0, a.q * b.q - Math.exp(epsilon) * a.p * b.p);
      }
    const { lower, upper } = deltaOf(
      {
        kind: "repeated",
        count: 2,
        event: {
          kind: "balls-in-bins",
          bins,
          event: { kind: "randomized-response", noiseProbability: p, buckets: 2 },
        },
      },
      "zero-out-one",
      epsilon,
    );
    const truth = Math.max(remove, add);
    expect(upper).toBeGreaterThanOrEqual(truth * (1 - 1e-12));
    expect(lower).toBeLessThanOrEqual(truth * (1 + 1e-12));
    expect(upper - lower).toBeLessThanOrEqual(1e-3 * truth);
  });

  test("cost no more than no amplification and no less than a lucky guess, from 1 bin to 1e9", () => {
    const coarsely = (event: PrivacyEvent, epsilon: number) =>
      connectTheDotsAccountant({ relativeWidth: 1e-2, maximumNodes: 2 ** 14 })
        .account(event)
        .deltaIntervalAt(epsilon);
    let last = Infinity;
    for (const bins of [1, 3, 1000, 1e9]) {
      const { lower, upper } = coarsely({ kind: "balls-in-bins", bins, event: gaussian(1) }, 0.5);
      expect(upper).toBeLessThanOrEqual(last);
      expect(lower).toBeLessThanOrEqual(upper);
      last = upper;
    }
    // One use, the bin known to nobody: P(δ) at least that of one bin in t.
    expect(last).toBeLessThan(1e-8);
    const extreme = coarsely({ kind: "balls-in-bins", bins: 100, event: gaussian(0.01) }, 1);
    expect(extreme.upper).toBeLessThanOrEqual(1);
    expect(extreme.upper).toBeGreaterThan(0.9);
  });

  test("are accounted without amplification under replace-one, where no pair is proven", () => {
    expect(
      deltaOf({ kind: "balls-in-bins", bins: 9, event: gaussian(2) }, "replace-one", 1).upper,
    ).toBeCloseTo(deltaOf(gaussian(2), "replace-one", 1).upper, 6);
  });
});
