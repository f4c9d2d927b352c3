// Events and curves as JSON: what is written is read back, fits the published schema, and nothing unknown slips in.
import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PrivacyCurve } from "../../src/accounting/accountant.js";
import { curveFromJson, curveToJson } from "../../src/accounting/curveJson.js";
import type { PrivacyEvent } from "../../src/formats/event.js";
import { eventFromJson, eventToJson } from "../../src/formats/eventJson.js";
import { anyEvent } from "../support/events.js";

const ajv = new Ajv2020({ strict: true, strictRequired: false });
const schema = (name: string) =>
  ajv.compile(JSON.parse(readFileSync(`docs/schema/${name}.schema.json`, "utf8")) as object);
const isEvent = schema("event");
const isCurve = schema("curve");
/** −0 and 0 mean the same event; JSON knows only 0. */
const withoutMinusZero = (event: PrivacyEvent): unknown =>
  JSON.parse(
    JSON.stringify(event, (_, v: unknown) => (v === Infinity ? "∞" : v)),
    (_, v: unknown) => (v === "∞" ? Infinity : v),
  );

describe("an event", () => {
  test("of any kind survives a round trip through text and through parsed JSON, Infinity included", () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const json = eventToJson(event);
        expect(eventFromJson(JSON.stringify(json))).toEqual(withoutMinusZero(event));
        expect(eventFromJson(json)).toEqual(withoutMinusZero(event));
      }),
      { numRuns: 300 },
    );
  });

  test("as written fits docs/schema/event.schema.json", () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        expect(isEvent(JSON.parse(JSON.stringify(eventToJson(event)))), ajv.errorsText(isEvent.errors)).toBe(
          true,
        );
      }),
      { numRuns: 300 },
    );
  });

  const wrap = (event: unknown) => ({ format: "dpsgd-event", version: 1, event });
  const bad: [string, unknown, string][] = [
    [
      "an unknown kind",
      wrap({ kind: "magic" }),
      'event.kind "magic" is unknown: it must be one of none, non-private',
    ],
    ["a kind from the object prototype", wrap({ kind: "constructor" }), 'kind "constructor" is unknown'],
    ["a missing field", wrap({ kind: "gaussian" }), "event must have the field noiseMultiplier"],
    [
      "an unknown field",
      wrap({ kind: "gaussian", noiseMultiplier: 1, clip: 2 }),
      'event has an unknown field "clip"',
    ],
    [
      "a text for a number",
      wrap({ kind: "repeated", count: 3, event: { kind: "gaussian", noiseMultiplier: "1" } }),
      'event.event.noiseMultiplier must be a number, got "1"',
    ],
    [
      "a negative number",
      wrap({ kind: "gaussian", noiseMultiplier: -1 }),
      "noiseMultiplier must be >= 0, got -1",
    ],
    ["a null event", wrap(null), "event.kind nothing is unknown: it must be one of"],
    ["a list that is none", wrap({ kind: "composed", events: {} }), "event.events must be a list, got {}"],
    ["another version", { ...wrap({ kind: "none" }), version: 2 }, "version of dpsgd-event must be 1, got 2"],
    ["another format", { format: "plan" }, 'format must be "dpsgd-event", got "plan"'],
    ["no object", 7, "not a dpsgd-event"],
    ["null", null, "not a dpsgd-event"],
    ["half a file", '{"format":"dpsgd-ev', "not JSON: "],
    [
      "Python's NaN",
      '{"format":"dpsgd-event","version":1,"event":{"kind":"gaussian","noiseMultiplier":NaN}}',
      'must be a number, got "NaN"',
    ],
    ["an unknown field of the envelope", { ...wrap({ kind: "none" }), delta: 1e-5 }, 'unknown field "delta"'],
  ];
  test.each(bad)("with %s is refused in one clear line", (_, json, line) => {
    expect(() => eventFromJson(json)).toThrow(line);
    try {
      eventFromJson(json);
    } catch (error) {
      expect((error as Error).message).not.toContain("\n");
    }
    if (typeof json !== "string" && json !== null) expect(isEvent(json)).toBe(false);
  });

  test("nested without end is refused, not a crash", () => {
    let event: unknown = { kind: "none" };
    for (let i = 0; i < 100_000; i++) event = { kind: "repeated", count: 1, event };
    expect(() => eventFromJson({ format: "dpsgd-event", version: 1, event })).toThrow(
      "must not nest deeper than 200",
    );
  });

  test("that is not legal is not written", () => {
    expect(() => eventToJson({ kind: "gaussian", noiseMultiplier: Number.NaN })).toThrow(
      "noiseMultiplier must be >= 0, got NaN",
    );
  });
});

/** Randomised response with two answers: ε = log 3 at δ = 0, and δ(ε) = ¾ − ¼ e^ε below. */
const DELTA = (epsilon: number) => Math.max(0, 0.75 - 0.25 * Math.exp(epsilon));
const exact: PrivacyCurve = {
  accountant: "exact",
  neighboring: "replace-one",
  deltaAt: DELTA,
  deltaIntervalAt: (epsilon) => ({ lower: DELTA(epsilon), upper: DELTA(epsilon) }),
  epsilonAt: (delta) => Math.log(Math.max(1, (0.75 - delta) / 0.25)),
  epsilonIntervalAt: (delta) => ({ lower: exact.epsilonAt(delta), upper: exact.epsilonAt(delta) }),
};

describe("a curve", () => {
  const grid = [3, 0, 0.25, 0.5, 1, 1.0986122886681098, Infinity, 0.5];
  const json = curveToJson(exact, grid);
  const read = curveFromJson(JSON.stringify(json));

  test("as written fits docs/schema/curve.schema.json, points sorted and unique", () => {
    expect(isCurve(JSON.parse(JSON.stringify(json))), ajv.errorsText(isCurve.errors)).toBe(true);
    expect(json.points.map((point) => point.epsilon)).toEqual([
      0,
      0.25,
      0.5,
      1,
      1.0986122886681098,
      3,
      "Infinity",
    ]);
  });

  test("as read gives back its points exactly, and writes the same file again", () => {
    for (const epsilon of grid) expect(read.deltaIntervalAt(epsilon)).toEqual(exact.deltaIntervalAt(epsilon));
    expect(curveToJson(read, grid)).toEqual(json);
  });

  test("as read bounds the truth between its points, and on the chord where the truth is one", () => {
    for (let epsilon = 0; epsilon < 4; epsilon += 0.01) {
      const { lower, upper } = read.deltaIntervalAt(epsilon);
      expect(lower).toBeLessThanOrEqual(DELTA(epsilon));
      expect(upper).toBeGreaterThanOrEqual(DELTA(epsilon));
      expect(upper - DELTA(epsilon)).toBeLessThan(1e-14);
    }
  });

  test("as read inverts on the safe side", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (delta) => {
        const { lower, upper } = read.epsilonIntervalAt(delta);
        expect(read.deltaAt(upper)).toBeLessThanOrEqual(delta);
        expect(upper).toBeGreaterThanOrEqual(exact.epsilonAt(delta) - 1e-15);
        expect(upper).toBeLessThanOrEqual(exact.epsilonAt(delta) + 1e-12);
        expect(lower).toBeLessThanOrEqual(exact.epsilonAt(delta));
      }),
    );
  });

  test("whose last point still has δ > 0 promises nothing below it", () => {
    const short = curveFromJson(curveToJson(exact, [0, 0.5]));
    expect(short.epsilonIntervalAt(0.1)).toEqual({ lower: 0.5, upper: Infinity });
    expect(short.deltaIntervalAt(9)).toEqual({ lower: 0, upper: DELTA(0.5) });
    expect(short.epsilonAt(1)).toBe(0);
  });

  const bad: [string, (curve: Record<string, unknown>) => void, string][] = [
    [
      "no points",
      (c) => {
        c.points = [];
      },
      "points must be a list of at least one point",
    ],
    [
      "points in disorder",
      (c) => {
        (c.points as unknown[]).reverse();
      },
      "points[1].epsilon must be above Infinity, got 3",
    ],
    [
      "lower above upper",
      (c) => {
        (c.points as { deltaLower: number }[])[2]!.deltaLower = 0.9;
      },
      "points[2] must have 0 <= deltaLower <= deltaUpper <= 1",
    ],
    [
      "no δ",
      (c) => {
        delete (c.points as { deltaUpper?: number }[])[0]!.deltaUpper;
      },
      "points[0] must have the field deltaUpper",
    ],
    [
      "an unknown relation",
      (c) => {
        c.neighboring = "friends";
      },
      "neighboring must be one of add-or-remove-one",
    ],
    [
      "no accountant",
      (c) => {
        c.accountant = 3;
      },
      "accountant must be a text, got 3",
    ],
  ];
  test.each(bad)("with %s is refused", (_, spoil, line) => {
    const copy = JSON.parse(JSON.stringify(json)) as Record<string, unknown>;
    spoil(copy);
    expect(() => curveFromJson(copy)).toThrow(line);
  });

  test("needs at least one ε, each ≥ 0", () => {
    expect(() => curveToJson(exact, [])).toThrow("epsilons must hold at least one number");
    expect(() => curveToJson(exact, [-1])).toThrow("epsilon must be >= 0, got -1");
  });
});
