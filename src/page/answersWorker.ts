// The worker that answers: one plan for each question, the newest first, nothing else in its way.
// Where plans take long, a slider is answered by what is quick to prove, and by all that can be when it rests.
import type { AnswerMessage, Question } from "./messages.js";
import { solve } from "./solve.js";

/** After a plan that took longer, in milliseconds, the next question is first answered by what is quick. */
const SLOW = 40;
/** The long answer begins once no question follows for so long. */
const REST = 250;
/** A quick answer's lower bound below this part of its upper one leaves something to gain. */
const TIGHT = 1 - 1e-3;

let newest: Question | undefined;
let wake = (): void => {};
let working = false;
// Nothing is known of the first question.
let careful = true;

self.onmessage = async ({ data }: MessageEvent<Question>): Promise<void> => {
  newest = data;
  wake();
  if (working) return;
  working = true;
  try {
    while (newest) {
      const { id, state }: Question = newest;
      newest = undefined;
      if (careful) {
        const answer = await solve(state, "quick");
        const { epsilon, epsilonLowerBound } = answer.plan?.achieved ?? { epsilon: 0, epsilonLowerBound: 0 };
        if (epsilonLowerBound < TIGHT * epsilon) {
          send({ id, answer });
          await rest();
          if (newest) continue;
        }
      }
      const answer = await solve(state);
      careful = answer.milliseconds > SLOW;
      send({ id, answer });
    }
  } finally {
    working = false;
  }
};

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
