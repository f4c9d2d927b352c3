// The worker that answers: one plan for each question, the newest first, nothing else in its way.
import type { AnswerMessage, Question } from "./messages.js";
import { solve } from "./solve.js";

let newest: Question | undefined;
let working = false;

self.onmessage = async ({ data }: MessageEvent<Question>): Promise<void> => {
  newest = data;
  if (working) return;
  working = true;
  try {
    while (newest) {
      const { id, state }: Question = newest;
      newest = undefined;
      self.postMessage({ id, answer: await solve(state) } satisfies AnswerMessage);
    }
  } finally {
    working = false;
  }
};
