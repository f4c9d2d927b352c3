// The fields on the left: the plan's quantities, what else it pays for, and what ε means.
import { useEffect, useState } from "preact/hooks";
import { ACCOUNTANT_NAMES, NEIGHBORINGS } from "../formats/guarantee.js";
import type { Plan, Unknown } from "../formats/plan.js";
import type { Answer } from "./answer.js";
import { ExtraField } from "./extraField.js";
import { EXTRAS, limitsAttacker, withoutExtra } from "./extras.js";
import { Field } from "./field.js";
import { type FieldName, fieldText, quantity } from "./quantities.js";
import { type State, solvingFor, valueIn, withoutAttacker } from "./state.js";
import type { SetState } from "./useAddress.js";

interface Props {
  readonly state: State;
  readonly onState: SetState;
  /** To the fields, as far as it is there. */
  readonly answer: Answer | undefined;
  /** The last good one, and whether the answer is the exact one to the state. */
  readonly plan: Plan | undefined;
  readonly isExact: boolean;
}

export function Fields({ state, onState, answer, plan, isExact }: Props) {
  const [marked, setMarked] = useMark(onState, plan, isExact);
  const readings = answer?.readings ?? {};
  const { extras } = state;
  const field = (name: FieldName, unknown?: Unknown) => (
    <Field
      of={quantity(name)}
      text={state.texts[name]}
      reading={readings[name]}
      {...(name === "batchSize" && readings.examples?.value && { limit: readings.examples.value })}
      {...(unknown && {
        unknown: {
          marked: (marked ?? state.solveFor) === unknown,
          chosen: state.solveFor === unknown,
          onMark: () => setMarked(unknown),
        },
        solved: plan && valueIn(plan, name),
      })}
      onText={(text) => onState((before) => ({ ...before, texts: { ...before.texts, [name]: text } }))}
    >
      {(name === "steps" || name === "epochs") && state.solveFor !== "steps" && (
        <LengthSwitch is={name} onSwitch={() => onState((before) => otherLength(before, plan))} />
      )}
    </Field>
  );
  const extraFields = (isBudget: boolean) =>
    EXTRAS.filter(({ name, budget = false }) => extras[name] !== undefined && budget === isBudget).map(
      (extra) => (
        <ExtraField
          key={extra.name}
          of={extra}
          text={extras[extra.name] ?? ""}
          error={answer?.extraErrors[extra.name]}
          onText={(text) =>
            onState((before) => ({ ...before, extras: { ...before.extras, [extra.name]: text } }))
          }
          onRemove={() =>
            onState((before) =>
              isBudget
                ? withoutAttacker(before, plan)
                : { ...before, extras: withoutExtra(before.extras, extra.name) },
            )
          }
        />
      ),
    );
  return (
    <form class="fields" aria-label="the plan's quantities" onSubmit={(event) => event.preventDefault()}>
      <p class="intro">
        Mark what is solved for. Fields take numbers and expressions such as <code>60*N/B</code> or{" "}
        <code>1/N^1.1</code>.
      </p>
      {field("examples")}
      {field("batchSize", "batchSize")}
      {field(state.solveFor === "steps" ? "steps" : state.length, "steps")}
      {limitsAttacker(extras) ? extraFields(true) : field("epsilon", "epsilon")}
      {field("delta", "delta")}
      {field("noiseMultiplier", "noiseMultiplier")}
      {extraFields(false)}
      <Choices state={state} onState={onState} />
    </form>
  );
}

/** What is marked is solved for as soon as the exact answer is there, whose value the field solved for until then keeps. */
function useMark(onState: SetState, plan: Plan | undefined, isExact: boolean) {
  const [marked, setMarked] = useState<Unknown>();
  useEffect(() => {
    if (!(marked && isExact)) return;
    onState((before) => solvingFor(before, marked, plan));
    setMarked(undefined);
  }, [marked, isExact]);
  return [marked, setMarked] as const;
}

function LengthSwitch({ is, onSwitch }: { is: "steps" | "epochs"; onSwitch: () => void }) {
  const other = is === "steps" ? "epochs" : "steps";
  return (
    <button type="button" class="quiet" aria-label={`give ${other} instead of ${is}`} onClick={onSwitch}>
      ⇄ {other}
    </button>
  );
}

/** The run's length said the other way, in the plan's value. */
function otherLength(state: State, plan: Plan | undefined): State {
  const length = state.length === "steps" ? "epochs" : "steps";
  const known = plan && fieldText(Number(valueIn(plan, length).toPrecision(6)));
  return { ...state, length, texts: { ...state.texts, ...(known && { [length]: known }) } };
}

function Choices({ state, onState }: Pick<Props, "state" | "onState">) {
  const choice = <K extends "neighboring" | "accountant">(
    name: K,
    label: string,
    values: readonly State[K][],
  ) => (
    <label>
      {label}{" "}
      <select
        value={state[name]}
        onChange={({ currentTarget: { value } }) => {
          const chosen = values.find((each) => each === value);
          if (chosen) onState((before) => ({ ...before, [name]: chosen }));
        }}
      >
        {values.map((each) => (
          <option key={each}>{each}</option>
        ))}
      </select>
    </label>
  );
  return (
    <div class="choices">
      {choice("neighboring", "neighbours", NEIGHBORINGS)}
      {choice("accountant", "accountant", ACCOUNTANT_NAMES)}
    </div>
  );
}
