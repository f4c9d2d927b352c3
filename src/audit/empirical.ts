// The claim put to the test: what canaries of one run show ε to be at least, beside what it is claimed to be at most.
import type { PrivacyCurve } from "../accounting/accountant.js";
import { accountant } from "../accounting/accountants.js";
import { checkEvent } from "../formats/checkEvent.js";
import type { PrivacyEvent } from "../formats/event.js";
import type { AuditReport, Empirical, Finding, RoundingFound } from "../formats/report.js";
import {
  anyMechanismBound,
  leastFalsePositiveRate,
  refutesCurve,
  smallestSignificance,
  tallyGuesses,
} from "./oneRun.js";
import { finder } from "./recompute.js";

/** What a run with canaries left: scores and coins, in the same order. */
export interface CanaryEvidence {
  readonly scores: ArrayLike<number>;
  readonly included: ArrayLike<boolean>;
  /** What the run is said to have been: DP-SGD as an event. */
  readonly event: PrivacyEvent;
  readonly delta: number;
}

/** What two trainings that differ in one example left, see `roundingFound`. */
export interface RoundingEvidence {
  /** The difference of the noisy sums of all steps together, along the example's own contribution. */
  readonly moved: number;
  readonly steps: number;
  /** σ of each step, of each training. */
  readonly noiseMultiplier: number;
  readonly examples: number;
}

/** Φ(−z) < 10^-9. */
const ONE_IN_A_BILLION = 6;
/** Weights are float32: what they moved by is read off to this much of a step's sensitivity. */
const READING_ERROR = 0.05;

/**
 * By how much the example moved a step's sum at least. Two trainings of T steps differ by T·shift and noise of standard
 * deviation σ√(2T); a sound trainer's shift is at most 1.
 */
export function roundingFound({ moved, steps, noiseMultiplier, examples }: RoundingEvidence): RoundingFound {
  const noise = ONE_IN_A_BILLION * noiseMultiplier * Math.sqrt(2 * steps);
  const movedAtLeast = Math.max(0, (Math.abs(moved) - noise) / steps - READING_ERROR);
  return { refuted: !(movedAtLeast <= 1), movedAtLeast, examples, steps };
}

/** Steps after which a trainer that adds 65,536 examples up in float32 shows, up to a noise multiplier of 38; ≥ 1. */
export const roundingSteps = (noiseMultiplier: number): number =>
  Math.max(1, Math.min(100, Math.ceil(0.75 * noiseMultiplier ** 2)));

/** Fixed before the run: how many of the canaries are guessed. Each has its share of the significance. */
const FRACTIONS = [1 / 2, 1 / 4, 1 / 8, 1 / 16];
/** Beyond this factor on the noise, more or less, nothing is asked any more. */
const LARGEST_FACTOR = 2 ** 6;

/**
 * Lower bounds on ε from a run with canaries, under add-or-remove-one.
 *
 * Guarantee: with probability at least `confidence` over coins and mechanism, `refuted` is false if the run was what the event
 * says, and each lower bound is below the truth under its assumption. Edges: a bound cannot exceed what m perfect guesses prove:
 * about ε 8 for a thousand canaries.
 */
export function empiricalAudit(
  evidence: CanaryEvidence,
  options: { readonly confidence?: number } = {},
): Empirical {
  const { scores, included, event, delta } = evidence;
  const { confidence = 0.99 } = options;
  if (!(confidence > 0 && confidence < 1))
    throw new RangeError(`confidence must be in (0, 1), got ${confidence}`);
  checkEvent(event);
  const share = (1 - confidence) / FRACTIONS.length;
  const canaries = scores.length;
  const tallies = FRACTIONS.map((fraction) =>
    tallyGuesses(scores, included, 2 * Math.max(1, Math.round((canaries * fraction) / 2))),
  );
  const curveAt = (factor: number): PrivacyCurve => accountant("pld").account(withNoise(event, factor));
  const refutedAt = (factor: number, significance = share): boolean => {
    const least = leastFalsePositiveRate(curveAt(factor));
    return tallies.some((tally) => refutesCurve(tally, least, significance));
  };
  const claimed = leastFalsePositiveRate(curveAt(1));
  const pValue = smallestSignificance((significance) =>
    tallies.some((tally) => refutesCurve(tally, claimed, significance / FRACTIONS.length)),
  );
  const refuted = tallies.some((tally) => refutesCurve(tally, claimed, share));
  const factor = leastRefuted(refutedAt, refuted);
  const { upper } = curveAt(1).epsilonIntervalAt(delta);
  return {
    refuted,
    confidence,
    pValue,
    epsilonLowerBound: factor === undefined ? 0 : curveAt(factor).epsilonIntervalAt(delta).lower,
    epsilonLowerBoundAny: Math.max(...tallies.map((tally) => anyMechanismBound(tally, delta, share))),
    epsilon: upper < Infinity ? upper : null,
    delta,
    canaries,
    steps: stepsOf(event),
    tallies,
  };
}

/** The report with the empirical check beside it: what the canaries refute is no claim that holds. */
export function withEmpirical(report: AuditReport, empirical: Empirical): AuditReport {
  const findings: Finding[] = [...report.findings];
  const { refuted, confidence, epsilonLowerBound, epsilonLowerBoundAny, epsilon, pValue } = empirical;
  const claimed = report.claimed?.epsilon ?? Infinity;
  const exceeded = refuted || Math.max(epsilonLowerBound, epsilonLowerBoundAny) > claimed;
  if (exceeded)
    finder(findings)(
      "empirical-excess",
      `canaries that show no more than epsilon ${epsilon ?? "Infinity"} allows`,
      `at least epsilon ${Math.max(epsilonLowerBound, epsilonLowerBoundAny)} with confidence ${confidence} (p = ${pValue.toPrecision(2)})`,
    );
  const { rounding } = empirical;
  if (rounding?.refuted)
    finder(findings)(
      "empirical-rounding",
      "one example to move a sum by at most 1, whatever the others are",
      `${rounding.movedAtLeast.toPrecision(3)} at least: sums round, and the sensitivity that the ledger's noise is measured against is not kept`,
    );
  const broken = exceeded || rounding?.refuted === true;
  return { ...report, verdict: broken ? "exceeded" : report.verdict, findings, empirical };
}

/** The smallest factor on the noise, within 3 %, that is refuted: any less noise would not be. undefined if none is. */
function leastRefuted(refutedAt: (factor: number) => boolean, refuted: boolean): number | undefined {
  // Two factors, each twice the other: the larger is refuted, the smaller is not.
  let yes = 2;
  let no = 1;
  if (refuted) {
    do {
      yes = no;
      no /= 2;
      if (no < 1 / LARGEST_FACTOR) return yes;
    } while (refutedAt(no));
  } else {
    while (!refutedAt(yes)) {
      no = yes;
      yes *= 2;
      if (yes > LARGEST_FACTOR) return undefined;
    }
  }
  while (yes / no > 1.03) {
    const middle = Math.sqrt(yes * no);
    if (refutedAt(middle)) yes = middle;
    else no = middle;
  }
  return yes;
}

/** The event with every Gaussian's noise multiplied. */
function withNoise(event: PrivacyEvent, factor: number): PrivacyEvent {
  switch (event.kind) {
    case "gaussian":
      return { ...event, noiseMultiplier: event.noiseMultiplier * factor };
    case "poisson-sampled":
    case "repeated":
      return { ...event, event: withNoise(event.event, factor) };
    case "composed":
      return { ...event, events: event.events.map((each) => withNoise(each, factor)) };
    default:
      throw new RangeError(`event must be DP-SGD with Gaussian noise, got ${event.kind}`);
  }
}

function stepsOf(event: PrivacyEvent): number {
  if (event.kind === "repeated") return event.count * stepsOf(event.event);
  if (event.kind === "composed") return event.events.reduce((total, each) => total + stepsOf(each), 0);
  return 1;
}
