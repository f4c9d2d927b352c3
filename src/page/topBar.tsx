// Above everything: known runs to start from, what the page has to tell, and the ways to audit and to share.
import { useRef } from "preact/hooks";
import { PRESETS } from "../planner/presets.js";
import { fieldText } from "./quantities.js";
import { START, type State } from "./state.js";

interface Props {
  readonly told: string;
  readonly onStart: (state: State) => void;
  readonly onFiles: (files: Promise<File[]>) => void;
  readonly onCopyLink: () => void;
}

export function TopBar({ told, onStart, onFiles, onCopyLink }: Props) {
  const chooser = useRef<HTMLInputElement>(null);
  return (
    <header class="top">
      <h1>
        dpsgd <span>planner</span>
      </h1>
      <label class="inline start">
        start from{" "}
        <select value="" onChange={(event) => onStart(presetState(event.currentTarget.value))}>
          <option value="" disabled>
            a known run
          </option>
          <option value="demo">MNIST demo, ε 3</option>
          {PRESETS.map(({ name }) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <p class="told" role="status">
        {told}
      </p>
      <button type="button" onClick={() => chooser.current?.click()}>
        Audit a run or plan…
      </button>
      <input
        ref={chooser}
        type="file"
        multiple
        hidden
        aria-label="files to audit: plan.json, ledger.jsonl"
        onChange={(event) => {
          const files = [...(event.currentTarget.files ?? [])];
          event.currentTarget.value = "";
          if (files.length > 0) onFiles(Promise.resolve(files));
        }}
      />
      <button type="button" onClick={onCopyLink}>
        Copy link
      </button>
    </header>
  );
}

/** A published run as the paper has it: noise, batch and steps given, ε solved for. */
function presetState(name: string): State {
  const found = PRESETS.find((each) => each.name === name);
  if (!found) return START;
  const { request } = found;
  const texts = { ...START.texts };
  for (const field of ["examples", "batchSize", "steps", "delta", "noiseMultiplier"] as const)
    texts[field] = fieldText(request[field]);
  texts.epsilon = String(found.publishedEpsilon);
  return { ...START, texts, solveFor: "epsilon" };
}
