// Code for other frameworks: its constants give the plan's ε again, and its event is the one that was accounted.
import { describe, expect, test } from "vitest";
import { accountant } from "../../src/accounting/accountants.js";
import { eventFromDpAccounting } from "../../src/formats/dpAccounting.js";
import { dpSgdEvent } from "../../src/formats/event.js";
import { NEIGHBORINGS } from "../../src/formats/guarantee.js";
import { emit, FRAMEWORKS, type Framework } from "../../src/planner/emit.js";
import { plan } from "../../src/planner/solve.js";
import { dpsgdHere } from "../support/commandLine.js";

const mnist = { examples: 60_000, batchSize: 2048, steps: 300, epsilon: 3, delta: 1e-5 };
const names = Object.keys(FRAMEWORKS) as Framework[];

/** The dp_accounting event in the code, read as the peer's own export would be. */
function eventIn(code: string) {
  const [, text] = /event = (dp_event\..*)$/m.exec(code)!;
  const json = text!
    .replaceAll(/dp_event\.(\w+)\(/g, '["dp_accounting.dp_event", "$1", ')
    .replaceAll(")", "]")
    .replaceAll(/\w+=/g, "")
    .replaceAll(/float\["inf"\]|float\("inf"\]/g, "Infinity");
  return eventFromDpAccounting(json);
}

describe.each(names)("%s", (framework) => {
  test("has the plan's constants in full, from which ε follows again", () => {
    const made = plan(mnist);
    const code = emit(made, framework);
    const value = (name: string) => Number(new RegExp(`^${name} = ([\\d.e-]+)`, "m").exec(code)![1]);
    const event = dpSgdEvent({
      samplingRate: value("BATCH_SIZE") / value("EXAMPLES"),
      noiseMultiplier: value("NOISE_MULTIPLIER"),
      steps: value("STEPS"),
    });
    expect(accountant("pld").account(event).epsilonAt(value("DELTA"))).toBe(made.achieved.epsilon);
    expect(eventIn(code)).toEqual(made.event);
    expect(code).toContain("# epsilon 3 at delta 0.00001, add-or-remove-one, by pld.");
    expect(code).toMatch(/import dp_accounting\n/);
  });

  test("names the relation in dp_accounting's words, and the warnings", () => {
    const relations = {
      "add-or-remove-one": "ADD_OR_REMOVE_ONE",
      "replace-one": "REPLACE_ONE",
      "zero-out-one": "REPLACE_SPECIAL",
    };
    for (const neighboring of NEIGHBORINGS)
      expect(emit(plan({ ...mnist, neighboring, accountant: "rdp" }), framework)).toContain(
        `RdpAccountant(neighboring_relation=dp_accounting.NeighboringRelation.${relations[neighboring]})`,
      );
    expect(emit(plan({ ...mnist, delta: 1e-4 }), framework)).toMatch(
      /^# warning: delta 0.0001 is not below/m,
    );
  });

  test("of a plan that pays for a search has the search in its event", () => {
    for (const tuningRuns of [
      { kind: "negative-binomial", eta: 0, mean: 10 },
      { kind: "negative-binomial", eta: 1.5, mean: 4 },
      { kind: "poisson", mean: 3 },
      { kind: "fixed", count: 4 },
    ] as const)
      for (const finalAfterProxy of [undefined, { batchSize: 512 }]) {
        const made = plan({ ...mnist, tuningRuns, ...(finalAfterProxy && { finalAfterProxy }) });
        const code = emit(made, framework);
        expect(eventIn(code)).toEqual(made.event);
        expect(code).toMatch(/^# Epsilon includes a search/m);
      }
    const none = plan({ ...mnist, tuningRuns: { kind: "negative-binomial", eta: -0.5, mean: 3 } });
    expect(() => emit(none, framework)).toThrow(/^emit must be of a search with η >= 0/);
  });
});

test("another framework is refused", () => {
  expect(() => emit(plan(mnist), "keras" as Framework)).toThrow(
    /^emit must be one of opacus, jax-privacy, tensorflow-privacy, got "keras"$/,
  );
});

test("dpsgd plan --emit prints the code alone, and has it in --json", async () => {
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
  const code = emit(plan(mnist), "opacus");
  expect((await dpsgdHere(...args, "--emit", "opacus")).stdout).toBe(code);
  expect(JSON.parse((await dpsgdHere(...args, "--emit", "opacus", "--json")).stdout).code).toBe(code);
  expect((await dpsgdHere(...args, "--emit", "keras")).stderr).toMatch(
    /^dpsgd plan: --emit must be one of opacus/,
  );
});
