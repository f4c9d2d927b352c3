// The plan while a slider moves: within a frame of the screen, never less than proven, and it says how tight it is.
import {
  type Accountant,
  type Interval,
  type PrivacyCurve,
  UnsupportedEventError,
} from "../accounting/accountant.js";
import { contourAccountant } from "../accounting/contour/index.js";
import type { PrivacyEvent } from "../formats/event.js";
import { NoSolutionError, type Plan, type PlanRequest } from "../formats/plan.js";
import { SMALLEST_NORMAL } from "../math/log.js";
import { plan } from "../planner/solve.js";
import { type Effort, lightAccountant } from "./pictureAccountant.js";

export interface LivePlan {
  readonly plan: Plan;
  /** The accountant's own answer to six digits. Otherwise the plan has a warning that says so: it is proven, but looser. */
  readonly tight: boolean;
}

/** What is asked of the contour integral: δ to 1e-7, and no line of integration that takes over a millisecond. */
const EFFORT: Effort = { relativeWidth: 1e-7, maximumWork: 1e5 };
/** How near to the budget the search goes, and how near to the truth ε is where that is called tight; relative. */
const SLACK = 1e-6;
const RENYI_SLACK = 5e-4;
/** Milliseconds that an answer may take: no question is asked that, if it takes as long as the longest, would exceed it. */
const MOMENT = 10;
/** The same before the code is warm, when it is several times slower and no slider moves yet. */
export const FIRST_MOMENT = 100;
const LOOSE = "a quick bound; the exact answer takes longer";

/**
 * What Rényi accounting allows first, which takes a millisecond whatever the plan; from there the contour integral goes as
 * near to the budget as a moment lets it. Every answer is proven: where the moment is too short, or lines of integration
 * are too dear (sampling rates below 1e-3 at little noise, a few steps), it is a looser one. `moment` in milliseconds, by
 * `now`. Throws what plan does; NoSolutionError then means that there is none as far as a moment can tell.
 */
export function livePlan(
  request: PlanRequest,
  moment: number = MOMENT,
  now: () => number = () => performance.now(),
): LivePlan {
  const start = now();
  if (request.accountant === "rdp") return { plan: plan(request, { slack: SLACK }), tight: true };
  const first = request.epsilon === undefined ? undefined : renyi(request);
  // Below what doubles hold there is no smaller delta to be found.
  if (first && request.delta === undefined && first.achieved.delta <= SMALLEST_NORMAL) return loose(first);
  let [before, longest, stopped] = [now(), 0, false];
  const stop = (): boolean => {
    const time = now();
    longest = Math.max(longest, time - before);
    before = time;
    stopped ||= time + longest - start > moment;
    return stopped;
  };
  const neighboring = request.neighboring ?? "add-or-remove-one";
  const known = request.delta === undefined ? first?.achieved : undefined;
  // Where Rényi accounting allows nothing at all, the cheapest run decides in one question.
  const guess = first ? valueSolvedFor(request, first) : 1;
  try {
    const made = plan(request, {
      accountant: momentAccountant(neighboring, known),
      slack: SLACK,
      stop,
      ...(guess !== undefined && { start: guess }),
    });
    const { epsilon, epsilonLowerBound } = made.achieved;
    const tight = !stopped && epsilon - epsilonLowerBound <= SLACK * epsilon;
    return tight ? { plan: made, tight } : loose(made);
  } catch (error) {
    // Events that the contour integral does not take.
    const other = error instanceof UnsupportedEventError ? (first ?? renyi(request)) : undefined;
    if (other) return loose(other);
    throw error;
  }
}

function loose(made: Plan): LivePlan {
  return { plan: { ...made, warnings: [...made.warnings, LOOSE] }, tight: false };
}

/** Undefined where Rényi accounting finds none. */
function renyi(request: PlanRequest): Plan | undefined {
  try {
    return plan({ ...request, accountant: "rdp" }, { slack: RENYI_SLACK });
  } catch (error) {
    if (error instanceof NoSolutionError) return undefined;
    throw error;
  }
}

/** Of what a search looks for. */
function valueSolvedFor(
  request: PlanRequest,
  { noiseMultiplier, steps, batchSize }: Plan,
): number | undefined {
  if (request.noiseMultiplier === undefined) return noiseMultiplier;
  if (request.batchSize === undefined) return batchSize;
  return request.steps === undefined && request.epochs === undefined ? steps : undefined;
}

interface Pair {
  readonly epsilon: number;
  readonly delta: number;
}

/** The contour integral with little effort, beside the Rényi bound; of that, of the only run asked about, `known`. */
function momentAccountant(neighboring: Accountant["neighboring"], known: Pair | undefined): Accountant {
  const light = known
    ? contourAccountant({ neighboring, ...EFFORT })
    : lightAccountant("pld", neighboring, EFFORT);
  return { ...light, account: (event: PrivacyEvent) => new Remembering(light.account(event), known) };
}

/** δ proven at an ε proves that ε at every larger δ: where δ is solved for, that saves the other way round. */
class Remembering implements PrivacyCurve {
  readonly accountant: string;
  readonly neighboring: PrivacyCurve["neighboring"];
  private proven: { epsilon: number; delta: Interval } | undefined;
  private readonly epsilons = new Map<number, Interval>();

  constructor(
    private readonly curve: PrivacyCurve,
    /** Proven otherwise. */
    private readonly known: Pair | undefined,
  ) {
    this.accountant = curve.accountant;
    this.neighboring = curve.neighboring;
  }

  epsilonAt(delta: number): number {
    return this.epsilonIntervalAt(delta).upper;
  }

  deltaAt(epsilon: number): number {
    return this.deltaIntervalAt(epsilon).upper;
  }

  deltaIntervalAt(epsilon: number): Interval {
    const { lower, upper } = this.curve.deltaIntervalAt(epsilon);
    const least = this.known && this.known.epsilon <= epsilon ? Math.min(upper, this.known.delta) : upper;
    const delta = { lower: Math.min(lower, least), upper: least };
    this.proven = { epsilon, delta };
    return delta;
  }

  epsilonIntervalAt(delta: number): Interval {
    const known = this.epsilons.get(delta);
    if (known) return known;
    const { proven } = this;
    const applies = proven !== undefined && proven.delta.upper <= delta;
    const loose = applies && proven.delta.lower < 0.9 * proven.delta.upper;
    const asked = loose ? { lower: 0, upper: Infinity } : this.curve.epsilonIntervalAt(delta);
    const upper = applies ? Math.min(asked.upper, proven.epsilon) : asked.upper;
    const found = { lower: Math.min(asked.lower, upper), upper };
    this.epsilons.set(delta, found);
    return found;
  }
}
