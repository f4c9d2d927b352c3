// The event of a random allocation of each record to several steps.
import { checkEvent } from "./checkEvent.js";
import type { PrivacyEvent } from "./event.js";

/**
 * Random allocation of each record to `selected` of `steps` steps, on each of which event runs once: as selected times one of
 * steps/selected, which costs no less. Given a uniform division of the steps into blocks each holds one of the selected
 * (docs/math-connect-the-dots.md, theorem 10). Whole numbers, 1 ≤ selected ≤ steps.
 */
export function randomAllocationEvent(run: {
  event: PrivacyEvent;
  steps: number;
  selected: number;
}): PrivacyEvent {
  const { event, steps, selected } = run;
  if (!(selected >= 1 && selected <= steps))
    throw new RangeError(`selected must be in [1, steps ${steps}], got ${selected}`);
  const size = Math.floor(steps / selected);
  const more = steps % selected;
  const events = [size, size + 1].map(
    (bins): PrivacyEvent => ({
      kind: "repeated",
      count: bins === size ? selected - more : more,
      event: { kind: "balls-in-bins", bins, event },
    }),
  );
  const all: PrivacyEvent = { kind: "composed", events };
  checkEvent(all);
  return all;
}
