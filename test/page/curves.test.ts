// What the page's workers compute, without a browser: the map against the planner, the curves against the accountant.
import fc from "fast-check";
import { expect, test } from "vitest";
import { accountant } from "../../src/accounting/accountants.js";
import { attackRisk, truePositiveRateAt } from "../../src/accounting/tradeoff.js";
import { proxyPoints, tradeOff, trainingCurves } from "../../src/page/curves.js";
import { riskOf } from "../../src/page/risk.js";
import { LEAST_EPOCHS, noiseSurface, surfaceAxes } from "../../src/page/surface.js";
import { plan } from "../../src/planner/solve.js";

function finished<Step, Result>(work: Generator<Step, Result>): Result {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

const demo = plan({ examples: 60_000, batchSize: 2048, steps: 300, epsilon: 3, delta: 1e-5 });
const curve = accountant("pld", { effort: "quick" }).account(demo.event);

test.each([
  [60_000, 3, 1e-5],
  [60_000, 20, 1e-5],
  [1_281_167, 8, 8e-7],
])(
  "the map of N = %i, ε = %d: the planner's noise to 2 in 1000, in 0.6 questions a point",
  (examples, epsilon, delta) => {
    const { batchSizes, steps } = surfaceAxes({ examples, batchSize: examples / 30, steps: 300 }, 40);
    const request = {
      examples,
      epsilon,
      delta,
      accountant: "pld",
      neighboring: "add-or-remove-one",
    } as const;
    const { noise, asked } = finished(noiseSurface(request, batchSizes, steps));
    const due = steps.flatMap((count) => batchSizes.map((batch) => batch * count >= LEAST_EPOCHS * examples));
    expect(noise).toHaveLength(batchSizes.length * steps.length);
    expect(Array.from(noise, Number.isFinite)).toEqual(due);
    expect(asked).toBeLessThan(0.6 * due.filter(Boolean).length);
    for (let i = 17; i < noise.length; i += 97) {
      if (!due[i]) continue;
      const at = {
        batchSize: batchSizes[i % batchSizes.length]!,
        steps: steps[Math.floor(i / batchSizes.length)]!,
      };
      const exact = plan({ ...request, ...at }).noiseMultiplier;
      expect(Math.abs(noise[i]! / exact - 1), JSON.stringify(at)).toBeLessThan(2e-3);
    }
  },
);

test("the map's axes hold the plan's place, wherever that is", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1e8 }),
      fc.double({ min: 1e-6, max: 1, noNaN: true }),
      fc.integer({ min: 1, max: 1e9 }),
      (examples, share, steps) => {
        const batchSize = Math.max(Math.min(1, examples), share * examples);
        const axes = surfaceAxes({ examples, batchSize, steps }, 10);
        for (const axis of [axes.batchSizes, axes.steps]) {
          expect([...axis].sort((a, b) => a - b)).toEqual(axis);
          expect(axis[0]).toBeGreaterThanOrEqual(1);
        }
        expect(axes.batchSizes[0]).toBeLessThanOrEqual(Math.ceil(batchSize));
        expect(axes.batchSizes.at(-1)).toBeGreaterThanOrEqual(Math.floor(batchSize));
        expect(axes.steps[0]).toBeLessThanOrEqual(steps);
        expect(axes.steps.at(-1)).toBeGreaterThanOrEqual(steps);
      },
    ),
  );
});

test("ε as training goes on: from 0 to the plan's own ε, never falling, Rényi above exact", () => {
  const { pld, rdp } = finished(trainingCurves(demo, 24));
  expect(pld!.at(-1)).toEqual([300, demo.achieved.epsilon]);
  for (const line of [pld!, rdp!]) {
    expect(line[0]).toEqual([0, 0]);
    for (let i = 1; i < line.length; i++) expect(line[i]![1]).toBeGreaterThanOrEqual(line[i - 1]![1]!);
  }
  pld!.forEach(([steps, epsilon], i) => {
    expect(rdp![i]![0]).toBe(steps);
    expect(rdp![i]![1]).toBeGreaterThanOrEqual(epsilon!);
  });
});

test("the trade-off curve is never below the accountant's own bound, and within 2 % of it", () => {
  const rates = finished(tradeOff(curve, { points: 13, profile: 80 }));
  expect(rates[0]![0]).toBeCloseTo(1e-6, 12);
  expect(rates.at(-1)).toEqual([1, 1]);
  for (const [rate, hit] of rates) {
    const exact = truePositiveRateAt(curve, rate);
    expect(hit).toBeGreaterThanOrEqual(exact * (1 - 1e-9));
    expect(hit).toBeLessThanOrEqual(exact * 1.02);
  }
});

test("the risk figures are those of the accountant, to the last digit", () => {
  const { advantage, rates } = attackRisk(curve);
  expect(finished(riskOf(curve))).toEqual({ advantage, rates });
});

test("the proxy has the plan's noise per averaged gradient at a k-th of its cost, and spends more and more", () => {
  const points = finished(proxyPoints(demo, 10));
  expect(points.map(({ factor }) => factor)).toEqual([1, 2, 4, 8, 10, 16, 32, 64, 128, 256, 512, 1024]);
  for (const { factor, averageNoise, cost } of points) {
    expect(averageNoise).toBeCloseTo(demo.noiseMultiplier / demo.batchSize, 12);
    expect(cost * factor).toBeCloseTo(1, 12);
  }
  const epsilons = points.map(({ epsilon }) => epsilon ?? Infinity);
  expect([...epsilons].sort((a, b) => a - b)).toEqual(epsilons);
  expect(epsilons[0]).toBeGreaterThanOrEqual(demo.achieved.epsilon);
});

test("ε as training goes on has what the plan pays for: from the search's part on, by the accountants that take it", () => {
  const base = { examples: 60_000, batchSize: 256, steps: 20, noiseMultiplier: 1, delta: 1e-5 };
  const searched = plan({
    ...base,
    tuningRuns: { kind: "fixed", count: 3 },
    finalAfterProxy: { batchSize: 512 },
  });
  const { pld } = finished(trainingCurves(searched, 8));
  const alone = plan({ ...base, batchSize: 512, tuningRuns: { kind: "fixed", count: 3 } }).achieved.epsilon;
  expect(pld![0]![0]).toBeGreaterThan(0);
  expect(pld![0]![1]).toBeGreaterThan(alone);
  expect(pld!.at(-1)).toEqual([20, searched.achieved.epsilon]);
  const secret = finished(trainingCurves(plan({ ...base, tuningRuns: { kind: "poisson", mean: 5 } }), 8));
  expect(Object.keys(secret)).toEqual(["rdp"]);
  expect(secret.rdp![0]).toEqual([0, 0]);
});

test("the map of a plan that pays for a search needs that plan's noise at its place", () => {
  const searched = plan({
    examples: 60_000,
    batchSize: 2048,
    steps: 300,
    epsilon: 3,
    delta: 1e-5,
    tuningRuns: { kind: "fixed", count: 5 },
  });
  const { examples, achieved, request, batchSize, steps } = searched;
  const { noise } = finished(
    noiseSurface(
      { ...request, examples, epsilon: achieved.epsilon, delta: achieved.delta },
      [batchSize],
      [steps],
    ),
  );
  expect(Math.abs(noise[0]! / searched.noiseMultiplier - 1)).toBeLessThan(2e-3);
});
