// plan(request): finds the one unknown so that the accountant's ε never exceeds the request, and re-checks it.

import type { Accountant, PrivacyCurve } from "../accounting/accountant.js";
import { accountant as accountantFor } from "../accounting/accountants.js";
import { ArgumentError } from "../formats/argumentError.js";
import type { Guarantee } from "../formats/guarantee.js";
import { checkFields, type FieldsOf } from "../formats/knownFields.js";
import type { NoSolutionError, Plan, PlanRequest } from "../formats/plan.js";
import { checkRequest } from "../formats/request.js";
import { roundedUp } from "../formats/rounded.js";
import { type Budget, budgetOf } from "./budget.js";
import { type Solution, Solver, TIGHT } from "./solver.js";

/** So narrow (relative) is an interval that the accountants ask no further layer: whatever the effort, it stays. */
const SETTLED = 1e-6;

/** How a plan is solved for. */
export interface PlanOptions {
  /** Asked instead of the one that the request names; for the request's neighboring. */
  readonly accountant?: Accountant;
  /** Where to look first for a noise multiplier, batch size or steps; a good guess saves half of the questions to the accountant. */
  readonly start?: number;
  /**
   * How far below the budget a search may end, relative, below 1e-3; default 1e-9, and whole steps to the last. More saves a
   * third of the questions.
   */
  readonly slack?: number;
  /** Asked before each further question once there is a plan: if true, the best so far is the answer, with a warning. */
  readonly stop?: () => boolean;
}

const FIELDS = { accountant: true, start: true, slack: true, stop: true } satisfies FieldsOf<PlanOptions>;

/**
 * Solves for the one quantity that request leaves out of noiseMultiplier, epsilon, delta, steps (or epochs), batchSize.
 * Guarantee: achieved.epsilon was computed by the accountant for exactly this plan, after all rounding, and is at most
 * request.epsilon. It lies within one part in 10⁹ of it for the noise multiplier and δ, within 10⁻³ for the batch size
 * (rounded down to a whole number where that is tight enough), and for whole steps one step more would exceed it.
 * Edges: where even the end of the range stays below request.epsilon (full batch, 1e9 steps), that end is the answer,
 * with a warning. Throws ArgumentError for a bad request, NoSolutionError where nothing meets it.
 */
export function plan(asked: PlanRequest, options: PlanOptions = {}): Plan {
  const { request, unknown } = checkRequest(asked);
  checkFields("plan", options, FIELDS);
  const { neighboring } = request;
  if (!(options.slack === undefined || (options.slack >= 0 && options.slack < 1e-3)))
    throw new ArgumentError("slack", "in [0, 1e-3)", `${options.slack}`);
  const budget = budgetOf(request);
  const ofEpsilon = !budget || request.epsilon !== undefined;
  // What an attacker gains is asked of a curve at dozens of ε: straight lines first, which mostly are as narrow there.
  const effort = ofEpsilon ? "contour" : "quick";
  const first = options.accountant ?? accountantFor(request.accountant, { neighboring, effort });
  if (first.neighboring !== neighboring)
    throw new ArgumentError("accountant", `for neighboring ${neighboring}`, `one for ${first.neighboring}`);
  const { start, slack, stop } = options;
  let solver = new Solver(request, first, budget, { start, slack, stop });
  let found: Solution | NoSolutionError = solver.solve(unknown);
  const settled = ofEpsilon
    ? solver.narrow
    : !(found instanceof Error) && settles(budget, solver.curveOf(found.run).curve, found.delta);
  if (!options.accountant && !settled && request.accountant !== "rdp") {
    // It is wide there: search again with all that can be proven (or asked so often), near the first answer.
    const better = accountantFor(request.accountant, {
      neighboring,
      effort: ofEpsilon ? "thorough" : "contour",
    });
    solver = new Solver(request, better, budget, {
      from: found instanceof Error ? undefined : found.run,
      thorough: request.epsilon !== undefined,
    });
    found = solver.solve(unknown);
  }
  if (found instanceof Error) throw found;
  const { run, delta } = found;
  const { warnings } = solver;
  const { event, curve: searched } = solver.curveOf(run);
  // Stated is what everyone finds who asks again with all that can be proven, as an audit does. Where the search's own
  // answer is narrow that is the same, and asking again would cost as much as the search's last question.
  const isNarrow = ({ lower, upper }: { lower: number; upper: number }) => upper - lower <= SETTLED * upper;
  const curve =
    options.accountant ||
    request.accountant === "rdp" ||
    solver.least ||
    (ofEpsilon && isNarrow(searched.epsilonIntervalAt(delta)))
      ? searched
      : accountantFor(request.accountant, { neighboring }).account(event);
  const { lower, upper } = curve.epsilonIntervalAt(delta);
  const achieved: Guarantee = {
    epsilon: upper,
    epsilonLowerBound: lower,
    delta,
    neighboring: request.neighboring,
    accountant: request.accountant,
  };
  const spent = budget ? budget.spent(ofEpsilon ? curve : searched, delta) : achieved.epsilon;
  if (!(spent <= (budget?.limit ?? Number.MAX_VALUE)))
    throw new Error(`plan re-check failed: ${spent} for request ${budget?.limit ?? "of any epsilon"}`);
  if (budget && spent < budget.limit * TIGHT && warnings.length === 0)
    warnings.push(
      `spends ${budget.words(spent)} of ${budget.limit}: the next whole number of steps would exceed it`,
    );
  if (!(delta * request.examples < 1))
    warnings.push(
      `delta ${roundedUp(delta)} is not below 1/examples = ${roundedUp(1 / request.examples)}: publishing one record outright would pass; choose a smaller delta`,
    );
  return {
    kind: "dpsgd-plan",
    version: 2,
    request,
    examples: request.examples,
    batchSize: run.batchSize,
    samplingRate: run.batchSize / request.examples,
    steps: run.steps,
    noiseMultiplier: run.noiseMultiplier,
    unit: "example",
    schedule: "constant",
    holdout: null,
    event,
    achieved,
    warnings,
  };
}

/** Whether a tighter accountant could hardly say less: the curve's lower ends alone come to as much. */
function settles(budget: Budget, curve: PrivacyCurve, delta: number): boolean {
  const least = (epsilon: number): number => curve.deltaIntervalAt(epsilon).lower;
  const lower: PrivacyCurve = {
    accountant: curve.accountant,
    neighboring: curve.neighboring,
    deltaAt: least,
    deltaIntervalAt: (epsilon) => ({ lower: least(epsilon), upper: least(epsilon) }),
    epsilonAt: (at) => curve.epsilonIntervalAt(at).lower,
    epsilonIntervalAt: (at) => curve.epsilonIntervalAt(at),
  };
  const spent = budget.spent(curve, delta);
  return spent - budget.spent(lower, delta) <= SETTLED * spent;
}
