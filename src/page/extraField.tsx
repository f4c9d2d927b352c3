// Something that a plan asks for beside its quantities: shown where it is there, to be changed or left out.
import type { Extra } from "./extras.js";

interface Props {
  readonly of: Extra;
  readonly text: string;
  readonly error: string | undefined;
  readonly onText: (text: string) => void;
  readonly onRemove: () => void;
}

export function ExtraField({ of: { name, label, hint }, text, error, onText, onRemove }: Props) {
  const id = `field-${name}`;
  return (
    <div class={error ? "field wrong" : "field"}>
      <div class="field-head">
        <label class="label" for={id}>
          {label}
        </label>
        <button
          type="button"
          class="quiet"
          aria-label={`leave out: ${label}`}
          title="leave it out"
          onClick={onRemove}
        >
          ✕
        </button>
        <input
          id={id}
          class="value"
          type="text"
          autocomplete="off"
          spellcheck={false}
          value={text}
          aria-invalid={error !== undefined}
          aria-describedby={`${id}-about`}
          onInput={(event) => onText(event.currentTarget.value)}
        />
      </div>
      <p class="about" id={`${id}-about`}>
        {error ? <span class="error">{error}</span> : hint}
      </p>
    </div>
  );
}
