// δ(ε) of the Gaussian mechanism in closed form [BalleWang2018, Theorem 8], as certified logarithms of δ and of 1 − δ.
//
//   Z      standard normal, φ its density, Φ(x) = P(Z < x)        R(x)   Mills' ratio P(Z > x)/φ(x), falling
//   μ      shift ÷ noise (`mu`)                                   a, b   ε/μ ∓ μ/2
//
// Why: the loss of N(μ, 1) against N(0, 1) at x is μx − μ²/2, above ε for x > b; P and Q of that half-line are Φ(−a) and
// Φ(−b), and b² − a² = 2ε makes φ(a) = e^ε φ(b). Written by R, both of δ and 1 − δ have a factor φ(a) that carries their
// size, so that δ = 1e-300 keeps its digits (docs/math-closed-forms.md, theorem 1).
import { logNormalPdf, millsRatio, millsSlope } from "../../math/normal.js";
import { ULP } from "../../math/rounding.js";
import type { Interval } from "../accountant.js";
import type { Profile } from "./profile.js";

/** Gauss–Legendre, 8 points on [−1, 1]: nodes x > 0 and weights. */
const NODES = [0.1834346424956498, 0.525532409916329, 0.7966664774136267, 0.9602898564975363];
const WEIGHTS = [0.362683783378362, 0.31370664587788727, 0.22238103445337448, 0.10122853629037626];
/** Below this μ the difference of Mills' ratios is integrated from its derivative instead of subtracted. */
const SMALL = 0.5;

/**
 * N(μ, 1) against N(0, 1), μ in (0, ∞). With a = ε/μ − μ/2, b = a + μ and Mills' ratio R, since φ(a) = e^ε φ(b),
 *
 *   δ = Φ(−a) − e^ε Φ(−b) = φ(a)·(R(a) − R(b)),    1 − δ = φ(a)·(R(−a) + R(b)).
 *
 * muUnits: the relative error of μ, in units of 2⁻⁵².
 * R(a) − R(b) = ∫ₐᵇ (−R′) for small μ: 8-point Gauss–Legendre on a length ≤ ½ errs below 1e−18 of it.
 *
 * Rounding: `error` for log δ, and `cancelled` = R(a)/(R(a) − R(b)) for what a difference of two ratios loses; where μ
 * < SMALL the difference is integrated from −R′ instead, which loses nothing. Edges: ε = ∞ has δ = 0; there is no pure
 * ε and no mass at infinity.
 */
export function gaussianProfile(mu: number, muUnits = 4): Profile {
  const place = (epsilon: number): { a: number; b: number; error: number } => {
    const a = epsilon / mu - mu / 2;
    // What rounding (of a, of μ itself, of a²/2) does to log φ(a) and to the ratios, whose logarithmic slope is ≤ |a| + 2.
    const error = (Math.abs(a) + 2) * (2 + muUnits) * ULP * (epsilon / mu + mu / 2) + 2 * ULP * a * a;
    // b is a sum of positive terms.
    return { a, b: epsilon / mu + mu / 2, error };
  };
  return {
    floor: { lower: 0, upper: 0 },
    pure: Infinity,
    logDelta(epsilon): Interval {
      if (epsilon === Infinity) return { lower: -Infinity, upper: -Infinity };
      const { a, b, error } = place(epsilon);
      // Far to the left 1 − δ is tiny and says δ best.
      if (a < -5) {
        const { lower, upper } = this.logRest(epsilon);
        return { lower: Math.log1p(-Math.min(1, Math.exp(upper))), upper: Math.log1p(-Math.exp(lower)) };
      }
      let difference: number;
      let cancelled = 1;
      if (mu < SMALL) {
        // ∫_a^b over middle ± μ/2, by pairs of nodes.
        const middle = epsilon / mu;
        difference = 0;
        for (let i = 0; i < 4; i++) {
          const x = NODES[i]! * (mu / 2);
          difference += WEIGHTS[i]! * (millsSlope(middle - x) + millsSlope(middle + x));
        }
        difference *= mu / 2;
      } else {
        // R(a) − R(b) > 0: R falls.
        const ratio = millsRatio(a);
        difference = ratio - millsRatio(b);
        cancelled = ratio / difference;
      }
      const log = logNormalPdf(a) + Math.log(difference);
      return around(log, error + (32 + 16 * cancelled + Math.abs(log)) * ULP);
    },
    logRest(epsilon): Interval {
      if (epsilon === Infinity) return { lower: 0, upper: 0 };
      const { a, b, error } = place(epsilon);
      // Φ(a) + e^ε Φ(−b): for a > 0 the first ratio overflows where 1 − δ is 1 to all digits anyway.
      if (a > 30) return { lower: -ULP, upper: 0 };
      // 1 − δ: both terms are positive.
      const log = logNormalPdf(a) + Math.log(millsRatio(-a) + millsRatio(b));
      return around(Math.min(0, log), error + (48 + Math.abs(log)) * ULP);
    },
  };
}

/**
 * log ± error, capped at log 1.
 */
function around(log: number, error: number): Interval {
  return { lower: log - error, upper: Math.min(0, log + error) };
}
