// A plan as a file: JSON out, and JSON in with every field checked and the numbers checked against each other.
import type { Plan } from "./plan.js";
import { checkRequest, shown, stepsOf } from "./request.js";
import { wholeEvent } from "./tuning.js";

/** A text that is not a plan this version can read; one line says which field, what it found, what it must be. */
export class PlanFormatError extends Error {
  override readonly name = "PlanFormatError";
}

/** The plan as JSON, indented, with a final newline. Plans hold only finite numbers: nothing is lost. */
export function planToJson(plan: Plan): string {
  return `${JSON.stringify(plan, null, 2)}\n`;
}

/**
 * Reads what planToJson wrote. Checks kind, version, every field, and that they agree: q = B/N, the event is that of
 * (q, σ, T), the request's numbers are the plan's, achieved.epsilon ≤ request.epsilon. Does not account again: an audit does.
 * Throws PlanFormatError.
 */
export function planFromJson(text: string): Plan {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new PlanFormatError(`plan must be JSON: ${(error as Error).message}`);
  }
  return checkPlan(value);
}

/** The same checks for an object that was already parsed. */
export function checkPlan(value: unknown): Plan {
  const plan = record("plan", value);
  if (plan.kind !== "dpsgd-plan") fail("kind", `must be "dpsgd-plan"`, plan.kind);
  if (plan.version !== 1) fail("version", "must be 1, the only one this release reads", plan.version);

  let request: ReturnType<typeof checkRequest>["request"];
  try {
    request = checkRequest(record("request", plan.request) as unknown as Plan["request"]).request;
  } catch (error) {
    if (error instanceof PlanFormatError) throw error;
    throw new PlanFormatError(`plan's request: ${(error as Error).message}`);
  }
  const { examples, batchSize, samplingRate, steps, noiseMultiplier } = plan as unknown as Plan;
  positive("batchSize", batchSize);
  positive("noiseMultiplier", noiseMultiplier);
  if (!(Number.isSafeInteger(steps) && steps >= 1)) fail("steps", "must be a whole number >= 1", steps);
  agree("examples", examples, request.examples);
  if (!(batchSize <= examples)) fail("batchSize", `must be in (0, examples ${examples}]`, batchSize);
  agree("samplingRate", samplingRate, batchSize / examples);
  agree("batchSize", batchSize, request.batchSize ?? batchSize);
  agree("noiseMultiplier", noiseMultiplier, request.noiseMultiplier ?? noiseMultiplier);
  if (request.steps !== undefined || request.epochs !== undefined)
    agree("steps", steps, stepsOf(request, batchSize));

  const event = wholeEvent(request, { batchSize, noiseMultiplier, steps });
  if (canonical(plan.event) !== canonical(event))
    fail("event", `must be ${canonical(event)}, as the rest of the plan says`, plan.event);

  const achieved = record("achieved", plan.achieved) as unknown as Plan["achieved"];
  const { epsilon, epsilonLowerBound, delta } = achieved;
  if (!(typeof epsilon === "number" && epsilon >= 0)) fail("achieved.epsilon", "must be >= 0", epsilon);
  if (!(epsilon <= (request.epsilon ?? Infinity)))
    fail("achieved.epsilon", `must be at most the request's ${request.epsilon}`, epsilon);
  if (!(typeof epsilonLowerBound === "number" && epsilonLowerBound >= 0 && epsilonLowerBound <= epsilon))
    fail("achieved.epsilonLowerBound", `must be in [0, epsilon ${epsilon}]`, epsilonLowerBound);
  if (!(typeof delta === "number" && delta > 0 && delta < 1))
    fail("achieved.delta", "must be in (0, 1)", delta);
  agree("achieved.delta", delta, request.delta ?? delta);
  agree("achieved.neighboring", achieved.neighboring, request.neighboring);
  agree("achieved.accountant", achieved.accountant, request.accountant);

  const warnings: unknown = plan.warnings;
  if (!(Array.isArray(warnings) && warnings.every((each) => typeof each === "string")))
    fail("warnings", "must be a list of strings", warnings);
  return {
    kind: "dpsgd-plan",
    version: 1,
    request,
    examples,
    batchSize,
    samplingRate,
    steps,
    noiseMultiplier,
    event,
    achieved: {
      epsilon,
      epsilonLowerBound,
      delta,
      neighboring: achieved.neighboring,
      accountant: achieved.accountant,
    },
    warnings,
  };
}

function fail(field: string, allowed: string, found: unknown): never {
  throw new PlanFormatError(`plan's ${field} ${allowed}, got ${shown(found)}`);
}

function record(name: string, value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new PlanFormatError(
      `${name === "plan" ? name : `plan's ${name}`} must be an object, got ${shown(value)}`,
    );
  return value as Record<string, unknown>;
}

function positive(field: string, value: unknown): void {
  if (!(typeof value === "number" && value > 0 && value < Infinity))
    fail(field, "must be > 0 and finite", value);
}

function agree(field: string, found: unknown, expected: unknown): void {
  if (found !== expected) fail(field, `must be ${shown(expected)}, as the rest of the plan says`, found);
}

/** JSON with sorted keys, so that a re-ordered object compares equal. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === "object" && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
