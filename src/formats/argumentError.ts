// An argument that cannot be used, as data: which, what is allowed, what was found. The message is made of them.

/**
 * `field` must be `allowed`, got `found`. The command line shows the option that a field belongs to, the page marks it.
 * A RangeError, so that whoever catches those catches these.
 */
export class ArgumentError extends RangeError {
  override readonly name = "ArgumentError";
  /**
   * field: its name in the options of the function called, or a path into them such as layers[2].units; allowed: what it must be,
   * without the verb; found: the value in words, `shown` where it is not text already.
   */
  constructor(
    readonly field: string,
    readonly allowed: string,
    readonly found: string,
  ) {
    super(`${field} must be ${allowed}, got ${found}`);
  }
}

/** Any value on one short line, for the `found` of an ArgumentError. */
export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "function") return "a function";
  const text =
    typeof value === "number" || typeof value === "bigint"
      ? String(value)
      : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
