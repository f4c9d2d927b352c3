// The page's state: the link that restores it, the command line that says the same, and what fields answer to nonsense.
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ACCOUNTANT_NAMES, NEIGHBORINGS } from "../../src/formats/guarantee.js";
import type { Plan, PlanRequest } from "../../src/formats/plan.js";
import { planFromJson } from "../../src/formats/planReader.js";
import { checkRequest, defaultAccountant } from "../../src/formats/request.js";
import type { TuningRuns } from "../../src/formats/tuning.js";
import { answerTo, readRequest } from "../../src/page/answer.js";
import { EXTRAS, type Extras } from "../../src/page/extras.js";
import {
  type FieldName,
  QUANTITIES,
  quantity,
  sliderPosition,
  sliderValue,
  UNKNOWNS,
} from "../../src/page/quantities.js";
import {
  commandLineOf,
  fromFragment,
  givenFields,
  START,
  type State,
  solvingFor,
  stateOf,
  toFragment,
} from "../../src/page/state.js";
import { PRESETS, presetRequest, RESULTS } from "../../src/planner/presets.js";
import { plan } from "../../src/planner/solve.js";
import { dpsgdHere } from "../support/commandLine.js";

/** What a shell makes of a command line whose only quotes are double ones. */
const words = (command: string): string[] =>
  [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!);

const STATES: readonly [string, State][] = [
  ["the demo", START],
  [
    "epochs and expressions",
    {
      ...START,
      length: "epochs",
      texts: { ...START.texts, epochs: "600*B/N", delta: "1/N^1.1", batchSize: "2^11" },
    },
  ],
  ["steps as an expression", { ...START, texts: { ...START.texts, steps: "10.3*N/B", examples: "60_000" } }],
  ["ε", { ...START, solveFor: "epsilon" }],
  ["δ", { ...START, solveFor: "delta" }],
  ["steps", { ...START, solveFor: "steps" }],
  ["batch size", { ...START, solveFor: "batchSize" }],
  ["Rényi, replace one", { ...START, accountant: "rdp", neighboring: "replace-one" }],
  ["five runs that are paid for", { ...START, extras: { "tuning-runs": "5" } }],
  ["a secret number of runs", { ...START, extras: { "tuning-runs": "poisson(5)" }, accountant: "rdp" }],
  [
    "a search at another batch size before the run",
    {
      ...START,
      solveFor: "epsilon",
      extras: {
        "tuning-runs": "3",
        "final-after-proxy": "64",
        "proxy-noise-multiplier": "2",
        "proxy-steps": "10",
      },
    },
  ],
  ["a limit on an attacker's advantage", { ...START, extras: { "max-advantage": "0.2" } }],
  ["a limit on an attacker's rate", { ...START, extras: { "max-tpr": "0.05@0.01" } }],
];

test.each(STATES)(
  "%s: the command line makes the very plan that the page has, and the link brings it back",
  async (_, state) => {
    const { plan: made, json } = await answerTo(state);
    const command = words(commandLineOf(state));
    expect(command.slice(0, 2)).toEqual(["dpsgd", "plan"]);
    expect(command.splice(-2)).toEqual(["--out", "plan.json"]);
    const { status, stdout } = await dpsgdHere(...command.slice(1), "--json");
    expect(status).toBe(0);
    const { search, ...told } = JSON.parse(stdout);
    expect(search !== undefined).toBe("tuning-runs" in state.extras);
    expect(told).toEqual(made);
    expect(planFromJson(json!)).toEqual(made);
    expect((await answerTo(fromFragment(`#${toFragment(state)}`))).plan).toEqual(made);
    // A dropped plan comes back as fields that make it again.
    expect((await answerTo(stateOf(made!))).plan).toEqual(made);
  },
);

describe("whatever a plan's request can hold", () => {
  const positive = fc.double({ min: 1e-9, max: 1e9, noNaN: true });
  const share = fc.double({ min: 1e-9, max: 0.999, noNaN: true });
  const count = fc.integer({ min: 1, max: 10_000 });
  const runs: fc.Arbitrary<TuningRuns> = fc.oneof(
    count.map((count) => ({ kind: "fixed" as const, count })),
    fc.double({ min: 1e-3, max: 1e4, noNaN: true }).map((mean) => ({ kind: "poisson" as const, mean })),
    fc.record({
      kind: fc.constant("negative-binomial" as const),
      eta: fc.double({ min: -0.999, max: 100, noNaN: true }),
      mean: fc.double({ min: 1.001, max: 1e4, noNaN: true }),
    }),
  );
  const proxy = fc.record(
    { batchSize: fc.double({ min: 1e-3, max: 10, noNaN: true }), noiseMultiplier: positive, steps: count },
    { requiredKeys: ["batchSize"] },
  );
  const request = fc
    .record({
      unknown: fc.constantFrom(...UNKNOWNS),
      length: fc.constantFrom("steps" as const, "epochs" as const),
      budget: fc.constantFrom("epsilon" as const, "maxAdvantage" as const, "maxTruePositiveRate" as const),
      has: fc.record({ tuningRuns: fc.boolean(), finalAfterProxy: fc.boolean(), names: fc.boolean() }),
      values: fc.record({
        examples: fc.integer({ min: 10, max: 1e9 }),
        batchSize: fc.double({ min: 1, max: 10, noNaN: true }),
        steps: fc.integer({ min: 1, max: 1e9 }),
        epochs: fc.double({ min: 1e-6, max: 0.5, noNaN: true }),
        epsilon: positive,
        delta: share,
        noiseMultiplier: positive,
        maxAdvantage: share,
        maxTruePositiveRate: fc
          .tuple(share, share)
          .filter(([a, b]) => a !== b)
          .map(([a, b]) => ({ rate: Math.max(a, b), falsePositiveRate: Math.min(a, b) })),
        tuningRuns: runs,
        finalAfterProxy: proxy,
        accountant: fc.constantFrom(...ACCOUNTANT_NAMES),
        neighboring: fc.constantFrom(...NEIGHBORINGS),
      }),
    })
    .map(({ unknown, length, budget, has, values }) => {
      const isEpsilon = unknown === "epsilon" || unknown === "delta";
      const left = new Set<string>([
        ...["steps", "epochs"].filter((name) => unknown === "steps" || name !== length),
        ...["epsilon", "maxAdvantage", "maxTruePositiveRate"].filter(
          (name) => name !== (isEpsilon ? "epsilon" : budget),
        ),
        ...(["tuningRuns", "finalAfterProxy"] as const).filter((name) => !has[name]),
        ...(has.names ? [] : ["accountant", "neighboring"]),
        unknown,
      ]);
      return Object.fromEntries(
        Object.entries(values).filter(([name]) => !left.has(name)),
      ) as unknown as PlanRequest;
    });

  test("the page's state, its link and its command line ask for the same", async () => {
    await fc.assert(
      fc.asyncProperty(request, async (asked) => {
        const { request: checked } = checkRequest(asked);
        const {
          examples,
          batchSize = 1,
          noiseMultiplier = 1,
          steps = 1,
          epsilon = 1,
          delta = 1e-5,
        } = checked;
        const made = {
          request: checked,
          examples,
          batchSize,
          noiseMultiplier,
          steps,
          achieved: { epsilon, delta },
        } as Plan;
        const state = stateOf(made);
        const same = async (state: State) => expect((await readRequest(state)).request).toEqual(checked);
        await same(state);
        await same(fromFragment(`#${toFragment(state)}`));
        const typed = words(commandLineOf(state)).slice(2, -2);
        const options = Object.fromEntries(
          typed.flatMap((word, i) => (i % 2 === 0 ? [[word.slice(2), typed[i + 1]]] : [])),
        );
        for (const [name, text] of Object.entries(state.extras)) expect(options[name]).toBe(text);
        expect(options.accountant ?? defaultAccountant(checked)).toBe(checked.accountant);
      }),
      { numRuns: 300 },
    );
  });

  test("what cannot be read or planned is said where it stands, and never left out", async () => {
    const wrong: readonly [Extras, keyof Extras, RegExp][] = [
      [{ "tuning-runs": "many" }, "tuning-runs", /^must be negative-binomial/],
      [{ "tuning-runs": "0" }, "tuning-runs", /^must be a whole number in/],
      [{ "max-tpr": "0.05" }, "max-tpr", /^must be a rate at/],
      [{ "max-tpr": "0.01@0.05" }, "max-tpr", /^must be a rate above/],
      [{ "max-advantage": "2" }, "max-advantage", /^must be in \(0, 1\)/],
      [{ "final-after-proxy": "1e9" }, "final-after-proxy", /^must be of a batch size/],
      [{ "proxy-steps": "10" }, "proxy-steps", /^must stand beside/],
    ];
    for (const [extras, name, message] of wrong) {
      const state = fromFragment(`#${toFragment({ ...START, extras })}`);
      const { plan: made, extraErrors } = await answerTo(state);
      expect(made).toBeUndefined();
      expect(extraErrors[name]).toMatch(message);
    }
    const secret = { ...START, extras: { "tuning-runs": "poisson(5)" } };
    expect((await answerTo(secret)).problem).toMatch(/cannot account for repeat-and-select/);
  });

  test("a limit on an attacker gives way to the plan's ε where ε or δ is solved for, and the plan stays", async () => {
    const limited: State = { ...START, extras: { "max-advantage": "0.2" } };
    const { plan: made } = await answerTo(limited);
    for (const unknown of ["epsilon", "delta"] as const) {
      const state = solvingFor(limited, unknown, made);
      expect(state.extras).toEqual({});
      const again = (await answerTo(state)).plan!;
      expect(again.noiseMultiplier).toBe(made!.noiseMultiplier);
      expect(again.achieved.epsilon).toBeLessThanOrEqual(made!.achieved.epsilon * (1 + 1e-9));
    }
  });
});

test("whatever the fields hold, the link restores it", () => {
  fc.assert(
    fc.property(
      fc.record({
        solveFor: fc.constantFrom(...UNKNOWNS),
        length: fc.constantFrom("steps" as const, "epochs" as const),
        text: fc.string({ unit: "grapheme", maxLength: 30 }),
        accountant: fc.constantFrom("pld" as const, "rdp" as const),
        extra: fc.constantFrom(...EXTRAS.map(({ name }) => name)),
      }),
      ({ text, extra, ...rest }) => {
        const texts = Object.fromEntries(QUANTITIES.map(({ name }) => [name, text])) as State["texts"];
        const state: State = { ...START, ...rest, texts, extras: { [extra]: text } };
        const back = fromFragment(`#${toFragment(state)}`);
        expect(givenFields(back)).toEqual(givenFields(state));
        for (const name of givenFields(state)) expect(back.texts[name]).toBe(text);
        const { solveFor, accountant, extras } = state;
        expect(back).toMatchObject({ solveFor, accountant, extras });
      },
    ),
  );
});

test("a link that says nonsense opens the page all the same", () => {
  for (const fragment of ["", "#", "#solve=x&accountant=y&neighboring=z&proxy=-1", "#%", "#proxy=1e999x"])
    expect(fromFragment(fragment)).toEqual(START);
});

describe.each(QUANTITIES.map(({ name }) => name))("%s", (name: FieldName) => {
  const state: State =
    name === "noiseMultiplier"
      ? { ...START, solveFor: "epsilon" }
      : name === "epochs"
        ? { ...START, length: "epochs" }
        : START;
  test.each([
    "",
    "nonsense",
    "NaN",
    "inf",
    "-1",
    "0",
    "1/0",
    "2 3",
    "alert(1)",
    "1e400",
    '"',
    "x".repeat(300),
  ])("%j is refused at that field and nowhere else", async (text) => {
    const { readings, plan: made } = await answerTo({ ...state, texts: { ...state.texts, [name]: text } });
    expect(made).toBeUndefined();
    const wrong = Object.entries(readings).filter(([, { error }]) => error !== undefined);
    expect(wrong.map(([field]) => field)).toEqual([name]);
    expect(wrong[0]![1].error).toMatch(/^must [^\n]*$/);
  });

  test("each press of an arrow key moves the slider's value, the way it points", () => {
    const of = quantity(name);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 299 }), (position) => {
        const value = sliderValue(of, position, Number.NaN);
        const there = sliderPosition(of, value);
        if (there < 300) expect(sliderValue(of, there + 1, value)).toBeGreaterThan(value);
        if (there > 0) expect(sliderValue(of, there - 1, value)).toBeLessThan(value);
      }),
    );
  });

  test("its slider covers every published run and what docs/page.md says, within what the field takes", () => {
    const { slider, accepts, label, symbol } = quantity(name);
    expect(accepts(slider.least) && accepts(slider.most)).toBe(true);
    for (const { request } of [...PRESETS, ...RESULTS]) {
      const given =
        name === "epochs" ? (request.steps * request.batchSize) / request.examples : request[name];
      const value = given ?? plan(request).achieved.epsilon;
      expect(value).toBeGreaterThanOrEqual(slider.least);
      expect(value).toBeLessThanOrEqual(slider.most);
    }
    const ends = [slider.least, name === "batchSize" ? "N" : slider.most];
    const row = `| ${label} ${symbol} | ${ends.join(" | ")} |`;
    expect(readFileSync("docs/page.md", "utf8").includes(row), row).toBe(true);
  });

  test("a value beyond its slider is taken as it is, and the slider stands at that end", async () => {
    const { slider } = quantity(name);
    for (const [value, end] of [
      [slider.least * 0.6, 0],
      [slider.most * 1.7, 300],
    ] as const) {
      const typed = quantity(name).whole || name === "steps" ? Math.round(value) : value;
      if (!quantity(name).accepts(typed)) continue;
      expect(sliderPosition(quantity(name), typed)).toBe(end);
      // A batch needs as many examples.
      const texts = {
        ...START.texts,
        ...(name === "batchSize" && { examples: "1e9" }),
        [name]: String(typed),
      };
      expect((await answerTo({ ...state, texts }, "live")).readings[name]).toEqual({ value: typed });
      // Moved, it goes on from its end.
      const next = sliderValue(quantity(name), end === 0 ? 1 : 299, typed);
      expect(next).toBeGreaterThanOrEqual(slider.least);
      expect(next).toBeLessThanOrEqual(slider.most);
    }
  });
});

test("the batch's slider ends at the examples, however few", () => {
  const of = quantity("batchSize");
  for (const examples of [1, 2, 10, 16, 17, 100, 60_000]) {
    expect(sliderValue(of, 300, Number.NaN, examples)).toBe(examples);
    for (let position = 0; position <= 300; position += 50) {
      const value = sliderValue(of, position, Number.NaN, examples);
      expect(value).toBeGreaterThanOrEqual(1);
      expect(value).toBeLessThanOrEqual(examples);
      expect(Number.isInteger(sliderPosition(of, value, examples))).toBe(true);
    }
    expect(sliderPosition(of, examples, examples)).toBe(300);
  }
});

test("a field that waits for another says for which; a batch larger than the data is refused at the batch", async () => {
  const wait = await answerTo({ ...START, texts: { ...START.texts, steps: "60*N/B", batchSize: "b" } });
  expect(wait.readings.steps?.error).toBe("waits for batch size");
  expect(wait.readings.batchSize?.error).toMatch(/unknown name "b"/);
  const large = await answerTo({ ...START, texts: { ...START.texts, batchSize: "60001" } });
  expect(large.readings.batchSize?.error).toBe("must be in (0, examples 60000], got 60001");
});

test("where nothing meets the request the answer says why, in the planner's words", async () => {
  const { problem, plan: made } = await answerTo({
    ...START,
    solveFor: "steps",
    texts: { ...START.texts, noiseMultiplier: "0.1" },
  });
  expect(made).toBeUndefined();
  expect(problem).toMatch(/^no such plan: one step at noise multiplier 0.1 already spends/);
});

test("a live answer says how much it has of the command line's, in plan.json too; where it finds none that is left open", async () => {
  for (const solveFor of UNKNOWNS) {
    const state = solvingFor(START, solveFor, (await answerTo(START)).plan);
    const { plan: made, live, json } = await answerTo(state, "live");
    expect(["six digits", "a bound"]).toContain(live);
    expect(planFromJson(json!)).toEqual(made);
    expect(made!.warnings.some((each) => each.startsWith("a quick bound"))).toBe(live === "a bound");
    expect((await answerTo(state)).live).toBeUndefined();
  }
  const none = { ...START, solveFor: "steps" as const, texts: { ...START.texts, noiseMultiplier: "0.1" } };
  expect(await answerTo(none, "live")).toMatchObject({
    live: "a bound",
    problem: expect.stringContaining("is being computed"),
  });
});

test("solving for something else keeps the plan", async () => {
  const first = await answerTo(START);
  for (const unknown of ["epsilon", "batchSize"] as const) {
    const state = solvingFor(START, unknown, first.plan);
    expect(state.texts.noiseMultiplier).toBe(String(first.plan!.noiseMultiplier));
    const { plan: made } = await answerTo(state);
    expect(made!.noiseMultiplier).toBe(first.plan!.noiseMultiplier);
    expect(Math.abs(made!.achieved.epsilon / 3 - 1)).toBeLessThan(1e-3);
  }
});

test("a published run has its published request", async () => {
  const request = presetRequest("de2022/cifar10-wrn-16-4-epsilon-8");
  expect((await answerTo(stateOf(plan(request)))).plan!.achieved.epsilon).toBe(
    plan(request).achieved.epsilon,
  );
});
