// The progress of a training run on standard error: a bar on a terminal, a line now and then elsewhere. Redrawn by a
// timer, however long steps and ε take.
import type { Plan } from "../formats/plan.js";
import { roundedDown, roundedUp } from "../formats/rounded.js";
import type { TrainProgress } from "../runs/trainOptions.js";
import { type EpsilonAtStep, EpsilonMeter } from "./epsilonMeter.js";

const SECONDS_BETWEEN_DRAWINGS = 0.2;
const SECONDS_BETWEEN_LINES = 5;

export interface ProgressDisplay {
  /** All is ready for the first step here, which may take a while: after `step` of `steps`. */
  begin(at: { readonly step: number; readonly steps: number }): void;
  update(progress: TrainProgress): void;
  /** Prints something without spoiling the display. */
  beside(print: () => void): void;
  /** Shows the last state and ends. */
  stop(): void;
}

/** Where progress is drawn: standard error, or a stand-in for it. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
  on(event: "resize", listener: () => void): unknown;
  off(event: "resize", listener: () => void): unknown;
}

/** A display for `train`. ε spent is the plan's accountant's, rounded up, with the step that it belongs to. */
export function showProgress(
  plan: Plan,
  stream: ProgressStream = process.stderr,
  meter = new EpsilonMeter(plan),
): ProgressDisplay {
  return stream.isTTY === true ? new Bar(plan, stream, meter) : new Lines(plan, stream, meter);
}

/** What the run said last, and when. */
abstract class Display implements ProgressDisplay {
  protected start: { readonly step: number; readonly steps: number } | undefined;
  private last: { readonly progress: TrainProgress; readonly at: number } | undefined;
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(
    protected readonly plan: Plan,
    protected readonly stream: ProgressStream,
    protected readonly meter: EpsilonMeter,
    private readonly secondsBetween: number,
  ) {}

  begin(at: { readonly step: number; readonly steps: number }): void {
    this.start ??= at;
    this.run();
  }

  update(progress: TrainProgress): void {
    if (this.stopped) return;
    const first = this.last === undefined;
    this.last = { progress, at: performance.now() };
    this.meter.reached(progress.step);
    this.run();
    if (first || progress.step >= progress.steps) this.show();
  }

  beside(print: () => void): void {
    print();
  }

  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    clearInterval(this.timer);
    this.meter.stop();
  }

  /** What is known now: the time that is left goes on while a step takes long. */
  protected get now(): TrainProgress | undefined {
    if (!this.last) return undefined;
    const { progress, at } = this.last;
    const since = (performance.now() - at) / 1000;
    return { ...progress, secondsLeft: Math.max(0, progress.secondsLeft - since) };
  }

  protected run(): void {
    if (this.timer || this.stopped) return;
    this.timer = setInterval(() => {
      if (this.last) this.meter.reached(this.last.progress.step);
      this.show();
    }, 1000 * this.secondsBetween);
    // A run that is over ends the process, whatever was to be drawn.
    this.timer.unref();
  }

  protected abstract show(): void;
}

/** Off a terminal: a line at the first step, every few seconds, and at the end. */
class Lines extends Display {
  private shown = 0;

  constructor(plan: Plan, stream: ProgressStream, meter: EpsilonMeter) {
    super(plan, stream, meter, SECONDS_BETWEEN_LINES);
  }

  protected show(): void {
    const { now } = this;
    if (!now || now.step === this.shown) return;
    this.shown = now.step;
    const text = progressText(this.plan, now, this.meter.known).join("  ");
    this.stream.write(`step ${now.step}/${now.steps}  ${text}\n`);
  }
}

/** To the end of the screen: what a narrower window has made of a longer line lies below its beginning. */
const ERASE_BELOW = "\x1b[J";

/**
 * On a terminal: one line that is drawn over. The cursor waits at its beginning, which stays where it is when the window
 * becomes narrower, and is never hidden: a process that is killed leaves the terminal as it was.
 */
class Bar extends Display {
  private drawn = false;
  private readonly redraw = () => this.show();

  constructor(plan: Plan, stream: ProgressStream, meter: EpsilonMeter) {
    super(plan, stream, meter, SECONDS_BETWEEN_DRAWINGS);
  }

  protected override run(): void {
    if (!this.drawn) {
      this.stream.on("resize", this.redraw);
      this.drawn = true;
      this.show();
    }
    super.run();
  }

  override beside(print: () => void): void {
    if (this.drawn) this.stream.write(`\r${ERASE_BELOW}`);
    print();
    if (this.drawn) this.show();
  }

  override stop(): void {
    super.stop();
    if (!this.drawn) return;
    this.drawn = false;
    this.stream.off("resize", this.redraw);
    this.stream.write(`\r${this.line()}${ERASE_BELOW}\n`);
  }

  protected show(): void {
    this.stream.write(`\r${this.line()}${ERASE_BELOW}\r`);
  }

  private line(): string {
    const columns = this.stream.columns || 80;
    const { now } = this;
    const { step, steps } = now ?? this.start ?? { step: 0, steps: this.plan.steps };
    const size = columns >= 100 ? 20 : columns >= 70 ? 8 : 4;
    const done = Math.max(0, Math.min(size, Math.floor((size * step) / steps)));
    const head = `${"=".repeat(done)}${"-".repeat(size - done)} ${step}/${steps}  `;
    const text = now
      ? progressLine(this.plan, now, columns - head.length - 1, this.meter.known)
      : `the ${step === 0 ? "first" : "next"} step`;
    // The last column stays free: a terminal that is full to the edge may have begun another line.
    return (head + text).slice(0, columns - 1);
  }
}

/**
 * Rate, time left, ε and accuracy, in this order; ε with its step where that is not the one shown, the accuracy that of
 * the last look at the test set, some steps ago.
 */
export function progressText(plan: Plan, progress: TrainProgress, spent?: EpsilonAtStep): string[] {
  return Object.values(parts(plan, progress, spent)).filter((part) => part !== undefined);
}

function parts(plan: Plan, progress: TrainProgress, spent: EpsilonAtStep | undefined) {
  const { step, viewsPerSecond, secondsLeft, testAccuracy, testAccuracyLast } = progress;
  const percent = (accuracy: number) => `${roundedDown(100 * accuracy, 4)} %`;
  const at = spent && spent.step !== step ? ` at step ${spent.step}` : "";
  return {
    rate: `${Math.round(viewsPerSecond)} views/s`,
    left: `${duration(secondsLeft)} left`,
    epsilon: spent && `epsilon ${roundedUp(spent.epsilon, 3)}${at} (${plan.request.accountant})`,
    accuracy: testAccuracy === undefined ? undefined : `last test ${percent(testAccuracy)}`,
    last: testAccuracyLast === undefined ? undefined : `not averaged ${percent(testAccuracyLast)}`,
  };
}

/** As much of it as fits: first the accuracy of the last weights goes, then the rate, then the accountant's name. */
export function progressLine(
  plan: Plan,
  progress: TrainProgress,
  room: number,
  spent?: EpsilonAtStep,
): string {
  const { rate, left, epsilon, accuracy, last } = parts(plan, progress, spent);
  const short = epsilon?.replace(/ \(.*\)$/, "");
  const choices = [
    [rate, left, epsilon, accuracy, last],
    [rate, left, epsilon, accuracy],
    [left, epsilon, accuracy],
    [left, short, accuracy],
    [left, short],
    [left],
  ].map((each) => each.filter((part) => part !== undefined).join("  "));
  return choices.find((text) => text.length <= room) ?? choices.at(-1)!;
}

/** 45 s, 12 min, 3 h 20 min: rounded up. */
export function duration(seconds: number): string {
  if (!(seconds < 1e9)) return "?";
  if (seconds <= 120) return `${Math.ceil(seconds)} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes <= 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
