// The progress display: what it says, that it fits the terminal, that it goes on whatever ε takes, and that ε is never
// understated.
import { EventEmitter } from "node:events";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { accountant } from "../../src/accounting/accountants.js";
import { EpsilonMeter, type Evaluator } from "../../src/cli/epsilonMeter.js";
import { duration, progressLine, progressText, showProgress } from "../../src/cli/progress.js";
import { dpSgdEvent } from "../../src/formats/event.js";
import { plan as makePlan } from "../../src/planner/solve.js";

const plan = makePlan({ examples: 60000, batchSize: 2048, steps: 1234, epsilon: 3, delta: 1e-5 });
const progress = {
  step: 617,
  steps: 1234,
  seconds: 100,
  secondsLeft: 99.2,
  examplesPerSecond: 14_800.4,
  viewsPerSecond: 236_806.4,
  testAccuracy: 0.97159,
  testAccuracyLast: 0.96911,
};
const spent = { step: 617, epsilon: 2.0312 };

/** A terminal, or a file: keeps what was written. */
class Stream extends EventEmitter {
  text = "";
  constructor(
    readonly isTTY: boolean,
    public columns = 80,
  ) {
    super();
  }
  write(text: string): void {
    this.text += text;
  }
  /** What has been drawn since the last look, without what drives the terminal. */
  look(): string {
    const drawn = this.text.split("\r").map((line) => line.replaceAll("\x1b[J", ""));
    this.text = "";
    return drawn.filter((line) => line.trim() !== "").at(-1) ?? "";
  }
}

/** An evaluator that takes so long, on the clock of the test. */
function slow(seconds: number) {
  const asked: number[] = [];
  const evaluator: Evaluator & { asked: number[]; stopped: boolean } = {
    asked,
    stopped: false,
    epsilonAfter(step) {
      asked.push(step);
      return new Promise((resolve) =>
        setTimeout(() => resolve({ epsilon: 1 + step / 1000, seconds }), 1000 * seconds),
      );
    },
    stop() {
      evaluator.stopped = true;
    },
  };
  return evaluator;
}

describe("what it says", () => {
  test("views a second, time left, epsilon with its accountant, accuracy averaged and not", () => {
    expect(progressText(plan, progress, spent)).toEqual([
      "236806 views/s",
      "100 s left",
      "epsilon 2.04 (pld)",
      "last test 97.15 %",
      "not averaged 96.91 %",
    ]);
  });

  test("an epsilon of an earlier step says of which, and one that is not known yet is left out", () => {
    expect(progressText(plan, progress, { ...spent, step: 73 })[2]).toBe("epsilon 2.04 at step 73 (pld)");
    expect(progressText(plan, progress).join("  ")).toBe(
      "236806 views/s  100 s left  last test 97.15 %  not averaged 96.91 %",
    );
  });

  test("it fits 60, 80, 100 and 120 columns, and says less where there is less room", () => {
    const lengths = [60, 80, 100, 120].map((columns) => {
      const barsize = columns >= 100 ? 20 : columns >= 70 ? 8 : 4;
      const line = `${"=".repeat(barsize)} 1234/1234  ${progressLine(plan, progress, columns - barsize - 13, spent)}`;
      expect(line.length).toBeLessThan(columns);
      expect(line).toContain("last test 97.15 %");
      return line.length;
    });
    expect(new Set(lengths).size).toBeGreaterThan(2);
    expect(progressLine(plan, progress, 30, spent)).toBe("100 s left  epsilon 2.04");
    expect(progressLine(plan, progress, 10, spent)).toBe("100 s left");
  });

  test("times are rounded up, in the unit that a person would use", () => {
    expect([0, 0.1, 45, 120, 121, 7200, 7201, 36_001].map(duration)).toEqual([
      "0 s",
      "1 s",
      "45 s",
      "120 s",
      "3 min",
      "120 min",
      "2 h 1 min",
      "10 h 1 min",
    ]);
    expect(duration(Number.NaN)).toBe("?");
    expect(duration(Number.POSITIVE_INFINITY)).toBe("?");
  });
});

describe("epsilon", () => {
  test("is computed in a thread, an upper bound for the step it is said of", async () => {
    const meter = new EpsilonMeter(plan);
    meter.reached(617);
    await vi.waitUntil(() => meter.known, { timeout: 60_000 });
    meter.stop();
    const exact = accountant("pld")
      .account(dpSgdEvent({ ...plan, steps: 617 }))
      .epsilonAt(1e-5);
    expect(meter.known).toEqual({ step: 617, epsilon: exact });
  });

  test("at the end is the plan's, without being computed", () => {
    const evaluator = slow(1);
    const meter = new EpsilonMeter(plan, evaluator);
    meter.reached(plan.steps);
    expect(meter.known).toEqual({ step: plan.steps, epsilon: plan.achieved.epsilon });
    expect(evaluator.asked).toEqual([]);
  });

  test("that cannot be computed is not shown, and nothing fails", async () => {
    const meter = new EpsilonMeter(plan, {
      epsilonAfter: () => Promise.reject(new Error("no such accountant")),
      stop() {},
    });
    meter.reached(1);
    await new Promise((resolve) => setImmediate(resolve));
    meter.reached(2);
    expect(meter.known).toBeUndefined();
  });
});

describe("as training goes on", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "setInterval", "clearInterval", "performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  const passing = (seconds: number) => vi.advanceTimersByTimeAsync(1000 * seconds);
  const at = (step: number, steps = 1234) => ({ ...progress, step, steps });

  test("steps and time left advance while one evaluation of epsilon takes twelve seconds", async () => {
    const [stream, evaluator] = [new Stream(true, 120), slow(12)];
    const display = showProgress(plan, stream, new EpsilonMeter(plan, evaluator));
    display.begin({ step: 0, steps: 1234 });
    expect(stream.look()).toBe(`${"-".repeat(20)} 0/1234  the first step`);
    for (let step = 1; step <= 73; step++) {
      display.update(at(step));
      await passing(0.16);
    }
    // 11.7 s: nothing is known of epsilon.
    expect(stream.look()).toMatch(/^=-{19} 73\/1234 {2}236806 views\/s {2}100 s left {2}last test/);
    await passing(1);
    expect(stream.look()).toMatch(
      /73\/1234 {2}236806 views\/s {2}99 s left {2}epsilon 1.01 at step 1 \(pld\)/,
    );
    // Two per cent: not again for ten minutes.
    display.update(at(400));
    await passing(300);
    expect(stream.look()).toMatch(/400\/1234 .* 0 s left {2}epsilon 1.01 at step 1 \(pld\)/);
    expect(evaluator.asked).toEqual([1]);
    await passing(310);
    expect(evaluator.asked).toEqual([1, 400]);
    display.update(at(1234));
    expect(stream.look()).toMatch(/^={20} 1234\/1234 .* epsilon 3 \(pld\)/);
    display.stop();
    expect(evaluator.stopped).toBe(true);
    expect(stream.text).toMatch(/^\r={20} 1234\/1234 [^\r]*\n$/);
    expect(stream.listenerCount("resize")).toBe(0);
    stream.text = "";
    await passing(10);
    expect(stream.text).toBe("");
  });

  test("a quick epsilon is asked for once a second, and shown without its step where that is the one shown", async () => {
    const [stream, evaluator] = [new Stream(true, 120), slow(0.01)];
    const display = showProgress(plan, stream, new EpsilonMeter(plan, evaluator));
    for (let step = 1; step <= 50; step++) {
      display.update(at(step));
      await passing(0.1);
    }
    expect(evaluator.asked.length).toBeLessThanOrEqual(6);
    await passing(2);
    expect(stream.look()).toMatch(/50\/1234 .* epsilon 1.05 \(pld\)/);
    display.stop();
  });

  test("a resumed run starts at the step it resumed from", async () => {
    const stream = new Stream(true, 80);
    const display = showProgress(plan, stream, new EpsilonMeter(plan, slow(1)));
    display.begin({ step: 900, steps: 1250 });
    expect(stream.look()).toBe("=====--- 900/1250  the next step");
    display.update(at(901, 1250));
    expect(stream.look()).toMatch(/^=====--- 901\/1250 {2}236806 views/);
    display.stop();
  });

  test("a window of another width is drawn anew, at once, from the beginning of the line", () => {
    const stream = new Stream(true, 120);
    const display = showProgress(plan, stream, new EpsilonMeter(plan, slow(1)));
    display.update(at(617));
    // The cursor is back at the beginning: there it stays when the terminal wraps the line.
    expect(stream.text).toMatch(/\r$/);
    stream.look();
    for (const columns of [60, 30, 12, 100]) {
      stream.columns = columns;
      stream.emit("resize");
      expect(stream.text.startsWith("\r") && stream.text.endsWith("\x1b[J\r")).toBe(true);
      expect(stream.text).not.toContain("\n");
      expect(stream.look().length).toBeLessThan(columns);
    }
    display.stop();
  });

  test("a warning stands on a line of its own above the bar", () => {
    const stream = new Stream(true, 80);
    const display = showProgress(plan, stream, new EpsilonMeter(plan, slow(1)));
    display.update(at(617));
    stream.text = "";
    display.beside(() => stream.write("warning: a worker died\n"));
    expect(stream.text.startsWith("\r\x1b[Jwarning: a worker died\n\r====---- 617/1234")).toBe(true);
    display.stop();
  });

  test("off a terminal a line shows at first, every five seconds, and at the end: not at every step", async () => {
    const stream = new Stream(false);
    const display = showProgress(plan, stream, new EpsilonMeter(plan, slow(2)));
    display.begin({ step: 0, steps: 1234 });
    for (let step = 1; step <= 1234; step++) {
      display.update(at(step));
      if (step % 100 === 0) await passing(1);
    }
    display.stop();
    const lines = stream.text.trimEnd().split("\n");
    expect(lines.map((line) => line.split("  ")[0])).toEqual([
      "step 1/1234",
      "step 500/1234",
      "step 1000/1234",
      "step 1234/1234",
    ]);
    expect(lines[0]).not.toContain("epsilon");
    expect(lines[1]).toContain("epsilon 1.01 at step 1 (pld)");
    expect(lines[3]).toContain("epsilon 3 (pld)");
  });
});
