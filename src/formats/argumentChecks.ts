// Checks of single arguments: each throws ArgumentError, with the field, what is allowed and what was found, unless it holds.
import { ArgumentError, shown } from "./argumentError.js";

const isNumber = (value: unknown): value is number => typeof value === "number";

function check(holds: boolean, field: string, allowed: string, value: unknown): void {
  if (!holds) throw new ArgumentError(field, allowed, shown(value));
}

/** > 0 and finite. */
export function positive(field: string, value: unknown): asserts value is number {
  check(isNumber(value) && value > 0 && value < Infinity, field, "> 0 and finite", value);
}

/** In [0, 1). */
export function fraction(field: string, value: unknown): asserts value is number {
  check(isNumber(value) && value >= 0 && value < 1, field, "in [0, 1)", value);
}

/** A whole number in [least, most]. */
export function whole(
  field: string,
  value: unknown,
  least = 0,
  most = Number.MAX_SAFE_INTEGER,
): asserts value is number {
  const allowed =
    most === Number.MAX_SAFE_INTEGER ? `a whole number >= ${least}` : `a whole number in [${least}, ${most}]`;
  check(
    isNumber(value) && Number.isSafeInteger(value) && value >= least && value <= most,
    field,
    allowed,
    value,
  );
}

export function flag(field: string, value: unknown): asserts value is boolean {
  check(typeof value === "boolean", field, "true or false", value);
}

/** A text that is not empty. */
export function text(field: string, value: unknown): asserts value is string {
  check(typeof value === "string" && value !== "", field, "a text that is not empty", value);
}

export function listOfTexts(field: string, value: unknown): asserts value is readonly string[] {
  const holds = Array.isArray(value) && value.every((each) => typeof each === "string" && each !== "");
  check(holds, field, "a list of texts", value);
}

export function callable(field: string, value: unknown): void {
  check(typeof value === "function", field, "a function", value);
}

export function oneOf(field: string, value: unknown, choices: readonly unknown[]): void {
  if (!choices.includes(value))
    throw new ArgumentError(
      field,
      `one of ${choices.join(", ")}`,
      typeof value === "string" && value !== "" ? value : shown(value),
    );
}
