// What k records are promised: dp_accounting's mixtures of Gaussians, the closed form of a full batch, and never more.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { accountant } from "../../src/accounting/accountants.js";
import { groupEvent } from "../../src/accounting/groupEvent.js";
import { groupGuarantee } from "../../src/planner/group.js";
import { plan } from "../../src/planner/solve.js";
import { dpsgdHere } from "../support/commandLine.js";

const cifar = { examples: 50_000, batchSize: 4096, steps: 2468, noiseMultiplier: 3, delta: 1e-5 };

describe("a group's guarantee", () => {
  // dp_accounting 0.6.0, PLDAccountant of MixtureOfGaussiansDpEvent with scipy's binomial, mesh 1e-4 (from above).
  test.each([
    [2, 15.348886901743544],
    [4, 39.0766074288004],
  ])("of %i records is dp_accounting's, and no more", (size, peer) => {
    const { epsilon, epsilonLowerBound, accountant } = groupGuarantee(plan(cifar), size);
    expect(accountant).toBe("pld");
    expect(epsilon).toBeLessThanOrEqual(peer);
    expect(epsilon).toBeGreaterThan(peer * (1 - 1e-5));
    expect(epsilonLowerBound).toBeGreaterThan(epsilon * (1 - 1e-6));
  });

  test("of one record is the plan's own", () => {
    const made = plan(cifar);
    expect(groupEvent(made.event, 1)).toEqual(made.event);
    expect(groupGuarantee(made, 1).epsilon).toBe(made.achieved.epsilon);
  });

  test("of a full batch is that of k times the sensitivity", () => {
    const full = { examples: 1000, batchSize: 1000, steps: 50, delta: 1e-5 };
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 20 }), (size) => {
        const group = groupGuarantee(plan({ ...full, noiseMultiplier: 60 }), size);
        const one = plan({ ...full, noiseMultiplier: 60 / size }).achieved;
        expect(group.epsilon / one.epsilon).toBeCloseTo(1, 9);
      }),
      { numRuns: 10 },
    );
  });

  test("grows with the group, and falls short of what the textbook's rule (kε at δ·(e^kε − 1)/(e^ε − 1)) would say", () => {
    for (const noiseMultiplier of [1.5, 5, 15]) {
      const made = plan({ ...cifar, steps: 300, noiseMultiplier });
      let last = made.achieved.epsilon;
      for (const size of [2, 3, 5, 10]) {
        const { epsilon } = groupGuarantee(made, size);
        expect(epsilon).toBeGreaterThan(last);
        last = epsilon;
        // kε for the ε at which δ(ε)·Σ e^iε is the plan's δ.
        const curve = accountant("pld").account(made.event);
        let each = made.achieved.epsilon;
        for (let i = 0; i < 40; i++) {
          const target = (1e-5 * Math.expm1(each)) / Math.expm1(size * each);
          each = Math.max(each, curve.epsilonAt(Math.max(target, 1e-300)));
        }
        expect(epsilon).toBeLessThan(size * each);
      }
    }
  });

  test("covers a search, every relation, and only DP-SGD", () => {
    const tuningRuns = { kind: "poisson", mean: 5 } as const;
    const searched = plan({ ...cifar, noiseMultiplier: 10, steps: 200, tuningRuns });
    expect(groupGuarantee(searched, 3).epsilon).toBeGreaterThan(searched.achieved.epsilon);
    for (const neighboring of ["replace-one", "zero-out-one"] as const) {
      const made = plan({ ...cifar, neighboring, accountant: "rdp" });
      const two = groupGuarantee(made, 2);
      expect(two.neighboring).toBe(neighboring);
      expect(two.epsilon).toBeGreaterThan(made.achieved.epsilon);
    }
    for (const size of [0, 1.5, NaN, 1001])
      expect(() => groupEvent({ kind: "none" }, size)).toThrow(
        /^group must be a whole number in \[1, 1000\], got/,
      );
  });

  test("has a law of sums that is one, whatever the rate", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.double({ min: 1e-12, max: 1, noNaN: true }), fc.constantFrom(1 - 2 ** -53, 1e-300)),
        fc.integer({ min: 2, max: 300 }),
        (samplingRate, size) => {
          const event = groupEvent(
            { kind: "poisson-sampled", samplingRate, event: { kind: "gaussian", noiseMultiplier: 1 } },
            size,
          );
          const { probabilities } = event as unknown as { probabilities: number[] };
          const sum = probabilities.reduce((a, b) => a + b, 0);
          const mean = probabilities.reduce((all, p, k) => all + p * k, 0);
          expect(sum).toBeCloseTo(1, 12);
          expect(mean).toBeGreaterThanOrEqual(size * samplingRate * (1 - 1e-15));
          expect(mean).toBeLessThan(size * samplingRate * (1 + 1e-8));
        },
      ),
    );
  });
});

test("dpsgd plan --group --risk --prior says it for a record and for the group", async () => {
  const args = [
    "plan",
    "--examples",
    "50000",
    "--batch-size",
    "4096",
    "--steps",
    "300",
    "--noise-multiplier",
    "5",
    "--delta",
    "1e-5",
  ];
  const { stdout } = await dpsgdHere(...args, "--group", "3", "--risk", "--prior", "0.01", "--json");
  const { risk, group } = JSON.parse(stdout);
  expect(group.size).toBe(3);
  for (const { prior, rates, accuracies } of [risk, group.risk]) {
    expect(prior).toBe(0.01);
    expect(accuracies[0].prior).toBe(0.01);
    for (const { falsePositiveRate, truePositiveRate, posterior } of rates) {
      const bayes = (0.01 * truePositiveRate) / (0.01 * truePositiveRate + 0.99 * falsePositiveRate);
      expect(posterior / bayes).toBeCloseTo(1, 10);
      expect(posterior).toBeGreaterThanOrEqual(bayes);
    }
  }
  expect(group.risk.advantage).toBeGreaterThan(risk.advantage);
  const page = (await dpsgdHere(...args, "--group", "3", "--risk", "--prior", "0.01")).stdout;
  expect(page).toContain("a group of 3 records, added or removed together");
  expect(page).toContain("from 1 % sure to");
  const alone = await dpsgdHere(...args, "--prior", "0.01");
  expect(alone.stderr).toBe("dpsgd plan: --prior is of use with --risk only\n");
});
