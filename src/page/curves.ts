// What the charts beside the map show of a plan: ε as training goes on, what an attacker gains, the proxy run.
import { type Accountant, type PrivacyCurve, UnsupportedEventError } from "../accounting/accountant.js";
import { accountant } from "../accounting/accountants.js";
import { truePositiveRateAt } from "../accounting/tradeoff.js";
import { dpSgdEvent } from "../formats/event.js";
import { ACCOUNTANT_NAMES } from "../formats/guarantee.js";
import type { Plan } from "../formats/plan.js";
import { eventAfter } from "../formats/plannedEvent.js";
import { searchOf } from "../formats/tuning.js";
import { type ProxyRun, proxyOf } from "../planner/proxy.js";
import { lightAccountant, PICTURE } from "./pictureAccountant.js";

/** [steps, ε] by accountant; ε is an upper bound at the plan's δ, null for none. */
export type TrainingCurves = Readonly<Record<string, readonly (readonly [number, number | null])[]>>;

/**
 * ε after so many of the plan's steps, by every accountant that takes them; at the end the plan's own. Only what is quick to prove is
 * asked; where that is loose, the bound of more steps, which spend no less, stands in. Yields after each question.
 */
export function* trainingCurves(plan: Plan, points: number): Generator<void, TrainingCurves> {
  const curves: Record<string, [number, number | null][]> = {};
  // Closer together at the start, where ε rises steeply.
  const counts = new Set(
    Array.from({ length: points }, (_, i) => Math.ceil(plan.steps * ((i + 1) / points) ** 2)),
  );
  const { delta, neighboring } = plan.achieved;
  for (const name of ACCOUNTANT_NAMES) {
    const asked = lightAccountant(name, neighboring, PICTURE);
    if (!accounts(asked, plan)) continue;
    // A search before the run has spent its part when that begins.
    const curve: [number, number | null][] = searchOf(plan)?.before ? [] : [[0, 0]];
    for (const steps of counts) {
      const last = name === plan.achieved.accountant && steps === plan.steps;
      const epsilon = last ? plan.achieved.epsilon : asked.account(eventAfter(plan, steps)).epsilonAt(delta);
      curve.push([steps, epsilon < Infinity ? epsilon : null]);
      yield;
    }
    for (let i = curve.length - 2; i >= 0; i--) curve[i]![1] = least(curve[i]![1], curve[i + 1]![1]);
    curves[name] = curve;
  }
  return curves;
}

/** Of a secret number of runs only the Rényi accountant proves anything. */
function accounts(asked: Accountant, plan: Plan): boolean {
  try {
    asked.account(plan.event);
    return true;
  } catch (error) {
    if (error instanceof UnsupportedEventError) return false;
    throw error;
  }
}

/** The smaller of two bounds; null is none. */
function least(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b);
}

/** [false-positive rate, upper bound on the true-positive rate]. */
export type TradeOff = readonly (readonly [number, number])[];

/** The false-positive rates of the chart, from the left. */
const LEAST_RATE = 1e-6;

/**
 * The trade-off curve, from δ at `profile` values of ε.
 * Guarantee: never below the truth. δ is convex in x = e^ε (a supremum of functions that are linear in x), so that a
 * chord between two upper bounds is an upper bound; each of these bounds the true-positive rate.
 */
export function* tradeOff(
  curve: PrivacyCurve,
  { points, profile }: { points: number; profile: number },
): Generator<void, TradeOff> {
  const chords = yield* chordsOf(curve, profile);
  const rates: (readonly [number, number])[] = [];
  for (let i = 0; i < points; i++) {
    const rate = LEAST_RATE ** (1 - i / (points - 1));
    rates.push([rate, truePositiveRateAt(chords, rate)]);
    yield;
  }
  return rates;
}

function* chordsOf(curve: PrivacyCurve, size: number): Generator<void, PrivacyCurve> {
  const largest = Math.max(1, curve.epsilonAt(1e-9) || 0);
  const end = Number.isFinite(largest) ? Math.min(largest, -Math.log(LEAST_RATE) + 4) : 1;
  const epsilons = Array.from({ length: size }, (_, i) => (end * i) / (size - 1));
  const deltas: number[] = [];
  for (const epsilon of epsilons) {
    deltas.push(curve.deltaAt(epsilon));
    yield;
  }
  const deltaAt = (epsilon: number): number => {
    if (!(epsilon < end)) return deltas[size - 1]!;
    const i = Math.min(size - 2, Math.floor((epsilon / end) * (size - 1)));
    const [left, right] = [Math.exp(epsilons[i]!), Math.exp(epsilons[i + 1]!)];
    const share = (Math.exp(epsilon) - left) / (right - left);
    return Math.min(1, (deltas[i]! * (1 - share) + deltas[i + 1]! * share) * (1 + 2 ** -40));
  };
  const unused = (): never => {
    throw new Error("the trade-off curve asks for delta only");
  };
  return {
    accountant: curve.accountant,
    neighboring: curve.neighboring,
    deltaAt,
    epsilonAt: unused,
    epsilonIntervalAt: unused,
    deltaIntervalAt: (epsilon) => ({ lower: 0, upper: deltaAt(epsilon) }),
  };
}

/** One factor k: the run with B/k and σ/k, and the ε that it spends at the plan's δ by the Rényi bound; null for none. */
export interface ProxyPoint extends ProxyRun {
  readonly epsilon: number | null;
}

/** The proxy at k = 1, 2, 4, … as far as a batch of one, and at `factor`. */
export function* proxyPoints(plan: Plan, factor: number): Generator<void, readonly ProxyPoint[]> {
  const factors = new Set<number>();
  for (let k = 1; k <= Math.min(plan.batchSize, 1024); k *= 2) factors.add(k);
  factors.add(Math.min(factor, plan.batchSize));
  const { delta, neighboring } = plan.achieved;
  const renyi = accountant("rdp", { neighboring });
  const points: ProxyPoint[] = [];
  for (const k of [...factors].sort((a, b) => a - b)) {
    const proxy = proxyOf(plan, k);
    const epsilon = renyi.account(dpSgdEvent(proxy)).epsilonAt(delta);
    points.push({ ...proxy, epsilon: epsilon < Infinity ? epsilon : null });
    yield;
  }
  return points;
}
