// Plans as JSON: the one reader of plans. Every field is checked, and the numbers are checked against each other.
import { shown } from "./argumentError.js";
import { canonicalJson, parseJson, sameJson } from "./json.js";
import type { Plan } from "./plan.js";
import { checkRequest, stepsOf } from "./request.js";
import { wholeEvent } from "./tuning.js";

/** What is not a plan that this version can read; one line says which field, what it found, what it must be. */
export class PlanFormatError extends Error {
  override readonly name = "PlanFormatError";
}

/** What version 1 did not say, as it was meant. */
const SINCE_VERSION_2 = { unit: "example", schedule: "constant", holdout: null } as const;

const FIELDS = [
  "kind",
  "version",
  "request",
  "examples",
  "batchSize",
  "samplingRate",
  "steps",
  "noiseMultiplier",
  ...(Object.keys(SINCE_VERSION_2) as (keyof typeof SINCE_VERSION_2)[]),
  "event",
  "achieved",
  "warnings",
] as const satisfies readonly (keyof Plan)[];

/** The plan as the text of a file: indented JSON with a final newline. Plans hold only finite numbers: nothing is lost. */
export function planToText(plan: Plan): string {
  return `${JSON.stringify(plan, null, 2)}\n`;
}

/**
 * Reads a plan, given as text or as parsed JSON, of version 2 or 1 (which becomes one of version 2). Checks kind, version, every
 * field, and that they agree: q = B/N, the event is that of (q, σ, T), the request's numbers are the plan's,
 * achieved.epsilon ≤ request.epsilon. Does not account again: an audit does. Throws PlanFormatError.
 */
export function planFromJson(json: unknown): Plan {
  let value: unknown;
  try {
    value = parseJson(json);
  } catch (error) {
    throw new PlanFormatError(`plan must be JSON: ${(error as Error).message.replace(/^not JSON: /, "")}`);
  }
  const plan = record("plan", value);
  if (plan.kind !== "dpsgd-plan") fail("kind", `must be "dpsgd-plan"`, plan.kind);
  const { version } = plan;
  if (version !== 1 && version !== 2)
    fail("version", "must be 2 or 1, the ones that this release reads", version);
  if (version === 1)
    for (const key of Object.keys(SINCE_VERSION_2))
      if (Object.hasOwn(plan, key)) fail(key, "must be left out in version 1", plan[key]);
  if (version === 2) {
    for (const key of Object.keys(plan))
      if (!(FIELDS as readonly string[]).includes(key))
        throw new PlanFormatError(`plan must have only the fields ${FIELDS.join(", ")}, got ${shown(key)}`);
    for (const [key, only] of Object.entries(SINCE_VERSION_2))
      if (plan[key] !== only) fail(key, `must be ${shown(only)}, the only one this release knows`, plan[key]);
  }

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
  if (!sameJson(plan.event, event))
    fail("event", `must be ${canonicalJson(event)}, as the rest of the plan says`, plan.event);

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
    version: 2,
    request,
    examples,
    batchSize,
    samplingRate,
    steps,
    noiseMultiplier,
    ...SINCE_VERSION_2,
    event,
    achieved: {
      epsilon,
      epsilonLowerBound,
      delta,
      neighboring: achieved.neighboring,
      accountant: achieved.accountant,
    },
    warnings: warnings as readonly string[],
  };
}

/** Whether two plans, of whatever version, say the same. Neither has to be one: what cannot be read equals nothing. */
export function samePlan(a: unknown, b: unknown): boolean {
  try {
    return sameJson(planFromJson(a), planFromJson(b));
  } catch (error) {
    if (error instanceof PlanFormatError) return false;
    throw error;
  }
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
