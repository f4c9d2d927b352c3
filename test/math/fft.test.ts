// The Fourier transform against its definition, within the bound it promises.
import fc from "fast-check";
import { expect, test } from "vitest";
import { fftError, realFft } from "../../src/math/fft.js";

test("every frequency is the sum of its definition, within the proven bound", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(4, 8, 64, 256),
      fc.infiniteStream(fc.double({ min: -1, max: 1, noNaN: true })),
      (n, values) => {
        const x = Float64Array.from({ length: n }, () => values.next().value as number);
        const { re, im } = realFft(x);
        let wrong = 0;
        let norm = 0;
        for (let k = 0; k <= n / 2; k++) {
          let [a, b] = [0, 0];
          x.forEach((value, j) => {
            // The angle's multiple is reduced exactly, so that the reference is better than what it checks.
            const angle = (2 * Math.PI * ((j * k) % n)) / n;
            a += value * Math.cos(angle);
            b += value * Math.sin(angle);
          });
          wrong += (a - re[k]!) ** 2 + (b - im[k]!) ** 2;
          norm += a * a + b * b;
        }
        // The reference itself is off by up to n roundings.
        expect(Math.sqrt(wrong)).toBeLessThanOrEqual(
          (fftError(n) + n * 2 ** -52) * Math.sqrt(2 * norm) + 1e-300,
        );
      },
    ),
    { numRuns: 40, seed: 2022 },
  );
});

test("a long transform of a shifted point keeps every digit", () => {
  const n = 2 ** 16;
  const x = new Float64Array(n);
  x[1] = 1;
  const { re, im } = realFft(x);
  let worst = 0;
  for (let k = 0; k <= n / 2; k++)
    worst = Math.max(
      worst,
      Math.hypot(re[k]! - Math.cos((2 * Math.PI * k) / n), im[k]! - Math.sin((2 * Math.PI * k) / n)),
    );
  expect(worst).toBeLessThan(1e-15);
});
