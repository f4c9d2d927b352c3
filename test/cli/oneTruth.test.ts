// One truth about a run: plan, progress, metrics, report, budget and audit say the same ε, whatever the plan pays for.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { everyAccountant } from "../../src/accounting/accountants.js";
import { tightestEpsilon } from "../../src/accounting/tightest.js";
import type { Plan } from "../../src/formats/plan.js";
import { eventAfter } from "../../src/formats/plannedEvent.js";
import { planFromJson } from "../../src/formats/planReader.js";
import { roundedUp } from "../../src/formats/rounded.js";
import { answerTo } from "../../src/page/answer.js";
import { stateOf } from "../../src/page/state.js";
import { epsilonSpent } from "../../src/planner/epsilonSpent.js";
import { readBudget } from "../../src/runs/budgetFile.js";
import { dpsgdHere } from "../support/commandLine.js";
import { writeSmallData } from "../support/smallData.js";

// Whole trainings, on machines that others use too.
vi.setConfig({ testTimeout: 240_000 });

const scratch = mkdtempSync(join(tmpdir(), "dpsgd-truth-"));
const data = join(scratch, "data");
beforeAll(() => {
  writeSmallData(data, 300);
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const KINDS: { readonly [name: string]: string } = {
  plain: "",
  "five runs that are looked at": "--tuning-runs 5",
  "a secret number of runs": "--tuning-runs poisson(5)",
  "a search at another batch size, then the run":
    "--tuning-runs 3 --final-after-proxy 10 --proxy-noise-multiplier 3 --proxy-steps 4",
  "replace-one": "--neighboring replace-one",
  "the Rényi accountant": "--accountant rdp",
};

const close = (found: number, expected: number) => expect(Math.abs(found / expected - 1)).toBeLessThan(1e-9);

describe.each(Object.entries(KINDS))("a plan for %s", (name, options) => {
  const folder = join(scratch, name.replaceAll(/\W+/g, "-"));
  const file = `${folder}.plan.json`;
  const budgetFile = `${folder}.budget.json`;
  const steps = 6;
  let plan: Plan;
  let epsilon: number;
  /** By every accountant, as audits and budgets ask: at most the plan's own. */
  let tightest: (after: number) => number;

  beforeAll(async () => {
    const numbers = `--examples 300 --batch-size 30 --steps ${steps} --noise-multiplier 2 --delta 1e-5 ${options}`;
    const made = await dpsgdHere("plan", ...numbers.trim().split(" "), "--out", file, "--json");
    expect(made.stderr).toBe("");
    plan = planFromJson(readFileSync(file, "utf8"));
    epsilon = plan.achieved.epsilon;
    expect(JSON.parse(made.stdout).achieved.epsilon).toBe(epsilon);
    const accountants = everyAccountant(plan.achieved.neighboring);
    tightest = (after) => tightestEpsilon(accountants, eventAfter(plan, after), plan.achieved.delta).upper;
    const limits = ["--epsilon", "1000", "--delta", "1e-5", "--neighboring", plan.achieved.neighboring];
    expect((await dpsgdHere("audit", "--budget", budgetFile, ...limits)).status).toBe(0);
    const args = [
      "--data",
      data,
      "--model",
      "linear",
      "--backend",
      "cpu",
      "--workers",
      "1",
      "--evaluations",
      "2",
    ];
    const trained = await dpsgdHere("train", file, ...args, "--out", folder, "--budget", budgetFile);
    expect(trained).toMatchObject({ status: 0 });
  });

  test("progress and metrics.jsonl end at its epsilon, and say of fewer steps what eventAfter does", () => {
    close(epsilonSpent(plan, steps), epsilon);
    const lines = readFileSync(join(folder, "metrics.jsonl"), "utf8").trim().split("\n");
    const measured = lines.map((line) => JSON.parse(line));
    expect(measured.at(-1).step).toBe(steps);
    for (const { step, epsilon: said } of measured) expect(said).toBe(epsilonSpent(plan, step));
  });

  test("the audit recomputes it, and holds", async () => {
    const { status, stdout } = await dpsgdHere("audit", folder, "--json");
    expect(status).toBe(0);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ verdict: "holds", claimed: { epsilon }, event: plan.event });
    close(Math.min(...report.recomputed.map((each: any) => each.epsilon ?? Infinity)), tightest(steps));
  });

  test("its budget is charged for it", async () => {
    expect(readBudget(budgetFile).runs).toMatchObject([{ state: "settled", charged: plan.event }]);
    const { stdout } = await dpsgdHere("audit", "--budget", budgetFile, "--json");
    close(JSON.parse(stdout).epsilonSpent, tightest(steps));
  });

  test("the page that opens it says the same", async () => {
    expect((await answerTo(stateOf(plan))).plan).toEqual(plan);
  });

  test("its report says it", () => {
    const page = readFileSync(join(folder, "report.html"), "utf8");
    expect(page).toContain(`grows to ε ${roundedUp(tightest(steps))} after ${steps} steps`);
  });
});

test("a run that stops early is charged for its plan, and its audit says what the steps taken spent", async () => {
  const file = join(scratch, "early.json");
  const numbers =
    "--examples 60000 --batch-size 256 --steps 20 --noise-multiplier 1 --delta 1e-5 --tuning-runs 5";
  await dpsgdHere("plan", ...numbers.split(" "), "--out", file);
  const plan = planFromJson(readFileSync(file, "utf8"));
  // The figure of plan and audit, where progress once said 0.178 and metrics 0.1770.
  expect(roundedUp(plan.achieved.epsilon)).toBe("0.2908");
  expect(roundedUp(epsilonSpent(plan, 20))).toBe("0.2908");
  const accountants = everyAccountant("add-or-remove-one");
  const half = tightestEpsilon(accountants, eventAfter(plan, 10), 1e-5).upper;
  close(epsilonSpent(plan, 10), half);
  expect(half).toBeLessThan(plan.achieved.epsilon);
});
