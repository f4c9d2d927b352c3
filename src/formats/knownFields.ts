// The fields that an options object may have: what is not among them is refused by name, with a hint at the right one.
import { ArgumentError, shown } from "./argumentError.js";
import { nearest } from "./nearestName.js";

/**
 * All fields of T, no more and no fewer, or the list does not compile:
 * `const FIELDS = { out: true, … } satisfies FieldsOf<Options>`.
 */
export type FieldsOf<T> = { readonly [K in keyof Required<T>]: true };

/**
 * Throws ArgumentError unless value is an object with no fields but these; a field that is undefined counts as left out.
 * name: whose options they are, such as "train" or "layers[2]"; advice: of fields that people look for, what to do instead.
 */
export function checkFields(
  name: string,
  value: unknown,
  fields: Readonly<Record<string, unknown>>,
  { path = "", advice = {} }: FieldHints = {},
): void {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new ArgumentError(path || `options of ${name}`, "an object", shown(value));
  for (const [field, found] of Object.entries(value)) {
    if (found === undefined || Object.hasOwn(fields, field)) continue;
    const near = Object.hasOwn(advice, field) ? advice[field] : meant(field, Object.keys(fields));
    throw new ArgumentError(
      path === "" ? field : `${path}.${field}`,
      `left out: ${name} has no such ${path === "" ? "option" : "field"}${near ? ` (${near})` : ""}`,
      shown(found),
    );
  }
}

export interface FieldHints {
  /** Where the object stands in what was given, such as "layers[2]"; default: it is all that was given. */
  readonly path?: string;
  readonly advice?: Readonly<Record<string, string>>;
}

/** Capitals apart, or with a few letters changed. */
function meant(field: string, names: readonly string[]): string | undefined {
  const near = names.find((name) => name.toLowerCase() === field.toLowerCase()) ?? nearest(field, names);
  return near && `did you mean ${near}?`;
}
