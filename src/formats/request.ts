// What a request must look like: every field checked, and the one unknown found.
import { shown } from "./argumentError.js";
import { ACCOUNTANT_NAMES, type AccountantName, NEIGHBORINGS } from "./guarantee.js";
import type { PlanRequest, Unknown } from "./plan.js";
import { checkTuning } from "./tuning.js";

/** More steps than this are refused: no run has them, and accountants promise their accuracy up to here. */
export const MOST_STEPS = 1e9;

const FIELDS = [
  "examples",
  "batchSize",
  "steps",
  "epochs",
  "noiseMultiplier",
  "epsilon",
  "delta",
  "maxAdvantage",
  "maxTruePositiveRate",
  "tuningRuns",
  "finalAfterProxy",
  "accountant",
  "neighboring",
] as const;

export type CheckedRequest = PlanRequest & Required<Pick<PlanRequest, "accountant" | "neighboring">>;

/**
 * The request with its defaults filled in, and its unknown.
 * Throws RangeError or TypeError in one line: the field, what is allowed, the value found.
 */
export function checkRequest(request: PlanRequest): { request: CheckedRequest; unknown: Unknown } {
  if (typeof request !== "object" || request === null)
    throw new TypeError(`request must be an object, got ${String(request)}`);
  for (const key of Object.keys(request))
    if (!(FIELDS as readonly string[]).includes(key))
      throw new TypeError(`request must have only the fields ${FIELDS.join(", ")}, got ${key}`);
  const { examples, batchSize, steps, epochs, noiseMultiplier, epsilon, delta } = request;
  const { accountant = defaultAccountant(request), neighboring = "add-or-remove-one" } = request;

  if (!(Number.isSafeInteger(examples) && examples >= 1))
    throw new RangeError(`examples must be a whole number >= 1, got ${shown(examples)}`);
  if (batchSize !== undefined && !(isNumber(batchSize) && batchSize > 0 && batchSize <= examples))
    throw new RangeError(`batchSize must be in (0, examples ${examples}], got ${shown(batchSize)}`);
  if (steps !== undefined && epochs !== undefined)
    throw new TypeError("steps and epochs must not both be given: they say the same thing");
  if (steps !== undefined && !(Number.isSafeInteger(steps) && steps >= 1 && steps <= MOST_STEPS))
    throw new RangeError(`steps must be a whole number in [1, 1e9], got ${shown(steps)}`);
  if (epochs !== undefined && !(isNumber(epochs) && epochs > 0 && epochs < Infinity))
    throw new RangeError(`epochs must be > 0 and finite, got ${shown(epochs)}`);
  if (
    noiseMultiplier !== undefined &&
    !(isNumber(noiseMultiplier) && noiseMultiplier > 0 && noiseMultiplier < Infinity)
  )
    throw new RangeError(`noiseMultiplier must be > 0 and finite, got ${shown(noiseMultiplier)}`);
  if (epsilon !== undefined && !(isNumber(epsilon) && epsilon > 0 && epsilon < Infinity))
    throw new RangeError(`epsilon must be > 0 and finite, got ${shown(epsilon)}`);
  if (delta !== undefined && !(isNumber(delta) && delta > 0 && delta < 1))
    throw new RangeError(`delta must be in (0, 1), got ${shown(delta)}`);
  checkRisk(request);
  checkTuning(request);
  if (!ACCOUNTANT_NAMES.includes(accountant))
    throw new RangeError(`accountant must be ${ACCOUNTANT_NAMES.join(" or ")}, got ${shown(accountant)}`);
  if (!NEIGHBORINGS.includes(neighboring))
    throw new RangeError(`neighboring must be one of ${NEIGHBORINGS.join(", ")}, got ${shown(neighboring)}`);

  const missing: Unknown[] = [];
  if (noiseMultiplier === undefined) missing.push("noiseMultiplier");
  const { maxAdvantage, maxTruePositiveRate } = request;
  if (epsilon === undefined && maxAdvantage === undefined && maxTruePositiveRate === undefined)
    missing.push("epsilon");
  if (delta === undefined) missing.push("delta");
  if (steps === undefined && epochs === undefined) missing.push("steps");
  if (batchSize === undefined) missing.push("batchSize");
  if (missing.length === 0)
    throw new TypeError(
      "one of noiseMultiplier, epsilon, delta, steps or batchSize must be left out: it is what a plan solves for",
    );
  if (missing.length > 1)
    throw new TypeError(
      `${missing.join(", ")} must not all be left out: give all but one, which is solved for`,
    );
  if (missing[0] === "delta" && epsilon === undefined)
    throw new TypeError(
      "delta must be given: an attacker's gain does not depend on it, the stated epsilon does",
    );
  const checked: CheckedRequest = { ...defined(request), examples, accountant, neighboring };
  if (epochs !== undefined && batchSize !== undefined) {
    const count = stepsOf(checked, batchSize);
    if (!(count <= MOST_STEPS))
      throw new RangeError(`epochs must be at most 1e9 steps of batchSize ${batchSize}, got ${epochs}`);
  }
  return { request: checked, unknown: missing[0]! };
}

/** Only Rényi accounting proves anything of the best of a random number of runs. */
export function defaultAccountant({ tuningRuns }: Partial<PlanRequest>): AccountantName {
  return tuningRuns === undefined || tuningRuns.kind === "fixed" ? "pld" : "rdp";
}

/** A limit on what an attacker gains takes epsilon's place, and is one that some noise can meet. */
function checkRisk({ epsilon, maxAdvantage, maxTruePositiveRate }: PlanRequest): void {
  const limits = { epsilon, maxAdvantage, maxTruePositiveRate };
  const given = Object.entries(limits).filter(([, value]) => value !== undefined);
  if (given.length > 1)
    throw new TypeError(
      `${given.map(([name]) => name).join(" and ")} must not both be given: each is the budget`,
    );
  if (maxAdvantage !== undefined && !(isNumber(maxAdvantage) && maxAdvantage > 0 && maxAdvantage < 1))
    throw new RangeError(`maxAdvantage must be in (0, 1), got ${shown(maxAdvantage)}`);
  if (maxTruePositiveRate !== undefined) {
    const { rate, falsePositiveRate } = (maxTruePositiveRate ?? {}) as Record<string, unknown>;
    if (
      !(
        isNumber(rate) &&
        isNumber(falsePositiveRate) &&
        falsePositiveRate > 0 &&
        rate > falsePositiveRate &&
        rate < 1
      )
    )
      throw new RangeError(
        `maxTruePositiveRate must be a rate above its falsePositiveRate, both in (0, 1), got ${shown(maxTruePositiveRate)}`,
      );
  }
}

/** T of a request at a batch size: ⌊epochs · N / B⌋ (one part in 10¹² of slack for round-off), at least 1. */
export function stepsOf(request: PlanRequest, batchSize: number): number {
  if (request.steps !== undefined) return request.steps;
  return Math.max(1, Math.floor(((request.epochs! * request.examples) / batchSize) * (1 + 1e-12)));
}

function isNumber(value: unknown): value is number {
  return typeof value === "number";
}

function defined<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}
