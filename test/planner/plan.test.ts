// plan(request): every unknown, on the private side of the request, against reference values and the accountant itself.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Accountant } from "../../src/accounting/accountant.js";
import { accountant } from "../../src/accounting/accountants.js";
import { contourAccountant } from "../../src/accounting/contour/index.js";
import { advantage, truePositiveRateAt } from "../../src/accounting/tradeoff.js";
import { dpSgdEvent } from "../../src/formats/event.js";
import { NoSolutionError, type Plan, type PlanRequest } from "../../src/formats/plan.js";
import { planFromJson, planToText } from "../../src/formats/planReader.js";
import { plan } from "../../src/planner/solve.js";
import { goldenCases } from "../support/golden.mjs";

const mnist = { examples: 60_000, batchSize: 2048, steps: 300, epsilon: 3, delta: 1e-5 };
const cifar = { examples: 50_000, batchSize: 4096, steps: 2500, delta: 1e-5 };

/** What the accountant says of a plan's own numbers, asked by somebody else. */
function recomputed({ achieved, batchSize, examples, noiseMultiplier, steps }: Plan): number {
  return accountant("pld", { neighboring: achieved.neighboring })
    .account(dpSgdEvent({ samplingRate: batchSize / examples, noiseMultiplier, steps }))
    .epsilonAt(achieved.delta);
}

describe("the noise multiplier", () => {
  const cases = (goldenCases() ?? []).filter((each) => each.kind === "sigma_from_epsilon");
  test.skipIf(cases.length === 0)(
    "equals the reference's within 1e-8, never below by more than its error",
    () => {
      for (const { inputs, expected } of cases) {
        const run = inputs as { epsilon: number; delta: number; sampling_probability: number; steps: number };
        // N = 1 with a fractional batch is the sampling rate itself.
        const found = plan({
          examples: 1,
          batchSize: run.sampling_probability,
          steps: run.steps,
          epsilon: run.epsilon,
          delta: run.delta,
        });
        const reference = (expected as { sigma_reference_exact: number }).sigma_reference_exact;
        expect(Math.abs(found.noiseMultiplier / reference - 1)).toBeLessThan(1e-8);
      }
    },
  );

  test("costs about ten questions to the accountant, none below half the answer", () => {
    for (const epsilon of [0.1, 1, 3, 8, 50]) {
      const asked: number[] = [];
      const accountant = contourAccountant();
      const counting: Accountant = {
        ...accountant,
        account(event) {
          const inner = event as unknown as { event: { event: { noiseMultiplier: number } } };
          asked.push(inner.event.event.noiseMultiplier);
          return accountant.account(event);
        },
      };
      const found = plan({ ...cifar, epsilon }, { accountant: counting });
      expect(asked.length).toBeLessThanOrEqual(12);
      expect(Math.min(...asked)).toBeGreaterThan(found.noiseMultiplier / 2);
    }
  });
});

describe("a plan never spends more than asked", () => {
  const request = fc.record({
    examples: fc.integer({ min: 1000, max: 2_000_000 }),
    rate: fc.double({ min: 0.005, max: 1, noNaN: true }),
    steps: fc.integer({ min: 100, max: 20_000 }),
    epsilon: fc.double({ min: 0.1, max: 20, noNaN: true }),
    deltaExponent: fc.double({ min: 5, max: 9, noNaN: true }),
  });
  const asked = (each: {
    examples: number;
    rate: number;
    steps: number;
    epsilon: number;
    deltaExponent: number;
  }) => ({
    examples: each.examples,
    batchSize: each.rate * each.examples,
    steps: each.steps,
    epsilon: each.epsilon,
    delta: 10 ** -each.deltaExponent,
  });

  test("solved for the noise multiplier, ε lies within 1e-9 below the request", () => {
    fc.assert(
      fc.property(request, (each) => {
        const found = plan(asked(each));
        expect(found.achieved.epsilon).toBeLessThanOrEqual(each.epsilon);
        expect(found.achieved.epsilon).toBeGreaterThanOrEqual(each.epsilon * (1 - 1e-9));
        expect(found.achieved.epsilonLowerBound).toBeLessThanOrEqual(found.achieved.epsilon);
        expect(recomputed(found)).toBe(found.achieved.epsilon);
      }),
      { numRuns: 40 },
    );
  });

  test("solved for steps, batch size or δ from a plan's own noise, what comes back is no worse and still within", () => {
    fc.assert(
      fc.property(request, (each) => {
        const first = asked(each);
        const { noiseMultiplier } = plan(first);
        const { steps, ...noSteps } = first;
        const bySteps = plan({ ...noSteps, noiseMultiplier });
        expect(bySteps.steps).toBe(steps);
        const { batchSize, ...noBatch } = first;
        const byBatch = plan({ ...noBatch, noiseMultiplier });
        expect(byBatch.batchSize / batchSize).toBeLessThanOrEqual(1 + 1e-8);
        expect(byBatch.achieved.epsilon).toBeLessThanOrEqual(each.epsilon);
        expect(byBatch.achieved.epsilon).toBeGreaterThanOrEqual(each.epsilon * (1 - 1e-3));
        const { delta, ...noDelta } = first;
        const byDelta = plan({ ...noDelta, noiseMultiplier });
        expect(byDelta.achieved.delta / delta).toBeCloseTo(1, 6);
        expect(byDelta.achieved.epsilon).toBeLessThanOrEqual(each.epsilon);
        for (const found of [bySteps, byBatch, byDelta])
          expect(recomputed(found)).toBe(found.achieved.epsilon);
      }),
      { numRuns: 15 },
    );
  });

  test("more ε, more δ or fewer steps need no more noise", () => {
    fc.assert(
      fc.property(request, fc.double({ min: 1.01, max: 3, noNaN: true }), (each, factor) => {
        const base = asked(each);
        const sigma = plan(base).noiseMultiplier;
        const slack = 1 + 1e-9;
        expect(plan({ ...base, epsilon: base.epsilon * factor }).noiseMultiplier).toBeLessThan(sigma * slack);
        expect(plan({ ...base, delta: base.delta * factor }).noiseMultiplier).toBeLessThan(sigma * slack);
        expect(plan({ ...base, steps: Math.ceil(base.steps * factor) }).noiseMultiplier).toBeGreaterThan(
          sigma / slack,
        );
      }),
      { numRuns: 15 },
    );
  });
});

describe("steps", () => {
  test("are the last whole number that fits", () => {
    const found = plan({ examples: 50_000, batchSize: 4096, noiseMultiplier: 3, epsilon: 8, delta: 1e-5 });
    const more = plan({
      examples: 50_000,
      batchSize: 4096,
      noiseMultiplier: 3,
      steps: found.steps + 1,
      delta: 1e-5,
    });
    expect(found.achieved.epsilon).toBeLessThanOrEqual(8);
    expect(more.achieved.epsilon).toBeGreaterThan(8);
  });

  test("from epochs are rounded down: 15 epochs of 256 in 60,000 are 3,515 steps", () => {
    expect(plan({ examples: 60_000, batchSize: 256, epochs: 15, epsilon: 3, delta: 1e-5 }).steps).toBe(3515);
    expect(plan({ examples: 60_000, batchSize: 600, epochs: 3, epsilon: 3, delta: 1e-5 }).steps).toBe(300);
  });
});

describe("batch size", () => {
  test("is a whole number where that is tight enough, and has decimals where not", () => {
    const large = plan({ examples: 50_000, steps: 2500, noiseMultiplier: 3, epsilon: 8, delta: 1e-5 });
    expect(Number.isInteger(large.batchSize)).toBe(true);
    const small = plan({ examples: 50_000, steps: 250_000, noiseMultiplier: 1, epsilon: 8, delta: 1e-5 });
    expect(Number.isInteger(small.batchSize)).toBe(false);
    expect(small.achieved.epsilon).toBeGreaterThan(8 * (1 - 1e-3));
  });

  test("goes with epochs: a larger batch then means fewer steps", () => {
    const found = plan({ examples: 50_000, epochs: 10, noiseMultiplier: 1, epsilon: 2, delta: 1e-5 });
    expect(found.steps).toBe(Math.floor((10 * 50_000) / found.batchSize));
    expect(found.achieved.epsilon).toBeLessThanOrEqual(2);
    expect(found.achieved.epsilon).toBeGreaterThan(2 * (1 - 1e-3));
  });

  test("of the whole data set, with a warning, where even that spends less", () => {
    const found = plan({ examples: 50_000, steps: 10, noiseMultiplier: 30, epsilon: 8, delta: 1e-5 });
    expect(found.batchSize).toBe(50_000);
    expect(found.warnings.join()).toMatch(/full batch of 50000/);
  });
});

describe("a request that cannot be met", () => {
  test("says why and names the nearest that can", () => {
    const request = { examples: 50_000, batchSize: 4096, noiseMultiplier: 1, epsilon: 0.001, delta: 1e-5 };
    let error: NoSolutionError | undefined;
    try {
      plan(request);
    } catch (caught) {
      error = caught as NoSolutionError;
    }
    expect(error).toBeInstanceOf(NoSolutionError);
    expect(error!.message).toMatch(
      /^no such plan: one step at noise multiplier 1 already spends epsilon 1\.483/,
    );
    const enough = error!.nearest.noiseMultiplier!;
    expect(
      plan({ ...request, steps: 1, epsilon: 0.001, noiseMultiplier: undefined } as unknown as PlanRequest)
        .noiseMultiplier,
    ).toBe(enough);
  });

  test("an accountant that proves nothing leaves no noise multiplier, and no endless search", () => {
    const accountant = contourAccountant();
    const hopeless: Accountant = {
      ...accountant,
      account: (event) => ({
        ...accountant.account(event),
        accountant: "hopeless",
        neighboring: "add-or-remove-one",
        epsilonIntervalAt: () => ({ lower: 0, upper: Infinity }),
      }),
    };
    expect(() => plan(mnist, { accountant: hopeless })).toThrow(NoSolutionError);
  });
});

describe("a bad request", () => {
  test.each<[Partial<Record<keyof PlanRequest, unknown>>, RegExp]>([
    [{ examples: 0 }, /^examples must be a whole number >= 1, got 0$/],
    [{ examples: NaN }, /^examples must be .* got NaN$/],
    [{ examples: 60_000.5 }, /^examples must be a whole number/],
    [{ batchSize: 70_000 }, /^batchSize must be in \(0, examples 60000\], got 70000$/],
    [{ batchSize: 0 }, /^batchSize must/],
    [{ batchSize: "2048" }, /^batchSize must .* got "2048"$/],
    [{ steps: 1.5 }, /^steps must be a whole number in \[1, 1e9\], got 1.5$/],
    [{ steps: undefined, epochs: 0 }, /^epochs must be > 0/],
    [{ steps: undefined, epochs: 1e9 }, /^epochs must be at most 1e9 steps/],
    [{ epochs: 3 }, /^epochs must be left out beside steps, which say the same thing, got 3$/],
    [{ epsilon: 0 }, /^epsilon must be > 0 and finite, got 0$/],
    [{ epsilon: Infinity }, /^epsilon must/],
    [{ delta: 1 }, /^delta must be in \(0, 1\), got 1$/],
    [{ delta: -1e-5 }, /^delta must/],
    [{ noiseMultiplier: 1 }, /must be left out/],
    [
      { epsilon: undefined },
      /^noiseMultiplier, epsilon must be given but for one, which is solved for, got none of them$/,
    ],
    [{ accountant: "gdp" }, /^accountant must be pld or rdp, got "gdp"$/],
    [{ neighboring: "substitution" }, /^neighboring must be one of/],
    [
      { batchsize: 3 },
      /^batchsize must be left out: plan has no such option \(did you mean batchSize\?\), got 3$/,
    ],
    [
      { epsilon: undefined, maxTruePositiveRate: { rate: 0.1, falsePositiveRate: 0.01, fpr: 1 } },
      /^maxTruePositiveRate.fpr must be left out/,
    ],
    [{ batch: 3 }, /^batch must be left out: plan has no such option, got 3$/],
  ])("%o: one line", (change, message) => {
    const asking = () => plan({ ...mnist, ...change } as PlanRequest);
    expect(asking).toThrow(message);
    expect(asking).not.toThrow(/\n/);
  });
});

test("δ of 1/N or more is planned for, with a warning", () => {
  expect(plan({ ...mnist, delta: 1 / 60_000 }).warnings.join()).toMatch(
    /^delta 1.667e-5 is not below 1\/examples/,
  );
  expect(plan(mnist).warnings).toEqual([]);
});

test("replacing one record needs more noise than adding or removing one", () => {
  const asked = { ...mnist, accountant: "rdp" } as const;
  const replaced = plan({ ...asked, neighboring: "replace-one" });
  expect(replaced.noiseMultiplier).toBeGreaterThan(1.5 * plan(asked).noiseMultiplier);
  expect(replaced.achieved.neighboring).toBe("replace-one");
});

describe("an attacker's gain in place of ε", () => {
  const { epsilon, ...open } = mnist;
  const curveOf = (found: Plan) => accountant("pld").account(found.event);

  test("limits the advantage: no more, and nearly as much, as the plan's own curve says", () => {
    fc.assert(
      fc.property(fc.double({ min: 0.02, max: 0.9, noNaN: true }), (maxAdvantage) => {
        const found = plan({ ...open, maxAdvantage });
        const { upper } = advantage(curveOf(found));
        expect(upper).toBeLessThanOrEqual(maxAdvantage);
        expect(upper).toBeGreaterThan(maxAdvantage * (1 - 1e-6));
        expect(found.achieved.epsilon).toBe(curveOf(found).epsilonAt(1e-5));
      }),
      { numRuns: 8 },
    );
  });

  test("limits the true-positive rate at a false-positive rate, for noise, steps and batch size", () => {
    const maxTruePositiveRate = { rate: 0.05, falsePositiveRate: 0.01 };
    const found = plan({ ...open, maxTruePositiveRate });
    const rate = truePositiveRateAt(curveOf(found), 0.01);
    expect(rate).toBeLessThanOrEqual(0.05);
    expect(rate).toBeGreaterThan(0.05 * (1 - 1e-6));
    const { noiseMultiplier } = found;
    const { steps, ...noSteps } = open;
    expect(plan({ ...noSteps, noiseMultiplier, maxTruePositiveRate }).steps).toBe(steps);
    const { batchSize, ...noBatch } = open;
    const byBatch = plan({ ...noBatch, noiseMultiplier, maxTruePositiveRate });
    expect(byBatch.batchSize / batchSize).toBeGreaterThan(0.99);
    expect(byBatch.batchSize).toBeLessThanOrEqual(batchSize * (1 + 1e-8));
    expect(planFromJson(planToText(found))).toEqual(found);
  });

  test("that no plan meets is refused in its own words", () => {
    expect(() =>
      plan({ ...open, steps: undefined, noiseMultiplier: 0.3, maxAdvantage: 0.001 } as never),
    ).toThrow(
      /^no such plan: one step at noise multiplier 0.3 already spends advantage 0\.0\d+, above 0.001; one step needs/,
    );
  });

  test.each([
    [{ maxAdvantage: 0 }, /^maxAdvantage must be in \(0, 1\), got 0$/],
    [
      { maxAdvantage: 0.1, epsilon: 1 },
      /^epsilon and maxAdvantage must be given one at a time: each is the budget, got both$/,
    ],
    [
      { maxTruePositiveRate: { rate: 0.01, falsePositiveRate: 0.05 } },
      /^maxTruePositiveRate must be a rate above/,
    ],
    [{ maxTruePositiveRate: 0.5 }, /^maxTruePositiveRate must be/],
    [{ maxAdvantage: 0.1, delta: undefined, noiseMultiplier: 1 }, /^delta must be given/],
    [{ maxAdvantage: 0.1, noiseMultiplier: 1 }, /must be left out/],
  ])("%j: one line", (change, message) => {
    expect(() => plan({ ...open, ...change } as PlanRequest)).toThrow(message);
  });
});

test("with slack a plan is found in fewer questions, and stays within the budget by no more than that", () => {
  const ask = (slack: number | undefined) => {
    let questions = 0;
    const exact = accountant("rdp");
    const counting: Accountant = {
      ...exact,
      account(event) {
        questions++;
        return exact.account(event);
      },
    };
    const found = plan(
      { ...mnist, accountant: "rdp" },
      { accountant: counting, ...(slack !== undefined && { slack }) },
    );
    return { questions, epsilon: found.achieved.epsilon };
  };
  const [close, loose] = [ask(undefined), ask(1e-4)];
  expect(loose.questions).toBeLessThan(close.questions);
  expect(loose.epsilon).toBeLessThanOrEqual(3);
  expect(loose.epsilon).toBeGreaterThanOrEqual(3 * (1 - 1e-4));
  for (const slack of [1e-3, -1, Number.NaN])
    expect(() => plan(mnist, { slack })).toThrow(`slack must be in [0, 1e-3), got ${slack}`);
});

test("a plan whose search is stopped is proven, warns, and starts where it is told to, whatever is solved for", () => {
  const exact = plan(mnist);
  const open = {
    noiseMultiplier: { ...mnist },
    steps: { ...mnist, noiseMultiplier: exact.noiseMultiplier, steps: undefined },
    batchSize: { ...mnist, noiseMultiplier: exact.noiseMultiplier, batchSize: undefined },
  };
  for (const [unknown, request] of Object.entries(open) as [keyof typeof open, PlanRequest][]) {
    // Half as much would be spent there, or less: it fits, and is the answer where no second question may be asked.
    const start = exact[unknown] * (unknown === "noiseMultiplier" ? 2 : 0.5);
    const { achieved, warnings, ...made } = plan(request, { start, stop: () => true });
    expect(made[unknown]).toBe(unknown === "steps" ? Math.round(start) : start);
    expect(achieved.epsilon).toBeLessThan(mnist.epsilon!);
    expect(warnings).toEqual([
      expect.stringMatching(/^the search was stopped early: it spends epsilon .* of 3$/),
    ]);
    const patient = plan(request, { start, stop: () => false });
    expect(Math.abs(patient[unknown] / exact[unknown] - 1), unknown).toBeLessThan(1e-3);
  }
});

test("a delta below what doubles hold is the least of them, in no more questions than it takes to see that", () => {
  const run = { examples: 50_000, batchSize: 80, steps: 875, noiseMultiplier: 10, epsilon: 1 };
  const { achieved, event } = plan(run);
  expect(achieved.delta).toBe(2 ** -1022);
  expect(achieved.epsilon).toBeLessThanOrEqual(1);
  expect(achieved.epsilon).toBeGreaterThanOrEqual(
    accountant("pld", { effort: "contour" })
      .account(event)
      .epsilonIntervalAt(2 ** -1022).lower,
  );
});
