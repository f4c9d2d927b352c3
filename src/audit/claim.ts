// What a plan claims: read from an object of unknown origin, strictly.
import type { PrivacyEvent } from "../formats/event.js";
import { type Guarantee, NEIGHBORINGS } from "../formats/guarantee.js";
import type { PlanRequest } from "../formats/plan.js";
import { checkTuning, wholeEvent } from "../formats/tuning.js";

/** The part of a plan that an audit compares with. */
export interface Claim {
  readonly samplingRate: number;
  readonly noiseMultiplier: number;
  readonly steps: number;
  /** N, if the plan states it as a whole number ≥ 1. */
  readonly examples: number | undefined;
  readonly achieved: Guarantee;
  /**
   * What was spent in all, with the search for hyper-parameters that the plan pays for, where there is one; the noise of its runs
   * is taken over `sensitivity`, which is that of the run's own.
   */
  whole(own: PrivacyEvent, sensitivity: number): PrivacyEvent;
}

/** Throws TypeError or RangeError, naming the field, the value and what is allowed, unless plan is one of version 1. */
export function readClaim(plan: unknown): Claim {
  if (typeof plan !== "object" || plan === null)
    throw new TypeError(`plan must be an object, got ${String(plan)}`);
  const { kind, version, samplingRate, noiseMultiplier, steps, achieved } = plan as Record<string, unknown>;
  if (!(kind === "dpsgd-plan")) throw new TypeError(`plan kind must be dpsgd-plan, got ${String(kind)}`);
  if (!(version === 1)) throw new RangeError(`plan version must be 1, got ${String(version)}`);
  if (typeof achieved !== "object" || achieved === null)
    throw new TypeError("plan achieved must be an object");
  const { epsilon, epsilonLowerBound, delta, neighboring, accountant } = achieved as Record<string, unknown>;
  if (!NEIGHBORINGS.includes(neighboring as Guarantee["neighboring"]))
    throw new TypeError(
      `plan neighboring must be one of ${NEIGHBORINGS.join(", ")}, got ${String(neighboring)}`,
    );
  if (typeof accountant !== "string")
    throw new TypeError(`plan accountant must be a name, got ${String(accountant)}`);
  const count = number("steps", steps, 0, Number.MAX_SAFE_INTEGER);
  if (!Number.isInteger(count)) throw new RangeError(`plan steps must be a whole number, got ${count}`);
  const run = {
    samplingRate: number("samplingRate", samplingRate, 0, 1),
    noiseMultiplier: number("noiseMultiplier", noiseMultiplier, 0, Number.MAX_VALUE),
    steps: count,
  };
  const { examples } = plan as Record<string, unknown>;
  return {
    ...run,
    examples: Number.isSafeInteger(examples) && (examples as number) >= 1 ? (examples as number) : undefined,
    whole: wholeOf(plan as Record<string, unknown>, run),
    achieved: {
      epsilon: number("achieved.epsilon", epsilon, 0, Number.MAX_VALUE),
      epsilonLowerBound: number("achieved.epsilonLowerBound", epsilonLowerBound, 0, Number.MAX_VALUE),
      delta: number("achieved.delta", delta, 0, 1),
      neighboring: neighboring as Guarantee["neighboring"],
      accountant,
    },
  };
}

function wholeOf(
  plan: Record<string, unknown>,
  run: { readonly noiseMultiplier: number; readonly steps: number },
): Claim["whole"] {
  const { tuningRuns, finalAfterProxy } = { ...(plan.request as object) } as PlanRequest;
  if (tuningRuns === undefined && finalAfterProxy === undefined) return (own) => own;
  const examples = number("examples", plan.examples, 1, Number.MAX_SAFE_INTEGER);
  const batchSize = number("batchSize", plan.batchSize, 0, examples);
  const request: PlanRequest = {
    examples,
    ...(tuningRuns && { tuningRuns }),
    ...(finalAfterProxy && { finalAfterProxy }),
  };
  checkTuning(request);
  return (own, sensitivity) =>
    wholeEvent(request, { ...run, noiseMultiplier: run.noiseMultiplier / sensitivity, batchSize }, own);
}

/** Equal as JSON, whatever the order of keys. */
export function sameJson(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === "object" && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([x], [y]) => (x < y ? -1 : 1)))
      : each,
  );
}

function number(name: string, value: unknown, least: number, most: number): number {
  if (!(typeof value === "number" && value >= least && value <= most))
    throw new RangeError(`plan ${name} must be a number in [${least}, ${most}], got ${String(value)}`);
  return value;
}
