// What the reader has set: kept in the page's address, and written as the command line that asks for the same.
import { ACCOUNTANT_NAMES, type AccountantName, NEIGHBORINGS } from "../formats/guarantee.js";
import type { Plan, Unknown } from "../formats/plan.js";
import { defaultAccountant } from "../formats/request.js";
import {
  EXTRAS,
  type ExtraName,
  type Extras,
  extrasOf,
  limitsAttacker,
  readExtras,
  withoutLimit,
} from "./extras.js";
import { type FieldName, fieldText, type Neighboring, QUANTITIES, quantity, UNKNOWNS } from "./quantities.js";

export interface State {
  readonly solveFor: Unknown;
  /** As typed: numbers or expressions. What is solved for keeps its last text, unread. */
  readonly texts: Readonly<Record<FieldName, string>>;
  /** How long the run is, is said in these. */
  readonly length: "steps" | "epochs";
  /** What else the plan pays for, or spends in place of ε: kept, shown and handed on, whatever is solved for. */
  readonly extras: Extras;
  readonly accountant: AccountantName;
  readonly neighboring: Neighboring;
  /** k of the proxy run: batch size and noise are divided by it. */
  readonly proxy: number;
}

/** The demo's plan. */
export const START: State = {
  solveFor: "noiseMultiplier",
  texts: {
    examples: "60000",
    batchSize: "2048",
    steps: "300",
    epochs: "10",
    epsilon: "3",
    delta: "1e-5",
    noiseMultiplier: "1.2",
  },
  length: "steps",
  extras: {},
  accountant: "pld",
  neighboring: "add-or-remove-one",
  proxy: 16,
};

/** The fields that are read, in the order of the page: all but what is solved for and the other way to say the length. */
export function givenFields({
  solveFor,
  length,
  extras,
}: Pick<State, "solveFor" | "length" | "extras">): FieldName[] {
  return QUANTITIES.map(({ name }) => name).filter((name) => {
    if (name === solveFor || (name === "epsilon" && limitsAttacker(extras))) return false;
    return name === "steps" || name === "epochs" ? solveFor !== "steps" && name === length : true;
  });
}

/** Of requests that name none. */
const accountantWith = (extras: Extras): AccountantName => defaultAccountant(readExtras(extras).request);

/** The state as the part of the address after "#": it never leaves the browser. */
export function toFragment(state: State): string {
  const parts = new URLSearchParams();
  for (const name of givenFields(state)) parts.set(quantity(name).key, state.texts[name]);
  parts.set("solve", quantity(state.solveFor).key);
  for (const [name, text] of Object.entries(state.extras)) parts.set(name, text);
  if (state.accountant !== accountantWith(state.extras)) parts.set("accountant", state.accountant);
  for (const name of ["neighboring", "proxy"] as const)
    if (state[name] !== START[name]) parts.set(name, String(state[name]));
  return parts.toString();
}

/** The state of an address; whatever it does not say, or says wrongly, is as at the start. Fields may hold any text. */
export function fromFragment(fragment: string): State {
  const parts = new URLSearchParams(fragment.replace(/^#/, ""));
  const texts = { ...START.texts };
  for (const { name, key } of QUANTITIES) texts[name] = parts.get(key) ?? texts[name];
  const extras: Partial<Record<ExtraName, string>> = {};
  for (const { name } of EXTRAS) {
    const text = parts.get(name);
    if (text !== null) extras[name] = text;
  }
  const proxy = Number(parts.get("proxy"));
  return {
    solveFor: UNKNOWNS.find((name) => quantity(name).key === parts.get("solve")) ?? START.solveFor,
    texts,
    length: parts.has("E") && !parts.has("T") ? "epochs" : "steps",
    extras,
    accountant: ACCOUNTANT_NAMES.find((name) => name === parts.get("accountant")) ?? accountantWith(extras),
    neighboring: NEIGHBORINGS.find((name) => name === parts.get("neighboring")) ?? START.neighboring,
    proxy: proxy >= 1 ? proxy : START.proxy,
  };
}

/** The command that makes the same plan, to the last digit. */
export function commandLineOf(state: State): string {
  const words = ["dpsgd plan"];
  const option = (name: string, text: string): void => {
    words.push(`--${name} ${/^[\w.+-]+$/.test(text) ? text : `"${text}"`}`);
  };
  for (const name of givenFields(state)) option(quantity(name).option, state.texts[name].trim());
  for (const [name, text] of Object.entries(state.extras)) option(name, text.trim());
  if (state.accountant !== accountantWith(state.extras)) option("accountant", state.accountant);
  if (state.neighboring !== START.neighboring) option("neighboring", state.neighboring);
  return [...words, "--out plan.json"].join(" ");
}

/**
 * Another quantity becomes the unknown; the one that was keeps the value that was found, so that the plan stays. ε and δ are
 * not to be found from a limit on an attacker: that gives way to the plan's ε.
 */
export function solvingFor(state: State, solveFor: Unknown, plan: Plan | undefined): State {
  if (solveFor === state.solveFor) return state;
  const before = state.solveFor;
  const kept = solveFor === "epsilon" || solveFor === "delta" ? withoutAttacker(state, plan) : state;
  const texts = { ...kept.texts };
  if (plan) texts[before] = fieldText(valueIn(plan, before));
  return { ...kept, texts, solveFor, length: before === "steps" ? "steps" : state.length };
}

/** With the plan's ε as the budget, in place of a limit on an attacker. */
export function withoutAttacker(state: State, plan: Plan | undefined): State {
  if (!limitsAttacker(state.extras)) return state;
  const texts = { ...state.texts, ...(plan && { epsilon: fieldText(plan.achieved.epsilon) }) };
  return { ...state, texts, extras: withoutLimit(state.extras) };
}

/** The value of a quantity in a plan. */
export function valueIn(plan: Plan, name: FieldName): number {
  switch (name) {
    case "epsilon":
      return plan.achieved.epsilon;
    case "delta":
      return plan.achieved.delta;
    case "epochs":
      return (plan.steps * plan.batchSize) / plan.examples;
    default:
      return plan[name];
  }
}

/** The state that asks for what a given plan asked for, all of it. */
export function stateOf(plan: Plan): State {
  const { request } = plan;
  const solveFor =
    UNKNOWNS.find((name) =>
      name === "steps"
        ? request.steps === undefined && request.epochs === undefined
        : name === "epsilon"
          ? request.epsilon === undefined &&
            request.maxAdvantage === undefined &&
            request.maxTruePositiveRate === undefined
          : request[name] === undefined,
    ) ?? START.solveFor;
  const texts = { ...START.texts };
  for (const { name } of QUANTITIES) texts[name] = fieldText(request[name] ?? valueIn(plan, name));
  return {
    ...START,
    solveFor,
    texts,
    length: request.epochs === undefined ? "steps" : "epochs",
    extras: extrasOf(request),
    accountant: request.accountant,
    neighboring: request.neighboring,
  };
}
