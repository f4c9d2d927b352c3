// What a request must look like: every field checked, and the one unknown found.
import { ArgumentError, shown } from "./argumentError.js";
import { ACCOUNTANT_NAMES, type AccountantName, NEIGHBORINGS } from "./guarantee.js";
import { checkFields, type FieldsOf } from "./knownFields.js";
import type { PlanRequest, Unknown } from "./plan.js";
import { checkTuning } from "./tuning.js";

/** More steps than this are refused: no run has them, and accountants promise their accuracy up to here. */
export const MOST_STEPS = 1e9;

const FIELDS = {
  examples: true,
  batchSize: true,
  steps: true,
  epochs: true,
  noiseMultiplier: true,
  epsilon: true,
  delta: true,
  maxAdvantage: true,
  maxTruePositiveRate: true,
  tuningRuns: true,
  finalAfterProxy: true,
  accountant: true,
  neighboring: true,
} satisfies FieldsOf<PlanRequest>;
const RATE_FIELDS = { rate: true, falsePositiveRate: true } satisfies FieldsOf<
  NonNullable<PlanRequest["maxTruePositiveRate"]>
>;

export type CheckedRequest = PlanRequest & Required<Pick<PlanRequest, "accountant" | "neighboring">>;

/**
 * The request with its defaults filled in, and its unknown.
 * Throws ArgumentError: the field, what is allowed, the value found.
 */
export function checkRequest(request: PlanRequest): { request: CheckedRequest; unknown: Unknown } {
  if (typeof request !== "object" || request === null)
    throw new ArgumentError("request", "an object", String(request));
  checkFields("plan", request, FIELDS);
  const { examples, batchSize, steps, epochs, noiseMultiplier, epsilon, delta } = request;
  const { accountant = defaultAccountant(request), neighboring = "add-or-remove-one" } = request;

  if (!(Number.isSafeInteger(examples) && examples >= 1))
    throw new ArgumentError("examples", "a whole number >= 1", shown(examples));
  if (batchSize !== undefined && !(isNumber(batchSize) && batchSize > 0 && batchSize <= examples))
    throw new ArgumentError("batchSize", `in (0, examples ${examples}]`, shown(batchSize));
  if (steps !== undefined && epochs !== undefined)
    throw new ArgumentError("epochs", "left out beside steps, which say the same thing", shown(epochs));
  if (steps !== undefined && !(Number.isSafeInteger(steps) && steps >= 1 && steps <= MOST_STEPS))
    throw new ArgumentError("steps", "a whole number in [1, 1e9]", shown(steps));
  if (epochs !== undefined && !(isNumber(epochs) && epochs > 0 && epochs < Infinity))
    throw new ArgumentError("epochs", "> 0 and finite", shown(epochs));
  if (
    noiseMultiplier !== undefined &&
    !(isNumber(noiseMultiplier) && noiseMultiplier > 0 && noiseMultiplier < Infinity)
  )
    throw new ArgumentError("noiseMultiplier", "> 0 and finite", shown(noiseMultiplier));
  if (epsilon !== undefined && !(isNumber(epsilon) && epsilon > 0 && epsilon < Infinity))
    throw new ArgumentError("epsilon", "> 0 and finite", shown(epsilon));
  if (delta !== undefined && !(isNumber(delta) && delta > 0 && delta < 1))
    throw new ArgumentError("delta", "in (0, 1)", shown(delta));
  checkRisk(request);
  checkTuning(request);
  if (!ACCOUNTANT_NAMES.includes(accountant))
    throw new ArgumentError("accountant", ACCOUNTANT_NAMES.join(" or "), shown(accountant));
  if (!NEIGHBORINGS.includes(neighboring))
    throw new ArgumentError("neighboring", `one of ${NEIGHBORINGS.join(", ")}`, shown(neighboring));

  const missing: Unknown[] = [];
  if (noiseMultiplier === undefined) missing.push("noiseMultiplier");
  const { maxAdvantage, maxTruePositiveRate } = request;
  if (epsilon === undefined && maxAdvantage === undefined && maxTruePositiveRate === undefined)
    missing.push("epsilon");
  if (delta === undefined) missing.push("delta");
  if (steps === undefined && epochs === undefined) missing.push("steps");
  if (batchSize === undefined) missing.push("batchSize");
  if (missing.length === 0)
    throw new ArgumentError(
      "one of noiseMultiplier, epsilon, delta, steps or batchSize",
      "left out: it is what a plan solves for",
      "all of them",
    );
  if (missing.length > 1)
    throw new ArgumentError(missing.join(", "), "given but for one, which is solved for", "none of them");
  if (missing[0] === "delta" && epsilon === undefined)
    throw new ArgumentError(
      "delta",
      "given: an attacker's gain does not depend on it, the stated epsilon does",
      "nothing",
    );
  const checked: CheckedRequest = { ...defined(request), examples, accountant, neighboring };
  if (epochs !== undefined && batchSize !== undefined) {
    const count = stepsOf(checked, batchSize);
    if (!(count <= MOST_STEPS))
      throw new ArgumentError("epochs", `at most 1e9 steps of batchSize ${batchSize}`, `${epochs}`);
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
    throw new ArgumentError(
      given.map(([name]) => name).join(" and "),
      "given one at a time: each is the budget",
      given.length === 2 ? "both" : "all",
    );
  if (maxAdvantage !== undefined && !(isNumber(maxAdvantage) && maxAdvantage > 0 && maxAdvantage < 1))
    throw new ArgumentError("maxAdvantage", "in (0, 1)", shown(maxAdvantage));
  if (maxTruePositiveRate !== undefined) {
    const { rate, falsePositiveRate } = (maxTruePositiveRate ?? {}) as unknown as Record<string, unknown>;
    checkFields("maxTruePositiveRate", maxTruePositiveRate, RATE_FIELDS, { path: "maxTruePositiveRate" });
    if (
      !(
        isNumber(rate) &&
        isNumber(falsePositiveRate) &&
        falsePositiveRate > 0 &&
        rate > falsePositiveRate &&
        rate < 1
      )
    )
      throw new ArgumentError(
        "maxTruePositiveRate",
        "a rate above its falsePositiveRate, both in (0, 1)",
        shown(maxTruePositiveRate),
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
