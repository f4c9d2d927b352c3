// Plans as files: what is written is what is read, and anything else is refused in one line.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PlanFormatError, planFromJson, planToText } from "../../src/formats/planReader.js";
import { plan } from "../../src/planner/solve.js";

const made = plan({ examples: 60_000, batchSize: 2048, steps: 300, epsilon: 3, delta: 1e-5 });

test("JSON and back gives the same plan, to the last digit", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("noiseMultiplier", "epsilon", "delta", "steps", "batchSize"),
      fc.integer({ min: 100, max: 5000 }),
      (unknown, steps) => {
        const full: Record<string, number> = {
          examples: 60_000,
          batchSize: 1000,
          steps,
          epsilon: 2,
          delta: 1e-5,
          noiseMultiplier: 1.2,
        };
        delete full[unknown];
        const found = plan(full as never);
        expect(planFromJson(planToText(found))).toEqual(found);
        expect(planToText(planFromJson(planToText(found)))).toBe(planToText(found));
      },
    ),
    { numRuns: 20 },
  );
});

describe("a text that is no plan is refused in one line", () => {
  const changed = (change: (object: Record<string, never>) => void): string => {
    const object = JSON.parse(planToText(made));
    change(object);
    return JSON.stringify(object);
  };
  test.each<[string, string, RegExp]>([
    ["not JSON", "{", /^plan must be JSON: /],
    ["a list", "[]", /^plan must be an object, got \[\]$/],
    [
      "another kind",
      changed((p: any) => (p.kind = "opacus")),
      /^plan's kind must be "dpsgd-plan", got "opacus"$/,
    ],
    ["another version", changed((p: any) => (p.version = 3)), /^plan's version must be 2 or 1, .*, got 3$/],
    [
      "a field that its version did not have",
      changed((p: any) => (p.version = 1)),
      /^plan's unit must be left out in version 1, got "example"$/,
    ],
    ["less noise than planned", changed((p: any) => (p.noiseMultiplier = 0.5)), /^plan's event must be /],
    ["more steps than planned", changed((p: any) => (p.steps = 301)), /^plan's steps must be 300/],
    ["another rate", changed((p: any) => (p.samplingRate = 0.1)), /^plan's samplingRate must be 0.034/],
    ["another event", changed((p: any) => (p.event.count = 3)), /^plan's event must be /],
    [
      "ε above the request",
      changed((p: any) => (p.achieved.epsilon = 3.1)),
      /^plan's achieved.epsilon must be at most the request's 3, got 3.1$/,
    ],
    ["another δ", changed((p: any) => (p.achieved.delta = 1e-3)), /^plan's achieved.delta must be 0.00001/],
    [
      "NaN as null",
      changed((p: any) => (p.achieved.epsilon = null)),
      /^plan's achieved.epsilon must be >= 0, got null$/,
    ],
    ["no request", changed((p: any) => delete p.request), /^plan's request must be an object, got nothing$/],
    ["a bad request", changed((p: any) => (p.request.batchSize = -1)), /^plan's request: batchSize must be/],
    ["no warnings", changed((p: any) => delete p.warnings), /^plan's warnings must be a list/],
  ])("%s", (_, text, message) => {
    expect(() => planFromJson(text)).toThrow(PlanFormatError);
    expect(() => planFromJson(text)).toThrow(message);
    expect(() => planFromJson(text)).not.toThrow(/\n/);
  });

  test("any single field of the numbers changed or removed is noticed", () => {
    const paths = [
      ["examples"],
      ["batchSize"],
      ["samplingRate"],
      ["steps"],
      ["noiseMultiplier"],
      ["achieved", "epsilon"],
      ["achieved", "delta"],
      ["event", "count"],
      ["event", "event", "samplingRate"],
      ["event", "event", "event", "noiseMultiplier"],
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...paths),
        fc.oneof(
          fc.constant(undefined),
          fc.constant("1"),
          fc.constant(-1),
          fc.integer({ min: 1e6, max: 1e9 }),
        ),
        (path, value) => {
          const text = changed((object) => {
            const parent = path.slice(0, -1).reduce((each: any, key) => each[key], object);
            parent[path.at(-1)!] = value;
          });
          expect(() => planFromJson(text)).toThrow(PlanFormatError);
        },
      ),
      { numRuns: 100 },
    );
  });
});
