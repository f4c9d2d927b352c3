// Straight and bent contours together, for one direction of a composition. Both prove what they say, so that answers
// meet; which is asked when decides about time only:
//
//   1  a vertical line of at most CHEAP_WORK;
//   2  where that is wide, hyperbolas (or lines on truncated steps): hyperbolic/;
//   3  where those are wide too, a vertical line of all the work that is allowed.
//
// Widths: of ε relative to ε, of log δ in itself. A straight line's width is what its decay of |φ|^T leaves
// (docs/math-contour.md, "Where it is loose"). Upper and lower ends of both hold, so the answer is their intersection.
import type { Interval } from "../accountant.js";
import type { DirectionProfile, LogBounds } from "./directionProfile.js";
import { hyperbolicSolverOf, type IntervalNarrower } from "./hyperbolic/hyperbolicSolver.js";
import type { DirectedComposition } from "./vertical/directedComposition.js";
import { VerticalProfile } from "./vertical/verticalProfile.js";

/** Relative width of ε, and width of log δ, from which on the contour is bent. */
const WIDE_EPSILON = 2e-10;
const WIDE_LOG_DELTA = 5e-10;
/** Below this noise a bent contour to add costs more than any straight one, and straight ones rarely fail. */
const STRAIGHT_TO_ADD = 3;
/** What a straight line may cost before it is bent. */
const CHEAP_WORK = 1e6;

/**
 * One direction of a composition: straight lines, and bent ones where those are wide.
 *
 * Where no bent contour is for these steps (a mixture of other shifts, or noise and rates without a method), straight
 * ones alone are left. tolerance: the relative error of δ that a line aims at; work: most point × node products of a
 * line.
 */
export function contourCascade(
  composition: DirectedComposition,
  tolerance: number,
  work: number,
): DirectionProfile {
  const thorough = new VerticalProfile(composition, tolerance, work);
  const bent = hyperbolicSolverOf(composition);
  if (!bent) return thorough;
  const straightOnly =
    composition.direction < 0 && composition.mixtures.some(({ sigma }) => sigma < STRAIGHT_TO_ADD);
  const quick = straightOnly
    ? thorough
    : new VerticalProfile(composition, tolerance, Math.min(work, CHEAP_WORK));
  return new ContourCascade(quick, bent, thorough);
}

/**
 * The three stages for one direction. quick and thorough are one where a cheap line is not tried first.
 */
class ContourCascade implements DirectionProfile {
  constructor(
    private readonly quick: VerticalProfile,
    private readonly bent: IntervalNarrower,
    private readonly thorough: VerticalProfile,
  ) {}

  /**
   * What is known from straight lines goes with the question: bent ones start from it. They may stay as wide as twice
   * what makes a straight line wide before all the work is spent.
   */
  logDeltaAt(epsilon: number): LogBounds {
    const straight = this.quick.logDeltaAt(epsilon);
    if (straight.upper - straight.lower <= WIDE_LOG_DELTA) return straight;
    const bent = intersection(straight, this.bent.logDeltaAt(epsilon, straight));
    if (bent.upper - bent.lower <= 2 * WIDE_LOG_DELTA || this.quick === this.thorough) return bent;
    return intersection(bent, this.thorough.logDeltaAt(epsilon));
  }

  /**
   * harmlessUpper: a lower end that the other direction has proven already. An upper end that is no larger changes
   * nothing that is stated, however wide the interval.
   */
  epsilonAt(logDelta: number, logComplement: number, harmlessUpper = 0): Interval {
    const straight = this.quick.epsilonAt(logDelta, logComplement);
    const { lower, upper } = straight;
    if (upper - lower <= WIDE_EPSILON * upper || upper <= harmlessUpper) return straight;
    const bent = intersection(straight, this.bent.epsilonAt(logDelta, straight));
    const narrow = bent.upper - bent.lower <= 5 * WIDE_EPSILON * bent.upper;
    if (narrow || bent.upper <= harmlessUpper || this.quick === this.thorough) return bent;
    return intersection(bent, this.thorough.epsilonAt(logDelta, logComplement));
  }

  chernoff(epsilon: number): number {
    return this.quick.chernoff(epsilon);
  }
}

/**
 * What two proven intervals say together.
 *
 * lower ≤ upper also where round-off makes two narrow intervals miss each other by an ulp.
 */
function intersection(one: Interval, other: Interval | null): Interval {
  if (!other) return one;
  const upper = Math.min(one.upper, other.upper);
  return { lower: Math.min(upper, Math.max(one.lower, other.lower)), upper };
}
