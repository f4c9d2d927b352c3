// One step of the add direction, by the rays of the remove direction (docs/math-hyperbolic-contour.md, theorem 8).
//
// Adding, the loss is −ℓ under Q, and E_Q[e^{−tℓ}] = E_Q[r^{−t}] = E_P[r^{−1−t}] = M(−1 − t), ℓ = log r: the moments of
// removing at a point mirrored at Re t = −1/2. At t = a + ib that is −1 − a − ib, below the real line, where M is the
// conjugate of its value at −1 − a + ib.
//
// Here rays need not be divided at a cut for the sake of digits: no loss of adding exceeds −log(1 − q), so that no
// single loss is large. On a ray of angle η > 0, |e^{(−1−a+iv)ℓ}| falls with v for every node: that is what bounds the
// line's far end (`farSize`).
import type { NodeBudget } from "../contourSum.js";
import type { MgfValue, UprightStep } from "../vertical/truncatedContour.js";
import { newRaySum, type RotatedMgf } from "./rotatedMgf.js";

/**
 * The step of the add direction at t = a + ib, as the upright contour asks for it: E e^{tℓ} − 1 with its error, and
 * bounds far out.
 */
export class AddedStep implements UprightStep {
  readonly count: number;
  readonly budget: NodeBudget;
  private readonly sum = newRaySum();

  constructor(private readonly step: RotatedMgf) {
    this.count = step.count;
    this.budget = step.budget;
  }

  restart(): void {
    this.step.restart();
  }

  /**
   * M − 1 is the sum of bulk and tail: nothing is divided here.
   *
   * Bulk and tail have the weight 1 each, their errors add up, and the imaginary part changes its sign, by the
   * conjugate.
   */
  moment(a: number, b: number, into: MgfValue): void {
    const { sum } = this;
    this.step.at(-1 - a, b, 1, sum);
    into.re = sum.bulkRe + sum.tailRe;
    into.im = -(sum.bulkIm + sum.tailIm);
    into.error = sum.bulkError + sum.tailError;
  }

  /**
   * A bound of |E e^{tℓ}| for every t = a + iv, v ≥ b: the conjugate has the same modulus.
   */
  farSize(a: number, b: number): number {
    return this.step.farSize(-1 - a, b);
  }
}
