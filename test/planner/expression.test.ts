// Expressions: arithmetic over named quantities, and nothing else.
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { EXPRESSION_FUNCTIONS, ExpressionError, Expressions } from "../../src/math/expression.js";
import { plainNumber } from "../../src/math/plainNumber.js";
import { cpuMilliseconds } from "../support/cpuTime.js";

const quantities: Record<string, number | string> = {
  N: 60_000,
  B: "N/10",
  q: "B/N",
  T: "E/q",
  E: 3,
  a: "b",
  b: "a",
};
const names = [...Object.keys(quantities), "epsilon"];
const open = () => Expressions.load(names, (name) => quantities[name]);
let expressions: Expressions;
beforeAll(async () => {
  expressions = await open();
});

describe("what an expression may say", () => {
  test.each<[string, number]>([
    ["60000", 60_000],
    ["60_000", 60_000],
    ["1e-5", 1e-5],
    [" .5 ", 0.5],
    ["1/N^1.1", 1 / 60_000 ** 1.1],
    ["60*N/B", 600],
    ["-2^2", -4],
    ["2^3^2", 512],
    ["1_000*q", 100],
    ["T", 30],
    ["log(N) / log(10) + log10(10)", Math.log10(60_000) + 1],
    ["log(8, 2)", 3],
    ["min(N, max(1, B), 7.5)", 7.5],
    ["floor(2.9) + ceil(2.1) + round(2.5) + abs(-1)", 9],
    ["sqrt(16) * cbrt(27) * pow(2, 2)", 48],
    ["exp(1) - expm1(1) + log1p(0) + log2(4)", 3],
  ])("%s", (text, value) => {
    expect(expressions.evaluate(text)).toBeCloseTo(value, 12);
  });

  test("plain numbers need no parser", () => {
    expect(plainNumber("60_000")).toBe(60_000);
    expect(plainNumber("-1.5e3")).toBe(-1500);
    for (const text of ["", "1/2", "1__0", "_1", "0x10", "1e", "Infinity", "NaN", "1 2"])
      expect(plainNumber(text)).toBeUndefined();
  });

  test("agrees with JavaScript on random arithmetic", () => {
    const { tree } = fc.letrec<{ tree: { text: string; value: number } }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        fc.integer({ min: 1, max: 99 }).map((n) => ({ text: String(n), value: n })),
        fc.constant({ text: "N", value: 60_000 }),
        fc.tuple(tie("tree"), fc.constantFrom("+", "-", "*"), tie("tree")).map(([l, op, r]) => ({
          text: `(${l.text} ${op} ${r.text})`,
          value: op === "+" ? l.value + r.value : op === "-" ? l.value - r.value : l.value * r.value,
        })),
      ),
    }));
    fc.assert(
      fc.property(tree, ({ text, value }) => {
        fc.pre(text.length <= 200);
        expect(expressions.evaluate(text)).toBe(value);
      }),
    );
  });
});

describe("what it may not", () => {
  test.each<[string, RegExp]>([
    ["", /got nothing/],
    ["M", /unknown name "M" \(known here: N, B, q, T, E, a, b\)/],
    ["epsilon", /unknown name "epsilon"/],
    ["a + 1", /must not depend on itself: a -> b -> a/],
    ["2 N", /write \* for a product/],
    ["2(3)", /write \* for a product/],
    ["1/0", /finite real number, got "1\/0" = Infinity/],
    ["sqrt(-1)", /finite real number/],
    ["1e999", /finite real number/],
    ["log()", /must have a value/],
    ["N = 3", /with "="/],
    ["f(x) = x", /with "="/],
    ["1; 2", /with ";"/],
    ["1\n2", /with "\\n"/],
    ["[1]", /with "\["/],
    ["{a: 1}", /with/],
    ['"text"', /with/],
    ["N ? 1 : 2", /with/],
    ["1:3", /with/],
    ["5!", /with "!"/],
    ["10 % 3", /with "%"/],
    ["1 < 2", /with "<"/],
    ["N.constructor", /with accessor/],
    ["constructor", /unknown name "constructor"/],
    ["__proto__", /unknown name "__proto__"/],
    ["toString", /unknown name/],
    ["hasOwnProperty(1)", /function "hasOwnProperty"/],
    ["import(1)", /function "import"/],
    ["eval(1)", /function "eval"/],
    ["parse(1)", /function "parse"/],
    ["evaluate(1)", /function "evaluate"/],
    ["random()", /function "random"/],
    ["factorial(170)", /function "factorial"/],
    ["log.constructor(1)", /function|accessor/],
    ["1 to 2", /with "to"/],
    ["2 and 3", /with "and"/],
    ["not 3", /with "not"/],
    ["5 cm", /write \* for a product/],
    ["i", /unknown name "i"/],
    ["1e3".repeat(100), /at most 200 characters/],
  ])("%s", (text, message) => {
    expect(() => expressions.evaluate(text)).toThrow(ExpressionError);
    expect(() => expressions.evaluate(text)).toThrow(message);
    expect(() => expressions.evaluate(text)).not.toThrow(/\n/);
  });

  test("any text at all is a finite number or one line of refusal, at once, and changes nothing outside", () => {
    const before = Object.getOwnPropertyNames(globalThis).sort().join();
    const token = fc.constantFrom(
      ...[
        "N",
        "B",
        "q",
        "T",
        "1",
        "2.5",
        "1e9",
        "(",
        ")",
        "+",
        "-",
        "*",
        "/",
        "^",
        ",",
        " ",
        "=",
        ";",
        "[",
        "]",
      ],
      ...[
        "{",
        "}",
        '"',
        "'",
        ".",
        ":",
        "?",
        "%",
        "!",
        "constructor",
        "__proto__",
        "prototype",
        "import",
        "eval",
      ],
      ...[
        "process",
        "globalThis",
        "require",
        "Function",
        "f(x)=",
        "end",
        "true",
        "null",
        "NaN",
        "i",
        "pi",
        "cm",
      ],
      ...EXPRESSION_FUNCTIONS,
    );
    const anything = fc.oneof(
      fc.array(token, { maxLength: 40 }).map((tokens) => tokens.join("")),
      fc.string({ maxLength: 60, unit: "binary" }),
    );
    fc.assert(
      fc.property(anything, (text) => {
        const evaluate = () => {
          try {
            expect(Number.isFinite(expressions.evaluate(text))).toBe(true);
          } catch (error) {
            expect(error).toBeInstanceOf(ExpressionError);
            expect((error as Error).message).not.toMatch(/[\n\r]/);
          }
        };
        expect(cpuMilliseconds(evaluate, 1000)).toBeLessThan(1000);
      }),
      { numRuns: 3000 },
    );
    expect(Object.getOwnPropertyNames(globalThis).sort().join()).toBe(before);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  test("a failed look-up leaves nothing open: the next one works", async () => {
    const fresh = await open();
    expect(() => fresh.evaluate("a")).toThrow();
    expect(fresh.evaluate("q")).toBe(0.1);
    expect(() => fresh.evaluate("b")).toThrow(/b -> a -> b/);
  });
});

test("every function that is allowed can be called", async () => {
  const expressions = await Expressions.load([], () => undefined);
  for (const name of EXPRESSION_FUNCTIONS)
    expect(expressions.evaluate(`${name}(${name === "pow" ? "2, 3" : "2"})`), name).toBeGreaterThan(-1);
});
