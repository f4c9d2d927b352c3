// One step of the add direction, by the rays of the remove direction (docs/math-hyperbolic-contour.md, theorem 8).
import type { NodeBudget } from "../contourSum.js";
import type { MgfValue, UprightStep } from "../vertical/truncatedContour.js";
import { newRaySum, type RotatedMgf } from "./rotatedMgf.js";

/** The loss of adding is that of removing with its sign changed, under the other distribution: E e^{tℓ} is M(−1 − t). */
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

  moment(a: number, b: number, into: MgfValue): void {
    const { sum } = this;
    this.step.at(-1 - a, b, 1, sum);
    into.re = sum.bulkRe + sum.tailRe;
    // M(−1 − a + ib) is the conjugate.
    into.im = -(sum.bulkIm + sum.tailIm);
    into.error = sum.bulkError + sum.tailError;
  }

  farSize(a: number, b: number): number {
    return this.step.farSize(-1 - a, b);
  }
}
