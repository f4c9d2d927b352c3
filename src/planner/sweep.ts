// Ranges of a quantity as people write them: "256:65536:x2", "250:1000:+250", "1,2,4".
import { ArgumentError } from "../formats/argumentError.js";

/** Most values one range may have: a range that was mistyped ends here and not in an hour. */
const MOST_VALUES = 10_000;

/**
 * The values of a range, ascending as written: FIRST:LAST:xFACTOR (geometric), FIRST:LAST:+STEP (arithmetic) or a list
 * with commas. LAST is included where the steps meet it, to one part in 10⁹. Throws ArgumentError.
 */
export function sweepValues(text: string): number[] {
  const refuse = (what: string): never => {
    throw new ArgumentError(
      "values",
      "FIRST:LAST:xFACTOR, FIRST:LAST:+STEP or a list A,B,C",
      `${JSON.stringify(text)}${what}`,
    );
  };
  const number = (part: string): number => {
    const value = part.trim() === "" ? Number.NaN : Number(part.replaceAll("_", ""));
    return Number.isFinite(value) ? value : refuse(`: ${JSON.stringify(part)} is no number`);
  };
  const parts = text.split(":");
  if (parts.length === 1) return text.split(",").map(number);
  if (parts.length !== 3) refuse("");
  const first = number(parts[0]!);
  const last = number(parts[1]!);
  const [sign, size] = [parts[2]!.slice(0, 1), number(parts[2]!.slice(1))];
  if (!(last >= first)) refuse(": LAST is below FIRST");
  if (sign === "x" ? !(size > 1 && first > 0) : sign !== "+" || !(size > 0))
    refuse(
      sign === "x"
        ? ": FACTOR must be above 1 and FIRST above 0"
        : ": the last part must be xFACTOR or +STEP",
    );
  const values: number[] = [];
  for (let i = 0; ; i++) {
    const value = sign === "x" ? first * size ** i : first + size * i;
    if (value > last * (1 + 1e-9)) return values;
    if (values.length === MOST_VALUES) refuse(`: more than ${MOST_VALUES} values`);
    values.push(Math.min(value, last));
  }
}
