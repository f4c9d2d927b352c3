// The worker that answers: of each question, the newest first, what Rényi accounting proves in milliseconds whatever the
// plan, and then the command line's answer. That takes milliseconds too, except for few steps or low sampling rates.
import type { AnswerMessage, Question } from "./messages.js";
import { solve } from "./solve.js";

/** After an answer that took longer, in milliseconds, the next long one waits until no question follows. */
const SLOW = 40;
/** For so long, in milliseconds. */
const REST = 250;

let newest: Question | undefined;
let wake = (): void => {};
let working = false;
let slow = false;

/** Hears a question. */
export async function hear(question: Question): Promise<void> {
  newest = question;
  wake();
  if (working) return;
  working = true;
  try {
    while (newest) {
      const { id, state, replaces }: Question = newest;
      newest = undefined;
      slow ||= replaces;
      if (state.accountant !== "rdp") {
        const answer = await solve(state, "quick");
        if (answer.refining) send({ id, answer });
        if (slow) await rest();
        if (slow && newest) continue;
      }
      const answer = await solve(state);
      slow = answer.milliseconds > SLOW;
      send({ id, answer });
    }
  } finally {
    working = false;
  }
}

function send(message: AnswerMessage): void {
  self.postMessage(message);
}

/** Ends early when a question comes. */
function rest(): Promise<void> {
  return new Promise((resolve) => {
    wake = resolve;
    setTimeout(resolve, REST);
  });
}
