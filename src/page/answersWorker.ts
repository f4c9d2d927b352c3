// The workers that answer, each always the newest question: "live" what can be proven within a frame of the screen, so that
// it never falls behind a slider; "exact" what the command line says, which can take seconds.

import { answerTo } from "./answer.js";
import { FIRST_MOMENT } from "./live.js";
import type { AnswerMessage, Question } from "./messages.js";

let newest: Question | undefined;
let working = false;
let isWarm = false;

/** Hears a question. */
export async function hear(question: Question): Promise<void> {
  newest = question;
  if (working) return;
  working = true;
  try {
    while (newest) {
      const { id, state }: Question = newest;
      newest = undefined;
      const answer =
        self.name === "live"
          ? await answerTo(state, "live", isWarm ? undefined : FIRST_MOMENT)
          : await answerTo(state);
      isWarm = true;
      self.postMessage({ id, answer } satisfies AnswerMessage);
    }
  } finally {
    working = false;
  }
}
