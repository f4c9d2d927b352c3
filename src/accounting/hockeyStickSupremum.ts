// The largest that the hockey-stick loss is beside an exponential: what turns a moment into a bound on δ
// (docs/math-contour.md, theorem 2).

/**
 * log β(c) of theorem 2: β(c) = sup_y e^{−cy}(1 − e^{−y})₊, log β(c) = c log c − (1 + c)log(1 + c) for c > 0; and for
 * −1 < c < 0 that of e^{−cy}min(1, e^{−y}), which is 0. So δ(ε) ≤ M(c)e^{−cε}β(c), the Chernoff bound.
 */
export function logSupremum(c: number): number {
  return c > 0 ? -Math.log1p(c) - c * Math.log1p(1 / c) : 0;
}
