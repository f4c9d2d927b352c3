// Trees, banded matrices, fixed and shuffled batches: against sums over every place where a record can take part, and against
// the plainer events that they are proven to be.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { accountant } from "../../src/accounting/accountants.js";
import { closedFormAccountant } from "../../src/accounting/closedForm/index.js";
import { rdpAccountant } from "../../src/accounting/rdp/index.js";
import { atomsOf, treeSensitivity } from "../../src/accounting/reduction.js";
import type { TreeAggregationEvent } from "../../src/formats/event.js";
import { dpSgdEvent, type PrivacyEvent } from "../../src/formats/event.js";
import type { Neighboring } from "../../src/formats/guarantee.js";
import { accountantsUnder } from "./accountants.js";

const tree = (steps: number, participations = 1, separation = 1): TreeAggregationEvent => ({
  kind: "tree-aggregation",
  noiseMultiplier: 3,
  steps,
  participations,
  separation,
});

/** The largest Σ (contributions in a stretch)² over all placements, by trying each. */
function worstPlacement({ steps, participations, separation }: TreeAggregationEvent): number {
  let worst = 0;
  const place = (places: number[], next: number): void => {
    let sum = 0;
    for (let size = 1; size <= steps; size *= 2)
      for (let node = 0; (node + 1) * size <= steps; node++)
        sum += places.filter((at) => Math.floor(at / size) === node).length ** 2;
    worst = Math.max(worst, sum);
    if (places.length < participations)
      for (let at = next; at < steps; at++) place([...places, at], at + separation);
  };
  place([], 0);
  return worst;
}

/** ε of both events by every accountant that takes them, with who it was. */
function same(a: PrivacyEvent, b: PrivacyEvent, neighboring: Neighboring, of?: "upper"): number {
  let asked = 0;
  for (const accountant of accountantsUnder(neighboring)) {
    let [x, y]: { lower: number; upper: number }[] = [];
    try {
      x = accountant.account(a).epsilonIntervalAt(1e-6);
      y = accountant.account(b).epsilonIntervalAt(1e-6);
    } catch {
      continue;
    }
    asked++;
    // Bounds alone are refined on lattices of their own.
    expect(x!.upper, accountant.name).toBeCloseTo(y!.upper, of ? 5 : 9);
    if (!of) expect(x!.lower, accountant.name).toBeCloseTo(y!.lower, 9);
  }
  return asked;
}

describe("tree aggregation", () => {
  test("has the sensitivity of the worst placement of its participations, or more, and never less than it shows", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 13 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 5 }),
        (steps, participations, separation) => {
          const event = tree(steps, participations, separation);
          const worst = worstPlacement(event);
          const { bound, shown } = treeSensitivity(event);
          expect(bound).toBeGreaterThanOrEqual(worst);
          expect(shown).toBeLessThanOrEqual(worst);
          if (Math.min(participations, Math.ceil(steps / separation)) <= 1) expect(shown).toBe(worst);
        },
      ),
      { numRuns: 300, seed: 2021 },
    );
  });

  test("of one participation is a Gaussian over its levels, restarts are as many, and 1e9 steps are 30 levels", () => {
    const gaussian = (noiseMultiplier: number): PrivacyEvent => ({ kind: "gaussian", noiseMultiplier });
    for (const relation of ["zero-out-one", "replace-one"] as const) {
      expect(same(tree(1000), gaussian(3 / Math.sqrt(10)), relation)).toBe(4);
      expect(same(tree(1e9), gaussian(3 / Math.sqrt(30)), relation)).toBe(4);
      expect(
        same({ kind: "repeated", count: 3, event: tree(1000) }, gaussian(3 / Math.sqrt(30)), relation),
      ).toBe(4);
      expect(same(tree(0), { kind: "none" }, relation)).toBe(4);
    }
  });

  test("whose sensitivity is only bounded is refused where an interval is promised exact, and bounded elsewhere", () => {
    const loose = tree(12, 3, 3);
    const { bound, shown } = treeSensitivity(loose);
    expect(bound).toBeGreaterThan(shown);
    const found = accountantsUnder("zero-out-one").map((accountant) => {
      try {
        return [accountant.name, accountant.account(loose).epsilonIntervalAt(1e-6)] as const;
      } catch (error) {
        return [accountant.name, (error as Error).message] as const;
      }
    });
    const answer = Object.fromEntries(found);
    expect(answer.contour).toBe(
      "the contour accountant cannot account for tree-aggregation: it is not a mixture of Gaussians; use pld or rdp",
    );
    const { lower, upper } = answer["pld-discrete"] as { lower: number; upper: number };
    expect(lower).toBeGreaterThan(0);
    expect(lower).toBeLessThan(upper);
    expect((answer.rdp as { upper: number }).upper).toBeGreaterThan(upper);
  });
});

describe("banded matrices", () => {
  test("are Poisson sampling once in as many steps as there are bands; one band is DP-SGD", () => {
    const event = {
      kind: "banded-matrix",
      noiseMultiplier: 2,
      bands: 4,
      steps: 90,
      samplingRate: 0.2,
    } as const;
    for (const relation of ["add-or-remove-one", "zero-out-one", "replace-one"] as const) {
      const run = (steps: number) => dpSgdEvent({ samplingRate: 0.2, noiseMultiplier: 2, steps });
      expect(same(event, run(23), relation)).toBeGreaterThanOrEqual(2);
      expect(same({ ...event, bands: 1 }, run(90), relation)).toBeGreaterThanOrEqual(2);
    }
  });
});

describe("an epoch over fixed batches", () => {
  const epoch = (kind: "deterministic-batches" | "shuffled-batches"): PrivacyEvent => ({
    kind: "repeated",
    count: 5,
    event: { kind, event: { kind: "gaussian", noiseMultiplier: 4 } },
  });
  const plain: PrivacyEvent = { kind: "repeated", count: 5, event: { kind: "gaussian", noiseMultiplier: 4 } };

  test("costs one use an epoch, shuffled or not, under zero-out-one and replace-one", () => {
    for (const relation of ["zero-out-one", "replace-one"] as const) {
      expect(same(epoch("deterministic-batches"), plain, relation)).toBe(4);
      expect(same(epoch("shuffled-batches"), plain, relation, "upper")).toBe(2);
    }
  });

  test("is refused under add-or-remove-one, with the relations under which it is proven", () => {
    for (const kind of ["deterministic-batches", "shuffled-batches"] as const)
      for (const accountant of accountantsUnder("add-or-remove-one"))
        expect(() => accountant.account(epoch(kind))).toThrow(
          `cannot account for ${kind}: removing one moves the others; use zero-out-one or replace-one`,
        );
  });

  test("shuffled shows no lower end above 0: what the order's being secret gains is not known", () => {
    for (const accountant of accountantsUnder("zero-out-one"))
      try {
        expect(accountant.account(epoch("shuffled-batches")).epsilonIntervalAt(1e-6).lower).toBe(0);
      } catch (error) {
        expect((error as Error).message).toContain("cannot account for");
      }
  });
});

describe("what is known by zCDP only", () => {
  const relations = ["add-or-remove-one", "zero-out-one", "replace-one"] as const;
  const zcdp = (rho: number, xi = 0): PrivacyEvent => ({ kind: "zcdp", rho, xi });

  test.each(relations)("costs at least its Gaussian and its two-point response, under %s", (neighboring) => {
    const rdp = accountant("rdp", { neighboring });
    for (const [rho, delta] of [
      [0.001, 1e-5],
      [0.1, 1e-5],
      [2, 1e-9],
      [1e-4, 0.3],
    ] as const) {
      const { lower, upper } = rdp.account(zcdp(rho)).epsilonIntervalAt(delta);
      // The relation's scale is none of the oracle's: zCDP says what moves, whichever records do.
      const truth = closedFormAccountant()
        .account({ kind: "gaussian", noiseMultiplier: 1 / Math.sqrt(2 * rho) })
        .epsilonIntervalAt(delta);
      expect(lower).toBeLessThanOrEqual(truth.upper);
      expect(lower).toBeGreaterThanOrEqual(truth.lower * (1 - 1e-9));
      expect(upper).toBeGreaterThanOrEqual(truth.lower);
      const at = rdp.account(zcdp(rho)).deltaIntervalAt(upper);
      expect(at.lower).toBeGreaterThan(0);
      expect(at.lower).toBeLessThanOrEqual(at.upper);
    }
    // Pure: δ(x) = (1 − e^{x − ξ})/(1 + e^{−ξ}) at x = ε.
    const { lower, upper } = rdp.account(zcdp(0, 0.7)).epsilonIntervalAt(0.01);
    const truth = 0.7 + Math.log1p(-0.01 * (1 + Math.exp(-0.7)));
    expect(lower).toBeLessThanOrEqual(truth * (1 + 1e-14));
    expect(lower).toBeGreaterThan(truth * (1 - 1e-9));
    expect(upper).toBeGreaterThanOrEqual(truth);
  });

  test("what is shown diverges by no more than it says, at any order, under any relation", () => {
    fc.assert(
      fc.property(
        fc.double({ min: -8, max: 3, noNaN: true }).map((x) => 10 ** x),
        fc.oneof(fc.constant(0), fc.double({ min: 1e-3, max: 5, noNaN: true })),
        fc.double({ min: 1.001, max: 200, noNaN: true }),
        fc.constantFrom(...relations),
        (rho, xi, order, neighboring) => {
          const parts = atomsOf(zcdp(rho, xi), { neighboring, accountant: "rdp" }, "shown");
          expect(parts.map(({ event }) => event.kind)).toEqual(
            xi > 0 ? ["gaussian", "epsilon-delta"] : ["gaussian"],
          );
          const shown: PrivacyEvent = { kind: "composed", events: parts.map(({ event }) => event) };
          const divergence = rdpAccountant({ neighboring }).account(shown).rdpAt(order);
          // The accountant's own bound is rounded up.
          expect(divergence).toBeLessThanOrEqual((xi + rho * order) * (1 + 1e-14));
        },
      ),
    );
  });

  test("in a composition the rest is as it was", () => {
    const training = dpSgdEvent({ samplingRate: 0.01, noiseMultiplier: 1.1, steps: 1000 });
    const beside = (part: PrivacyEvent): PrivacyEvent => ({
      kind: "composed",
      events: [training, { kind: "repeated", count: 5, event: part }],
    });
    const { lower, upper } = accountant("rdp")
      .account(beside(zcdp(0.02)))
      .epsilonIntervalAt(1e-5);
    const gaussian = accountant("pld").account(beside({ kind: "gaussian", noiseMultiplier: 5 }));
    expect(lower).toBeCloseTo(gaussian.epsilonIntervalAt(1e-5).lower, 8);
    expect(upper).toBeGreaterThan(gaussian.epsilonAt(1e-5));
    expect(accountant("rdp").account(training).epsilonIntervalAt(1e-5).lower).toBe(0);
  });

  test("where no layer takes what is shown the lower end is 0", () => {
    const { lower, upper } = accountant("rdp")
      .account({
        kind: "composed",
        events: [
          zcdp(0.02),
          {
            kind: "repeat-and-select",
            repetitions: { kind: "poisson", mean: 2 },
            event: { kind: "gaussian", noiseMultiplier: 5 },
          },
        ],
      })
      .epsilonIntervalAt(1e-5);
    expect(lower).toBe(0);
    expect(upper).toBeLessThan(Infinity);
  });
});
