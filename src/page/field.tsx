// One quantity of the plan: what it is, its text, its slider, and what is wrong with it.
import type { ComponentChildren } from "preact";
import { roundedUp } from "../formats/rounded.js";
import { grouped } from "../report/model.js";
import type { Reading } from "./answer.js";
import { fieldText, type Quantity, SLIDER_STEPS, sliderPosition, sliderValue } from "./quantities.js";

interface FieldProps {
  readonly of: Quantity;
  readonly text: string;
  readonly reading: Reading | undefined;
  /** Where another field limits it, and with it the slider. */
  readonly limit?: number;
  /** Whether it can be, is marked to be, and is solved for; then `solved` is what was found. */
  readonly unknown?: { readonly marked: boolean; readonly chosen: boolean; readonly onMark: () => void };
  readonly solved?: number | undefined;
  readonly onText: (text: string) => void;
  /** Beside the label. */
  readonly children?: ComponentChildren;
}

export function Field({ of, text, reading, limit, unknown, solved, onText, children }: FieldProps) {
  const { name, label, symbol, hint } = of;
  const isSolved = unknown?.chosen === true;
  const value = isSolved ? solved : reading?.value;
  const error = isSolved ? undefined : reading?.error;
  const id = `field-${name}`;
  const isExpression = !isSolved && value !== undefined && Number(text.replaceAll("_", "")) !== value;
  const rounded = value === undefined ? undefined : Number(value.toPrecision(6));
  const shown = rounded === undefined ? "" : rounded < 1e-3 ? fieldText(rounded) : grouped(rounded);
  return (
    <div class={isSolved ? "field solved" : error ? "field wrong" : "field"}>
      <div class="field-head">
        {unknown && (
          <input
            type="radio"
            name="solve"
            class="solve"
            aria-label={`solve for ${label.toLowerCase()}`}
            title={`solve for ${label.toLowerCase()}`}
            checked={unknown.marked}
            onChange={unknown.onMark}
          />
        )}
        {isSolved ? (
          <span class="label" id={`${id}-label`}>
            {label} <i>{symbol}</i>
          </span>
        ) : (
          <label class="label" id={`${id}-label`} for={id}>
            {label} <i>{symbol}</i>
          </label>
        )}
        {children}
        {isSolved ? (
          <output class="value" aria-labelledby={`${id}-label`}>
            {solved === undefined ? "…" : fieldText(Number(roundedUp(solved, 6)))}
          </output>
        ) : (
          <input
            id={id}
            class="value"
            type="text"
            inputMode="text"
            autocomplete="off"
            spellcheck={false}
            value={text}
            aria-invalid={error !== undefined}
            aria-describedby={`${id}-about`}
            onInput={(event) => onText(event.currentTarget.value)}
          />
        )}
      </div>
      <input
        type="range"
        aria-label={`${label} slider`}
        aria-valuetext={shown || "no value"}
        min={0}
        max={SLIDER_STEPS}
        step={1}
        disabled={isSolved}
        value={value === undefined ? 0 : sliderPosition(of, value, limit)}
        onInput={(event) =>
          onText(fieldText(sliderValue(of, Number(event.currentTarget.value), value ?? Number.NaN, limit)))
        }
      />
      <p class="about" id={`${id}-about`}>
        {error ? (
          <span class="error">{error}</span>
        ) : isSolved ? (
          "solved for"
        ) : isExpression ? (
          `= ${shown}`
        ) : (
          hint
        )}
      </p>
    </div>
  );
}
