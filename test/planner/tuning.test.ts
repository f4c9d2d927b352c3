// The price of tuning: what a search costs by dp_accounting's numbers, in the plan and in its file; the secret number's law.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { accountant } from "../../src/accounting/accountants.js";
import { eventFromDpAccounting } from "../../src/formats/dpAccounting.js";
import { dpSgdEvent, type RepetitionDistribution } from "../../src/formats/event.js";
import type { PlanRequest } from "../../src/formats/plan.js";
import { planFromJson, planToText } from "../../src/formats/planReader.js";
import {
  repetitionsOf,
  runsFromText,
  runsText,
  searchOf,
  type TuningRuns,
} from "../../src/formats/tuning.js";
import { plan } from "../../src/planner/solve.js";
import { statement } from "../../src/report/statement.js";
import { drawRepetitions, mostRepetitions, secretSearch } from "../../src/runs/secretSearch.js";

/** σ = 10, 875 steps of 4,096 in 50,000: ε = 0.988 by Rényi accounting. */
const base = { examples: 50_000, batchSize: 4096, steps: 875, noiseMultiplier: 10, delta: 1e-5 };
const { noiseMultiplier, ...open } = base;
const geometric: TuningRuns = { kind: "negative-binomial", eta: 1, mean: 10 };

describe("a plan with a search", () => {
  // dp_accounting 0.6.0, RdpAccountant of RepeatAndSelectDpEvent, default orders; ours may be better by its finer orders.
  test.each<[TuningRuns, number]>([
    [geometric, 2.1024954102417155],
    [{ kind: "negative-binomial", eta: 0, mean: 10 }, 1.742218999764762],
    [{ kind: "negative-binomial", eta: 0.5, mean: 10 }, 1.9325510436028877],
    [{ kind: "poisson", mean: 10 }, 2.2896697],
    [{ kind: "negative-binomial", eta: 1, mean: 50 }, 2.5044245282485367],
    [{ kind: "negative-binomial", eta: 0, mean: 50 }, 1.9894014675010723],
    [{ kind: "poisson", mean: 50 }, 5.941048429207775],
  ])("of %j spends what dp_accounting says, and no more", (tuningRuns, peer) => {
    const { epsilon, accountant } = plan({ ...base, tuningRuns }).achieved;
    expect(accountant).toBe("rdp");
    expect(epsilon).toBeLessThanOrEqual(peer);
    expect(epsilon).toBeGreaterThan(peer * (1 - 1e-3));
  });

  test("of a fixed number of runs spends their composition, exactly", () => {
    const found = plan({ ...base, tuningRuns: { kind: "fixed", count: 10 } }).achieved;
    expect(found).toEqual(plan({ ...base, steps: 8750 }).achieved);
  });

  test("solves for every unknown on the private side, and its file reads back", () => {
    const budget = { epsilon: 2, tuningRuns: geometric } as const;
    const { batchSize, steps, delta } = base;
    const requests: PlanRequest[] = [
      { ...open, ...budget },
      { ...base, ...budget, steps: undefined },
      { ...base, ...budget, batchSize: undefined },
      { ...base, ...budget, delta: undefined },
      { ...open, tuningRuns: geometric, maxAdvantage: 0.3 },
      { ...open, ...budget, finalAfterProxy: { batchSize: 512 } },
      { ...open, ...budget, finalAfterProxy: { batchSize: 512, noiseMultiplier: 3, steps: 100 } },
      { ...open, epsilon: 2, finalAfterProxy: { batchSize: 512 } },
    ] as PlanRequest[];
    for (const request of requests) {
      const found = plan(request);
      if (request.epsilon !== undefined) {
        expect(found.achieved.epsilon).toBeLessThanOrEqual(2);
        expect(found.achieved.epsilon).toBeGreaterThan(2 * (1 - 2e-3));
      }
      const again = accountant(found.achieved.accountant as "rdp").account(found.event);
      expect(again.epsilonAt(found.achieved.delta)).toBe(found.achieved.epsilon);
      expect(planFromJson(planToText(found))).toEqual(found);
    }
    expect([batchSize, steps, delta]).toEqual([4096, 875, 1e-5]);
  });

  test("costs more than one run and, but for very few, less than that many", () => {
    const one = plan({ ...base, accountant: "rdp" }).achieved.epsilon;
    fc.assert(
      fc.property(
        fc.double({ min: -0.9, max: 2, noNaN: true }),
        fc.double({ min: 3, max: 200, noNaN: true }),
        (eta, mean) => {
          const spent = plan({ ...base, tuningRuns: { kind: "negative-binomial", eta, mean } }).achieved
            .epsilon;
          const count = Math.ceil(mean);
          const all = plan({ ...base, accountant: "rdp", tuningRuns: { kind: "fixed", count } }).achieved
            .epsilon;
          expect(spent).toBeGreaterThan(one);
          // (2 + η)ε is what pure privacy would have [PapernotSteinke2022].
          expect(spent).toBeLessThan(Math.max(all, (2 + eta) * one * 1.5));
        },
      ),
      { numRuns: 30 },
    );
  });

  test("before a final run composes the search with it", () => {
    const finalAfterProxy = { batchSize: 512, steps: 400 };
    const found = plan({ ...base, tuningRuns: geometric, finalAfterProxy });
    expect(found.event).toEqual({
      kind: "composed",
      events: [
        {
          kind: "repeat-and-select",
          repetitions: repetitionsOf(geometric as never),
          event: dpSgdEvent({ samplingRate: 512 / 50_000, noiseMultiplier: 10, steps: 400 }),
        },
        dpSgdEvent({ samplingRate: 4096 / 50_000, noiseMultiplier: 10, steps: 875 }),
      ],
    });
    expect(searchOf(found)).toMatchObject({ batchSize: 512, steps: 400, noiseMultiplier: 10, before: true });
    // Without a number of runs it is one.
    expect(plan({ ...base, finalAfterProxy }).event).toMatchObject({
      events: [{ count: 1 }, { count: 875 }],
    });
  });

  test("that alone exceeds the budget is refused in its own words", () => {
    const finalAfterProxy = { batchSize: 512, noiseMultiplier: 0.3 };
    expect(() => plan({ ...open, epsilon: 2, tuningRuns: geometric, finalAfterProxy })).toThrow(
      /^no such plan: the search alone spends epsilon \d+\.?\d*, above 2, .*; give the search more noise or fewer steps$/,
    );
  });

  test("is stated: covered, with its law, and recomputed by its command", () => {
    const text = statement(plan({ ...base, tuningRuns: geometric }));
    expect(text).toContain("**The search for hyper-parameters is covered** (Papernot and Steinke, 2022)");
    expect(text).toContain("with η = 1 and mean 10 and is kept secret");
    expect(text).toContain(`--tuning-runs "negative-binomial(1, 10)"`);
    expect(text).toMatch(/by other runs .* than those of this search;/);
    expect(statement(plan(base))).not.toMatch(/search for hyper/);
  });

  test.each<[object, RegExp]>([
    [
      { tuningRuns: { kind: "negative-binomial", eta: -1, mean: 10 } },
      /^tuningRuns must be of an η in \(-1, 100\], got -1$/,
    ],
    [
      { tuningRuns: { kind: "negative-binomial", eta: 0, mean: 1 } },
      /^tuningRuns must be of a mean in \(1, 10000\], got 1$/,
    ],
    [{ tuningRuns: { kind: "negative-binomial", eta: 0, mean: NaN } }, /got NaN$/],
    [{ tuningRuns: { kind: "poisson", mean: 0 } }, /^tuningRuns must be of a mean in \(0, 10000\], got 0$/],
    [
      { tuningRuns: { kind: "fixed", count: 1.5 } },
      /^tuningRuns must be a whole number in \[1, 10000\], got 1.5$/,
    ],
    [{ tuningRuns: "10" }, /^tuningRuns must be of kind/],
    [
      { finalAfterProxy: { batchSize: 60_000 } },
      /^finalAfterProxy must be of a batch size in \(0, examples 50000\], got 60000$/,
    ],
    [{ tuningRuns: { kind: "fixed", count: 3, mean: 4 } }, /^tuningRuns.mean must be left out/],
    [
      { finalAfterProxy: { batchSize: 1, step: 3 } },
      /^finalAfterProxy.step must be left out: finalAfterProxy has no such field \(did you mean steps\?\), got 3$/,
    ],
    [{ finalAfterProxy: {} }, /^finalAfterProxy must be of a batch size/],
    [{ finalAfterProxy: { batchSize: 1, steps: 0 } }, /^finalAfterProxy must be of a whole number of steps/],
  ])("%j is refused in one line", (change, message) => {
    expect(() => plan({ ...base, ...change } as PlanRequest)).toThrow(message);
  });

  test("by pld is refused with the accountant that can", () => {
    expect(() => plan({ ...base, tuningRuns: geometric, accountant: "pld" })).toThrow(/use rdp$/);
  });
});

test("γ has the mean asked for, or at most 10⁻⁶ more, and dp_accounting's event has the same", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.constant(0), fc.double({ min: -0.99, max: 5, noNaN: true })),
      fc.double({ min: 1.001, max: 1000, noNaN: true }),
      (eta, mean) => {
        const { gamma } = repetitionsOf({ kind: "negative-binomial", eta, mean }) as { gamma: number };
        // E[K] = η(1−γ)/(γ(1−γ^η)); where η is next to nothing, (1/γ − 1)/log(1/γ).
        const expected =
          Math.abs(eta) < 1e-9
            ? (1 / gamma - 1) / Math.log(1 / gamma)
            : ((1 - gamma) / gamma) * (eta / -Math.expm1(eta * Math.log(gamma)));
        expect(expected).toBeGreaterThanOrEqual(mean * (1 - 1e-8));
        expect(expected).toBeLessThan(mean * (1 + 1e-6));
        if (eta < 0) return;
        const event = eventFromDpAccounting({
          class_name: "RepeatAndSelectDpEvent",
          event: { class_name: "GaussianDpEvent", noise_multiplier: 1 },
          mean,
          shape: eta,
        });
        expect(event).toMatchObject({ repetitions: { eta, gamma } });
      },
    ),
  );
});

test.each(["negative-binomial(0, 10)", "negative-binomial(-0.5, 3.5)", "poisson(10)", "12"])(
  "%s reads back",
  (text) => {
    expect(runsText(runsFromText(text))).toBe(text);
  },
);

test.each(["", "negbin(0, 10)", "negative-binomial(10)", "poisson(1, 2)", "poisson", "ten", "3, 4"])(
  "%j is no number of runs",
  (text) => {
    expect(() => runsFromText(text)).toThrow(
      /^tuningRuns must be negative-binomial\(η, mean\), poisson\(mean\) or a whole number, got/,
    );
  },
);

describe("the secret number of runs", () => {
  /** P[K = k] from its definition, by products; k from 0. */
  function probabilities(law: RepetitionDistribution, most: number): number[] {
    const list: number[] = [];
    for (let k = 0; k <= most; k++) {
      let p = 0;
      if (law.kind === "poisson") {
        p = Math.exp(-law.mean);
        for (let j = 1; j <= k; j++) p *= law.mean / j;
      } else if (k > 0) {
        const { eta, gamma } = law;
        p = (1 - gamma) ** k;
        if (eta === 0) p /= k * Math.log(1 / gamma);
        else {
          p /= gamma ** -eta - 1;
          for (let j = 0; j < k; j++) p *= (j + eta) / (j + 1);
        }
      }
      list.push(p);
    }
    return list;
  }

  const LAWS: RepetitionDistribution[] = [
    { kind: "negative-binomial", eta: 1, gamma: 0.2 },
    { kind: "negative-binomial", eta: 0, gamma: 0.1 },
    { kind: "negative-binomial", eta: -0.5, gamma: 0.05 },
    { kind: "negative-binomial", eta: 3, gamma: 0.3 },
    { kind: "poisson", mean: 4 },
  ];

  test.each(LAWS)("%j: 20,000 draws fit its law (χ², false alarm once in 10⁶)", (law) => {
    const draws = 20_000;
    const expected = probabilities(law, 400);
    expect(expected.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
    const counts = new Array<number>(401).fill(0);
    for (let i = 0; i < draws; i++) counts[Math.min(400, drawRepetitions(law))]!++;
    // Bins of at least 20 expected draws, the rest together.
    let [chi, bins, restSeen, restExpected] = [0, 0, 0, 0];
    expected.forEach((p, k) => {
      const mean = p * draws;
      if (mean < 20) {
        restSeen += counts[k]!;
        restExpected += mean;
      } else {
        chi += (counts[k]! - mean) ** 2 / mean;
        bins++;
      }
    });
    if (restExpected > 5) {
      chi += (restSeen - restExpected) ** 2 / restExpected;
      bins++;
    } else expect(restSeen).toBeLessThan(40);
    // Wilson and Hilferty: (χ²/n)^⅓ is nearly normal.
    const n = bins - 1;
    const z = ((chi / n) ** (1 / 3) - (1 - 2 / (9 * n))) / Math.sqrt(2 / (9 * n));
    expect(z).toBeLessThan(4.8);
  });

  test.each(LAWS)("%j: the number that 99 of 100 searches do not exceed", (law) => {
    const most = mostRepetitions(law, 0.99);
    const sum = (end: number) => probabilities(law, end).reduce((a, b) => a + b, 0);
    expect(sum(most)).toBeGreaterThanOrEqual(0.99 * (1 - 1e-12));
    expect(sum(most - 1)).toBeLessThan(0.99);
  });

  test("of a large mean ends, and lies where it must", () => {
    const draws = Array.from({ length: 50 }, () => drawRepetitions({ kind: "poisson", mean: 10_000 }));
    for (const each of draws) expect(Math.abs(each - 10_000)).toBeLessThan(800);
    expect(drawRepetitions({ kind: "poisson", mean: 0 })).toBe(0);
  });

  test("a search calls its run that often and gives the best, of equal ones the first", async () => {
    let [sum, calls] = [0, 0];
    for (let i = 0; i < 400; i++) {
      const scores: number[] = [];
      const best = await secretSearch({ kind: "negative-binomial", eta: 1, gamma: 0.25 }, () => {
        scores.push(Math.floor(Math.random() * 3));
        return { outcome: scores.length - 1, score: scores.at(-1)! };
      });
      expect(best).toBe(scores.indexOf(Math.max(...scores)));
      sum += scores.length;
      calls++;
    }
    // Mean 4, deviation √12 a draw: six deviations of the mean.
    expect(Math.abs(sum / calls - 4)).toBeLessThan(6 * Math.sqrt(12 / 400));
    expect(
      await secretSearch({ kind: "poisson", mean: 0 }, () => ({ outcome: 1, score: 1 })),
    ).toBeUndefined();
  });
});
