// Reading a verb's options: what each may be stands once, for --help, for the check and for the message that refuses.
import { parseArgs } from "node:util";
import { nearest } from "../formats/nearestName.js";
import { ExpressionError, Expressions } from "../math/expression.js";
import { plainNumber } from "../math/plainNumber.js";

/** Wrong usage: one line that names the option, the value found and what is allowed; exit status 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The numbers that an option takes. */
export interface Range {
  /** As messages and --help say it: "> 0 and finite". */
  readonly allowed: string;
  accepts(value: number): boolean;
  /** Applied to the value of an expression, such as 60*N/B, never to a plain number. */
  round?(value: number): number;
}

export interface Option {
  /** Without the dashes. */
  readonly name: string;
  /** What stands for the value in --help, in brackets where it may be left out (then it is ""); a flag has none. */
  readonly value?: string;
  readonly help: string;
  readonly range?: Range;
  /** As --help says it. */
  readonly otherwise?: string;
}

export const whole = (least: number, most = Number.MAX_SAFE_INTEGER, round?: Range["round"]): Range => ({
  allowed:
    most === Number.MAX_SAFE_INTEGER
      ? `a whole number >= ${least}`
      : `a whole number in [${least}, ${most >= 1e6 ? most.toExponential().replace("+", "") : most}]`,
  accepts: (value) => Number.isSafeInteger(value) && value >= least && value <= most,
  ...(round && { round }),
});
export const positive: Range = { allowed: "> 0 and finite", accepts: (value) => value > 0 };
export const atLeastZero: Range = { allowed: ">= 0 and finite", accepts: (value) => value >= 0 };
export const probability: Range = { allowed: "in [0, 1]", accepts: (value) => value >= 0 && value <= 1 };

/** What every verb takes. */
export const COMMON_OPTIONS: readonly Option[] = [
  { name: "json", help: "print exactly one JSON object on standard output" },
  { name: "help", help: "print this page" },
];

export interface Arguments {
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  readonly positionals: readonly string[];
}

/** Parses args. Throws UsageError for unknown or repeated options, missing values and surplus arguments. */
export function readArguments(
  args: readonly string[],
  allowed: { readonly options: readonly Option[]; readonly positionals: number },
): Arguments {
  const known = new Map([...allowed.options, ...COMMON_OPTIONS].map((each) => [each.name, each]));
  const joined: string[] = [];
  const seen = new Set<string>();
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (/^-[^-]/.test(arg)) throw new UsageError(unknownOption(arg, [...known.keys()]));
    const [, name, , value] = /^--([^=]+)(=(.*))?$/s.exec(arg) ?? [];
    if (name === undefined) {
      joined.push(arg);
      continue;
    }
    const option = known.get(name);
    if (!option) throw new UsageError(unknownOption(`--${name}`, [...known.keys()]));
    if (seen.has(name)) throw new UsageError(`--${name} must be given once, got it twice`);
    seen.add(name);
    if (option.value === undefined && value !== undefined)
      throw new UsageError(`--${name} takes no value, got ${JSON.stringify(value)}`);
    if (option.value === undefined || value !== undefined) joined.push(arg);
    // A value is what follows its option, even if it begins with a dash: --steps -1.
    else if (i + 1 < args.length && !args[i + 1]!.startsWith("--")) joined.push(`${arg}=${args[++i]}`);
    else if (option.value.startsWith("[")) joined.push(`${arg}=`);
    else throw new UsageError(`--${name} is missing its value: ${describe(option)}`);
  }
  const options = Object.fromEntries(
    [...known.values()].map(({ name, value }) => [
      name,
      { type: value === undefined ? ("boolean" as const) : ("string" as const) },
    ]),
  );
  const parsed = parseArgs({ args: joined, options, allowPositionals: true, strict: true });
  const surplus = parsed.positionals[allowed.positionals];
  if (surplus !== undefined) throw new UsageError(`unexpected argument ${JSON.stringify(surplus)}`);
  return parsed;
}

/** "noisy updates, a whole number >= 1". */
export function describe({ help, range, otherwise }: Option): string {
  return `${help}${range ? `, ${range.allowed}` : ""}${otherwise ? ` (default: ${otherwise})` : ""}`;
}

/** What the names in expressions stand for, by the option that gives them. */
const SYMBOLS: Readonly<Record<string, string>> = {
  N: "examples",
  B: "batch-size",
  T: "steps",
  E: "epochs",
  q: "sampling-rate",
  sigma: "noise-multiplier",
  epsilon: "epsilon",
  delta: "delta",
};

/** The options that have a range, each a number or an expression over N, B, T, E, q, sigma, epsilon, delta. */
export async function readNumbers(
  values: Arguments["values"],
  options: readonly Option[],
): Promise<Record<string, number>> {
  const text = (name: string) => (typeof values[name] === "string" ? (values[name] as string) : undefined);
  const numbers: Record<string, number> = {};
  for (const { name, range } of options) {
    const given = text(name);
    if (given === undefined || !range) continue;
    const refuse = (found: string) => new UsageError(`--${name} must be ${range.allowed}, got ${found}`);
    if (given.trim() === "") throw refuse("nothing");
    if (/^[+-]?(nan|inf(inity)?)$/i.test(given.trim())) throw refuse(given.trim());
    const plain = plainNumber(given);
    let value = plain ?? (await evaluate(name, given, text));
    if (plain === undefined && range.round) value = range.round(value);
    if (!(Number.isFinite(value) && range.accepts(value)))
      throw refuse(plain === undefined ? `${JSON.stringify(given)} = ${value}` : given.trim());
    numbers[name] = value;
  }
  return numbers;
}

async function evaluate(
  name: string,
  given: string,
  text: (name: string) => string | undefined,
): Promise<number> {
  const meaning = (symbol: string): string | undefined => {
    if (symbol === "q" && text("sampling-rate") === undefined)
      return text("examples") !== undefined && text("batch-size") !== undefined ? "B/N" : undefined;
    return text(SYMBOLS[symbol]!);
  };
  try {
    return (await Expressions.load(Object.keys(SYMBOLS), meaning)).evaluate(given);
  } catch (error) {
    if (error instanceof ExpressionError) throw new UsageError(`--${name} ${error.message}`);
    throw error;
  }
}

/** A text that is there and not empty. Throws UsageError with what is allowed. */
export function readText(values: Arguments["values"], { name, ...option }: Option): string {
  const given = values[name];
  if (given === undefined) throw new UsageError(`--${name} is missing: ${describe({ name, ...option })}`);
  if (given === "") throw new UsageError(`--${name} must be ${option.help}, got nothing`);
  return String(given);
}

/** More choices than this do not fit into a message. */
const MOST_LISTED = 12;

/** One of a few words. */
export function readChoice<T extends string>(
  values: Arguments["values"],
  name: string,
  choices: readonly T[],
  otherwise: T,
): T {
  const given = values[name] ?? otherwise;
  const found = choices.find((each) => each === given);
  if (found === undefined) {
    const near = nearest(String(given), choices);
    const few = choices.length <= MOST_LISTED;
    const listed = few ? choices.join(", ") : `${choices[0]} and ${choices.length - 1} more`;
    const hint = few
      ? ""
      : near === undefined
        ? "; --help says where they are listed"
        : `; did you mean ${near}?`;
    throw new UsageError(`--${name} must be one of ${listed}, got ${String(given) || "nothing"}${hint}`);
  }
  return found;
}

function unknownOption(found: string, names: readonly string[]): string {
  const name = found.replace(/^-+/, "");
  const near = nearest(name, names);
  return `unknown option ${found}${near === undefined ? "; --help lists those there are" : `; did you mean --${near}?`}`;
}
