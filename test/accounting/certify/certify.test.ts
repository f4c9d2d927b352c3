// The certified bound: above the exact ε, next to the RDP accountant's at the same order, and rounded up whatever the digits.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { accountant } from "../../../src/accounting/accountants.js";
import { certify } from "../../../src/accounting/certify.js";
import { rdpAccountant } from "../../../src/accounting/rdp/index.js";
import { dpSgdEvent } from "../../../src/formats/event.js";

const cifar = dpSgdEvent({ samplingRate: 4096 / 50_000, noiseMultiplier: 3, steps: 2500 });

describe("certify", () => {
  test("the paper's CIFAR-10 run: the RDP accountant's best whole order, from above", async () => {
    const certificate = await certify(cifar, { delta: 1e-5 });
    const curve = rdpAccountant().account(cifar);
    const { order, epsilon } = certificate;
    const converted = curve.rdpAt(order) + Math.log1p(-1 / order) - Math.log(1e-5 * order) / (order - 1);
    expect(epsilon).toBeGreaterThanOrEqual(converted * (1 - 1e-12));
    expect(epsilon).toBeLessThanOrEqual(converted * (1 + 1e-10));
    expect(epsilon).toBeGreaterThanOrEqual(curve.epsilonAt(1e-5) * (1 - 1e-12));
  });

  test("is never below the exact epsilon", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.double({ min: 0.6, max: 20, noNaN: true }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        fc.integer({ min: 1, max: 5000 }),
        async (noiseMultiplier, samplingRate, steps) => {
          const event = dpSgdEvent({ noiseMultiplier, samplingRate, steps });
          const certificate = await certify(event, { delta: 1e-5, digits: 30 });
          const { lower } = accountant("pld").account(event).epsilonIntervalAt(1e-5);
          expect(certificate.epsilon).toBeGreaterThanOrEqual(lower);
        },
      ),
      { numRuns: 12 },
    );
  });

  test("fewer digits give a larger bound, never a smaller one", async () => {
    const [rough, fine] = [
      await certify(cifar, { delta: 1e-5, digits: 20 }),
      await certify(cifar, { delta: 1e-5, digits: 60 }),
    ];
    expect(rough.epsilon).toBeGreaterThanOrEqual(fine.epsilon);
    expect(rough.epsilon).toBeLessThanOrEqual(fine.epsilon * (1 + 1e-9));
  });

  test("without noise there is no bound; other mechanisms are refused by name", async () => {
    const bare = dpSgdEvent({ samplingRate: 0.1, noiseMultiplier: 0, steps: 1 });
    expect((await certify(bare, { delta: 1e-5 })).epsilon).toBe(Infinity);
    await expect(certify({ kind: "laplace", noiseMultiplier: 1 }, { delta: 1e-5 })).rejects.toThrow(
      /laplace.*Gaussian noise only; use rdp/,
    );
    await expect(certify(cifar, { delta: 0 })).rejects.toThrow("delta must be in (0, 1), got 0");
  });
});
