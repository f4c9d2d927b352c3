// One-run bounds: exact tails, another implementation's number, and mechanisms whose ε is known, simulated hundreds of times.
import { expect, test } from "vitest";
import type { PrivacyCurve } from "../../src/accounting/accountant.js";
import { accountant } from "../../src/accounting/accountants.js";
import { empiricalAudit } from "../../src/audit/empirical.js";
import {
  anyMechanismBound,
  binomialTails,
  leastFalsePositiveRate,
  pureGuessProbability,
  refutesCurve,
  smallestSignificance,
  tallyGuesses,
} from "../../src/audit/oneRun.js";
import type { GuessTally } from "../../src/formats/report.js";
import { SeededRandom } from "../../src/trainer/random/seeded.js";
import { normalCdf } from "../support/statistics.js";

const DELTA = 1e-5;
const gaussian = (mu: number): PrivacyCurve =>
  accountant("pld").account({ kind: "gaussian", noiseMultiplier: 1 / mu });
/** Of randomised response: δ(ε') = max(0, p − e^ε' (1 − p)), p = e^ε/(e^ε + 1). */
const response = (epsilon: number): PrivacyCurve => {
  const p = 1 / (1 + Math.exp(-epsilon));
  const deltaAt = (at: number) => Math.max(0, p - Math.exp(at) * (1 - p));
  return { ...gaussian(1), deltaAt, epsilonAt: () => epsilon };
};

test("binomial tails are those of exact whole-number arithmetic", () => {
  const [n, up, down] = [300, 3n, 4n];
  const tails = binomialTails(n, 3 / 7);
  let [choose, sum] = [1n, 0n];
  const total = (up + down) ** BigInt(n);
  for (let j = n; j >= 0; j--) {
    // C(n, j) p^j (1 − p)^(n − j) as a whole number over 7^n.
    sum += choose * up ** BigInt(j) * down ** BigInt(n - j);
    choose = (choose * BigInt(j)) / BigInt(n - j + 1);
    const exact = Number((sum * 10n ** 40n) / total) / 1e40;
    if (exact > 1e-20) expect(tails[j]! / exact).toBeCloseTo(1, 10);
  }
});

test("a hundred right guesses of a hundred: q^100 = 1/20 in closed form", () => {
  const q = 0.05 ** (1 / 100);
  const bound = anyMechanismBound({ canaries: 100, guesses: 100, correct: 100 }, 0, 0.05);
  expect(bound).toBeLessThanOrEqual(Math.log(q / (1 - q)));
  expect(bound).toBeGreaterThan(Math.log(q / (1 - q)) - 2e-6);
});

test("jax_privacy's epsilon_one_run: 1675 of 1987 guesses right, 4000 canaries, δ = 1e-5", () => {
  const bound = anyMechanismBound({ canaries: 4000, guesses: 1987, correct: 1675 }, 1e-5, 0.05);
  expect(bound).toBeLessThanOrEqual(1.577201930852614);
  expect(bound).toBeGreaterThan(1.577201930852614 - 2e-6);
});

test("the least false-positive rate of a Gaussian is Φ(Φ⁻¹(y) − μ), from below and close", () => {
  for (const mu of [0.3, 1, 3]) {
    const least = leastFalsePositiveRate(gaussian(mu));
    for (let t = -4; t <= 4; t += 0.25) {
      const [x, y] = [normalCdf(t), normalCdf(t + mu)];
      expect(least(y)).toBeLessThanOrEqual(x * (1 + 1e-9) + 1e-12);
      expect(least(y)).toBeGreaterThan(x * 0.9 - 1e-6);
    }
    expect(least(0)).toBe(0);
  }
});

test("randomised response reaches its tails exactly, so no significance below them is refuted", () => {
  for (const epsilon of [0.2, 1, 3])
    for (const canaries of [1, 2, 10, 61]) {
      const tails = binomialTails(canaries, 1 / (1 + Math.exp(-epsilon)));
      const least = leastFalsePositiveRate(response(epsilon));
      for (let correct = 0; correct <= canaries; correct++) {
        const tally = { canaries, guesses: canaries, correct };
        expect(pureGuessProbability(tally, epsilon, 0)).toBeGreaterThanOrEqual(tails[correct]!);
        expect(refutesCurve(tally, least, tails[correct]! * 0.999)).toBe(false);
      }
    }
});

test("more right guesses, more noise in the claim and more significance refute more", () => {
  const at = (correct: number): GuessTally => ({ canaries: 1000, guesses: 250, correct });
  const pValue = (correct: number, mu: number) => {
    const least = leastFalsePositiveRate(gaussian(mu));
    return smallestSignificance((significance) => refutesCurve(at(correct), least, significance));
  };
  for (let correct = 140; correct < 250; correct += 10) {
    expect(pValue(correct + 10, 0.5)).toBeLessThanOrEqual(pValue(correct, 0.5));
    expect(pValue(correct, 0.5)).toBeGreaterThanOrEqual(pValue(correct, 0.4));
  }
  expect(pValue(125, 0.5)).toBe(1);
  expect(pValue(250, 0.5)).toBeLessThan(1e-6);
});

/** Scores of a mechanism that adds standard normal noise to μ·(coin), canary by canary: μ-GDP. */
function simulated(mu: number, canaries: number, random: SeededRandom) {
  const uniform = () => (random.below(2 ** 30) + 0.5) / 2 ** 30;
  const included = Array.from({ length: canaries }, () => random.below(2) === 1);
  const scores = included.map(
    (isIn) => (isIn ? mu : 0) + Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
  return { scores, included };
}

test("simulated Gaussians: a true claim is refuted no oftener than the significance allows, a false one is", () => {
  const random = new SeededRandom(20);
  const runs = 400;
  const share = (mu: number, claimed: number, refutes: (tally: GuessTally) => boolean): number => {
    let refuted = 0;
    for (let run = 0; run < runs; run++) {
      const { scores, included } = simulated(mu, 1000, random);
      if (refutes(tallyGuesses(scores, included, 250))) refuted++;
    }
    expect(claimed).toBeGreaterThan(0);
    return refuted / runs;
  };
  // Five standard deviations above 5 % in 400 runs.
  const allowed = 0.05 + 5 * Math.sqrt((0.05 * 0.95) / runs);
  for (const mu of [0.5, 1, 2]) {
    const least = leastFalsePositiveRate(gaussian(mu));
    expect(share(mu, mu, (tally) => refutesCurve(tally, least, 0.05))).toBeLessThanOrEqual(allowed);
    const epsilon = gaussian(mu).epsilonAt(DELTA);
    expect(share(mu, mu, (tally) => pureGuessProbability(tally, epsilon, DELTA) <= 0.05)).toBeLessThanOrEqual(
      allowed,
    );
  }
  // A third of the claimed noise is found out every time.
  const claimed = leastFalsePositiveRate(gaussian(0.5));
  expect(share(1.5, 0.5, (tally) => refutesCurve(tally, claimed, 0.05))).toBeGreaterThan(0.99);
});

test("the trade-off curve gets more out of one run than (ε, δ) does, and neither more than there is", () => {
  const random = new SeededRandom(21);
  for (const [mu, least] of [
    [1, 0.4],
    [2, 0.35],
  ] as const) {
    const event = { kind: "gaussian", noiseMultiplier: 1 / mu } as const;
    const found = Array.from({ length: 5 }, () =>
      empiricalAudit({ ...simulated(mu, 2000, random), event, delta: DELTA }, { confidence: 0.95 }),
    ).map(({ epsilonLowerBound, epsilonLowerBoundAny, epsilon }) => [
      epsilonLowerBound / epsilon!,
      epsilonLowerBoundAny / epsilon!,
    ]);
    const mean = (which: 0 | 1) => found.reduce((sum, each) => sum + each[which]!, 0) / found.length;
    expect(mean(0)).toBeGreaterThan(least);
    expect(mean(0)).toBeGreaterThan(1.3 * mean(1));
    for (const [curve] of found) expect(curve).toBeLessThan(1);
  }
});

test("noise that is not there is a bound above the claim, and an honest run is none", () => {
  const random = new SeededRandom(22);
  const event = { kind: "gaussian", noiseMultiplier: 2 } as const;
  const honest = empiricalAudit({ ...simulated(0.5, 1024, random), event, delta: DELTA });
  expect(honest).toMatchObject({ refuted: false, canaries: 1024, steps: 1 });
  expect(honest.pValue).toBeGreaterThan(0.01);
  expect(honest.epsilonLowerBound).toBeLessThan(honest.epsilon!);
  const bare = empiricalAudit({ ...simulated(50, 1024, random), event, delta: DELTA });
  expect(bare.refuted).toBe(true);
  expect(bare.pValue).toBeLessThan(1e-6);
  expect(bare.epsilonLowerBound).toBeGreaterThan(6);
  expect(bare.epsilonLowerBoundAny).toBeGreaterThan(bare.epsilon!);
});

test("guesses are the highest scores in and the lowest out; what is no tally is refused", () => {
  const included = [true, false, true, false];
  expect(tallyGuesses([4, 1, 3, 2], included, 4)).toEqual({ canaries: 4, guesses: 4, correct: 4 });
  expect(tallyGuesses([1, 4, 2, 3], included, 2)).toEqual({ canaries: 4, guesses: 2, correct: 0 });
  expect(() => tallyGuesses([1], [true], 1)).toThrow("guesses must be even and in [0, 1], got 1");
  expect(() => tallyGuesses([1, 2], [true], 2)).toThrow("included must be as long as scores");
  const tally = { canaries: 10, guesses: 11, correct: 3 };
  expect(() => anyMechanismBound(tally, 0, 0.05)).toThrow(
    "guesses must be a whole number in [0, 10], got 11",
  );
  expect(() =>
    empiricalAudit({
      scores: [1, 2],
      included: [true, false],
      event: { kind: "laplace", noiseMultiplier: 1 },
      delta: 1e-5,
    }),
  ).toThrow("event must be DP-SGD with Gaussian noise, got laplace");
});
