// The progress of a training run on standard error: a bar on a terminal, a line now and then elsewhere.
import { SingleBar } from "cli-progress";
import type { PrivacyCurve } from "../accounting/index.js";
import { accountant, dpSgdEvent } from "../accounting/index.js";
import { type Plan, roundedDown, roundedUp } from "../planner/index.js";
import type { TrainProgress } from "../trainer/index.js";
import { tell } from "./print.js";

const SECONDS_BETWEEN_LINES = 5;

/** A listener for `train`, and how to end it. ε spent so far is the plan's accountant's, rounded up. */
export function showProgress(plan: Plan): { update(progress: TrainProgress): void; stop(): void } {
  const asked = accountant(plan.request.accountant, { neighboring: plan.request.neighboring });
  const curveAfter = (steps: number): PrivacyCurve => asked.account(dpSgdEvent({ ...plan, steps }));
  const describe = (progress: TrainProgress) => {
    const { step, steps, seconds, examplesPerSecond, testAccuracy } = progress;
    return {
      rate: `${Math.round(examplesPerSecond)} examples/s`,
      left: step === 0 ? "?" : `${Math.ceil(((steps - step) * seconds) / step)} s`,
      spent: roundedUp(curveAfter(step).epsilonAt(plan.achieved.delta), 3),
      accuracy: testAccuracy === undefined ? "" : `  test ${roundedDown(100 * testAccuracy, 4)} %`,
    };
  };
  if (!process.stderr.isTTY) {
    let last = -Infinity;
    return {
      update(progress) {
        if (progress.seconds - last < SECONDS_BETWEEN_LINES && progress.step < progress.steps) return;
        last = progress.seconds;
        const { rate, left, spent, accuracy } = describe(progress);
        tell(`step ${progress.step}/${progress.steps}  ${rate}  ${left} left  epsilon ${spent}${accuracy}`);
      },
      stop() {},
    };
  }
  const bar = new SingleBar({
    ...barLayout(process.stderr.columns || 80),
    stream: process.stderr,
    hideCursor: true,
  });
  let started = false;
  return {
    update(progress) {
      const text = describe(progress);
      if (!started) bar.start(progress.steps, progress.step, text);
      started = true;
      bar.update(progress.step, text);
    },
    stop() {
      if (started) bar.stop();
      started = false;
    },
  };
}

/** What fits in one line of the terminal: the bar shrinks first, then the rate goes. */
export function barLayout(columns: number): { format: string; barsize: number } {
  const rest = "{value}/{total}  {left} left  epsilon {spent}{accuracy}";
  if (columns >= 100) return { format: `{bar} ${rest.replace("  ", "  {rate}  ")}`, barsize: 24 };
  if (columns >= 80) return { format: `{bar} ${rest.replace("  ", "  {rate}  ")}`, barsize: 6 };
  return { format: `{bar} ${rest}`, barsize: columns >= 70 ? 10 : 4 };
}
