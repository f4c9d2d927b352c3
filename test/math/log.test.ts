// Arithmetic on logarithms, against ordinary arithmetic where that is possible and decimal.js where it is not.
import { Decimal } from "decimal.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { log1mexp, logAddExp, logSubExp, logSumExp } from "../../src/math/log.js";

const D = Decimal.clone({ precision: 50 });
const logs = fc.double({ min: -800, max: 800, noNaN: true });

describe("arithmetic on logarithms", () => {
  it("logAddExp and logSumExp agree with 50 digits", () => {
    fc.assert(
      fc.property(logs, logs, (a, b) => {
        const truth = new D(a).exp().plus(new D(b).exp()).ln().toNumber();
        for (const got of [logAddExp(a, b), logSumExp([a, b])])
          expect(Math.abs(got - truth)).toBeLessThanOrEqual(1e-15 * (1 + Math.max(Math.abs(a), Math.abs(b))));
      }),
      { numRuns: 50 },
    );
  });

  it("log1mexp keeps its relative accuracy at both ends", () => {
    for (const x of [-1e-300, -1e-17, -1e-9, -0.1, -0.69, -0.7, -3, -40, -700]) {
      const truth = new D(1).minus(new D(x).exp()).ln();
      // Below −100 the 50 digits no longer hold 1 − eˣ: there log(1 − eˣ) = −eˣ.
      const expected = x < -100 ? -Math.exp(x) : x > -1e-40 ? Math.log(-x) : truth.toNumber();
      expect(Math.abs(log1mexp(x) / expected - 1)).toBeLessThan(1e-15);
    }
  });

  it("logSubExp undoes logAddExp", () => {
    expect(logSubExp(Math.log(5), Math.log(3))).toBeCloseTo(Math.log(2), 14);
    expect(logSubExp(2, 2)).toBe(-Infinity);
    expect(logSubExp(2, -Infinity)).toBe(2);
    expect(() => logSubExp(1, 2)).toThrow(RangeError);
    expect(logAddExp(-Infinity, -Infinity)).toBe(-Infinity);
    expect(logSumExp([])).toBe(-Infinity);
    expect(() => log1mexp(1)).toThrow("x must be <= 0");
  });
});
