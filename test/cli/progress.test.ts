// The progress display: what it says, that it fits the terminal, and that ε is never understated nor costly.
import { expect, test, vi } from "vitest";
import { accountant, dpSgdEvent } from "../../src/accounting/index.js";
import { duration, progressLine, progressText, showProgress } from "../../src/cli/progress.js";
import { plan as makePlan } from "../../src/planner/index.js";

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

test("it shows views a second, time left, epsilon with its accountant, accuracy averaged and not", () => {
  expect(progressText(plan, progress)).toEqual([
    "236806 views/s",
    "100 s left",
    expect.stringMatching(/^epsilon 2\.0\d \(pld\)$/),
    "last test 97.15 %",
    "not averaged 96.91 %",
  ]);
  const shown = Number(progressText(plan, progress)[2]!.split(" ")[1]);
  const exact = accountant("pld")
    .account(dpSgdEvent({ ...plan, steps: 617 }))
    .epsilonAt(1e-5);
  expect(shown).toBeGreaterThanOrEqual(exact);
  expect(shown).toBeLessThan(exact + 0.011);
});

test("it fits 60, 80, 100 and 120 columns, and says less where there is less room", () => {
  const lengths = [60, 80, 100, 120].map((columns) => {
    const barsize = columns >= 100 ? 20 : columns >= 70 ? 8 : 4;
    const line = `${"=".repeat(barsize)} 1234/1234  ${progressLine(plan, progress, columns - barsize - 13)}`;
    expect(line.length).toBeLessThan(columns);
    expect(line).toContain("last test 97.15 %");
    return line.length;
  });
  expect(new Set(lengths).size).toBeGreaterThan(2);
  expect(progressLine(plan, progress, 10)).toMatch(/^100 s left {2}epsilon/);
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

test("off a terminal a line shows at first, every five seconds, and at the end: not at every step", () => {
  const lines: string[] = [];
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    lines.push(String(text));
    return true;
  });
  const display = showProgress(plan);
  display.begin();
  for (let step = 1; step <= 1234; step++) display.update({ ...progress, step });
  display.stop();
  vi.restoreAllMocks();
  expect(lines.map((line) => line.split("  ")[0])).toEqual(["step 1/1234", "step 1234/1234"]);
});
