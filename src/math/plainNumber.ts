// Plain numbers as people write them.

const PLAIN = /^[+-]?(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)([eE][+-]?\d+)?$/;

/** A text's number if it is a plain one (60000, 60_000, 1e-5, .5), else undefined. */
export function plainNumber(text: string): number | undefined {
  const trimmed = text.trim();
  return PLAIN.test(trimmed) ? Number(trimmed.replaceAll("_", "")) : undefined;
}
