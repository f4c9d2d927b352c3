// The statement: what it says is what the plan and the accountants say, never less, and can be recomputed from it.
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { accountant } from "../../src/accounting/accountants.js";
import { dpSgdEvent } from "../../src/formats/event.js";
import { NEIGHBORINGS } from "../../src/formats/guarantee.js";
import { VERSION } from "../../src/formats/version.js";
import { groupGuarantee } from "../../src/planner/group.js";
import { plan } from "../../src/planner/solve.js";
import { statement } from "../../src/report/statement.js";
import { dpsgdHere } from "../support/commandLine.js";

const mnist = { examples: 60_000, batchSize: 2048, steps: 300, epsilon: 3, delta: 1e-5 };

test("the version is the package's", () => {
  expect(VERSION).toBe(JSON.parse(readFileSync("package.json", "utf8")).version);
});

describe("the statement of a plan", () => {
  test("recomputes: its command gives the ε that it states, for every relation and accountant", async () => {
    for (const neighboring of NEIGHBORINGS)
      for (const name of ["pld", "rdp"] as const) {
        // Two mixtures against each other are beyond the pld accountant.
        if (neighboring === "replace-one" && name === "pld") continue;
        const made = plan({ ...mnist, neighboring, accountant: name });
        const text = statement(made);
        const [, command] = /`dpsgd (account [^`]+)`/.exec(text)!;
        const { stdout } = await dpsgdHere(...command!.split(" "), "--json");
        expect(JSON.parse(stdout).epsilon).toBe(made.achieved.epsilon);
        expect(text).toContain(`(${neighboring})`);
        expect(text).toContain(`the \`${name}\` accountant of dpsgd ${VERSION}`);
      }
  });

  test("never states less than was proven, and holds the exact ε between its bounds", () => {
    const run = fc.record({
      noiseMultiplier: fc.double({ min: 0.6, max: 20, noNaN: true }),
      steps: fc.integer({ min: 20, max: 5000 }),
      deltaExponent: fc.double({ min: 4, max: 12, noNaN: true }),
    });
    fc.assert(
      fc.property(run, ({ noiseMultiplier, steps, deltaExponent }) => {
        const delta = 10 ** -deltaExponent;
        const made = plan({ examples: 60_000, batchSize: 2048, noiseMultiplier, steps, delta });
        const text = statement(made);
        const stated = Number(/with ε = ([\d.]+) at/.exec(text)![1]);
        const [, low, high] = /between ([\d.e-]+) and ([\d.e-]+)\./.exec(text)!.map(Number);
        expect(stated).toBeGreaterThanOrEqual(made.achieved.epsilon);
        expect(stated).toBeLessThan(made.achieved.epsilon * 1.001);
        expect(low).toBeLessThanOrEqual(made.achieved.epsilonLowerBound);
        expect(high).toBeGreaterThanOrEqual(made.achieved.epsilon);
        expect(text).toContain(`standard deviation of ${noiseMultiplier} times`);
        expect(text).not.toMatch(/NaN|undefined|Infinity/);
      }),
      { numRuns: 20 },
    );
  });

  test("an attacker's rates are those of the plan's own curve, rounded up", () => {
    const made = plan({
      ...mnist,
      epsilon: undefined,
      maxTruePositiveRate: { rate: 0.05, falsePositiveRate: 0.01 },
    } as never);
    expect(statement(made)).toContain("recognise at most 5 % of those who were");
  });

  test("names the unit and the data, which cannot break out of the paragraph", () => {
    const text = statement(plan(mnist), { unit: "patient\n# x", dataset: "<b>*wards* [1](x)" });
    expect(text).toContain("60,000 patient # xs of \\<b\\>\\*wards\\* \\[1\\](x).");
    expect(text).toContain("The unit of privacy is one patient");
    expect(text.trimEnd().split("\n\n")).toHaveLength(6);
  });

  test("of Rényi accounting says that nothing bounds ε from below", () => {
    expect(statement(plan({ ...mnist, accountant: "rdp" }))).toMatch(
      /proves no lower bound, and the exact ε may be smaller\./,
    );
  });
});

describe("the statement of an audited run", () => {
  const made = plan(mnist);
  const audited = (steps: number, noiseMultiplier: number, holds: boolean) => {
    const event = dpSgdEvent({ samplingRate: made.samplingRate, noiseMultiplier, steps });
    const { lower, upper } = accountant("pld").account(event).epsilonIntervalAt(1e-5);
    const guarantee = { ...made.achieved, epsilon: upper, epsilonLowerBound: lower };
    return statement(made, { audited: { holds, steps, event, guarantee } });
  };

  test("has the steps and the ε that the ledger shows, and the verdict", () => {
    const text = audited(200, made.noiseMultiplier, true);
    expect(text).toMatch(/was trained .* In each of 200 steps/);
    const epsilon = Number(/with ε = ([\d.]+) at/.exec(text)![1]);
    expect(epsilon).toBeLessThan(3);
    expect(text).toContain("the audit found that the claim holds");
    expect(text).not.toMatch(/departed/);
  });

  test("says so where the run departed from its plan or the claim does not hold", () => {
    const text = audited(300, made.noiseMultiplier / 2, false);
    expect(text).toMatch(/The run departed from this/);
    expect(text).toMatch(/did not confirm the claim.*must not be relied on/);
    expect(Number(/with ε = ([\d.]+) at/.exec(text)![1])).toBeGreaterThan(3);
  });

  test("without a finite ε promises nothing", () => {
    const event = dpSgdEvent({ samplingRate: 0.1, noiseMultiplier: 0, steps: 1 });
    const guarantee = { ...made.achieved, epsilon: Infinity, epsilonLowerBound: Infinity };
    const text = statement(made, { audited: { holds: false, steps: 1, event, guarantee } });
    expect(text).toContain("**No finite ε is guaranteed**");
    expect(text).not.toMatch(/satisfies/);
    expect(text).toMatch(/at most 100 % of those who were/);
  });
});

describe("dpsgd plan --statement", () => {
  const args = [
    "plan",
    "--examples",
    "60000",
    "--batch-size",
    "2048",
    "--steps",
    "300",
    "--epsilon",
    "3",
    "--delta",
    "1e-5",
  ];

  test("alone prints nothing else; --json has it beside the plan", async () => {
    const { stdout } = await dpsgdHere(...args, "--statement", "--unit", "patient");
    expect(stdout).toBe(statement(plan(mnist), { unit: "patient" }));
    const json = JSON.parse((await dpsgdHere(...args, "--statement", "--json")).stdout);
    expect(json.statement).toBe(statement(plan(mnist)));
    expect(json.noiseMultiplier).toBe(plan(mnist).noiseMultiplier);
  });

  test("with --group says what one who has so many is promised, with both bounds, and recomputes", async () => {
    const { stdout } = await dpsgdHere(...args, "--statement", "--unit", "visit", "--group", "20");
    const { epsilon, epsilonLowerBound } = groupGuarantee(plan(mnist), 20);
    const [, told, stated, low, high] =
      /\*\*Whoever has up to (.*?)\*\* in .* with ε = ([\d.]+) at .* between ([\d.]+) and ([\d.]+)\./.exec(
        stdout,
      )!;
    expect(told).toBe("20 visits");
    expect(Number(stated)).toBeGreaterThanOrEqual(epsilon);
    expect(Number(stated)).toBeLessThan(epsilon * 1.001);
    expect(Number(low)).toBeLessThanOrEqual(epsilonLowerBound);
    expect(Number(high)).toBeGreaterThanOrEqual(epsilon);
    expect(stdout).toContain("with ε = 3 at");
    expect(stdout).toContain("whoever is in the data more than 20 times");
    const [, command] = /`dpsgd (account [^`]+)`/.exec(stdout)!;
    expect(stdout).toContain(`\`dpsgd ${command}\`; with \`--group 20\` as well, that of the group.`);
    const again = await dpsgdHere(...command!.split(" "), "--group", "20", "--json");
    expect(JSON.parse(again.stdout).epsilon).toBe(epsilon);
    // In the file too, and beside the plan in JSON.
    const json = JSON.parse((await dpsgdHere(...args, "--statement", "--group", "20", "--json")).stdout);
    expect(json.statement).toContain("**Whoever has up to 20 training examples**");
  });

  test("of a group that nothing is promised to, says so", () => {
    const made = plan({ ...mnist, accountant: "rdp" });
    const group = { ...made.achieved, size: 1000, epsilon: Infinity, epsilonLowerBound: 0 };
    expect(statement(made, { group })).toContain(
      "**Whoever has up to 1,000 training examples** in the data, added or removed together, is promised no finite ε",
    );
  });

  test("--unit without it is refused", async () => {
    const { status, stderr } = await dpsgdHere(...args, "--unit", "patient");
    expect(status).toBe(2);
    expect(stderr).toBe("dpsgd plan: --unit is of use with --statement only\n");
  });
});
