// How ε grew over a run: at a dozen numbers of steps, for a chart.
import { everyAccountant } from "../accounting/accountants.js";
import { tightestEpsilon } from "../accounting/tightest.js";
import { flatten, type PrivacyEvent } from "../formats/event.js";
import type { Neighboring } from "../formats/guarantee.js";
import type { Plan } from "../formats/plan.js";
import { eventAfter } from "../formats/plannedEvent.js";

/** ε after so many steps. */
export interface EpsilonAfter {
  readonly steps: number;
  /** Upper bound on ε at delta after so many steps; Infinity if there is none. */
  readonly epsilon: number;
}

/** Curves of events that are still in use: a report draws its curve twice, and few steps of much noise take a second. */
const known = new WeakMap<PrivacyEvent, Map<string, EpsilonAfter[]>>();

/** How a curve of ε over a run's steps is drawn. */
export interface OverSteps {
  /** About how many numbers of steps; default 14. */
  readonly points?: number;
  /** Of a run that followed it so far: what its steps spend is then what the plan says they do. */
  readonly plan?: Plan;
  /** An upper bound on ε of the whole event, as the audit found it: where the curve ends. */
  readonly end?: number;
}

/** At which δ, and under which relation. */
export interface CurvePlace {
  readonly delta: number;
  readonly neighboring: Neighboring;
}

/**
 * ε after 0, …, all steps of a report's event, at about `points` numbers of steps, closer together at the beginning, where ε
 * grows about as the root of their number. Uses of the data that are no steps count from the start. Each value is an upper
 * bound for its part of the run.
 */
export function epsilonOverSteps(
  event: PrivacyEvent,
  at: CurvePlace,
  options: OverSteps = {},
): readonly EpsilonAfter[] {
  const { points = 14, plan, end } = options;
  const follows = plan !== undefined && followed(event, plan);
  const curves = known.get(event) ?? new Map<string, EpsilonAfter[]>();
  known.set(event, curves);
  const key = `${at.delta} ${at.neighboring} ${points} ${follows} ${end}`;
  const after = (count: number): PrivacyEvent =>
    follows && count > 0 ? eventAfter(plan, count) : afterSteps(event, count);
  const curve = curves.get(key) ?? computed(event, at, points, after, end);
  curves.set(key, curve);
  return curve;
}

/** Whether all steps of the event are the plan's first ones. */
function followed(event: PrivacyEvent, plan: Plan): boolean {
  const steps = stepsIn(event);
  return steps > 0 && JSON.stringify(flatten(event)) === JSON.stringify(flatten(eventAfter(plan, steps)));
}

function computed(
  event: PrivacyEvent,
  at: CurvePlace,
  points: number,
  after: (count: number) => PrivacyEvent,
  end = Infinity,
): EpsilonAfter[] {
  const total = stepsIn(event);
  const counts = new Set([0, Math.min(1, total), total]);
  for (let i = 1; i < points; i++) counts.add(Math.round(total * (i / points) ** 2));
  const accountants = everyAccountant(at.neighboring);
  // No part spends more than the whole.
  return [...counts]
    .sort((a, b) => a - b)
    .map((steps) => ({
      steps,
      epsilon:
        steps === total && end < Infinity
          ? end
          : Math.min(end, tightestEpsilon(accountants, after(steps), at.delta).upper),
    }));
}

/** A search whose runs are like the one that was taken, or several times the same. */
type OfRuns = Extract<PrivacyEvent, { kind: "repeat-and-select" | "repeated" }>;

const isSteps = (event: PrivacyEvent): boolean =>
  event.kind === "repeated" && event.event.kind !== "repeated" && event.event.kind !== "composed";

/** Where the run itself is inside: a search of such runs, with no steps beside it. */
const isSearch = (event: PrivacyEvent): event is OfRuns =>
  event.kind === "repeat-and-select" || (event.kind === "repeated" && !isSteps(event));

function stepsIn(event: PrivacyEvent): number {
  if (isSearch(event)) return stepsIn(event.event);
  const parts = event.kind === "composed" ? event.events : [event];
  return parts.reduce((sum, part) => sum + (part.kind === "repeated" && isSteps(part) ? part.count : 0), 0);
}

/** The event with its first `count` steps only. What else there is, such as a search before the run, counts from the start. */
function afterSteps(event: PrivacyEvent, count: number): PrivacyEvent {
  if (isSearch(event)) return { ...event, event: afterSteps(event.event, count) };
  let left = count;
  const taken: PrivacyEvent[] = [];
  for (const part of event.kind === "composed" ? event.events : [event]) {
    if (!(part.kind === "repeated" && isSteps(part))) {
      taken.push(part);
      continue;
    }
    const now = Math.min(left, part.count);
    if (now > 0) taken.push({ ...part, count: now });
    left -= now;
  }
  return { kind: "composed", events: taken };
}
