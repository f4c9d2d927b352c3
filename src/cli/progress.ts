// The progress of a training run on standard error: a bar on a terminal, a line now and then elsewhere.
import { SingleBar } from "cli-progress";
import { type Plan, roundedDown, roundedUp } from "../planner/index.js";
import { epsilonSpent, type TrainProgress } from "../trainer/index.js";
import { tell } from "./print.js";

const SECONDS_BETWEEN_LINES = 5;
/** What is shown costs training no more than this part of its time, the accountant's included. */
const SHARE = 0.02;

export interface ProgressDisplay {
  /** All is ready for the first step, which may take a while. */
  begin(): void;
  update(progress: TrainProgress): void;
  stop(): void;
}

/** A display for `train`. ε spent so far is the plan's accountant's, for all steps shown, rounded up. */
export function showProgress(plan: Plan): ProgressDisplay {
  const terminal = process.stderr.isTTY === true;
  const between = terminal ? 0.15 : SECONDS_BETWEEN_LINES;
  let next = 0;
  /** Calls `show` if it is time to, or if the run is at its end. */
  const nowAndThen = ({ step, steps }: TrainProgress, show: () => void): void => {
    const began = performance.now() / 1000;
    if (began < next && step < steps) return;
    show();
    const ended = performance.now() / 1000;
    next = ended + Math.max(between, (ended - began) / SHARE);
  };
  if (!terminal)
    return {
      begin() {},
      update(progress) {
        nowAndThen(progress, () =>
          tell(`step ${progress.step}/${progress.steps}  ${progressText(plan, progress).join("  ")}`),
        );
      },
      stop() {},
    };
  const columns = process.stderr.columns || 80;
  const barsize = columns >= 100 ? 20 : columns >= 70 ? 8 : 4;
  const bar = new SingleBar({
    format: "{bar} {value}/{total}  {text}",
    barsize,
    stream: process.stderr,
    hideCursor: true,
  });
  let started = false;
  return {
    begin() {
      bar.start(plan.steps, 0, { text: "the first step" });
      started = true;
    },
    update(progress) {
      nowAndThen(progress, () => {
        const used = barsize + ` ${progress.steps}/${progress.steps}  `.length;
        const text = progressLine(plan, progress, columns - used - 1);
        if (!started) bar.start(progress.steps, progress.step, { text });
        started = true;
        bar.setTotal(progress.steps);
        bar.update(progress.step, { text });
      });
    },
    stop() {
      if (started) bar.stop();
      started = false;
    },
  };
}

/** Rate, time left, ε and accuracy, in this order; the accuracy is that of the last look at the test set, some steps ago. */
export function progressText(plan: Plan, progress: TrainProgress): string[] {
  const { step, viewsPerSecond, secondsLeft, testAccuracy, testAccuracyLast } = progress;
  const percent = (accuracy: number) => `${roundedDown(100 * accuracy, 4)} %`;
  return [
    `${Math.round(viewsPerSecond)} views/s`,
    `${duration(secondsLeft)} left`,
    `epsilon ${roundedUp(epsilonSpent(plan, step), 3)} (${plan.request.accountant})`,
    ...(testAccuracy === undefined ? [] : [`last test ${percent(testAccuracy)}`]),
    ...(testAccuracyLast === undefined ? [] : [`not averaged ${percent(testAccuracyLast)}`]),
  ];
}

/** As much of it as fits: first the accuracy of the last weights goes, then the rate, then the accountant's name. */
export function progressLine(plan: Plan, progress: TrainProgress, room: number): string {
  const [rate, left, epsilon, accuracy, last] = progressText(plan, progress);
  const short = epsilon!.replace(/ \(.*\)$/, "");
  const choices = [
    [rate, left, epsilon, accuracy, last],
    [rate, left, epsilon, accuracy],
    [left, epsilon, accuracy],
    [left, short, accuracy],
  ].map((parts) => parts.filter((part) => part !== undefined).join("  "));
  return choices.find((text) => text.length <= room) ?? choices.at(-1)!;
}

/** 45 s, 12 min, 3 h 20 min: rounded up. */
export function duration(seconds: number): string {
  if (!(seconds < 1e9)) return "?";
  if (seconds <= 120) return `${Math.ceil(seconds)} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes <= 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
