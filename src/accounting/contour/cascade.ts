// Straight and bent contours together: what is asked first, and what where that is wide.
import type { Interval } from "../accountant.js";
import type { DirectionProfile, LogBounds } from "./directionProfile.js";
import { hyperbolicSolverOf, type IntervalNarrower } from "./hyperbolic/hyperbolicSolver.js";
import type { DirectedComposition } from "./vertical/directedComposition.js";
import { VerticalProfile } from "./vertical/verticalProfile.js";

/** Relative width of ε, and of log δ, from which on the contour is bent. */
const WIDE = 2e-10;
const WIDE_LOG = 5e-10;
/** Below this noise a bent contour to add costs more than any straight one, and straight ones rarely fail. */
const STRAIGHT_TO_ADD = 3;
/** What a straight line may cost before it is bent. */
const CHEAP_WORK = 1e6;

/** One direction of a composition: straight lines, and bent ones where those are wide. */
export function contourCascade(
  composition: DirectedComposition,
  tolerance: number,
  work: number,
): DirectionProfile {
  const dear = new VerticalProfile(composition, tolerance, work);
  const bent = hyperbolicSolverOf(composition);
  if (!bent) return dear;
  const straight =
    composition.direction < 0 && composition.mixtures.some((each) => each.sigma < STRAIGHT_TO_ADD);
  const cheap = straight ? dear : new VerticalProfile(composition, tolerance, Math.min(work, CHEAP_WORK));
  return new ContourCascade(cheap, bent, dear);
}

/** A straight line where one is cheap enough; a bent one; and a dear straight one where that fails. */
class ContourCascade implements DirectionProfile {
  constructor(
    private readonly cheap: VerticalProfile,
    private readonly bent: IntervalNarrower,
    private readonly dear: VerticalProfile,
  ) {}

  logDeltaAt(epsilon: number): LogBounds {
    const first = this.cheap.logDeltaAt(epsilon);
    if (first.upper - first.lower <= WIDE_LOG) return first;
    const bent = meet(first, this.bent.logDeltaAt(epsilon, first));
    if (bent.upper - bent.lower <= 2 * WIDE_LOG || this.cheap === this.dear) return bent;
    return meet(bent, this.dear.logDeltaAt(epsilon));
  }

  epsilonAt(logDelta: number, logRest: number, enough = 0): Interval {
    const first = this.cheap.epsilonAt(logDelta, logRest);
    if (first.upper - first.lower <= WIDE * first.upper || first.upper <= enough) return first;
    const bent = meet(first, this.bent.epsilonAt(logDelta, first));
    if (bent.upper - bent.lower <= 5 * WIDE * bent.upper || bent.upper <= enough || this.cheap === this.dear)
      return bent;
    return meet(bent, this.dear.epsilonAt(logDelta, logRest));
  }

  chernoff(epsilon: number): number {
    return this.cheap.chernoff(epsilon);
  }
}

/** What two proven intervals say together. */
function meet(one: Interval, other: Interval | null): Interval {
  if (!other) return one;
  const upper = Math.min(one.upper, other.upper);
  return { lower: Math.min(upper, Math.max(one.lower, other.lower)), upper };
}
