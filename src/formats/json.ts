// JSON as it comes from others: parsed with the numbers that it lacks, and objects held to exactly their fields.

import { shown } from "./argumentError.js";

/** JSON has no Infinity: it stands as the string "Infinity" wherever a number may stand. */
export type JsonNumber = number | "Infinity";

/** Text becomes JSON; the bare Infinity and NaN that Python writes become strings, to be judged where they stand. */
export function parseJson(json: unknown): unknown {
  if (typeof json !== "string") return json;
  try {
    return JSON.parse(json);
  } catch {
    // Not as it stands: perhaps for the want of these.
  }
  const text = json.replace(
    /("(?:[^"\\]|\\.)*")|-?\bInfinity\b|\bNaN\b/g,
    (match, quoted: string | undefined) => quoted ?? `"${match}"`,
  );
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SyntaxError(`not JSON: ${(error as Error).message.replaceAll(/\s+/g, " ")}`);
  }
}

/** The object of that format in text or parsed JSON, of version 1, with exactly these fields beside format and version. */
export function envelope(json: unknown, format: string, fields: readonly string[]): Record<string, unknown> {
  const value = parseJson(json);
  if (typeof value !== "object" || value === null || (value as { format?: unknown }).format !== format)
    throw new TypeError(
      `not a ${format}: its format must be "${format}", got ${shown((value as { format?: unknown } | null)?.format)}`,
    );
  const { version } = value as { version?: unknown };
  if (version !== 1) throw new TypeError(`version of ${format} must be 1, got ${shown(version)}`);
  return record(value, format, ["format", "version", ...fields]);
}

/** value as an object with exactly these fields. */
export function record(value: unknown, where: string, fields: readonly string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new TypeError(`${where} must be an object, got ${shown(value)}`);
  for (const field of fields)
    if (!Object.hasOwn(value, field)) throw new TypeError(`${where} must have the field ${field}`);
  for (const field of Object.keys(value))
    if (!fields.includes(field)) throw new TypeError(`${where} has an unknown field ${shown(field)}`);
  return value as Record<string, unknown>;
}

/** A number, or the text "Infinity" (also "inf"); NaN and everything else is refused. −0 becomes 0. */
export function finiteOrInfinity(value: unknown, where: string): number {
  if (value === "Infinity" || value === "inf") return Infinity;
  if (typeof value === "number" && !Number.isNaN(value)) return value + 0;
  throw new TypeError(`${where} must be a number, got ${shown(value)}`);
}

/** Equal as JSON, whatever the order of keys. */
export function sameJson(a: unknown, b: unknown): boolean {
  return canonicalJson(a) === canonicalJson(b);
}

/** JSON with sorted keys: the same text for equal values. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === "object" && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([x], [y]) => (x < y ? -1 : 1)))
      : each,
  );
}
