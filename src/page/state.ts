// What the reader has set: kept in the page's address, and written as the command line that asks for the same.
import { ACCOUNTANT_NAMES, type AccountantName, NEIGHBORINGS } from "../formats/guarantee.js";
import type { Plan, Unknown } from "../formats/plan.js";
import { type FieldName, fieldText, type Neighboring, QUANTITIES, quantity, UNKNOWNS } from "./quantities.js";

export interface State {
  readonly solveFor: Unknown;
  /** As typed: numbers or expressions. What is solved for keeps its last text, unread. */
  readonly texts: Readonly<Record<FieldName, string>>;
  /** How long the run is, is said in these. */
  readonly length: "steps" | "epochs";
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
  accountant: "pld",
  neighboring: "add-or-remove-one",
  proxy: 16,
};

/** The fields that are read, in the order of the page: all but what is solved for and the other way to say the length. */
export function givenFields({ solveFor, length }: Pick<State, "solveFor" | "length">): FieldName[] {
  return QUANTITIES.map(({ name }) => name).filter((name) => {
    if (name === solveFor) return false;
    return name === "steps" || name === "epochs" ? solveFor !== "steps" && name === length : true;
  });
}

/** The state as the part of the address after "#": it never leaves the browser. */
export function toFragment(state: State): string {
  const parts = new URLSearchParams();
  for (const name of givenFields(state)) parts.set(quantity(name).key, state.texts[name]);
  parts.set("solve", quantity(state.solveFor).key);
  for (const name of ["accountant", "neighboring", "proxy"] as const)
    if (state[name] !== START[name]) parts.set(name, String(state[name]));
  return parts.toString();
}

/** The state of an address; whatever it does not say, or says wrongly, is as at the start. Fields may hold any text. */
export function fromFragment(fragment: string): State {
  const parts = new URLSearchParams(fragment.replace(/^#/, ""));
  const texts = { ...START.texts };
  for (const { name, key } of QUANTITIES) texts[name] = parts.get(key) ?? texts[name];
  const proxy = Number(parts.get("proxy"));
  return {
    solveFor: UNKNOWNS.find((name) => quantity(name).key === parts.get("solve")) ?? START.solveFor,
    texts,
    length: parts.has("E") && !parts.has("T") ? "epochs" : "steps",
    accountant: ACCOUNTANT_NAMES.find((name) => name === parts.get("accountant")) ?? START.accountant,
    neighboring: NEIGHBORINGS.find((name) => name === parts.get("neighboring")) ?? START.neighboring,
    proxy: proxy >= 1 ? proxy : START.proxy,
  };
}

/** The command that makes the same plan, to the last digit. */
export function commandLineOf(state: State): string {
  const words = ["dpsgd plan"];
  for (const name of givenFields(state)) {
    const text = state.texts[name].trim();
    words.push(`--${quantity(name).option} ${/^[\w.+-]+$/.test(text) ? text : `"${text}"`}`);
  }
  if (state.accountant !== START.accountant) words.push(`--accountant ${state.accountant}`);
  if (state.neighboring !== START.neighboring) words.push(`--neighboring ${state.neighboring}`);
  return [...words, "--out plan.json"].join(" ");
}

/** Another quantity becomes the unknown; the one that was keeps the value that was found, so that the plan stays. */
export function solvingFor(state: State, solveFor: Unknown, plan: Plan | undefined): State {
  if (solveFor === state.solveFor) return state;
  const before = state.solveFor;
  const texts = { ...state.texts };
  if (plan) texts[before] = fieldText(valueIn(plan, before));
  return { ...state, texts, solveFor, length: before === "steps" ? "steps" : state.length };
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

/** The state that makes a given plan again: what it asked for, and where it asked for something else than ε, its ε. */
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
    accountant: request.accountant,
    neighboring: request.neighboring,
  };
}
