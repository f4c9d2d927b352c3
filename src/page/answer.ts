// From what the fields hold to an answer: reads each field, plans, and says at which field something is wrong.
import { UnsupportedEventError } from "../accounting/accountant.js";
import { NoSolutionError, type Plan, type PlanRequest } from "../formats/plan.js";
import { planToText } from "../formats/planReader.js";
import { ExpressionError, Expressions } from "../math/expression.js";
import { plainNumber } from "../math/plainNumber.js";
import { plan } from "../planner/solve.js";
import { EXTRAS, type ExtraName, readExtras } from "./extras.js";
import { livePlan } from "./live.js";
import { type FieldName, QUANTITIES, quantity } from "./quantities.js";
import { givenFields, type State } from "./state.js";

export interface Reading {
  /** Absent where there is an error. */
  readonly value?: number;
  /** One line that says what the field must be and what was found. */
  readonly error?: string;
}

export interface Answer {
  readonly readings: Readonly<Partial<Record<FieldName, Reading>>>;
  /** What is wrong with what stands beside the fields: a line each. */
  readonly extraErrors: Readonly<Partial<Record<ExtraName, string>>>;
  readonly plan?: Plan;
  /** The file that `dpsgd train` reads. */
  readonly json?: string;
  /** Why there is no plan although every field can be read; it is shown where the answer would be. */
  readonly problem?: string;
  /** A live answer, which the command line's follows: how much of that it has. */
  readonly live?: "six digits" | "a bound";
  /** What the planner alone took. */
  readonly milliseconds: number;
}

/** Where the live answer is that there is none. */
const UNDECIDED = "no such plan is found within a moment: whether there is one is being computed";

/**
 * Never throws for anything that a field may hold. The answer is the command line's, which can take seconds for few steps
 * or low rates; a "live" one is what can be proven within a moment (milliseconds; by default well within a frame of the
 * screen), and says how tight that is.
 */
export async function answerTo(
  state: State,
  effort: "live" | "thorough" = "thorough",
  moment?: number,
): Promise<Answer> {
  const read = await readRequest(state);
  const { readings, extraErrors, request } = read;
  if (!request) return { ...read, milliseconds: 0 };
  const start = performance.now();
  try {
    const made = effort === "live" ? livePlan(request, moment) : { plan: plan(request) };
    const milliseconds = performance.now() - start;
    const live = "tight" in made && { live: made.tight ? ("six digits" as const) : ("a bound" as const) };
    const { plan: found } = made;
    return { readings, extraErrors, plan: found, json: planToText(found), ...live, milliseconds };
  } catch (error) {
    const milliseconds = performance.now() - start;
    const none = { readings, extraErrors, milliseconds };
    if (error instanceof NoSolutionError)
      return effort === "live"
        ? { ...none, problem: UNDECIDED, live: "a bound" }
        : { ...none, problem: error.message };
    if (error instanceof UnsupportedEventError) return { ...none, problem: error.message };
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
    const { message } = error;
    // "batchSize must be …": a check of the planner that takes two fields to see.
    const about = (name: string): boolean => message.startsWith(`${name} `);
    const field = QUANTITIES.find(({ name }) => about(name))?.name;
    if (field !== undefined && field in readings)
      return { ...none, readings: { ...readings, [field]: { error: message.slice(field.length + 1) } } };
    const extra = EXTRAS.find(
      ({ name, requestName }) => about(requestName) && state.extras[name] !== undefined,
    );
    if (extra === undefined) return { ...none, problem: message };
    return { ...none, extraErrors: { [extra.name]: message.slice(extra.requestName.length + 1) } };
  }
}

/** What the state asks for; without a request where something cannot be read. */
export async function readRequest(
  state: State,
): Promise<Pick<Answer, "readings" | "extraErrors"> & { readonly request?: PlanRequest }> {
  const readings = await readFields(state);
  const { request: extras, errors: extraErrors } = readExtras(state.extras);
  const isWrong = Object.values(readings).some(({ error }) => error !== undefined);
  if (isWrong || Object.keys(extraErrors).length > 0) return { readings, extraErrors };
  const values = Object.fromEntries(Object.entries(readings).map(([name, { value }]) => [name, value]));
  const { accountant, neighboring } = state;
  return {
    readings,
    extraErrors,
    request: { ...values, ...extras, accountant, neighboring } as unknown as PlanRequest,
  };
}

async function readFields(state: State): Promise<Partial<Record<FieldName, Reading>>> {
  const given = givenFields(state);
  const textOf = (name: FieldName) => (given.includes(name) ? state.texts[name] : undefined);
  const names = [...QUANTITIES.map(({ key }) => key), "q"];
  const meaning = (key: string): string | undefined => {
    if (key === "q") return textOf("batchSize") === undefined ? undefined : "B/N";
    return textOf(QUANTITIES.find((each) => each.key === key)!.name);
  };
  const readings: Partial<Record<FieldName, Reading>> = {};
  for (const name of given) {
    const { allowed, accepts, floors } = quantity(name);
    const text = state.texts[name];
    const refuse = (found: string): Reading => ({ error: `must be ${allowed}, got ${found}` });
    const plain = plainNumber(text);
    if (text.trim() === "") readings[name] = refuse("nothing");
    else if (/^[+-]?(nan|inf(inity)?)$/i.test(text.trim())) readings[name] = refuse(text.trim());
    else
      try {
        let value = plain ?? (await Expressions.load(names, meaning)).evaluate(text);
        if (plain === undefined && floors) value = Math.floor(value);
        readings[name] =
          Number.isFinite(value) && accepts(value)
            ? { value }
            : refuse(plain === undefined ? `${text.trim()} = ${value}` : text.trim());
      } catch (error) {
        if (!(error instanceof ExpressionError)) throw error;
        readings[name] = { error: error.message };
      }
  }
  return blamedOnce(readings, state.texts);
}

/** A field that is wrong only because of what another holds says so, instead of repeating the other's message. */
function blamedOnce(
  readings: Partial<Record<FieldName, Reading>>,
  texts: State["texts"],
): Partial<Record<FieldName, Reading>> {
  const names = Object.keys(readings) as FieldName[];
  const quotes = (error: string, name: FieldName) => error.includes(JSON.stringify(texts[name]));
  return Object.fromEntries(
    names.map((name) => {
      const { error } = readings[name]!;
      const origin =
        error === undefined || quotes(error, name)
          ? undefined
          : names.find((other) => readings[other]!.error === error && quotes(error, other));
      return [name, origin ? { error: `waits for ${quantity(origin).label.toLowerCase()}` } : readings[name]];
    }),
  );
}
